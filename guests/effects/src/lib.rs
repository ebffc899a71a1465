//! What the components of the examples do to the world.
//!
//! There is neither an airline nor a bank to talk to, so an effect is a journaled step that tells the ledger at
//! `EFFECTS_URL`, and does nothing where none is set. As any effect it may be repeated after a crash; its idempotency
//! key lets the ledger see that it is the same one.

use holiday_sdk::{Context, Error, Saga, TerminalError, config, http};
use serde::Serialize;

/// What an effect is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What it belongs to, such as a trip.
    pub about: &'a str,
    /// What it is done to, such as a booking or a payment.
    pub id: &'a str,
}

/// Has an effect, such as `flights.reserve`.
pub async fn apply(ctx: Context, effect: &str, subject: Subject<'_>) -> Result<(), TerminalError> {
    ctx.run(effect, async || tell_ledger(ctx.info().invocation_id, effect, subject).await).await
}

/// Has an effect that takes another one back. No error of it is final: what is recorded as failed stays so, and nobody could
/// mend it any more.
pub async fn undo(ctx: Context, effect: &str, subject: Subject<'_>) -> Result<(), TerminalError> {
    ctx.run(effect, async || tell_ledger(ctx.info().invocation_id, effect, subject).await).insist().await
}

/// Has an effect; when it fails for good or is cancelled half way, has its opposite too, because
/// nobody can tell whether it took place.
pub async fn apply_or_undo(
    ctx: Context,
    effect: &str,
    opposite: &str,
    subject: Subject<'_>,
) -> Result<(), Error> {
    let mut saga = Saga::new();
    saga.compensate(async move || Ok(undo(ctx, opposite, subject).await?));
    let applied = apply(ctx, effect, subject).await;
    saga.settle(applied.map_err(Error::from)).await
}

#[derive(Serialize)]
struct Entry<'a> {
    effect: &'a str,
    about: &'a str,
    id: &'a str,
    invocation_id: String,
}

/// Tells the ledger from inside a `run` step.
pub async fn tell_ledger(invocation_id: String, effect: &str, subject: Subject<'_>) -> Result<(), Error> {
    let Some(url) = config("EFFECTS_URL") else { return Ok(()) };
    let Subject { about, id } = subject;
    http::post(url)
        .header("idempotency-key", format!("{effect}/{about}/{id}"))
        .json(&Entry { effect, about, id, invocation_id })
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}
