//! The object `ProbeObject`: state under a key.

use holiday_sdk::{Error, ObjectContext, SharedContext};
use serde_json::Value;

use crate::inputs::{Ms, Name, Named};
use crate::service;

pub(crate) struct ProbeObject;

/// Named JSON values per key.
#[holiday_sdk::object]
impl ProbeObject {
    pub(crate) async fn set(ctx: ObjectContext, input: Named) -> Result<(), Error> {
        Ok(ctx.set(&input.name, &input.value)?)
    }

    /// Appends to the list of this name.
    pub(crate) async fn append(ctx: ObjectContext, input: Named) -> Result<(), Error> {
        let mut list: Vec<Value> = ctx.get(&input.name)?.unwrap_or_default();
        list.push(input.value);
        Ok(ctx.set(&input.name, &list)?)
    }

    pub(crate) async fn clear(ctx: ObjectContext, input: Name) -> Result<(), Error> {
        ctx.clear(&input.name);
        Ok(())
    }

    pub(crate) async fn clear_all(ctx: ObjectContext) -> Result<(), Error> {
        ctx.clear_all();
        Ok(())
    }

    /// Answers in turn with the other exclusive handlers.
    pub(crate) async fn get(ctx: ObjectContext, input: Name) -> Result<Option<Value>, Error> {
        Ok(ctx.get(&input.name)?)
    }

    /// Answers beside the exclusive handlers.
    #[handler(shared)]
    pub(crate) async fn peek(ctx: SharedContext, input: Name) -> Result<Option<Value>, Error> {
        Ok(ctx.get(&input.name)?)
    }

    #[handler(shared)]
    pub(crate) async fn keys(ctx: SharedContext) -> Result<Vec<String>, Error> {
        Ok(ctx.state_keys())
    }

    #[handler(shared)]
    pub(crate) async fn key(ctx: SharedContext) -> Result<String, Error> {
        Ok(ctx.key())
    }

    /// Takes a step that fails until `EFFECTS_URL` answers with 2xx.
    async fn pay(ctx: ObjectContext) -> Result<u16, Error> {
        service::pay(**ctx, None).await
    }

    /// Adds one to the number `count`, with a sleep between reading and writing.
    pub(crate) async fn slow_add(ctx: ObjectContext, input: Ms) -> Result<u64, Error> {
        let count = ctx.get("count")?.unwrap_or(0) + 1;
        ctx.sleep(input.duration()).await?;
        ctx.set("count", &count)?;
        Ok(count)
    }
}
