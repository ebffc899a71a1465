//! What becomes of an invocation: names that stand for one, waiting for its outcome, and its end.

use holiday_core::event::Configure;
use holiday_core::policy::{Layer, Options, Policies};

use super::*;

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
        expect![[r#"
            POST /trips/reserve ~ idempotency-key: k1 ~ {"trip_id": "t1"}
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{'trip_id': 't1'}'"
            POST /trips/reserve ~ idempotency-key: k1 ~ {"trip_id": "t2"}
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{'trip_id': 't1'}'"
            POST /trips/reserve/send ~ idempotency-key: k1 ~ {}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"PreviouslyAccepted"}
            GET /restate/invocation/trips/reserve/k1/output
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{'trip_id': 't1'}'"
            GET /restate/invocation/trips/reserve/k1/attach
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{'trip_id': 't1'}'"
            GET /restate/invocation/trips/reserve/k2/output
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0018","message":"there is no invocation of trips/reserve with the idempotency key 'k2': it never was, or its retention has ended","request_id":"req_…"}
            GET /restate/invocation/cart/reserve/k2/output
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0002","message":"service 'cart' has no handler 'reserve'","request_id":"req_…"}
            GET /restate/invocation/cart/add/k2/output
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is keyed; name the key: cart/<key>/add","request_id":"req_…"}
            GET /restate/invocation/trips/t1/reserve/k2/output
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'trips' is a plain service and takes no key, but got 't1'; call trips/reserve","request_id":"req_…"}
            GET /trips/fail ~ idempotency-key: k1
              404 content-type: application/json x-restate-id: inv_2 idempotency-expires: in 24 h x-restate-error-source: invocation
              {"code":404,"error_code":"HH0015","message":"no such trip","request_id":"req_…"}
        "#]],
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
        expect![[r#"
            GET /restate/workflow/Booking/b1/attach
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0018","message":"there is no invocation of the workflow Booking/b1: it never was, or its retention has ended","request_id":"req_…"}
            POST /Booking/b1/run/send ~ {}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /Booking/b1/run/send ~ {}
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"PreviouslyAccepted"}
            POST /Booking/b1/Run ~ {}
              409 content-type: application/json x-restate-error-source: ingress
              {"code":409,"error_code":"HH0037","message":"workflow Booking/b1/Run has started already; attach to it to get its outcome","request_id":"req_…"}
            GET /restate/workflow/Booking/b1/output
              470 content-type: application/json x-restate-error-source: ingress
              {"code":470,"error_code":"HH0019","message":"invocation inv_1 has not ended yet; attach to wait for it","request_id":"req_…"}
            GET /restate/workflow/cart/ann/output
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0003","message":"'cart' is not a workflow; attach to its invocations by their id","request_id":"req_…"}
            GET /Booking/b1/status
              200 content-type: application/json x-restate-id: inv_2
              "Booking/b1/status got ''"
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            r#"POST /restate/awakeables/awk_1/resolve ~ "booked""#,
            "GET /restate/workflow/Booking/b1/attach",
            "GET /restate/workflow/Booking/b1/output",
        ],
        expect![[r#"
            POST /restate/awakeables/awk_1/resolve ~ "booked"
              202
            GET /restate/workflow/Booking/b1/attach
              200 content-type: application/json x-restate-id: inv_1
              "booked"
            GET /restate/workflow/Booking/b1/output
              200 content-type: application/json x-restate-id: inv_1
              "booked"
        "#]],
    );
}

#[test]
fn an_idempotency_key_that_has_expired() {
    let host = host();
    let options = Options {
        idempotency_retention_ms: Some(1),
        journal_retention_ms: Some(3_600_000),
        ..Options::default()
    };
    let policies = Policies { host: options, ..Policies::default() };
    host.run(host.handle.configure(Configure { layer: Layer::Operator, policies })).expect("valid policies");
    host.check(
        &["POST /trips/find/send ~ idempotency-key: k1 ~ \"t1\""],
        expect![[r#"
            POST /trips/find/send ~ idempotency-key: k1 ~ "t1"
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
        "#]],
    );
    let id = host.id("inv_1");
    host.until(move |state| {
        let completed = state.completed(&id).expect("a readable state");
        completed.is_some_and(|it| !it.is_named).then_some(())
    });
    host.check(
        &[
            "GET /restate/invocation/trips/find/k1/output",
            "GET /restate/invocation/inv_1/output",
            "POST /restate/lookup ~ {\"target\": \"invocation\", \"invocationId\": \"inv_1\"}",
            "POST /trips/find/send ~ idempotency-key: k1 ~ \"t2\"",
        ],
        expect![[r#"
            GET /restate/invocation/trips/find/k1/output
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0018","message":"there is no invocation of trips/find with the idempotency key 'k1': it never was, or its retention has ended","request_id":"req_…"}
            GET /restate/invocation/inv_1/output
              200 content-type: application/json x-restate-id: inv_1
              "trips/find got ''t1''"
            POST /restate/lookup ~ {"target": "invocation", "invocationId": "inv_1"}
              200 content-type: application/json
              {"invocationId":"inv_1"}
            POST /trips/find/send ~ idempotency-key: k1 ~ "t2"
              202 content-type: application/json x-restate-id: inv_2
              {"invocationId":"inv_2","status":"Accepted"}
        "#]],
    );
}

#[test]
fn awakeables() {
    let host = host();
    host.check(
        &["POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/wait/send"],
        expect![[r#"
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_2
              {"invocationId":"inv_2","status":"Accepted"}
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_3
              {"invocationId":"inv_3","status":"Accepted"}
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_4
              {"invocationId":"inv_4","status":"Accepted"}
        "#]],
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
        expect![[r#"
            POST /restate/awakeables/awk_1/resolve ~ {
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body is not JSON: EOF while parsing an object at line 1 column 1","request_id":"req_…"}
            POST /restate/awakeables/awk_1/resolve ~ content-type: text/plain ~ hello
              415 content-type: application/json x-restate-error-source: ingress
              {"code":415,"error_code":"HH0034","message":"an awakeable is resolved with application/json, not 'text/plain'","request_id":"req_…"}
            POST /restate/awakeables/awk_1/resolve ~ {"a": 1}
              202
            GET /restate/invocation/inv_1/attach
              200 content-type: application/json x-restate-id: inv_1
              {"a":1}
            POST /restate/a/awk_2/resolve
              202
            GET /restate/invocation/inv_2/attach
              200 content-type: application/json x-restate-id: inv_2
              null
            POST /restate/a/awk_3/reject ~ content-type: text/plain ~ Very bad error!
              202
            GET /restate/invocation/inv_3/attach
              500 content-type: application/json x-restate-id: inv_3 x-restate-error-source: invocation
              {"code":500,"error_code":"HH0015","message":"Very bad error!","request_id":"req_…"}
            POST /restate/a/awk_4/reject ~ "no seats"
              202
            GET /restate/invocation/inv_4/attach
              500 content-type: application/json x-restate-id: inv_4 x-restate-error-source: invocation
              {"code":500,"error_code":"HH0015","message":"no seats","request_id":"req_…"}
            POST /restate/a/awk_4/reject
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0039","message":"there is no awakeable awk_4 to complete: it never was, or is completed already","request_id":"req_…"}
            POST /restate/a/awk_0O/resolve ~ 1
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0030","message":"'awk_0O' is not an awakeable id: it should be 'awk_' and 38 base58 characters or so","request_id":"req_…"}
            GET /restate/a/awk_4/resolve
              405 content-type: application/json allow: POST x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"/restate/a/awk_4/resolve takes POST, not GET","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn invocations_by_id() {
    let host = host();
    host.check(
        &["POST /trips/wait/send", "GET /restate/invocation/inv_1/output", "GET /restate/output/inv_1"],
        expect![[r#"
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            GET /restate/invocation/inv_1/output
              470 content-type: application/json x-restate-error-source: ingress
              {"code":470,"error_code":"HH0019","message":"invocation inv_1 has not ended yet; attach to wait for it","request_id":"req_…"}
            GET /restate/output/inv_1
              470 content-type: application/json x-restate-error-source: ingress
              {"code":470,"error_code":"HH0019","message":"invocation inv_1 has not ended yet; attach to wait for it","request_id":"req_…"}
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            "POST /restate/awakeables/awk_1/resolve ~ 7",
            "GET /restate/invocation/inv_1/attach",
            "GET /restate/invocation/inv_1/output",
            "GET /restate/output/inv_1 ~ x-envelope: response",
            "GET /restate/invocation/inv_0O/output",
            "GET /restate/invocation/inv_111111111111111111111111111111111/output",
            "POST /restate/invocation/inv_1/output",
        ],
        expect![[r#"
            POST /restate/awakeables/awk_1/resolve ~ 7
              202
            GET /restate/invocation/inv_1/attach
              200 content-type: application/json x-restate-id: inv_1
              7
            GET /restate/invocation/inv_1/output
              200 content-type: application/json x-restate-id: inv_1
              7
            GET /restate/output/inv_1 ~ x-envelope: response
              200 content-type: application/json x-restate-id: inv_1
              {"response":7}
            GET /restate/invocation/inv_0O/output
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0030","message":"'inv_0O' is not an invocation id: it should be 'inv_' and 32 base58 characters or so","request_id":"req_…"}
            GET /restate/invocation/inv_111111111111111111111111111111111/output
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0030","message":"'inv_111111111111111111111111111111111' is not an invocation id: it should be 'inv_' and 32 base58 characters or so","request_id":"req_…"}
            POST /restate/invocation/inv_1/output
              405 content-type: application/json allow: GET x-restate-error-source: ingress
              {"code":405,"error_code":"HH0033","message":"/restate/invocation/inv_1/output takes GET, not POST","request_id":"req_…"}
        "#]],
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
        expect![[r#"
            POST /trips/reserve ~ idempotency-key: k1 ~ {}
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{}'"
            POST /restate/lookup ~ {"target": "idempotentInvocation", "service": "trips", "handler": "reserve", "idempotencyKey": "k1"}
              200 content-type: application/json
              {"invocationId":"inv_1"}
            POST /restate/output ~ {"target": "invocation", "invocationId": "inv_1"}
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{}'"
            POST /restate/attach ~ {"target": "invocation", "invocationId": "inv_1"}
              200 content-type: application/json x-restate-id: inv_1 idempotency-expires: in 24 h
              "trips/reserve got '{}'"
            POST /restate/lookup ~ {"target": "workflow", "workflowName": "Booking", "workflowKey": "b1"}
              404 content-type: application/json x-restate-error-source: ingress
              {"code":404,"error_code":"HH0018","message":"there is no invocation of the workflow Booking/b1: it never was, or its retention has ended","request_id":"req_…"}
            POST /restate/lookup ~ {"target": "invocation", "invocationId": "inv_1", "scope": "s"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body does not name an invocation: unknown field `scope`, expected `invocationId`","request_id":"req_…"}
            POST /restate/lookup ~ {"target": "trip"}
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body does not name an invocation: unknown variant `trip`, expected one of `invocation`, `workflow`, `idempotentInvocation` at line 1 column 17","request_id":"req_…"}
            POST /restate/lookup
              400 content-type: application/json x-restate-error-source: ingress
              {"code":400,"error_code":"HH0004","message":"the body does not name an invocation: EOF while parsing a value at line 1 column 0","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn a_cancelled_and_a_killed_invocation() {
    let host = host();
    host.check(
        &["POST /trips/wait/send?delay=1h", "POST /trips/wait/send?delay=1h"],
        expect![[r#"
        POST /trips/wait/send?delay=1h
          202 content-type: application/json x-restate-id: inv_1
          {"executionTime":"in 1 h","invocationId":"inv_1","status":"Accepted"}
        POST /trips/wait/send?delay=1h
          202 content-type: application/json x-restate-id: inv_2
          {"executionTime":"in 1 h","invocationId":"inv_2","status":"Accepted"}
    "#]],
    );
    let (cancelled, killed) = (host.id("inv_1"), host.id("inv_2"));
    host.run(host.handle.cancel(cancelled)).expect("it has not ended");
    host.run(host.handle.kill(killed)).expect("it has not ended");
    host.check(
        &["GET /restate/attach/inv_1", "GET /restate/attach/inv_2"],
        expect![[r#"
        GET /restate/attach/inv_1
          409 content-type: application/json x-restate-id: inv_1 x-restate-error-source: invocation
          {"code":409,"error_code":"HH0016","message":"cancelled","request_id":"req_…"}
        GET /restate/attach/inv_2
          409 content-type: application/json x-restate-id: inv_2 x-restate-error-source: invocation
          {"code":409,"error_code":"HH0017","message":"killed","request_id":"req_…"}
    "#]],
    );
}

#[test]
fn a_caller_that_goes_away_cancels_nothing() {
    let host = host();
    host.abandon("POST /Booking/b1/run ~ {}");
    host.check(
        &["POST /Booking/b1/run/send ~ {}"],
        expect![[r#"
        POST /Booking/b1/run/send ~ {}
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"PreviouslyAccepted"}
    "#]],
    );
}

#[test]
fn a_host_that_shuts_down() {
    let host = host();
    host.check(
        &["GET /restate/health"],
        expect![[r#"
        GET /restate/health
          200 content-type: application/json
          {"status":"ok"}
    "#]],
    );
    host.handle.shut_down();
    host.check(&["GET /trips/ping", "GET /restate/health"], expect![[r#"
        GET /trips/ping
          503 content-type: application/json retry-after: 1 x-restate-error-source: ingress
          {"code":503,"error_code":"HH0038","message":"the host is shutting down; send the request again in a moment","request_id":"req_…"}
        GET /restate/health
          503 content-type: application/json retry-after: 1 x-restate-error-source: ingress
          {"code":503,"error_code":"HH0038","message":"the host is shutting down; send the request again in a moment","request_id":"req_…"}
    "#]]);
}
