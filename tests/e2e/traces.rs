//! What a collector of traces sees of calls, steps, suspensions and crashes.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::collector::{Collector, Span};
use crate::harness::{ANY_PORT, Setup, TestHost, output};
use crate::http::Answer;

const CALLER: &str = "b7ad6b7169203331";

/// A host that sends spans to the collector, and may send requests to it.
async fn host(collector: &Collector) -> TestHost {
    let mut setup = Setup::guests(&["probe"]);
    setup.allowed_hosts.push(collector.address().to_string());
    let setup = setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    TestHost::start(setup.variable("OTEL_SERVICE_NAME", "probes")).await
}

/// Calls a handler as part of a trace that has this flag.
async fn call(host: &TestHost, trace: &str, flag: &str, path: &str, body: &Value) -> Answer {
    let door = host.ingress();
    let request = || {
        door.request(Method::POST, path)
            .header("traceparent", format!("00-{trace}-{CALLER}-{flag}"))
            .header("tracestate", "vendor=1")
            .json(body)
    };
    door.insist(request).await
}

fn outgoing(handler: &str, input: &Value) -> Value {
    json!({ "target": { "service": "Probe", "handler": handler }, "input": input })
}

#[track_caller]
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let named: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(named.len(), 1, "'{name}' in {spans:#?}");
    named[0]
}

