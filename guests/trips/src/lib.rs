//! The service `trips`: books a flight, a car and the payment for both, or none of them.

use aws::Aws;
use aws::sns::Publish;
use effects::Subject;
use holiday_api::{
    Booking, CarsClient, Confirmation, FlightsClient, Payment, PaymentRequest, PaymentsClient, RunType, Trip,
    rows,
};
use holiday_sdk::{Context, Error, Saga, TerminalError, config};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

holiday_sdk::export!(Trips);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TripRequest {
    /// The step that is to fail.
    run_type: Option<RunType>,
    /// Drawn when it is absent.
    trip_id: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct TripReserved {
    status: Status,
    trip_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Success,
}

struct Trips;

/// Books holidays.
#[holiday_sdk::service(name = "trips")]
impl Trips {
    /// Books a trip; what was booked is undone when a later step fails.
    async fn reserve(ctx: Context, request: TripRequest) -> Result<TripReserved, Error> {
        rows::log("reserve trip", &request);
        let trip_id = match request.trip_id {
            Some(empty) if empty.is_empty() => {
                return Err(TerminalError::new("`trip_id` is empty; leave it out to have one drawn")
                    .with_code(400)
                    .into());
            }
            Some(given) => given,
            None => ctx.uuid(),
        };
        let partners = Partners::of(ctx, &trip_id);
        let mut saga = Saga::new();
        let booked = partners.book(&holiday(request.run_type), &mut saga).await;
        let notified = match booked {
            Ok(()) => partners.notify_success(request.run_type).await,
            failed => failed,
        };
        match notified {
            Ok(()) => Ok(TripReserved { status: Status::Success, trip_id }),
            Err(error) => Err(partners.give_up(saga, error).await),
        }
    }
}

/// The trip that everybody gets.
fn holiday(run_type: Option<RunType>) -> Trip {
    Trip {
        depart_city: "Detroit".into(),
        depart_time: "2021-07-07T06:00:00.000Z".into(),
        arrive_city: "Frankfurt".into(),
        arrive_time: "2021-07-09T08:00:00.000Z".into(),
        rental: "BMW".into(),
        rental_from: "2021-07-09T00:00:00.000Z".into(),
        rental_to: "2021-07-17T00:00:00.000Z".into(),
        run_type,
    }
}

/// Who takes part in one trip.
struct Partners {
    ctx: Context,
    trip_id: String,
    flights: FlightsClient,
    cars: CarsClient,
    payments: PaymentsClient,
}

impl Partners {
    fn of(ctx: Context, trip_id: &str) -> Self {
        Self {
            ctx,
            trip_id: trip_id.to_owned(),
            flights: FlightsClient::new(&ctx, trip_id),
            cars: CarsClient::new(&ctx, trip_id),
            payments: PaymentsClient::new(&ctx, trip_id),
        }
    }

    /// Reserves, pays and confirms; each step is registered for undoing as soon as it can be undone.
    async fn book<'a>(&'a self, trip: &Trip, saga: &mut Saga<'a>) -> Result<(), Error> {
        let Self { flights, cars, payments, .. } = self;
        let run_type = trip.run_type;

        let cancel_flight =
            async move |flight: Booking| flights.cancel(&flight).await.map_err(Error::from).map(drop);
        let flight = saga.step(flights.reserve(trip), cancel_flight).await?;

        let cancel_car = async move |car: Booking| cars.cancel(&car).await.map_err(Error::from).map(drop);
        let car = saga.step(cars.reserve(trip), cancel_car).await?;

        let refund =
            async move |payment: Payment| payments.refund(&payment).await.map_err(Error::from).map(drop);
        saga.step(payments.process(&PaymentRequest { run_type }), refund).await?;

        flights.confirm(&Confirmation { booking_id: flight.booking_id, run_type }).await?;
        cars.confirm(&Confirmation { booking_id: car.booking_id, run_type }).await?;
        Ok(())
    }

    async fn notify_success(&self, run_type: Option<RunType>) -> Result<(), Error> {
        if run_type == Some(RunType::FailNotification) {
            return Err(Error::terminal("Failed to send notification"));
        }
        self.notify("trips.notify_success", "Your travel reservation is successful").await
    }

    /// Undoes what was booked and tells of it. A retryable error leaves all as it is.
    async fn give_up(&self, saga: Saga<'_>, error: Error) -> Error {
        let undone = match saga.undo(error).await {
            Ok(undone) => undone,
            Err(retryable) => return retryable,
        };
        // Also somebody who cancels the trip just now is to be told.
        let notified =
            self.ctx.shielded(self.notify("trips.notify_failure", "Your travel reservation failed"));
        if let Err(error) = notified.await {
            match error {
                Error::Retryable(_) => return error,
                Error::Terminal(error) => eprintln!("nobody was told that the trip failed: {error}"),
            }
        }
        let text = format!(
            "Travel reservation failed with err '{}'; successfully applied {} compensations",
            undone.cause, undone.applied
        );
        let code = if undone.cause.is_cancelled() { undone.cause.code() } else { 500 };
        TerminalError::new(text).with_code(code).into()
    }

    async fn notify(&self, effect: &str, text: &str) -> Result<(), Error> {
        let trip_id = &self.trip_id;
        let message = format!("{text}: {trip_id}");
        println!("{message}");
        effects::apply(self.ctx, effect, Subject { about: trip_id, id: trip_id }).await?;
        match config("SNS_TOPIC").filter(|topic| !topic.is_empty()) {
            Some(topic) => publish(self.ctx, &topic, &message).await,
            None => Ok(()),
        }
    }
}

/// Tells the subscribers of a topic. After a crash at the wrong moment they are told twice.
async fn publish(ctx: Context, topic_arn: &str, message: &str) -> Result<(), Error> {
    let input = Publish { topic_arn, message, ..Publish::default() };
    ctx.run("publish", async || Ok(Aws::from_config()?.sns().publish(&input).await?)).await?;
    Ok(())
}
