//! Cancelling and killing: what was done, or may have been done, is undone; nothing else is; and no key stays locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};
use crate::http::Answer;
use crate::ledger::{Ledger, Reply};
use crate::trips::TABLE;

/// What undoes an effect of a trip.
const UNDOING: [(&str, &str); 3] = [
    ("payments.process", "payments.refund"),
    ("cars.reserve", "cars.cancel"),
    ("flights.reserve", "flights.cancel"),
];

/// A ledger that keeps one request waiting, and a host whose trips tell it.
struct World {
    ledger: Ledger,
    host: TestHost,
    /// The number of the request that waits.
    waits: Arc<AtomicUsize>,
}

impl World {
    async fn start() -> World {
        let waits = Arc::new(AtomicUsize::new(usize::MAX));
        let number_that_waits = Arc::clone(&waits);
        let ledger = Ledger::start(move |number| match number == number_that_waits.load(Ordering::SeqCst) {
            true => Reply::AcceptWhenReleased,
            false => Reply::Accept,
        });
        let ledger = ledger.await;
        let host = TestHost::start(Setup::holiday().effects(ledger.address())).await;
        World { ledger, host, waits }
    }

    /// Books a trip and cancels it while its effect number `at`, counted from 1, is under way. Returns the invocation.
    async fn cancel_at(&self, body: &Value, at: usize) -> String {
        self.waits.store(self.ledger.requests() + at, Ordering::SeqCst);
        let trip = self.host.ingress().send("/trips/reserve", body).await;
        self.ledger.arrived(self.waits.load(Ordering::SeqCst)).await;
        steer(&self.host, &trip, "cancel").await;
        trip
    }
}

