//! Cancellation and compensation.

use std::time::Duration;

use holiday_sdk::{Context, DurableExt, Error, Saga, TerminalError, Undone};
use serde_json::json;

use super::VocabularyClient;
use super::stage::{Stage, outcome};
use crate::gate::GateClient;
use crate::inputs::{Name, Named};
use crate::object::ProbeObjectClient;

pub(crate) async fn cancelling(stage: &mut Stage) -> Result<(), Error> {
    let child = VocabularyClient::new(stage).until_cancelled(&stage.key).start()?;
    stage.pass_gate().await?;
    child.cancel();
    stage.same("the child", outcome(child.await)).await?;
    stage.same("its notes", notes(stage).await?).await
}

/// Waits for nothing until it is cancelled, and compensates by hand.
pub(crate) async fn until_cancelled(ctx: Context, key: String) -> Result<(), Error> {
    let Err(error) = ctx.signal::<()>("never").await else { return Ok(()) };
    let compensation = async {
        note(ctx, &key, "compensated").await?;
        ctx.sleep(Duration::from_millis(1)).await?;
        ctx.run("compensate", async || Ok(())).await
    };
    ctx.shielded(compensation).await?;
    if error.is_cancelled() {
        ctx.shielded(object(ctx, &key).append(&step("was cancelled"))).await?;
    }
    Err(error.into())
}

pub(crate) async fn sagas(stage: &mut Stage) -> Result<(), Error> {
    let ctx = **stage;
    let key = stage.key.clone();
    let mut saga = Saga::new();
    let append = object(ctx, &key).append(&step("do 1"));
    saga.step(append, async |()| note(ctx, &key, "undo 1").await.map_err(Error::from)).await?;
    saga.compensate(async || note(ctx, &key, "undo 2").await.map_err(Error::from));
    note(ctx, &key, "do 2").await?;

    // Nobody waits for this one to its end; it is cancelled, and has nothing to undo.
    let slow = VocabularyClient::new(&ctx).until_cancelled(&key);
    let given_up = saga
        .step(slow, async |()| Err(Error::terminal("it was not done")))
        .timeout(Duration::from_millis(20));
    stage.same("given up", outcome(given_up.await)).await?;

    stage.pass_gate().await?;
    let Undone { cause, applied } = saga.undo(Error::terminal("sold out")).await?;
    stage.same("undone", (cause.to_string(), applied)).await?;
    stage.same("notes", notes(stage).await?).await?;

    let mut other = Saga::new();
    other.compensate(async || note(ctx, &key, "undo 3").await.map_err(Error::from));
    let settled = other.settle(Err::<(), _>(Error::terminal("sold out, too"))).await;
    stage.same("settled", settled.map_err(|error| error.to_string())).await?;
    stage.same("its note", notes(stage).await?.len()).await
}

/// A saga that a test cancels while it waits.
pub(crate) async fn saga_until_cancelled(ctx: Context, key: String) -> Result<(), Error> {
    let mut saga = Saga::new();
    let waited = async {
        saga.compensate(async || note(ctx, &key, "undo").await.map_err(Error::from));
        note(ctx, &key, "do").await?;
        GateClient::new(&ctx, &key).pass().await
    };
    let waited = waited.await;
    saga.settle(waited.map_err(Error::from)).await
}

async fn note(ctx: Context, key: &str, text: &str) -> Result<(), TerminalError> {
    object(ctx, key).append(&step(text)).await
}

async fn notes(stage: &Stage) -> Result<Vec<String>, Error> {
    let notes = object(**stage, &stage.key).peek(&Name { name: "steps".into() }).await?;
    Ok(notes.map(serde_json::from_value).transpose()?.unwrap_or_default())
}

fn step(text: &str) -> Named {
    Named { name: "steps".into(), value: json!(text) }
}

fn object(ctx: Context, key: &str) -> ProbeObjectClient {
    ProbeObjectClient::new(&ctx, key)
}
