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

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// In SQL; without it, one that needs no table.
    query: Option<String>,
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
    async fn query(ctx: Context, query: Option<Query>) -> Result<Answer, Error> {
        let id = ctx.uuid();
        let (awakeable, answer) = ctx.awakeable();
        let job = Job { query: query.unwrap_or_default(), awakeable };
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
