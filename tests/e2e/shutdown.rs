//! SIGTERM: what was accepted is kept, and the process ends as it should.

use holiday_runtime::host::REQUEST_GRACE;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Setup, TestHost};

#[tokio::test(flavor = "multi_thread")]
async fn accepted_sends_survive_a_graceful_stop() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let mut accepted = Vec::new();
    for number in 0..50 {
        let ms = 200 + number;
        accepted.push((host.ingress().send("/Probe/sleep", &json!({ "ms": ms })).await, ms));
    }
    let status = host.terminate().await;
    assert!(status.success(), "{status}\n{}", host.log());

    host.start_again().await;
    for (invocation, ms) in accepted {
        assert_eq!(host.ingress().attach(&invocation).await.ok(), json!(ms));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_answered_or_can_be_repeated() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let door = host.ingress();
    let call = tokio::spawn(async move {
        let request = || {
            let request = door.request(Method::POST, "/Probe/sleep").header("idempotency-key", "k");
            request.json(&json!({ "ms": 5_000 }))
        };
        door.insist(request).await
    });
    while host.admin().get("/invocations?limit=1").await.ok()["invocations"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        tokio::task::yield_now().await;
    }
    let status = host.terminate().await;
    assert!(status.success(), "{status}\n{}", host.log());
    host.start_again().await;
    assert_eq!(call.await.expect("the client does not panic").ok(), json!(5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_still_wait_are_told_to_come_again() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let ms = u64::try_from(2 * REQUEST_GRACE.as_millis()).expect("a short time");
    let invocation = host.ingress().send("/Probe/sleep", &json!({ "ms": ms })).await;
    let (door, attach) = (host.ingress(), format!("/restate/invocation/{invocation}/attach"));
    let waiting = tokio::spawn(async move { door.get(&attach).await });
    while !host.admin().get("/metrics").await.body.contains("holiday_ingress_requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    let status = host.terminate().await;
    assert!(status.success(), "{status}\n{}", host.log());
    let (status, code, message) = waiting.await.expect("the client does not panic").error();
    assert_eq!((status, code.as_str()), (503, "HH0038"), "{message}");
    host.start_again().await;
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!(ms));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_work_stops_at_once() {
    let mut host = TestHost::start(Setup::default()).await;
    let status = host.terminate().await;
    assert!(status.success(), "{status}\n{}", host.log());
}