/// Has an operator do something to an invocation.
async fn steer(host: &TestHost, invocation: &str, verb: &str) {
    let answer = host.admin().patch(&format!("/invocations/{invocation}/{verb}")).await;
    assert!((200..300).contains(&answer.status), "{verb}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_cancelled_during_each_of_its_steps() {
    let world = World::start().await;
    for at in 1..=TABLE[0].effects().len() {
        let trip_id = format!("cancelled-{at}");
        let trip = world.cancel_at(&TABLE[0].body(&trip_id), at).await;
        check_cancelled(&world, &trip_id, at, &world.host.ingress().attach(&trip).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_cancelled_during_each_of_its_steps_and_the_host_dies() {
    let mut world = World::start().await;
    for at in 1..=TABLE[0].effects().len() {
        let trip_id = format!("killed-{at}");
        let trip = world.cancel_at(&TABLE[0].body(&trip_id), at).await;
        world.host.kill_and_start_again().await;
        check_cancelled(&world, &trip_id, at, &world.host.ingress().attach(&trip).await).await;
    }
}

/// The host dies at each effect by which a cancelled trip is undone, wherever it was cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_trip_is_undone_although_the_host_dies_at_any_effect_of_that() {
    let mut world = World::start().await;
    for at in 1..=TABLE[0].effects().len() {
        let done = &TABLE[0].effects()[..at];
        let undoing = UNDOING.iter().filter(|(effect, _)| done.contains(effect)).count();
        // Behind what undoes comes the notification of the failure.
        for behind in 1..=undoing + 1 {
            let trip_id = format!("undone-{at}-{behind}");
            let trip = world.cancel_at(&TABLE[0].body(&trip_id), at).await;
            world.waits.fetch_add(behind, Ordering::SeqCst);
            world.ledger.release();
            world.ledger.arrived(world.waits.load(Ordering::SeqCst)).await;
            world.host.kill_and_start_again().await;
            check_cancelled(&world, &trip_id, at, &world.host.ingress().attach(&trip).await).await;
        }
    }
}

/// The trip has ended as cancelled. What it had done when effect number `at` was under way is undone, that effect
/// included, and nothing else was done; its objects remember nothing.
async fn check_cancelled(world: &World, trip_id: &str, at: usize, answer: &Answer) {
    let done = &TABLE[0].effects()[..at];
    let undone = UNDOING.iter().filter(|(effect, _)| done.contains(effect)).map(|(_, undoing)| *undoing);
    let expected: Vec<&str> = done.iter().copied().chain(undone).chain(["trips.notify_failure"]).collect();
    assert_eq!(effects(&world.ledger, trip_id), expected, "{trip_id}");

    // A reservation or payment that was under way has undone itself.
    let applied = (at - 1).min(3);
    let (status, _, message) = answer.error();
    let text = format!(
        "Travel reservation failed with err 'cancelled'; successfully applied {applied} compensations"
    );
    assert_eq!((status, message), (409, text), "{trip_id}");
    for service in ["flights", "cars", "payments"] {
        assert_eq!(world.host.state(service, trip_id).await, json!({}), "{service}/{trip_id}");
    }
}

/// The effects of a trip in the order of their arrival. A crash may have one repeated.
fn effects(ledger: &Ledger, trip_id: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for effect in ledger.effects().into_iter().filter(|effect| effect.about == trip_id) {
        if !names.contains(&effect.effect) {
            names.push(effect.effect);
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_that_is_being_undone_cannot_be_cancelled() {
    let world = World::start().await;
    for at in compensations() {
        let trip_id = format!("undoing-{at}");
        let trip = world.cancel_at(&TABLE[6].body(&trip_id), at).await;
        world.ledger.release();
        check_undone(&world, &trip_id, &world.host.ingress().attach(&trip).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_that_is_being_undone_is_cancelled_in_vain_also_when_the_host_dies() {
    let mut world = World::start().await;
    for at in compensations() {
        let trip_id = format!("undoing-{at}");
        let trip = world.cancel_at(&TABLE[6].body(&trip_id), at).await;
        world.host.kill_and_start_again().await;
        check_undone(&world, &trip_id, &world.host.ingress().attach(&trip).await).await;
    }
}

/// The numbers of the effects by which the trip is undone whose notification fails, that of the failure included.
fn compensations() -> std::ops::RangeInclusive<usize> {
    let confirmed =
        TABLE[6].effects().iter().position(|effect| *effect == "cars.confirm").expect("it is there");
    confirmed + 2..=TABLE[6].effects().len()
}

async fn check_undone(world: &World, trip_id: &str, answer: &Answer) {
    TABLE[6].check_answer(trip_id, answer);
    TABLE[6].check_rows(&world.host, trip_id).await;
    TABLE[6].check_effects(trip_id, &world.ledger.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_what_is_called() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    for (round, dies) in [false, true].into_iter().enumerate() {
        let key = format!("reached-{round}");
        let leaf = call_to("Vocabulary", "until_cancelled", json!(key));
        let root = host.ingress().send("/Probe/call", &call_to("Probe", "call", leaf)).await;
        let found = wait_for_invocations(&host, "service=Vocabulary&status=suspended", 1).await;
        steer(&host, &root, "cancel").await;
        if dies {
            host.kill_and_start_again().await;
        }
        let (status, _, message) = host.ingress().attach(&root).await.error();
        assert_eq!((status, message.as_str()), (409, "cancelled"));
        assert_eq!(host.state("ProbeObject", &key).await["steps"], json!(["compensated", "was cancelled"]));
        let leaf = found[0]["id"].as_str().expect("an id");
        assert_eq!(
            host.invocation(leaf).await["status"],
            "completed",
            "the leaf has ended before its callers"
        );
    }
}

fn call_to(service: &str, handler: &str, input: Value) -> Value {
    json!({ "target": { "service": service, "handler": handler }, "input": input })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_leaves_alone_what_somebody_else_waits_for() {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let target = json!({ "service": "Gate", "key": "shared", "handler": "pass" });
    let call = json!({ "target": target, "idempotency_key": "shared" });
    let one = host.ingress().send("/Probe/call", &call).await;
    let other = host.ingress().send("/Probe/call", &call).await;
    for caller in [&one, &other] {
        host.wait_for(caller, |it| it["status"] == "suspended").await;
    }
    steer(&host, &one, "cancel").await;
    assert_eq!(host.ingress().attach(&one).await.status, 409);
    host.ingress().post_empty("/Gate/shared/open").await.ok();
    assert_eq!(host.ingress().attach(&other).await.ok(), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_invocation_leaves_no_lock_behind() {
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    for (round, dies) in [false, true].into_iter().enumerate() {
        let key = format!("locked-{round}");
        let holder =
            host.ingress().send(&format!("/ProbeObject/{key}/slow_add"), &json!({ "ms": 600_000 })).await;
        host.wait_for(&holder, |it| it["status"] == "suspended").await;
        let waiting = append(&host, &key, "next").await;
        host.wait_for(&waiting, |it| it["status"] == "inboxed").await;
        steer(&host, &holder, "kill").await;
        if dies {
            host.kill_and_start_again().await;
        }
        assert_eq!(host.ingress().attach(&holder).await.error().0, 409);
        assert_eq!(host.ingress().attach(&waiting).await.ok(), Value::Null);
        let after = host.ingress().post(&format!("/ProbeObject/{key}/append"), &step("after")).await;
        assert_eq!(after.ok(), Value::Null);
        assert_eq!(host.state("ProbeObject", &key).await, json!({ "steps": ["next", "after"] }));
    }
}

/// An object whose invocation fails again and again: everybody behind it waits, in order, until an operator decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_blocked_is_seen_and_freed() {
    for (round, verb) in ["resume", "kill"].into_iter().enumerate() {
        let is_open = Arc::new(AtomicUsize::new(0));
        let open = Arc::clone(&is_open);
        let ledger = Ledger::start(move |_| match open.load(Ordering::SeqCst) {
            0 => Reply::Refuse,
            _ => Reply::Accept,
        });
        let ledger = ledger.await;
        let mut host = TestHost::start(Setup::guests(&["probe"]).effects(ledger.address())).await;
        let key = format!("blocked-{round}");
        let blocking = host.ingress().send_empty(&format!("/ProbeObject/{key}/pay")).await;
        host.wait_for(&blocking, |it| it["failingRuns"].is_array()).await;
        let mut waiting = Vec::new();
        for text in ["first", "second", "third"] {
            waiting.push(append(&host, &key, text).await);
        }

        let query = format!("service=ProbeObject&key={key}&status=inboxed");
        assert_eq!(wait_for_invocations(&host, &query, 3).await.len(), 3);
        let failing = &host.invocation(&blocking).await["failingRuns"];
        assert!(failing.to_string().contains("status 503"), "the operator sees why: {failing}");

        steer(&host, &blocking, "pause").await;
        let paused = host.invocation(&blocking).await;
        assert_eq!(paused["status"], "paused", "{paused}");
        host.kill_and_start_again().await;
        for invocation in &waiting {
            assert_eq!(host.invocation(invocation).await["status"], "inboxed", "a paused one keeps its key");
        }

        is_open.store(1, Ordering::SeqCst);
        steer(&host, &blocking, verb).await;
        let outcome = host.ingress().attach(&blocking).await;
        match verb {
            "resume" => assert_eq!(outcome.ok(), json!(200)),
            _ => assert_eq!(outcome.error().0, 409),
        }
        for invocation in &waiting {
            assert_eq!(host.ingress().attach(invocation).await.ok(), Value::Null);
        }
        assert_eq!(host.state("ProbeObject", &key).await, json!({ "steps": ["first", "second", "third"] }));
    }
}

async fn append(host: &TestHost, key: &str, text: &str) -> String {
    host.ingress().send(&format!("/ProbeObject/{key}/append"), &step(text)).await
}

fn step(text: &str) -> Value {
    json!({ "name": "steps", "value": text })
}

/// Waits until so many invocations answer to a query, and returns them.
async fn wait_for_invocations(host: &TestHost, query: &str, count: usize) -> Vec<Value> {
    loop {
        let page = host.admin().get(&format!("/invocations?{query}")).await.ok();
        let found = page["invocations"].as_array().cloned().unwrap_or_default();
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
