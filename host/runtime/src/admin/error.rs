//! What an operator gets instead of an answer: `{"code", "message", "error_code", "request_id"}`.

use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::MalformedId;
use holiday_core::state::StoreError;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Serialize;
use tracing::error;

use super::RegisterError;
use super::model;
use crate::driver::HandleError;
use crate::events::EventsError;
use crate::unique::NoRandomness;

/// When a client may come again to a host that shuts down.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: ErrorCode,
    message: String,
}

impl Error {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Error { status, code, message: message.into() }
    }

    pub(super) fn bad_request(code: ErrorCode, message: impl Into<String>) -> Self {
        Error::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn not_found(code: ErrorCode, message: impl Into<String>) -> Self {
        Error::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Returns true if the host is well, and it is the request that cannot be done.
    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    fn with_status(status: u16, code: ErrorCode, message: String) -> Self {
        Error::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, message)
    }
}

impl From<HandleError> for Error {
    fn from(error: HandleError) -> Self {
        Error::with_status(error.status(), error.code(), error.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        HandleError::Refused(refusal).into()
    }
}

impl From<EventsError> for Error {
    fn from(error: EventsError) -> Self {
        Error::with_status(error.status(), error.code(), error.to_string())
    }
}

impl From<RegisterError> for Error {
    fn from(error: RegisterError) -> Self {
        Error::with_status(error.status, error.code, error.message)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let code = ErrorCode::of_message(&message).unwrap_or(ErrorCode::StorageFailed);
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, error.to_string())
    }
}

impl From<MalformedId> for Error {
    fn from(error: MalformedId) -> Self {
        Error::bad_request(ErrorCode::MalformedId, error.to_string())
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Error::bad_request(ErrorCode::MalformedPath, rejection.body_text())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            code: u16,
            message: String,
            error_code: &'static str,
            request_id: String,
        }

        let Error { status, code, message } = self;
        let request_id = request_id();
        if status.is_server_error() {
            error!(%code, %request_id, "request failed: {message}");
        }
        let body = Body { code: status.as_u16(), message, error_code: code.as_str(), request_id };
        let mut response = model::json(status, &body);
        // For those who count; it does not leave the host.
        response.extensions_mut().insert(code);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// Draws what the operator's error and the host's log line have in common.
fn request_id() -> String {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => format!("req_{:016x}", u64::from_be_bytes(bytes)),
        Err(_) => "req_unknown".to_owned(),
    }
}
