//! Whether the host is there, and which one it is.

use axum::response::{IntoResponse as _, Response};
use holiday_core::error::ErrorCode;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::error::Error;
use super::{Shared, model};

/// What Prometheus asks for, which reads the older text format from any other type.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Healthy means that the driver answers.
pub(super) async fn health(admin: Shared) -> Result<Response, Error> {
    admin.query(|_| Ok(())).await?;
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
}

pub(super) async fn version(admin: Shared) -> Response {
    model::json(StatusCode::OK, &serde_json::json!({ "version": admin.ports.version }))
}

/// Asks the driver nothing, so that a host in trouble can still be looked at.
pub(super) async fn metrics(admin: Shared) -> Result<Response, Error> {
    let written = admin.ports.metrics.encode().map_err(|_| {
        let message = "the metrics cannot be written";
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    })?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], written).into_response())
}
