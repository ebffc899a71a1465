//! The documents are what OpenAPI 3.1 says they are, and say what the services are.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use holiday_core::deployment::Deployment;
use jsonschema::Validator;

use super::schemas::SHARED_DEFINITIONS_MAX;
use super::*;
use crate::ingress::harness;

const SERVER: &str = "http://127.0.0.1:8080";

/// Fails with all that is wrong with a document.
pub(crate) fn assert_valid(document: &Value) {
    let meta_schema = include_str!("../../../../tests/openapi/openapi-3.1.json");
    let meta_schema = serde_json::from_str(meta_schema).expect("JSON");
    let validator: Validator = jsonschema::options().offline().build(&meta_schema).expect("a schema");
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{}\n{document:#}", wrong.join("\n"));
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        assert!(jsonschema::meta::is_valid(schema), "{name}: {schema}");
    }
    assert_references_lead_somewhere(document, document);
    assert_ids_are_unique(document);
}

fn assert_ids_are_unique(document: &Value) {
    let items = document["paths"].as_object().into_iter().flatten().map(|(_, item)| item);
    let operations = items.flat_map(|item| item.as_object().into_iter().flatten());
    let ids: Vec<&str> = operations.filter_map(|(_, it)| it.get("operationId")?.as_str()).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert!(!ids.is_empty() && unique.len() == ids.len(), "{ids:#?}");
}

fn assert_references_lead_somewhere(document: &Value, part: &Value) {
    if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let parts: Vec<&Value> = match part {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(parts) => parts.values().collect(),
        _ => Vec::new(),
    };
    parts.into_iter().for_each(|it| assert_references_lead_somewhere(document, it));
}

/// The services of a deployment, with the policies of their author in force.
fn callable(deployment: &Deployment) -> Vec<Callable> {
    let host = harness::Host::start(|_| axum::Router::new());
    host.run(host.handle.deploy(deployment.clone())).expect("a valid deployment");
    let catalog = host.handle.catalog();
    let all = deployment.services.iter().map(|service| Callable {
        revision: catalog.revisions[&service.name].clone(),
        route: catalog.routes.get(&service.name).cloned(),
    });
    all.collect()
}

#[test]
fn the_documents_are_valid() {
    let services = callable(&harness::deployment());
    for service in &services {
        assert_valid(&of_service(service, SERVER));
    }
    assert_valid(&of_all(&services, SERVER, "0.1.0"));
    assert_valid(&of_all(&[], SERVER, "0.1.0"));
}

/// Lists the operations of a document, each with its parameters and the statuses of its answers.
fn check_operations(document: &Value, expected: Expect) {
    let mut shown = String::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "post"] {
            let Some(operation) = item.get(method) else { continue };
            let names = |parameters: &Value| -> Vec<String> {
                let all = parameters.as_array().into_iter().flatten();
                all.map(|it| it["$ref"].as_str().or(it["name"].as_str()).expect("a name"))
                    .map(|it| it.rsplit('/').next().unwrap_or_default().to_owned())
                    .collect()
            };
            let parameters =
                [names(&item["parameters"]), names(&operation["parameters"])].concat().join(", ");
            let answers: Vec<&str> =
                operation["responses"].as_object().expect("answers").keys().map(String::as_str).collect();
            shown += &format!("{} {path} ({parameters}) {}\n", method.to_uppercase(), answers.join(" "));
        }
    }
    expected.assert_eq(&shown);
}

