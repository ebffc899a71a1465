//! Deployments, and which one is the latest of each service.

use super::{Cx, Refusal, lifecycle};
use crate::deployment::{Deployment, Revision, Route, RoutedHandler, ServiceKind};
use crate::effect::Effect;
use crate::event::Configure;
use crate::id::DeploymentId;
use crate::invocation::Lifecycle;
use crate::policy::{Layer, Policy};
use crate::state::{Kv, State, StoreError};

/// Makes the deployment the latest revision of its services.
pub(super) fn deploy<K: Kv>(cx: &mut Cx<'_, K>, deployment: &Deployment) -> Result<(), StoreError> {
    match cx.state.deployment(&deployment.id)? {
        None => cx.state.put_deployment(deployment)?,
        Some(_) => cx.state.delete_draining(&deployment.id)?,
    }
    for service in &deployment.services {
        let latest = cx.state.revision(&service.name)?;
        if latest.as_ref().is_some_and(|revision| revision.deployment == deployment.id) {
            continue;
        }
        let number = latest.map_or(0, |revision| revision.number) + 1;
        let revision = Revision { deployment: deployment.id, number, service: service.clone() };
        cx.state.put_revision(&revision)?;
        route(cx, &revision)?;
    }
    Ok(())
}

/// Replaces a layer of policies. What was accepted before keeps the policies it began with.
pub(super) fn configure<K: Kv>(cx: &mut Cx<'_, K>, it: &Configure) -> Result<(), StoreError> {
    cx.state.put_policies(it.layer, &it.policies)?;
    for revision in cx.state.revisions()? {
        route(cx, &revision)?;
    }
    Ok(())
}

/// Works out where new invocations of a service go, and under which policies.
fn route<K: Kv>(cx: &mut Cx<'_, K>, revision: &Revision) -> Result<(), StoreError> {
    let layers = Layer::ALL.iter().map(|layer| cx.state.policies(*layer)).collect::<Result<Vec<_>, _>>()?;
    let service = &revision.service;
    let handlers = service.handlers.iter().map(|handler| {
        let policy = Policy::of(service, handler, &layers);
        (handler.name.clone(), RoutedHandler { mode: handler.mode, policy })
    });
    let route = Route { kind: service.kind, deployment: revision.deployment, handlers: handlers.collect() };
    cx.state.put_route(&service.name, &route)
}

/// Takes a deployment away: no new invocation goes there. It is freed when its last invocation has ended; by force at
/// once, and its invocations are paused.
pub(super) fn remove<K: Kv>(cx: &mut Cx<'_, K>, id: DeploymentId, force: bool) -> Result<(), StoreError> {
    let Some(deployment) = cx.state.deployment(&id)? else { return Ok(()) };
    for service in &deployment.services {
        if cx.state.revision(&service.name)?.is_some_and(|revision| revision.deployment == id) {
            cx.state.delete_revision(&service.name)?;
        }
    }
    let lifecycles = cx.state.lifecycles()?.into_iter();
    let left: Vec<_> = lifecycles.filter(|(_, it)| it.deployment == Some(id)).map(|(id, _)| id).collect();
    if force {
        for invocation in &left {
            lifecycle::pause(cx, invocation, &format!("deployment {id} was removed"))?;
        }
    }
    match force || left.is_empty() {
        true => free(cx, id),
        false => cx.state.put_draining(&id, left.len() as u64),
    }
}

/// One invocation fewer is on a deployment: if that is draining and it was the last, it is freed.
pub(super) fn leave<K: Kv>(cx: &mut Cx<'_, K>, id: DeploymentId) -> Result<(), StoreError> {
    cx.state.look_for_draining()?;
    match cx.state.draining(&id)? {
        Some(left) if left > 1 => cx.state.put_draining(&id, left - 1),
        Some(_) => free(cx, id),
        None => Ok(()),
    }
}

/// Whether an invocation has the component to go on with; one that has not begun will find one.
pub(super) fn has_deployment<K: Kv>(cx: &Cx<'_, K>, lifecycle: &Lifecycle) -> Result<bool, StoreError> {
    match &lifecycle.deployment {
        Some(id) => Ok(cx.state.deployment(id)?.is_some()),
        None => Ok(true),
    }
}

fn free<K: Kv>(cx: &mut Cx<'_, K>, id: DeploymentId) -> Result<(), StoreError> {
    cx.state.delete_draining(&id)?;
    cx.state.delete_deployment(&id)?;
    cx.effects.push(Effect::FreeDeployment(id));
    Ok(())
}

/// Refuses to remove what is not there.
pub(super) fn check_removal<K: Kv>(
    state: &State<K>,
    id: &DeploymentId,
) -> Result<Result<(), Refusal>, StoreError> {
    Ok(state.deployment(id)?.map(drop).ok_or(Refusal::UnknownDeployment(*id)))
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
