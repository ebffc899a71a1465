//! SIGTERM: what was accepted is kept, and the process ends as it should.

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
async fn a_host_without_work_stops_at_once() {
    let mut host = TestHost::start(Setup::default()).await;
    let status = host.terminate().await;
    assert!(status.success(), "{status}\n{}", host.log());
}
