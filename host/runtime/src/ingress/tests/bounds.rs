//! What is beyond a bound is refused or waits, and what is within is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use holiday_core::id::InvocationId;
use holiday_core::limits::{HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, SEND_RETENTION_MS};

use super::super::{
    BODY_TIMEOUT, CHECKED_AT_ONCE_STEPS_MAX, DISCARDED_BYTES_MAX, IN_FLIGHT_BODY_BYTES_MAX,
    IN_FLIGHT_REQUESTS_MAX, LARGE_CHECKS_MAX,
};
use super::*;

#[test]
fn each_default_is_the_constant_of_its_name() {
    let it = IngressConfig::default();
    assert_eq!(it.in_flight_requests_max, IN_FLIGHT_REQUESTS_MAX);
    assert_eq!(it.in_flight_body_bytes_max, IN_FLIGHT_BODY_BYTES_MAX);
    assert_eq!((it.body_bytes_max, it.body_timeout), (PAYLOAD_BYTES_MAX, BODY_TIMEOUT));
    assert_eq!(it.discarded_bytes_max, DISCARDED_BYTES_MAX);
    assert_eq!(it.checked_at_once_bytes_max, CHECKED_AT_ONCE_BYTES_MAX);
    assert_eq!(it.checked_at_once_steps_max, CHECKED_AT_ONCE_STEPS_MAX);
    assert_eq!(it.large_checks_max, LARGE_CHECKS_MAX);
}

/// A body of so many bytes in all, in pieces of four, and how many of them were read.
fn counted(size: usize) -> (Body, Arc<AtomicUsize>) {
    let read = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&read);
    let pieces = futures::stream::repeat(Bytes::from_static(b"    ")).take(size / 4).map(move |piece| {
        counter.fetch_add(piece.len(), Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece)
    });
    (Body::from_stream(pieces), read)
}

