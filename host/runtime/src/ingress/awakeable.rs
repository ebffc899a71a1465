//! Awakeables: whoever holds the id answers a handler that waits.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use holiday_core::error::ErrorCode;
use holiday_core::id::AwakeableId;
use holiday_core::value::{Failure, Outcome};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::directory::{essence, is_json};
use super::error::Error;
use super::path::Completion;
use super::{Ingress, input};

/// The code of the failure that a handler sees when its awakeable is rejected.
const REJECTED: u16 = 500;

pub(super) async fn complete(
    ingress: &Ingress,
    id: &str,
    completion: Completion,
    parts: &Parts,
    body: Body,
) -> Result<Response, Error> {
    let id: AwakeableId =
        id.parse().map_err(|error| Error::bad_request(ErrorCode::MalformedId, format!("{error}")))?;
    let body = input::read(ingress, body).await?;
    let outcome = match completion {
        Completion::Resolve => Outcome::Success(value(&parts.headers, body)?),
        Completion::Reject => Outcome::Failure(Failure::new(REJECTED, reason(&parts.headers, &body)?)),
    };
    ingress.handle.complete_awakeable(id, outcome).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// A JSON value, where nothing is `null`; or bytes that say that they are no more than that.
fn value(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Error> {
    if body.is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    match content_type(headers) {
        None => input::check_json(&body).map(|()| body),
        Some(it) if is_json(it) => input::check_json(&body).map(|()| body),
        Some(it) if essence(it).eq_ignore_ascii_case("application/octet-stream") => Ok(body),
        Some(other) => {
            let message = format!("an awakeable is resolved with application/json, not '{other}'");
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
