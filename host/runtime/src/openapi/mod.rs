//! OpenAPI documents: what callers can ask of the services.
//!
//! A document is JSON, written here by hand, because in OpenAPI 3.1 a schema is a JSON schema of any kind: those of
//! handlers stand in it as their authors wrote them.

mod common;
mod operations;
mod schemas;
#[cfg(test)]
pub(crate) mod tests;

use holiday_core::deployment::{Handler, Revision, Route};
use serde_json::{Map, Value, json};

pub(crate) use common::error_schema;
use schemas::Schemas;

/// A service as its callers see it.
#[derive(Clone, Debug)]
pub(crate) struct Callable {
    pub(crate) revision: Revision,
    pub(crate) route: Option<Route>,
}

impl Callable {
    /// The handlers that callers may invoke.
    fn handlers(&self) -> impl Iterator<Item = &Handler> {
        let is_private = |handler: &Handler| {
            let routed = self.route.as_ref().and_then(|route| route.handlers.get(&handler.name));
            routed.is_some_and(|it| it.policy.private)
        };
        self.revision.service.handlers.iter().filter(move |it| !is_private(it))
    }
}

/// Describes one service.
pub(crate) fn of_service(service: &Callable, server: &str) -> Value {
    let Revision { number, service: it, .. } = &service.revision;
    let info = info(&it.name, &number.to_string(), it.documentation.as_deref());
    document(info, server, std::slice::from_ref(service))
}

/// Describes all services, and what is asked of the ingress itself.
pub(crate) fn of_all(services: &[Callable], server: &str, version: &str) -> Value {
    let about = "All services of this host, with what callers may ask of each, and the paths of the host itself. \
                 Other spellings do the same as those listed here: `/restate/call/…`, `/restate/send/…`, \
                 `/restate/attach`, `/restate/output` and `/restate/a/…`.";
    let mut document = document(info("holiday-host", version, Some(about)), server, services);
    document["paths"].as_object_mut().expect("made here").extend(common::paths_of_the_host());
    document["tags"].as_array_mut().expect("made here").push(common::tag_of_the_host());
    document
}

fn info(title: &str, version: &str, description: Option<&str>) -> Value {
    let mut info = json!({ "title": title, "version": version });
    if let Some(description) = description {
        info["description"] = description.into();
    }
    info
}

fn document(info: Value, server: &str, services: &[Callable]) -> Value {
    let mut schemas = Schemas::default();
    common::put_schemas(&mut schemas);
    let mut paths = Map::new();
    for service in services {
        paths.extend(operations::paths(service, &mut schemas));
    }
    let tags: Vec<Value> = services.iter().map(tag).collect();
    let mut components = common::components();
    components["schemas"] = Value::Object(schemas.into_map());
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": schemas::DIALECT,
        "info": info,
        "servers": [{ "url": server }],
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

fn tag(service: &Callable) -> Value {
    let service = &service.revision.service;
    match &service.documentation {
        Some(documentation) => json!({ "name": service.name, "description": documentation }),
        None => json!({ "name": service.name }),
    }
}
