//! What a caller gets instead of an answer: `{"code", "message", "error_code", "request_id"}`.
//!
//! The header `x-restate-error-source` tells the two kinds apart: `ingress` for a request the host did not
//! carry out, which a client may repeat, and `invocation` for the final outcome of one that it did.

use std::fmt;

use axum::response::{IntoResponse, Response};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::state::StoreError;
use holiday_core::value::Failure;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tracing::{error, warn};

use super::{ERROR_SOURCE, RETRY_AFTER_SECONDS};
use crate::driver::HandleError;
use crate::unique::NoRandomness;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    /// The methods that are allowed, where the one used is not.
    allow: Option<&'static str>,
}

impl Error {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Error { status, code, message: message.into(), allow: None }
    }

    pub(super) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn bad_request(code: ErrorCode, message: impl Into<String>) -> Self {
        Error::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn method_not_allowed(allow: &'static str, message: impl Into<String>) -> Self {
        Error {
            allow: Some(allow),
            ..Error::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message)
        }
    }

    pub(super) fn overloaded(message: impl Into<String>) -> Self {
        Error::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Overloaded, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        HandleError::Refused(refusal).into()
    }
}

impl From<HandleError> for Error {
    fn from(error: HandleError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Error::new(status, error.code(), error.to_string())
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Error::internal(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let code = ErrorCode::of_message(&message).unwrap_or(ErrorCode::StorageFailed);
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = Body::new(self.status, self.code, &self.message);
        let (code, message, request_id) = (self.code, &self.message, &body.request_id);
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => warn!(%code, %request_id, "request refused: {message}"),
            status if status.is_server_error() => error!(%code, %request_id, "request failed: {message}"),
            _ => {}
        }
        let mut response = body.into_response("ingress");
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// Answers with the terminal failure of an invocation.
pub(super) fn failure(failure: &Failure) -> Response {
    let code = match failure {
        failure if *failure == Failure::cancelled() => ErrorCode::Cancelled,
        failure if *failure == Failure::killed() => ErrorCode::Killed,
        // One that the host gave the handler keeps its code: HTTP outside of a step, a step that failed too often.
        failure => ErrorCode::of_message(&failure.message).unwrap_or(ErrorCode::HandlerFailed),
    };
    let status = Some(failure.code).filter(|code| (400..600).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    Body::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, &failure.message)
        .into_response("invocation")
}

#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    message: &'a str,
    error_code: &'static str,
    request_id: String,
}

impl<'a> Body<'a> {
    fn new(status: StatusCode, code: ErrorCode, message: &'a str) -> Self {
        Body { code: status.as_u16(), message, error_code: code.as_str(), request_id: request_id() }
    }

    fn into_response(self, source: &'static str) -> Response {
        let json = serde_json::to_vec(&self).unwrap_or_default();
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ERROR_SOURCE, HeaderValue::from_static(source)),
        ];
        (status, headers, json).into_response()
    }
}

/// Draws what the caller's error and the host's log line have in common.
fn request_id() -> String {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => format!("req_{:016x}", u64::from_be_bytes(bytes)),
        Err(_) => "req_unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use holiday_core::target::Target;

    use super::*;

    fn check(error: impl Into<Error>, expected: Expect) {
        let response = error.into().into_response();
        let retry_after = response.headers().get(RETRY_AFTER).map(|it| format!(", retry after {it:?}"));
        let status = response.status().as_u16();
        expected.assert_eq(&format!("{status}{}", retry_after.unwrap_or_default()));
    }

    #[test]
    fn a_full_host_asks_to_come_again() {
        let inbox = Refusal::InboxFull { target: Target::keyed("cart", "ann", "add"), waiting: 100_000 };
        check(inbox, expect![[r#"429, retry after "1""#]]);
        check(HandleError::Stopped, expect![[r#"503, retry after "1""#]]);
        check(StoreError::Io("no space".to_owned()), expect![["500"]]);
    }

    #[test]
    fn a_failure_keeps_its_code() {
        for (code, status) in [(400, 400), (404, 404), (599, 599), (0, 500), (200, 500)] {
            assert_eq!(failure(&Failure::new(code, "no")).status().as_u16(), status, "{code}");
        }
    }
}
