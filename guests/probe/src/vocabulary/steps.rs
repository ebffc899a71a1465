//! Steps and timers: what is executed once, and what takes its time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holiday_sdk::rand_core::RngCore;
use holiday_sdk::{Error, Random, RetryPolicy, RetryableError, Service, TerminalError, http};
use serde_json::{Value, json};

use super::Vocabulary;
use super::stage::{Stage, outcome};

pub(crate) async fn runs(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    stage.same("value", ctx.run("value", async || Ok(7)).await?).await?;
    let refused = ctx.run("refuse", async || {
        Err::<(), _>(TerminalError::new("the card was refused").with_code(402).into())
    });
    stage.same("refused", outcome(refused.await)).await?;
    let often = RetryPolicy::exponential(Duration::from_millis(1), 2.0)
        .max_interval(Duration::from_millis(5))
        .max_duration(Duration::from_secs(600))
        .max_attempts(3)
        .fail_when_exhausted();
    let busy = ctx.run("busy", async || Err::<(), Error>(RetryableError::new("the line is busy").into()));
    stage.same("busy", outcome(busy.retry(often).await)).await?;
    let insisted =
        ctx.run("insist", async || Err::<(), _>(Error::terminal("the password was wrong"))).insist();
    stage.same("insisted", outcome(insisted.retry(often).await)).await?;
    stage.pass_gate().await?;
    stage.same("after", ctx.run("after", async || Ok(8)).await?).await
}

/// Tells the ledger in every way there is.
pub(crate) async fn requests(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let url = holiday_sdk::config("EFFECTS_URL").ok_or_else(|| Error::terminal("EFFECTS_URL is not set"))?;
    let got = ctx.run("get", async || http::get(&url).send().await?.error_for_status()?.text());
    stage.own("got", got.await?).await?;
    let posted = ctx.run("post", async || {
        let request = http::post(&url).header("X-Step", "post").timeout(Duration::from_secs(60));
        let response = request.json(&json!({ "effect": "probe.post" })).send().await?;
        let length = response.header("Content-Length").map(str::to_owned);
        let names: Vec<String> = response.headers().iter().map(|(name, _)| name.clone()).collect();
        let is_listed = names.contains(&"content-length".to_owned());
        Ok((response.status(), length == Some(response.bytes().len().to_string()), is_listed))
    });
    stage.same("posted", posted.await?).await?;
    let put = ctx.run("put", async || {
        let response = http::Request::new("PUT", &url).bytes(*br#"{ "effect": "probe.put" }"#).send().await?;
        Ok(response.json::<u32>().is_err_and(|error| error.is_terminal()))
    });
    stage.same("the answer is no number", put.await?).await?;
    stage.same("bound", http::MAX_RESPONSE_BYTES).await?;
    Ok(stage.pass_gate().await?)
}

pub(crate) async fn timers(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    stage.own("start", millis()?).await?;
    ctx.sleep(Duration::from_millis(5)).await?;
    stage.own("slept", millis()?).await?;
    let (slept, passed) =
        holiday_sdk::join!(ctx.sleep_named("a long one", Duration::from_millis(300)), stage.pass_gate());
    stage.same("slept long", outcome(slept)).await?;
    stage.same("passed", outcome(passed)).await?;
    stage.own("end", millis()?).await
}

fn millis() -> Result<u64, Error> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

pub(crate) async fn randomness(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    stage.own("number before", ctx.random().next_u64()).await?;
    stage.own("uuid before", ctx.uuid()).await?;
    stage.pass_gate().await?;
    let mut random: Random = ctx.random();
    stage.own("number after", random.next_u64()).await?;
    stage.own("uuid after", ctx.uuid()).await
}

pub(crate) async fn info(stage: &mut Stage) -> Result<(), Error> {
    let (same, own) = look(stage)?;
    stage.same("before", same).await?;
    stage.own("own before", own).await?;
    stage.pass_gate().await?;
    let (same, own) = look(stage)?;
    stage.same("after", same).await?;
    stage.own("own after", own).await?;
    stage.same("name", <Vocabulary as Service>::NAME).await?;
    stage.same("setting", holiday_sdk::config("PROBE_VARIANT")).await
}

fn look(stage: &Stage) -> Result<(Value, Value), Error> {
    let info = stage.info();
    let created_at_ms = u64::try_from(info.created_at.duration_since(UNIX_EPOCH)?.as_millis())?;
    let is_listed = info.headers.contains(&("x-tenant".to_owned(), "acme".to_owned()));
    Ok((
        json!([info.service, info.key, info.handler, info.header("X-Tenant"), is_listed]),
        json!([info.invocation_id, info.idempotency_key, created_at_ms]),
    ))
}

/// What handlers make of errors.
pub(crate) async fn errors(stage: &mut Stage) -> Result<(), Error> {
    stage.pass_gate().await?;
    let terminal = Error::terminal("sold out");
    stage.same("terminal", (terminal.is_terminal(), terminal.is_cancelled(), terminal.to_string())).await?;
    let retryable = Error::retryable("busy");
    stage.same("retryable", (retryable.is_terminal(), retryable.to_string())).await?;
    stage.same("no id", outcome(stage.invocation("inv_0").map(drop))).await
}
