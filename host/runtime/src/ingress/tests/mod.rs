//! What callers see, route by route, and every error they can meet.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use expect_test::{Expect, expect};
use http::Request;

use super::harness::Host;
use super::{CHECKED_AT_ONCE_BYTES_MAX, IngressConfig, router};
use crate::metrics::Metrics;
use crate::seal::Sealer;
use crate::telemetry::Tracer;

mod bounds;
mod outcomes;
mod sealing;
mod signals;

fn host() -> Host {
    host_with(IngressConfig::default())
}

fn host_with(config: IngressConfig) -> Host {
    Host::start(|handle| router(handle, config, Sealer::in_memory(), Metrics::default(), Tracer::default()))
}

fn check(requests: &[&str], expected: Expect) {
    host().check(requests, expected);
}

/// A body that arrives in pieces and does not say how long it is.
fn in_pieces<const N: usize>(pieces: [&'static str; N]) -> Body {
    let pieces = pieces.map(|it| Ok::<_, std::io::Error>(Bytes::from_static(it.as_bytes())));
    Body::from_stream(futures::stream::iter(pieces))
}

fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(path).body(body).expect("a valid request")
}

#[test]
fn calls() {
    check(
        &[
            r#"POST /trips/reserve ~ {"trip_id": "t1"}"#,
            "GET /trips/ping",
            "POST /trips/ping",
            r#"POST /cart/ann/add ~ {"trip_id": "t1"}"#,
            "GET /cart/a%2Fb%20c/get",
            r#"POST /restate/call/cart/ann/add ~ {}"#,
            "POST /trips/reserve ~ traceparent: 00-0af7-b7ad-01 ~ authorization: Bearer secret ~ {}",
        ],
        expect![[r#"
            POST /trips/reserve ~ {"trip_id": "t1"}
              200 content-type: application/json x-restate-id: inv_1
              "trips/reserve got '{'trip_id': 't1'}'"
            GET /trips/ping
              200 x-restate-id: inv_2
            POST /trips/ping
              200 x-restate-id: inv_3
            POST /cart/ann/add ~ {"trip_id": "t1"}
              200 content-type: application/json x-restate-id: inv_4
              "cart/ann/add got '{'trip_id': 't1'}'"
            GET /cart/a%2Fb%20c/get
              200 content-type: application/json x-restate-id: inv_5
              "cart/a/b c/get got ''"
            POST /restate/call/cart/ann/add ~ {}
              200 content-type: application/json x-restate-id: inv_6
              "cart/ann/add got '{}'"
            POST /trips/reserve ~ traceparent: 00-0af7-b7ad-01 ~ authorization: Bearer secret ~ {}
              200 content-type: application/json x-restate-id: inv_7
              "trips/reserve got '{}', traceparent: 00-0af7-b7ad-01"
        "#]],
    );
}

#[test]
fn other_media_pass_as_they_are() {
    check(
        &["POST /trips/copy ~ content-type: image/png ~ PNG"],
        expect![[r#"
        POST /trips/copy ~ content-type: image/png ~ PNG
          200 content-type: image/png x-restate-id: inv_1
          PNG
    "#]],
    );
}

#[test]
fn failures_of_handlers() {
    check(
        &["GET /trips/fail"],
        expect![[r#"
        GET /trips/fail
          404 content-type: application/json x-restate-id: inv_1 x-restate-error-source: invocation
          {"code":404,"error_code":"HH0015","message":"no such trip","request_id":"req_…"}
    "#]],
    );
}

#[test]
fn sends() {
    check(
        &[
            r#"POST /trips/reserve/send ~ {"trip_id": "t1"}"#,
            "POST /trips/ping/send?delay=2h",
            "POST /cart/ann/add/send?delay=PT3H ~ {}",
            "POST /restate/send/cart/ann/add ~ {}",
            "GET /restate/send/trips/ping",
            "GET /restate/attach/inv_1",
        ],
        expect![[r#"
            POST /trips/reserve/send ~ {"trip_id": "t1"}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /trips/ping/send?delay=2h
              202 content-type: application/json x-restate-id: inv_2
              {"executionTime":"in 2 h","invocationId":"inv_2","status":"Accepted"}
            POST /cart/ann/add/send?delay=PT3H ~ {}
              202 content-type: application/json x-restate-id: inv_3
              {"executionTime":"in 3 h","invocationId":"inv_3","status":"Accepted"}
            POST /restate/send/cart/ann/add ~ {}
              202 content-type: application/json x-restate-id: inv_4
              {"invocationId":"inv_4","status":"Accepted"}
            GET /restate/send/trips/ping
              202 content-type: application/json x-restate-id: inv_5
              {"invocationId":"inv_5","status":"Accepted"}
            GET /restate/attach/inv_1
              200 content-type: application/json x-restate-id: inv_1
              "trips/reserve got '{'trip_id': 't1'}'"
        "#]],
    );
}

#[test]
fn names_in_another_case_are_served() {
    check(
        &["GET /Cart/ann/Get", "GET /TRIPS/ping"],
        expect![[r#"
        GET /Cart/ann/Get
          200 content-type: application/json x-restate-id: inv_1
          "cart/ann/get got ''"
        GET /TRIPS/ping
          200 x-restate-id: inv_2
    "#]],
    );
}

#[test]
fn names_that_are_not_there() {
    check(
        &[
            "GET /trip/ping",
            "GET /xyz/ping",
            "GET /trips/pnig",
            "GET /cart/ann/send",
            "GET /cart/ann/add/now",
            "GET /",
            "GET /trips",
            "GET /restate/promises/p1",
        ],
        expect![[r#"
            GET /trip/ping
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0001","message":"there is no service 'trip'; did you mean 'trips'?","request_id":"req_…"}
            GET /xyz/ping
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0001","message":"there is no service 'xyz'","request_id":"req_…"}
            GET /trips/pnig
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0002","message":"service 'trips' has no handler 'pnig'; did you mean 'ping'?","request_id":"req_…"}
            GET /cart/ann/send
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0002","message":"service 'cart' has no handler 'send'","request_id":"req_…"}
            GET /cart/ann/add/now
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0048","message":"there is nothing at this path; call cart/<key>/<handler> or, one-way, cart/<key>/<handler>/send","request_id":"req_…"}
            GET /
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0048","message":"there is nothing at '/'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>","request_id":"req_…"}
            GET /trips
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0048","message":"there is nothing at '/trips'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>","request_id":"req_…"}
            GET /restate/promises/p1
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0048","message":"there is nothing at '/restate/promises/p1'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn paths_that_are_wrong() {
    check(
        &[
            "GET /trips/t1/ping",
            "GET /cart/get",
            "GET /cart//get",
            "GET /cart/%zz/get",
            "GET /cart/%ff/get",
            "GET /restate/call/cart/get",
        ],
        expect![[r#"
            GET /trips/t1/ping
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'trips' is a plain service and takes no key, but got 't1'; call trips/ping","request_id":"req_…"}
            GET /cart/get
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is keyed; name the key: cart/<key>/get","request_id":"req_…"}
            GET /cart//get
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"the path has an empty segment; names and keys are not empty","request_id":"req_…"}
            GET /cart/%zz/get
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'%zz' in the path has a '%' without two hexadecimal digits","request_id":"req_…"}
            GET /cart/%ff/get
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'%ff' in the path does not decode to UTF-8","request_id":"req_…"}
            GET /restate/call/cart/get
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is keyed; name the key: cart/<key>/get","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn methods() {
    check(
        &[
            "GET /trips/reserve",
            "PUT /trips/ping",
            "DELETE /trips/reserve ~ {}",
            "GET /trips/ping/send",
            "GET /restate/lookup",
            "POST /restate/health",
        ],
        expect![[r#"
            GET /trips/reserve
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"trips/reserve takes POST, not GET","request_id":"req_…"}
            PUT /trips/ping
              405 content-type: application/json allow: GET, POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"trips/ping takes GET, POST, not PUT","request_id":"req_…"}
            DELETE /trips/reserve ~ {}
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"trips/reserve takes POST, not DELETE","request_id":"req_…"}
            GET /trips/ping/send
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"trips/ping takes POST, not GET","request_id":"req_…"}
            GET /restate/lookup
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"/restate/lookup takes POST, not GET","request_id":"req_…"}
            POST /restate/health
              405 content-type: application/json allow: GET x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"/restate/health takes GET, not POST","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn envelopes() {
    check(
        &[
            r#"POST /trips/reserve ~ {"request": {"run_type": "failPayment"}}"#,
            r#"POST /trips/reserve ~ {"key": "t1", "request": {}}"#,
            r#"POST /trips/reserve ~ {"request": {}, "headers": {}}"#,
            r#"POST /trips/any ~ {"request": {}, "headers": {}}"#,
            r#"POST /trips/wrapped ~ {"request": 1, "key": 2}"#,
            r#"POST /trips/ping ~ {"request": {}}"#,
            r#"POST /cart/add ~ {"key": "ann", "request": {"trip_id": "t1"}}"#,
            r#"POST /cart/add/send ~ {"key": "ann", "request": {}}"#,
            r#"POST /cart/get ~ {"key": "ann"}"#,
            r#"POST /cart/add ~ {"request": {}}"#,
            r#"POST /cart/add ~ {"key": "", "request": {}}"#,
            r#"POST /cart/add ~ {"trip_id": "t1"}"#,
            r#"POST /cart/ann/add ~ {"request": {}}"#,
        ],
        expect![[r#"
            POST /trips/reserve ~ {"request": {"run_type": "failPayment"}}
              200 content-type: application/json x-restate-id: inv_1
              "trips/reserve got '{'run_type': 'failPayment'}'"
            POST /trips/reserve ~ {"key": "t1", "request": {}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0032","message":"nothing reads the field 'key' beside 'request' in the body; send the handler's input alone, or as {\"request\": …} with nothing beside it","request_id":"req_…"}
            POST /trips/reserve ~ {"request": {}, "headers": {}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0032","message":"nothing reads the field 'headers' beside 'request' in the body; send the handler's input alone, or as {\"request\": …} with nothing beside it","request_id":"req_…"}
            POST /trips/any ~ {"request": {}, "headers": {}}
              200 content-type: application/json x-restate-id: inv_2
              "trips/any got '{'request': {}, 'headers': {}}'"
            POST /trips/wrapped ~ {"request": 1, "key": 2}
              200 content-type: application/json x-restate-id: inv_3
              "trips/wrapped got '{'request': 1, 'key': 2}'"
            POST /trips/ping ~ {"request": {}}
              200 x-restate-id: inv_4
            POST /cart/add ~ {"key": "ann", "request": {"trip_id": "t1"}}
              200 content-type: application/json x-restate-id: inv_5
              "cart/ann/add got '{'trip_id': 't1'}'"
            POST /cart/add/send ~ {"key": "ann", "request": {}}
              202 content-type: application/json x-restate-id: inv_6
              {"invocationId":"inv_6","status":"Accepted"}
            POST /cart/get ~ {"key": "ann"}
              200 content-type: application/json x-restate-id: inv_7
              "cart/ann/get got ''"
            POST /cart/add ~ {"request": {}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is keyed; name the key: cart/<key>/add","request_id":"req_…"}
            POST /cart/add ~ {"key": "", "request": {}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"the key is empty; a key has at least one character","request_id":"req_…"}
            POST /cart/add ~ {"trip_id": "t1"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is keyed; name the key: cart/<key>/add","request_id":"req_…"}
            POST /cart/ann/add ~ {"request": {}}
              200 content-type: application/json x-restate-id: inv_8
              "cart/ann/add got '{'request': {}}'"
        "#]],
    );
}

#[test]
fn answers_in_an_envelope() {
    check(
        &[
            "POST /trips/reserve ~ x-envelope: response ~ {}",
            "GET /trips/ping ~ x-envelope: response",
            "GET /trips/fail ~ x-envelope: response",
            "POST /trips/copy ~ x-envelope: response ~ content-type: image/png ~ PNG",
        ],
        expect![[r#"
            POST /trips/reserve ~ x-envelope: response ~ {}
              200 content-type: application/json x-restate-id: inv_1
              {"response":"trips/reserve got '{}'"}
            GET /trips/ping ~ x-envelope: response
              200 content-type: application/json x-restate-id: inv_2
              {"response":null}
            GET /trips/fail ~ x-envelope: response
              404 content-type: application/json x-restate-id: inv_3 x-restate-error-source: invocation
              {"code":404,"error_code":"HH0015","message":"no such trip","request_id":"req_…"}
            POST /trips/copy ~ x-envelope: response ~ content-type: image/png ~ PNG
              200 content-type: image/png x-restate-id: inv_4
              PNG
        "#]],
    );
}

#[test]
fn bodies() {
    check(
        &[
            "POST /trips/reserve ~ {\n \"trip_id\": }",
            "POST /cart/ann/add ~ {} {}",
            "POST /trips/reserve",
            "POST /trips/find",
            "POST /trips/any",
            "POST /trips/ping ~ null",
            "POST /trips/ping ~ {}",
            "POST /trips/ping ~ [1]",
            "POST /trips/reserve ~ content-type: text/plain ~ {}",
            "POST /trips/reserve ~ content-type: application/x-www-form-urlencoded ~ {}",
            "POST /trips/reserve ~ content-type: application/vnd.trip+json; charset=utf-8 ~ {}",
            "POST /trips/copy ~ content-type: text/plain ~ PNG",
        ],
        expect![[r#"
            POST /trips/reserve ~ {
             "trip_id": }
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is not JSON: expected value at line 2 column 13","request_id":"req_…"}
            POST /cart/ann/add ~ {} {}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is not JSON: trailing characters at line 1 column 4","request_id":"req_…"}
            POST /trips/reserve
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is empty, but trips/reserve takes an input as JSON; send at least {}","request_id":"req_…"}
            POST /trips/find
              200 content-type: application/json x-restate-id: inv_1
              "trips/find got 'null'"
            POST /trips/any
              200 content-type: application/json x-restate-id: inv_2
              "trips/any got 'null'"
            POST /trips/ping ~ null
              200 x-restate-id: inv_3
            POST /trips/ping ~ {}
              200 x-restate-id: inv_4
            POST /trips/ping ~ [1]
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"trips/ping takes no input, but got a body of 3 bytes","request_id":"req_…"}
            POST /trips/reserve ~ content-type: text/plain ~ {}
              415 content-type: application/json x-restate-error-source: ingress
              {"code":415,"error_code":"HH0034","message":"trips/reserve takes application/json, not 'text/plain'","request_id":"req_…"}
            POST /trips/reserve ~ content-type: application/x-www-form-urlencoded ~ {}
              415 content-type: application/json x-restate-error-source: ingress
              {"code":415,"error_code":"HH0034","message":"trips/reserve takes application/json, not 'application/x-www-form-urlencoded'; many clients say so unasked: set the header to 'application/json'","request_id":"req_…"}
            POST /trips/reserve ~ content-type: application/vnd.trip+json; charset=utf-8 ~ {}
              200 content-type: application/json x-restate-id: inv_5
              "trips/reserve got '{}'"
            POST /trips/copy ~ content-type: text/plain ~ PNG
              415 content-type: application/json x-restate-error-source: ingress
              {"code":415,"error_code":"HH0034","message":"trips/copy takes image/*, not 'text/plain'","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn inputs_that_do_not_fit() {
    check(
        &[
            r#"POST /shop/order ~ {"items": [{"quantity": 7}]}"#,
            r#"POST /shop/order ~ {"items": [{"quantity": 7}, {"quantity": "7"}]}"#,
            r#"POST /shop/order/send ~ {"request": {"items": 7}}"#,
            r#"POST /restate/send/shop/order ~ {}"#,
            "POST /shop/order ~ [1",
            "POST /trips/any ~ [[[]]]",
        ],
        expect![[r#"
            POST /shop/order ~ {"items": [{"quantity": 7}]}
              200 content-type: application/json x-restate-id: inv_1
              "shop/order got '{'items': [{'quantity': 7}]}'"
            POST /shop/order ~ {"items": [{"quantity": 7}, {"quantity": "7"}]}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of shop/order: .items[1].quantity is \"7\", not an integer","request_id":"req_…"}
            POST /shop/order/send ~ {"request": {"items": 7}}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of shop/order: .items is 7, not an array","request_id":"req_…"}
            POST /restate/send/shop/order ~ {}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of shop/order: it lacks the field \"items\"","request_id":"req_…"}
            POST /shop/order ~ [1
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is not JSON: EOF while parsing a list at line 1 column 2","request_id":"req_…"}
            POST /trips/any ~ [[[]]]
              200 content-type: application/json x-restate-id: inv_2
              "trips/any got '[[[]]]'"
        "#]],
    );
}

#[test]
fn large_inputs_are_checked_elsewhere() {
    let host = host();
    let item = r#"{"quantity": 7},"#;
    let fits = format!(r#"{{"items": [{}{{}}]}}"#, item.repeat(CHECKED_AT_ONCE_BYTES_MAX / item.len()));
    let does_not_fit = format!(r#"{{"items": [{}7]}}"#, item.repeat(CHECKED_AT_ONCE_BYTES_MAX / item.len()));
    host.check_request(
        "one that fits",
        post("/shop/order/send", fits.into()),
        expect![[r#"
        one that fits
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
    "#]],
    );
    host.check_request("one that does not", post("/shop/order/send", does_not_fit.into()), expect![[r#"
        one that does not
          400 content-type: application/json x-restate-error-source: ingress
          {"code":400,"error_code":"HH0004","message":"the input does not fit the schema of shop/order: .items[4096] is 7, not an object","request_id":"req_…"}
    "#]]);
    let deep = format!(r#"{{"items": {}{}}}"#, "[".repeat(200), "]".repeat(200));
    host.check_request("one that is too deep", post("/shop/order/send", deep.into()), expect![[r#"
        one that is too deep
          400 content-type: application/json x-restate-error-source: ingress
          {"code":400,"error_code":"HH0004","message":"the body is not JSON: recursion limit exceeded at line 1 column 137","request_id":"req_…"}
    "#]]);
}

#[test]
fn private_handlers() {
    check(
        &["GET /shop/refund", "POST /shop/refund/send", "GET /restate/send/shop/refund", "GET /Shop/Refund"],
        expect![[r#"
            GET /shop/refund
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0050","message":"shop/refund is private: only other handlers may invoke it; call the handler that uses it","request_id":"req_…"}
            POST /shop/refund/send
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0050","message":"shop/refund is private: only other handlers may invoke it; call the handler that uses it","request_id":"req_…"}
            GET /restate/send/shop/refund
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0050","message":"shop/refund is private: only other handlers may invoke it; call the handler that uses it","request_id":"req_…"}
            GET /Shop/Refund
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0050","message":"shop/refund is private: only other handlers may invoke it; call the handler that uses it","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn secrets_reach_who_asks_for_them() {
    check(
        &[
            "GET /shop/whoami ~ authorization: Bearer secret",
            "GET /cart/ann/get ~ authorization: Bearer secret",
            "GET /shop/whoami ~ cookie: session=secret",
        ],
        expect![[r#"
            GET /shop/whoami ~ authorization: Bearer secret
              200 content-type: application/json x-restate-id: inv_1
              "shop/whoami got '', authorization: Bearer secret"
            GET /cart/ann/get ~ authorization: Bearer secret
              200 content-type: application/json x-restate-id: inv_2
              "cart/ann/get got ''"
            GET /shop/whoami ~ cookie: session=secret
              200 content-type: application/json x-restate-id: inv_3
              "shop/whoami got ''"
        "#]],
    );
}

#[test]
fn bodies_that_no_line_can_hold() {
    let host = host();
    let invalid = post("/cart/ann/add", Body::from(&b"\"\xff\""[..]));
    host.check_request("not UTF-8", invalid, expect![[r#"
        not UTF-8
          400 content-type: application/json x-restate-error-source: ingress
          {"code":400,"error_code":"HH0004","message":"the body is not UTF-8 from byte 1 on","request_id":"req_…"}
    "#]]);
    let whole = post("/trips/reserve", in_pieces(["{\"trip", "_id\": ", "\"t1\"}"]));
    host.check_request(
        "in pieces",
        whole,
        expect![[r#"
        in pieces
          200 content-type: application/json x-restate-id: inv_1
          "trips/reserve got '{'trip_id': 't1'}'"
    "#]],
    );
}

#[test]
fn keys_and_delays() {
    let host = host();
    let long = post(&format!("/cart/{}/get", "k".repeat(5_000)), Body::empty());
    host.check_request("a long key", long, expect![[r#"
        a long key
          400 content-type: application/json x-restate-error-source: ingress
          {"code":400,"error_code":"HH0003","message":"the key has 5000 bytes, more than the 4096 that are allowed","request_id":"req_…"}
    "#]]);
    host.check(
        &[
            "POST /trips/ping/send?delay=soon",
            "POST /trips/ping?delay=1s",
            "POST /trips/ping ~ idempotency-key:  ",
            "POST /trips/ping ~ idempotency-key: a ~ idempotency-key: b",
            "POST /Booking/b1/run ~ idempotency-key: a ~ {}",
        ],
        expect![[r#"
            POST /trips/ping/send?delay=soon
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0031","message":"'soon' is not a delay; write it as 500ms, 10s, 1h30m or 2 days, or as ISO 8601 does: PT10S","request_id":"req_…"}
            POST /trips/ping?delay=1s
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0031","message":"a call does not wait before it starts; send it with /send to delay it","request_id":"req_…"}
            POST /trips/ping ~ idempotency-key:  
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0029","message":"the idempotency key is empty","request_id":"req_…"}
            POST /trips/ping ~ idempotency-key: a ~ idempotency-key: b
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0029","message":"the idempotency key is given twice","request_id":"req_…"}
            POST /Booking/b1/run ~ idempotency-key: a ~ {}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0029","message":"Booking/b1/Run takes no idempotency key: a workflow id starts once by itself","request_id":"req_…"}
        "#]],
    );
}
