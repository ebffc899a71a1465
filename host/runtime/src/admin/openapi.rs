//! OpenAPI documents: of this door, and of what callers can ask of the services.
//!
//! The shapes of what is answered come from the types that are answered (`ToSchema`); what the paths take is written
//! down here. A test compares it with the router.

mod subscriptions;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::error::Error;
use super::services::find;
use super::subscriptions::{Deleted, Sought, SubscriptionModel, parked, settle};
use super::{Shared, deployments, invocation, invocations, journal, model, state, steer};
use crate::openapi::{self, Callable};

/// What callers can ask of one service.
pub(super) async fn of_service(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(service) = path?;
    let (revision, route) = find(&admin, service).await?;
    let service = Callable { revision, route };
    Ok(written(move || openapi::of_service(&service, &admin.ports.ingress_url)).await)
}

/// What callers can ask of all services, and of the host itself.
pub(super) async fn of_services(admin: Shared) -> Result<Response, Error> {
    let services = admin
        .query(|state| {
            let with_route = |revision: holiday_core::deployment::Revision| {
                let route = state.route(&revision.service.name)?;
                Ok(Callable { revision, route })
            };
            state.revisions()?.into_iter().map(with_route).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let document = move || openapi::of_all(&services, &admin.ports.ingress_url, admin.ports.version);
    Ok(written(document).await)
}

/// Writes a document where it holds up nobody else: services may be many, and their schemas large.
async fn written(document: impl FnOnce() -> Value + Send + 'static) -> Response {
    let written = tokio::task::spawn_blocking(move || model::json(StatusCode::OK, &document())).await;
    written.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What operators can ask of this door.
pub(super) async fn of_admin(admin: Shared) -> Response {
    model::json(StatusCode::OK, &document(admin.ports.version))
}

/// The shapes of answers.
#[derive(OpenApi)]
#[openapi(components(schemas(
    model::DeploymentModel,
    deployments::Removed,
    model::EndpointModel,
    model::ServiceModel,
    invocations::Page,
    invocation::InvocationModel,
    journal::Journal,
    SubscriptionModel,
    Sought,
    Deleted,
    parked::Page,
    parked::ParkedModel,
    settle::SettledRecord,
    settle::Settled,
    state::ObjectState,
    steer::Done,
)))]
struct Shapes;

pub(super) fn document(version: &str) -> Value {
    let mut document = serde_json::to_value(Shapes::openapi()).unwrap_or_default();
    document["openapi"] = "3.1.0".into();
    document["info"] = json!({
        "title": "holiday-host: the door for operators",
        "version": version,
        "description": "Registers deployments, shows and steers invocations, and shows the state of objects.",
    });
    document["paths"] = Value::Object(paths());
    document["components"]["schemas"]["Error"] = openapi::error_schema();
    document["components"]["schemas"]["Options"] = options();
    document["components"]["schemas"]["Handler"]["properties"]["policy"] = shape("Options");
    document["components"]["schemas"]["Details"]["properties"]["policy"] = shape("Options");
    document
}

