//! Amazon Athena, when the deployment has an `ATHENA_WORKGROUP` or an `ATHENA_OUTPUT_LOCATION`.
//!
//! `ATHENA_DATABASE` and `ATHENA_CATALOG` say where tables are looked for that a query names alone.

use std::time::Duration;

use aws::Aws;
use aws::athena::{
    ColumnInfo, QueryExecutionContext, QueryResults, QueryState, ResultConfiguration, Row,
    StartQueryExecution,
};
use holiday_sdk::{Context, Error, RetryPolicy, TerminalError, config};
use serde_json::{Map, Value};

/// Rows of an answer, which goes into journals as a whole.
const ROWS_MAX: usize = 10_000;

/// Bytes of an answer as JSON: half of what a journal takes in one piece.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Starts a query, and returns its id; nothing where Athena is not configured. Asked again under the same id, it is the
/// same query.
pub(crate) async fn start(id: &str, sql: &str) -> Result<Option<String>, Error> {
    let variable = |name: &str| config(name).filter(|value| !value.is_empty());
    let (work_group, output) = (variable("ATHENA_WORKGROUP"), variable("ATHENA_OUTPUT_LOCATION"));
    if work_group.is_none() && output.is_none() {
        return Ok(None);
    }
    let (catalog, database) = (variable("ATHENA_CATALOG"), variable("ATHENA_DATABASE"));
    let context = QueryExecutionContext { catalog: catalog.as_deref(), database: database.as_deref() };
    let input = StartQueryExecution {
        query_string: sql,
        client_request_token: Some(id),
        query_execution_context: (catalog.is_some() || database.is_some()).then_some(context),
        result_configuration: output
            .as_deref()
            .map(|output_location| ResultConfiguration { output_location }),
        work_group: work_group.as_deref(),
    };
    Ok(Some(Aws::from_config()?.athena().start_query_execution(&input).await?))
}

/// Waits until a query has finished, and fetches its rows.
pub(crate) async fn finish(ctx: Context, execution_id: &str) -> Result<Value, TerminalError> {
    let patience =
        RetryPolicy::exponential(Duration::from_millis(40), 2.0).max_interval(Duration::from_secs(10));
    ctx.run("wait for the query", async || has_succeeded(execution_id).await).retry(patience).await?;
    ctx.run("fetch the results", async || fetch(execution_id).await).await
}

/// Fails, to be tried again, while the query is under way.
async fn has_succeeded(execution_id: &str) -> Result<(), Error> {
    let status = Aws::from_config()?.athena().get_query_execution(execution_id).await?.status;
    let state = match status.state {
        QueryState::Succeeded => return Ok(()),
        QueryState::Queued => "QUEUED",
        QueryState::Running => "RUNNING",
        QueryState::Failed => "FAILED",
        QueryState::Cancelled => "CANCELLED",
    };
    if !status.state.is_final() {
        return Err(Error::retryable(format!("Query has not yet finished. Current state: {state}")));
    }
    let reason = status.state_change_reason.unwrap_or_else(|| "Athena gives no reason".to_owned());
    Err(Error::terminal(format!("it is {state}: {reason}")))
}

async fn fetch(execution_id: &str) -> Result<Value, Error> {
    let aws = Aws::from_config()?;
    let (mut objects, mut bytes) = (Vec::new(), 0);
    let mut page = aws.athena().get_query_results(execution_id, None).await?;
    let mut is_first = true;
    loop {
        for row in rows(&page, is_first) {
            bytes += row.to_string().len() + 1;
            objects.push(row);
        }
        if objects.len() > ROWS_MAX || bytes > ANSWER_BYTES_MAX {
            let text = format!(
                "it has more than {ROWS_MAX} rows or {ANSWER_BYTES_MAX} bytes; say LIMIT, or write its rows to a table"
            );
            return Err(Error::terminal(text));
        }
        let Some(next) = page.next_token else { return Ok(Value::Array(objects)) };
        page = aws.athena().get_query_results(execution_id, Some(&next)).await?;
        is_first = false;
    }
}

/// The rows of a page as objects, without the one that names the columns.
fn rows(page: &QueryResults, is_first: bool) -> impl Iterator<Item = Value> {
    let columns = &page.result_set.result_set_metadata.column_info;
    let names_columns = |row: &Row| {
        let names = columns.iter().map(|column| Some(column.name.as_str()));
        names.eq(row.data.iter().map(|datum| datum.var_char_value.as_deref()))
    };
    let rows = &page.result_set.rows;
    let has_names = is_first && rows.first().is_some_and(names_columns);
    rows.iter().skip(usize::from(has_names)).map(|row| object(columns, row))
}

fn object(columns: &[ColumnInfo], row: &Row) -> Value {
    let cells = columns.iter().zip(&row.data);
    let fields =
        cells.map(|(column, datum)| (column.name.clone(), value(column, datum.var_char_value.as_deref())));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A cell in the JSON type of its column; what JSON has no type for stays text.
fn value(column: &ColumnInfo, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let read = match column.kind.as_str() {
        "boolean" | "tinyint" | "smallint" | "integer" | "bigint" | "real" | "float" | "double" => {
            serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean())
        }
        _ => None,
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}