#[test]
fn bodies() {
    let small = host_with(IngressConfig { body_bytes_max: 8, ..IngressConfig::default() });
    small.check(&["POST /trips/any ~ \"123456\"", "POST /trips/any ~ \"1234567\""], expect![[r#"
        POST /trips/any ~ "123456"
          200 content-type: application/json x-restate-id: inv_1
          "trips/any got ''123456''"
        POST /trips/any ~ "1234567"
          413 content-type: application/json x-restate-error-source: ingress
          {"code":413,"error_code":"HH0013","message":"the body has more than the 8 bytes that are allowed; store it elsewhere and pass a reference","request_id":"req_…"}
    "#]]);
    let large = post("/trips/any", in_pieces(["\"123", "456", "7\""]));
    small.check_request("in pieces", large, expect![[r#"
        in pieces
          413 content-type: application/json x-restate-error-source: ingress
          {"code":413,"error_code":"HH0013","message":"the body has more than the 8 bytes that are allowed; store it elsewhere and pass a reference","request_id":"req_…"}
    "#]]);
}

#[test]
fn bodies_that_are_read_at_the_same_time() {
    let crowded = host_with(IngressConfig { in_flight_body_bytes_max: 8, ..IngressConfig::default() });
    let requests =
        ["POST /trips/any ~ \"123456\"", "POST /trips/any ~ \"1234567\"", "POST /trips/any ~ \"123456\""];
    crowded.check(&requests, expect![[r#"
        POST /trips/any ~ "123456"
          200 content-type: application/json x-restate-id: inv_1
          "trips/any got ''123456''"
        POST /trips/any ~ "1234567"
          503 content-type: application/json retry-after: 1 x-restate-error-source: ingress
          {"code":503,"error_code":"HH0028","message":"too many large bodies are on their way to the host; try again later","request_id":"req_…"}
        POST /trips/any ~ "123456"
          200 content-type: application/json x-restate-id: inv_2
          "trips/any got ''123456''"
    "#]]);
}

#[test]
fn a_body_that_does_not_arrive() {
    let impatient = host_with(IngressConfig { body_timeout: Duration::ZERO, ..IngressConfig::default() });
    let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    impatient.check_request("without end", post("/trips/any", endless), expect![[r#"
        without end
          408 content-type: application/json x-restate-error-source: ingress
          {"code":408,"error_code":"HH0004","message":"the body was not complete after 0 s","request_id":"req_…"}
    "#]]);
}

/// A sender gets its answer, although most listen for it only when they have sent everything.
#[test]
fn a_body_that_is_too_large_is_read_on_for_a_while() {
    let config = IngressConfig { body_bytes_max: 8, discarded_bytes_max: 16, ..IngressConfig::default() };
    let host = host_with(config);
    // The piece that goes beyond the limit is neither kept nor counted.
    for (size, is_read) in [(28, 28), (32, 28), (4_000, 28)] {
        let (body, read) = counted(size);
        host.check_request("too large", post("/trips/any", body), expect![[r#"
            too large
              413 content-type: application/json x-restate-error-source: ingress
              {"code":413,"error_code":"HH0013","message":"the body has more than the 8 bytes that are allowed; store it elsewhere and pass a reference","request_id":"req_…"}
        "#]]);
        assert_eq!(read.load(Ordering::Relaxed), is_read, "of {size}");
    }
}

#[test]
fn requests_that_are_served_at_the_same_time() {
    let full = host_with(IngressConfig { in_flight_requests_max: 1, ..IngressConfig::default() });
    let waiting = full.begin("GET /trips/wait");
    let id = full.until(|state| {
        let suspended = state.lifecycles().expect("a readable state").into_iter();
        suspended.filter(|(_, it)| it.status.name() == "suspended").map(|(id, _)| id).next()
    });
    full.check(&["GET /trips/ping", "GET /restate/health"], expect![[r#"
        GET /trips/ping
          503 content-type: application/json retry-after: 1 x-restate-error-source: ingress
          {"code":503,"error_code":"HH0028","message":"the host serves 1 requests already; try again later","request_id":"req_…"}
        GET /restate/health
          200 content-type: application/json
          {"status":"ok"}
    "#]]);
    full.run(full.handle.kill(id)).expect("it has not ended");
    full.check_end(
        "the one that has waited",
        waiting,
        expect![[r#"
        the one that has waited
          409 content-type: application/json x-restate-id: inv_1 x-restate-error-source: invocation
          {"code":409,"error_code":"HH0017","message":"killed","request_id":"req_…"}
    "#]],
    );
    full.check(
        &["GET /trips/ping"],
        expect![[r#"
        GET /trips/ping
          200 x-restate-id: inv_2
    "#]],
    );
}

/// With no turns to take, what has to wait for one waits for ever.
#[test]
fn inputs_that_are_checked_when_it_is_their_turn() {
    const SMALL: &str = r#"POST /shop/order/send ~ {"items": []}"#;
    const LARGE: &str = r#"POST /shop/order/send ~ {"items": [ ]}"#;
    let no_turns = || IngressConfig { large_checks_max: 0, ..IngressConfig::default() };
    let by_bytes =
        host_with(IngressConfig { checked_at_once_bytes_max: r#"{"items": []}"#.len(), ..no_turns() });
    let by_steps = host_with(IngressConfig { checked_at_once_steps_max: 1, ..no_turns() });
    let waiting = [by_bytes.begin(LARGE), by_steps.begin(SMALL)];
    by_bytes.check(
        &[SMALL, "GET /trips/ping"],
        expect![[r#"
            POST /shop/order/send ~ {"items": []}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            GET /trips/ping
              200 x-restate-id: inv_2
        "#]],
    );
    by_steps.check(
        &["POST /trips/any ~ 1"],
        expect![[r#"
            POST /trips/any ~ 1
              200 content-type: application/json x-restate-id: inv_1
              "trips/any got '1'"
        "#]],
    );
    assert!(waiting.iter().all(|it| !it.is_finished()));
    let one_turn =
        IngressConfig { large_checks_max: 1, checked_at_once_steps_max: 1, ..IngressConfig::default() };
    host_with(one_turn).check(
        &[SMALL, SMALL],
        expect![[r#"
            POST /shop/order/send ~ {"items": []}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /shop/order/send ~ {"items": []}
              202 content-type: application/json x-restate-id: inv_2
              {"invocationId":"inv_2","status":"Accepted"}
        "#]],
    );
}

#[test]
fn headers_together() {
    // The harness adds a content type to a body, which counts: so there is none.
    let request = |size: usize| {
        let value = "v".repeat(size - "x-tenant".len());
        Request::get("/trips/ping").header("x-tenant", value).body(Body::empty()).expect("a valid request")
    };
    let host = host();
    host.check_request(
        "they just fit",
        request(HEADER_BYTES_MAX),
        expect![[r#"
        they just fit
          200 x-restate-id: inv_1
    "#]],
    );
    host.check_request("they do not", request(HEADER_BYTES_MAX + 1), expect![[r#"
        they do not
          431 content-type: application/json x-restate-error-source: ingress
          {"code":431,"error_code":"HH0013","message":"the headers have 16385 bytes, more than the 16384 that are kept","request_id":"req_…"}
    "#]]);
}

#[test]
fn the_outcome_of_a_send_is_kept_for_its_time() {
    let host = host();
    let sent = host.fetch("POST /trips/ping/send");
    let id: InvocationId = sent["invocationId"].as_str().expect("an id").parse().expect("an id");
    let completed = host.until(move |state| state.completed(&id).expect("a readable state"));
    assert_eq!(completed.expires_at.millis_since(completed.completed_at), SEND_RETENTION_MS);
}
