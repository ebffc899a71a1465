//! Several operations in one handler: joined, raced, undone.

use std::time::Duration;

use holiday_sdk::{Context, DurableExt, Either, Error, RetryPolicy, Saga, TerminalError, http, select};

use crate::inputs::{CallOrSleep, Compensate, Fetched, Ms, Named, Winner};
use crate::object::ProbeObjectClient;
use crate::service::ProbeClient;

pub(crate) async fn join3(ctx: Context, [a, b, c]: [u64; 3]) -> Result<[u64; 3], Error> {
    let probe = ProbeClient::new(&ctx);
    let (a, b, c) = holiday_sdk::join!(
        probe.sleep(&Ms { ms: a }),
        probe.sleep(&Ms { ms: b }),
        probe.sleep(&Ms { ms: c })
    );
    Ok([a?, b?, c?])
}

pub(crate) async fn select_call_sleep(ctx: Context, input: CallOrSleep) -> Result<Winner, Error> {
    let call = ProbeClient::new(&ctx).sleep(&Ms { ms: input.call_ms });
    match select(call, ctx.sleep(Duration::from_millis(input.sleep_ms))).await {
        Either::Left(value) => Ok(Winner { winner: "call".into(), value: Some(value?) }),
        Either::Right(slept) => {
            slept?;
            Ok(Winner { winner: "sleep".into(), value: None })
        }
    }
}

pub(crate) async fn overlap_runs(ctx: Context, url: String) -> Result<[Fetched; 2], Error> {
    let fetch = async |name: &str| {
        let response = http::get(&url).header("x-run", name).send().await?;
        Ok(Fetched { status: response.status(), body: response.text()? })
    };
    let (a, b) =
        holiday_sdk::join!(ctx.run("a", async || fetch("a").await), ctx.run("b", async || fetch("b").await));
    Ok([a?, b?])
}

pub(crate) async fn give_up(ctx: Context) -> Result<(bool, bool), Error> {
    let url = holiday_sdk::config("EFFECTS_URL").ok_or_else(|| Error::terminal("EFFECTS_URL is not set"))?;
    let tell = async || Ok(http::get(&url).send().await?.error_for_status()?.status());
    let slow = ctx.run("slow", tell).timeout(Duration::from_millis(200)).await;
    let policy = RetryPolicy::fixed(Duration::from_millis(400));
    let failing = ctx.run("failing", tell).retry(policy).timeout(Duration::from_millis(200)).await;
    ctx.sleep(Duration::from_millis(800)).await?;
    let is_late = |step: Result<u16, TerminalError>| step.is_err_and(|error| error.is_timeout());
    Ok((is_late(slow), is_late(failing)))
}

pub(crate) async fn compensate(ctx: Context, input: Compensate) -> Result<u32, Error> {
    let mut saga = Saga::new();
    let Err(error) = take_steps(ctx, &input, &mut saga).await else { return Ok(input.steps) };
    let undone = saga.undo(error).await?;
    let text = format!("{}; {} compensations applied", undone.cause, undone.applied);
    Err(TerminalError::new(text).with_code(undone.cause.code()).into())
}

async fn take_steps<'a>(ctx: Context, input: &Compensate, saga: &mut Saga<'a>) -> Result<(), Error> {
    for step in 1..=input.steps {
        if input.fail_at == Some(step) {
            return Err(Error::terminal(format!("step {step} failed")));
        }
        let key = input.key.clone();
        saga.compensate(async move || note(ctx, &key, format!("undo {step}")).await);
        note(ctx, &input.key, format!("do {step}")).await?;
        if input.pause_ms > 0 {
            ctx.sleep(Duration::from_millis(input.pause_ms)).await?;
        }
    }
    Ok(())
}

async fn note(ctx: Context, key: &str, text: String) -> Result<(), Error> {
    println!("{text}");
    let item = Named { name: "steps".into(), value: text.into() };
    Ok(ProbeObjectClient::new(&ctx, key).append(&item).await?)
}
