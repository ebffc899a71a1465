//! From what the driver says to an HTTP response.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use holiday_core::id::InvocationId;
use holiday_core::time::Timestamp;
use holiday_core::value::{Outcome, Payload};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::directory::Output;
use super::error;
use super::{IDEMPOTENCY_EXPIRES, INVOCATION_ID};

/// How an invocation ended, and what there is to say about it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) invocation: InvocationId,
    pub(super) outcome: Outcome,
    /// Until when the outcome is kept, where the caller named an idempotency key.
    pub(super) expires_at: Option<Timestamp>,
    /// `None`: the handler answers with an empty body.
    pub(super) output: Option<Output>,
    pub(super) wants_envelope: bool,
}

impl Ended {
    pub(super) fn into_response(self) -> Response {
        let mut response = match self.outcome {
            Outcome::Success(payload) => success(payload, self.output, self.wants_envelope),
            Outcome::Failure(failure) => error::failure(&failure),
        };
        put_id(response.headers_mut(), &self.invocation);
        if let Some(expires_at) = self.expires_at.and_then(rfc3339) {
            put(response.headers_mut(), IDEMPOTENCY_EXPIRES, expires_at);
        }
        response
    }
}

fn success(payload: Payload, output: Option<Output>, wants_envelope: bool) -> Response {
    let is_json = output.as_ref().is_none_or(|it| it.is_json);
    let content_type = output.filter(|_| !payload.is_empty()).map(|it| it.content_type);
    let (payload, content_type) = match wants_envelope && is_json {
        true => (enclose(&payload), Some(HeaderValue::from_static("application/json"))),
        false => (payload, content_type),
    };
    let mut response = Response::new(Body::from(payload));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

fn enclose(payload: &[u8]) -> Bytes {
    let mut enclosed = BytesMut::with_capacity(payload.len() + 16);
    enclosed.put_slice(br#"{"response":"#);
    enclosed.put_slice(if payload.is_empty() { b"null" } else { payload });
    enclosed.put_slice(b"}");
    enclosed.freeze()
}

/// What a one-way request is answered with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    invocation_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time: Option<String>,
}

pub(super) fn sent(invocation: InvocationId, previously: bool, starts_at: Option<Timestamp>) -> Response {
    let status = if previously { "PreviouslyAccepted" } else { "Accepted" };
    let execution_time = starts_at.and_then(rfc3339);
    let sent = Sent { invocation_id: invocation.to_string(), status, execution_time };
    let mut response = json(StatusCode::ACCEPTED, &sent);
    put_id(response.headers_mut(), &invocation);
    response
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => {
            (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
        }
        Err(error) => {
            error::Error::internal(format!("the answer cannot be written: {error}")).into_response()
        }
    }
}

fn put_id(headers: &mut HeaderMap, invocation: &InvocationId) {
    put(headers, INVOCATION_ID, invocation.to_string());
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// `None` for a time that no calendar has, such as the end of time.
fn rfc3339(at: Timestamp) -> Option<String> {
    let millis = i64::try_from(at.as_millis()).ok()?;
    jiff::Timestamp::from_millisecond(millis).ok().map(|it| it.to_string())
}
