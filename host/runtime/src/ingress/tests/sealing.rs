//! Inputs of which something is to be sealed, and of which nobody can tell what.

use expect_test::expect;
use holiday_core::deployment::{Deployment, Media};
use holiday_core::id::{DeploymentId, Digest};

use super::{check, host};
use crate::ingress::harness;

/// A deployment as only another version of the host would have accepted it: of each schema, a handler of `trips`.
fn deployment(media: [(&str, &str, &str); 3]) -> Deployment {
    let mut deployment = harness::deployment();
    deployment.digest = Digest::of(b"older");
    deployment.id = DeploymentId::of(&deployment.digest);
    let trips = deployment.services.iter_mut().find(|service| service.name == "trips").expect("it is there");
    for (name, content_type, schema) in media {
        let handler = trips.handlers.iter_mut().find(|handler| handler.name == name).expect("it is there");
        handler.input =
            Some(Media { content_type: content_type.to_owned(), schema: Some(schema.to_owned()) });
    }
    deployment
}

/// Whoever has got hold of a sealed text does not get it to a handler that would open it.
#[test]
fn what_looks_sealed_does_not_come_in() {
    check(
        &[
            r#"POST /trips/reserve ~ {"trip_id": "sealed:v1:AAAA"}"#,
            r#"POST /trips/reserve/send ~ {"trip_id": "\u0073ealed:v12:AAAA"}"#,
            r#"POST /cart/add ~ {"key": "ann", "request": {"trip_id": "sealed:v1:AAAA"}}"#,
            r#"POST /trips/reserve ~ {"trip_id": "a sealed:v1:AAAA"}"#,
            "POST /trips/copy ~ content-type: image/png ~ sealed:v1:AAAA",
            r#"POST /restate/awakeables/awk_1/resolve ~ "sealed:v1:AAAA""#,
            r#"POST /restate/awakeables/awk_1/resolve ~ content-type: application/octet-stream ~ {"a": "sealed:v1:AAAA"}"#,
            "POST /restate/awakeables/awk_1/reject ~ sealed:v1:AAAA",
            r#"POST /restate/awakeables/awk_1/reject ~ content-type: application/json ~ "sealed:v1:AAAA""#,
            r#"POST /restate/awakeables/awk_1/resolve ~ "a sealed:v1:AAAA""#,
        ],
        expect![[r#"
            POST /trips/reserve ~ {"trip_id": "sealed:v1:AAAA"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input of trips/reserve has a text at byte 12 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /trips/reserve/send ~ {"trip_id": "\u0073ealed:v12:AAAA"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input of trips/reserve has a text at byte 12 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /cart/add ~ {"key": "ann", "request": {"trip_id": "sealed:v1:AAAA"}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input of cart/add has a text at byte 12 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /trips/reserve ~ {"trip_id": "a sealed:v1:AAAA"}
              200 content-type: application/json x-restate-id: inv_1
              "trips/reserve got '{'trip_id': 'a sealed:v1:AAAA'}'"
            POST /trips/copy ~ content-type: image/png ~ sealed:v1:AAAA
              200 content-type: image/png x-restate-id: inv_2
              sealed:v1:AAAA
            POST /restate/awakeables/awk_1/resolve ~ "sealed:v1:AAAA"
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"what completes an awakeable has a text at byte 0 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /restate/awakeables/awk_1/resolve ~ content-type: application/octet-stream ~ {"a": "sealed:v1:AAAA"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"what completes an awakeable has a text at byte 6 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /restate/awakeables/awk_1/reject ~ sealed:v1:AAAA
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"what rejects an awakeable has a text at byte 0 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /restate/awakeables/awk_1/reject ~ content-type: application/json ~ "sealed:v1:AAAA"
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"what completes an awakeable has a text at byte 0 that begins with 'sealed:v…:', as only the host writes it; send plain text, in a field that is sealed if it is a secret","request_id":"req_…"}
            POST /restate/awakeables/awk_1/resolve ~ "a sealed:v1:AAAA"
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0039","message":"there is no awakeable awk_1 to complete: it never was, or is completed already","request_id":"req_…"}
        "#]],
    );
}

/// A handler may know it under a name that its schema does not know.
#[test]
fn a_field_that_the_schema_does_not_name_is_not_taken_beside_sealed_ones() {
    const SEALED: &str = r#"{"properties": {"pin": {"type": "string", "x-holiday-sealed": true}}}"#;
    let host = host();
    let marked = deployment([
        ("reserve", "application/json", SEALED),
        ("copy", "text/plain", "true"),
        ("any", "application/json", "true"),
    ]);
    host.run(host.handle.deploy(marked)).expect("a valid deployment");
    host.check(
        &[
            r#"POST /trips/reserve ~ {"PIN": "4111"}"#,
            r#"POST /trips/reserve ~ {"pin": "4111", "\u0000\"": "4111"}"#,
        ],
        expect![[r#"
            POST /trips/reserve ~ {"PIN": "4111"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of trips/reserve: an object in it has the field 'PIN', which the schema does not name beside fields that are sealed; write it as the schema does, or leave it out","request_id":"req_…"}
            POST /trips/reserve ~ {"pin": "4111", "\u0000\"": "4111"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of trips/reserve: an object in it has the field '\\0\\\"', which the schema does not name beside fields that are sealed; write it as the schema does, or leave it out","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn what_cannot_be_sealed_is_not_taken() {
    const SEALED: &str = r#"{"properties": {"card": {"type": "string", "x-holiday-sealed": true}}}"#;
    const UNCLEAR: &str = r#"{"not": {"type": "string", "x-holiday-sealed": true}}"#;
    let host = host();
    let older = deployment([
        ("reserve", "application/json", UNCLEAR),
        ("copy", "text/plain", SEALED),
        ("any", "application/json", r#"{"pattern": "("}"#),
    ]);
    host.run(host.handle.deploy(older)).expect("a valid deployment");
    host.check(
        &[
            r#"POST /trips/reserve ~ {"card": "4111"}"#,
            "POST /trips/reserve/send ~ content-type: application/json ~ 7",
            "POST /trips/copy ~ content-type: text/plain ~ 4111",
            r#"POST /trips/any ~ {"card": "4111"}"#,
        ],
        expect![[r#"
            POST /trips/reserve ~ {"card": "4111"}
              500 content-type: application/json x-restate-error-source: ingress
              {"code":500,"error_code":"HH0035","message":"trips/reserve has fields to be sealed, but its schema marks the whole input with 'x-holiday-sealed', but it depends on 'not' whether it counts; put it under 'properties', 'items' or 'additionalProperties' alone; register the component again","request_id":"req_…"}
            POST /trips/reserve/send ~ content-type: application/json ~ 7
              500 content-type: application/json x-restate-error-source: ingress
              {"code":500,"error_code":"HH0035","message":"trips/reserve has fields to be sealed, but its schema marks the whole input with 'x-holiday-sealed', but it depends on 'not' whether it counts; put it under 'properties', 'items' or 'additionalProperties' alone; register the component again","request_id":"req_…"}
            POST /trips/copy ~ content-type: text/plain ~ 4111
              500 content-type: application/json x-restate-error-source: ingress
              {"code":500,"error_code":"HH0035","message":"trips/copy has fields to be sealed, but its schema is for text/plain, not for JSON; register the component again","request_id":"req_…"}
            POST /trips/any ~ {"card": "4111"}
              200 content-type: application/json x-restate-id: inv_1
              "trips/any got '{'card': '4111'}'"
        "#]],
    );
}
