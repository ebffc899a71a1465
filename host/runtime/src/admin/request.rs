//! What operators ask with: parameters after the `?`, and bodies of JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::body::{Body, to_bytes};
use holiday_core::error::ErrorCode;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::error::Error;

/// The parameters of a query. One that is not known is an error: a filter with a typo must not show everything.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Error> {
        let mut found = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                return Err(unknown(&name, known));
            }
            if found.insert(name.clone(), value).is_some() {
                return Err(malformed(format!("the parameter '{name}' is given twice")));
            }
        }
        Ok(Parameters(found))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes a parameter that is more than text.
    pub(super) fn parse<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(malformed(format!("the parameter '{name}' cannot be '{text}'"))),
        }
    }

    /// Takes a parameter that is `true`, `false`, or just there.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(other) => Err(malformed(format!("the parameter '{name}' is true or false, not '{other}'"))),
        }
    }
}

/// Reads a body of at most `max` bytes; `example` is one that would be taken.
pub(super) async fn json<T: DeserializeOwned>(body: Body, max: usize, example: &str) -> Result<T, Error> {
    let body = to_bytes(body, max).await.map_err(|error| {
        let error = error.into_inner();
        match error.is::<http_body_util::LengthLimitError>() {
            true => {
                let message = format!("the body has more than the {max} bytes that are allowed");
                Error::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge, message)
            }
            false => Error::bad_request(ErrorCode::MalformedBody, "the body cannot be read to its end"),
        }
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let message = format!("the body is not JSON such as {example}: {error}");
        Error::bad_request(ErrorCode::MalformedBody, message)
    })
}

pub(super) fn malformed(message: String) -> Error {
    Error::bad_request(ErrorCode::MalformedPath, message)
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    malformed(format!("there is no parameter '{name}'; here are: {known}"))
}

fn decode(text: &str) -> Result<String, Error> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(|it| it.into_owned()).map_err(|_| malformed(format!("'{text}' in the query is not UTF-8")))
}
