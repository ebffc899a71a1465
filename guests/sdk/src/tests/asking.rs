//! What handlers ask for, and what they get: calls, sends, handles, awakeables, signals, promises, timers.

use super::*;
use crate::keyed::{ContextOf, mode};
use crate::{Invocation, TerminalError, WorkflowContext};

const ID: &str = "inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK";

fn workflow() -> WorkflowContext {
    <WorkflowContext as ContextOf<mode::WorkflowRun>>::enter()
}

#[test]
fn a_call_carries_its_input_its_key_and_its_headers() {
    check(
        "call s/k/a: 7",
        async |ctx| {
            let call = ctx.call::<_, u32>(Target::keyed("s", "k", "a"), "BMW");
            call.idempotency_key("order-7").header("X-Tenant", "acme").await
        },
        expect![[r#"
            call s/k/a "BMW" key order-7 x-tenant=acme
            wait [call s/k/a] -> call s/k/a
            = Ok(7)
        "#]],
    );
}

#[test]
fn a_send_gives_a_handle_at_once() {
    check(
        "",
        async |ctx| {
            let now = call(ctx, "a").idempotency_key("k").send()?;
            let later = call(ctx, "b").header("x-a", "1").send_after(ms(50))?;
            Ok::<_, TerminalError>((now.id().to_owned(), later))
        },
        expect![[r#"
            send s/a key k
            send s/b x-a=1 in 50
            = Ok(("inv_a", Invocation(inv_b)))
        "#]],
    );
}

#[test]
fn a_started_call_is_a_handle() {
    check(
        "signal go to inv_a | call s/a: 7",
        async |ctx| {
            let started = call(ctx, "a").start()?;
            started.signal("go", &1).await?;
            started.await
        },
        expect![[r#"
            call s/a
            signal go to inv_a with 1
            wait [signal go to inv_a] -> signal go to inv_a
            wait [call s/a] -> call s/a
            = Ok(7)
        "#]],
    );
}

#[test]
fn an_input_that_is_no_json_is_an_error_and_nothing_is_asked() {
    let not_json = std::collections::BTreeMap::from([(vec![1], 1)]);
    check(
        "",
        async |ctx| {
            let failed = |result: Result<(), TerminalError>| result.map_err(|error| error.code());
            let call = || ctx.call::<_, ()>(Target::service("s", "a"), &not_json);
            let invocation: Invocation = ctx.invocation(ID)?;
            Ok::<_, TerminalError>((
                failed(call().await),
                failed(call().start().map(drop)),
                failed(call().send().map(drop)),
                failed(invocation.signal("go", &not_json).await),
                failed(ctx.resolve_awakeable("awk_", &not_json)),
            ))
        },
        expect![[r#"

            = Ok((Err(500), Err(500), Err(500), Err(500), Err(500)))
        "#]],
    );
}

#[test]
fn a_handle_attaches_looks_cancels_and_signals() {
    check(
        &format!(
            "output {ID}: ? | signal go to {ID} | signal stop to {ID}: ! 409 it has ended | attach {ID}: 7 | output {ID}: 7"
        ),
        async |ctx| {
            let it = ctx.invocation(ID)?.answering::<u32>();
            let before = it.output().await?;
            it.signal("go", "EUR").await?;
            let refused = it.reject_signal("stop", "no").await.map_err(|error| error.code());
            it.cancel();
            Ok::<_, TerminalError>((before, refused, it.attach().await?))
        },
        expect![[r#"
            output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            wait [output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK] -> output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            signal go to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK with "EUR"
            wait [signal go to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK] -> signal go to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            signal stop to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK with ! 500 no
            wait [signal stop to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK] -> signal stop to inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            cancel inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            attach inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            wait [attach inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK] -> attach inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            = Ok((None, Err(409), 7))
        "#]],
    );
}

#[test]
fn an_outcome_without_a_value_is_not_the_lack_of_one() {
    check(
        &format!("output {ID}: null"),
        async |ctx| ctx.invocation(ID)?.answering::<()>().output().await,
        expect![[r#"
            output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            wait [output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK] -> output inv_L2TcRPUo77cxxqa89emKvsQbdyhg1rXmK
            = Ok(Some(()))
        "#]],
    );
}

#[test]
fn a_text_that_is_no_id_asks_for_nothing() {
    check(
        "",
        async |ctx| {
            (
                ctx.invocation("inv_0").map_err(|error| error.to_string()),
                ctx.resolve_awakeable("inv_0", &1).map_err(|error| error.code()),
                ctx.reject_awakeable("awk_0", "no").map_err(|error| error.code()),
            )
        },
        expect![[r#"

            = (Err("'inv_0' is not an invocation id, which is 'inv_' and base58 characters"), Err(400), Err(400))
        "#]],
    );
}

#[test]
fn an_invocation_has_other_names() {
    check(
        "attach s/a key k: 7 | output workflow W/w: ?",
        async |ctx| {
            let keyed = ctx.by_idempotency_key(Target::service("s", "a"), "k").answering::<u32>();
            let run = ctx.workflow("W", "w").answering::<u32>();
            Ok::<_, TerminalError>((keyed.attach().await?, run.output().await?))
        },
        expect![[r#"
            attach s/a key k
            wait [attach s/a key k] -> attach s/a key k
            output workflow W/w
            wait [output workflow W/w] -> output workflow W/w
            = Ok((7, None))
        "#]],
    );
}

#[test]
fn an_awakeable_is_resolved_or_rejected() {
    check(
        "awakeable 2: ! 503 busy | awakeable 1: true",
        async |ctx| {
            let (one, first) = ctx.awakeable::<bool>();
            let (two, second) = ctx.awakeable::<bool>();
            ctx.resolve_awakeable(&one, &true)?;
            ctx.reject_awakeable(&two, TerminalError::new("busy").with_code(503))?;
            let rejected = second.await.map_err(|error| error.code());
            Ok::<_, TerminalError>((first.await?, rejected))
        },
        expect![[r#"
            awakeable 1
            awakeable 2
            complete awk_bjeZFxtbxBjWrv7gc1tkEb8or8emrhTttJruW with true
            complete awk_2CUJ7WvnCuNU2iqEND2nVUBGchGJYiPvnmcip1 with ! 503 busy
            wait [awakeable 2] -> awakeable 2
            wait [awakeable 1] -> awakeable 1
            = Ok((true, Err(503)))
        "#]],
    );
}

#[test]
fn a_signal_is_waited_for_by_its_name() {
    check(
        "signal go: \"EUR\" | signal stop: ! 500 no",
        async |ctx| {
            let go: String = ctx.signal("go").await?;
            Ok::<_, TerminalError>((go, ctx.signal::<()>("stop").await.map_err(|error| error.to_string())))
        },
        expect![[r#"
            signal go
            wait [signal go] -> signal go
            signal stop
            wait [signal stop] -> signal stop
            = Ok(("EUR", Err("no")))
        "#]],
    );
}

#[test]
fn a_promise_is_completed_once() {
    check(
        "peek p: ? | complete p | complete p2: ! 409 completed before | get p: 750",
        async |_| {
            let promise = workflow().promise::<u32>("p");
            let before = promise.peek().await?;
            promise.resolve(&750).await?;
            let again =
                workflow().promise::<u32>("p2").reject("too late").await.map_err(|error| error.code());
            Ok::<_, TerminalError>((before, again, promise.get().await?))
        },
        expect![[r#"
            peek p
            wait [peek p] -> peek p
            complete p with 750
            wait [complete p] -> complete p
            complete p2 with ! 500 too late
            wait [complete p2] -> complete p2
            get p
            wait [get p] -> get p
            = Ok((None, Err(409), 750))
        "#]],
    );
}

#[test]
fn a_text_is_lent_to_a_promise() {
    check(
        "complete payer",
        async |_| workflow().promise("payer").resolve("Ann").await,
        expect![[r#"
            complete payer with "Ann"
            wait [complete payer] -> complete payer
            = Ok(())
        "#]],
    );
}

#[test]
fn a_timer_may_have_a_name() {
    check(
        "sleep moderation 5000",
        async |ctx| ctx.sleep_named("moderation", Duration::from_secs(5)).await,
        expect![[r#"
            sleep moderation 5000
            wait [sleep moderation 5000] -> sleep moderation 5000
            = Ok(())
        "#]],
    );
}

#[test]
fn a_step_says_what_happens_when_it_fails_for_too_long() {
    use crate::RetryPolicy;
    check(
        "",
        async |ctx| {
            let policy = RetryPolicy::exponential(ms(40), 2.0).max_interval(ms(100)).max_attempts(3);
            ctx.run("a", async || Ok(())).retry(policy.max_duration(ms(900)).pause_when_exhausted()).await?;
            ctx.run("b", async || Ok(())).retry(RetryPolicy::fixed(ms(5))).await?;
            ctx.run("c", async || Ok(())).retry(policy.pause_when_exhausted().fail_when_exhausted()).await
        },
        expect![[r#"
            run a every 40 x 2 to 100, Some(3) in Some(900), pause
            wait [run a] -> run a
            run b every 5 x 1 to 60000, None in None, fail
            wait [run b] -> run b
            run c every 40 x 2 to 100, Some(3) in None, fail
            wait [run c] -> run c
            = Ok(())
        "#]],
    );
}

#[test]
#[should_panic(expected = "a promise was asked for inside the closure of a run")]
fn a_closure_may_not_ask_for_a_promise() {
    check(
        "",
        async |ctx| ctx.run("a", async || Ok(workflow().promise::<u32>("p").get().await?)).await,
        expect![[""]],
    );
}
