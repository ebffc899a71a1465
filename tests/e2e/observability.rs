//! What a host tells those who watch it.

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
