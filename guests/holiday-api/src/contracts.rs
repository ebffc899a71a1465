//! Who takes what and answers with what. The key of every object is the trip id.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which step is to fail, to see the compensations at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunType {
    FailFlightsReservation,
    FailCarRentalReservation,
    FailPayment,
    FailFlightsConfirmation,
    FailCarRentalConfirmation,
    FailNotification,
}

/// A flight there and a car for the stay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Trip {
    pub depart_city: String,
    pub depart_time: String,
    pub arrive_city: String,
    pub arrive_time: String,
    pub rental: String,
    pub rental_from: String,
    pub rental_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_type: Option<RunType>,
}

/// A reserved flight or car.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Booking {
    pub booking_id: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    pub booking_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_type: Option<RunType>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PaymentRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_type: Option<RunType>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    pub payment_id: String,
}

/// An empty object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

#[holiday_sdk::object(name = "flights")]
pub trait Flights {
    async fn reserve(trip: Trip) -> Booking;
    async fn confirm(confirmation: Confirmation) -> Booking;
    /// Also answers when there is no such booking.
    async fn cancel(booking: Booking) -> Nothing;
}

#[holiday_sdk::object(name = "cars")]
pub trait Cars {
    async fn reserve(trip: Trip) -> Booking;
    async fn confirm(confirmation: Confirmation) -> Booking;
    /// Also answers when there is no such booking.
    async fn cancel(booking: Booking) -> Nothing;
}

#[holiday_sdk::object(name = "payments")]
pub trait Payments {
    async fn process(request: PaymentRequest) -> Payment;
    /// Also answers when there is no such payment.
    async fn refund(payment: Payment) -> Nothing;
}
