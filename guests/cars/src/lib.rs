//! The object `cars`: the rental cars of one trip.

use effects::Subject;
use holiday_api::{Booking, Confirmation, Nothing, RunType, Trip, rows};
use holiday_sdk::{Error, ObjectContext};
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
        rows::log(&format!("reserve car: {trip_id}"), &trip);
        let id = ctx.uuid();
        println!("carReservationID: {id}");
        if trip.run_type == Some(RunType::FailCarRentalReservation) {
            return Err(Error::terminal("Failed to book the car rental"));
        }
        let subject = Subject { about: &trip_id, id: &id };
        effects::apply_or_undo(**ctx, "cars.reserve", "cars.cancel", subject).await?;
        let row = Row {
            trip_id,
            id: id.clone(),
            rental: trip.rental,
            rental_from: trip.rental_from,
            rental_to: trip.rental_to,
            transaction_status: "pending".into(),
        };
        rows::put(ctx, &id, &row, "inserted car reservation")?;
        Ok(Booking { booking_id: id })
    }

    /// Confirms a reserved car.
    async fn confirm(ctx: ObjectContext, confirmation: Confirmation) -> Result<Booking, Error> {
        let trip_id = ctx.key();
        rows::log(&format!("confirm car: {trip_id}"), &confirmation);
        if confirmation.run_type == Some(RunType::FailCarRentalConfirmation) {
            return Err(Error::terminal("Failed to confirm the car rental"));
        }
        let id = confirmation.booking_id;
        let row: Row = rows::get(ctx, &id)?;
        effects::apply(**ctx, "cars.confirm", Subject { about: &trip_id, id: &id }).await?;
        let row = Row { transaction_status: "confirmed".into(), ..row };
        rows::put(ctx, &id, &row, "updated car booking")?;
        Ok(Booking { booking_id: id })
    }

    /// Cancels a car; also answers when there is no such booking.
    async fn cancel(ctx: ObjectContext, booking: Booking) -> Result<Nothing, Error> {
        let trip_id = ctx.key();
        rows::log(&format!("cancel car: {trip_id}"), &booking);
        let id = booking.booking_id;
        effects::apply(**ctx, "cars.cancel", Subject { about: &trip_id, id: &id }).await?;
        rows::delete(ctx, &id, "deleted car reservation");
        Ok(Nothing {})
    }
}
