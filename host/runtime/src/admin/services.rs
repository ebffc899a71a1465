//! The services that can be invoked now.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use holiday_core::deployment::Revision;
use holiday_core::engine::Refusal;
use http::StatusCode;

use super::Shared;
use super::error::Error;
use super::model::{self, HandlerModel, ServiceModel};
use crate::driver::Catalog;

pub(super) async fn list(admin: Shared) -> Response {
    let catalog = admin.handle.catalog();
    let services: Vec<_> = catalog.revisions.values().map(ServiceModel::new).collect();
    model::json(StatusCode::OK, &serde_json::json!({ "services": services }))
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(service) = path?;
    let catalog = admin.handle.catalog();
    Ok(model::json(StatusCode::OK, &ServiceModel::new(find(&catalog, service)?)))
}

pub(super) async fn handlers(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(service) = path?;
    let catalog = admin.handle.catalog();
    let handlers: Vec<_> = find(&catalog, service)?.service.handlers.iter().map(HandlerModel::new).collect();
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "handlers": handlers })))
}

pub(super) async fn handler(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let Path((service, handler)) = path?;
    let catalog = admin.handle.catalog();
    let revision = find(&catalog, service)?;
    let found = revision.service.handler(&handler).ok_or_else(|| {
        let service = revision.service.name.clone();
        Refusal::UnknownHandler { service, handler, nearest: None }
    })?;
    Ok(model::json(StatusCode::OK, &HandlerModel::new(found)))
}

fn find(catalog: &Catalog, service: String) -> Result<&Revision, Error> {
    let found = catalog.revisions.get(&service);
    found.ok_or_else(|| Refusal::UnknownService { service, nearest: None }.into())
}
