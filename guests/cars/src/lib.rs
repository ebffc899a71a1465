//! The object `cars`: the rental cars of one trip.

use effects::Subject;
use holiday_api::rows::{Rows, log};
use holiday_api::{Booking, Confirmation, Nothing, RunType, Trip};
use holiday_sdk::{Error, ObjectContext, Saga};
use serde::{Deserialize, Serialize};

holiday_sdk::export!(Cars);

#[derive(Serialize, Deserialize)]
struct Row {
    trip_id: String,
    id: String,
    rental: String,
    rental_from: String,
    rental_to: String,
    transaction_status: String,
}

struct Cars;

/// The rental cars of one trip; the key is the trip id.
#[holiday_sdk::object(name = "cars")]
impl Cars {
    /// Reserves a car.
    async fn reserve(ctx: ObjectContext, trip: Trip) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        log(&format!("reserve car: {trip_id}"), &trip);
        let id = ctx.uuid();
        println!("carReservationID: {id}");
        if trip.run_type == Some(RunType::FailCarRentalReservation) {
            return Err(Error::terminal("Failed to book the car rental"));
        }
        let row = Row {
            trip_id,
            id: id.clone(),
            rental: trip.rental,
            rental_from: trip.rental_from,
            rental_to: trip.rental_to,
            transaction_status: "pending".into(),
        };
        let mut saga = Saga::new();
        saga.compensate(async || give_back(ctx, &id).await);
        saga.settle(take(ctx, &row).await).await?;
        Ok(Booking { booking_id: id })
    }

    /// Confirms a reserved car.
    async fn confirm(ctx: ObjectContext, confirmation: Confirmation) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        log(&format!("confirm car: {trip_id}"), &confirmation);
        if confirmation.run_type == Some(RunType::FailCarRentalConfirmation) {
            return Err(Error::terminal("Failed to confirm the car rental"));
        }
        let id = confirmation.booking_id;
        let rows = rows(ctx);
        let row: Row = rows.get(&id).await?;
        effects::apply(**ctx, "cars.confirm", Subject { about: &trip_id, id: &id }).await?;
        let row = Row { transaction_status: "confirmed".into(), ..row };
        rows.put(&id, &row, "updated car booking").await?;
        Ok(Booking { booking_id: id })
    }

    /// Cancels a car; also answers when there is no such booking.
    async fn cancel(ctx: ObjectContext, booking: Booking) -> Result<Nothing, Error> {
        log(&format!("cancel car: {}", ctx.key()), &booking);
        give_back(ctx, &booking.booking_id).await?;
        Ok(Nothing {})
    }
}

fn rows(ctx: ObjectContext) -> Rows {
    Rows::of(ctx, "CARS_TABLE_NAME")
}

async fn take(ctx: ObjectContext, row: &Row) -> Result<(), Error> {
    effects::apply(**ctx, "cars.reserve", Subject { about: &row.trip_id, id: &row.id }).await?;
    rows(ctx).put(&row.id, row, "inserted car reservation").await
}

/// Also does so when it was never taken, or nobody can tell.
async fn give_back(ctx: ObjectContext, id: &str) -> Result<(), Error> {
    effects::undo(**ctx, "cars.cancel", Subject { about: &ctx.key(), id }).await?;
    rows(ctx).delete(id, "deleted car reservation").await
}
