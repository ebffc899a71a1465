//! The state of one object or workflow.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use holiday_core::engine::Refusal;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::Error;
use super::request::malformed;
use super::{Shared, model};

#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub(super) struct ObjectState {
    service: String,
    key: String,
    #[schema(value_type = BTreeMap<String, Value>)]
    state: BTreeMap<String, Box<RawValue>>,
}

pub(super) async fn read(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let Path((service, key)) = path?;
    let catalog = admin.handle.catalog();
    match catalog.revisions.get(&service) {
        None => return Err(Refusal::UnknownService { service, nearest: None }.into()),
        Some(it) if !it.service.kind.is_keyed() => {
            return Err(malformed(format!("'{service}' is a plain service and has no state")));
        }
        Some(_) => {}
    }
    let object = (service.clone(), key.clone());
    let values = admin.query(move |state| state.object_state(&object.0, &object.1)).await?;
    let state = values.into_iter().map(|(name, payload)| (name, model::value(&payload))).collect();
    Ok(model::json(StatusCode::OK, &ObjectState { service, key, state }))
}
