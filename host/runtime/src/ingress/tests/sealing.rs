//! Inputs of which something is to be sealed, and of which nobody can tell what.

use expect_test::expect;
use holiday_core::deployment::{Deployment, Media};
use holiday_core::id::{DeploymentId, Digest};

use super::host;
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
