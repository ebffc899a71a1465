//! A client that does not wait for long: it goes away, comes back with the same idempotency key until it gets the answer,
//! and gets the same one ever after. The query ends when the test opens its gate.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};
use crate::http::{Answer, send};

/// How long the client waits for one answer.
const PATIENCE: Duration = Duration::from_millis(500);

fn request(host: &TestHost, key: &str) -> RequestBuilder {
    let request = host.ingress().request(Method::POST, "/Clients/query").header("idempotency-key", key);
    request.json(&json!({ "gate": key }))
}

/// Lets the query end.
async fn open_gate(host: &TestHost, key: &str) {
    host.ingress().post_empty(&format!("/Gate/{key}/open")).await.ok();
}

/// Asks once, for as long as the client's patience lasts; what went wrong, in the words of the client.
async fn ask_once(host: &TestHost, key: &str) -> Result<Answer, String> {
    send(request(host, key).timeout(PATIENCE)).await.map_err(|error| match error.is_timeout() {
        true => format!("timeout of {}ms exceeded", PATIENCE.as_millis()),
        false => error.to_string(),
    })
}

/// Asks until there is an answer; returns it with the number of attempts.
async fn ask(host: &TestHost, key: &str) -> (usize, Answer) {
    let mut backoff = Duration::from_millis(100);
    for attempt in 1.. {
        match ask_once(host, key).await {
            Ok(answer) => return (attempt, answer),
            Err(error) => println!("Attempt #{attempt} failed with {error}. Backing off for {backoff:?}..."),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(PATIENCE);
    }
    unreachable!("it asks for ever")
}

/// Asks and goes away, until the host has heard it; returns the invocation.
async fn ask_and_go_away(host: &TestHost, key: &str) -> Value {
    loop {
        let gone = ask_once(host, key).await.expect_err("the query has not ended");
        assert_eq!(gone, "timeout of 500ms exceeded");
        let (mut invocations, _) = queries(host).await;
        if let Some(invocation) = invocations.pop() {
            assert_eq!(invocations.len(), 0, "one query, whoever asked how often");
            return invocation;
        }
    }
}

/// All invocations of the query, and how often its work began.
async fn queries(host: &TestHost) -> (Vec<Value>, usize) {
    let page = host.admin().get("/invocations?service=Clients&handler=query").await.ok();
    let begun = host.state("ProbeObject", "queries").await;
    let count = begun["begun"].as_array().map_or(0, Vec::len);
    (page["invocations"].as_array().expect("a page").clone(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_there_for_whoever_comes_back() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let left = ask_and_go_away(&host, "k1").await;
    assert_ne!(left["status"], "completed", "its caller went away, it goes on");
    ask_once(&host, "k1").await.expect_err("the query has not ended");
    open_gate(&host, "k1").await;

    let (attempts, answer) = ask(&host, "k1").await;
    println!("Query finished with status: {} after {attempts} more attempts.", answer.status);
    assert_eq!(answer.ok()["result"], "foo");
    assert_eq!(answer.invocation_id.as_deref(), left["id"].as_str(), "the retry attached");
    assert!(answer.header("idempotency-expires").is_some(), "{answer:?}");
    check_stored(&host, "k1", &answer).await;

    open_gate(&host, "k2").await;
    let (_, other) = ask(&host, "k2").await;
    assert_ne!(other.ok()["_id"], answer.ok()["_id"], "another key is another query");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_survives_the_host() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let left = ask_and_go_away(&host, "k1").await;
    host.kill_and_start_again().await;
    open_gate(&host, "k1").await;
    let (_, answer) = ask(&host, "k1").await;
    assert_eq!(answer.ok()["result"], "foo");
    assert_eq!(answer.invocation_id.as_deref(), left["id"].as_str(), "the one from before");
    host.kill_and_start_again().await;
    check_stored(&host, "k1", &answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_with_an_envelope_and_without() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let left = ask_and_go_away(&host, "k1").await;
    let enveloped = || request(&host, "k1").json(&json!({ "request": { "gate": "k1" } }));
    let gone = send(enveloped().timeout(PATIENCE)).await.expect_err("the query has not ended");
    assert!(gone.is_timeout(), "{gone}");
    open_gate(&host, "k1").await;
    let answer = host.ingress().insist(enveloped).await;
    assert_eq!(answer.ok()["result"], "foo");
    assert_eq!(answer.invocation_id.as_deref(), left["id"].as_str(), "the envelope attached");
    check_stored(&host, "k1", &answer).await;
}

/// Who asks later gets the stored answer: the query is not worked on again.
async fn check_stored(host: &TestHost, key: &str, answer: &Answer) {
    let again = host.ingress().insist(|| request(host, key)).await;
    assert_eq!((again.outcome(), &again.invocation_id), (answer.outcome(), &answer.invocation_id));
    let (invocations, begun) = queries(host).await;
    assert_eq!((invocations.len(), begun), (1, 1), "one query, whoever asked how often");
}