fn paths() -> Map<String, Value> {
    let mut paths = Paths::default();
    let text = || json!({ "type": "string" });
    let document = || json!({ "type": "object" });
    paths.on("get /health", "Says whether the host is there.").json("It is.", one("status", text()));
    paths.on("get /version", "Says which version it has.").json("The version.", one("version", text()));
    paths.on("get /metrics", "Counts and measures, for Prometheus.").answer(
        "200",
        "All metrics.",
        json!({ "application/openmetrics-text": {} }),
    );
    paths.on("get /openapi.json", "Describes this door.").json("An OpenAPI document.", document());

    paths
        .on("get /deployments", "Lists all deployments, the oldest first.")
        .json("All of them.", one("deployments", list("Deployment")));
    register(
        paths.on("post /deployments", "Registers a component: its bytes, or a file that the host can read."),
    );
    paths
        .on("get /deployments/{id}", "Shows a deployment, with how many invocations run on it.")
        .json("The deployment.", shape("Deployment"))
        .errors(&["400", "404"]);
    remove(paths.on("delete /deployments/{id}", "Takes a deployment away; its services take no new calls."));
    paths
        .on("get /endpoints", "Lists all deployments in an older shape.")
        .json("All of them.", one("endpoints", list("Endpoint")));
    register(paths.on("post /endpoints", "Registers a component, as `/deployments` does."));
    paths
        .on("get /endpoints/{id}", "Shows a deployment in the older shape.")
        .json("The deployment.", shape("Endpoint"))
        .errors(&["400", "404"]);
    remove(paths.on("delete /endpoints/{id}", "Takes a deployment away, as `/deployments/{id}` does."));

    paths
        .on("get /services", "Lists all services, each with its latest revision.")
        .json("All of them.", one("services", list("Service")));
    paths
        .on("get /services/openapi", "Describes what callers can ask of all services.")
        .json("An OpenAPI document.", document());
    paths
        .on("get /services/{service}", "Shows a service, with the policies in force.")
        .json("The service.", shape("Service"))
        .errors(&["404"]);
    paths
        .on(
            "patch /services/{service}",
            "Changes options of a service and its handlers; `null` takes one back.",
        )
        .body(content(shape("Options")))
        .json("The service, with the policies now in force.", shape("Service"))
        .errors(&["400", "404", "413"]);
    paths
        .on("get /services/{service}/openapi", "Describes what callers can ask of a service.")
        .json("An OpenAPI document.", document())
        .errors(&["404"]);
    paths
        .on("get /services/{service}/handlers", "Lists the handlers of a service.")
        .json("All of them.", one("handlers", list("Handler")))
        .errors(&["404"]);
    paths
        .on("get /services/{service}/handlers/{handler}", "Shows a handler.")
        .json("The handler.", shape("Handler"))
        .errors(&["404"]);

    let listing = paths.on("get /invocations", "Lists invocations.");
    let listing =
        invocations::FILTERS.iter().fold(listing, |it, (name, about)| it.query(name, about, text()));
    listing.json("A page of them.", shape("Invocations")).errors(&["400"]);
    paths
        .on("get /invocations/{id}", "Shows an invocation.")
        .json("The invocation.", shape("Invocation"))
        .errors(&["400", "404"]);
    paths
        .on("get /invocations/{id}/journal", "Shows what a handler has asked for, and was answered.")
        .query("from", "The first command that is shown.", json!({ "type": "integer", "minimum": 0 }))
        .query("limit", "How many commands are shown.", json!({ "type": "integer", "minimum": 1 }))
        .json("A page of the journal.", shape("Journal"))
        .errors(&["400", "404"]);
    paths
        .on("patch /invocations/{id}/{verb}", "Steers an invocation.")
        .query("deployment", "To resume on: `latest`, `keep`, or the id of one.", text())
        .query("force", "To resume where the journal does not fit.", json!({ "type": "boolean" }))
        .query("keep", "With how many commands to restart.", json!({ "type": "integer", "minimum": 0 }))
        .query(
            "from",
            "The same: the command from which to go on.",
            json!({ "type": "integer", "minimum": 0 }),
        )
        .json("It is done.", shape("Done"))
        .answer("202", "It is asked to stop, and may still undo what it did.", content(shape("Done")))
        .errors(&["400", "404", "409"]);

    subscriptions::describe(&mut paths);
    paths
        .on("get /state/{service}/{key}", "Shows the state of an object or a workflow.")
        .json("All values, by name, and their version.", shape("State"))
        .errors(&["400", "404"]);
    replace(
        paths
            .on(
                "put /state/{service}/{key}",
                "Puts all values of an object or a workflow in place of those before.",
            )
            .body(content(replacement("state", &["service", "key"]))),
    );
    replace(paths.on("delete /state/{service}/{key}", "Clears the state of an object or a workflow.").query(
        "version",
        "Clear only the state of this version.",
        text(),
    ));
    replace(
        paths
            .on(
                "post /services/{service}/state",
                "Puts all values in place of those before, with the key in the body.",
            )
            .body(content(replacement("new_state", &["object_key"]))),
    );
    paths.0
}

fn remove(operation: Operation<'_>) {
    operation
        .query("force", "Frees it at once, and pauses its invocations.", json!({ "type": "boolean" }))
        .json("It is gone.", shape("Removed"))
        .answer("202", "It drains: it is freed when its invocations have ended.", content(shape("Removed")))
        .errors(&["400", "404"]);
}

fn replace(operation: Operation<'_>) {
    operation
        .json("The values that are there now, and their version.", shape("State"))
        .errors(&["400", "404", "409", "413"]);
}

