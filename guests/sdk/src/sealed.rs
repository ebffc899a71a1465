//! Secrets in the inputs of handlers.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Error, TerminalError, backend, operations};

/// As the host says it, where no step is being executed.
const OUTSIDE_RUN: &str =
    "HH0081: a sealed text is revealed only inside run(...), and it was asked for outside";

/// A secret that a caller sends, such as the number of a card: it stands in clear text nowhere but in the step that
/// [reveals](Sealed::reveal) it.
///
/// To callers the field is a string. The host encrypts it before it records anything, so what the handler gets, stores,
/// returns and passes on is a sealed text, and so is what operators see. `Debug` and `Display` show `<sealed>`.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Sealed, http};
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Payment {
///     amount: u32,
///     card: Sealed,
/// }
///
/// async fn charge(ctx: Context, payment: Payment) -> Result<bool, Error> {
///     let is_charged = ctx
///         .run("charge", async || {
///             let card = payment.card.reveal()?;
///             let answer = http::post("https://pay.example/charges").json(&(payment.amount, card)).send().await?;
///             Ok(answer.status() == 200) // its body may repeat the card
///         })
///         .await?;
///     Ok(is_charged)
/// }
/// ```
///
/// Only inputs from outside are sealed. A handler that calls another one passes sealed texts on; what it writes into such
/// a field itself stays what it is, and so does the value of an awakeable, of a signal or of a promise.
///
/// Beside a sealed field, callers may send only fields that the schema names: under a `#[serde(alias)]`, which the schema
/// does not know, the secret would be left open, so the host refuses it. A map with `#[serde(flatten)]` lets others in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Returns the secret, inside the closure of a [`run`](crate::Context::run).
    ///
    /// What the closure returns is recorded, also an error, and what it prints is logged: leave the secret out of them.
    /// A text that was never sealed is returned as it is.
    ///
    /// # Errors
    ///
    /// Terminal, outside of the closure of a `run` (`HH0081`), also while another future executes one, and when the sealed text was changed (`HH0083`). If the host lacks the key,
    /// this does not return: the invocation is paused (`HH0082`), and the step is executed again when it is resumed.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Sealed};
    /// # async fn handler(ctx: Context, pin: Sealed) -> Result<(), Error> {
    /// let is_right = ctx.run("check the pin", async || Ok(pin.reveal()? == "0000")).await?;
    /// # Ok(()) }
    /// ```
    pub fn reveal(&self) -> Result<String, Error> {
        // The host sees that a step is being executed, and not whether it is the step that asks: what is beside it is
        // executed again in a replay, where the step is not.
        if !operations::is_in_run() {
            return Err(TerminalError::new(OUTSIDE_RUN).into());
        }
        backend::reveal(&self.0).map_err(|failure| TerminalError::from(failure).into())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sealed>")
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sealed>")
    }
}

/// A password that callers write and nobody reads back. It stands where the field is, so that rules such as a pattern can
/// be put beside it; the host holds what the caller has sent against them.
impl JsonSchema for Sealed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sealed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "password",
            "writeOnly": true,
            "x-holiday-sealed": true,
        })
    }
}
