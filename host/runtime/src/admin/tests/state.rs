//! The state of objects: reading and replacing it.

use expect_test::expect;

use super::{both_doors, check};
use crate::ingress::harness::Host;

#[test]
fn reading() {
    check(
        &[
            r#"POST /cart/ann/add ~ {"trip_id": "t1"}"#,
            "GET /admin/state/cart/ann",
            "GET /admin/state/cart/bob",
            "GET /admin/state/trips/ann",
            "GET /admin/state/carts/ann",
            "GET /admin/state/cart/%ff",
        ],
        expect![[r#"
            POST /cart/ann/add ~ {"trip_id": "t1"}
              200 content-type: application/json x-restate-id: inv_1
              "cart/ann/add got '{'trip_id': 't1'}'"
            GET /admin/state/cart/ann
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{"items":{"trip_id":"t1"}},"version":"b63ec6773702c6ff"}
            GET /admin/state/cart/bob
              200 content-type: application/json
              {"key":"bob","service":"cart","state":{},"version":"e3b0c44298fc1c14"}
            GET /admin/state/trips/ann
              400 content-type: application/json
              {"code":400,"error_code":"HH0071","message":"trips is a plain service and has no state; only objects and workflows do","request_id":"req_…"}
            GET /admin/state/carts/ann
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'carts'; did you mean 'cart'?","request_id":"req_…"}
            GET /admin/state/cart/%ff
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"Invalid URL: Invalid UTF-8 in `key`","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn replacing() {
    let host = Host::start(both_doors);
    host.check(
        &[
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": [1, 2.0], "note": "new"}}"#,
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": [1]}, "version": "0000000000000000"}"#,
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": [1]}, "version": "latest"}"#,
            r#"POST /admin/services/cart/state ~ {"object_key": "ann", "new_state": {"items": {"trip_id": "t1"}}}"#,
            r#"POST /admin/services/cart/state ~ {"object_key": "bob", "new_state": {}, "version": "0000000000000000"}"#,
            "GET /admin/state/cart/ann",
            "DELETE /admin/state/cart/ann?version=0000000000000000",
            "DELETE /admin/state/cart/ann",
            "GET /admin/state/cart/ann",
        ],
        expect![[r#"
            PUT /admin/state/cart/ann ~ {"state": {"items": [1, 2.0], "note": "new"}}
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{"items":[1,2.0],"note":"new"},"version":"31143392419a96ef"}
            PUT /admin/state/cart/ann ~ {"state": {"items": [1]}, "version": "0000000000000000"}
              409 content-type: application/json
              {"code":409,"error_code":"HH0069","message":"the state of cart/ann has version 31143392419a96ef, not 0000000000000000; read it again","request_id":"req_…"}
            PUT /admin/state/cart/ann ~ {"state": {"items": [1]}, "version": "latest"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0030","message":"'latest' is not the version of a state: it should be 16 hexadecimal digits, as the state itself shows it","request_id":"req_…"}
            POST /admin/services/cart/state ~ {"object_key": "ann", "new_state": {"items": {"trip_id": "t1"}}}
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{"items":{"trip_id":"t1"}},"version":"b63ec6773702c6ff"}
            POST /admin/services/cart/state ~ {"object_key": "bob", "new_state": {}, "version": "0000000000000000"}
              409 content-type: application/json
              {"code":409,"error_code":"HH0069","message":"the state of cart/bob has version e3b0c44298fc1c14, not 0000000000000000; read it again","request_id":"req_…"}
            GET /admin/state/cart/ann
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{"items":{"trip_id":"t1"}},"version":"b63ec6773702c6ff"}
            DELETE /admin/state/cart/ann?version=0000000000000000
              409 content-type: application/json
              {"code":409,"error_code":"HH0069","message":"the state of cart/ann has version b63ec6773702c6ff, not 0000000000000000; read it again","request_id":"req_…"}
            DELETE /admin/state/cart/ann
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{},"version":"e3b0c44298fc1c14"}
            GET /admin/state/cart/ann
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{},"version":"e3b0c44298fc1c14"}
        "#]],
    );
}

