//! The paths of one service: calls and sends to its handlers, and the outcomes of workflows.

use holiday_core::deployment::{Handler, HandlerMode, Media, Service, ServiceKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Callable;
use super::common::{outcome_headers, outcome_paths, refer, with_errors};
use super::schemas::{Schemas, reference};
use crate::schema::Schema;

/// What stands for itself in a segment of a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// What any request to a handler may be answered with.
const ERRORS: [&str; 8] = ["400", "404", "405", "408", "413", "431", "500", "503"];

pub(super) fn paths(service: &Callable, schemas: &mut Schemas) -> Map<String, Value> {
    let handlers: Vec<&Handler> = service.handlers().collect();
    let service = &service.revision.service;
    let mut paths = Map::new();
    for handler in handlers {
        let sides = Sides::of(service, handler, schemas);
        let path = path(service, handler);
        paths.insert(format!("{path}/send"), with_key(service, sent(service, handler, &sides)));
        paths.insert(path, with_key(service, called(service, handler, &sides)));
        if handler.mode == HandlerMode::WorkflowRun {
            let path = format!("/restate/workflow/{}/{{key}}", encode(&service.name));
            let output = sides.output.as_ref().map_or(json!(true), |(_, schema)| schema.clone());
            let key = json!([refer("parameters", "Key")]);
            // The workflow may have handlers of such names.
            let id = format!("restate/workflow/{}", service.name);
            paths.extend(outcome_paths(&path, &key, &service.name, &id, &output));
        }
    }
    paths
}

/// The content types of a handler's input and output, with what refers to their schemas.
struct Sides {
    input: Option<(String, Value)>,
    output: Option<(String, Value)>,
}

impl Sides {
    fn of(service: &Service, handler: &Handler, schemas: &mut Schemas) -> Self {
        let mut side = |media: &Option<Media>, name: &str| {
            let media = media.as_ref()?;
            let name = format!("{}.{}.{name}", service.name, handler.name);
            Some((media.content_type.clone(), schemas.add(&name, media.schema.as_deref())))
        };
        Sides { input: side(&handler.input, "input"), output: side(&handler.output, "output") }
    }
}

fn path(service: &Service, handler: &Handler) -> String {
    let key = if service.kind.is_keyed() { "/{key}" } else { "" };
    format!("/{}{key}/{}", encode(&service.name), encode(&handler.name))
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

fn with_key(service: &Service, mut item: Value) -> Value {
    if service.kind.is_keyed() {
        item["parameters"] = json!([refer("parameters", "Key")]);
    }
    item
}

/// Requests that wait for the answer; a handler that takes no body can be asked with GET, too.
fn called(service: &Service, handler: &Handler, sides: &Sides) -> Value {
    let mut answer = json!({ "description": "The handler's answer.", "headers": outcome_headers() });
    if let Some((content_type, schema)) = &sides.output {
        answer["content"] = json!({ content_type: { "schema": schema } });
    }
    let mut post = operation(service, handler, sides, json!({ "200": answer }));
    post["operationId"] = format!("{}/{}", service.name, handler.name).into();
    post["responses"]["409"] = refer("responses", "Conflict");
    post["responses"]["default"] = refer("responses", "Failure");
    if sides.input.is_some() {
        return json!({ "post": post });
    }
    let mut get = post.clone();
    get["operationId"] = format!("{}/{}/get", service.name, handler.name).into();
    json!({ "get": get, "post": post })
}

/// Requests that are answered when the invocation is accepted.
fn sent(service: &Service, handler: &Handler, sides: &Sides) -> Value {
    let accepted = json!({ "202": {
        "description": "The invocation is accepted.",
        "headers": { "x-restate-id": refer("headers", "InvocationId") },
        "content": { "application/json": { "schema": reference("Sent") } },
    } });
    let mut post = operation(service, handler, sides, accepted);
    post["operationId"] = format!("{}/{}/send", service.name, handler.name).into();
    post["parameters"].as_array_mut().expect("made below").push(refer("parameters", "Delay"));
    json!({ "post": post })
}

/// What a call and a send have in common.
fn operation(service: &Service, handler: &Handler, sides: &Sides, success: Value) -> Value {
    let mut parameters = vec![refer("parameters", "Traceparent")];
    if handler.mode != HandlerMode::WorkflowRun {
        parameters.insert(0, refer("parameters", "IdempotencyKey"));
    }
    let mut responses = with_errors(success, &ERRORS);
    if service.kind == ServiceKind::Object && handler.mode == HandlerMode::Exclusive {
        responses = with_errors(responses, &["429"]);
    }
    let mut operation = json!({ "tags": [service.name], "parameters": parameters });
    if let Some(documentation) = handler.documentation.as_deref() {
        let summary = summary(documentation);
        if summary != documentation {
            operation["description"] = documentation.into();
        }
        operation["summary"] = summary.into();
    }
    if let Some((content_type, schema)) = &sides.input {
        responses = with_errors(responses, &["415"]);
        let content = json!({ content_type: { "schema": schema } });
        operation["requestBody"] = json!({ "required": !takes_nothing(handler), "content": content });
    }
    operation["responses"] = responses;
    operation
}

/// Whether the input may be `null`, which an empty body stands for.
fn takes_nothing(handler: &Handler) -> bool {
    let schema = handler.input.as_ref().and_then(|it| it.schema.as_deref()).map(Schema::compile);
    schema.is_none_or(|it| it.is_ok_and(|it| it.takes_null()))
}

/// The first paragraph of a documentation, on one line.
fn summary(documentation: &str) -> String {
    let first = documentation.trim().split("\n\n").next().unwrap_or_default();
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
