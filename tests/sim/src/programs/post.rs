//! Signals between handlers, and compensation that is called for.

use holiday_core::id::InvocationId;
use holiday_core::value::{Failure, Payload};

use super::insist;
use crate::guest::{Answer, Guest};
use crate::world::Deed;

/// Sends a signal. Input: `invocation-id name`.
pub(super) async fn send(guest: &Guest) -> Answer {
    let (to, name) = guest.input.split_once(' ').unwrap_or((&guest.input, "go"));
    let to: InvocationId = to.parse().map_err(|_| Failure::new(400, "not an invocation"))?;
    guest.send_signal(to, name, &format!("{name} {}", guest.name)).await
}

/// Waits for signals, two of one name at a time. Input: how many.
pub(super) async fn wait(guest: &Guest) -> Answer {
    let mut got = Vec::new();
    for round in 0..guest.input.parse().unwrap_or(1u64) {
        let several = vec![
            guest.begin_signal("go").await,
            guest.begin_signal(if round % 2 == 0 { "go" } else { "stop" }).await,
        ];
        got.extend(guest.all(several).await?);
    }
    Ok(Payload::from(format!("{got:?}")))
}

/// Takes a booking back, whatever happens to its caller. Input: what was booked, and whether that is hard to undo.
pub(super) async fn undo(guest: &Guest) -> Answer {
    let (what, how) = guest.input.split_once(' ').unwrap_or((&guest.input, ""));
    insist(guest, "undo", Deed::Undo { what: what.to_owned(), broken: how == "broken" }).await;
    Ok(Payload::new())
}
