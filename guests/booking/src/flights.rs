//! The service `Flights`: seats that are reserved, and then confirmed or cancelled.

use effects::Subject;
use holiday_sdk::{Context, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::slip;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flight {
    flight_id: String,
    passenger_name: String,
}

pub(crate) struct Flights;

/// Flights, in two phases: a reservation does nothing until it is confirmed.
#[holiday_sdk::service]
impl Flights {
    /// Reserves a seat and answers with the id of the reservation.
    #[handler(name = "Reserve")]
    pub(crate) async fn reserve(ctx: Context, _: Flight) -> Result<String, Error> {
        slip::fail_if_told(ctx)?;
        let id = ctx.uuid();
        let trip_id = slip::trip_of(ctx, &id);
        let subject = Subject { about: &trip_id, id: &id };
        effects::apply_or_undo(ctx, "flights.reserve", "flights.cancel", subject).await?;
        println!("Flight reserved: {id}");
        Ok(id)
    }

    /// Confirms a reservation.
    #[handler(name = "Confirm")]
    pub(crate) async fn confirm(ctx: Context, id: String) -> Result<(), Error> {
        slip::fail_if_told(ctx)?;
        let trip_id = slip::trip_of(ctx, &id);
        effects::apply(ctx, "flights.confirm", Subject { about: &trip_id, id: &id }).await?;
        println!("Flight confirmed: {id}");
        Ok(())
    }

    /// Cancels a reservation, confirmed or not; also answers when there is none.
    #[handler(name = "Cancel")]
    pub(crate) async fn cancel(ctx: Context, id: String) -> Result<(), Error> {
        let trip_id = slip::trip_of(ctx, &id);
        effects::undo(ctx, "flights.cancel", Subject { about: &trip_id, id: &id }).await?;
        println!("Flight cancelled: {id}");
        Ok(())
    }
}
