//! What a caller answers a handler with that waits: a value, or the reason why there is none.

use axum::body::Body;
use bytes::Bytes;
use holiday_core::error::ErrorCode;
use holiday_core::value::{Failure, Outcome};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::error::Error;
use super::path::Completion;
use super::{Ingress, input};
use crate::media::{essence, is_json};
use crate::seal;

/// The code of the failure that a handler sees when it is rejected.
const REJECTED: u16 = 500;

/// Reads the body as what completes an awakeable or a signal, which `what` names.
pub(super) async fn read(
    ingress: &Ingress,
    what: &str,
    completion: Completion,
    parts: &Parts,
    body: Body,
) -> Result<Outcome, Error> {
    let body = input::read(ingress, body).await?;
    // Also in bytes that say nothing of themselves: a handler reads them as JSON.
    if let Some(at) = seal::looking_sealed(&body).next() {
        return Err(input::looks_sealed(&format!("what completes {what}"), at));
    }
    Ok(match completion {
        Completion::Resolve => Outcome::Success(value(what, &parts.headers, body)?),
        Completion::Reject => {
            let reason = reason(&parts.headers, &body)?;
            if seal::looks_sealed(&reason) {
                return Err(input::looks_sealed(&format!("what rejects {what}"), 0));
            }
            Outcome::Failure(Failure::new(REJECTED, reason))
        }
    })
}

/// A JSON value, where nothing is `null`; or bytes that say that they are no more than that.
fn value(what: &str, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Error> {
    if body.is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    match content_type(headers) {
        None => input::check_json(&body).map(|()| body),
        Some(it) if is_json(it) => input::check_json(&body).map(|()| body),
        Some(it) if essence(it).eq_ignore_ascii_case("application/octet-stream") => Ok(body),
        Some(other) => {
            let message = format!("{what} is resolved with application/json, not '{other}'");
            Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedContentType, message))
        }
    }
}

/// The body as text; a JSON string is taken for what it says.
fn reason(headers: &HeaderMap, body: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::bad_request(ErrorCode::MalformedBody, "the reason is not UTF-8"))?;
    let quoted = content_type(headers).filter(|it| is_json(it)).and_then(|_| serde_json::from_str(text).ok());
    Ok(match quoted {
        Some(reason) => reason,
        None if text.trim().is_empty() => "rejected".to_owned(),
        None => text.to_owned(),
    })
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok())
}