fn register(operation: Operation<'_>) {
    let parameters = deployments::PARAMETERS.iter();
    parameters
        .fold(operation, |it, (name, kind, about)| it.query(name, about, json!({ "type": kind })))
        .body(json!({ "application/wasm": {}, "application/json": { "schema": registration() } }))
        .json("It was there already, or would be registered.", shape("Deployment"))
        .answer("201", "It is registered.", content(shape("Deployment")))
        .errors(&["400", "408", "409", "413"]);
}

#[derive(Default)]
struct Paths(Map<String, Value>);

impl Paths {
    /// Describes what `route` does: a method and a path. Every operation can fail with the host.
    fn on(&mut self, route: &str, summary: &str) -> Operation<'_> {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let item = self.0.entry(path).or_insert_with(|| {
            let names = path.split(['{', '}']).skip(1).step_by(2);
            json!({ "parameters": names.map(path_parameter).collect::<Vec<_>>() })
        });
        item[method] = json!({ "summary": summary, "operationId": route, "parameters": [], "responses": {} });
        Operation(&mut item[method]).errors(&["500", "503"])
    }
}

fn path_parameter(name: &str) -> Value {
    let schema = match name {
        "verb" => json!({ "enum": steer::VERBS }),
        "number" => json!({ "type": "integer", "minimum": 0 }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

struct Operation<'a>(&'a mut Value);

impl Operation<'_> {
    fn query(self, name: &str, about: &str, schema: Value) -> Self {
        let parameter = json!({ "name": name, "in": "query", "description": about, "schema": schema });
        self.0["parameters"].as_array_mut().expect("made with the operation").push(parameter);
        self
    }

    fn body(self, content: Value) -> Self {
        self.0["requestBody"] = json!({ "required": true, "content": content });
        self
    }

    fn json(self, about: &str, schema: Value) -> Self {
        self.answer("200", about, content(schema))
    }

    fn answer(self, status: &str, about: &str, content: Value) -> Self {
        self.0["responses"][status] = json!({ "description": about, "content": content });
        self
    }

    fn errors(self, statuses: &[&str]) -> Self {
        let error = content(shape("Error"));
        statuses.iter().fold(self, |it, status| it.answer(status, meaning(status), error.clone()))
    }
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "The request is malformed, or a component cannot be used.",
        "404" => "It is not there.",
        "408" => "The body did not arrive in time.",
        "409" => "It conflicts with what is there.",
        "429" => "A bound of the host is reached.",
        "413" => "The body has more bytes than are allowed.",
        "503" => "The host is shutting down.",
        _ => "The host failed.",
    }
}

fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": shape(of) })
}

/// An object with one field.
fn one(field: &str, schema: Value) -> Value {
    json!({ "type": "object", "properties": { field: schema }, "required": [field] })
}

/// A whole state under the name `values`, with what else a request says by text.
fn replacement(values: &str, texts: &[&str]) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": {
            values: { "type": "object", "additionalProperties": true },
            "version": { "type": "string", "description": "Replace only the state of this version." },
        },
        "required": [values],
        "additionalProperties": false,
    });
    for name in texts {
        schema["properties"][name] = json!({ "type": "string" });
    }
    schema
}

