//! What is done to the world.
//!
//! There is neither a mailbox nor a bank to talk to, so an effect is a journaled step that tells the ledger at
//! `EFFECTS_URL`, and does nothing where none is set.

use std::collections::BTreeMap;

use holiday_sdk::{Context, Error, TerminalError, config, http};

/// Has an effect, such as `accounts.pay`. After a crash it may be repeated, with the same idempotency key.
pub(crate) async fn apply(ctx: Context, effect: &str, id: &str) -> Result<(), TerminalError> {
    println!("{effect}: {id}");
    ctx.run(effect, async || tell_ledger(effect, id).await).await
}

async fn tell_ledger(effect: &str, id: &str) -> Result<(), Error> {
    let Some(url) = config("EFFECTS_URL") else { return Ok(()) };
    http::post(url)
        .header("idempotency-key", format!("{effect}/{id}"))
        .json(&BTreeMap::from([("effect", effect), ("id", id)]))
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}
