//! The rows of a trip: one per booking, in the state of its object, by booking id.

use holiday_sdk::{ObjectContext, TerminalError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a row and logs it under a headline such as `inserted flight reservation`.
pub fn put<Row: Serialize>(
    ctx: ObjectContext,
    id: &str,
    row: &Row,
    headline: &str,
) -> Result<(), TerminalError> {
    ctx.set(id, row)?;
    log(headline, row);
    Ok(())
}

/// Reads a row that must be there.
pub fn get<Row: DeserializeOwned>(ctx: ObjectContext, id: &str) -> Result<Row, TerminalError> {
    ctx.get(id)?.ok_or_else(|| {
        TerminalError::new(format!("trip '{}' has no booking '{id}'", ctx.key())).with_code(404)
    })
}

/// Removes a row, if it is there, and logs that under a headline.
pub fn delete(ctx: ObjectContext, id: &str, headline: &str) {
    ctx.clear(id);
    log(headline, id);
}

/// Logs `headline: value`.
pub fn log<T: Serialize + ?Sized>(headline: &str, value: &T) {
    match serde_json::to_string(value) {
        Ok(json) => println!("{headline}: {json}"),
        Err(error) => println!("{headline}: {error}"),
    }
}
