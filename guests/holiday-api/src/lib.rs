//! What the services of a holiday agree on.

mod contracts;
pub mod rows;

pub use contracts::{
    Booking, CarsClient, Confirmation, FlightsClient, Nothing, Payment, PaymentRequest, PaymentsClient,
    RunType, Trip,
};
