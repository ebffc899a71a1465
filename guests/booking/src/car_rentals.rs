//! The service `CarRentals`: cars that are reserved, and then confirmed or cancelled.

use effects::Subject;
use holiday_sdk::{Context, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::slip;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Car {
    pickup_location: String,
    rental_date: String,
}

pub(crate) struct CarRentals;

/// Cars, in two phases: a reservation does nothing until it is confirmed.
#[holiday_sdk::service]
impl CarRentals {
    /// Reserves a car and answers with the id of the reservation.
    #[handler(name = "Reserve")]
    pub(crate) async fn reserve(ctx: Context, _: Car) -> Result<String, Error> {
        slip::fail_if_told(ctx)?;
        let id = ctx.uuid();
        let trip_id = slip::trip_of(ctx, &id);
        let subject = Subject { about: &trip_id, id: &id };
        effects::apply_or_undo(ctx, "cars.reserve", "cars.cancel", subject).await?;
        println!("Car reserved: {id}");
        Ok(id)
    }

    /// Confirms a reservation.
    #[handler(name = "Confirm")]
    pub(crate) async fn confirm(ctx: Context, id: String) -> Result<(), Error> {
        slip::fail_if_told(ctx)?;
        let trip_id = slip::trip_of(ctx, &id);
        effects::apply(ctx, "cars.confirm", Subject { about: &trip_id, id: &id }).await?;
        println!("Car confirmed: {id}");
        Ok(())
    }

    /// Cancels a reservation, confirmed or not; also answers when there is none.
    #[handler(name = "Cancel")]
    pub(crate) async fn cancel(ctx: Context, id: String) -> Result<(), Error> {
        let trip_id = slip::trip_of(ctx, &id);
        effects::undo(ctx, "cars.cancel", Subject { about: &trip_id, id: &id }).await?;
        println!("Car cancelled: {id}");
        Ok(())
    }
}
