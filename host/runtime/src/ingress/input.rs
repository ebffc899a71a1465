//! From the body of a request to the input of a handler.

use std::str::Utf8Error;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use holiday_core::error::ErrorCode;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde::de::IgnoredAny;
use tokio::time::timeout;
use tracing::error;

use super::Ingress;
use super::directory::{Check, Destination, Input};
use super::envelope::{self, Opened};
use super::error::Error;
use super::schema::Shape;
use crate::media::{essence, is_json};
use crate::schema::{CHECK_STEPS_MAX, Rejection, SHOWN_BYTES_MAX, shorten};
use crate::seal::{self, SealError};

/// What a handler that takes no body may be sent all the same: what clients write who always send one.
const EMPTY_VALUES: [&[u8]; 2] = [b"{}", b"null"];

/// Reads a body, at most as much of it as is allowed.
pub(super) async fn read(ingress: &Ingress, body: Body) -> Result<Bytes, Error> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match timeout(ingress.config.body_timeout, collect(ingress, body)).await {
        Ok(read) => read,
        Err(_) => {
            let message =
                format!("the body was not complete after {} s", ingress.config.body_timeout.as_secs());
            Err(Error::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::MalformedBody, message))
        }
    }
}

async fn collect(ingress: &Ingress, mut body: Body) -> Result<Bytes, Error> {
    let limit = ingress.config.body_bytes_max;
    if body.size_hint().lower() > limit as u64 {
        discard(ingress, &mut body).await;
        return Err(too_large(limit));
    }
    let mut share = ingress.body_bytes.take(0).expect("nothing can always be taken");
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Error::bad_request(ErrorCode::MalformedBody, format!("the body cannot be read: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > limit {
            discard(ingress, &mut body).await;
            return Err(too_large(limit));
        }
        if !share.grow(data.len()) {
            return Err(Error::overloaded(
                "too many large bodies are on their way to the host; try again later",
            ));
        }
        match (first.is_empty(), whole.is_empty()) {
            (true, true) => first = data,
            (_, is_second) => {
                if is_second {
                    whole.extend_from_slice(&std::mem::take(&mut first));
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Takes the key and the input of a handler out of a body.
pub(super) fn open(destination: Destination<'_>, headers: &HeaderMap, body: Bytes) -> Result<Opened, Error> {
    let input = destination.endpoint.input.as_ref();
    if let (Some(input), false) = (input, body.is_empty()) {
        check_content_type(destination, input, headers)?;
    }
    let is_text = input.is_none_or(|it| it.is_json);
    let shape = input.map_or(Shape::NOTHING, |it| it.shape);
    let opened = match destination.key {
        None if is_text => {
            let is_keyed = destination.service.kind.is_keyed();
            envelope::open(&body, text(&body)?, is_keyed, &shape)?
        }
        _ => None,
    };
    // What was inside an envelope was read with it.
    let is_checked = opened.is_some();
    let Opened { key, input: body } = opened.unwrap_or(Opened { key: None, input: body });
    match input {
        None => check_empty(destination, &body).map(|()| Opened { key, input: Bytes::new() }),
        Some(input) if input.is_json && body.is_empty() => match shape.takes_null {
            true => Ok(Opened { key, input: Bytes::from_static(b"null") }),
            false => Err(empty(destination)),
        },
        Some(input) => {
            // With a schema, it is read when it is held against that.
            if input.is_json && !is_checked && matches!(destination.endpoint.check(), Check::None) {
                check_json(&body)?;
            }
            Ok(Opened { key, input: body })
        }
    }
}

/// Holds an input against the schema of its handler, and returns it as it may be recorded: with its sealed fields
/// sealed.
///
/// A small one is checked at once. What may take long, because it is large or because its schema is, is checked
/// where it holds up nobody but those who wait for their turn there.
pub(super) async fn admit(
    ingress: &Ingress,
    destination: Destination<'_>,
    input: Bytes,
) -> Result<Bytes, Error> {
    let schema = match destination.endpoint.check() {
        Check::None if destination.endpoint.input.as_ref().is_some_and(|it| it.is_json) => {
            let looking_sealed = seal::looking_sealed(&input).next();
            return match looking_sealed {
                Some(at) => Err(rejected(destination, Rejection::LooksSealed { at })),
                None => Ok(input),
            };
        }
        Check::None => return Ok(input),
        Check::Schema(schema) => schema,
        Check::Impossible { why } => return Err(unsealable(destination, why)),
    };
    let mut admitted = match input.len() <= ingress.config.checked_at_once_bytes_max {
        true => schema.admit(&input, ingress.config.checked_at_once_steps_max, &ingress.sealer),
        false => Err(Rejection::Undecided),
    };
    if let Err(Rejection::Undecided) = admitted {
        let Ok(_turn) = ingress.checks.acquire().await else { unreachable!("it is never closed") };
        let (schema, sealer) = (Arc::clone(schema), ingress.sealer.clone());
        let admit = move || schema.admit(&input, CHECK_STEPS_MAX, &sealer);
        let done = tokio::task::spawn_blocking(admit).await;
        admitted = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
    admitted.map_err(|rejection| rejected(destination, rejection))
}

fn rejected(destination: Destination<'_>, rejection: Rejection) -> Error {
    let misfit = match rejection {
        Rejection::NotUtf8(error) => return not_utf8(error),
        Rejection::NotJson(error) => return envelope::not_json(&error),
        Rejection::TooLarge { max } => {
            let message = format!(
                "the input has more than {max} bytes when its fields are sealed; send less at a time"
            );
            return Error::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge, message);
        }
        Rejection::NotSealed(error) => return not_sealed(destination, &error),
        Rejection::LooksSealed { at } => {
            return looks_sealed(&format!("the input of {}", name_of(destination)), at);
        }
        Rejection::Misfits(misfits) => misfits.to_string(),
        Rejection::TooDeep { levels, max } => {
            format!("it is {levels} levels deep, more than the {max} that can be checked")
        }
        Rejection::Undecided => "it has too much in it to be checked".to_owned(),
        Rejection::Twice { name } => format!("an object in it has the field '{}' twice", name.escape_debug()),
        Rejection::Unnamed { name } => format!(
            "an object in it has the field '{}', which the schema does not name beside fields that are sealed; write \
             it as the schema does, or leave it out",
            shorten(name, SHOWN_BYTES_MAX).escape_debug()
        ),
        Rejection::NotAText { at } => {
            format!("what is to be sealed at byte {at} of it is neither a string nor null")
        }
        Rejection::TooManySealed { max } => {
            format!("it has more than the {max} texts that are sealed in one input")
        }
    };
    let message = format!("the input does not fit the schema of {}: {misfit}", name_of(destination));
    Error::bad_request(ErrorCode::MalformedBody, message)
}

/// What only the host may write, so that nobody has a handler open what he has got hold of.
pub(super) fn looks_sealed(what: &str, at: usize) -> Error {
    let message = format!(
        "{what} has a text at byte {at} that begins with 'sealed:v…:', as only the host writes it; send plain text, in a \
         field that is sealed if it is a secret"
    );
    Error::bad_request(ErrorCode::MalformedBody, message)
}

/// Better no invocation than one with its secrets in clear text. What is wrong is for the operator, and has paths of the
/// host in it.
fn not_sealed(destination: Destination<'_>, error: &SealError) -> Error {
    let code = match error {
        SealError::NoRandomness(_) => ErrorCode::Internal,
        SealError::Keyring(error) => error.code(),
    };
    error!("{code}: an input of {} cannot be sealed: {error}", name_of(destination));
    let message = "the host cannot seal inputs now, and its log says why; try again later";
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
}

fn unsealable(destination: Destination<'_>, why: &str) -> Error {
    let message = format!(
        "{} has fields to be sealed, but its schema {why}; register the component again",
        name_of(destination)
    );
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::BadManifest, message)
}

/// Checks that bytes are one JSON value.
pub(super) fn check_json(body: &[u8]) -> Result<(), Error> {
    serde_json::from_str::<IgnoredAny>(text(body)?).map(drop).map_err(|error| envelope::not_json(&error))
}

fn text(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(not_utf8)
}

fn not_utf8(error: Utf8Error) -> Error {
    let message = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
    Error::bad_request(ErrorCode::MalformedBody, message)
}

/// A request that does not say what it brings is believed to bring what the handler takes.
fn check_content_type(destination: Destination<'_>, input: &Input, headers: &HeaderMap) -> Result<(), Error> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or("(not text)");
    if is_taken(input, given) {
        return Ok(());
    }
    let hint = match essence(given) == "application/x-www-form-urlencoded" {
        true => "; many clients say so unasked: set the header to 'application/json'",
        false => "",
    };
    let message = format!("{} takes {}, not '{given}'{hint}", name_of(destination), input.content_type);
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedContentType, message))
}

fn is_taken(input: &Input, given: &str) -> bool {
    let (given, taken) = (essence(given), essence(&input.content_type));
    let range = taken.strip_suffix("/*");
    input.is_json && is_json(given)
        || given.eq_ignore_ascii_case(taken)
        || range.is_some_and(|it| {
            it == "*" || given.split('/').next().is_some_and(|main| main.eq_ignore_ascii_case(it))
        })
}

fn check_empty(destination: Destination<'_>, body: &[u8]) -> Result<(), Error> {
    let body = body.trim_ascii();
    if body.is_empty() || EMPTY_VALUES.contains(&body) {
        return Ok(());
    }
    let message = format!("{} takes no input, but got a body of {} bytes", name_of(destination), body.len());
    Err(Error::bad_request(ErrorCode::MalformedBody, message))
}

fn empty(destination: Destination<'_>) -> Error {
    let message =
        format!("the body is empty, but {} takes an input as JSON; send at least {{}}", name_of(destination));
    Error::bad_request(ErrorCode::MalformedBody, message)
}

/// Reads on and keeps nothing: most clients listen for the answer only when they have sent everything.
async fn discard(ingress: &Ingress, body: &mut Body) {
    let mut discarded = 0;
    while discarded < ingress.config.discarded_bytes_max
        && let Some(Ok(frame)) = body.frame().await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}

fn too_large(limit: usize) -> Error {
    let message = format!(
        "the body has more than the {limit} bytes that are allowed; store it elsewhere and pass a reference"
    );
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge, message)
}

fn name_of(destination: Destination<'_>) -> String {
    format!("{}/{}", destination.service.name, destination.endpoint.name)
}
