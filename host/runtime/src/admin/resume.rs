//! Letting a paused invocation go on, on its own component or on another one.
//!
//! Before it changes its component, the handler of the other one is run on its journal: what does not ask for the same
//! is refused, and nothing has changed. The invocation goes on only if its journal is still the one that was replayed.

use holiday_core::engine::{self, Refusal};
use holiday_core::error::ErrorCode;
use holiday_core::id::{DeploymentId, InvocationId};
use http::StatusCode;

use super::error::Error;
use super::request::Parameters;
use super::{Admin, REHEARSAL_ROUNDS_MAX};
use crate::driver::{JournalLength, RehearsalError};

pub(super) async fn resume(admin: &Admin, id: InvocationId, mut parameters: Parameters) -> Result<(), Error> {
    let is_forced = parameters.flag("force")?;
    let deployment = match parameters.take("deployment").as_deref() {
        None | Some("keep") => None,
        Some("latest") => latest(admin, id).await?,
        Some(named) => Some(named.parse()?),
    };
    match deployment {
        Some(deployment) if !is_forced && is_another(admin, id, deployment).await? => {
            resume_on(admin, id, deployment).await
        }
        deployment => Ok(admin.handle.resume(id, deployment).await?),
    }
}

/// The latest deployment of its service; `None` for an invocation that is not there, which is refused in better words.
async fn latest(admin: &Admin, id: InvocationId) -> Result<Option<DeploymentId>, Error> {
    let Some(invocation) = admin.query(move |state| state.invocation(&id)).await? else { return Ok(None) };
    let service = invocation.target.service;
    match admin.handle.catalog().revisions.get(&service) {
        Some(latest) => Ok(Some(latest.deployment)),
        None => Err(admin.unknown_service(&service)),
    }
}

async fn is_another(admin: &Admin, id: InvocationId, deployment: DeploymentId) -> Result<bool, Error> {
    let lifecycle = admin.query(move |state| state.lifecycle(&id)).await?;
    Ok(lifecycle.is_some_and(|it| it.deployment != Some(deployment)))
}

/// Rehearses, and resumes unless the journal has grown meanwhile.
async fn resume_on(admin: &Admin, id: InvocationId, deployment: DeploymentId) -> Result<(), Error> {
    let Ok(_turn) = admin.rehearsals.acquire().await else { unreachable!("it is never closed") };
    for _ in 0..REHEARSAL_ROUNDS_MAX {
        admin.handle.check_resume(id, Some(deployment)).await?;
        let start = admin.query(move |state| engine::load_for_rehearsal(state, &id, deployment)).await?;
        let Some(start) = start else { return Err(Refusal::UnknownInvocation(id).into()) };
        let seen = JournalLength::of(&start);
        let component = admin.handle.catalog().components.get(&deployment).cloned();
        let rehearsed = admin.ports.rehearsal.rehearse(start, component).await;
        rehearsed.map_err(|error| refused(id, deployment, error))?;
        if admin.handle.resume_unchanged(id, Some(deployment), seen).await? {
            return Ok(());
        }
    }
    let reason = "its journal grew each time while it was replayed; pause it, or try again".to_owned();
    Err(refused(id, deployment, RehearsalError::Failed(reason)))
}

fn refused(id: InvocationId, deployment: DeploymentId, error: RehearsalError) -> Error {
    let message = format!("{id} cannot go on with {deployment}: {error}");
    let (status, code) = match error {
        RehearsalError::Mismatch(_) => (StatusCode::CONFLICT, ErrorCode::JournalMismatch),
        RehearsalError::Failed(_) => (StatusCode::CONFLICT, ErrorCode::RehearsalFailed),
        RehearsalError::NoComponent { code, .. } => (StatusCode::INTERNAL_SERVER_ERROR, code),
    };
    Error::new(status, code, message)
}
