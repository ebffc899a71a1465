//! A workflow that waits for what others promise it, and the handlers that keep or break the promise.

use holiday_core::target::Target;
use holiday_core::value::{Failure, Outcome, Payload};

use crate::guest::{Answer, Guest};

/// The run: it waits for two promises, for the second one not for ever. Input: `delay`.
pub(super) async fn go(guest: &Guest) -> Answer {
    guest.set("stage", "begun").await;
    let first = guest.begin_promise("first").await;
    let first = guest.finish(first).await?;
    guest.set("stage", "half").await;
    let delay: u64 = guest.input.parse().unwrap_or(100);
    let mut either = vec![guest.begin_promise("second").await, guest.begin_sleep(delay).await];
    let (winner, second) = guest.first(&mut either).await;
    let said = String::from_utf8_lossy(&second?).into_owned();
    let again = guest.peek_promise("first").await?;
    if again != first {
        return Err(Failure::new(500, format!("first was {first:?} and is {again:?}")));
    }
    // Whoever comes later is told.
    let told = guest.complete_promise("first", Outcome::success("mine")).await;
    guest.set("stage", "done").await;
    Ok(Payload::from(format!("{winner:?} {said} {}", told.is_err())))
}

/// Completes a promise. Input: its name, and `!` in front of a value that rejects it.
pub(super) async fn approve(guest: &Guest) -> Answer {
    let (name, value) = guest.input.split_once(' ').unwrap_or((&guest.input, "yes"));
    let outcome = match value.strip_prefix('!') {
        Some(reason) => Failure::new(402, format!("{reason} {}", guest.name)).into(),
        None => Outcome::success(format!("{value} {}", guest.name)),
    };
    guest.complete_promise(name, outcome).await
}

/// Waits for a promise beside the run. Input: its name.
pub(super) async fn watch(guest: &Guest) -> Answer {
    let stage = guest.get("stage").await.unwrap_or_default();
    let promise = guest.begin_promise(&guest.input).await;
    let value = guest.finish(promise).await?;
    Ok(Payload::from(format!("{stage}: {}", String::from_utf8_lossy(&value))))
}

/// Where the promises of this workflow are completed.
pub(super) fn approver(guest: &Guest) -> Target {
    Target::keyed(guest.target.service.clone(), guest.key(), "approve")
}
