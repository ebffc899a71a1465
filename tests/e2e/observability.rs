//! What a host tells those who watch it: log lines and metrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_is_logged_once_however_often_it_is_replayed() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    // It suspends, and is replayed by another process.
    let invocation = host.ingress().send("/Probe/sleep", &json!({ "ms": 1_500 })).await;
    host.wait_for(&invocation, |it| it["status"] == "suspended").await;
    let about = format!("method=Probe/sleep invocationID={invocation}");
    let begins = format!("Handling invocation {about}");
    let ends = format!("Invocation completed successfully {about}");
    assert_eq!(host.lines_with(&begins, 1).await.len(), 1);
    assert!(!host.log().contains(&ends), "it has not ended");
    host.kill_and_start_again().await;
    host.ingress().attach(&invocation).await.ok();
    let ended = host.lines_with(&ends, 1).await;

    // What comes after is in the log, so nothing of the first one is still to come.
    let last = host.ingress().send("/Probe/echo", &json!(1)).await;
    host.lines_with(&format!("Invocation completed successfully method=Probe/echo invocationID={last}"), 1)
        .await;
    assert_eq!(host.lines_with(&begins, 1).await.len(), 1, "{}", host.log());
    assert_eq!(host.lines_with(&ends, 1).await, ended, "{}", host.log());
    assert!(ended[0].contains(" INFO ") && ended[0].ends_with(&ends), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_operators_are_logged() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let failed =
        host.ingress().post("/Probe/fail_terminal", &json!({ "code": 418, "message": "short" })).await;
    let invocation = failed.invocation_id.expect("an id");
    let line =
        host.lines_with(&format!("method=Probe/fail_terminal invocationID={invocation} error"), 1).await;
    assert!(
        line[0].contains(r#"Invocation failed"#) && line[0].ends_with(r#"error="[418] short""#),
        "{line:?}"
    );

    let invocation = host.ingress().send("/Probe/fail_retryable", &json!("no luck")).await;
    let about = format!("method=Probe/fail_retryable invocationID={invocation}");
    let lines = host.lines_with(&format!("Attempt failed {about}"), 2).await;
    assert!(lines[0].contains(" WARN "), "{lines:?}");
    assert!(lines[0].ends_with(r#" attempt=1 error="HH0025: no luck" next_in_ms=100"#), "{lines:?}");
    assert!(lines[1].ends_with(r#" attempt=2 error="HH0025: no luck" next_in_ms=200"#), "{lines:?}");
    // Any status from which these are possible: between two attempts, and while one runs.
    host.wait_for(&invocation, |it| it["status"] == "backing-off").await;
    for (verb, said) in [
        ("pause", "Invocation paused"),
        ("resume", "Invocation resumed"),
        ("cancel", "Cancelling invocation"),
        ("kill", "Invocation killed"),
    ] {
        let answer = host.admin().patch(&format!("/invocations/{invocation}/{verb}")).await;
        assert!((200..300).contains(&answer.status), "{verb}: {answer:?}");
        assert_eq!(host.lines_with(&format!("{said} {about}"), 1).await.len(), 1, "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_for_machines_say_whose_they_are() {
    let setup = Setup::guests(&["probe"]).options(&["--log-format", "json"]);
    let host = TestHost::start(setup.variable("HOLIDAY_LOG", "info,invocation=debug")).await;
    let called = host.ingress().post_empty("/Probe/run_once").await;
    let invocation = called.invocation_id.clone().expect("an id");
    called.ok();
    let slept = host.ingress().post("/Probe/sleep", &json!({ "ms": 200 })).await;
    let sleeper = slept.invocation_id.clone().expect("an id");
    host.lines_with(&format!("{sleeper}\",\"invocation"), 4).await;

    let log = host.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(
        story(&lines, &invocation),
        [
            "INFO invocation: Handling invocation",
            "INFO guest: the closure is executed (attempt 1)",
            "INFO invocation: Invocation completed successfully",
        ]
    );
    assert_eq!(
        story(&lines, &sleeper),
        [
            "INFO invocation: Handling invocation",
            "DEBUG invocation: Invocation suspended (attempt 1)",
            "DEBUG invocation: Resuming invocation (attempt 2)",
            "INFO invocation: Invocation completed successfully",
        ]
    );
    for line in lines.iter().filter(|line| line["target"] == "invocation") {
        assert_eq!(line["invocation"], line["invocationID"], "{line}");
        assert!(["Probe/run_once", "Probe/sleep"].map(Value::from).contains(&line["method"]), "{line}");
    }
}

/// What the log says of one invocation.
fn story(lines: &[Value], invocation: &str) -> Vec<String> {
    let about = lines.iter().filter(|line| line["invocation"] == invocation);
    about
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}"));
            let attempt = line.get("attempt").map(|it| format!(" (attempt {it})")).unwrap_or_default();
            format!("{} {}: {}{attempt}", text("level"), text("target"), text("message"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_done() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let before = Scrape::of(&host).await;
    for number in 0..3 {
        host.ingress().post("/Probe/echo", &json!(number)).await.ok();
    }
    host.ingress().post("/Probe/fail_terminal", &json!({ "code": 418, "message": "short" })).await.error();
    host.ingress().post_empty("/Probe/run_once").await.ok();
    host.ingress().post("/Probe/sleep", &json!({ "ms": 300 })).await.ok();
    host.ingress().post("/Probe/join3", &json!([1, 1, 1])).await.ok();
    assert_eq!(host.ingress().post("/Nobody/echo", &json!(1)).await.status, 404);
    let sleeper = host.ingress().send("/Probe/sleep", &json!({ "ms": 600_000 })).await;
    host.wait_for(&sleeper, |it| it["status"] == "suspended").await;
    let after =
        Scrape::with(&host, r#"holiday_invocations_completed_total{service="Probe",outcome="success"}"#, 9.0)
            .await;

    let grown = |name: &str| after.value(name) - before.value(name);
    for (name, expected) in [
        (r#"holiday_invocations_accepted_total{service="Probe"}"#, 11.0),
        (r#"holiday_invocations_completed_total{service="Probe",outcome="success"}"#, 9.0),
        (r#"holiday_invocations_completed_total{service="Probe",outcome="failure"}"#, 1.0),
        (r#"holiday_requests_total{door="ingress",status="2xx"}"#, 7.0),
        (r#"holiday_requests_total{door="ingress",status="4xx"}"#, 2.0),
        (r#"holiday_requests_refused_total{door="ingress",code="HH0001"}"#, 1.0),
        (r#"holiday_ingress_request_duration_seconds_count{kind="send"}"#, 1.0),
        (r#"holiday_run_steps_total{outcome="success"}"#, 1.0),
        ("holiday_attempts_failed_total", 0.0),
    ] {
        assert_eq!(grown(name), expected, "{name}");
    }
    // The one that sleeps, the one that slept, and perhaps those that waited for each other.
    assert!(grown("holiday_attempts_suspended_total") >= 2.0);
    assert!(grown("holiday_attempts_replayed_total") >= 1.0);
    assert!(grown("holiday_log_commits_total") > 0.0);
    assert!(grown("holiday_log_records_total") >= grown("holiday_log_commits_total"));
    assert_eq!(grown("holiday_log_batch_records_sum"), grown("holiday_log_records_total"));
    assert_eq!(grown("holiday_log_commit_duration_seconds_count"), grown("holiday_log_commits_total"));
    assert_eq!(after.value(r#"holiday_invocations{status="suspended"}"#), 1.0);
    assert_eq!(after.value(r#"holiday_invocations{status="running"}"#), 0.0);
    assert_eq!(after.value("holiday_components_loaded"), 1.0);
    assert_eq!(after.value("holiday_component_compile_duration_seconds_count"), 1.0);
    assert!(after.value(r#"holiday_data_file_bytes{file="log.redb"}"#) > 0.0);
    assert!(after.value("holiday_state_overlay_bytes") > 0.0);
}

/// The metrics at one moment.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    async fn of(host: &TestHost) -> Self {
        let answer = host.admin().get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.ends_with("# EOF\n"), "{answer:?}");
        let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
        Scrape(samples.map(Scrape::sample).collect())
    }

    /// Waits until a metric has a value: callers get their answer before it is counted.
    async fn with(host: &TestHost, name: &str, value: f64) -> Self {
        loop {
            let scrape = Scrape::of(host).await;
            if scrape.value(name) >= value {
                return scrape;
            }
        }
    }

    fn sample(line: &str) -> (String, f64) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The value of a metric; zero if it was not counted yet.
    fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}
