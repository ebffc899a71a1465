//! What others complete: awakeables and signals; and waiting for several things at once.

use std::time::Duration;

use holiday_sdk::{Context, DurableExt, Either, Error, join_all, race, select};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::VocabularyClient;
use super::stage::{Stage, code, outcome};
use crate::gate::GateClient;
use crate::service::ProbeClient;

/// What is to be done when the gate is open.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Errand {
    pub(crate) gate: String,
    /// An awakeable that is resolved, and one that is rejected; or an invocation that gets signals.
    pub(crate) ids: Vec<String>,
}

pub(crate) async fn awakeables(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let (id, resolved) = ctx.awakeable::<u32>();
    let (other_id, rejected) = ctx.awakeable::<u32>();
    stage.own("ids", (&id, &other_id)).await?;
    let errand = Errand { gate: stage.key.clone(), ids: vec![id, other_id] };
    VocabularyClient::new(&ctx).complete_when_open(&errand).send()?;
    stage.same("resolved", outcome(resolved.await)).await?;
    stage.same("rejected", outcome(rejected.await)).await?;
    stage.same("no id", outcome(ctx.resolve_awakeable("awk_0", &7))).await
}

pub(crate) async fn complete_when_open(ctx: Context, errand: Errand) -> Result<(), Error> {
    GateClient::new(&ctx, &errand.gate).pass().await?;
    ctx.resolve_awakeable(&errand.ids[0], &7)?;
    ctx.reject_awakeable(&errand.ids[1], "Unable to execute query")?;
    Ok(())
}

pub(crate) async fn signals(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let myself = ctx.info().invocation_id;
    ctx.invocation(&myself)?.signal("kept", "before anybody waits").await?;
    let errand = Errand { gate: stage.key.clone(), ids: vec![myself] };
    let errand = VocabularyClient::new(&ctx).signal_when_open(&errand).start()?;
    for name in ["first", "second"] {
        stage.same(name, ctx.signal::<u32>("go").await?).await?;
    }
    stage.same("rejected", outcome(ctx.signal::<()>("stop").await)).await?;
    stage.same("kept", ctx.signal::<String>("kept").await?).await?;
    stage.same("sent", errand.await?).await?;
    let ended = ProbeClient::new(&ctx).echo(&json!(1)).idempotency_key(format!("signals/{}", stage.key));
    let ended = ended.start()?;
    let ended_id = ended.id().to_owned();
    ended.await?;
    stage.same("to one that has ended", code(ctx.invocation(&ended_id)?.signal("go", &1).await)).await
}

pub(crate) async fn signal_when_open(ctx: Context, errand: Errand) -> Result<u32, Error> {
    let to = ctx.invocation(&errand.ids[0])?;
    to.signal("go", &1).await?;
    GateClient::new(&ctx, &errand.gate).pass().await?;
    to.signal("go", &2).await?;
    to.reject_signal("stop", "nobody is in the office").await?;
    Ok(3)
}

pub(crate) async fn together(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let never = || ctx.signal::<()>("never");
    let late = never().timeout(Duration::from_millis(20)).await;
    stage.same("late", outcome(late)).await?;
    let either = select(stage.pass_gate(), never()).await;
    stage.same("selected", matches!(either, Either::Left(Ok(())))).await?;
    let (first, _) = race([never(), ctx.sleep(Duration::ZERO), never()]).await;
    stage.same("raced", first).await?;
    let probe = ProbeClient::new(&ctx);
    let (one, two) = holiday_sdk::join!(probe.echo(&json!(1)), ctx.run("two", async || Ok(2)));
    stage.same("joined", (one?, two?)).await?;
    let all = join_all([3, 4, 5].map(|n| probe.echo(&json!(n)))).await;
    stage.same("all", all.into_iter().collect::<Result<Vec<_>, _>>()?).await
}
