//! The whole vocabulary of the SDK, used by the handlers of `guests/probe`: run through, suspended half way, and killed
//! with the host, half way and anywhere. The answers are the same, and so is what each attempt has seen.

use std::time::Duration;

use expect_test::{Expect, expect};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::{Setup, TestHost};
use crate::ledger::{Ledger, Reply};

/// How often the host is killed where it is killed often, and the most that it lives in between.
const KILLS: usize = 8;
const PAUSE_MS_MAX: u64 = 120;

/// How an invocation gets to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The gate is open, so nothing keeps it from running through.
    Through,
    /// It waits at the gate and gives its instance back.
    Suspended,
    /// It waits at the gate while the host is killed.
    Killed,
    /// The host is killed again and again, wherever it is.
    KilledOften,
}

/// A handler of the vocabulary, and what every invocation of it sees.
struct Part {
    /// `{key}` is the id of its gate, which is its input, too.
    path: &'static str,
    same: Expect,
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_through() {
    check(Way::Through).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_suspended() {
    check(Way::Suspended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_the_host_was_killed() {
    check(Way::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_wherever_the_host_is_killed() {
    check(Way::KilledOften).await;
}

/// A step whose policy is used up, and that has to succeed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_has_to_succeed_waits_for_an_operator() {
    let ledger = Ledger::start(|number| if number <= 4 { Reply::Refuse } else { Reply::Accept }).await;
    let mut host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
    let invocation = host.ingress().send_empty("/Probe/pay_in_the_end").await;
    for attempts in [2, 4] {
        let paused = host.wait_for(&invocation, |it| it["status"] == "paused").await;
        let reason = paused["reason"].as_str().unwrap_or_default();
        assert!(reason.starts_with("HH0026: a run step failed 2 times, last with: "), "{reason}");
        assert_eq!(ledger.requests(), attempts);
        host.kill_and_start_again().await;
        let answer = host.admin().patch(&format!("/invocations/{invocation}/resume")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!(200));
}

/// Has all parts take one way at once.
async fn check(way: Way) {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let mut host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
    let parts = parts();
    let keys: Vec<String> = (0..parts.len()).map(|part| format!("gate-{part}")).collect();
    if way == Way::Through {
        open(&host, &keys).await;
    }
    let mut invocations = Vec::new();
    for (part, key) in parts.iter().zip(&keys) {
        invocations.push(begin(&host, part, key).await);
    }
    match way {
        Way::Through => {}
        Way::Suspended => {
            all_suspended(&host, &invocations).await;
            open(&host, &keys).await;
        }
        Way::Killed => {
            all_suspended(&host, &invocations).await;
            host.kill_and_start_again().await;
            open(&host, &keys).await;
        }
        Way::KilledOften => {
            for kill in 0..KILLS {
                if kill == KILLS / 2 {
                    open(&host, &keys).await;
                }
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..PAUSE_MS_MAX))).await;
                host.kill_and_start_again().await;
            }
        }
    }
    for (part, invocation) in parts.iter().zip(&invocations) {
        check_told(part, &host.ingress().attach(invocation).await.ok());
    }
    if way == Way::KilledOften {
        assert!(ledger.requests() >= 3, "a request may be made again after a crash");
    } else {
        assert_eq!(ledger.requests(), 3, "each request was made once");
    }
}

async fn all_suspended(host: &TestHost, invocations: &[String]) {
    for invocation in invocations {
        host.wait_for(invocation, |it| it["status"] == "suspended").await;
    }
    let beside = host.ingress().post("/VocabularyObject/gate-0/look", &json!("a")).await;
    assert_eq!(beside.ok(), json!(1), "a shared handler reads beside the exclusive one that waits");
}

async fn begin(host: &TestHost, part: &Part, key: &str) -> String {
    let path = format!("{}/send", part.path.replace("{key}", key));
    let request = host.ingress().request(Method::POST, &path).header("x-tenant", "acme").json(&json!(key));
    let accepted: Value = request.send().await.expect("the host answers").json().await.expect("JSON");
    accepted["invocationId"].as_str().unwrap_or_else(|| panic!("{path}: {accepted}")).to_owned()
}

async fn open(host: &TestHost, keys: &[String]) {
    for key in keys {
        host.ingress().post_empty(&format!("/Gate/{key}/open")).await.ok();
    }
}

#[track_caller]
fn check_told(part: &Part, told: &Value) {
    let seen =
        |name: &str| told[name].as_object().cloned().unwrap_or_else(|| panic!("{}: {told}", part.path));
    let same: Vec<String> = seen("same").iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    part.same.assert_eq(&same.concat());
    let all: Map<String, Value> = seen("same").into_iter().chain(seen("own")).collect();
    assert_eq!(
        all,
        seen("recorded"),
        "{}: what the last attempt has seen, and what the first has",
        part.path
    );
}

fn parts() -> Vec<Part> {
    let part = |path, same| Part { path, same };
    vec![
        part(
            "/VocabularyObject/{key}/state",
            expect![[r#"
            after: 1
            at first: null
            names: ["a","b","c"]
            names without a: ["b","c"]
            no names: []
            of another shape: 500
            the key: true
        "#]],
        ),
        part(
            "/VocabularyWorkflow/{key}/run",
            expect![[r#"
            at first: null
            completed again: [409,409,500,null]
            own promise: null
            own value: "mine"
            paid: {"ok":750}
            refused: {"code":500,"is_cancelled":false,"is_timeout":false,"message":"the card was refused"}
            seen: [{"ok":750},500]
            status: "waiting"
        "#]],
        ),
        part(
            "/Vocabulary/runs",
            expect![[r#"
            after: 8
            busy: {"code":500,"is_cancelled":false,"is_timeout":false,"message":"HH0026: failed 3 times, last with: the line is busy"}
            insisted: {"code":500,"is_cancelled":false,"is_timeout":false,"message":"HH0026: failed 3 times, last with: the password was wrong"}
            refused: {"code":402,"is_cancelled":false,"is_timeout":false,"message":"the card was refused"}
            value: 7
        "#]],
        ),
        part(
            "/Vocabulary/requests",
            expect![[r#"
            bound: 8388608
            posted: [200,true,true]
            the answer is no number: true
        "#]],
        ),
        part(
            "/Vocabulary/timers",
            expect![[r#"
            passed: {"ok":null}
            slept long: {"ok":null}
        "#]],
        ),
        part("/Vocabulary/randomness", expect![[""]]),
        part(
            "/Vocabulary/info",
            expect![[r#"
            after: ["Vocabulary",null,"info","acme",true]
            before: ["Vocabulary",null,"info","acme",true]
            name: "Vocabulary"
            setting: null
        "#]],
        ),
        part(
            "/Vocabulary/errors",
            expect![[r#"
            no id: {"code":400,"is_cancelled":false,"is_timeout":false,"message":"'inv_0' is not an invocation id, which is 'inv_' and base58 characters"}
            retryable: [false,"busy"]
            terminal: [true,false,"sold out"]
        "#]],
        ),
        part(
            "/Vocabulary/calls",
            expect![[r#"
            an object's: []
            failed: {"code":418,"is_cancelled":false,"is_timeout":false,"message":"a teapot"}
            its header: true
            joined: true
            nowhere: 404
            passed: {"ok":null}
            the key: true
            typed: 7
            untyped: 8
        "#]],
        ),
        part(
            "/Vocabulary/sends",
            expect![[r#"
            again: 1
            answer: 1
            by id: 1
            later: 1
            passed: {"ok":null}
        "#]],
        ),
        part(
            "/Vocabulary/handles",
            expect![[r#"
            cancelled: {"code":409,"is_cancelled":true,"is_timeout":false,"message":"cancelled"}
            myself: 409
            no output: true
            no output yet: true
        "#]],
        ),
        part(
            "/Vocabulary/names",
            expect![[r#"
            closed: null
            nobody: 404
            nobody's output: 404
            open: "open"
            opened: "open"
            somebody: [7,7]
            the end of the closed: {"code":409,"is_cancelled":true,"is_timeout":false,"message":"cancelled"}
            untyped: ["open","open"]
        "#]],
        ),
        part(
            "/Vocabulary/awakeables",
            expect![[r#"
            no id: {"code":400,"is_cancelled":false,"is_timeout":false,"message":"'awk_0' is not an awakeable id, which is 'awk_' and base58 characters"}
            rejected: {"code":500,"is_cancelled":false,"is_timeout":false,"message":"Unable to execute query"}
            resolved: {"ok":7}
        "#]],
        ),
        part(
            "/Vocabulary/signals",
            expect![[r#"
            first: 1
            kept: "before anybody waits"
            rejected: {"code":500,"is_cancelled":false,"is_timeout":false,"message":"nobody is in the office"}
            second: 2
            sent: 3
            to one that has ended: 409
        "#]],
        ),
        part(
            "/Vocabulary/together",
            expect![[r#"
            all: [3,4,5]
            joined: [1,2]
            late: {"code":408,"is_cancelled":false,"is_timeout":true,"message":"timed out after 20ms"}
            raced: 1
            selected: true
        "#]],
        ),
        part(
            "/Vocabulary/cancelling",
            expect![[r#"
            its notes: ["compensated","was cancelled"]
            the child: {"code":409,"is_cancelled":true,"is_timeout":false,"message":"cancelled"}
        "#]],
        ),
        part(
            "/Vocabulary/sagas",
            expect![[r#"
            given up: {"code":408,"is_cancelled":false,"is_timeout":true,"message":"timed out after 20ms"}
            its note: 7
            notes: ["do 1","do 2","compensated","was cancelled","undo 2","undo 1"]
            settled: {"Err":"sold out, too"}
            undone: ["sold out",2]
        "#]],
        ),
    ]
}
