//! Awakeables: whoever holds the id answers a handler that waits.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use holiday_core::error::ErrorCode;
use holiday_core::id::AwakeableId;
use http::StatusCode;
use http::request::Parts;

use super::error::Error;
use super::path::Completion;
use super::{Ingress, completion};

pub(super) async fn complete(
    ingress: &Ingress,
    id: &str,
    completion: Completion,
    parts: &Parts,
    body: Body,
) -> Result<Response, Error> {
    let id: AwakeableId =
        id.parse().map_err(|error| Error::bad_request(ErrorCode::MalformedId, format!("{error}")))?;
    let outcome = completion::read(ingress, "an awakeable", completion, parts, body).await?;
    ingress.handle.complete_awakeable(id, outcome).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
