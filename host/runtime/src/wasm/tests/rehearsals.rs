//! Which components a journal can go on with, and what is said of those it cannot.

use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use holiday_core::attempt::Start;
use holiday_core::id::DeploymentId;
use holiday_core::value::Outcome;

use super::super::config::WasmConfig;
use super::super::limits::REHEARSAL_TIMEOUT;
use super::{Script, config, guest};
use crate::driver::Rehearsal as _;
use crate::telemetry::Tracer;
use crate::wasm::WasmInvoker;

/// Sleeps, takes a step, and sets a value.
const ORIGINAL: &str = "
    (call $await (call $start-sleep (i64.const 60000)))
    (call $start-run)
    (if (i32.load8_u (i32.const 1024))
      (then (i32.store (i32.const 1028) (call $finish-run
        (i32.load (i32.const 1028)) (i32.const 0) (i32.const 2) (i32.const 4) (i32.const 0)))))
    (call $await (i32.load (i32.const 1028)))
    (call $set-state (i32.const 2) (i32.const 4) (i32.const 2) (i32.const 4))
    (call $await (call $start-sleep (i64.const 60000)))
    (call $succeed (i32.const 2) (i32.const 4))";

/// A script whose handler has come to its second sleep.
async fn script() -> Script {
    let mut script = Script::new(ORIGINAL).await;
    assert_eq!(script.attempt().await, "sleep 60000 ms | suspend on [0]");
    script.answer(None, 0, Outcome::done());
    let rest = script.attempt().await;
    assert_eq!(
        rest,
        "run 'step' | run completed with success (4 bytes) | set state 'step' (4 bytes), sleep 60000 ms | suspend on [3]"
    );
    script
}

async fn rehearse(script: &Script, handle: &str) -> String {
    let prepared =
        script.components.prepare(guest(handle).into(), None, |_| {}).await.expect("a good component");
    let start = Start { deployment: DeploymentId::of(&prepared.digest), ..script.begin() };
    let runtime = tokio::runtime::Handle::current();
    let invoker = WasmInvoker::new(Arc::clone(&script.components), Tracer::default(), runtime);
    let rehearsed = invoker.rehearse(start, None).await;
    rehearsed.map_or_else(|error| error.to_string(), |()| "it fits".to_owned())
}

async fn check(handle: &str, expected: Expect) {
    expected.assert_eq(&rehearse(&script().await, handle).await);
}

#[tokio::test]
async fn the_same_again_fits() {
    check(ORIGINAL, expect!["it fits"]).await;
}

#[tokio::test]
async fn what_comes_after_the_journal_may_be_different() {
    let mut script = script().await;
    script.answer(None, 3, Outcome::done());
    assert_eq!(rehearse(&script, ORIGINAL).await, "it fits");
    let (same, _) = ORIGINAL.rsplit_once("(call $succeed").expect("its end");
    for end in [
        "(call $start-run) unreachable",
        "(drop (call $start-sleep (i64.const 1))) (loop $again (br $again)) unreachable",
    ] {
        assert_eq!(rehearse(&script, &format!("{same} {end}")).await, "it fits", "{end}");
    }
}

#[tokio::test]
async fn other_commands_are_named_with_those_of_the_journal() {
    check(
        &ORIGINAL.replacen("60000", "59000", 1),
        expect!["command 0 of the journal was 'sleep 60000 ms', but the handler now asks for 'sleep 59000 ms'; deploy the version it began on, or one that asks for the same in the same order"],
    )
    .await;
    check(
        &ORIGINAL.replace("$set-state (i32.const 2) (i32.const 4)", "$set-state (i32.const 2) (i32.const 3)"),
        expect!["command 2 of the journal was 'set state 'step' (4 bytes)', but the handler now asks for 'set state 'ste' (4 bytes)'; deploy the version it began on, or one that asks for the same in the same order"],
    )
    .await;
    check(
        "(call $await (call $start-sleep (i64.const 60000))) (call $succeed (i32.const 2) (i32.const 4))",
        expect!["the journal goes on with 'run 'step'' (command 1), but the handler has returned; deploy the version it began on, or one that asks for the same in the same order"],
    )
    .await;
}

#[tokio::test]
async fn a_handler_that_gives_up_early_does_not_fit() {
    check(
        "(call $retry (i32.const 2) (i32.const 4))",
        expect!["the journal goes on with 'sleep 60000 ms' (command 0), but the handler has returned; deploy the version it began on, or one that asks for the same in the same order"],
    )
    .await;
}

#[tokio::test]
async fn a_handler_that_fails_on_the_way_does_not_fit() {
    check(
        "unreachable",
        expect!["HH0022: the component trapped: wasm trap: wasm `unreachable` instruction executed"],
    )
    .await;
    // One budget for the whole journal.
    check(
        "(call $await (call $start-sleep (i64.const 60000))) (loop $again (br $again)) unreachable",
        expect!["HH0023: the component computed for more than 50 ms without an operation of its context; split the work with run(...), or allow more by limits.cpu or the option cpu"],
    )
    .await;
}

#[tokio::test]
async fn steps_without_a_result_are_not_executed() {
    let mut script = Script::new(ORIGINAL).await;
    script.attempt().await;
    script.answer(None, 0, Outcome::done());
    script.attempt().await;
    // As if the host had died between the permit and the result.
    script.notifications.truncate(1);
    script.commands.truncate(2);
    assert_eq!(rehearse(&script, ORIGINAL).await, "it fits");
    let other = ORIGINAL.replace("(call $start-run)", "(call $start-run) (call $start-run)");
    assert_eq!(rehearse(&script, &other).await, "it fits", "a second step is beyond the journal");
}

#[tokio::test]
async fn a_component_that_is_not_there_is_said_to_be_missing() {
    let script = script().await;
    script.components.free(script.deployment);
    let runtime = tokio::runtime::Handle::current();
    let invoker = WasmInvoker::new(Arc::clone(&script.components), Tracer::default(), runtime);
    let error = invoker.rehearse(script.begin(), None).await.expect_err("it is gone");
    assert!(error.to_string().starts_with("the component of deployment"), "{error}");
}

#[tokio::test]
async fn a_rehearsal_that_does_not_get_on_is_given_up() {
    assert_eq!(WasmConfig::default().rehearsal_timeout, REHEARSAL_TIMEOUT);
    let config = WasmConfig { instances_max: 1, rehearsal_timeout: Duration::from_millis(20), ..config() };
    let mut script = Script::with(config, guest(ORIGINAL)).await;
    assert_eq!(script.attempt().await, "sleep 60000 ms | suspend on [0]");
    let _the_only_one = script.components.instance().await.expect("there is one");
    let runtime = tokio::runtime::Handle::current();
    let invoker = WasmInvoker::new(Arc::clone(&script.components), Tracer::default(), runtime);
    let error = invoker.rehearse(script.begin(), None).await.expect_err("it has no instance");
    expect!["HH0028: no instance was free after 20ms; try again"].assert_eq(&error.to_string());
}
