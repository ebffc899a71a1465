//! The command that a newcomer can try next.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use holiday_core::deployment::{Handler, HandlerMode, Revision};
use serde_json::Value;

/// Returns a `curl` for one of the services: the one with the fewest demands on its caller, and among those the one
/// with the fewest handlers, which is likely to be a front door.
pub(crate) fn command<'a>(
    revisions: impl Iterator<Item = &'a Revision>,
    ingress: SocketAddr,
) -> Option<String> {
    let (revision, handler) = revisions
        .flat_map(|revision| revision.service.handlers.iter().map(move |handler| (revision, handler)))
        .min_by_key(|(revision, handler)| demands(revision, handler))?;
    let service = &revision.service;
    let key = if service.kind.is_keyed() { "my-key/" } else { "" };
    let body = match body(handler) {
        Some(body) => format!(" --json '{body}'"),
        None => " -X POST".to_owned(),
    };
    Some(format!("curl {}/{}/{key}{}{body}", authority(ingress), service.name, handler.name))
}

fn demands(revision: &Revision, handler: &Handler) -> (bool, bool, bool, usize) {
    let is_empty_object = body(handler).is_none_or(|body| body == "{}");
    let has_demands = !is_empty_object || requires_fields(handler);
    let service = &revision.service;
    (service.kind.is_keyed(), handler.mode == HandlerMode::Shared, has_demands, service.handlers.len())
}

/// Whether the handler's schema does not take an empty object.
fn requires_fields(handler: &Handler) -> bool {
    let schema = schema(handler).unwrap_or(Value::Null);
    schema.get("required").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty())
}

fn schema(handler: &Handler) -> Option<Value> {
    handler.input.as_ref()?.schema.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// A body that the handler's schema may accept.
fn body(handler: &Handler) -> Option<&'static str> {
    handler.input.as_ref()?;
    let schema = schema(handler).unwrap_or(Value::Null);
    Some(match schema.get("type").and_then(Value::as_str) {
        Some("string") => r#""text""#,
        Some("integer" | "number") => "1",
        Some("boolean") => "true",
        Some("array") => "[]",
        Some("null") => "null",
        _ => "{}",
    })
}

fn authority(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip == Ipv4Addr::LOCALHOST || ip.is_unspecified() => {
            format!("localhost:{}", address.port())
        }
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use holiday_core::deployment::{Media, Service, ServiceKind};
    use holiday_core::id::{DeploymentId, Digest};
    use holiday_core::policy::Options;

    use super::*;

    fn revision(name: &str, kind: ServiceKind, handler: &str, schema: Option<&str>) -> Revision {
        let input = schema.map(|schema| Media {
            content_type: "application/json".to_owned(),
            schema: Some(schema.to_owned()),
        });
        let handler = Handler {
            name: handler.to_owned(),
            mode: HandlerMode::Exclusive,
            input,
            output: None,
            documentation: None,
            options: Options::default(),
        };
        let handlers = vec![handler];
        let service = Service {
            name: name.to_owned(),
            kind,
            handlers,
            documentation: None,
            options: Options::default(),
        };
        Revision { deployment: DeploymentId::of(&Digest::of(b"component")), number: 1, service }
    }

    fn check(revisions: &[Revision], expected: Expect) {
        let ingress = SocketAddr::from(([127, 0, 0, 1], 8080));
        expected.assert_eq(&command(revisions.iter(), ingress).unwrap_or_default());
    }

    #[test]
    fn a_plain_service_comes_before_an_object() {
        let object = revision("cars", ServiceKind::Object, "reserve", Some(r#"{"type":"object"}"#));
        let service = revision("trips", ServiceKind::Service, "reserve", Some(r#"{"type":"object"}"#));
        check(&[], expect![[""]]);
        check(
            std::slice::from_ref(&object),
            expect![[r#"curl localhost:8080/cars/my-key/reserve --json '{}'"#]],
        );
        check(&[object, service], expect![[r#"curl localhost:8080/trips/reserve --json '{}'"#]]);
    }

    #[test]
    fn a_service_with_one_handler_comes_before_one_with_many() {
        let mut many = revision("Bench", ServiceKind::Service, "touch", None);
        many.service.handlers.push(many.service.handlers[0].clone());
        let trips = revision("trips", ServiceKind::Service, "reserve", Some(r#"{"type":"object"}"#));
        check(&[many, trips], expect![[r#"curl localhost:8080/trips/reserve --json '{}'"#]]);
    }

    #[test]
    fn a_service_that_takes_an_empty_object_comes_before_one_that_requires_fields() {
        let needs = r#"{"type":"object","required":["amount"]}"#;
        let charge = revision("payment", ServiceKind::Service, "charge", Some(needs));
        let trips =
            revision("trips", ServiceKind::Service, "reserve", Some(r#"{"type":"object","required":[]}"#));
        check(&[charge, trips], expect![[r#"curl localhost:8080/trips/reserve --json '{}'"#]]);
    }

    #[test]
    fn the_body_follows_the_schema() {
        let text = revision("Bench", ServiceKind::Service, "greet", Some(r#"{"type":"string"}"#));
        let none = revision("Bench", ServiceKind::Service, "touch", None);
        check(&[text], expect![[r#"curl localhost:8080/Bench/greet --json '"text"'"#]]);
        check(&[none], expect![[r#"curl localhost:8080/Bench/touch -X POST"#]]);
    }
}
