//! Deployments, and which one is the latest of each service.

use super::{Cx, Refusal};
use crate::deployment::{Deployment, Revision, Route, RoutedHandler, ServiceKind};
use crate::event::Configure;
use crate::policy::{Layer, Policy};
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
