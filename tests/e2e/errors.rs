//! Every row of the ingress's table of errors: its status, its code, who says so, and what the message names.
//!
//! | Status | Here |
//! |---|---|
//! | 400 | [`malformed_requests`], [`inputs_that_do_not_fit`], [`requests_that_a_handler_does_not_take`] |
//! | 404 | [`what_does_not_exist`] |
//! | 405, 413, 415 | [`methods_sizes_and_types`], [`huge_bodies_are_not_kept`] |
//! | 409 | [`conflicts`] |
//! | 429, 503 | [`bounds`], [`a_crowd_before_one_key`] |
//! | 470 | [`an_outcome_that_is_not_there_yet`] |
//! | a failure's own | [`failures_of_handlers`] |

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, peak_kib};
use crate::http::{Answer, send};

const JSON: &str = "application/json";

/// An id that is well-formed and was never given to an invocation.
const NOBODY: &str = "inv_111111111111111111111111";

/// Checks an error: `status code source`, and words of its message.
#[track_caller]
fn check(answer: &Answer, expected: &str, words: &[&str]) {
    let (status, code, message) = answer.error();
    let source = answer.header("x-restate-error-source").unwrap_or("nobody");
    assert_eq!(format!("{status} {code} {source}"), expected, "{message}");
    let body = answer.json();
    assert_eq!(body["code"], status, "the body says the status, too");
    assert!(body["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{body}");
    for word in words {
        assert!(message.contains(word), "'{word}' in: {message}");
    }
}

async fn probe() -> TestHost {
    TestHost::start(Setup::guests(&["probe"])).await
}

/// How many invocations there are.
async fn count(host: &TestHost) -> usize {
    let page = host.admin().get("/invocations?limit=1000").await.ok();
    page["invocations"].as_array().expect("a page").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() {
    let host = probe().await;
    let door = host.ingress();
    for (path, expected, words) in [
        ("/ProbeObject//get", "400 HH0003 ingress", ["empty segment", "not empty"]),
        ("/ProbeObject/%zz/keys", "400 HH0003 ingress", ["'%zz'", "two hexadecimal digits"]),
        ("/ProbeObject/%ff/keys", "400 HH0003 ingress", ["'%ff'", "UTF-8"]),
        ("/ProbeObject/keys", "400 HH0003 ingress", ["is keyed", "ProbeObject/<key>/keys"]),
        ("/Probe/k/nothing", "400 HH0003 ingress", ["takes no key", "'k'"]),
        (&format!("/ProbeObject/{}/keys", "k".repeat(5_000)), "400 HH0003 ingress", ["5000 bytes", "4096"]),
        ("/Probe/nothing/send?delay=soon", "400 HH0031 ingress", ["'soon'", "PT10S"]),
        ("/Probe/nothing?delay=1s", "400 HH0031 ingress", ["/send", "delay"]),
    ] {
        check(&door.post_empty(path).await, expected, &words);
    }
    let nonsense = door.get("/restate/invocation/inv_nonsense/attach").await;
    check(&nonsense, "400 HH0030 ingress", &["'inv_nonsense'"]);
    let nonsense = door.post("/restate/awakeables/awk_nonsense/resolve", &json!(1)).await;
    check(&nonsense, "400 HH0030 ingress", &["'awk_nonsense'"]);

    let with = |name: &str, value: &[u8]| {
        let value = HeaderValue::from_bytes(value).expect("bytes that a header can have");
        send(door.request(Method::POST, "/Probe/nothing").header(name, value))
    };
    check(&with("x-name", b"\xff").await.expect("an answer"), "400 HH0004 ingress", &["'x-name'", "UTF-8"]);
    check(&with("idempotency-key", b" ").await.expect("an answer"), "400 HH0029 ingress", &["empty"]);
    check(&with("idempotency-key", b"\xff").await.expect("an answer"), "400 HH0029 ingress", &["UTF-8"]);
    assert_eq!(count(&host).await, 0, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_do_not_fit() {
    let host = probe().await;
    let door = host.ingress();
    for path in ["/Probe/call", "/Probe/call/send", "/restate/call/Probe/call", "/restate/send/Probe/call"] {
        let text = br#"{"target": {"service": "#.to_vec();
        check(&door.post_bytes(path, JSON, text).await, "400 HH0004 ingress", &["not JSON", "column"]);
        let wrong = json!({ "target": { "service": "Probe", "handler": 7 }, "headers": [["a", 1]] });
        let words = [".target.handler is 7, not a string", ".headers[0][1] is 1, not a string"];
        check(&door.post(path, &wrong).await, "400 HH0004 ingress", &words);
        let in_envelope = json!({ "request": { "target": { "service": "Probe" } } });
        check(
            &door.post(path, &in_envelope).await,
            "400 HH0004 ingress",
            &[r#".target lacks the field "handler""#],
        );
    }
    let unread = json!({ "request": 1, "headers": {} });
    check(&door.post("/Probe/sleep", &unread).await, "400 HH0032 ingress", &["'headers'"]);
    check(&door.post_empty("/Probe/sleep").await, "400 HH0004 ingress", &["empty"]);
    check(&door.post("/Probe/nothing", &json!([1])).await, "400 HH0004 ingress", &["takes no input"]);
    assert_eq!(count(&host).await, 0, "nothing was recorded");

    // What the schema lets through, the handler's own decoder judges.
    let judged = door.post("/Probe/sleep", &json!({ "ms": 1.0 })).await;
    check(&judged, "400 HH0015 invocation", &["ms", "invalid type"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_a_handler_does_not_take() {
    let host = probe().await;
    let door = host.ingress();
    for path in ["/Policies/private", "/Policies/private/send", "/restate/call/Policies/private"] {
        check(&door.post_empty(path).await, "400 HH0050 ingress", &["Policies/private", "private"]);
    }
    for path in ["/ProbeWorkflow/w/run", "/ProbeWorkflow/w/run/send"] {
        let with_key = door.request(Method::POST, path).header("idempotency-key", "k").json(&json!(1));
        check(&send(with_key).await.expect("an answer"), "400 HH0029 ingress", &["ProbeWorkflow/w/run"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist() {
    let host = probe().await;
    let door = host.ingress();
    check(
        &door.post_empty("/Prob/nothing").await,
        "404 HH0001 ingress",
        &["'Prob'", "did you mean 'Probe'?"],
    );
    check(
        &door.post_empty("/Probe/nothin").await,
        "404 HH0002 ingress",
        &["'nothin'", "did you mean 'nothing'?"],
    );
    check(&door.get("/").await, "404 HH0048 ingress", &["'/'"]);
    for verb in ["attach", "output"] {
        let invocation = door.get(&format!("/restate/invocation/{NOBODY}/{verb}")).await;
        check(&invocation, "404 HH0018 ingress", &[NOBODY]);
        let by_key = door.get(&format!("/restate/invocation/Probe/nothing/k/{verb}")).await;
        check(&by_key, "404 HH0018 ingress", &["Probe/nothing", "'k'"]);
        let workflow = door.get(&format!("/restate/workflow/ProbeWorkflow/w/{verb}")).await;
        check(&workflow, "404 HH0018 ingress", &["ProbeWorkflow/w"]);
        let workflow = door.get(&format!("/restate/workflow/ProbeWorkflo/w/{verb}")).await;
        check(&workflow, "404 HH0001 ingress", &["did you mean 'ProbeWorkflow'?"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_sizes_and_types() {
    let host = probe().await;
    let door = host.ingress();
    let delete = send(door.request(Method::DELETE, "/Probe/nothing")).await.expect("an answer");
    check(&delete, "405 HH0033 ingress", &["DELETE", "GET, POST"]);
    assert_eq!(delete.header("allow"), Some("GET, POST"));
    check(&door.get("/Probe/echo").await, "405 HH0033 ingress", &["Probe/echo takes POST"]);
    check(&door.get("/Probe/nothing/send").await, "405 HH0033 ingress", &["POST"]);

    let large = vec![b'1'; 8 * 1024 * 1024 + 1];
    let refused = door.post_bytes("/Probe/echo", JSON, large).await;
    check(&refused, "413 HH0013 ingress", &["8388608 bytes", "pass a reference"]);
    let text = door.post_bytes("/Probe/sleep", "text/plain", b"5".to_vec()).await;
    check(&text, "415 HH0034 ingress", &[JSON, "'text/plain'"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts() {
    let host = probe().await;
    let door = host.ingress();
    let run = door.send("/ProbeWorkflow/w/run", &json!(1)).await;
    let again = door.post("/ProbeWorkflow/w/run", &json!(1)).await;
    check(&again, "409 HH0037 ingress", &["ProbeWorkflow/w/run", "attach"]);
    let sent = door.post("/ProbeWorkflow/w/run/send", &json!(1)).await.ok();
    assert_eq!(sent, json!({ "invocationId": run, "status": "PreviouslyAccepted" }));

    door.post_empty("/Gate/g/open").await.ok();
    let twice = door.post_empty("/Gate/g/open").await;
    check(&twice, "409 HH0063 invocation", &["'open'"]);

    let waits = door.send_empty("/Gate/other/pass").await;
    host.admin().patch(&format!("/invocations/{waits}/cancel")).await;
    check(&door.attach(&waits).await, "409 HH0016 invocation", &["cancelled"]);
    let waits = door.send_empty("/Gate/other/pass").await;
    host.admin().patch(&format!("/invocations/{waits}/kill")).await;
    check(&door.attach(&waits).await, "409 HH0017 invocation", &["killed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds() {
    let mut narrow = Setup::guests(&["probe"]);
    // The slow body keeps its place until it is dropped.
    for (name, value) in
        [("IN_FLIGHT_REQUESTS", "2"), ("BODY", "1 KiB"), ("BODY_TIMEOUT", "1h"), ("IN_FLIGHT_BODY", "1 KiB")]
    {
        narrow = narrow.variable(&format!("HOLIDAY_LIMITS_{name}"), value);
    }
    let host = TestHost::start(narrow).await;
    let door = host.ingress();
    let slow = begin_post(&host, 1_024, &[b' '; 1_000]);
    let refused = loop {
        let answer = door.post("/Probe/echo", &json!("x".repeat(500))).await;
        if answer.status != 200 {
            break answer;
        }
    };
    check(&refused, "503 HH0028 ingress", &["large bodies"]);
    assert_eq!(refused.header("retry-after"), Some("1"));

    let waiting = tokio::spawn({
        let door = door.clone();
        async move { door.post_empty("/Gate/g/pass").await }
    });
    while count(&host).await == 0 {
        tokio::task::yield_now().await;
    }
    let refused = door.post("/Probe/echo", &json!(1)).await;
    check(&refused, "503 HH0028 ingress", &["2 requests"]);
    assert_eq!(refused.header("retry-after"), Some("1"));
    waiting.abort();
    drop(slow);
    // Their places are free again, although the invocation goes on.
    let echo = || door.request(Method::POST, "/Probe/echo").json(&json!(1));
    assert_eq!(door.insist(echo).await.ok(), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_before_one_key() {
    let host = probe().await;
    let door = host.ingress();
    let holds = door.send("/ProbeObject/busy/slow_add", &json!({ "ms": 3_600_000 })).await;
    host.wait_for(&holds, |it| it["status"] == "suspended").await;
    // Handlers may go on queueing, callers may not.
    for _ in 0..2 {
        door.post("/Clients/crowd", &json!({ "key": "busy", "times": 50_000 })).await.ok();
    }
    let refused = door.post("/ProbeObject/busy/slow_add", &json!({ "ms": 0 })).await;
    check(&refused, "429 HH0028 ingress", &["100000", "ProbeObject/busy/slow_add"]);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(door.post("/ProbeObject/other/slow_add", &json!({ "ms": 0 })).await.ok(), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_not_there_yet() {
    let host = probe().await;
    let door = host.ingress();
    let waits = door.send_empty("/Gate/g/run").await;
    for path in [format!("/restate/invocation/{waits}/output"), "/restate/workflow/Gate/g/output".to_owned()]
    {
        check(&door.get(&path).await, "470 HH0019 ingress", &[&waits, "attach"]);
    }
    door.post_empty("/Gate/g/open").await.ok();
    assert_eq!(door.attach(&waits).await.ok(), json!("open"));
    assert_eq!(door.get("/restate/workflow/Gate/g/output").await.ok(), json!("open"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_handlers() {
    let host = probe().await;
    let door = host.ingress();
    let teapot = json!({ "code": 418, "message": "short and stout" });
    let failed = door.post("/Probe/fail_terminal", &teapot).await;
    check(&failed, "418 HH0015 invocation", &["short and stout"]);
    assert!(failed.invocation_id.is_some(), "it was an invocation");
    check(
        &door.post("/Probe/run_terminal", &json!("no seats")).await,
        "500 HH0015 invocation",
        &["no seats"],
    );
    // Also for those who come later.
    let sent = door.send("/Probe/fail_terminal", &teapot).await;
    check(&door.attach(&sent).await, "418 HH0015 invocation", &["short and stout"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_reaches_the_handler() {
    let host = probe().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request =
        host.ingress().request(Method::POST, "/Probe/invocation").header("traceparent", traceparent);
    let seen = send(request.header("x-restate-id", "forged")).await.expect("an answer").ok();
    let headers = seen["headers"].as_array().expect("headers");
    assert!(headers.contains(&json!(["traceparent", traceparent])), "{headers:?}");
    assert!(!seen.to_string().contains("forged"), "{headers:?}");
}

/// Sends the head of a request, and of its body only the beginning.
fn begin_post(host: &TestHost, length: usize, beginning: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(host.ingress_address()).expect("the host listens");
    let head = format!(
        "POST /Probe/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).expect("a connection");
    connection.write_all(beginning).expect("a connection");
    connection
}

/// Sends a body in chunks, and returns how many bytes of it were taken, and what came back.
fn post_in_chunks(host: &TestHost, bytes: usize) -> (usize, String) {
    let mut connection = TcpStream::connect(host.ingress_address()).expect("the host listens");
    let head = "POST /Probe/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).expect("a connection");
    let chunk = [b"10000\r\n".as_slice(), &[b'1'; 0x1_0000], b"\r\n"].concat();
    let mut taken = 0;
    while taken < bytes && connection.write_all(&chunk).is_ok() {
        taken += 0x1_0000;
    }
    // The host may have closed the connection by now, and its answer may be lost with that.
    drop(connection.write_all(b"0\r\n\r\n"));
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    (taken, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_bodies_are_not_kept() {
    const MIB: usize = 1024 * 1024;
    let host = probe().await;
    let post = |bytes| tokio::task::block_in_place(|| post_in_chunks(&host, bytes));
    post(36 * MIB);
    let before_kib = peak_kib(host.pid());
    for _ in 0..5 {
        let (taken, answer) = post(36 * MIB);
        assert_eq!(taken, 36 * MIB, "it is read to its end");
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("HH0013"), "{answer}");
    }
    let (taken, _) = post(400 * MIB);
    assert!(taken < 100 * MIB, "{taken} bytes were taken of one that does not end");
    let grown_kib = peak_kib(host.pid()) - before_kib;
    assert!(grown_kib < 24 * 1024, "{grown_kib} KiB more than after the first one");
    assert_eq!(host.ingress().post("/Probe/echo", &json!(1)).await.ok(), Value::from(1));
}
