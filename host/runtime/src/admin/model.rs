//! What operators see, as JSON. Names of fields are camel case.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::response::{IntoResponse as _, Response};
use holiday_core::deployment::{
    Deployment, Handler, HandlerMode, Media, Revision, Route, Service, ServiceKind,
};
use holiday_core::error::ErrorCode;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{PartialSchema, ToSchema};

use super::error::Error;
use crate::driver::Catalog;
use crate::policy::HandlerOptions;

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => {
            (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
        }
        Err(error) => {
            let message = format!("the answer cannot be written: {error}");
            Error::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message).into_response()
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deployment)]
pub(super) struct DeploymentModel {
    id: String,
    digest: String,
    /// By which the configuration knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    uri: String,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    services: Vec<ServiceSummary>,
    /// It was removed, and is freed when the last invocation has ended that began on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    is_draining: bool,
    /// Invocations that began on it and have not ended; only in the look at one.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight_by_status: Option<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceSummary {
    pub(super) name: String,
    pub(super) revision: u32,
    ty: &'static str,
    handlers: Vec<HandlerSummary>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HandlerSummary {
    name: String,
    ty: &'static str,
}

impl DeploymentModel {
    /// Shows `deployment`, one of `all`.
    pub(super) fn new(
        deployment: &Deployment,
        all: &[Deployment],
        catalog: &Catalog,
        is_draining: bool,
    ) -> Self {
        let services = deployment.services.iter().map(|service| ServiceSummary {
            name: service.name.clone(),
            revision: revision(service, deployment, all, catalog),
            ty: service_type(service.kind),
            handlers: service.handlers.iter().map(HandlerSummary::new).collect(),
        });
        DeploymentModel {
            id: deployment.id.to_string(),
            digest: deployment.digest.to_string(),
            name: deployment.name().map(str::to_owned),
            uri: deployment.origin.clone(),
            created_at: time(deployment.registered_at),
            metadata: deployment.metadata.clone(),
            services: services.collect(),
            is_draining,
            in_flight: None,
            in_flight_by_status: None,
        }
    }

    /// Adds how many invocations there are of each status.
    pub(super) fn with_in_flight(self, by_status: BTreeMap<&'static str, u64>) -> Self {
        DeploymentModel {
            in_flight: Some(by_status.values().sum()),
            in_flight_by_status: Some(by_status),
            ..self
        }
    }

    /// The old shape.
    pub(super) fn into_endpoint(self) -> EndpointModel {
        let services = self.services.into_iter();
        let services = services.map(|it| EndpointService { name: it.name, revision: it.revision }).collect();
        EndpointModel { id: self.id, uri: self.uri, protocol_type: "BidiStream", services }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Endpoint)]
pub(super) struct EndpointModel {
    id: String,
    uri: String,
    protocol_type: &'static str,
    services: Vec<EndpointService>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EndpointService {
    name: String,
    revision: u32,
}

impl HandlerSummary {
    fn new(handler: &Handler) -> Self {
        HandlerSummary { name: handler.name.clone(), ty: handler_type(handler.mode) }
    }
}

/// The revision of a service that a deployment brought, or would bring. Only the latest one's number is stored; an older
/// one is counted by the time of registration.
fn revision(service: &Service, deployment: &Deployment, all: &[Deployment], catalog: &Catalog) -> u32 {
    let latest = catalog.revisions.get(&service.name);
    if let Some(latest) = latest.filter(|latest| latest.deployment == deployment.id) {
        return latest.number;
    }
    if !all.iter().any(|it| it.id == deployment.id) {
        return latest.map_or(1, |latest| latest.number + 1);
    }
    let is_earlier =
        |it: &&Deployment| it.registered_at <= deployment.registered_at && it.id != deployment.id;
    let has_service = |it: &&Deployment| it.services.iter().any(|other| other.name == service.name);
    all.iter().filter(is_earlier).filter(has_service).fold(1, |number, _| number + 1)
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Service)]
pub(super) struct ServiceModel {
    name: String,
    revision: u32,
    ty: &'static str,
    deployment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
    handlers: Vec<HandlerModel>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Handler)]