#[test]
fn a_version_leads_to_the_next() {
    let host = Host::start(both_doors);
    host.fetch(r#"PUT /admin/state/cart/ann ~ {"state": {"items": [1]}}"#);
    let shown = host.fetch("GET /admin/state/cart/ann");
    // What is shown can be put back.
    let again = host.fetch(&format!("PUT /admin/state/cart/ann ~ {shown}"));
    assert_eq!(again, shown);
    let next = r#"PUT /admin/state/cart/ann ~ {"state": {"items": [2]}, "version": "VERSION"}"#;
    let next = next.replace("VERSION", shown["version"].as_str().expect("a version"));
    assert_ne!(host.fetch(&next)["version"], shown["version"]);
    assert_eq!(host.fetch(&next)["error_code"], "HH0069", "it is another state now");
}

#[test]
fn bodies_that_are_wrong() {
    check(
        &[
            r#"PUT /admin/state/cart/ann ~ {"items": [1]}"#,
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": 1}, "key": "bob"}"#,
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": oops}}"#,
            "PUT /admin/state/cart/ann",
            r#"PUT /admin/state/cart/ann?version=0000000000000000 ~ {"state": {"items": 1}}"#,
            r#"PUT /admin/state/cart/ann ~ {"state": {"items": 1, "items": 2}}"#,
            r#"PUT /admin/state/trips/ann ~ {"state": {}}"#,
            r#"PUT /admin/state/carts/ann ~ {"state": {}}"#,
            r#"POST /admin/services/cart/state ~ {"objectKey": "ann", "new_state": {}}"#,
            "POST /admin/state/cart/ann",
        ],
        expect![[r#"
            PUT /admin/state/cart/ann ~ {"items": [1]}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"state\": {\"items\": []}}: unknown field `items`, expected one of `state`, `version`, `service`, `key` at line 1 column 8","request_id":"req_…"}
            PUT /admin/state/cart/ann ~ {"state": {"items": 1}, "key": "bob"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is the state of the key 'bob', and the path says 'ann'","request_id":"req_…"}
            PUT /admin/state/cart/ann ~ {"state": {"items": oops}}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"state\": {\"items\": []}}: expected value at line 1 column 21","request_id":"req_…"}
            PUT /admin/state/cart/ann
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"state\": {\"items\": []}}: EOF while parsing a value at line 1 column 0","request_id":"req_…"}
            PUT /admin/state/cart/ann?version=0000000000000000 ~ {"state": {"items": 1}}
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no parameter 'version'; here are: none","request_id":"req_…"}
            PUT /admin/state/cart/ann ~ {"state": {"items": 1, "items": 2}}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"state\": {\"items\": []}}: 'items' is there twice at line 1 column 34","request_id":"req_…"}
            PUT /admin/state/trips/ann ~ {"state": {}}
              400 content-type: application/json
              {"code":400,"error_code":"HH0071","message":"trips is a plain service and has no state; only objects and workflows do","request_id":"req_…"}
            PUT /admin/state/carts/ann ~ {"state": {}}
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'carts'; did you mean 'cart'?","request_id":"req_…"}
            POST /admin/services/cart/state ~ {"objectKey": "ann", "new_state": {}}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"object_key\": \"ann\", \"new_state\": {\"items\": []}}: unknown field `objectKey`, expected one of `object_key`, `new_state`, `version` at line 1 column 12","request_id":"req_…"}
            POST /admin/state/cart/ann
              405 content-type: application/json allow: GET,HEAD,PUT,DELETE
              {"code":405,"error_code":"HH0033","message":"/state/cart/ann does not take POST","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn a_key_that_is_held() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /cart/ann/wait/send"],
        expect![[r#"
        POST /cart/ann/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
    "#]],
    );
    // A handler that waits reads again when it goes on.
    host.until_status("inv_1", "suspended");
    let replaced = host.fetch(r#"PUT /admin/state/cart/ann ~ {"state": {"items": 1}}"#);
    assert_eq!(replaced["state"]["items"], 1);
}
