//! What goes along with each call for a trip, as headers: whose it is, and which step is to fail.

use std::fmt;

use holiday_sdk::{Call, Context, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The header with the id of the trip, under which the world files what is done to it.
const TRIP_ID: &str = "x-trip-id";

/// The header that names the step which is to fail.
const FAIL: &str = "x-fail";

/// A handler that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Step {
    #[serde(rename = "Flights/Reserve")]
    ReserveFlight,
    #[serde(rename = "CarRentals/Reserve")]
    ReserveCar,
    #[serde(rename = "Flights/Confirm")]
    ConfirmFlight,
    #[serde(rename = "CarRentals/Confirm")]
    ConfirmCar,
}

/// What all who take part in a trip are told.
pub(crate) struct Slip {
    pub(crate) trip_id: String,
    pub(crate) fail: Option<Step>,
}

impl Slip {
    /// Adds the slip to a call.
    pub(crate) fn with<T>(&self, call: Call<T>) -> Call<T> {
        let call = call.header(TRIP_ID, &self.trip_id);
        match self.fail {
            Some(step) => call.header(FAIL, step.to_string()),
            None => call,
        }
    }
}

/// The trip that a reservation is for; one that somebody makes by hand is for itself.
pub(crate) fn trip_of(ctx: Context, reservation: &str) -> String {
    ctx.info().header(TRIP_ID).unwrap_or(reservation).to_owned()
}

/// Fails if this is the handler that is to fail.
pub(crate) fn fail_if_told(ctx: Context) -> Result<(), TerminalError> {
    let info = ctx.info();
    let this = format!("{}/{}", info.service, info.handler);
    match info.header(FAIL) {
        Some(step) if step == this => Err(TerminalError::new(format!("{this} failed, as it was told to"))),
        _ => Ok(()),
    }
}

/// `<service>/<handler>`, as it is written in requests.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReserveFlight => "Flights/Reserve",
            Self::ReserveCar => "CarRentals/Reserve",
            Self::ConfirmFlight => "Flights/Confirm",
            Self::ConfirmCar => "CarRentals/Confirm",
        })
    }
}
