//! The commands against a running host, as a user types them.

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, guest, holiday_host, output, same_again, stdout};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_registered_and_called() {
    let host = TestHost::start(Setup::default()).await;
    let probe = guest("probe");
    let probe = probe.to_str().expect("a path");
    // In this order, as the pages of the originals have it.
    let registered = host.run(&["-y", "deployments", "register", "--force", probe]).await;
    assert!(stdout(&registered).contains("ProbeObject"));
    stdout(&host.run(&["dp", "add", probe]).await);

    let listed = stdout(&host.run(&["deployments", "list"]).await);
    let id = listed.split_whitespace().find(|word| word.starts_with("dp_")).expect("a deployment");
    assert!(stdout(&host.run(&["dp", "describe", id]).await).contains("sha256:"));
    assert_eq!(host.run_json(&["dp", "describe", id]).await["id"], id);
    let services = stdout(&host.run(&["svc", "list"]).await);
    assert!(services.contains("ProbeWorkflow") && services.contains("workflow"), "{services}");

    let configured =
        host.run(&["svc", "configure", "Probe", "--handler", "echo", "--set", "timeout=30s"]).await;
    assert!(stdout(&configured).contains("Policy of echo:"));
    let described = stdout(&host.run(&["svc", "describe", "Probe"]).await);
    assert!(described.contains(" timeout                 30s\n"), "{described}");
    assert!(described.contains("retry.max-attempts      20\n"), "{described}");
    let misspelt = host.run(&["svc", "configure", "Probe", "--set", "timout=30s"]).await;
    assert_eq!(misspelt.status.code(), Some(1));
    let text = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(
        text.contains("error[HH0042]: in the options, there is no key 'timout'; did you mean 'timeout'?"),
        "{text}"
    );

    let answer = host.run(&["call", "Probe/echo", r#"{"a": 1}"#]).await;
    assert_eq!(stdout(&answer).trim(), r#"{"a":1}"#);
    let value = r#"{"name": "package-info", "value": {"at": "sea"}}"#;
    stdout(&host.run(&["call", "ProbeObject/a/b/set", value]).await);
    assert_eq!(
        stdout(&host.run(&["kv", "get", "ProbeObject", "a/b"]).await),
        "State:\n Service  ProbeObject\n Key      a/b\n\n KEY           VALUE\n package-info  {\n                 \"at\": \"sea\"\n               }\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_is_steered() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let sent =
        host.run(&["call", "Probe/sleep", r#"{"ms": 600000}"#, "--send", "--idempotency-key", "k"]).await;
    let accepted: Value = serde_json::from_str(&stdout(&sent)).expect("JSON");
    let id = accepted["invocationId"].as_str().expect("an id");

    assert!(stdout(&host.run(&["inv", "list"]).await).contains(id));
    assert!(stdout(&host.run(&["inv", "describe", id]).await).contains("Probe"));
    stdout(&host.run(&["inv", "pause", id]).await);
    assert_eq!(host.invocation(id).await["status"], "paused");
    stdout(&host.run(&["inv", "resume", id]).await);
    stdout(&host.run(&["inv", "cancel", id]).await);
    let (status, code, _) = host.ingress().attach(id).await.error();
    assert_eq!((status, code.as_str()), (409, "HH0016"));
    stdout(&host.run(&["-y", "inv", "purge", id]).await);
    let (_, code, _) = host.ingress().get(&format!("/restate/invocation/{id}/output")).await.error();
    assert_eq!(code, "HH0018");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_reaches_the_command_line_with_its_code() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let failed = host.run(&["call", "Probe/fail_terminal", r#"{"code": 418, "message": "teapot"}"#]).await;
    assert_eq!(failed.status.code(), Some(1));
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(text.contains("error[HH0015]: teapot\nhelp: holiday-host explain HH0015\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_is_explained() {
    let mut explain = holiday_host();
    explain.args(["explain", "hh7"]);
    assert!(stdout(&output(explain).await).starts_with("# HH0007: "));
    let mut all = holiday_host();
    all.arg("explain");
    assert!(stdout(&output(all).await).lines().count() > 40);
    let mut completions = holiday_host();
    completions.args(["completions", "bash"]);
    assert!(stdout(&output(completions).await).contains("_holiday__host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_component_takes_over_while_the_old_one_finishes() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let (old, old_awakeable) = wait_for_awakeable(&host, "old").await;

    let file = same_again(&guest("probe"), host.folder());
    stdout(&host.run(&["dp", "register", file.to_str().expect("a path")]).await);
    let (new, new_awakeable) = wait_for_awakeable(&host, "new").await;

    let deployments = [deployment(&host, &old).await, deployment(&host, &new).await];
    assert_ne!(deployments[0], deployments[1]);
    host.setup.components.clear();
    std::fs::remove_file(&file).expect("it is there");
    host.kill_and_start_again().await;
    assert_eq!([deployment(&host, &old).await, deployment(&host, &new).await], deployments);
    for (invocation, awakeable) in [(old, old_awakeable), (new, new_awakeable)] {
        let resolve = format!("/restate/awakeables/{awakeable}/resolve");
        assert_eq!(host.ingress().post(&resolve, &json!("done")).await.status, 202);
        assert_eq!(host.ingress().attach(&invocation).await.ok(), json!("done"));
    }
}

/// Starts a handler that waits, and returns its invocation and what it waits for.
pub(crate) async fn wait_for_awakeable(host: &TestHost, name: &str) -> (String, String) {
    let invocation = host.ingress().send("/Probe/awakeable", &json!({ "publish_to": name })).await;
    loop {
        if let Some(id) = host.state("ProbeObject", name).await["awakeables"][0].as_str() {
            return (invocation, id.to_owned());
        }
    }
}

/// The component that an invocation began on.
async fn deployment(host: &TestHost, invocation: &str) -> String {
    let pinned = host.wait_for(invocation, |it| it["deployment"].is_string()).await;
    pinned["deployment"].as_str().expect("a deployment").to_owned()
}
