//! What callers see, route by route, and every error they can meet.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use expect_test::{Expect, expect};
use http::Request;

use super::harness::Host;
use super::{IngressConfig, router};

fn host() -> Host {
    Host::start(|handle| router(handle, IngressConfig::default()))
}

fn check(requests: &[&str], expected: Expect) {
    host().check(requests, expected);
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
        expect![[""]],
    );
}

#[test]
fn other_media_pass_as_they_are() {
    check(&["POST /trips/copy ~ content-type: image/png ~ PNG"], expect![[""]]);
}

#[test]
fn failures_of_handlers() {
    check(&["GET /trips/fail"], expect![[""]]);
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
        expect![[""]],
    );
}

#[test]
fn names_in_another_case_are_served() {
    check(&["GET /Cart/ann/Get", "GET /TRIPS/ping"], expect![[""]]);
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn bytes_that_are_no_text() {
    let request = Request::post("/cart/ann/add").body(Body::from(&b"\"\xff\""[..])).expect("a request");
    expect![[""]].assert_eq(&host().send_bytes(request));
}

#[test]
fn bounds() {
    let config = IngressConfig { body_bytes_max: 8, ..IngressConfig::default() };
    let small = Host::start(|handle| router(handle, config));
    small.check(&["POST /trips/any ~ \"123456\"", "POST /trips/any ~ \"1234567\""], expect![[""]]);
    let chunks = ["\"123", "456", "7\""].map(|it| Ok::<_, std::io::Error>(Bytes::from_static(it.as_bytes())));
    let chunked = Body::from_stream(futures::stream::iter(chunks));
    let request = Request::post("/trips/any").body(chunked).expect("a request");
    expect![[""]].assert_eq(&small.send_bytes(request));

    let config = IngressConfig { in_flight_body_bytes_max: 8, ..IngressConfig::default() };
    let crowded = Host::start(|handle| router(handle, config));
    crowded.check(&["POST /trips/any ~ \"1234567\"", "POST /trips/any ~ 1"], expect![[""]]);

    let config = IngressConfig { in_flight_requests_max: 0, ..IngressConfig::default() };
    let full = Host::start(|handle| router(handle, config));
    full.check(&["GET /trips/ping", "GET /restate/health"], expect![[""]]);
}

#[test]
fn a_body_in_pieces_is_put_together() {
    let pieces = ["{\"trip", "_id\": ", "\"t1\"}"]
        .map(|it| Ok::<_, std::io::Error>(Bytes::from_static(it.as_bytes())));
    let body = Body::from_stream(futures::stream::iter(pieces));
    let request = Request::post("/trips/reserve").body(body).expect("a request");
    expect![[""]].assert_eq(&host().send_bytes(request));
}

#[test]
fn a_body_that_does_not_end() {
    let config = IngressConfig { body_timeout: Duration::ZERO, ..IngressConfig::default() };
    let impatient = Host::start(|handle| router(handle, config));
    let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/trips/any").body(endless).expect("a request");
    expect![[""]].assert_eq(&impatient.send_bytes(request));
}

#[test]
fn keys_and_delays() {
    let long = format!("GET /cart/{}/get", "k".repeat(5_000));
    let answer = host().ask(&long);
    expect![[""]].assert_eq(answer.split_once('\n').map_or("", |(_, answer)| answer));
    check(
        &[
            "POST /trips/ping/send?delay=soon",
            "POST /trips/ping?delay=1s",
            "POST /trips/ping ~ idempotency-key:  ",
            "POST /trips/ping ~ idempotency-key: a ~ idempotency-key: b",
            "POST /Booking/b1/run ~ idempotency-key: a ~ {}",
        ],
        expect![[""]],
    );
}

#[test]
fn an_idempotency_key_runs_a_handler_once() {
    check(
        &[
            r#"POST /trips/reserve ~ idempotency-key: k1 ~ {"trip_id": "t1"}"#,
            r#"POST /trips/reserve ~ idempotency-key: k1 ~ {"trip_id": "t2"}"#,
            r#"POST /trips/reserve/send ~ idempotency-key: k1 ~ {}"#,
            "GET /restate/invocation/trips/reserve/k1/output",
            "GET /restate/invocation/trips/reserve/k1/attach",
            "GET /restate/invocation/trips/reserve/k2/output",
            "GET /restate/invocation/cart/reserve/k2/output",
            "GET /restate/invocation/cart/add/k2/output",
            "GET /restate/invocation/trips/t1/reserve/k2/output",
            "GET /trips/fail ~ idempotency-key: k1",
        ],
        expect![[""]],
    );
}

#[test]
fn a_workflow_runs_once() {
    let host = host();
    host.check(
        &[
            "GET /restate/workflow/Booking/b1/attach",
            "POST /Booking/b1/run/send ~ {}",
            "POST /Booking/b1/run/send ~ {}",
            "POST /Booking/b1/Run ~ {}",
            "GET /restate/workflow/Booking/b1/output",
            "GET /restate/workflow/cart/ann/output",
            "GET /Booking/b1/status",
        ],
        expect![[""]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            r#"POST /restate/awakeables/awk_1/resolve ~ "booked""#,
            "GET /restate/workflow/Booking/b1/attach",
            "GET /restate/workflow/Booking/b1/output",
        ],
        expect![[""]],
    );
}

#[test]
fn awakeables() {
    let host = host();
    host.check(
        &["POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/wait/send"],
        expect![[""]],
    );
    for name in ["inv_1", "inv_2", "inv_3", "inv_4"] {
        host.until_status(name, "suspended");
    }
    host.check(
        &[
            "POST /restate/awakeables/awk_1/resolve ~ {",
            "POST /restate/awakeables/awk_1/resolve ~ content-type: text/plain ~ hello",
            "POST /restate/awakeables/awk_1/resolve ~ {\"a\": 1}",
            "GET /restate/invocation/inv_1/attach",
            "POST /restate/a/awk_2/resolve",
            "GET /restate/invocation/inv_2/attach",
            "POST /restate/a/awk_3/reject ~ content-type: text/plain ~ Very bad error!",
            "GET /restate/invocation/inv_3/attach",
            "POST /restate/a/awk_4/reject ~ \"no seats\"",
            "GET /restate/invocation/inv_4/attach",
            "POST /restate/a/awk_4/reject",
            "POST /restate/a/awk_0O/resolve ~ 1",
            "GET /restate/a/awk_4/resolve",
        ],
        expect![[""]],
    );
}

#[test]
fn invocations_by_id() {
    let host = host();
    host.check(
        &["POST /trips/wait/send", "GET /restate/invocation/inv_1/output", "GET /restate/output/inv_1"],
        expect![[""]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            "POST /restate/awakeables/awk_1/resolve ~ 7",
            "GET /restate/invocation/inv_1/attach",
            "GET /restate/invocation/inv_1/output",
            "GET /restate/output/inv_1 ~ x-envelope: response",
            "GET /restate/invocation/inv_0O/output",
            "GET /restate/invocation/inv_111111111111111111111111/output",
            "POST /restate/invocation/inv_1/output",
        ],
        expect![[""]],
    );
}

#[test]
fn invocations_named_in_the_body() {
    check(
        &[
            "POST /trips/reserve ~ idempotency-key: k1 ~ {}",
            r#"POST /restate/lookup ~ {"target": "idempotentInvocation", "service": "trips", "handler": "reserve", "idempotencyKey": "k1"}"#,
            r#"POST /restate/output ~ {"target": "invocation", "invocationId": "inv_1"}"#,
            r#"POST /restate/attach ~ {"target": "invocation", "invocationId": "inv_1"}"#,
            r#"POST /restate/lookup ~ {"target": "workflow", "workflowName": "Booking", "workflowKey": "b1"}"#,
            r#"POST /restate/lookup ~ {"target": "invocation", "invocationId": "inv_1", "scope": "s"}"#,
            r#"POST /restate/lookup ~ {"target": "trip"}"#,
            "POST /restate/lookup",
        ],
        expect![[""]],
    );
}

#[test]
fn a_cancelled_and_a_killed_invocation() {
    let host = host();
    host.check(&["POST /trips/wait/send?delay=1h", "POST /trips/wait/send?delay=1h"], expect![[""]]);
    let (cancelled, killed) = (host.id("inv_1"), host.id("inv_2"));
    host.run(host.handle.cancel(cancelled)).expect("it has not ended");
    host.run(host.handle.kill(killed)).expect("it has not ended");
    host.check(&["GET /restate/attach/inv_1", "GET /restate/attach/inv_2"], expect![[""]]);
}

#[test]
fn a_caller_that_goes_away_cancels_nothing() {
    let host = host();
    host.abandon("POST /Booking/b1/run ~ {}");
    host.check(&["POST /Booking/b1/run/send ~ {}"], expect![[""]]);
}

#[test]
fn a_host_that_shuts_down() {
    let host = host();
    host.check(&["GET /restate/health"], expect![[""]]);
    host.handle.shut_down();
    host.check(&["GET /trips/ping", "GET /restate/health"], expect![[""]]);
}
