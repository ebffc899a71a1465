//! Deployments: what is registered, and registering more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use bytes::Bytes;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::DeploymentId;
use holiday_core::invocation::Lifecycle;
use holiday_core::state::key::{self, Family};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::error::Error;
use super::listing::{self, Rows};
use super::model::{self, DeploymentModel, EndpointModel};
use super::request::{Parameters, malformed};
use super::{Admin, METADATA_BYTES_MAX, RegisterOptions, Shared, Source};

/// How every WebAssembly file begins.
const WASM_MAGIC: &[u8] = b"\0asm";

/// What a registration is asked with: names, types, and what they mean.
pub(super) const PARAMETERS: [(&str, &str, &str); 4] = [
    ("force", "boolean", "Takes it also where it conflicts with what is there."),
    ("dry_run", "boolean", "Says what would be registered, and changes nothing."),
    ("name", "string", "The name of the component, by which the configuration speaks of it."),
    (
        "metadata",
        "string",
        "Notes that are kept with it, as a JSON object of texts such as `{\"by\": \"ann\"}`.",
    ),
];

pub(super) async fn list(admin: Shared) -> Result<Response, Error> {
    let deployments = read_all(&admin).await?;
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "deployments": deployments })))
}

/// The same in the old shape.
pub(super) async fn list_endpoints(admin: Shared) -> Result<Response, Error> {
    let deployments = read_all(&admin).await?.into_iter();
    let endpoints: Vec<EndpointModel> = deployments.map(DeploymentModel::into_endpoint).collect();
    Ok(model::json(StatusCode::OK, &serde_json::json!({ "endpoints": endpoints })))
}

async fn read_all(admin: &Admin) -> Result<Vec<DeploymentModel>, Error> {
    let found = admin.query(|state| {
        let mut draining = BTreeSet::new();
        let all = state.deployments()?;
        for deployment in &all {
            draining.extend(state.draining(&deployment.id)?.map(|_| deployment.id));
        }
        Ok((all, draining))
    });
    let (mut all, draining) = found.await?;
    all.sort_by_key(|it| (it.registered_at, it.id));
    let catalog = admin.handle.catalog();
    Ok(all.iter().map(|it| DeploymentModel::new(it, &all, &catalog, draining.contains(&it.id))).collect())
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let id: DeploymentId = path?.0.parse()?;
    let shown = read_one(&admin, id).await?.with_in_flight(count_in_flight(&admin, id).await?);
    Ok(model::json(StatusCode::OK, &shown))
}

/// The same in the old shape.
pub(super) async fn describe_endpoint(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let shown = read_one(&admin, path?.0.parse()?).await?;
    Ok(model::json(StatusCode::OK, &shown.into_endpoint()))
}

async fn read_one(admin: &Admin, id: DeploymentId) -> Result<DeploymentModel, Error> {
    let (all, left) = admin.query(move |state| Ok((state.deployments()?, state.draining(&id)?))).await?;
    let deployment = all.iter().find(|it| it.id == id).ok_or(Refusal::UnknownDeployment(id))?;
    Ok(DeploymentModel::new(deployment, &all, &admin.handle.catalog(), left.is_some()))
}

/// Counts the invocations that began on a deployment and have not ended, by their status.
async fn count_in_flight(admin: &Admin, id: DeploymentId) -> Result<BTreeMap<&'static str, u64>, Error> {
    let mut rows = Rows::of(key::family(Family::Lifecycle));
    let mut in_flight = BTreeMap::new();
    while !rows.is_at_end() {
        let (counted, rest) = admin
            .query(move |state| {
                let portion = listing::read::<Lifecycle, _>(state, rows)?;
                let on_it = portion.found.iter().filter(|(_, lifecycle)| lifecycle.deployment == Some(id));
                Ok((on_it.map(|(_, it)| it.status.name()).collect::<Vec<_>>(), portion.rest))
            })
            .await?;
        for status in counted {
            *in_flight.entry(status).or_default() += 1;
        }
        rows = rest;
    }
    Ok(in_flight)
}

/// What is left of a deployment that was removed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removed {
    id: String,
    /// Whether it is gone; otherwise it drains.
    is_freed: bool,
    /// Invocations that have to end before it is freed.
    in_flight: u64,
}

/// Takes a deployment away: 200 when it is gone, 202 while invocations are left that finish on it.
pub(super) async fn remove(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let id: DeploymentId = path?.0.parse()?;
    let force = Parameters::read(uri.query(), &["force"])?.flag("force")?;
    admin.handle.remove_deployment(id, force).await?;
    let left = admin.query(move |state| state.draining(&id)).await?;
    let removed =
        Removed { id: id.to_string(), is_freed: left.is_none(), in_flight: left.unwrap_or_default() };
    let status = if removed.is_freed { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(model::json(status, &removed))
}

/// Registers the component in the body, or the one that the body names.
pub(super) async fn register(admin: Shared, request: Request) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let Ok(_turn) = admin.uploads.acquire().await else { unreachable!("it is never closed") };
    let body = read(&admin, body).await?;
    let (source, options) = understand(&parts, body)?;
    check_metadata(&options)?;
    let is_rehearsal = options.dry_run;
    let registered = admin.ports.registrar.register(source, options).await?;
    let all = admin.query(|state| state.deployments()).await?;
    let shown = DeploymentModel::new(&registered.deployment, &all, &admin.handle.catalog(), false);
    let status = if registered.is_new && !is_rehearsal { StatusCode::CREATED } else { StatusCode::OK };
    Ok(model::json(status, &shown))
}

