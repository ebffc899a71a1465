//! The workflow `BookingWorkflow`: books a flight and a car and pays for them, or undoes what it has done.
//!
//! Beside it are the services `Flights` and `CarRentals`. What is reserved there is confirmed or cancelled by the id that
//! the reservation answers with. The bank wants an id of the client's own choice.

mod bank;
mod car_rentals;
mod flights;
mod slip;

use holiday_sdk::{Context, Error, Saga, WorkflowContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use bank::{Payment, PaymentInfo};
use car_rentals::{Car, CarRentals, CarRentalsClient};
use flights::{Flight, Flights, FlightsClient};
use slip::{Slip, Step};

holiday_sdk::export!(BookingWorkflow, Flights, CarRentals);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BookingRequest {
    flights: Flight,
    car: Car,
    payment_info: PaymentInfo,
    /// The step that is to fail, to see the compensations at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    fail: Option<Step>,
}

/// The ids by which a trip is known.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Booking {
    flight_booking_id: String,
    car_booking_id: String,
    payment_id: String,
}

struct BookingWorkflow;

/// Books trips; the workflow id is the trip's.
#[holiday_sdk::workflow]
impl BookingWorkflow {
    /// Books a trip; when a step fails for good, those before it are undone, the latest first.
    #[handler(name = "Run")]
    async fn run(ctx: WorkflowContext, request: BookingRequest) -> Result<Booking, Error> {
        let agency = Agency::of(ctx, &request);
        let mut saga = Saga::new();
        let booked = agency.book(&request, &mut saga).await;
        saga.settle(booked).await
    }
}

/// Who books one trip, and with whom.
struct Agency {
    ctx: Context,
    slip: Slip,
    flights: FlightsClient,
    cars: CarRentalsClient,
}

impl Agency {
    fn of(ctx: WorkflowContext, request: &BookingRequest) -> Self {
        Self {
            ctx: ***ctx,
            slip: Slip { trip_id: ctx.key(), fail: request.fail },
            flights: FlightsClient::new(&ctx),
            cars: CarRentalsClient::new(&ctx),
        }
    }

    async fn book<'a>(&'a self, request: &BookingRequest, saga: &mut Saga<'a>) -> Result<Booking, Error> {
        let Self { slip, flights, cars, .. } = self;
        let ctx = self.ctx;

        // A reservation is undone by the id that it answers with, so this is registered with the answer.
        let cancel_flight = async move |id: String| Ok(slip.with(flights.cancel(&id)).await?);
        let flight = saga.step(slip.with(flights.reserve(&request.flights)), cancel_flight).await?;

        let cancel_car = async move |id: String| Ok(slip.with(cars.cancel(&id)).await?);
        let car = saga.step(slip.with(cars.reserve(&request.car)), cancel_car).await?;

        // A charge that has failed may still have been taken. Its id is ours, so its refund is registered before it.
        let payment = Payment { trip_id: slip.trip_id.clone(), id: ctx.uuid() };
        let refunded = payment.clone();
        saga.compensate(async move || bank::refund(ctx, &refunded).await);
        bank::charge(ctx, &payment, &request.payment_info).await?;

        slip.with(flights.confirm(&flight)).await?;
        slip.with(cars.confirm(&car)).await?;
        Ok(Booking { flight_booking_id: flight, car_booking_id: car, payment_id: payment.id })
    }
}
