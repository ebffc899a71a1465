//! A client without patience: it waits half a second for an answer, goes away, and comes back with the same idempotency
//! key until it has it.
//!
//! `HOLIDAY_INGRESS` says where the host is, `IDEMPOTENCY_KEY` under which key to ask, and the first argument what, in SQL.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use rand::Rng as _;
use rand::distr::{Alphanumeric, SampleString as _};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// How long to wait for one answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// The first time to back off for; each next one is twice as long.
const BACKOFF: Duration = Duration::from_millis(250);

const BACKOFF_MAX: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    let ingress = env::var("HOLIDAY_INGRESS").unwrap_or_else(|_| "http://localhost:8080".to_owned());
    let key = env::var("IDEMPOTENCY_KEY").unwrap_or_else(|_| draw_key());
    let body = env::args().nth(1).map_or(json!({}), |sql| json!({ "query": sql }));
    println!("Starting query with idempotency key: {key} ...");
    let client = Client::builder().timeout(PATIENCE).build().expect("a client with a timeout");
    let url = format!("{}/query/query", ingress.trim_end_matches('/'));
    let mut backoff = BACKOFF;
    for attempt in 1.. {
        match ask(&client, &url, &key, &body).await {
            Ok(answer) => return finish(answer),
            Err(error) => {
                // Somewhat less than the time, so that clients who were refused together do not come back together.
                let pause = backoff.mul_f64(rand::rng().random_range(0.75..1.0));
                let pause_ms = pause.as_secs_f64() * 1000.0;
                println!("Attempt #{attempt} failed with {error}. Backing off for {pause_ms}ms...");
                tokio::time::sleep(pause).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
    unreachable!("it asks until it is answered")
}

fn draw_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 12).to_lowercase()
}

/// What came back that does not pass.
struct Answer {
    status: StatusCode,
    body: String,
}

/// Asks once. What may pass is an error: no answer in time, nobody there, a host that is busy.
async fn ask(client: &Client, url: &str, key: &str, body: &Value) -> Result<Answer, String> {
    let request = client.post(url).header("idempotency-key", key).json(body);
    let response = request.send().await.map_err(in_words)?;
    let status = response.status();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Err(format!("status {status}"));
    }
    let body = Response::text(response).await.map_err(in_words)?;
    Ok(Answer { status, body })
}

fn in_words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("timeout of {}ms exceeded", PATIENCE.as_millis());
    }
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn finish(Answer { status, body }: Answer) -> ExitCode {
    println!("Query finished with status: {}.", status.as_u16());
    match serde_json::from_str::<Value>(&body) {
        Ok(value) => println!("{value:#}"),
        Err(_) => println!("{body}"),
    }
    if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
