//! Signals that callers send.

use axum::body::Body;
use expect_test::expect;

use super::{host, post};

#[test]
fn signals() {
    let host = host();
    host.check(
        &["POST /trips/wait/send", "POST /trips/reserve/send ~ {}"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
        POST /trips/reserve/send ~ {}
          202 content-type: application/json x-restate-id: inv_2
          {"invocationId":"inv_2","status":"Accepted"}
    "#]],
    );
    host.until_status("inv_1", "suspended");
    host.until_status("inv_2", "ended");
    host.check(
        &[
            "POST /restate/invocation/inv_1/signals/go/resolve ~ {\"a\": 1}",
            "POST /restate/invocation/inv_1/signals/go/resolve",
            "POST /restate/invocation/inv_1/signals/go%20on/reject ~ content-type: text/plain ~ too late",
            "POST /restate/invocation/inv_1/signals/go/resolve ~ {",
            "POST /restate/invocation/inv_1/signals/go/resolve ~ content-type: text/plain ~ hello",
            "GET /restate/invocation/inv_1/signals/go/resolve",
            "POST /restate/invocation/inv_2/signals/go/resolve",
            "POST /restate/invocation/inv_0/signals/go/resolve",
        ],
        expect![[r#"
            POST /restate/invocation/inv_1/signals/go/resolve ~ {"a": 1}
              202
            POST /restate/invocation/inv_1/signals/go/resolve
              202
            POST /restate/invocation/inv_1/signals/go%20on/reject ~ content-type: text/plain ~ too late
              202
            POST /restate/invocation/inv_1/signals/go/resolve ~ {
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is not JSON: EOF while parsing an object at line 1 column 1","request_id":"req_…"}
            POST /restate/invocation/inv_1/signals/go/resolve ~ content-type: text/plain ~ hello
              415 content-type: application/json x-restate-error-source: ingress
              {"code":415,"error_code":"HH0034","message":"a signal is resolved with application/json, not 'text/plain'","request_id":"req_…"}
            GET /restate/invocation/inv_1/signals/go/resolve
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"/restate/invocation/inv_1/signals/go/resolve takes POST, not GET","request_id":"req_…"}
            POST /restate/invocation/inv_2/signals/go/resolve
              409 content-type: application/json x-restate-error-source: ingress
              {"code":409,"error_code":"HH0047","message":"invocation inv_2 is completed, it cannot be signalled","request_id":"req_…"}
            POST /restate/invocation/inv_0/signals/go/resolve
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0030","message":"'inv_0' is not an invocation id: it should be 'inv_' and 32 base58 characters or so","request_id":"req_…"}
        "#]],
    );
    let id = host.id("inv_1");
    let sent = host.until(move |state| {
        let lifecycle = state.lifecycle(&id).expect("a readable state")?;
        let first =
            |name| state.first_signal(&id, name).expect("a readable state").map(|(_, outcome)| outcome);
        Some((lifecycle.signals_kept, first("go"), first("go on")))
    });
    expect![[r#"
        (
            3,
            Some(
                Success(
                    b"{\"a\": 1}",
                ),
            ),
            Some(
                Failure(
                    Failure {
                        code: 500,
                        message: "too late",
                    },
                ),
            ),
        )
    "#]]
    .assert_debug_eq(&sent);
}

#[test]
fn a_name_that_is_too_long() {
    let host = host();
    host.check(
        &["POST /trips/wait/send"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
    "#]],
    );
    let path = format!("/restate/invocation/{}/signals/{}/resolve", host.id("inv_1"), "n".repeat(5_000));
    host.check_request("POST a signal of 5,000 letters", post(&path, Body::empty()), expect![[r#"
        POST a signal of 5,000 letters
          400 content-type: application/json x-restate-error-source: ingress
          {"code":400,"error_code":"HH0003","message":"the name of the signal has 5000 bytes, more than the 4096 that are allowed","request_id":"req_…"}
    "#]]);
}