#[test]
fn operations() {
    let services = callable(&harness::deployment());
    let named =
        |name: &str| services.iter().find(|it| it.revision.service.name == name).expect("it is there");
    check_operations(
        &of_service(named("shop"), SERVER),
        expect![[r#"
        POST /shop/order (IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 415 431 500 503 default
        POST /shop/order/send (IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 415 431 500 503
        GET /shop/whoami (IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
        POST /shop/whoami (IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
        POST /shop/whoami/send (IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 431 500 503
    "#]],
    );
    check_operations(
        &of_service(named("cart"), SERVER),
        expect![[r#"
        POST /cart/{key}/add (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 415 429 431 500 503 default
        POST /cart/{key}/add/send (Key, IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 415 429 431 500 503
        GET /cart/{key}/get (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
        POST /cart/{key}/get (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
        POST /cart/{key}/get/send (Key, IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 431 500 503
        GET /cart/{key}/wait (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 429 431 500 503 default
        POST /cart/{key}/wait (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 429 431 500 503 default
        POST /cart/{key}/wait/send (Key, IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 429 431 500 503
    "#]],
    );
    check_operations(
        &of_service(named("Booking"), SERVER),
        expect![[r#"
            POST /Booking/{key}/Run (Key, Traceparent) 200 400 404 405 408 409 413 415 431 500 503 default
            POST /Booking/{key}/Run/send (Key, Traceparent, Delay) 202 400 404 405 408 413 415 431 500 503
            GET /Booking/{key}/attach (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
            POST /Booking/{key}/attach (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
            POST /Booking/{key}/attach/send (Key, IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 431 500 503
            GET /Booking/{key}/status (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
            POST /Booking/{key}/status (Key, IdempotencyKey, Traceparent) 200 400 404 405 408 409 413 431 500 503 default
            POST /Booking/{key}/status/send (Key, IdempotencyKey, Traceparent, Delay) 202 400 404 405 408 413 431 500 503
            GET /restate/workflow/Booking/{key}/attach (Key) 200 400 404 405 409 500 503 default
            GET /restate/workflow/Booking/{key}/output (Key) 200 400 404 405 409 470 500 503 default
        "#]],
    );
    check_operations(
        &of_all(&[], SERVER, "0.1.0"),
        expect![[r#"
            POST /restate/awakeables/{id}/reject (id) 202 400 404 405 408 409 413 415 500 503
            POST /restate/awakeables/{id}/resolve (id) 202 400 404 405 408 409 413 415 500 503
            GET /restate/health () 200 405 503
            GET /restate/invocation/{invocationId}/attach (InvocationId) 200 400 404 405 409 500 503 default
            GET /restate/invocation/{invocationId}/output (InvocationId) 200 400 404 405 409 470 500 503 default
            POST /restate/invocation/{invocationId}/signals/{name}/reject (InvocationId, name) 202 400 404 405 408 409 413 415 500 503
            POST /restate/invocation/{invocationId}/signals/{name}/resolve (InvocationId, name) 202 400 404 405 408 409 413 415 500 503
            GET /restate/invocation/{service}/{handler}/{idempotencyKey}/attach (service, handler, idempotencyKey) 200 400 404 405 409 500 503 default
            GET /restate/invocation/{service}/{handler}/{idempotencyKey}/output (service, handler, idempotencyKey) 200 400 404 405 409 470 500 503 default
            GET /restate/invocation/{service}/{key}/{handler}/{idempotencyKey}/attach (service, Key, handler, idempotencyKey) 200 400 404 405 409 500 503 default
            GET /restate/invocation/{service}/{key}/{handler}/{idempotencyKey}/output (service, Key, handler, idempotencyKey) 200 400 404 405 409 470 500 503 default
            POST /restate/lookup () 200 400 404 405 408 413 500 503
        "#]],
    );
}

#[test]
fn a_handler_in_full() {
    let services = callable(&harness::deployment());
    let shop = services.iter().find(|it| it.revision.service.name == "shop").expect("it is there");
    let document = of_service(shop, SERVER);
    expect![[r##"
        {
          "post": {
            "operationId": "shop/order",
            "parameters": [
              {
                "$ref": "#/components/parameters/IdempotencyKey"
              },
              {
                "$ref": "#/components/parameters/Traceparent"
              }
            ],
            "requestBody": {
              "content": {
                "application/json": {
                  "schema": {
                    "$ref": "#/components/schemas/shop.order.input"
                  }
                }
              },
              "required": true
            },
            "responses": {
              "200": {
                "content": {
                  "application/json": {
                    "schema": {}
                  }
                },
                "description": "The handler's answer.",
                "headers": {
                  "idempotency-expires": {
                    "$ref": "#/components/headers/IdempotencyExpires"
                  },
                  "x-restate-id": {
                    "$ref": "#/components/headers/InvocationId"
                  }
                }
              },
              "400": {
                "$ref": "#/components/responses/BadRequest"
              },
              "404": {
                "$ref": "#/components/responses/NotFound"
              },
              "405": {
                "$ref": "#/components/responses/MethodNotAllowed"
              },
              "408": {
                "$ref": "#/components/responses/RequestTimeout"
              },
              "409": {
                "$ref": "#/components/responses/Conflict"
              },
              "413": {
                "$ref": "#/components/responses/PayloadTooLarge"
              },
              "415": {
                "$ref": "#/components/responses/UnsupportedMediaType"
              },
              "431": {
                "$ref": "#/components/responses/HeadersTooLarge"
              },
              "500": {
                "$ref": "#/components/responses/InternalError"
              },
              "503": {
                "$ref": "#/components/responses/Unavailable"
              },
              "default": {
                "$ref": "#/components/responses/Failure"
              }
            },
            "tags": [
              "shop"
            ]
          }
        }
    "##]]
    .assert_eq(&format!("{:#}\n", document["paths"]["/shop/order"]));
    expect![[r##"
        {
          "Error": {
            "description": "What went wrong, and what to do.",
            "properties": {
              "code": {
                "description": "The HTTP status.",
                "type": "integer"
              },
              "error_code": {
                "description": "A code that `holiday-host explain` explains.",
                "pattern": "^HH[0-9]{4}$",
                "type": "string"
              },
              "message": {
                "description": "What was wrong, which value, and what to do.",
                "type": "string"
              },
              "request_id": {
                "description": "Names this answer; if the host failed or refused for lack of room, its log has it, too.",
                "type": "string"
              }
            },
            "required": [
              "code",
              "message",
              "error_code",
              "request_id"
            ],
            "type": "object"
          },
          "Item": {
            "properties": {
              "quantity": {
                "type": "integer"
              }
            },
            "type": "object"
          },
          "Sent": {
            "description": "The invocation that was accepted, or the one that was there before.",
            "properties": {
              "executionTime": {
                "description": "When a delayed invocation starts.",
                "format": "date-time",
                "type": "string"
              },
              "invocationId": {
                "type": "string"
              },
              "status": {
                "enum": [
                  "Accepted",
                  "PreviouslyAccepted"
                ]
              }
            },
            "required": [
              "invocationId",
              "status"
            ],
            "type": "object"
          },
          "shop.order.input": {
            "properties": {
              "items": {
                "items": {
                  "$ref": "#/components/schemas/Item"
                },
                "type": "array"
              }
            },
            "required": [
              "items"
            ],
            "type": "object"
          }
        }
    "##]]
    .assert_eq(&format!("{:#}\n", document["components"]["schemas"]));
}

/// Shows where schemas go, and what they become.
fn check_schemas(schemas: &[Value], expected: Expect) {
    let mut all = Schemas::default();
    let mut shown = String::new();
    for (number, schema) in schemas.iter().enumerate() {
        let stands_for_it = all.add(&format!("s.h{number}.input"), Some(&schema.to_string()));
        shown += &format!("{number}: {stands_for_it}\n");
    }
    for (name, schema) in all.into_map() {
        shown += &format!("{name}: {schema}\n");
    }
    expected.assert_eq(&shown);
}

#[test]
fn definitions_are_shared_by_what_they_mean() {
    let leg = json!({"type": "object", "properties": {"seat": {"$ref": "#/$defs/Seat"}}});
    let trip = json!({"type": "object", "properties": {"leg": {"$ref": "#/$defs/Leg"}}});
    let with = |root: &Value, title: &str, seat: Value| {
        let mut schema = root.clone();
        schema["title"] = title.into();
        schema["$schema"] = schemas::DIALECT.into();
        schema["$defs"] = json!({"Leg": leg, "Seat": seat});
        schema
    };
    check_schemas(
        &[
            json!({"type": "string", "title": "string"}),
            with(&trip, "Trip", json!({"type": "integer"})),
            with(&trip, "Trip", json!({"type": "integer"})),
            with(&trip, "Trip", json!({"type": "string"})),
            with(&leg, "Leg", json!({"type": "integer"})),
            json!({"title": "a tree", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#/properties/left"}}}),
            json!({"items": {"$ref": "#/$defs/a~1b%20c/items"}, "$defs": {"a/b c": {"items": {"type": "null"}}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"$ref": "#/definitions/a"}],
                "definitions": {"a": {"$id": "#a", "type": "null"}}}),
            json!(true),
        ],
        expect![[r##"
            0: {"title":"string","type":"string"}
            1: {"$ref":"#/components/schemas/Trip"}
            2: {"$ref":"#/components/schemas/Trip"}
            3: {"$ref":"#/components/schemas/Trip2"}
            4: {"$ref":"#/components/schemas/Leg"}
            5: {"$ref":"#/components/schemas/a_tree"}
            6: {"$ref":"#/components/schemas/s.h6.input"}
            7: {"$ref":"#/components/schemas/s.h7.input"}
            8: true
            Leg: {"properties":{"seat":{"$ref":"#/components/schemas/Seat"}},"type":"object"}
            Leg2: {"properties":{"seat":{"$ref":"#/components/schemas/Seat2"}},"type":"object"}
            Seat: {"type":"integer"}
            Seat2: {"type":"string"}
            Trip: {"properties":{"leg":{"$ref":"#/components/schemas/Leg"}},"type":"object"}
            Trip2: {"properties":{"leg":{"$ref":"#/components/schemas/Leg2"}},"type":"object"}
            a_b_c: {"items":{"type":"null"}}
            a_tree: {"properties":{"left":{"$ref":"#/components/schemas/a_tree"},"right":{"$ref":"#/components/schemas/a_tree/properties/left"}}}
            s.h6.input: {"items":{"$ref":"#/components/schemas/a_b_c/items"}}
            s.h7.input: {"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"type":"null"}},"items":[{"$ref":"#/components/schemas/s.h7.input/definitions/a"}]}
        "##]],
    );
}

#[test]
fn names_that_are_taken_get_the_next_number() {
    let mut schemas = Schemas::default();
    schemas.put_own("Error", json!({}));
    let titles = ["Error", "A", "A2", "A", "A", "A2", "Error"];
    let named: Vec<Value> = titles
        .iter()
        .enumerate()
        .map(|(number, title)| {
            let schema = json!({ "title": title, "items": { "minimum": number } });
            schemas.add("s.h.input", Some(&schema.to_string()))
        })
        .collect();
    let names: Vec<&str> = named.iter().filter_map(|it| it["$ref"].as_str()?.rsplit('/').next()).collect();
    assert_eq!(names, ["Error2", "A", "A2", "A3", "A4", "A22", "Error3"]);
    assert_eq!(schemas.into_map().len(), 1 + titles.len());
}

#[test]
fn a_schema_of_very_many_definitions_is_taken_in() {
    let defs: Map<String, Value> = (0..3_000)
        .map(|at| (format!("d{at}"), json!({"properties": {"x": {"$ref": format!("#/$defs/d{}", at + 1)}}})))
        .chain([("d3000".to_owned(), json!({"type": "null"}))])
        .collect();
    let schema = json!({"$ref": "#/$defs/d0", "$defs": defs}).to_string();
    crate::schema::Schema::compile(&schema).expect("it can be used");
    let mut schemas = Schemas::default();
    schemas.add("s.h.input", Some(&schema));
    assert_eq!(schemas.into_map().len(), 3_002);
}

#[test]
fn the_definitions_of_a_very_large_schema_are_its_own() {
    let count_of_two_with = |definitions: usize| {
        let definition =
            |number: usize| (format!("D{number}"), json!({ "type": "integer", "minimum": number }));
        let definitions: Map<String, Value> = (0..definitions).map(definition).collect();
        let mut schemas = Schemas::default();
        for title in ["A", "B"] {
            let properties = json!({ title: { "$ref": "#/$defs/D0" } });
            let schema = json!({ "title": title, "properties": properties, "$defs": definitions });
            schemas.add(title, Some(&schema.to_string()));
        }
        schemas.into_map().len()
    };
    assert_eq!(count_of_two_with(SHARED_DEFINITIONS_MAX), 2 + SHARED_DEFINITIONS_MAX);
    assert_eq!(count_of_two_with(SHARED_DEFINITIONS_MAX + 1), 2 + 2 * (SHARED_DEFINITIONS_MAX + 1));
}
