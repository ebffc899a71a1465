//! The object `Events`: a handler for records of topics, which remembers each number it was given.

use holiday_sdk::{Error, ObjectContext, SharedContext, config, http};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The value of a record.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbered {
    n: u32,
    /// Tells the ledger in a step.
    #[serde(default)]
    effect: bool,
}

pub(crate) struct Events;

/// The numbers that a key was given, in the order in which they were handled.
#[holiday_sdk::object]
impl Events {
    /// Appends a number. One that `EVENTS_REFUSE` lists fails terminally.
    async fn record(ctx: ObjectContext, input: Numbered) -> Result<(), Error> {
        let refused = config("EVENTS_REFUSE").unwrap_or_default();
        if refused.split(',').any(|it| it == input.n.to_string()) {
            return Err(Error::terminal(format!("number {} is refused", input.n)));
        }
        if input.effect {
            ctx.run("effect", async || tell(ctx.key(), input.n).await).await?;
        }
        let mut seen: Vec<u32> = ctx.get("seen")?.unwrap_or_default();
        seen.push(input.n);
        Ok(ctx.set("seen", &seen)?)
    }

    /// All numbers so far.
    #[handler(shared)]
    async fn seen(ctx: SharedContext) -> Result<Vec<u32>, Error> {
        Ok(ctx.get("seen")?.unwrap_or_default())
    }

    /// Keeps the headers that reach it.
    async fn headers(ctx: ObjectContext, _: Numbered) -> Result<(), Error> {
        Ok(ctx.set("headers", &ctx.info().headers)?)
    }
}

async fn tell(key: String, n: u32) -> Result<(), Error> {
    let url = config("EFFECTS_URL").ok_or_else(|| Error::terminal("EFFECTS_URL is not set"))?;
    let effect = json!({ "effect": "events.record", "about": key, "id": n.to_string() });
    http::post(&url).json(&effect).send().await?.error_for_status()?;
    Ok(())
}
