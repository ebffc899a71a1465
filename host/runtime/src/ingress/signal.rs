//! Signals: whoever knows the id of an invocation tells it something by a name.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use holiday_core::error::ErrorCode;
use holiday_core::id::InvocationId;
use http::StatusCode;
use http::request::Parts;

use super::error::Error;
use super::path::Completion;
use super::{Ingress, completion};

/// Sends a signal. One that nobody waits for yet is kept.
pub(super) async fn send(
    ingress: &Ingress,
    invocation: &str,
    name: String,
    completion: Completion,
    parts: &Parts,
    body: Body,
) -> Result<Response, Error> {
    let invocation: InvocationId =
        invocation.parse().map_err(|error| Error::bad_request(ErrorCode::MalformedId, format!("{error}")))?;
    let outcome = completion::read(ingress, "a signal", completion, parts, body).await?;
    ingress.handle.signal(invocation, name, outcome).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
