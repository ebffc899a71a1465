//! What authors set beside their handlers is in force.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, stdout};
use crate::http::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_whose_time_is_over_is_cancelled_and_compensates() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let late = host.ingress().post("/Policies/timeout", &json!("late")).await;
    let (status, _, message) = late.error();
    assert_eq!((status, message.as_str()), (504, "HH0065: not done after 100 ms"));
    assert_eq!(host.state("ProbeObject", "late").await, json!({ "steps": ["do", "undo"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_whose_time_is_over_says_so_also_if_it_waits_for_a_call() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let set = ["svc", "configure", "Probe", "--handler", "call", "--set", "timeout=200ms"];
    stdout(&host.run(&set).await);
    let slow = json!({ "target": { "service": "Probe", "handler": "sleep" }, "input": { "ms": 3_600_000 } });
    let (status, code, message) = host.ingress().post("/Probe/call", &slow).await.error();
    assert_eq!((status, code.as_str()), (504, "HH0065"), "{message}");
    let page = host.admin().get("/invocations?handler=sleep&status=suspended").await.ok();
    assert_eq!(page["invocations"], json!([]), "its callee has ended with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_used_up() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let (status, _, message) = host.ingress().post_empty("/Policies/retry").await.error();
    assert_eq!(
        (status, message.as_str()),
        (500, "HH0051: failed 2 times, last with: HH0025: the line is busy")
    );
    let (status, _, message) = host.ingress().post_empty("/Policies/cpu").await.error();
    assert_eq!(status, 500);
    assert!(message.starts_with("HH0051: failed 1 times, last with: HH0023: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_kept_as_long_as_is_said() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let ask = || {
        host.ingress().request(Method::POST, "/Policies/idempotency_retention").header("idempotency-key", "k")
    };
    let first = host.ingress().insist(ask).await.ok();
    while host.ingress().insist(ask).await.ok() == first {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let run = || host.ingress().request(Method::POST, "/Brief/one/run");
    assert_eq!(host.ingress().insist(run).await.ok(), json!([null, null]));
    let again = loop {
        match host.ingress().insist(run).await {
            Answer { status: 409, .. } => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => break answer,
        }
    };
    assert_eq!(again.ok(), json!([null, null]), "state and promises went with the id");
    while host.ingress().post_empty("/Brief/one/look").await.ok() != json!([null, null]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_kept_as_long_as_is_said() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let kept = host.ingress().post_empty("/Policies/journal_retention").await.invocation_id.expect("an id");
    let journal = host.admin().get(&format!("/invocations/{kept}/journal")).await.ok();
    assert_eq!(journal["entries"][0]["command"], "sleep 'a nap' 1 ms", "{journal}");
    let forgotten = host.ingress().post_empty("/Probe/nothing").await.invocation_id.expect("an id");
    assert_eq!(host.admin().get(&format!("/invocations/{forgotten}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_handler_is_for_others_only() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let (status, code, _) = host.ingress().post_empty("/Policies/private").await.error();
    assert_eq!((status, code.as_str()), (400, "HH0050"));
    assert_eq!(host.ingress().post_empty("/Policies/not_private").await.ok(), json!("you got here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_stored_where_a_handler_asks_for_them() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let ask = |path| {
        let request = host.ingress().request(Method::POST, path).header("Authorization", "Bearer 7");
        async move { request.send().await.expect("the host answers").json::<Value>().await.expect("JSON") }
    };
    assert_eq!(ask("/Policies/keep_headers").await, json!("Bearer 7"));
    assert!(!ask("/Probe/invocation").await.to_string().contains("Bearer"), "not stored otherwise");
}