fn registration() -> Value {
    json!({
        "type": "object",
        "properties": {
            "uri": { "type": "string", "description": "`file:///…/name.wasm`, or a path." },
            "path": { "type": "string" },
            "force": { "type": "boolean" },
            "dry_run": { "type": "boolean" },
            "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        },
        "oneOf": [{ "required": ["uri"] }, { "required": ["path"] }],
        "additionalProperties": false,
    })
}

/// Options as operators write them: what is open is left to the author of the service.
fn options() -> Value {
    let duration = json!({ "type": ["string", "null"], "description": "Such as `30s` or `1h 30m`." });
    let number = json!({ "type": ["number", "null"] });
    json!({
        "type": "object",
        "properties": {
            "retry": {
                "type": ["object", "null"],
                "properties": {
                    "initial-interval": duration, "factor": number, "max-interval": duration,
                    "max-attempts": number, "max-duration": duration, "then": { "enum": ["pause", "fail", null] },
                },
                "additionalProperties": false,
            },
            "idempotency-retention": duration, "workflow-retention": duration, "journal-retention": duration,
            "timeout": duration, "cpu": duration,
            "private": { "type": ["boolean", "null"] },
            "keep-headers": { "type": ["array", "null"], "items": { "type": "string" } },
            "handlers": { "type": ["object", "null"], "additionalProperties": shape("Options") },
        },
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jsonschema::Validator;

    use super::super::tests::both_doors;
    use super::super::tests::subscriptions::subscribe_and_park;
    use super::*;
    use crate::ingress::harness::Host;
    use crate::openapi::tests::assert_valid;

    #[test]
    fn the_document_is_valid() {
        assert_valid(&document("0.1.0"));
    }

    /// Each path of the router with its methods, as its source has them.
    fn routes() -> BTreeSet<(String, String)> {
        let source = include_str!("mod.rs").split_whitespace().collect::<Vec<_>>().join(" ");
        let route = |it| str::split_once(it, '"')?.1.split_once("\", ");
        let routes = source.split(".route(").skip(1).filter_map(route);
        let methods = ["get", "post", "put", "patch", "delete"];
        let with_methods = routes.flat_map(|(path, rest)| {
            let is_served = move |method: &&str| {
                rest.starts_with(&format!("{method}(")) || rest.contains(&format!(".{method}("))
            };
            methods.into_iter().filter(is_served).map(|method| (path.to_owned(), method.to_owned()))
        });
        with_methods.collect()
    }

    #[test]
    fn every_route_is_described() {
        let document = document("0.1.0");
        let paths = document["paths"].as_object().expect("paths");
        let described = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("an object").keys().filter(|it| *it != "parameters");
            methods.map(|method| (path.clone(), method.clone()))
        });
        let (described, routes): (BTreeSet<_>, _) = (described.collect(), routes());
        assert!(routes.len() > 15, "the routes are read from the source");
        assert_eq!(described, routes, "describe each route in openapi.rs");
    }

    /// What a path answers is what the document says.
    fn check(host: &Host, path: &str, described: &str) {
        let document = document("0.1.0");
        let answer = &document["paths"][described]["get"]["responses"]["200"];
        let mut schema = answer["content"]["application/json"]["schema"].clone();
        assert!(schema.is_object(), "{described} is not described");
        schema["components"] = document["components"].clone();
        let validator: Validator = jsonschema::options().offline().build(&schema).expect("a schema");
        let answer = host.fetch(&format!("GET /admin{path}"));
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|it| it.to_string()).collect();
        assert!(wrong.is_empty(), "{path}: {}\n{answer:#}", wrong.join("\n"));
    }

    #[test]
    fn answers_are_as_described() {
        let host = Host::start(both_doors);
        for request in ["POST /cart/ann/add ~ {}", "POST /trips/wait/send", "POST /trips/stumble/send"] {
            host.fetch(request);
        }
        let deployments = host.fetch("GET /admin/deployments");
        let deployment = deployments["deployments"][0]["id"].as_str().expect("an id").to_owned();
        let sent = host.fetch("POST /Booking/b1/Run/send ~ {}");
        let invocation = sent["invocationId"].as_str().expect("an id").to_owned();
        let subscription = subscribe_and_park(&host);
        for (path, described) in [
            ("/health", "/health"),
            ("/version", "/version"),
            ("/openapi.json", "/openapi.json"),
            ("/deployments", "/deployments"),
            (&format!("/deployments/{deployment}"), "/deployments/{id}"),
            ("/endpoints", "/endpoints"),
            (&format!("/endpoints/{deployment}"), "/endpoints/{id}"),
            ("/services", "/services"),
            ("/services/openapi", "/services/openapi"),
            ("/services/trips", "/services/{service}"),
            ("/services/trips/openapi", "/services/{service}/openapi"),
            ("/services/cart/handlers", "/services/{service}/handlers"),
            ("/services/cart/handlers/add", "/services/{service}/handlers/{handler}"),
            ("/invocations", "/invocations"),
            (&format!("/invocations/{invocation}"), "/invocations/{id}"),
            (&format!("/invocations/{invocation}/journal"), "/invocations/{id}/journal"),
            ("/state/cart/ann", "/state/{service}/{key}"),
            ("/subscriptions", "/subscriptions"),
            (&format!("/subscriptions/{subscription}"), "/subscriptions/{id}"),
            (&format!("/subscriptions/{subscription}/parked"), "/subscriptions/{id}/parked"),
            (&format!("/subscriptions/{subscription}/parked/0"), "/subscriptions/{id}/parked/{number}"),
        ] {
            check(&host, path, described);
        }
    }
}
