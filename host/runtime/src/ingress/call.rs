//! Calls and sends: a request becomes an invocation.
//!
//! A caller that goes away changes nothing: until its body is complete there is no invocation, and from the
//! first poll of [`Handle::call`] or [`Handle::send`](crate::driver::Handle::send) on the driver has it.
//!
//! [`Handle::call`]: crate::driver::Handle::call

use axum::body::Body;
use axum::response::Response;
use holiday_core::deployment::HandlerMode;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::Invoke;
use holiday_core::id::InvocationId;
use holiday_core::invocation::Status;
use holiday_core::limits::SEND_RETENTION_MS;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::answer::{self, Ended};
use super::delay;
use super::directory::Destination;
use super::error::Error;
use super::path::{Address, Form};
use super::watch::Watch;
use super::{Ingress, headers, input};
use crate::metrics::label::Asked;
use crate::unique::Unique;

pub(super) async fn invoke(
    ingress: &Ingress,
    address: &Address<'_>,
    parts: &Parts,
    body: Body,
    watch: &mut Watch,
) -> Result<Response, Error> {
    let directory = ingress.directory();
    let destination = directory.find(address)?;
    if destination.is_one_way {
        watch.asks(Asked::SEND);
    }
    check_method(destination, address.form, &parts.method)?;
    let delay_ms = delay::of_query(parts.uri.query())?;
    if delay_ms.is_some() && !destination.is_one_way {
        let message = "a call does not wait before it starts; send it with /send to delay it";
        return Err(Error::bad_request(ErrorCode::MalformedDelay, message));
    }
    let prepared = prepare(destination, &parts.headers)?;
    let body = input::read(ingress, body).await?;
    let opened = input::open(destination, &parts.headers, body)?;
    let input = input::admit(ingress, destination, opened.input).await?;
    let target = target(destination, opened.key)?;
    let unique = Unique::draw()?;
    let invoke = Invoke {
        id: unique.id(&target),
        target,
        input,
        headers: prepared.headers,
        idempotency_key: prepared.idempotency_key,
        seed: unique.seed(),
        delay_ms,
        retention_ms: if destination.is_one_way { SEND_RETENTION_MS } else { 0 },
    };
    watch.brings_in(&invoke);
    match destination.is_one_way {
        true => send(ingress, invoke).await,
        false => call(ingress, destination, invoke, &parts.headers).await,
    }
}

async fn call(
    ingress: &Ingress,
    destination: Destination<'_>,
    invoke: Invoke,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let has_key = invoke.idempotency_key.is_some();
    let (accepted, outcome) = ingress.handle.call(invoke).await?;
    let expires_at = if has_key { expiry(ingress, accepted.invocation).await? } else { None };
    let ended = Ended {
        invocation: accepted.invocation,
        outcome,
        expires_at,
        output: destination.endpoint.output.clone(),
        wants_envelope: headers::wants_envelope(headers),
    };
    Ok(ended.into_response())
}

async fn send(ingress: &Ingress, invoke: Invoke) -> Result<Response, Error> {
    let is_delayed = invoke.delay_ms.is_some();
    let accepted = ingress.handle.send(invoke).await?;
    let starts_at = if is_delayed { start(ingress, accepted.invocation).await? } else { None };
    Ok(answer::sent(accepted.invocation, accepted.previously, starts_at))
}

/// Until when the idempotency key of an invocation leads to its outcome.
pub(super) async fn expiry(ingress: &Ingress, id: InvocationId) -> Result<Option<Timestamp>, Error> {
    let completed = ingress.handle.query(move |state| state.completed(&id)).await??;
    Ok(completed.filter(|it| it.is_named).map(|it| it.expires_at))
}

/// When a delayed invocation starts; nothing for one that has started.
async fn start(ingress: &Ingress, id: InvocationId) -> Result<Option<Timestamp>, Error> {
    let lifecycle = ingress.handle.query(move |state| state.lifecycle(&id)).await??;
    Ok(lifecycle.and_then(|it| match it.status {
        Status::Scheduled(scheduled) => Some(scheduled.starts_at),
        Status::Inboxed(_)
        | Status::Running
        | Status::Suspended(_)
        | Status::BackingOff(_)
        | Status::Paused(_) => None,
    }))
}

/// GET is for handlers that take no body; the short form of a send changes the world and is POST only.
fn check_method(destination: Destination<'_>, form: Form, method: &Method) -> Result<(), Error> {
    let is_short_send = destination.is_one_way && form == Form::Short;
    let allow = match destination.endpoint.input.is_some() || is_short_send {
        true => "POST",
        false => "GET, POST",
    };
    match allow.split(", ").any(|it| it == method.as_str()) {
        true => Ok(()),
        false => {
            let Destination { service, endpoint, .. } = destination;
            let message = format!("{}/{} takes {allow}, not {method}", service.name, endpoint.name);
            Err(Error::method_not_allowed(allow, message))
        }
    }
}

/// What the headers of a request say.
struct Prepared {
    headers: Vec<(String, String)>,
    idempotency_key: Option<String>,
}

fn prepare(destination: Destination<'_>, headers: &HeaderMap) -> Result<Prepared, Error> {
    let idempotency_key = headers::idempotency_key(headers)?;
    if idempotency_key.is_some() && destination.endpoint.mode == HandlerMode::WorkflowRun {
        let target = Target {
            service: destination.service.name.clone(),
            key: destination.key.map(ToOwned::to_owned),
            handler: destination.endpoint.name.clone(),
        };
        return Err(Refusal::IdempotencyKeyOnWorkflow { target }.into());
    }
    Ok(Prepared {
        headers: headers::passed_on(headers, &destination.endpoint.keep_headers)?,
        idempotency_key,
    })
}

fn target(destination: Destination<'_>, enclosed_key: Option<String>) -> Result<Target, Error> {
    let service = destination.service.name.clone();
    let handler = destination.endpoint.name.clone();
    let key = destination.key.map(ToOwned::to_owned).or(enclosed_key);
    match (&key, destination.service.kind.is_keyed()) {
        (None, true) => Err(Refusal::KeyMissing { service, handler }.into()),
        (Some(key), true) if key.is_empty() => Err(Error::bad_request(
            ErrorCode::MalformedPath,
            "the key is empty; a key has at least one character",
        )),
        _ => Ok(Target { service, key, handler }),
    }
}