/// The span of this name below another one.
#[track_caller]
fn below<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.parent == parent.id && span.name == name);
    found.unwrap_or_else(|| panic!("'{name}' below '{}' in {spans:#?}", parent.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_its_callee_and_their_steps_are_one_trace() {
    let collector = Collector::start().await;
    let host = host(&collector).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let fetch = json!({ "url": collector.url() });
    let answer = call(&host, trace, "01", "/Probe/call", &outgoing("run_http", &fetch)).await;
    let invocation = answer.invocation_id.clone().expect("an id");
    assert_eq!(answer.ok(), json!({ "status": 200, "body": "hello" }));

    let names = ["call Probe/call", "Probe/call", "attempt 1", "Probe/run_http", "attempt 1", "run http"];
    let spans = collector.spans_with(trace, &names).await;
    let entry = one(&spans, "call Probe/call");
    assert_eq!(entry.parent, CALLER);
    assert_eq!(entry.attributes["http.response.status_code"], "200");
    assert_eq!(entry.attributes["holiday.invocation.id"], invocation);
    let caller = below(&spans, entry, "Probe/call");
    assert_eq!(caller.attributes["holiday.outcome"], "success");
    below(&spans, caller, "attempt 1");
    let callee = below(&spans, caller, "Probe/run_http");
    let attempt = below(&spans, callee, "attempt 1");
    assert_eq!(attempt.attributes["holiday.attempt.end"], "ended");
    let step = below(&spans, attempt, "run http");
    assert_eq!(step.attributes["holiday.run.outcome"], "success");
    assert_eq!(
        collector.traceparents(),
        [format!("00-{trace}-{}-01", step.id)],
        "the step's request names it"
    );
    for span in &spans {
        assert_eq!((span.service.as_str(), span.trace_state.as_str()), ("probes", "vendor=1"), "{span:?}");
        assert!(!span.is_error, "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_is_one_span_across_suspensions_and_crashes() {
    let collector = Collector::start().await;
    let mut host = host(&collector).await;
    let trace = "11111111111111111111111111111111";
    let accepted = call(&host, trace, "01", "/Probe/sleep/send", &json!({ "ms": 1_500 })).await;
    let invocation = accepted.json()["invocationId"].as_str().expect("an id").to_owned();
    host.wait_for(&invocation, |it| it["status"] == "suspended").await;
    collector.spans_with(trace, &["send Probe/sleep", "attempt 1"]).await;
    host.kill_and_start_again().await;
    host.ingress().attach(&invocation).await.ok();

    let spans =
        collector.spans_with(trace, &["send Probe/sleep", "Probe/sleep", "attempt 1", "attempt 2"]).await;
    let span = below(&spans, one(&spans, "send Probe/sleep"), "Probe/sleep");
    assert_eq!(span.id, one(&spans, "Probe/sleep").id);
    assert!(span.duration >= Duration::from_millis(1_500), "from acceptance to end: {span:?}");
    assert_eq!(below(&spans, span, "attempt 1").attributes["holiday.attempt.end"], "suspended");
    assert_eq!(below(&spans, span, "attempt 2").attributes["holiday.attempt.end"], "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_stays_in_the_trace_when_its_sender_is_gone() {
    let collector = Collector::start().await;
    let host = host(&collector).await;
    let trace = "22222222222222222222222222222222";
    let mut sent = outgoing("fail_terminal", &json!({ "code": 418, "message": "short and stout" }));
    sent["delay_ms"] = json!(300);
    call(&host, trace, "01", "/Probe/send", &sent).await.ok();

    let spans = collector.spans_with(trace, &["Probe/send", "Probe/fail_terminal"]).await;
    let callee = below(&spans, one(&spans, "Probe/send"), "Probe/fail_terminal");
    assert!(callee.is_error && callee.attributes["holiday.outcome"] == "failure", "{callee:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_does_not_record_is_passed_on_and_not_sent() {
    let collector = Collector::start().await;
    let mut host = host(&collector).await;
    let (silent, after) = ("33333333333333333333333333333333", "44444444444444444444444444444444");
    let fetch = json!({ "url": collector.url() });
    call(&host, silent, "00", "/Probe/run_http", &fetch).await.ok();
    call(&host, after, "01", "/Probe/echo", &json!(1)).await.ok();
    // A host that stops sends what is left.
    assert!(host.terminate().await.success());
    one(&collector.spans(after), "Probe/echo");
    one(&collector.spans(after), "attempt 1");
    assert_eq!(collector.spans(silent), []);
    let parents = collector.traceparents();
    assert!(parents[0].starts_with(&format!("00-{silent}-")) && parents[0].ends_with("-00"), "{parents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_parent_a_trace_begins_and_a_malformed_one_is_none() {
    let collector = Collector::start().await;
    let host = host(&collector).await;
    let door = host.ingress();
    let request = || {
        let request = door.request(Method::POST, "/Probe/run_http").header("traceparent", "00-xyz-01");
        request.json(&json!({ "url": collector.url() }))
    };
    door.insist(request).await.ok();
    let parent = collector.traceparents().remove(0);
    let trace = parent.split('-').nth(1).expect("four parts");
    let spans = collector.spans_with(trace, &["call Probe/run_http", "Probe/run_http", "run http"]).await;
    assert_eq!(one(&spans, "call Probe/run_http").parent, "", "it is the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_changes_nothing() {
    let collector = Collector::start().await;
    let mut host = host(&collector).await;
    drop(collector);
    for number in 0..50 {
        assert_eq!(host.ingress().post("/Probe/echo", &json!(number)).await.ok(), json!(number));
    }
    host.lines_with("the collector does not take spans", 1).await;
    let metrics = host.admin().get("/metrics").await.body;
    let lost = metrics.lines().find_map(|line| line.strip_prefix("holiday_spans_lost_total "));
    assert!(lost.is_some_and(|lost| lost.parse::<f64>().is_ok_and(|lost| lost >= 1.0)), "{lost:?}");
    assert!(host.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_as_configured_is_refused() {
    let host = TestHost::start(Setup::default()).await;
    let endpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (variables, value, code, status) in [
        (vec![(endpoint, "https://localhost:4318")], "https://localhost:4318", "HH0056", 1),
        (vec![(endpoint, "localhost:4318")], "localhost:4318", "HH0042", 2),
        (
            vec![(endpoint, "http://localhost:4318"), ("OTEL_TRACES_SAMPLER", "allways_on")],
            "allways_on",
            "HH0056",
            1,
        ),
    ] {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let mut command = host.command_on(&dir.path().join("data"), ANY_PORT, ANY_PORT);
        command.envs(variables).stdout(Stdio::null());
        let refused = output(command).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(status), "{said}");
        assert!(said.contains(code) && said.contains(value), "{said}");
    }
}
