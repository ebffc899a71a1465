//! A handler that does everything once, in a way that does not depend on who is faster.

use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::target::Target;
use holiday_core::value::{Failure, Payload};

use super::insist;
use crate::guest::{Answer, Guest};
use crate::world::Deed;

/// Input: `good` or `bad`; a bad one ends in a terminal error.
pub(super) async fn tell(guest: &Guest) -> Answer {
    let mut bookings = Vec::new();
    let result = chapters(guest, &mut bookings).await;
    if result.is_err() {
        for what in bookings.into_iter().rev() {
            insist(guest, "undo", Deed::Undo { what, broken: false }).await;
        }
    }
    result
}

async fn chapters(guest: &Guest, bookings: &mut Vec<String>) -> Answer {
    book(guest, bookings, 1).await?;
    let several = vec![
        guest.begin_sleep(50).await,
        guest.begin_run("first", Deed::Value { failures: 1 }, None).await,
        guest.begin_run("second", Deed::Value { failures: 0 }, None).await,
        guest.begin_call(counter(guest, "one"), "2 run", None).await.0,
        guest.begin_call(counter(guest, "two"), "3 sleep", None).await.0,
    ];
    let answers = guest.all(several).await?;
    book(guest, bookings, 2).await?;
    let (pending, id) = guest.begin_awakeable().await;
    guest.send(Target::service("resolver", "resolve"), &format!("{id} hello"), Some(10), None).await;
    let hello = guest.finish(pending).await?;
    guest.send(counter(guest, "sent"), "1", Some(20), None).await;
    guest.send(counter(guest, "sent"), "2", None, None).await;
    let once = RetryPolicy {
        initial_interval_ms: 10,
        max_attempts: Some(2),
        then: Exhausted::Fail,
        ..RetryPolicy::DEFAULT
    };
    let given_up = guest.run("give up", Deed::Value { failures: 9 }, Some(once)).await;
    guest
        .call(counter(guest, "one"), "1 refuse")
        .await
        .map_or(Ok(()), |_| Err(Failure::new(500, "not refused")))?;
    if guest.input == "bad" {
        guest.run("refuse", Deed::Refuse, None).await?;
    }
    Ok(Payload::from(format!("{answers:?} {hello:?} {given_up:?}")))
}

async fn book(guest: &Guest, bookings: &mut Vec<String>, step: u64) -> Result<(), Failure> {
    let what = format!("{}-{step}", guest.input);
    bookings.push(what.clone());
    guest.run("book", Deed::Book { what }, None).await.map(drop)
}

fn counter(guest: &Guest, name: &str) -> Target {
    Target::keyed("counter", format!("{}-{name}", guest.input), "add")
}
