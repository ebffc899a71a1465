//! The services that can be invoked now, and the policies they are under.

use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use holiday_core::deployment::{Revision, Route};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::Configure;
use holiday_core::policy::{Layer, ServicePolicies};
use http::StatusCode;
use serde_json::{Map, Value};

use super::error::Error;
use super::model::{self, HandlerModel, ServiceModel};
use super::{Admin, OPTIONS_BYTES_MAX, Shared};
use crate::nearest::nearest;
use crate::policy;

pub(super) async fn list(admin: Shared) -> Response {
    let catalog = admin.handle.catalog();
    let services: Vec<_> = catalog.revisions.values().map(|it| ServiceModel::new(it, None)).collect();
    model::json(StatusCode::OK, &serde_json::json!({ "services": services }))
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(service) = path?;
    shown(&admin, service).await
}

pub(super) async fn handlers(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(service) = path?;
    let (revision, route) = find(&admin, service).await?;
    let handlers = revision.service.handlers.iter();
    let handlers: Vec<_> = handlers.map(|it| HandlerModel::new(it, route.as_ref())).collect();
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "handlers": handlers })))
}

pub(super) async fn handler(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let Path((service, handler)) = path?;
    let (revision, route) = find(&admin, service).await?;
    let found = revision.service.handler(&handler).ok_or_else(|| unknown_handler(&revision, handler))?;
    Ok(model::json(StatusCode::OK, &HandlerModel::new(found, route.as_ref())))
}

/// Changes what operators say of a service. Invocations that were accepted keep the policies they began with.
pub(super) async fn configure(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let Path(service) = path?;
    let patch = read(request).await?;
    let turn = admin.configuring.lock().await;
    let (revision, _) = find(&admin, service.clone()).await?;
    let mut policies = admin.query(|state| state.policies(Layer::Operator)).await?;
    let before = policies.services.remove(&service).unwrap_or_default();
    let after = policy::patch(&before, patch)
        .map_err(|wrong| Error::bad_request(ErrorCode::BadConfig, format!("in the options, {wrong}")))?;
    let is_new = |name: &&String| !before.handlers.contains_key(*name);
    for handler in after.handlers.keys().filter(is_new) {
        if revision.service.handler(handler).is_none() {
            return Err(unknown_handler(&revision, handler.clone()));
        }
    }
    if after != ServicePolicies::default() {
        policies.services.insert(service.clone(), after);
    }
    admin.handle.configure(Configure { layer: Layer::Operator, policies }).await?;
    drop(turn);
    shown(&admin, service).await
}

async fn read(request: Request) -> Result<Map<String, Value>, Error> {
    let body = to_bytes(request.into_body(), OPTIONS_BYTES_MAX).await.map_err(|error| {
        let error = error.into_inner();
        match error.is::<http_body_util::LengthLimitError>() {
            true => Error::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::PayloadTooLarge,
                format!("the options have more than the {OPTIONS_BYTES_MAX} bytes that are allowed"),
            ),
            false => {
                Error::bad_request(ErrorCode::MalformedBody, format!("the body cannot be read: {error}"))
            }
        }
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let message = format!("the body is not a JSON object such as {{\"timeout\": \"30s\"}}: {error}");
        Error::bad_request(ErrorCode::MalformedBody, message)
    })
}

async fn shown(admin: &Admin, service: String) -> Result<Response, Error> {
    let (revision, route) = find(admin, service).await?;
    Ok(model::json(StatusCode::OK, &ServiceModel::new(&revision, route.as_ref())))
}

/// The latest revision of a service, with the policies that are in force for it.
pub(super) async fn find(admin: &Admin, service: String) -> Result<(Revision, Option<Route>), Error> {
    let name = service.clone();
    let found = admin.query(move |state| Ok((state.revision(&name)?, state.route(&name)?))).await?;
    match found {
        (Some(revision), route) => Ok((revision, route)),
        (None, _) => Err(admin.unknown_service(&service)),
    }
}

pub(super) fn unknown_handler(revision: &Revision, handler: String) -> Error {
    let names = revision.service.handlers.iter().map(|it| it.name.as_str());
    let nearest = nearest(names, &handler).map(str::to_owned);
    Refusal::UnknownHandler { service: revision.service.name.clone(), handler, nearest }.into()
}
