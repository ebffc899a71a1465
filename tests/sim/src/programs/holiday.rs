//! The holiday trip: reserve a flight and a car, pay, confirm both, notify; compensate in reverse.

use holiday_core::target::Target;
use holiday_core::value::{Failure, Payload};

use super::{book, insist};
use crate::guest::{Answer, Guest, is_cancelled};
use crate::world::Deed;

/// Every way a trip can fail, and the empty one in which it does not.
pub(crate) const RUN_TYPES: [&str; 7] = [
    "",
    "failFlightsReservation",
    "failCarRentalReservation",
    "failPayment",
    "failFlightsConfirmation",
    "failCarRentalConfirmation",
    "failNotification",
];

/// Input: `trip-id run-type`.
pub(super) async fn trip(guest: &Guest) -> Answer {
    let (trip, run_type) = guest.input.split_once(' ').unwrap_or((&guest.input, ""));
    let mut compensations = Vec::new();
    match steps(guest, trip, run_type, &mut compensations).await {
        Ok(()) => Ok(Payload::from(format!("success {trip}"))),
        Err(failure) => {
            let applied = compensations.len();
            for service in compensations.into_iter().rev() {
                compensate(guest, service, trip).await;
            }
            insist(guest, "notify of the failure", Deed::Value { failures: 0 }).await;
            let message = format!(
                "Travel reservation failed with err '{}'; successfully applied {applied} compensations",
                failure.message
            );
            let code = if is_cancelled(&failure) { failure.code } else { 500 };
            Err(Failure::new(code, message))
        }
    }
}

/// A cancellation that comes now does not stop the compensation.
async fn compensate(guest: &Guest, service: &str, trip: &str) {
    loop {
        let (pending, _) = guest.begin_shielded_call(Target::keyed(service, trip, "cancel"), "").await;
        if guest.see_through(pending).await.is_ok() {
            return;
        }
    }
}

/// Has a trip reserved. Input: that of the trip.
pub(super) async fn agency(guest: &Guest) -> Answer {
    guest.call(Target::service("trips", "reserve"), &guest.input).await
}

async fn steps(
    guest: &Guest,
    trip: &str,
    run_type: &str,
    compensations: &mut Vec<&'static str>,
) -> Result<(), Failure> {
    let fails = |name: &str| if run_type == name { "fail" } else { "" };
    for (service, failure) in [
        ("flights", "failFlightsReservation"),
        ("cars", "failCarRentalReservation"),
        ("payments", "failPayment"),
    ] {
        guest.call(Target::keyed(service, trip, "reserve"), fails(failure)).await?;
        compensations.push(service);
    }
    for (service, failure) in [("flights", "failFlightsConfirmation"), ("cars", "failCarRentalConfirmation")]
    {
        guest.call(Target::keyed(service, trip, "confirm"), fails(failure)).await?;
    }
    let notification =
        if run_type == "failNotification" { Deed::Refuse } else { Deed::Value { failures: 1 } };
    guest.run("notify", notification, None).await.map(drop)
}

pub(super) async fn reserve(guest: &Guest) -> Answer {
    if guest.input == "fail" {
        return Err(Failure::new(500, format!("Failed to book the {}", guest.target.service)));
    }
    let id = book(guest, "insert row", &row(guest)).await?;
    guest.set("row", "reserved").await;
    Ok(id)
}

pub(super) async fn confirm(guest: &Guest) -> Answer {
    if guest.input == "fail" {
        return Err(Failure::new(500, format!("Failed to confirm the {}", guest.target.service)));
    }
    guest.run("update row", Deed::Value { failures: 0 }, None).await?;
    guest.set("row", "confirmed").await;
    Ok(Payload::new())
}

pub(super) async fn cancel(guest: &Guest) -> Answer {
    insist(guest, "delete row", Deed::Undo { what: row(guest), broken: false }).await;
    guest.clear("row").await;
    Ok(Payload::new())
}

/// The row in the world that stands for this object's reservation.
fn row(guest: &Guest) -> String {
    format!("{}/{}", guest.target.service, guest.key())
}
