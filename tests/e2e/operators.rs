//! What operators do when something is stuck, lost or wrong, command by command.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, failure, guest, output, renamed, same_again, stdout};
use crate::ledger::{Ledger, Reply};
use crate::page::write_program;

async fn run(host: &TestHost, args: &[&str]) -> String {
    stdout(&host.run(args).await)
}

/// Registers a component and returns its deployment.
async fn register(host: &TestHost, component: &Path) -> String {
    let registered = host.run_json(&["deployments", "register", component.to_str().expect("a path")]).await;
    registered["id"].as_str().expect("an id").to_owned()
}

/// Waits until what the admin door says about an invocation has this status.
async fn until(host: &TestHost, invocation: &str, status: &str) -> Value {
    host.wait_for(invocation, |it| it["status"] == status).await
}

// Stuck invocations

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_goes_on_only_with_a_component_that_asks_for_the_same() {
    let variant = |name: &str| Setup::guests(&["probe"]).env("PROBE_VARIANT", name);
    let mut host = TestHost::start(variant("a")).await;
    let invocation = pause_in_the_middle(&host).await;
    let before = host.invocation(&invocation).await;

    // The next version, in an environment where it asks for other things.
    host.kill();
    host.setup = variant("b");
    host.start_again().await;
    let next = same_again(&guest("probe"), host.folder());
    let next = register(&host, &next).await;
    let resume = ["inv", "resume", &invocation, "--deployment", "latest"];
    let refused = failure(&host.run(&resume).await);
    assert!(refused.starts_with("HH0007]: "), "{refused}");
    assert!(refused.contains("'run 'variant a''") && refused.contains("'sleep 1 ms'"), "{refused}");
    assert!(refused.contains(&next), "{refused}");
    let after = host.invocation(&invocation).await;
    assert_eq!([&after["status"], &after["deployment"]], [&before["status"], &before["deployment"]]);
    assert_eq!(after["attempt"], before["attempt"]);

    // Without the rehearsal it fails at once, as it would have been told.
    run(&host, &["inv", "resume", &invocation, "--deployment", "latest", "--force"]).await;
    let failed = host.wait_for(&invocation, |it| it["lastFailure"].is_object()).await;
    assert!(
        failed["lastFailure"]["message"].as_str().is_some_and(|it| it.starts_with("HH0007: ")),
        "{failed}"
    );

    host.kill();
    host.setup = variant("a");
    host.start_again().await;
    // It backs off; whatever it does in between, it is let go on in the end.
    drop(host.run(&["inv", "resume", &invocation, "--deployment", &next]).await);
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!("a"));
}

