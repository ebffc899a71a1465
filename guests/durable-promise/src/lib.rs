//! The service `query`: the answer of a query that takes its time, as a promise that outlives whoever waits for it.
//!
//! The object `internal` works on the query beside it, and completes the awakeable that `query` waits for.

mod athena;
mod simulation;

use holiday_sdk::{Context, Error, ObjectContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

holiday_sdk::export!(Queries, Internal);

/// What a caller is told of a query that failed; the log says why.
const UNABLE: &str = "Unable to execute query";

/// A query in one of three forms: a string, an object, or nothing at all.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum QueryInput {
    /// The query in SQL.
    Sql(#[schemars(length(min = 1))] String),
    /// The query as a field of an object.
    Object(Query),
    /// No query: the service runs one that needs no table.
    Nothing,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// The query in SQL; without it, the service runs one that needs no table.
    #[schemars(length(min = 1))]
    query: Option<String>,
}

impl From<QueryInput> for Query {
    fn from(input: QueryInput) -> Query {
        match input {
            QueryInput::Sql(sql) => Query { query: Some(sql) },
            QueryInput::Object(query) => query,
            QueryInput::Nothing => Query::default(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Answer {
    /// What the query gave.
    result: Value,
    /// The query's id.
    #[serde(rename = "_id")]
    id: String,
}

/// A query, and who waits for its answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Job {
    query: Query,
    /// To be resolved with an `Answer`.
    awakeable: String,
}

struct Queries;

/// Queries that take their time. Ask with an idempotency key, and come back with it as often as you like.
#[holiday_sdk::service(name = "query")]
impl Queries {
    /// Waits for the answer of a query.
    async fn query(ctx: Context, input: QueryInput) -> Result<Answer, Error> {
        let id = ctx.uuid();
        let (awakeable, answer) = ctx.awakeable();
        let job = Job { query: input.into(), awakeable };
        InternalClient::new(&ctx, &id).query(&job).send()?;
        Ok(answer.await?)
    }
}

struct Internal;

/// One query at work; the key is its id.
#[holiday_sdk::object(name = "internal")]
impl Internal {
    /// Executes the query, and completes the awakeable whatever comes of it.
    #[handler(private)]
    async fn query(ctx: ObjectContext, job: Job) -> Result<(), Error> {
        let id = ctx.key();
        match execute(**ctx, &id, &job.query).await {
            Ok(result) => Ok(ctx.resolve_awakeable(&job.awakeable, &Answer { result, id })?),
            Err(Error::Terminal(failure)) => {
                eprintln!("Query {id} has failed: {failure}");
                ctx.reject_awakeable(&job.awakeable, UNABLE)?;
                Err(Error::terminal(UNABLE))
            }
            Err(retryable) => Err(retryable),
        }
    }
}

/// A query that was started. Where is decided once: variables may be others when the host is started again.
#[derive(Debug, Serialize, Deserialize)]
enum Started {
    Athena { execution_id: String },
    Simulation { duration_ms: u64 },
}

async fn execute(ctx: Context, id: &str, query: &Query) -> Result<Value, Error> {
    let sql = query.query.as_deref().unwrap_or("SELECT 1");
    println!("Starting query: {sql} with id: {id}");
    let started = ctx.run("start the query", async || match athena::start(id, sql).await? {
        Some(execution_id) => Ok(Started::Athena { execution_id }),
        None => Ok(Started::Simulation { duration_ms: simulation::start()? }),
    });
    let result = match started.await? {
        Started::Athena { execution_id } => athena::finish(ctx, &execution_id).await,
        Started::Simulation { duration_ms } => simulation::finish(ctx, duration_ms).await,
    };
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use holiday_sdk::Service as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_read_from_each_of_its_forms() {
        let select = Query { query: Some("SELECT 2".to_owned()) };
        for (input, expected) in [
            (json!("SELECT 2"), &select),
            (json!({ "query": "SELECT 2" }), &select),
            (json!({ "query": null }), &Query::default()),
            (json!({}), &Query::default()),
            (Value::Null, &Query::default()),
        ] {
            let read: QueryInput = serde_json::from_value(input.clone()).expect("one of the forms");
            assert_eq!(Query::from(read), *expected, "{input}");
        }
        for input in [json!(7), json!(true), json!({ "sql": "SELECT 2" }), json!({ "query": 7 })] {
            let read = serde_json::from_value::<QueryInput>(input.clone());
            assert!(read.is_err(), "{input}: {read:?}");
        }
    }

    /// A field `request` in it would have the ingress leave envelopes closed.
    #[test]
    fn the_schema_lists_each_form() {
        let service = Queries::describe();
        let input = service.handlers[0].input.as_ref().and_then(|media| media.schema.as_deref());
        let schema: Value = serde_json::from_str(input.expect("a schema")).expect("JSON");
        let sql = json!({ "description": "The query in SQL.", "type": "string", "minLength": 1 });
        assert_eq!(schema["anyOf"][0], sql);
        assert_eq!(schema["anyOf"][1]["$ref"], "#/$defs/Query");
        assert_eq!(schema["anyOf"][2]["type"], "null");
        let object = &schema["$defs"]["Query"];
        let fields = object["properties"].as_object().expect("fields");
        assert!(fields.keys().eq(["query"]), "{object}");
        assert_eq!(object["additionalProperties"], false);
    }
}
