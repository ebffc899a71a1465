//! What all operations of the ingress have in common: parameters, headers, errors, and the paths of the host itself.

use serde_json::{Map, Value, json};

use super::schemas::{Schemas, reference};

/// The tag of what belongs to no service.
const HOST: &str = "holiday-host";

/// Errors of the ingress by status, each with its name as a component, and what it is about.
const ERRORS: [(&str, &str, &str); 12] = [
    ("400", "BadRequest", "The request is malformed, or its input is not what the handler takes."),
    ("404", "NotFound", "There is no such service, handler or invocation."),
    ("405", "MethodNotAllowed", "The method is not one of this path."),
    ("408", "RequestTimeout", "The body did not arrive in time."),
    ("409", "Conflict", "The workflow id has started already, or the invocation was cancelled or killed."),
    ("413", "PayloadTooLarge", "The body has more bytes than are allowed."),
    ("415", "UnsupportedMediaType", "The handler does not take this content type."),
    ("429", "TooManyRequests", "Too many invocations wait for this key."),
    ("431", "HeadersTooLarge", "The headers have more bytes than are kept."),
    ("470", "NotReady", "The invocation has not ended yet."),
    (
        "500",
        "InternalError",
        "The host failed, or the handler ended with a terminal error that has no code of its own.",
    ),
    ("503", "Unavailable", "A bound of the host is reached, or it is shutting down."),
];

/// Answers with one of these have `retry-after`.
const RETRYABLE: [&str; 2] = ["429", "503"];

pub(super) fn put_schemas(schemas: &mut Schemas) {
    schemas.put_own("Error", error_schema());
    schemas.put_own("Sent", sent_schema());
}

/// What both doors of the host answer in place of a success.
pub(crate) fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong, and what to do.",
        "properties": {
            "code": { "type": "integer", "description": "The HTTP status." },
            "message": { "type": "string", "description": "What was wrong, which value, and what to do." },
            "error_code": {
                "type": "string",
                "pattern": "^HH[0-9]{4}$",
                "description": "A code that `holiday-host explain` explains.",
            },
            "request_id": {
                "type": "string",
                "description":
                    "Names this answer; if the host failed or refused for lack of room, its log has it, too.",
            },
        },
        "required": ["code", "message", "error_code", "request_id"],
    })
}

fn sent_schema() -> Value {
    json!({
        "type": "object",
        "description": "The invocation that was accepted, or the one that was there before.",
        "properties": {
            "invocationId": { "type": "string" },
            "status": { "enum": ["Accepted", "PreviouslyAccepted"] },
            "executionTime": {
                "type": "string",
                "format": "date-time",
                "description": "When a delayed invocation starts.",
            },
        },
        "required": ["invocationId", "status"],
    })
}

/// The components that are no schemas.
pub(super) fn components() -> Value {
    let errors = ERRORS.iter().map(|(status, name, about)| {
        let mut response = error(about);
        if RETRYABLE.contains(status) {
            response["headers"]["retry-after"] = refer("headers", "RetryAfter");
        }
        ((*name).to_owned(), response)
    });
    let mut responses: Map<String, Value> = errors.collect();
    let failure = "The handler ended with a terminal error, whose own code is the status, or else 500.";
    responses.insert("Failure".to_owned(), error(failure));
    json!({
        "parameters": {
            "Key": path_parameter("key", "The key of the object, or the id of the workflow."),
            "InvocationId": path_parameter("invocationId", "The id of an invocation: `inv_…`."),
            "IdempotencyKey": {
                "name": "idempotency-key", "in": "header", "schema": { "type": "string", "minLength": 1 },
                "description": "Requests with the same key are one invocation, until its retention ends.",
            },
            "Traceparent": {
                "name": "traceparent", "in": "header", "schema": { "type": "string" },
                "description": "The trace that the caller is in, as W3C Trace Context has it.",
            },
            "Delay": {
                "name": "delay", "in": "query", "schema": { "type": "string" },
                "examples": { "short": { "value": "10s" }, "iso": { "value": "PT1H30M" } },
                "description": "How long the invocation waits before it starts.",
            },
        },
        "headers": {
            "InvocationId": header("The id of the invocation.", json!({ "type": "string" })),
            "IdempotencyExpires": header(
                "Until when the outcome is kept, where an idempotency key was given.",
                json!({ "type": "string", "format": "date-time" }),
            ),
            "ErrorSource": header(
                "Who says so: `ingress` for a request that was not carried out, `invocation` for an outcome.",
                json!({ "enum": ["ingress", "invocation"] }),
            ),
            "RetryAfter": header("When to come again, in seconds.", json!({ "type": "integer" })),
        },
        "responses": responses,
    })
}

fn error(about: &str) -> Value {
    json!({
        "description": about,
        "headers": { "x-restate-error-source": refer("headers", "ErrorSource") },
        "content": { "application/json": { "schema": reference("Error") } },
    })
}

fn header(description: &str, schema: Value) -> Value {
    json!({ "description": description, "schema": schema })
}

pub(super) fn path_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": { "type": "string", "minLength": 1 },
    })
}