pub(super) struct HandlerModel {
    name: String,
    ty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<MediaModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<MediaModel>,
    /// What is in force for new invocations; absent from listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    policy: Option<HandlerOptions>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Media)]
struct MediaModel {
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    schema: Option<Box<RawValue>>,
}

impl ServiceModel {
    pub(super) fn new(revision: &Revision, route: Option<&Route>) -> Self {
        let service = &revision.service;
        ServiceModel {
            name: service.name.clone(),
            revision: revision.number,
            ty: service_type(service.kind),
            deployment: revision.deployment.to_string(),
            documentation: service.documentation.clone(),
            handlers: service.handlers.iter().map(|it| HandlerModel::new(it, route)).collect(),
        }
    }
}

impl HandlerModel {
    pub(super) fn new(handler: &Handler, route: Option<&Route>) -> Self {
        let routed = route.and_then(|route| route.handlers.get(&handler.name));
        HandlerModel {
            name: handler.name.clone(),
            ty: handler_type(handler.mode),
            documentation: handler.documentation.clone(),
            input: handler.input.as_ref().map(MediaModel::new),
            output: handler.output.as_ref().map(MediaModel::new),
            policy: routed.map(|routed| HandlerOptions::in_force(&routed.policy)),
        }
    }
}

impl MediaModel {
    fn new(media: &Media) -> Self {
        let schema = media.schema.as_deref().map(|it| value(it.as_bytes()));
        MediaModel { content_type: media.content_type.clone(), schema }
    }
}

fn service_type(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Service => "Service",
        ServiceKind::Object => "VirtualObject",
        ServiceKind::Workflow => "Workflow",
    }
}

fn handler_type(mode: HandlerMode) -> &'static str {
    match mode {
        HandlerMode::Exclusive => "Exclusive",
        HandlerMode::Shared => "Shared",
        HandlerMode::WorkflowRun => "Workflow",
    }
}

/// How an invocation or an operation ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum OutcomeModel {
    Success(Box<RawValue>),
    Failure { code: u16, message: String },
}

impl ToSchema for OutcomeModel {
    fn name() -> Cow<'static, str> {
        "Outcome".into()
    }
}

impl PartialSchema for OutcomeModel {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let object = utoipa::openapi::ObjectBuilder::new;
        let failure = object().property("code", u16::schema()).property("message", String::schema());
        let failure = failure.required("code").required("message");
        let success = object().property("success", serde_json::Value::schema()).required("success");
        let failure = object().property("failure", failure).required("failure");
        utoipa::openapi::OneOfBuilder::new().item(success).item(failure).into()
    }
}

impl OutcomeModel {
    pub(super) fn new(outcome: &Outcome, show: impl FnOnce(&[u8]) -> Box<RawValue>) -> Self {
        match outcome {
            Outcome::Success(payload) => OutcomeModel::Success(show(payload)),
            Outcome::Failure(failure) => {
                OutcomeModel::Failure { code: failure.code, message: failure.message.clone() }
            }
        }
    }
}

/// Shows a payload: JSON as it is, nothing as `null`, else `{"text": …}` or `{"hex": …}`.
pub(super) fn value(payload: &[u8]) -> Box<RawValue> {
    let text = std::str::from_utf8(payload);
    let json = text.ok().and_then(|text| serde_json::from_str::<Box<RawValue>>(text).ok());
    json.unwrap_or_else(|| match text {
        Ok("") => RawValue::NULL.to_owned(),
        Ok(text) => raw(&serde_json::json!({ "text": text })),
        Err(_) => raw(&serde_json::json!({ "hex": hex(payload) })),
    })
}

fn hex(payload: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * payload.len());
    for byte in payload {
        hex.extend(
            [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
    }
    hex
}

/// Like [`value`], but of a payload with more than `max` bytes only the size: `{"bytes": 100000}`.
pub(super) fn short_value(payload: &[u8], max: usize) -> Box<RawValue> {
    match payload.len() <= max {
        true => value(payload),
        false => raw(&serde_json::json!({ "bytes": payload.len() })),
    }
}

pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A time as RFC 3339; `None` for one that no calendar has.
pub(super) fn time(at: Timestamp) -> Option<String> {
    let millis = i64::try_from(at.as_millis()).ok()?;
    jiff::Timestamp::from_millisecond(millis).ok().map(|it| it.to_string())
}
