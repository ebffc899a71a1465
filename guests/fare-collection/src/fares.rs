//! The object `fares`: the row of one fare.

use std::fmt;

use holiday_sdk::{Error, ObjectContext, SharedContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Under which the row is in the state.
const ROW: &str = "fare";

/// Who owes how much for what.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fare {
    pub(crate) customer_id: String,
    pub(crate) fare_id: String,
    pub(crate) fare_amount: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FareStatus {
    Registered,
    Completed,
    Failed,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(flatten)]
    fare: Fare,
    fare_status: FareStatus,
}

impl fmt::Display for FareStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FareStatus::Registered => "registered",
            FareStatus::Completed => "completed",
            FareStatus::Failed => "failed",
        })
    }
}

pub(crate) struct Fares;

/// One fare; the key is its id.
#[holiday_sdk::object(name = "fares")]
impl Fares {
    /// Writes the row of a new fare; 409 if there is one, which outlives the workflow that collected it.
    #[handler(private)]
    pub(crate) async fn register(ctx: ObjectContext, fare: Fare) -> Result<(), Error> {
        if let Some(Row { fare_status, .. }) = ctx.get(ROW)? {
            let text = format!("fare '{}' is {fare_status} already; a fare is collected once", ctx.key());
            return Err(TerminalError::new(text).with_code(409).into());
        }
        Ok(ctx.set(ROW, &Row { fare, fare_status: FareStatus::Registered })?)
    }

    /// Sets what has become of a registered fare.
    #[handler(private)]
    pub(crate) async fn set_status(ctx: ObjectContext, fare_status: FareStatus) -> Result<(), Error> {
        let row = row(*ctx)?;
        Ok(ctx.set(ROW, &Row { fare_status, ..row })?)
    }

    /// Reads the row.
    #[handler(shared)]
    async fn get(ctx: SharedContext) -> Result<Row, Error> {
        Ok(row(ctx)?)
    }
}

fn row(ctx: SharedContext) -> Result<Row, TerminalError> {
    ctx.get(ROW)?.ok_or_else(|| {
        TerminalError::new(format!("there is no fare '{}'; run FareCollection with it", ctx.key()))
            .with_code(404)
    })
}
