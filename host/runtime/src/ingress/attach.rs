//! The outcome of an invocation that was started before: wait for it, or look whether it is there.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use holiday_core::deployment::ServiceKind;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::InvocationId;
use holiday_core::target::Target;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::answer::{self, Ended};
use super::error::Error;
use super::path::{Named, Wait};
use super::{Ingress, call, headers, input};

/// 470, which says "not ready yet" and no more.
const NOT_READY: u16 = 470;

/// Answers with the outcome of the invocation that the path names.
pub(super) async fn outcome(
    ingress: &Ingress,
    named: Named<'_>,
    wait: Wait,
    parts: &Parts,
) -> Result<Response, Error> {
    let id = find(ingress, named).await?;
    let invocation = ingress.handle.query(move |state| state.invocation(&id)).await??;
    let outcome = match wait {
        Wait::Attach => ingress.handle.attach(id).await?,
        Wait::Output => ingress.handle.output(id).await?.ok_or_else(|| not_ready(id))?,
    };
    let has_key = invocation.as_ref().is_some_and(|it| it.idempotency_key.is_some());
    let expires_at = if has_key { call::expiry(ingress, id).await? } else { None };
    let output = invocation.and_then(|it| ingress.directory().output_of(&it.target).cloned());
    let wants_envelope = headers::wants_envelope(&parts.headers);
    Ok(Ended { invocation: id, outcome, expires_at, output, wants_envelope }.into_response())
}

/// The same for the invocation that the body names.
pub(super) async fn outcome_of_body(
    ingress: &Ingress,
    wait: Wait,
    parts: &Parts,
    body: Body,
) -> Result<Response, Error> {
    let body = input::read(ingress, body).await?;
    outcome(ingress, named_by(&body)?, wait, parts).await
}

/// Answers with the id of the invocation that the body names.
pub(super) async fn lookup(ingress: &Ingress, body: Body) -> Result<Response, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        invocation_id: String,
    }

    let body = input::read(ingress, body).await?;
    let id = find(ingress, named_by(&body)?).await?;
    // Tells whether it exists, and waits until what is told is durable.
    ingress.handle.output(id).await?;
    Ok(answer::json(StatusCode::OK, &Found { invocation_id: id.to_string() }))
}

async fn find(ingress: &Ingress, named: Named<'_>) -> Result<InvocationId, Error> {
    match named {
        Named::Id(text) => find_id(ingress, &text).await,
        Named::Workflow { name, key } => find_workflow(ingress, &name, key.into_owned()).await,
        Named::IdempotencyKey { service, key, handler, idempotency_key } => {
            let target = target(ingress, &service, key, &handler)?;
            let (asked, idempotency_key) = (target.clone(), idempotency_key.into_owned());
            let shown = idempotency_key.clone();
            let found = ingress
                .handle
                .query(move |state| state.by_idempotency_key(&asked, &idempotency_key))
                .await??;
            found.ok_or_else(|| unknown(&format!("{target} with the idempotency key '{shown}'")))
        }
    }
}

/// The id under which an invocation is stored, given any that a handler was given for it.
pub(super) async fn find_id(ingress: &Ingress, text: &str) -> Result<InvocationId, Error> {
    let id: InvocationId =
        text.parse().map_err(|error| Error::bad_request(ErrorCode::MalformedId, format!("{error}")))?;
    Ok(ingress.handle.query(move |state| state.resolve(&id)).await??)
}

async fn find_workflow(ingress: &Ingress, name: &str, key: String) -> Result<InvocationId, Error> {
    let directory = ingress.directory();
    let service = directory.service(name)?;
    if service.kind != ServiceKind::Workflow {
        let message = format!("'{}' is not a workflow; attach to its invocations by their id", service.name);
        return Err(Error::bad_request(ErrorCode::MalformedPath, message));
    }
    let (asked, shown) = (service.name.clone(), format!("{}/{key}", service.name));
    let run = ingress.handle.query(move |state| state.workflow_run(&asked, &key)).await??;
    run.ok_or_else(|| unknown(&format!("the workflow {shown}")))
}

fn target(
    ingress: &Ingress,
    service: &str,
    key: Option<Cow<'_, str>>,
    handler: &str,
) -> Result<Target, Error> {
    let directory = ingress.directory();
    let service = directory.service(service)?;
    let target = Target {
        service: service.name.clone(),
        key: key.map(Cow::into_owned),
        handler: service.endpoint(handler)?.name.clone(),
    };
    match (service.kind.is_keyed(), &target.key) {
        (true, None) => Err(Refusal::KeyMissing { service: target.service, handler: target.handler }.into()),
        (false, Some(key)) => {
            Err(Refusal::KeyUnexpected { service: target.service, key: key.clone(), handler: target.handler }
                .into())
        }
        (true, Some(_)) | (false, None) => Ok(target),
    }
}

/// How a body names an invocation.
#[derive(Deserialize)]
#[serde(tag = "target", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum NamedByBody {
    Invocation { invocation_id: String },
    Workflow { workflow_name: String, workflow_key: String },
    IdempotentInvocation { service: String, key: Option<String>, handler: String, idempotency_key: String },
}

fn named_by(body: &[u8]) -> Result<Named<'static>, Error> {
    let named = serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body does not name an invocation: {error}");
        Error::bad_request(ErrorCode::MalformedBody, message)
    })?;
    Ok(match named {
        NamedByBody::Invocation { invocation_id } => Named::Id(invocation_id.into()),
        NamedByBody::Workflow { workflow_name, workflow_key } => {
            Named::Workflow { name: workflow_name.into(), key: workflow_key.into() }
        }
        NamedByBody::IdempotentInvocation { service, key, handler, idempotency_key } => {
            Named::IdempotencyKey {
                service: service.into(),
                key: key.map(Into::into),
                handler: handler.into(),
                idempotency_key: idempotency_key.into(),
            }
        }
    })
}

fn unknown(what: &str) -> Error {
    let message = format!("there is no invocation of {what}: it never was, or its retention has ended");
    Error::new(StatusCode::NOT_FOUND, ErrorCode::UnknownInvocation, message)
}

fn not_ready(id: InvocationId) -> Error {
    let status = StatusCode::from_u16(NOT_READY).unwrap_or(StatusCode::ACCEPTED);
    Error::new(
        status,
        ErrorCode::NotReady,
        format!("invocation {id} has not ended yet; attach to wait for it"),
    )
}
