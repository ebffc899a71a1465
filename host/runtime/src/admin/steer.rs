//! What operators do to one invocation. All of it is durable when it is answered.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::RestartAsNew;
use holiday_core::id::InvocationId;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Error;
use super::request::{Parameters, malformed};
use super::{Admin, Shared, model, resume};
use crate::unique::Unique;

/// What may stand behind the id in the path.
pub(super) const VERBS: [&str; 6] = ["cancel", "kill", "pause", "resume", "purge", "restart-as-new"];

/// Which invocation it was done to, whatever id the path had.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_invocation_id: Option<String>,
}

/// Does with an invocation what the last part of the path says.
pub(super) async fn operate(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let Path((id, verb)) = path?;
    let id = resolve(&admin, id.parse()?).await?;
    let parameters = |known: &[&str]| Parameters::read(uri.query(), known);
    let handle = &admin.handle;
    let mut done = Done { id: id.to_string(), new_invocation_id: None };
    match verb.as_str() {
        "cancel" => {
            parameters(&[])?;
            handle.cancel(id).await?;
            // It may still compensate; everything else has happened.
            return Ok(model::json(StatusCode::ACCEPTED, &done));
        }
        "kill" => {
            parameters(&[])?;
            handle.kill(id).await?;
        }
        "pause" => {
            parameters(&[])?;
            handle.pause(id).await?;
        }
        "purge" => {
            parameters(&[])?;
            handle.purge(id).await?;
        }
        "resume" => resume::resume(&admin, id, parameters(&["deployment", "force"])?).await?,
        "restart-as-new" => {
            let new = restart_as_new(&admin, id, parameters(&["keep", "from"])?).await?;
            done.new_invocation_id = Some(new.to_string());
        }
        _ => {
            let message = format!("'{verb}' is not done to an invocation; these are: {}", VERBS.join(", "));
            return Err(Error::not_found(ErrorCode::UnknownPath, message));
        }
    }
    Ok(model::json(StatusCode::OK, &done))
}

/// The id under which an invocation is stored, given any that a handler was given for it.
pub(super) async fn resolve(admin: &Admin, id: InvocationId) -> Result<InvocationId, Error> {
    admin.query(move |state| state.resolve(&id)).await
}

/// Has a completed invocation executed again, and returns the new one's id.
async fn restart_as_new(
    admin: &Admin,
    from: InvocationId,
    mut parameters: Parameters,
) -> Result<InvocationId, Error> {
    let commands = match (parameters.parse("keep")?, parameters.parse("from")?) {
        (None, None) => 0,
        // Going on from command 3 is keeping three: 0, 1 and 2.
        (Some(commands), None) | (None, Some(commands)) => commands,
        (Some(_), Some(_)) => {
            return Err(malformed("'keep' and 'from' say the same thing in two ways; give one".to_owned()));
        }
    };
    let invocation = admin.query(move |state| state.invocation(&from)).await?;
    let target = invocation.ok_or(Refusal::UnknownInvocation(from))?.target;
    let unique = Unique::draw()?;
    let id = unique.id(&target);
    admin.handle.restart_as_new(RestartAsNew { from, id, seed: unique.seed(), commands }).await?;
    Ok(id)
}
