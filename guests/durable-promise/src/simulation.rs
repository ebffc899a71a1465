//! A back end that needs nothing: it takes a while, and always finds the same.

use std::time::Duration;

use holiday_sdk::{Context, Error, TerminalError, config};
use serde_json::{Value, json};

/// How long a query takes unless `QUERY_MS` says otherwise.
const QUERY_MS: u64 = 5_000;

/// Starts a query; returns how long it takes.
pub(crate) fn start() -> Result<u64, Error> {
    let Some(text) = config("QUERY_MS") else { return Ok(QUERY_MS) };
    // Not for good: the query can be started when an operator has corrected it.
    text.parse().map_err(|_| {
        Error::retryable(format!(
            "QUERY_MS is '{text}'; set it to a number of milliseconds, such as {QUERY_MS}"
        ))
    })
}

/// Waits until a query has finished, and fetches what it found.
pub(crate) async fn finish(ctx: Context, duration_ms: u64) -> Result<Value, TerminalError> {
    ctx.sleep_named("until the query has finished", Duration::from_millis(duration_ms)).await?;
    ctx.run("fetch the results", async || Ok(json!("foo"))).await
}
