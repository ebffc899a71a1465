//! Deployments, and which one is the latest of each service.

use super::{Cx, Refusal, lifecycle};
use crate::deployment::{Deployment, Revision, Route, RoutedHandler, ServiceKind};
use crate::effect::Effect;
use crate::event::Configure;
use crate::id::DeploymentId;
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
    cx.state.put_draining(&id)?;
    if force {
        for (invocation, lifecycle) in cx.state.lifecycles()? {
            if lifecycle.deployment == Some(id) {
                lifecycle::pause(cx, &invocation, &format!("deployment {id} was removed"))?;
            }
        }
        return free(cx, id);
    }
    free_if_drained(cx, id)
}

/// Frees a deployment that is draining and has no invocation left.
pub(super) fn free_if_drained<K: Kv>(cx: &mut Cx<'_, K>, id: DeploymentId) -> Result<(), StoreError> {
    if !cx.state.is_draining(&id)? {
        return Ok(());
    }
    let is_in_use = cx.state.lifecycles()?.iter().any(|(_, lifecycle)| lifecycle.deployment == Some(id));
    match is_in_use {
        true => Ok(()),
        false => free(cx, id),
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
