//! What the handlers of the vocabulary have in common: a gate to wait for, and what they tell of what they have seen.

use std::collections::BTreeMap;
use std::ops::Deref;

use holiday_sdk::{Context, Error, TerminalError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::gate::GateClient;

/// What the attempt that returns has seen.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// What every invocation sees.
    same: BTreeMap<String, Value>,
    /// What only this invocation sees, such as its ids.
    own: BTreeMap<String, Value>,
    /// What the journal says that the first attempt has seen that came there, of both.
    recorded: BTreeMap<String, Value>,
}

/// A handler at work.
pub(crate) struct Stage {
    ctx: Context,
    /// The id of the gate.
    pub(crate) key: String,
    told: Told,
}

impl Stage {
    pub(crate) fn new(ctx: Context, key: String) -> Self {
        Stage { ctx, key, told: Told::default() }
    }

    /// Waits until the test has opened the gate. Most tests kill the host meanwhile.
    pub(crate) async fn pass_gate(&self) -> Result<(), TerminalError> {
        self.gate().pass().await
    }

    pub(crate) fn gate(&self) -> GateClient {
        GateClient::new(self, &self.key)
    }

    /// Notes what every invocation should see.
    pub(crate) async fn same<T: Serialize>(&mut self, name: &str, value: T) -> Result<(), Error> {
        let value = json!(value);
        self.record(name, &value).await?;
        self.told.same.insert(name.into(), value);
        Ok(())
    }

    /// Notes what only this invocation sees.
    pub(crate) async fn own<T: Serialize>(&mut self, name: &str, value: T) -> Result<(), Error> {
        let value = json!(value);
        self.record(name, &value).await?;
        self.told.own.insert(name.into(), value);
        Ok(())
    }

    async fn record(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let recorded = self.ctx.run(format!("see {name}"), async || Ok(value.clone())).await?;
        self.told.recorded.insert(name.into(), recorded);
        Ok(())
    }

    pub(crate) fn told(self) -> Told {
        self.told
    }
}

impl Deref for Stage {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.ctx
    }
}

/// An outcome as it is noted.
pub(crate) fn outcome<T: Serialize>(result: Result<T, TerminalError>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({
            "code": error.code(),
            "message": error.message(),
            "is_cancelled": error.is_cancelled(),
            "is_timeout": error.is_timeout(),
        }),
    }
}

/// The same without the message, which may have an id in it.
pub(crate) fn code<T>(result: Result<T, TerminalError>) -> Option<u16> {
    result.err().map(|error| error.code())
}
