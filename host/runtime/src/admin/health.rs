//! Whether the host is there, and which one it is.

use axum::response::Response;
use http::StatusCode;

use super::error::Error;
use super::{Shared, model};

/// Healthy means that the driver answers.
pub(super) async fn health(admin: Shared) -> Result<Response, Error> {
    admin.query(|_| Ok(())).await?;
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
}

pub(super) async fn version(admin: Shared) -> Response {
    model::json(StatusCode::OK, &serde_json::json!({ "version": admin.ports.version }))
}