async fn read(admin: &Admin, body: Body) -> Result<Bytes, Error> {
    let limit = admin.ports.component_bytes_max;
    let too_large = || {
        let message = format!("the component has more than the {limit} bytes that are allowed");
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge, message)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let time = admin.ports.upload_timeout;
    let Ok(read) = timeout(time, to_bytes(body, limit)).await else {
        let message = format!("the component was not complete after {} s", time.as_secs());
        return Err(Error::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::MalformedBody, message));
    };
    read.map_err(|error| {
        let error = error.into_inner();
        match error.is::<http_body_util::LengthLimitError>() {
            true => too_large(),
            false => {
                Error::bad_request(ErrorCode::MalformedBody, format!("the body cannot be read: {error}"))
            }
        }
    })
}

/// What a body that is no component says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    uri: Option<String>,
    path: Option<PathBuf>,
    #[serde(default)]
    force: bool,
    #[serde(default, alias = "dryRun")]
    dry_run: bool,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn understand(parts: &Parts, body: Bytes) -> Result<(Source, RegisterOptions), Error> {
    let mut parameters = Parameters::read(parts.uri.query(), &PARAMETERS.map(|(name, ..)| name))?;
    let (force, dry_run) = (parameters.flag("force")?, parameters.flag("dry_run")?);
    let mut said = parameters.take("metadata").map(|text| notes(&text)).transpose()?.unwrap_or_default();
    said.extend(parameters.take("name").map(|name| ("name".to_owned(), name)));
    if body.starts_with(WASM_MAGIC) || says_wasm(parts) {
        let metadata = said;
        return Ok((Source::Bytes(body), RegisterOptions { force, dry_run, metadata }));
    }
    let registration: Registration = serde_json::from_slice(&body).map_err(|error| {
        let message = format!(
            "the body is neither a component (application/wasm) nor JSON such as {{\"path\": \"guests/trips.wasm\"}}: {error}"
        );
        Error::bad_request(ErrorCode::MalformedBody, message)
    })?;
    let options = RegisterOptions {
        force: force || registration.force,
        dry_run: dry_run || registration.dry_run,
        metadata: registration.metadata.into_iter().chain(said).collect(),
    };
    let path = match (registration.uri, registration.path) {
        (Some(uri), None) => path_of(&uri)?,
        (None, Some(path)) => path,
        _ => {
            let message = "the body has to name the component once, as 'uri' or as 'path'";
            return Err(Error::bad_request(ErrorCode::MalformedBody, message));
        }
    };
    Ok((Source::File(path), options))
}

/// Reads notes for a component whose bytes are the body.
fn notes(text: &str) -> Result<BTreeMap<String, String>, Error> {
    serde_json::from_str(text).map_err(|error| {
        malformed(format!("the parameter 'metadata' is JSON such as {{\"by\": \"ann\"}}: {error}"))
    })
}

fn check_metadata(options: &RegisterOptions) -> Result<(), Error> {
    let size: usize = options.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    match size <= METADATA_BYTES_MAX {
        true => Ok(()),
        false => {
            let message =
                format!("the metadata has {size} bytes, more than the {METADATA_BYTES_MAX} that are kept");
            Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge, message))
        }
    }
}

fn says_wasm(parts: &Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = content_type.and_then(|it| it.split(';').next()).map(str::trim);
    essence.is_some_and(|it| it == "application/wasm" || it == "application/octet-stream")
}

/// The path of a `file://` URI. What has no scheme is a path already.
fn path_of(uri: &str) -> Result<PathBuf, Error> {
    let path = match uri.split_once("://") {
        None => return Ok(PathBuf::from(uri)),
        Some(("file", rest)) => rest.strip_prefix("localhost").unwrap_or(rest),
        Some(_) => return Err(not_a_file(uri)),
    };
    match percent_decode_str(path).decode_utf8() {
        Ok(path) if path.starts_with('/') => Ok(PathBuf::from(path.into_owned())),
        _ => Err(not_a_file(uri)),
    }
}

fn not_a_file(uri: &str) -> Error {
    let message = format!(
        "'{uri}' is not a file; this host runs components: give file:///…/name.wasm, a path, or the bytes"
    );
    Error::bad_request(ErrorCode::FileUnreadable, message)
}
