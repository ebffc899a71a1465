//! The object `flights`: the flights of one trip.

use effects::Subject;
use holiday_api::rows::{Rows, log};
use holiday_api::{Booking, Confirmation, Nothing, RunType, Trip};
use holiday_sdk::{Error, ObjectContext, Saga};
use serde::{Deserialize, Serialize};

holiday_sdk::export!(Flights);

#[derive(Serialize, Deserialize)]
struct Row {
    trip_id: String,
    id: String,
    depart_city: String,
    depart_time: String,
    arrive_city: String,
    arrive_time: String,
    transaction_status: String,
}

struct Flights;

/// The flights of one trip; the key is the trip id.
#[holiday_sdk::object(name = "flights")]
impl Flights {
    /// Reserves a flight.
    async fn reserve(ctx: ObjectContext, trip: Trip) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        log(&format!("reserve flight: {trip_id}"), &trip);
        let id = ctx.uuid();
        println!("flightReservationID: {id}");
        if trip.run_type == Some(RunType::FailFlightsReservation) {
            return Err(Error::terminal("Failed to book the flights"));
        }
        let row = Row {
            trip_id,
            id: id.clone(),
            depart_city: trip.depart_city,
            depart_time: trip.depart_time,
            arrive_city: trip.arrive_city,
            arrive_time: trip.arrive_time,
            transaction_status: "pending".into(),
        };
        let mut saga = Saga::new();
        saga.compensate(async || give_back(ctx, &id).await);
        saga.settle(take(ctx, &row).await).await?;
        Ok(Booking { booking_id: id })
    }

    /// Confirms a reserved flight.
    async fn confirm(ctx: ObjectContext, confirmation: Confirmation) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        log(&format!("confirm flight: {trip_id}"), &confirmation);
        if confirmation.run_type == Some(RunType::FailFlightsConfirmation) {
            return Err(Error::terminal("Failed to confirm the flights"));
        }
        let id = confirmation.booking_id;
        let rows = rows(ctx);
        let row: Row = rows.get(&id).await?;
        effects::apply(**ctx, "flights.confirm", Subject { about: &trip_id, id: &id }).await?;
        let row = Row { transaction_status: "confirmed".into(), ..row };
        rows.put(&id, &row, "updated flight booking").await?;
        Ok(Booking { booking_id: id })
    }

    /// Cancels a flight; also answers when there is no such booking.
    async fn cancel(ctx: ObjectContext, booking: Booking) -> Result<Nothing, Error> {
        log(&format!("cancel flight: {}", ctx.key()), &booking);
        give_back(ctx, &booking.booking_id).await?;
        Ok(Nothing {})
    }
}

fn rows(ctx: ObjectContext) -> Rows {
    Rows::of(ctx, "FLIGHTS_TABLE_NAME")
}

async fn take(ctx: ObjectContext, row: &Row) -> Result<(), Error> {
    effects::apply(**ctx, "flights.reserve", Subject { about: &row.trip_id, id: &row.id }).await?;
    rows(ctx).put(&row.id, row, "inserted flight reservation").await
}

/// Also does so when it was never taken, or nobody can tell.
async fn give_back(ctx: ObjectContext, id: &str) -> Result<(), Error> {
    effects::undo(**ctx, "flights.cancel", Subject { about: &ctx.key(), id }).await?;
    rows(ctx).delete(id, "deleted flight reservation").await
}
