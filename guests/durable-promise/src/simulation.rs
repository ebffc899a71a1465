//! A back end that needs nothing: it takes a while, and always finds the same.

use std::time::Duration;

use holiday_sdk::{Context, Error, config};
use serde_json::{Value, json};

/// How long a query takes unless `QUERY_MS` says otherwise.
const QUERY_MS: u64 = 5_000;

pub(crate) async fn execute(ctx: Context) -> Result<Value, Error> {
    let duration_ms = ctx.run("start the query", async || duration_ms()).await?;
    ctx.sleep_named("until the query has finished", Duration::from_millis(duration_ms)).await?;
    Ok(ctx.run("fetch the results", async || Ok(json!("foo"))).await?)
}

fn duration_ms() -> Result<u64, Error> {
    let Some(text) = config("QUERY_MS") else { return Ok(QUERY_MS) };
    // To be corrected by an operator: the query can still be started then.
    text.parse().map_err(|_| {
        Error::retryable(format!(
            "QUERY_MS is '{text}'; set it to a number of milliseconds, such as {QUERY_MS}"
        ))
    })
}
