//! Handlers against scripts of what the world answers; see `backend::fake`.
//!
//! Each check runs the handler, then replays it on the journal that came of it, and wants the same
//! commands and the same result.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use expect_test::{Expect, expect};

use crate::backend::fake::{self, Suspended};
use crate::operations::IoReady;
use crate::{Context, DurableExt, Either, Error, Saga, Target, executor, join_all, operations, race, select};

mod asking;
mod sealing;
mod shields;
mod steps;

fn check<T: Debug>(script: &str, handler: impl AsyncFn(Context) -> T, expected: Expect) {
    fake::begin(script);
    let (trace, result) = attempt(&handler);
    fake::begin_replay();
    let (replayed, replayed_result) = attempt(&handler);
    assert_eq!(result, replayed_result, "the replay ended differently");
    assert_eq!(commands(&trace), commands(&replayed), "the replay asked for other things");
    expected.assert_eq(&format!("{}\n= {result}\n", trace.join("\n")));
}

fn attempt<T: Debug>(handler: &impl AsyncFn(Context) -> T) -> (Vec<String>, String) {
    operations::begin_attempt();
    let ctx = Context::of_this_handler();
    let result = match catch_unwind(AssertUnwindSafe(|| executor::block_on(handler(ctx)))) {
        Ok(result) => format!("{result:?}"),
        Err(panic) if panic.is::<Suspended>() => "suspended".into(),
        Err(panic) => resume_unwind(panic),
    };
    (fake::trace(), result)
}

