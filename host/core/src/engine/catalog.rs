//! Deployments, and which one is the latest of each service.

use super::{Cx, Refusal};
use crate::deployment::{Deployment, Revision, ServiceKind};
use crate::state::{Kv, State, StoreError};

/// Makes the deployment the latest revision of its services.
pub(super) fn deploy<K: Kv>(cx: &mut Cx<'_, K>, deployment: &Deployment) -> Result<(), StoreError> {
    if cx.state.deployment(&deployment.id)?.is_none() {
        cx.state.put_deployment(deployment)?;
    }
    for service in &deployment.services {
        let latest = cx.state.revision(&service.name)?;
        if latest.as_ref().is_some_and(|revision| revision.deployment == deployment.id) {
            continue;
        }
        let number = latest.map_or(0, |revision| revision.number) + 1;
        cx.state.put_revision(&Revision { deployment: deployment.id, number, service: service.clone() })?;
    }
    Ok(())
}

/// Refuses a service that changes its kind: what is stored under its keys would have no meaning.
pub(super) fn check<K: Kv>(
    state: &State<K>,
    deployment: &Deployment,
) -> Result<Result<(), Refusal>, StoreError> {
    for service in &deployment.services {
        let Some(latest) = state.revision(&service.name)? else { continue };
        if latest.service.kind != service.kind {
            return Ok(Err(Refusal::KindChanged {
                service: service.name.clone(),
                is: name(latest.service.kind),
                would_be: name(service.kind),
            }));
        }
    }
    Ok(Ok(()))
}

fn name(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Service => "a service",
        ServiceKind::Object => "an object",
        ServiceKind::Workflow => "a workflow",
    }
}
