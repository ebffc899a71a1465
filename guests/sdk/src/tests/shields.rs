//! What a cancellation reaches, and what it passes by.

use super::*;
use crate::TerminalError;

fn code<T>(result: Result<T, TerminalError>) -> Result<T, u16> {
    result.map_err(|error| error.code())
}

#[test]
fn a_cancellation_says_why() {
    check(
        "cancel 504 not done after 50 ms",
        async |ctx| {
            let late = ctx.sleep(ms(10)).await.expect_err("it is cancelled");
            (late.code(), late.to_string(), late.is_cancelled(), late.is_timeout())
        },
        expect![[r#"
            sleep 10
            wait [sleep 10] -> cancelled
            = (504, "not done after 50 ms", true, false)
        "#]],
    );
}

#[test]
fn a_call_that_was_cancelled_first_tells_of_it_too() {
    check(
        "call s/a: ! 409 cancelled | call s/b: ! 409 sold out",
        async |ctx| {
            let is_cancelled = async |name| call(ctx, name).await.is_err_and(|error| error.is_cancelled());
            (is_cancelled("a").await, is_cancelled("b").await)
        },
        expect![[r#"
            call s/a
            wait [call s/a] -> call s/a
            call s/b
            wait [call s/b] -> call s/b
            = (true, false)
        "#]],
    );
}

#[test]
fn what_is_shielded_goes_on() {
    check(
        "cancel | sleep 10 | call s/a: 1",
        async |ctx| {
            let shielded = ctx.shielded(async {
                ctx.sleep(ms(10)).await?;
                call(ctx, "a").await
            });
            crate::join!(shielded, async { code(ctx.sleep(ms(20)).await) })
        },
        expect![[r#"
            sleep 10
            sleep 20
            wait [sleep 10, sleep 20] -> cancelled
            wait [sleep 10] -> sleep 10
            call s/a shielded
            wait [call s/a] -> call s/a
            = (Ok(1), Err(409))
        "#]],
    );
}

#[test]
fn a_request_that_is_shielded_becomes_a_shielded_call() {
    check(
        "cancel | call s/a: 1",
        async |ctx| ctx.shielded(call(ctx, "a")).await,
        expect![[r#"
            call s/a shielded
            wait [call s/a] -> cancelled
            wait [call s/a] -> call s/a
            = Ok(1)
        "#]],
    );
}

#[test]
fn a_cancellation_that_nobody_could_be_told_of_is_told_later_to_all() {
    check(
        "cancel | sleep 10 | call s/c: 3",
        async |ctx| {
            ctx.shielded(ctx.sleep(ms(10))).await?;
            let (sleep, call_a, run) = crate::join!(
                async { code(ctx.sleep(ms(20)).await) },
                call(ctx, "a"),
                ctx.run("charge", async || -> Result<(), Error> { panic!("it is not executed") })
            );
            // Told once, it is over.
            Ok::<_, TerminalError>((sleep, code(call_a), code(run), call(ctx, "c").await?))
        },
        expect![[r#"
            sleep 10
            wait [sleep 10] -> cancelled
            wait [sleep 10] -> sleep 10
            sleep 20
            call s/c
            wait [call s/c] -> call s/c
            = Ok((Err(409), Err(409), Err(409), 3))
        "#]],
    );
}

#[test]
fn a_call_is_not_started_when_there_is_something_to_tell_first() {
    check(
        "cancel | sleep 10 | call s/b: 2",
        async |ctx| {
            ctx.shielded(ctx.sleep(ms(10))).await?;
            let refused = code(call(ctx, "a").start().map(drop));
            Ok::<_, TerminalError>((refused, call(ctx, "b").start()?.await?))
        },
        expect![[r#"
            sleep 10
            wait [sleep 10] -> cancelled
            wait [sleep 10] -> sleep 10
            call s/b
            wait [call s/b] -> call s/b
            = Ok((Err(409), 2))
        "#]],
    );
}

#[test]
fn what_is_asked_for_in_a_shield_waits_for_no_cancellation() {
    check(
        "cancel | sleep 10 | run undo: 1 | call s/undo: 2",
        async |ctx| {
            ctx.shielded(ctx.sleep(ms(10))).await?;
            let undone = ctx.shielded(async {
                let run: u32 = ctx.run("undo", async || Ok(7)).await?;
                Ok::<_, TerminalError>((run, call(ctx, "undo").await?))
            });
            Ok::<_, TerminalError>((undone.await?, code(ctx.sleep(ms(20)).await)))
        },
        expect![[r#"
            sleep 10
            wait [sleep 10] -> cancelled
            wait [sleep 10] -> sleep 10
            run undo
            wait [run undo] -> run undo
            call s/undo shielded
            wait [call s/undo] -> call s/undo
            sleep 20
            = Ok(((1, 2), Err(409)))
        "#]],
    );
}

#[test]
fn a_request_made_before_the_telling_fails_although_it_is_awaited_after() {
    check(
        "cancel | sleep 10",
        async |ctx| {
            ctx.shielded(ctx.sleep(ms(10))).await?;
            let late = call(ctx, "a").into_future();
            let told = code(ctx.sleep(ms(20)).await);
            Ok::<_, TerminalError>((told, code(late.await)))
        },
        expect![[r#"
            sleep 10
            wait [sleep 10] -> cancelled
            wait [sleep 10] -> sleep 10
            sleep 20
            = Ok((Err(409), Err(409)))
        "#]],
    );
}
