//! Calls, sends, and the handles of invocations.

use std::time::Duration;

use holiday_sdk::{Durable, Error, Invocation, Started, Target};
use serde_json::{Value, json};

use super::stage::{Stage, code, outcome};
use crate::gate::GateClient;
use crate::inputs::{Failing, Ms};
use crate::object::ProbeObjectClient;
use crate::service::ProbeClient;

pub(crate) async fn calls(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let probe = ProbeClient::new(&ctx);
    stage.same("typed", probe.echo(&json!(7)).await?).await?;
    let untyped: u32 = ctx.call(Target::service("Probe", "echo"), &8).await?;
    stage.same("untyped", untyped).await?;
    let key: String = ctx.call_empty(Target::keyed("ProbeObject", &stage.key, "key")).await?;
    stage.same("the key", key == stage.key).await?;
    stage.same("an object's", ProbeObjectClient::new(&ctx, &stage.key).keys().await?).await?;

    let name = format!("calls/{}", stage.key);
    let first = probe.invocation().idempotency_key(&name).header("X-Tenant", "acme").await?;
    let second = probe.invocation().idempotency_key(&name).await?;
    stage.same("joined", first == second).await?;
    stage.same("its header", first["headers"].to_string().contains(r#"["x-tenant","acme"]"#)).await?;
    stage.own("its key", &first["idempotency_key"]).await?;

    let failing = probe.fail_terminal(&Failing { code: 418, message: "a teapot".into() });
    stage.same("failed", outcome(failing.await)).await?;
    let nowhere = ctx.call_empty::<()>(Target::service("Nowhere", "x"));
    stage.same("nowhere", code(nowhere.await)).await?;

    let passing: Started<()> = stage.gate().pass().start()?;
    stage.own("under way", passing.id().to_owned()).await?;
    stage.same("passed", outcome(passing.await)).await
}

pub(crate) async fn sends(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let probe = ProbeClient::new(&ctx);
    let sent: Invocation<Value> = probe.echo(&json!(1)).send()?;
    stage.own("sent", sent.id().to_owned()).await?;
    let later = probe.sleep(&Ms { ms: 1 }).header("x-a", "b").send_after(Duration::from_millis(200))?;
    let late_answer: Durable<u64> = later.attach();
    let passing = stage.gate().pass().send()?.attach();
    stage.same("passed", outcome(passing.await)).await?;
    stage.same("answer", sent.clone().answering::<u32>().attach().await?).await?;
    stage.same("again", sent.output().await?).await?;
    stage.same("by id", ctx.invocation(sent.id())?.attach().await?).await?;
    stage.same("later", late_answer.await?).await
}

pub(crate) async fn handles(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let never = ProbeClient::new(&ctx).nothing().send_after(Duration::from_secs(3600))?;
    stage.same("no output", never.output().await?.is_none()).await?;
    stage.pass_gate().await?;
    stage.same("no output yet", never.output().await?.is_none()).await?;
    let outcome_of_never = never.attach();
    never.cancel();
    stage.same("cancelled", outcome(outcome_of_never.await)).await?;
    let myself = ctx.invocation(&ctx.info().invocation_id)?;
    stage.same("myself", code(myself.attach().await)).await
}

pub(crate) async fn names(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let name = format!("names/{}", stage.key);
    let echo = || ctx.by_idempotency_key(Target::service("Probe", "echo"), &name).answering::<u32>();
    stage.same("nobody", code(echo().attach().await)).await?;
    stage.same("nobody's output", code(echo().output().await)).await?;
    ProbeClient::new(&ctx).echo(&json!(7)).idempotency_key(&name).await?;

    let closed = GateClient::new(&ctx, format!("{name}/closed"));
    let run = closed.run().send()?;
    stage.same("closed", closed.output().await?).await?;
    stage.gate().run().send()?;
    stage.same("open", stage.gate().attach().await?).await?;
    stage.same("opened", stage.gate().output().await?).await?;
    let untyped = ctx.workflow("Gate", &stage.key);
    stage.same("untyped", (untyped.attach().await?, untyped.output().await?)).await?;

    stage.same("somebody", (echo().attach().await?, echo().output().await?)).await?;
    let end = run.attach();
    run.cancel();
    stage.same("the end of the closed", outcome(end.await)).await
}
