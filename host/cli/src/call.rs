//! `call`: invokes a handler through the ingress.

use std::io::Read as _;

use clap::Args;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::client::{Client, parse_url};
use crate::failure::{Failure, Result};
use crate::output;

/// Invoke a handler
///
/// Prints what the handler answers. The invocation's id goes to standard error.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// SERVICE/HANDLER, or SERVICE/KEY/HANDLER for an object or a workflow
    #[arg(value_name = "SERVICE[/KEY]/HANDLER", value_parser = parse_target)]
    target: Target,

    /// The input; `-` reads it from standard input; left out, the request has no body
    #[arg(value_name = "JSON")]
    input: Option<String>,

    /// The host's address for callers
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        env = "HOLIDAY_INGRESS",
        hide_env_values = true,
        value_parser = parse_url
    )]
    ingress: Url,

    /// A second call with the same key joins the first, or gets its stored answer
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Do not wait for the answer: print the invocation's id
    #[arg(long)]
    send: bool,

    /// When to start it, such as 10s or PT10S
    #[arg(long, value_name = "DURATION", requires = "send")]
    delay: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Target {
    service: String,
    key: Option<String>,
    handler: String,
}

/// The service ends at the first slash and the handler begins after the last: a key may contain some.
fn parse_target(text: &str) -> std::result::Result<Target, String> {
    let malformed = || format!("'{text}' is not SERVICE/HANDLER or SERVICE/KEY/HANDLER");
    let (service, rest) = text.split_once('/').ok_or_else(malformed)?;
    let (key, handler) = match rest.rsplit_once('/') {
        Some((key, handler)) => (Some(key), handler),
        None => (None, rest),
    };
    if service.is_empty() || handler.is_empty() || key.is_some_and(str::is_empty) {
        return Err(malformed());
    }
    Ok(Target { service: service.to_owned(), key: key.map(str::to_owned), handler: handler.to_owned() })
}

impl Call {
    pub(crate) async fn execute(self) -> Result<()> {
        let client = Client::new(&self.ingress)?;
        let mut segments = vec!["restate", if self.send { "send" } else { "call" }];
        segments.push(&self.target.service);
        segments.extend(self.target.key.as_deref());
        segments.push(&self.target.handler);

        let mut request = client.request(Method::POST, &segments)?;
        if let Some(input) = read_input(self.input)? {
            request = request.header(CONTENT_TYPE, "application/json").body(input);
        }
        if let Some(key) = &self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(delay) = &self.delay {
            request = request.query(&[("delay", delay)]);
        }

        let response = client.send(request).await?;
        if let Some(id) = response.headers().get("x-restate-id").and_then(|id| id.to_str().ok()) {
            eprintln!("{id}");
        }
        let body = response.text().await.map_err(|error| client.unreachable(&error))?;
        if !body.is_empty() {
            output::print(&body);
        }
        Ok(())
    }
}

fn read_input(input: Option<String>) -> Result<Option<String>> {
    let input = match input {
        Some(dash) if dash == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        Some(text) => text,
        None => return Ok(None),
    };
    serde_json::from_str::<Value>(&input)
        .map_err(|error| Failure::misuse(format!("the input is no JSON: {error}; strings need quotes")))?;
    Ok(Some(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_contain_slashes() {
        let target = |key: Option<&str>| {
            Ok(Target {
                service: "cars".to_owned(),
                key: key.map(str::to_owned),
                handler: "reserve".to_owned(),
            })
        };
        assert_eq!(parse_target("cars/reserve"), target(None));
        assert_eq!(parse_target("cars/k/reserve"), target(Some("k")));
        assert_eq!(parse_target("cars/a/b/reserve"), target(Some("a/b")));
        for text in ["cars", "/reserve", "cars/", "cars//reserve"] {
            assert!(parse_target(text).is_err(), "{text}");
        }
    }
}