/// Starts a handler and pauses it while it sleeps, if it is fast enough for that.
async fn pause_in_the_middle(host: &TestHost) -> String {
    loop {
        let invocation = host.ingress().send_empty("/Probe/nondeterministic").await;
        let is_asleep = |it: &Value| it["journal"]["commands"] == 2 || it["status"] == "completed";
        host.wait_for(&invocation, is_asleep).await;
        if host.run(&["inv", "pause", &invocation]).await.status.success() {
            return invocation;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_moves_to_a_component_that_fits() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let invocation = host.ingress().send("/Probe/signal", &json!({ "name": "go" })).await;
    until(&host, &invocation, "suspended").await;
    run(&host, &["inv", "pause", &invocation]).await;
    let next = register(&host, &same_again(&guest("probe"), host.folder())).await;
    run(&host, &["inv", "resume", &invocation, "--deployment", "latest"]).await;
    let moved = until(&host, &invocation, "suspended").await;
    assert_eq!(moved["deployment"], json!(next));

    let described = run(&host, &["inv", "describe", &invocation]).await;
    assert!(described.contains("signal 'go'"), "it says what the invocation waits for: {described}");
    let signal = format!("/restate/invocation/{invocation}/signals/go/resolve");
    assert_eq!(host.ingress().post(&signal, &json!({ "to": "sea" })).await.status, 202);
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!({ "to": "sea" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_can_be_a_refusal() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let invocation = host.ingress().send("/Probe/signal", &json!({ "name": "go" })).await;
    let signal = format!("/restate/invocation/{invocation}/signals/go/reject");
    let rejected = host.ingress().post_bytes(&signal, "text/plain", b"the road is closed".to_vec()).await;
    assert_eq!(rejected.status, 202, "{rejected:?}");
    assert_eq!(host.ingress().attach(&invocation).await.error().2, "the road is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_has_ended_is_looked_at_and_restarted() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let ended = host.ingress().send_empty("/Policies/journal_retention").await;
    host.ingress().attach(&ended).await.ok();
    host.kill_and_start_again().await;

    let shown = host.run_json(&["inv", "describe", &ended]).await;
    let (invocation, journal) = (&shown["invocation"], &shown["journal"]);
    assert_eq!([&invocation["status"], &invocation["result"]], ["completed", "success"]);
    assert_eq!([&invocation["attempt"], &journal["commands"]], [&json!(1), &json!(1)]);
    assert_eq!(journal["entries"][0]["type"], "sleep");
    let deployment = invocation["deployment"].as_str().expect("the one it ran on");
    let listed = run(&host, &["inv", "list", "--status", "completed", "--deployment", deployment]).await;
    assert!(listed.contains(&ended) && listed.contains("completed (success)"), "{listed}");

    let whole = run(&host, &["inv", "restart-as-new", &ended]).await.trim().to_owned();
    let partly = run(&host, &["inv", "restart-as-new", "--keep", "1", &ended]).await.trim().to_owned();
    for restarted in [&whole, &partly] {
        host.ingress().attach(restarted).await.ok();
    }
    let heir = host.invocation(&partly).await;
    assert_eq!([&heir["restartedFrom"], &heir["journal"]["commands"]], [&json!(ended), &json!(1)]);
    assert_eq!(host.invocation(&ended).await["restartedAs"], json!(partly));
    let refused = failure(&host.run(&["inv", "restart-as-new", "--keep", "2", &ended]).await);
    assert!(refused.starts_with("HH0067]: "), "{refused}");

    run(&host, &["-y", "inv", "purge", &whole]).await;
    let gone = failure(&host.run(&["inv", "describe", &whole]).await);
    assert!(gone.starts_with("HH0018]: "), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_id_of_an_invocation_is_as_good_as_its_own() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let send = json!({
        "target": { "service": "Probe", "handler": "signal" },
        "input": { "name": "go" },
        "idempotency_key": "once",
    });
    let sent = [
        host.ingress().post("/Probe/send", &send).await.ok(),
        host.ingress().post("/Probe/send", &send).await.ok(),
    ];
    let [id, other] = [&sent[0], &sent[1]].map(|it| it["invocation_id"].as_str().expect("an id").to_owned());
    assert_ne!(id, other, "the second joins the first, by a name of its own");
    assert_eq!(host.run_json(&["inv", "describe", &other]).await["invocation"]["id"], json!(id));
    until(&host, &id, "suspended").await;
    for verb in ["pause", "resume", "cancel"] {
        let done = host.admin().patch(&format!("/invocations/{other}/{verb}")).await.ok();
        assert_eq!(done["id"], json!(id), "{verb}");
    }
    let attached = host.ingress().attach(&other).await;
    assert_eq!((attached.error().1.as_str(), attached.invocation_id), ("HH0016", Some(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_is_asked_for_twice() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    for args in [
        &["inv", "kill", "inv_1"][..],
        &["inv", "purge", "inv_1"],
        &["kv", "clear", "ProbeObject", "k"],
        &["dp", "remove", "dp_1"],
    ] {
        let asked = host.run(args).await;
        let text = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert_eq!(asked.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains("add --yes if it is meant"), "{args:?}: {text}");
    }
}

// Deployments

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_drains_and_is_freed_whatever_happens_in_between() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let old = only_deployment(&host).await;
    let invocation = host.ingress().send("/Probe/signal", &json!({ "name": "go" })).await;
    until(&host, &invocation, "suspended").await;
    let next = register(&host, &same_again(&guest("probe"), host.folder())).await;
    host.setup.components.clear();
    assert_eq!(components(&host).len(), 2);

    run(&host, &["-y", "deployments", "remove", &old]).await;
    let shown = run(&host, &["deployments", "describe", &old]).await;
    assert!(shown.contains("draining") && shown.contains("1 (suspended 1)"), "{shown}");
    // A component that was never deployed, as a crash leaves it.
    host.kill();
    let stray = host.data_dir().join("components").join(format!("{}.wasm", "0".repeat(64)));
    std::fs::write(&stray, b"stray").expect("a file");
    host.start_again().await;
    assert!(!stray.exists(), "what nobody knows is gone after the start");
    assert_eq!(host.admin().get(&format!("/deployments/{old}")).await.ok()["isDraining"], true);
    assert_eq!(host.invocation(&invocation).await["deployment"], json!(old));

    let signal = format!("/restate/invocation/{invocation}/signals/go/resolve");
    host.ingress().post(&signal, &json!("home")).await;
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!("home"), "it finishes where it began");
    while components(&host).len() > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(only_deployment(&host).await, next);
    assert_eq!(host.ingress().post("/Probe/echo", &json!(1)).await.ok(), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_removed_by_force_leaves_its_invocations_paused() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let deployment = only_deployment(&host).await;
    let invocation = host.ingress().send("/Probe/signal", &json!({ "name": "go" })).await;
    until(&host, &invocation, "suspended").await;
    run(&host, &["-y", "deployments", "remove", "--force", &deployment]).await;
    assert_eq!(components(&host), Vec::<PathBuf>::new());
    until(&host, &invocation, "paused").await;
    let refused = failure(&host.run(&["inv", "resume", &invocation]).await);
    assert!(refused.starts_with("HH0070]: "), "{refused}");
    assert_eq!(host.ingress().post("/Probe/echo", &json!(1)).await.error().1, "HH0001");

    // The very same component brings everything back.
    let bytes = std::fs::read(guest("probe")).expect("it is built");
    let again = host.admin().post_bytes("/deployments", "application/wasm", bytes).await;
    assert_eq!((again.status, &again.json()["id"]), (201, &json!(deployment)));
    run(&host, &["inv", "resume", &invocation]).await;
    let signal = format!("/restate/invocation/{invocation}/signals/go/resolve");
    host.ingress().post(&signal, &json!(2)).await;
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_says_what_it_changes() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let old = only_deployment(&host).await;
    let probe = std::fs::read(guest("probe")).expect("it is built");
    let upload = async |query: &str, bytes: &[u8]| {
        host.admin().post_bytes(&format!("/deployments{query}"), "application/wasm", bytes.to_vec()).await
    };
    assert_eq!(upload("", &probe).await.status, 200, "it is there already");

    // The same with another name for one handler.
    let other = renamed(&probe, "deep_recursion", "deep_recursios");
    let refused = upload("", &other).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (409, "HH0076"));
    assert!(refused.2.contains("lose the handler 'deep_recursion'"), "{}", refused.2);
    assert_eq!(upload("?force=true&dry_run=true", &other).await.status, 200);
    assert_eq!(only_deployment(&host).await, old);
    assert_eq!(components(&host).len(), 1, "what was refused or tried leaves nothing behind");

    let taken = upload("?force=true&metadata=%7B%22by%22:%22ann%22%7D", &other).await;
    assert_eq!((taken.status, &taken.json()["metadata"]["by"]), (201, &json!("ann")));
    assert_eq!(host.ingress().post_empty("/Probe/deep_recursion").await.error().1, "HH0002");
    let back = upload("?force=true", &probe).await;
    assert_eq!((back.status, &back.json()["id"]), (200, &json!(old)), "the old one is the latest again");
    assert_eq!(host.ingress().post("/Probe/echo", &json!(1)).await.ok(), json!(1));

    let endpoints = host.admin().get("/endpoints").await.ok();
    assert_eq!(endpoints["endpoints"].as_array().map(Vec::len), Some(2));
    assert!(endpoints["endpoints"][0]["services"][0]["revision"].is_u64(), "{endpoints}");
}

async fn only_deployment(host: &TestHost) -> String {
    let listed = host.run_json(&["deployments", "list"]).await;
    let deployments = listed["deployments"].as_array().expect("a list");
    assert_eq!(deployments.len(), 1, "{listed}");
    deployments[0]["id"].as_str().expect("an id").to_owned()
}

/// The components that the host keeps.
fn components(host: &TestHost) -> Vec<PathBuf> {
    let files = std::fs::read_dir(host.data_dir().join("components")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect()
}

// State

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_put_edited_and_cleared() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let object = ["ProbeObject", "package123"];
    let with = |verb: &'static str, more: &[&'static str]| [&["kv", verb], &object[..], more].concat();
    run(&host, &with("put", &["package-info", r#"{"finalDestination": "Bridge 6", "stops": []}"#])).await;
    run(&host, &with("put", &["weight", "12345678901234567890.10"])).await;
    assert_eq!(
        run(&host, &with("get", &[])).await,
        "State:
 Service  ProbeObject
 Key      package123

 KEY           VALUE
 package-info  {
                 \"finalDestination\": \"Bridge 6\",
                 \"stops\": []
               }
 weight        12345678901234567890.10
"
    );

    let editor = script(&host, "editor", "sed -i s/Bridge/Road/ \"$1\"");
    assert!(edit(&host, &editor, &object).await.status.success());
    let info = json!({ "finalDestination": "Road 6", "stops": [] });
    assert_eq!(host.state("ProbeObject", "package123").await["package-info"], info);
    let shown = run(&host, &with("get", &["--json"])).await;
    assert!(shown.contains("12345678901234567890.10"), "every digit is there after an edit: {shown}");

    let file = host.folder().join("state.json");
    std::fs::write(&file, r#"{"weight": 2}"#).expect("a file");
    run(&host, &["-y", "kv", "put", object[0], object[1], "--file", file.to_str().expect("a path")]).await;
    let seen = host.ingress().post("/ProbeObject/package123/get", &json!({ "name": "weight" })).await;
    assert_eq!(seen.ok(), json!(2), "the handler sees it");
    assert_eq!(host.state("ProbeObject", "package123").await, json!({ "weight": 2 }));

    run(&host, &["-y", "kv", "clear", object[0], object[1]]).await;
    assert_eq!(host.state("ProbeObject", "package123").await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_overwrites_nobody() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    run(&host, &["kv", "put", "ProbeObject", "k", "a", "1"]).await;
    // Somebody else is faster.
    let busy =
        format!("{} kv put ProbeObject k b 2 && sed -i s/1/3/ \"$1\"", env!("CARGO_BIN_EXE_holiday-host"));
    let fails = "sed -i s/1/3/ \"$1\"; exit 1";
    for (editor, code) in [(busy.as_str(), "HH0069"), ("echo oops > \"$1\"", "HH0004"), (fails, "HH0045")] {
        let edited = edit(&host, &script(&host, "editor", editor), &["ProbeObject", "k"]).await;
        let refused = failure(&edited);
        assert!(refused.starts_with(code), "{refused}");
        let (_, kept) = refused.split_once("what you wrote is in ").expect("the text is kept");
        assert!(std::fs::read_to_string(kept).is_ok_and(|text| !text.is_empty()), "{kept}");
        std::fs::remove_file(kept).expect("it is there");
        assert_eq!(host.state("ProbeObject", "k").await, json!({ "a": 1, "b": 2 }));
    }
    let edited = edit(&host, &script(&host, "editor", "true"), &["ProbeObject", "k"]).await;
    assert!(String::from_utf8_lossy(&edited.stderr).contains("Nothing was changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_not_changed_under_a_handler_that_runs() {
    let ledger = Ledger::start(|_| Reply::AcceptWhenReleased).await;
    let host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
    let invocation = host.ingress().send_empty("/ProbeObject/k/pay").await;
    ledger.arrived(1).await;
    let refused = failure(&host.run(&["kv", "put", "ProbeObject", "k", "a", "1"]).await);
    assert!(refused.starts_with("HH0068]: ") && refused.contains(&invocation), "{refused}");
    let modification = json!({ "object_key": "k", "new_state": { "a": 1 } });
    let (status, code, _) = host.admin().post("/services/ProbeObject/state", &modification).await.error();
    assert_eq!((status, code.as_str()), (409, "HH0068"));

    // One that is paused is not at work.
    run(&host, &["inv", "pause", &invocation]).await;
    assert_eq!(host.admin().post("/services/ProbeObject/state", &modification).await.status, 200);
    assert_eq!(host.state("ProbeObject", "k").await, json!({ "a": 1 }));
    run(&host, &["-y", "inv", "kill", &invocation]).await;
    ledger.release();
}

/// Makes a program of one line of shell.
fn script(host: &TestHost, name: &str, line: &str) -> PathBuf {
    let path = host.folder().join(name);
    write_program(&path, line);
    path
}

async fn edit(host: &TestHost, editor: &Path, object: &[&str]) -> std::process::Output {
    let mut command = host.client(&[&["kv", "edit"], object].concat());
    command.env_remove("VISUAL").env("EDITOR", editor);
    output(command).await
}
