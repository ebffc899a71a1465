//! Athena: queries that take their time.

use serde::{Deserialize, Serialize};

use crate::{Aws, AwsError, JsonService};

const ATHENA: JsonService = JsonService { name: "athena", target: "AmazonAthena", protocol: "1.1" };

/// A query to be started.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartQueryExecution<'a> {
    pub query_string: &'a str,
    /// 32 to 128 characters; a repeated start with the same ones is the same query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_execution_context: Option<QueryExecutionContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_configuration: Option<ResultConfiguration<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_group: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryExecutionContext<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultConfiguration<'a> {
    /// Where in S3 the results go, such as `s3://bucket/folder/`.
    pub output_location: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Started {
    query_execution_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueryExecution<'a> {
    query_execution_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueryExecutionOutput {
    query_execution: QueryExecution,
}

/// A query as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryExecution {
    pub query_execution_id: String,
    pub status: QueryStatus,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryStatus {
    pub state: QueryState,
    pub state_change_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QueryState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl QueryState {
    /// Tells whether it stays so.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueryResults<'a> {
    query_execution_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

/// A page of results. The first row of the first page may name the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryResults {
    pub result_set: ResultSet,
    /// What gets the next page, if there is one.
    #[serde(default)]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultSet {
    pub rows: Vec<Row>,
    pub result_set_metadata: ResultSetMetadata,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Row {
    pub data: Vec<Datum>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Datum {
    /// None is SQL's null.
    pub var_char_value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultSetMetadata {
    pub column_info: Vec<ColumnInfo>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ColumnInfo {
    pub name: String,
    #[serde(rename = "Type")]
    pub kind: String,
}

/// Athena by its operations.
#[derive(Clone, Copy, Debug)]
pub struct Athena<'a>(&'a Aws);

impl Aws {
    /// Calls Athena.
    pub fn athena(&self) -> Athena<'_> {
        Athena(self)
    }
}

impl Athena<'_> {
    /// Starts a query and returns its id.
    pub async fn start_query_execution(self, input: &StartQueryExecution<'_>) -> Result<String, AwsError> {
        let Started { query_execution_id } = self.0.json(&ATHENA, "StartQueryExecution", input).await?;
        Ok(query_execution_id)
    }

    pub async fn get_query_execution(self, query_execution_id: &str) -> Result<QueryExecution, AwsError> {
        let input = GetQueryExecution { query_execution_id };
        let output: GetQueryExecutionOutput = self.0.json(&ATHENA, "GetQueryExecution", &input).await?;
        Ok(output.query_execution)
    }

    /// Reads a page of the results of a query that has succeeded: the first one, or the one that a token names.
    pub async fn get_query_results(
        self,
        query_execution_id: &str,
        next_token: Option<&str>,
    ) -> Result<QueryResults, AwsError> {
        self.0.json(&ATHENA, "GetQueryResults", &GetQueryResults { query_execution_id, next_token }).await
    }
}
