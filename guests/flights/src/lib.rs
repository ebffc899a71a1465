//! The object `flights`: the flights of one trip.

use effects::Subject;
use holiday_api::{Booking, Confirmation, Nothing, RunType, Trip, rows};
use holiday_sdk::{Error, ObjectContext};
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
        rows::log(&format!("reserve flight: {trip_id}"), &trip);
        let id = ctx.uuid();
        println!("flightReservationID: {id}");
        if trip.run_type == Some(RunType::FailFlightsReservation) {
            return Err(Error::terminal("Failed to book the flights"));
        }
        let subject = Subject { about: &trip_id, id: &id };
        effects::apply_or_undo(**ctx, "flights.reserve", "flights.cancel", subject).await?;
        let row = Row {
            trip_id,
            id: id.clone(),
            depart_city: trip.depart_city,
            depart_time: trip.depart_time,
            arrive_city: trip.arrive_city,
            arrive_time: trip.arrive_time,
            transaction_status: "pending".into(),
        };
        rows::put(ctx, &id, &row, "inserted flight reservation")?;
        Ok(Booking { booking_id: id })
    }

    /// Confirms a reserved flight.
    async fn confirm(ctx: ObjectContext, confirmation: Confirmation) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        rows::log(&format!("confirm flight: {trip_id}"), &confirmation);
        if confirmation.run_type == Some(RunType::FailFlightsConfirmation) {
            return Err(Error::terminal("Failed to confirm the flights"));
        }
        let id = confirmation.booking_id;
        let row: Row = rows::get(ctx, &id)?;
        effects::apply(**ctx, "flights.confirm", Subject { about: &trip_id, id: &id }).await?;
        let row = Row { transaction_status: "confirmed".into(), ..row };
        rows::put(ctx, &id, &row, "updated flight booking")?;
        Ok(Booking { booking_id: id })
    }

    /// Cancels a flight; also answers when there is no such booking.
    async fn cancel(ctx: ObjectContext, booking: Booking) -> Result<Nothing, Error> {
        let trip_id = ctx.key();
        rows::log(&format!("cancel flight: {trip_id}"), &booking);
        let id = booking.booking_id;
        effects::apply(**ctx, "flights.cancel", Subject { about: &trip_id, id: &id }).await?;
        rows::delete(ctx, &id, "deleted flight reservation");
        Ok(Nothing {})
    }
}
