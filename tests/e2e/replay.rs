//! What a handler sees is the same in every attempt, wherever the host dies; and a handler that breaks
//! the rules fails alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};
use crate::ledger::{Ledger, Reply};
use crate::trips::TABLE;

/// Longer than any test: the answer that a killed host never gets.
const NEVER: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_goes_on_from_every_step_that_is_cut_short() {
    crash_at_every_effect("cut", NEVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_goes_on_after_every_step() {
    crash_at_every_effect("done", Duration::ZERO).await;
}

/// Books the trip with the most steps once per step, and kills the host when the world hears of that
/// step. The world's answer takes `delay`.
async fn crash_at_every_effect(name: &str, delay: Duration) {
    let crash_at = Arc::new(AtomicUsize::new(usize::MAX));
    let at = Arc::clone(&crash_at);
    let ledger = Ledger::start(move |number| match number == at.load(Ordering::SeqCst) {
        true => Reply::AcceptAfter(delay),
        false => Reply::Accept,
    });
    let ledger = ledger.await;
    let mut host = TestHost::start(Setup::holiday().effects(ledger.address())).await;
    let row = &TABLE[6];
    for step in 1..=row.effect_count() {
        let trip_id = format!("{name}-{step}");
        crash_at.store(ledger.requests() + step, Ordering::SeqCst);
        let sent = host.ingress().send("/trips/reserve", &row.body(&trip_id)).await;
        ledger.arrived(crash_at.load(Ordering::SeqCst)).await;
        host.kill_and_start_again().await;
        row.check_answer(&trip_id, &host.ingress().attach(&sent).await);
        row.check_rows(&host, &trip_id).await;
        row.check_effects(&trip_id, &ledger.effects());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_calls_give_the_same_answer_wherever_the_host_dies() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let input = json!([900, 500, 700]);
    // Acknowledged, and killed before or while it asks for anything.
    let invocation = host.ingress().send("/Probe/join3", &input).await;
    host.kill_and_start_again().await;
    assert_eq!(host.ingress().attach(&invocation).await.ok(), input, "killed at the beginning");
    for answers in 0..=3 {
        let (invocation, _) = kill_with_answers(&mut host, "/Probe/join3", &input, 3, answers).await;
        assert_eq!(host.ingress().attach(&invocation).await.ok(), input, "killed at {answers} answers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_keeps_its_winner_wherever_the_host_dies() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    for (call_ms, sleep_ms) in [(500, 900), (900, 500), (500, 500)] {
        for answers in 0..=2 {
            let input = json!({ "call_ms": call_ms, "sleep_ms": sleep_ms });
            let path = "/Probe/select_call_sleep";
            let (invocation, journal) = kill_with_answers(&mut host, path, &input, 2, answers).await;
            let answer = host.ingress().attach(&invocation).await.ok();
            assert!(answers == 0 || first_answer(&journal).is_some(), "{journal}");
            // Both are due by now: only the journal can tell who was first.
            match first_answer(&journal) {
                Some("call") => assert_eq!(answer, json!({ "winner": "call", "value": call_ms })),
                Some(_) => assert_eq!(answer["winner"], "sleep", "{journal}"),
                None => assert!(["call", "sleep"].map(Value::from).contains(&answer["winner"]), "{answer}"),
            }
        }
    }
}

/// Starts a handler that asks for `commands` things at once, and kills the host when its journal has so
/// many answers. Returns the invocation, which goes on, and the journal as it was then.
async fn kill_with_answers(
    host: &mut TestHost,
    path: &str,
    input: &Value,
    commands: u64,
    answers: u64,
) -> (String, Value) {
    let invocation = host.ingress().send(path, input).await;
    journal_of_length(host, &invocation, commands).await;
    // A paused handler gets its answers and does not go on, so it cannot end before the host dies.
    assert_eq!(host.admin().patch(&format!("/invocations/{invocation}/pause")).await.status, 200);
    let journal = journal_of_length(host, &invocation, commands + answers).await;
    host.kill();
    // Long enough for everything that was asked for to be due when the host comes back.
    tokio::time::sleep(Duration::from_millis(900)).await;
    host.start_again().await;
    assert_eq!(host.admin().patch(&format!("/invocations/{invocation}/resume")).await.status, 200);
    (invocation, journal)
}

/// Waits until the journal of an invocation, which must not end before, has so many entries.
async fn journal_of_length(host: &TestHost, invocation: &str, entries: u64) -> Value {
    loop {
        let journal = host.admin().get(&format!("/invocations/{invocation}/journal")).await.ok();
        if length(&journal) >= entries {
            return journal;
        }
        assert_ne!(host.invocation(invocation).await["status"], "completed", "it ended too soon");
    }
}

/// Commands and notifications.
fn length(journal: &Value) -> u64 {
    ["commands", "notifications"].map(|name| journal[name].as_u64().expect("a number")).iter().sum()
}

/// Which command the first notification in a journal answers: `call` or `sleep`.
fn first_answer(journal: &Value) -> Option<&str> {
    let answered = journal["entries"].as_array()?.iter().filter(|entry| entry.get("completion").is_some());
    answered.min_by_key(|entry| entry["completion"]["position"].as_u64())?["type"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sees_the_same_clocks_random_numbers_and_hash_orders() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let invocation = host.ingress().send_empty("/Probe/entropy").await;
    // Two steps with their answers, and the sleep.
    journal_of_length(&host, &invocation, 5).await;
    host.kill();
    let killed_ms = now_ms();
    host.start_again().await;
    let samples = host.ingress().attach(&invocation).await.ok();
    assert_eq!(samples["seen"], samples["recorded"], "what was seen before the crash is seen after it");
    let seen = samples["seen"].as_array().expect("three samples");
    let clock_ms = |sample: usize| seen[sample]["wall_clock_ms"].as_u64().expect("a time");
    assert!(clock_ms(1) <= killed_ms, "the first attempt's time, not the replay's: {samples}");
    assert!(clock_ms(0) <= clock_ms(1) && clock_ms(1) <= clock_ms(2), "{samples}");
    for sample in seen {
        assert_eq!(sample["monotonic_elapsed_ns"], 0, "no time passes between two answers");
    }
    for name in ["wasi_random", "sdk_random", "uuid", "hash_order"] {
        assert_ne!(seen[0][name], seen[1][name], "{name} is drawn anew each time");
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since_epoch.as_millis()).expect("before the end of time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_given_up_is_not_executed_again() {
    for dies in [false, true] {
        let ledger = Ledger::start(|number| match number {
            1 => Reply::AcceptWhenReleased,
            _ => Reply::Refuse,
        });
        let ledger = ledger.await;
        let mut host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
        let invocation = host.ingress().send_empty("/Probe/give_up").await;
        // Two steps, two timeouts, and the sleep.
        journal_of_length(&host, &invocation, 5 + 2).await;
        if dies {
            host.kill_and_start_again().await;
        }
        assert_eq!(host.ingress().attach(&invocation).await.ok(), json!([true, true]));
        assert_eq!(ledger.requests(), 2, "one for each step");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_outside_of_a_step_is_refused() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
    let url = format!("http://{}/", ledger.address());

    let inside = host.ingress().post("/Probe/run_http", &json!({ "url": url })).await.ok();
    assert_eq!(inside, json!({ "status": 200, "body": "answer 1" }));

    let outside = host.ingress().post("/Probe/http_outside_run", &json!({ "url": url })).await;
    let (status, _, message) = outside.error();
    assert!(status == 500 && message.starts_with("HH0020: "), "{status} {message}");
    assert_eq!(ledger.requests(), 1, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed_is_not_called() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let url = format!("http://{}/", ledger.address());
    let (status, _, message) = host.ingress().post("/Probe/run_http", &json!({ "url": url })).await.error();
    assert!(status == 500 && message.starts_with("HH0021: "), "{status} {message}");
    assert!(message.contains(&format!("--allow-host {}", ledger.address())), "{message}");
    assert_eq!(ledger.requests(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_handlers_fail_alone() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let hostile = [("spin", "HH0023"), ("eat_memory", "HH0024"), ("deep_recursion", "HH0022")];
    let mut sent = Vec::new();
    for (handler, code) in hostile {
        let invocation = host.ingress().send_empty(&format!("/Probe/{handler}")).await;
        sent.push((invocation, code));
    }
    sent.push((host.ingress().send("/Probe/panic", &json!("help")).await, "HH0022"));
    for number in 0..50 {
        assert_eq!(host.ingress().post("/Probe/echo", &json!(number)).await.ok(), json!(number));
    }
    for (invocation, code) in &sent {
        has_failed_with(&host, invocation, code).await;
        let killed = host.run(&["-y", "invocations", "kill", invocation]).await;
        assert!(killed.status.success(), "{}", String::from_utf8_lossy(&killed.stderr));
        let (_, code, _) = host.ingress().attach(invocation).await.error();
        assert_eq!(code, "HH0017");
    }
    assert_eq!(host.ingress().post("/Probe/echo", &json!("still")).await.ok(), json!("still"));
}

/// Waits until an attempt of the invocation has failed with this code.
async fn has_failed_with(host: &TestHost, invocation: &str, code: &str) -> Value {
    host.wait_for(invocation, |it| {
        assert_ne!(it["status"], "completed", "{it}");
        it.to_string().contains(code)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_journal_is_never_continued() {
    let setup = Setup::guests(&["probe"]);
    let mut host = TestHost::start(setup.clone().env("PROBE_VARIANT", "a")).await;
    let invocation = host.ingress().send_empty("/Probe/nondeterministic").await;
    journal_of_length(&host, &invocation, 2).await;
    host.kill();

    host.setup = setup.clone().env("PROBE_VARIANT", "b");
    host.start_again().await;
    let failed = has_failed_with(&host, &invocation, "HH0007").await.to_string();
    assert!(failed.contains("run 'variant a'"), "what was recorded: {failed}");
    assert!(failed.contains("sleep 1 ms"), "what is asked for now: {failed}");
    host.kill();

    // Nothing was lost: the handler that fits goes on.
    host.setup = setup.env("PROBE_VARIANT", "a");
    host.start_again().await;
    host.admin().patch(&format!("/invocations/{invocation}/resume")).await;
    assert_eq!(host.ingress().attach(&invocation).await.ok(), json!("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_runs_once_per_idempotency_key() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let mut host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
    let url = format!("http://{}/", ledger.address());
    let door = host.ingress();
    let request = || {
        door.request(Method::POST, "/Probe/run_http")
            .header("idempotency-key", "k")
            .json(&json!({ "url": url }))
    };
    let first = door.insist(request).await;
    host.kill_and_start_again().await;
    let second = door.insist(request).await;
    assert_eq!(first.ok()["body"], "answer 1");
    assert_eq!((second.outcome(), &second.invocation_id), (first.outcome(), &first.invocation_id));
    assert_eq!(ledger.requests(), 1);
}