fn commands(trace: &[String]) -> Vec<&String> {
    trace.iter().filter(|line| !line.starts_with("wait ")).collect()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn call(ctx: Context, handler: &str) -> crate::Call<u32> {
    ctx.call(Target::service("s", handler), &())
}

async fn io(name: &str) {
    IoReady::new(fake::Pollable::new(name)).await;
}

mod waiting {
    use super::*;

    #[test]
    fn one_thing_after_the_other() {
        check(
            "sleep 10 | call s/a: 7",
            async |ctx| {
                ctx.sleep(ms(10)).await?;
                call(ctx, "a").await
            },
            expect![[r#"
                sleep 10
                wait [sleep 10] -> sleep 10
                call s/a
                wait [call s/a] -> call s/a
                = Ok(7)
            "#]],
        );
    }

    #[test]
    fn without_an_answer_the_handler_is_suspended() {
        check(
            "",
            async |ctx| call(ctx, "a").await,
            expect![[r#"
            call s/a
            wait [call s/a] -> nothing
            = suspended
        "#]],
        );
    }

    #[test]
    fn an_operation_that_nobody_awaits_is_not_waited_for() {
        check(
            "call s/a: 1 | sleep 10",
            async |ctx| {
                let a = call(ctx, "a").start()?;
                ctx.sleep(ms(10)).await?;
                a.await
            },
            expect![[r#"
                call s/a
                sleep 10
                wait [sleep 10] -> sleep 10
                wait [call s/a] -> call s/a
                = Ok(1)
            "#]],
        );
    }

    #[test]
    fn a_failure_keeps_its_code() {
        check(
            "call s/a: ! 404 no such fare",
            async |ctx| call(ctx, "a").await.map_err(|e| e.code()),
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                = Err(404)
            "#]],
        );
    }

    #[test]
    #[should_panic(expected = "that no operation of the host can complete")]
    fn a_future_that_the_host_cannot_complete_is_refused() {
        check("", async |_| std::future::pending::<()>().await, expect![[""]]);
    }
}

mod combinators {
    use super::*;

    #[test]
    fn join_gives_all_in_the_order_asked() {
        check(
            "call s/b: 2 | call s/a: 1",
            async |ctx| crate::join!(call(ctx, "a"), call(ctx, "b"), async { 3 }),
            expect![[r#"
                call s/a
                call s/b
                wait [call s/a, call s/b] -> call s/b
                wait [call s/a] -> call s/a
                = (Ok(1), Ok(2), 3)
            "#]],
        );
    }

    #[test]
    fn join_all_gives_all_in_the_order_asked() {
        check(
            "call s/c: 3 | call s/a: 1 | call s/b: 2",
            async |ctx| join_all(["a", "b", "c"].map(|it| call(ctx, it))).await,
            expect![[r#"
                call s/a
                call s/b
                call s/c
                wait [call s/a, call s/b, call s/c] -> call s/c
                wait [call s/a, call s/b] -> call s/a
                wait [call s/b] -> call s/b
                = [Ok(1), Ok(2), Ok(3)]
            "#]],
        );
    }

    #[test]
    fn the_loser_of_a_select_leaves_the_list() {
        check(
            "sleep 10 | call s/a: 1 | sleep 20",
            async |ctx| {
                let first = select(call(ctx, "a"), ctx.sleep(ms(10))).await;
                ctx.sleep(ms(20)).await?;
                Ok::<_, Error>(matches!(first, Either::Right(Ok(()))))
            },
            expect![[r#"
                sleep 10
                call s/a
                wait [sleep 10, call s/a] -> sleep 10
                sleep 20
                wait [sleep 20] -> sleep 20
                = Ok(true)
            "#]],
        );
    }

    #[test]
    fn a_race_is_won_by_what_stands_first_in_the_journal() {
        check(
            "call s/c: 3 | call s/b: 2",
            async |ctx| race(["a", "b", "c"].map(|it| call(ctx, it))).await,
            expect![[r#"
                call s/a
                call s/b
                call s/c
                wait [call s/a, call s/b, call s/c] -> call s/c
                = (2, Ok(3))
            "#]],
        );
    }

    #[test]
    fn a_timeout_ends_the_wait() {
        check(
            "sleep 50",
            async |ctx| call(ctx, "a").timeout(ms(50)).await,
            expect![[r#"
            call s/a
            sleep 50
            wait [call s/a, sleep 50] -> sleep 50
            = Err(TerminalError { code: 408, message: "timed out after 50ms", reason: TimedOut })
        "#]],
        );
    }

    #[test]
    fn an_answer_in_time_is_an_answer() {
        check(
            "call s/a: 7",
            async |ctx| call(ctx, "a").timeout(ms(50)).await,
            expect![[r#"
            call s/a
            sleep 50
            wait [call s/a, sleep 50] -> call s/a
            = Ok(7)
        "#]],
        );
    }

    #[test]
    fn branches_of_several_steps_take_turns() {
        check(
            "call s/b1: 1 | call s/a1: 1 | call s/a2: 2 | call s/b2: 2",
            async |ctx| {
                let branch = async |one, two| Ok::<_, Error>(call(ctx, one).await? + call(ctx, two).await?);
                crate::join!(branch("a1", "a2"), branch("b1", "b2"))
            },
            expect![[r#"
                call s/a1
                call s/b1
                wait [call s/a1, call s/b1] -> call s/b1
                call s/b2
                wait [call s/a1, call s/b2] -> call s/a1
                call s/a2
                wait [call s/b2, call s/a2] -> call s/a2
                wait [call s/b2] -> call s/b2
                = (Ok(3), Ok(3))
            "#]],
        );
    }
}

mod runs {
    use super::*;

    #[test]
    fn the_recorded_value_is_what_counts() {
        check(
            r#"run draw: 6"#,
            async |ctx| ctx.run("draw", async || Ok(1)).await,
            expect![[r#"
            run draw
            wait [run draw] -> run draw
            = Ok(6)
        "#]],
        );
    }

    #[test]
    fn the_closure_is_executed_when_nothing_is_recorded() {
        check(
            "",
            async |ctx| ctx.run("draw", async || Ok(1)).await,
            expect![[r#"
            run draw
            wait [run draw] -> run draw
            = Ok(1)
        "#]],
        );
    }

    #[test]
    fn two_closures_overlap() {
        check(
            "io b | io a",
            async |ctx| {
                let fetch = async |name, value| {
                    io(name).await;
                    Ok(value)
                };
                crate::join!(
                    ctx.run("a", async || fetch("a", 1).await),
                    ctx.run("b", async || fetch("b", 2).await)
                )
            },
            expect![[r#"
                run a
                run b
                wait [a, b] -> b
                wait [run b, a] -> run b
                wait [a] -> a
                wait [run a] -> run a
                = (Ok(1), Ok(2))
            "#]],
        );
    }

    #[test]
    fn a_terminal_error_ends_the_step() {
        check(
            "",
            async |ctx| ctx.run("charge", async || Err::<(), _>(Error::terminal("refused"))).await,
            expect![[r#"
                run charge
                wait [run charge] -> run charge
                = Err(TerminalError { code: 500, message: "refused", reason: Failed })
            "#]],
        );
    }

    #[test]
    fn a_retryable_error_ends_the_attempt() {
        check(
            "",
            async |ctx| ctx.run("charge", async || Err::<(), _>(Error::retryable("busy"))).await,
            expect![[r#"
                run charge
                wait [run charge] -> nothing
                = suspended
            "#]],
        );
    }

    #[test]
    fn a_step_that_is_insisted_on_is_tried_again_whatever_it_fails_with() {
        check(
            "",
            async |ctx| ctx.run("refund", async || Err::<(), _>(Error::terminal("refused"))).insist().await,
            expect![[r#"
                run refund
                wait [run refund] -> nothing
                = suspended
            "#]],
        );
        check(
            "",
            async |ctx| ctx.run("refund", async || Ok(1)).insist().await,
            expect![[r#"
                run refund
                wait [run refund] -> run refund
                = Ok(1)
            "#]],
        );
    }

    #[test]
    #[should_panic(expected = "a call was asked for inside the closure of a run")]
    fn a_closure_may_not_ask_for_durable_operations() {
        check("", async |ctx| ctx.run("a", async || Ok(call(ctx, "a").await?)).await, expect![[""]]);
    }
}

mod cancellation {
    use super::*;

    #[test]
    fn what_is_awaited_fails_and_what_comes_later_works() {
        check(
            "cancel | call s/c: 3",
            async |ctx| {
                let (a, b) = crate::join!(call(ctx, "a"), ctx.sleep(ms(10)));
                let cancelled = a.is_err_and(|e| e.is_cancelled()) && b.is_err_and(|e| e.is_cancelled());
                Ok::<_, Error>((cancelled, call(ctx, "c").await?))
            },
            expect![[r#"
                call s/a
                sleep 10
                wait [call s/a, sleep 10] -> cancelled
                call s/c
                wait [call s/c] -> call s/c
                = Ok((true, 3))
            "#]],
        );
    }

    #[test]
    fn a_closure_in_execution_is_abandoned() {
        check(
            "cancel",
            async |ctx| {
                let step = ctx.run("fetch", async || {
                    io("page").await;
                    Ok(1)
                });
                step.await.is_err_and(|e| e.is_cancelled())
            },
            expect![[r#"
                run fetch
                wait [page] -> cancelled
                = true
            "#]],
        );
    }

    #[test]
    fn an_answer_before_it_in_the_journal_is_seen() {
        check(
            "call s/a: 1 | cancel",
            async |ctx| (call(ctx, "a").await, call(ctx, "b").await.map_err(|e| e.is_cancelled())),
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> cancelled
                = (Ok(1), Err(true))
            "#]],
        );
    }
}

mod sagas {
    use super::*;

    async fn book<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<(), Error> {
        for (step, undo) in [("a", "undo-a"), ("b", "undo-b")] {
            saga.step(call(ctx, step), async move |_| Ok(call(ctx, undo).await.map(drop)?)).await?;
        }
        call(ctx, "c").await?;
        Ok(())
    }

    async fn trip(ctx: Context) -> Result<usize, Error> {
        let mut saga = Saga::new();
        match book(ctx, &mut saga).await {
            Ok(()) => Ok(0),
            Err(error) => Ok(saga.undo(error).await?.applied),
        }
    }

    #[test]
    fn a_terminal_error_undoes_in_reverse() {
        check(
            "call s/a: 1 | call s/b: 2 | call s/c: ! 500 no | call s/undo-b: 0 | call s/undo-a: 0",
            trip,
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> call s/b
                call s/c
                wait [call s/c] -> call s/c
                call s/undo-b shielded
                wait [call s/undo-b] -> call s/undo-b
                call s/undo-a shielded
                wait [call s/undo-a] -> call s/undo-a
                = Ok(2)
            "#]],
        );
    }

    #[test]
    fn a_step_that_failed_has_nothing_to_undo() {
        check(
            "call s/a: ! 500 no",
            trip,
            expect![[r#"
            call s/a
            wait [call s/a] -> call s/a
            = Ok(0)
        "#]],
        );
    }

    #[test]
    fn a_cancellation_undoes_and_settles_the_step_under_way() {
        check(
            "call s/a: 1 | cancel | call s/b: 2 | call s/undo-b: 0 | call s/undo-a: 0",
            trip,
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> cancelled
                wait [call s/b] -> call s/b
                call s/undo-b shielded
                wait [call s/undo-b] -> call s/undo-b
                call s/undo-a shielded
                wait [call s/undo-a] -> call s/undo-a
                = Ok(2)
            "#]],
        );
    }

    #[test]
    fn a_step_that_ended_without_effect_is_not_counted() {
        check(
            "call s/a: 1 | cancel | call s/b: ! 409 cancelled | call s/undo-a: 0",
            trip,
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> cancelled
                wait [call s/b] -> call s/b
                call s/undo-a shielded
                wait [call s/undo-a] -> call s/undo-a
                = Ok(1)
            "#]],
        );
    }

    #[test]
    fn a_compensation_is_not_interrupted_by_a_cancellation() {
        check(
            "call s/a: 1 | call s/b: ! 500 no | cancel | call s/undo-a: 0",
            async |ctx| {
                let mut saga = Saga::new();
                let booked = book(ctx, &mut saga).await;
                saga.settle(booked).await
            },
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> call s/b
                call s/undo-a shielded
                wait [call s/undo-a] -> cancelled
                wait [call s/undo-a] -> call s/undo-a
                = Err(Terminal(TerminalError { code: 500, message: "no", reason: Failed }))
            "#]],
        );
    }

    #[test]
    fn a_compensation_that_fails_is_not_skipped() {
        check(
            "call s/a: 1 | call s/b: ! 500 no | call s/undo-a: ! 500 stuck",
            trip,
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                call s/b
                wait [call s/b] -> call s/b
                call s/undo-a shielded
                wait [call s/undo-a] -> call s/undo-a
                = Err(Retryable(RetryableError("a compensation for 'no' failed: stuck")))
            "#]],
        );
    }

    #[test]
    fn a_retryable_error_undoes_nothing() {
        check(
            "call s/a: 1",
            async |ctx| {
                let mut saga = Saga::new();
                saga.step(call(ctx, "a"), async move |_| Ok(call(ctx, "undo-a").await.map(drop)?)).await?;
                saga.settle(Err::<(), _>(Error::retryable("busy"))).await
            },
            expect![[r#"
                call s/a
                wait [call s/a] -> call s/a
                = Err(Retryable(RetryableError("busy")))
            "#]],
        );
    }
}
