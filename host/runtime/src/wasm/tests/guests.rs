//! What a handler may do, and what becomes of one that does something else.

use expect_test::{Expect, expect};
use holiday_core::value::Outcome;

use super::Script;

/// Executes attempts of a handler, one per line; before each but the first, sleeps are answered.
async fn check(handle: &str, attempts: u32, expected: Expect) {
    let mut script = Script::new(handle).await;
    let mut lines = String::new();
    for _ in 0..attempts {
        lines += &script.attempt().await;
        lines += "\n";
        if let Some(last) = script.commands.len().checked_sub(1)
            && script.notifications.len() <= last
        {
            script.answer(None, u32::try_from(last).expect("few"), Outcome::done());
        }
    }
    expected.assert_eq(&lines);
}

const ECHO: &str = "(call $succeed (local.get $input) (local.get $input-len))";

#[tokio::test]
async fn a_handler_gets_its_input_and_gives_its_output() {
    check(
        ECHO,
        1,
        expect![[r#"
        end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn failures_are_terminal_or_not() {
    check(
        "(call $fail (i32.const 422) (i32.const 2) (i32.const 4))",
        1,
        expect![[r#"
        end [422] step
    "#]],
    )
    .await;
    check(
        "(call $fail (i32.const 200) (i32.const 2) (i32.const 4))",
        1,
        expect![[r#"
        end [500] step
    "#]],
    )
    .await;
    check(
        "(call $retry (i32.const 2) (i32.const 4))",
        1,
        expect![[r#"
        fail HH0025: step
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_long_sleep_suspends_and_is_replayed() {
    check(
        &format!("(call $await (call $start-sleep (i64.const 60000))) {ECHO}"),
        2,
        expect![[r#"
        sleep 60000 ms | suspend on [0]
        end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_short_sleep_keeps_its_instance_for_a_moment() {
    check(
        &format!("(call $await (call $start-sleep (i64.const 1))) {ECHO}"),
        2,
        expect![[r#"
        sleep 1 ms | suspend on [0]
        end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_crowd_makes_it_suspend_at_once() {
    let mut script = Script::new(&format!("(call $await (call $start-sleep (i64.const 1))) {ECHO}")).await;
    script.crowd.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(script.attempt().await, "sleep 1 ms | suspend on [0]");
}

/// Executes the step if it is to be executed, with the result `step`; answers with what the journal says.
const STEP: &str = "
    (call $start-run)
    (if (i32.load8_u (i32.const 1024))
      (then (i32.store (i32.const 1028) (call $finish-run
        (i32.load (i32.const 1028)) (i32.const 0) (i32.const 2) (i32.const 4) (i32.const 0)))))
    (call $await (i32.load (i32.const 1028)))
    (call $succeed (i32.load (i32.const 1028)) (i32.load (i32.const 1032)))";

#[tokio::test]
async fn a_step_is_executed_once() {
    check(
        STEP,
        2,
        expect![[r#"
        run 'step' | run completed with success (4 bytes) | end step
        end step
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_step_that_may_succeed_later_suspends() {
    let retryable = STEP
        .replace("(i32.const 0) (i32.const 2) (i32.const 4)", "(i32.const 2) (i32.const 2) (i32.const 4)");
    check(
        &retryable,
        1,
        expect![[r#"
        run 'step' | run failed: step | suspend on [0]
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_step_can_be_given_up() {
    let handle = format!("(call $start-run) (call $drop-token (i32.load (i32.const 1028))) {ECHO}");
    check(
        &handle,
        1,
        expect![[r#"
        run 'step' | run 0 abandoned | end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_step_that_fails_can_be_given_up_instead_of_waiting_for_it() {
    let handle = "
        (call $start-run)
        (call $drop-pending (call $finish-run
          (i32.load (i32.const 1028)) (i32.const 2) (i32.const 2) (i32.const 4) (i32.const 0)))";
    check(
        &format!("{handle} {ECHO}"),
        1,
        expect![[r#"
        run 'step' | run failed: step | run 0 abandoned | end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn another_journal_is_not_continued() {
    let mut script = Script::new(STEP).await;
    script.attempt().await;
    let other = format!("(call $await (call $start-sleep (i64.const 1))) {ECHO}");
    let prepared =
        script.components.prepare(super::guest(&other).into(), None, |_| {}).await.expect("a good component");
    script.deployment = holiday_core::id::DeploymentId::of(&prepared.digest);
    expect![[r#"fail HH0007: command 0 of the journal was 'run 'step'', but the handler now asks for 'sleep 1 ms'; deploy the version it began on, or one that asks for the same in the same order"#]]
        .assert_eq(&script.attempt().await);
}

#[tokio::test]
async fn an_answer_cannot_be_taken_unseen() {
    check(
        &format!("(call $take (call $start-sleep (i64.const 1)) (i32.const 1024)) {ECHO}"),
        1,
        expect![[r#"
        fail HH0040: the answer of an operation was taken before wait reported it ready, or twice
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_trap_fails_the_attempt() {
    check(
        "unreachable",
        1,
        expect![[r#"
        fail HH0022: the component trapped: wasm trap: wasm `unreachable` instruction executed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_guest_that_spins_fails_alone() {
    check("(loop $again (br $again)) unreachable", 1, expect![[r#"
        fail HH0023: the component computed for more than 50 ms without an operation of its context; split the work with run(...), or allow more by limits.cpu or the option cpu
    "#]])
    .await;
}

#[tokio::test]
async fn a_guest_that_is_refused_memory_is_told_why_it_failed() {
    check("(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) unreachable", 1, expect![[r#"
        fail HH0024: the component asked for 65667072 bytes of memory, more than the 1048576 that are allowed; work on less at a time, or start the host with a larger bound
    "#]])
    .await;
}

#[tokio::test]
async fn time_stands_at_the_latest_entry() {
    let handle = "
        (call $await (call $start-sleep (i64.const 60000)))
        (i64.store (i32.const 600) (call $now))
        (if (i64.ne (i64.load (i32.const 600)) (i64.const 2000000000)) (then unreachable))
        (call $succeed (i32.const 2) (i32.const 4))";
    check(
        handle,
        2,
        expect![[r#"
        sleep 60000 ms | suspend on [0]
        end step
    "#]],
    )
    .await;
}

#[tokio::test]
async fn real_time_does_not_pass_outside_a_step() {
    check(&format!("(drop (call $subscribe (i64.const 1))) {ECHO}"), 1, expect![[r#"
        fail HH0040: the handler waits for time to pass outside run(...), which a crash would undo; use the sleep of its context, which is durable
    "#]])
    .await;
}

/// Waits, inside a step, for one millisecond of real time.
#[tokio::test]
async fn real_time_passes_inside_a_step() {
    let handle = format!(
        "(call $start-run)
        (i32.store (i32.const 1000) (call $subscribe (i64.const 1000000)))
        (call $wait (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 1040))
        (if (i32.ne (i32.load8_u (i32.const 1040)) (i32.const 1)) (then unreachable))
        (drop (call $finish-run
          (i32.load (i32.const 1028)) (i32.const 0) (i32.const 2) (i32.const 4) (i32.const 0)))
        {ECHO}"
    );
    check(
        &handle,
        1,
        expect![[r#"
        run 'step' | run completed with success (4 bytes) | end input
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_abandoned_attempt_says_nothing_more() {
    for handle in ["(loop $again (br $again)) unreachable", "(call $start-run) unreachable"] {
        let mut script = Script::new(handle).await;
        let mut running = script.start();
        let (silent, _) = tokio::sync::mpsc::unbounded_channel();
        running.news = silent;
        while let Some(events) = running.next().await {
            assert!(
                events.iter().all(|event| matches!(event, holiday_core::event::Event::Commands(_))),
                "{events:?}"
            );
        }
    }
}