pub(super) fn refer(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Adds answers that are errors of the ingress.
pub(super) fn with_errors(mut responses: Value, statuses: &[&str]) -> Value {
    for (status, name, _) in ERRORS.iter().filter(|(status, ..)| statuses.contains(status)) {
        responses[*status] = refer("responses", name);
    }
    responses
}

/// Headers of an answer that has the outcome of an invocation.
pub(super) fn outcome_headers() -> Value {
    json!({
        "x-restate-id": refer("headers", "InvocationId"),
        "idempotency-expires": refer("headers", "IdempotencyExpires"),
    })
}

pub(super) fn tag_of_the_host() -> Value {
    json!({ "name": HOST, "description": "Invocations and awakeables of any service." })
}

/// Paths that name no service.
pub(super) fn paths_of_the_host() -> Map<String, Value> {
    let by_id = json!([refer("parameters", "InvocationId")]);
    let by_idempotency_key = |is_keyed: bool| {
        let mut parameters = vec![
            path_parameter("service", "The name of the service."),
            path_parameter("handler", "The name of the handler."),
            path_parameter("idempotencyKey", "The idempotency key that the invocation was made with."),
        ];
        if is_keyed {
            parameters.insert(1, refer("parameters", "Key"));
        }
        Value::from(parameters)
    };
    let mut paths = Map::new();
    for (way, parameters) in [
        ("{invocationId}", by_id),
        ("{service}/{handler}/{idempotencyKey}", by_idempotency_key(false)),
        ("{service}/{key}/{handler}/{idempotencyKey}", by_idempotency_key(true)),
    ] {
        let path = format!("/restate/invocation/{way}");
        paths.extend(outcome_paths(&path, &parameters, HOST, &path, &json!(true)));
    }
    let awakeable = json!([path_parameter("id", "The id of an awakeable: `awk_…`.")]);
    paths.extend(completion_paths("/restate/awakeables/{id}", &awakeable, "an awakeable"));
    let name = path_parameter("name", "The name by which the handler waits for it.");
    let signal = json!([refer("parameters", "InvocationId"), name]);
    paths.extend(completion_paths("/restate/invocation/{invocationId}/signals/{name}", &signal, "a signal"));
    paths.insert("/restate/lookup".to_owned(), lookup());
    let ready = json!({ "200": { "description": "The host is ready." } });
    let health = json!({
        "tags": [HOST], "operationId": "health", "summary": "Says whether the host is ready.",
        "responses": with_errors(ready, &["405", "503"]),
    });
    paths.insert("/restate/health".to_owned(), json!({ "get": health }));
    paths
}

/// Which invocation is meant, however it is named.
fn lookup() -> Value {
    let named = |target: &str, required: &[&str], optional: &[&str]| {
        let texts = required.iter().chain(optional).map(|it| ((*it).to_owned(), json!({ "type": "string" })));
        let mut properties: Map<String, Value> = texts.collect();
        properties.insert("target".to_owned(), json!({ "const": target }));
        let required = [&["target"], required].concat();
        json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        })
    };
    let any = json!({ "oneOf": [
        named("invocation", &["invocationId"], &[]),
        named("workflow", &["workflowName", "workflowKey"], &[]),
        named("idempotentInvocation", &["service", "handler", "idempotencyKey"], &["key"]),
    ] });
    let found = json!({
        "type": "object", "properties": { "invocationId": { "type": "string" } }, "required": ["invocationId"],
    });
    let found = json!({ "200": {
        "description": "It is there, and this is its id.",
        "content": { "application/json": { "schema": found } },
    } });
    json!({ "post": {
        "tags": [HOST], "operationId": "lookup", "summary": "Finds the id of an invocation.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": any } } },
        "responses": with_errors(found, &["400", "404", "405", "408", "413", "500", "503"]),
    } })
}

/// The two ways to answer a handler that waits for `what`: with a value, or with a reason why there is none.
fn completion_paths(path: &str, parameters: &Value, what: &str) -> [(String, Value); 2] {
    let operation = |verb: &str, summary: String, content: &str, schema: Value| {
        let accepted = json!({ "202": { "description": "It is recorded." } });
        let operation = json!({
            "tags": [HOST], "operationId": format!("{path}/{verb}"), "summary": summary,
            "requestBody": { "content": { content: { "schema": schema } } },
            "responses": with_errors(accepted, &["400", "404", "405", "408", "409", "413", "415", "500", "503"]),
        });
        (format!("{path}/{verb}"), json!({ "parameters": parameters, "post": operation }))
    };
    let text = json!({ "type": "string" });
    [
        operation("resolve", format!("Resolves {what} with a value."), "application/json", json!(true)),
        operation("reject", format!("Rejects {what}, with the reason as text."), "text/plain", text),
    ]
}

/// The two ways to the outcome of an invocation that `path` names: wait for it, or look whether it is there.
pub(super) fn outcome_paths(
    path: &str,
    parameters: &Value,
    tag: &str,
    id: &str,
    output: &Value,
) -> [(String, Value); 2] {
    let operation = |verb: &str, summary: &str, statuses: &[&str]| {
        let success = json!({ "200": {
            "description": "The invocation has ended, and this is its outcome.",
            "headers": outcome_headers(),
            "content": { "application/json": { "schema": output } },
        } });
        let mut responses = with_errors(success, statuses);
        responses["default"] = refer("responses", "Failure");
        let operation = json!({
            "tags": [tag], "operationId": format!("{id}/{verb}"), "summary": summary, "responses": responses,
        });
        (format!("{path}/{verb}"), json!({ "parameters": parameters, "get": operation }))
    };
    [
        operation("attach", "Waits for the outcome.", &["400", "404", "405", "409", "500", "503"]),
        operation(
            "output",
            "Answers with the outcome if it is there.",
            &["400", "404", "405", "409", "470", "500", "503"],
        ),
    ]
}
