//! What must hold once nothing happens any more.

use std::collections::BTreeMap;

use holiday_core::id::InvocationId;
use holiday_core::invocation::{Lifecycle, OpenCommand, Status};
use holiday_core::state::key::Family;
use holiday_core::value::Outcome;

use crate::host::{Host, difference};
use crate::requests::Request;
use crate::violation::{Checked, check};
use crate::waits::Waits;
use crate::world::Booking;

/// Faults are over, and only operators can change anything: what has not ended waits for one.
pub(crate) fn at_rest(host: &Host) -> Checked {
    topics_are_read(host)?;
    let lifecycles: BTreeMap<_, _> = host.state.lifecycles()?.into_iter().collect();
    for (id, lifecycle) in &lifecycles {
        check!(
            "acknowledged-runs-to-an-end",
            waits_for_an_operator(lifecycle),
            "{id} ({}) is {:?} though nothing happens any more",
            target_of(host, id),
            lifecycle.status
        );
    }
    let graph = Waits::of(host)?;
    for (id, lifecycle) in &lifecycles {
        let (stuck, is_in_a_circle) = (graph.ends_of(id), !graph.leads_to_an_operator(id));
        check!(
            "nobody-waits-in-a-circle",
            !is_in_a_circle,
            "{id} ({}) is {:?} and waits, by way of others, for {stuck:?} and for no operator",
            target_of(host, id),
            lifecycle.status
        );
    }
    for (id, (owner, booking)) in &host.world.bookings {
        let has_ended = host.audit.ended.get(owner).is_some_and(|it| it.returned.is_some());
        let is_paused = lifecycles.contains_key(owner);
        check!(
            "compensation-is-never-dropped",
            has_ended || is_paused || host.audit.ended.contains_key(owner),
            "{id} is {booking:?} but its invocation {owner} is gone"
        );
    }
    Ok(())
}

/// Subscriptions have read their topics to the end, and what waits in them waits for something.
fn topics_are_read(host: &Host) -> Checked {
    let stalled = host.audit.records.stalled();
    check!("lanes-do-not-stall", stalled.is_empty(), "{stalled:?} could be handled, and nothing happens");
    host.audit.records.check_none_skipped(&host.world.broker)?;
    for (id, subscription) in host.state.subscriptions()? {
        let topic = &subscription.source.topic;
        let progress = host.state.progress(&id)?.expect("stored with the subscription");
        check!("topics-are-read", progress.is_active(), "{id} is {:?} at the end", progress.status);
        for (partition, position) in host.state.positions(&id)? {
            let log = host.world.broker.topic(topic).and_then(|topic| topic.log(partition));
            let unread = log.and_then(|log| log.from(position.next).next());
            check!(
                "topics-are-read",
                unread.is_none() && position.halted.is_none(),
                "{id} is at {position:?} of partition {partition}, and has not read {unread:?}"
            );
        }
        let reading: Vec<_> =
            host.state.key_seeks(&id)?.into_iter().filter(|(_, it)| it.is_reading()).collect();
        check!("topics-are-read", reading.is_empty(), "{id} has not read on for {reading:?}");
    }
    Ok(())
}

fn waits_for_an_operator(lifecycle: &Lifecycle) -> bool {
    match &lifecycle.status {
        Status::Paused(_) | Status::Inboxed(_) => true,
        // The callee is looked at for itself.
        Status::Suspended(it) => it.on.iter().any(|index| {
            matches!(lifecycle.open.get(index), Some(OpenCommand::Call { .. } | OpenCommand::Joined { .. }))
        }),
        Status::Scheduled(_) | Status::Running | Status::BackingOff(_) => false,
    }
}

/// The operator has resumed everything: all has ended, and ended right.
pub(crate) fn at_end(host: &Host) -> Checked {
    for (id, lifecycle) in host.state.lifecycles()? {
        check!(
            "acknowledged-runs-to-an-end",
            false,
            "{id} ({}) is still {:?}",
            target_of(host, &id),
            lifecycle.status
        );
    }
    for (submitted, invocation) in &host.world.accepted {
        check!(
            "acknowledged-is-never-lost",
            host.audit.ended.contains_key(invocation),
            "{submitted} was accepted as {invocation}, which never ended"
        );
    }
    for id in host.audit.created.keys() {
        check!("acknowledged-runs-to-an-end", host.audit.ended.contains_key(id), "{id} never ended");
    }
    for (id, answer) in &host.world.answers {
        let returned = host.audit.ended.get(id).and_then(|ended| ended.returned.as_ref());
        check!(
            "answer-never-changes",
            returned.is_none_or(|returned| returned == answer),
            "{id} was answered {answer:?} but returned {returned:?}"
        );
    }
    check!(
        "two-applications-are-equal",
        host.state.kv() == host.audit.rows(),
        "{}",
        difference(host.state.kv(), host.audit.rows())
    );
    for (key, _) in host.state.kv().rows() {
        let is_of_the_live =
            [Family::Lock, Family::Inbox, Family::Signal, Family::PromiseWaiter, Family::Joined];
        let is_left = is_of_the_live.iter().any(|family| key[0] == *family as u8);
        check!("no-row-leaks", !is_left, "row {}:{} is left of nobody", key[0], key[1..].escape_ascii());
    }
    topics_are_read(host)?;
    if let Some((id, unfinished)) = host.audit.records.unfinished().next() {
        check!("no-record-is-lost", false, "{id} has records that have come to no end: {unfinished}");
    }
    objects(host)?;
    sagas(host)?;
    trips(host)
}

/// The objects hold what the recorded writes, in order, come to; no addition is lost or doubled.
fn objects(host: &Host) -> Checked {
    for ((service, key), values) in &host.audit.objects {
        let stored: BTreeMap<_, _> = host.state.object_state(service, key)?.into_iter().collect();
        check!("state-equals-model", stored == *values, "{service}/{key} holds {stored:?}, not {values:?}");
    }
    for ((service, key), sum) in &host.audit.adds {
        let count = host.state.object_value(service, key, "count")?.unwrap_or_default();
        check!("adds-exactly-once", count == sum.to_string(), "{service}/{key} is {count:?}, not {sum}");
    }
    Ok(())
}

/// What a saga booked stands if it succeeded, and is taken back, latest first, if it failed.
fn sagas(host: &Host) -> Checked {
    for (what, (owner, booking)) in host.world.bookings.iter().filter(|(what, _)| what.contains('-')) {
        let Some(returned) = host.audit.ended.get(owner).and_then(|it| it.returned.as_ref()) else {
            continue;
        };
        // What was never booked, and undone by somebody who was asked to.
        if host.audit.created.get(owner).is_some_and(|it| it.target.service == "post") {
            continue;
        }
        // Whoever was restarted from one that has succeeded takes back what that had booked, if it fails.
        if what.split_once('-').is_some_and(|(name, _)| host.audit.heirs.has_name(name)) {
            continue;
        }
        let expected = match returned {
            Outcome::Success(_) => Booking::Made,
            Outcome::Failure(_) => Booking::Undone,
        };
        check!(
            "compensations-match-effects",
            *booking == expected,
            "{what} is {booking:?}, but {owner} ended with {returned}"
        );
    }
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, what) in &host.world.undone {
        let Some((name, step)) = what.split_once('-') else { continue };
        // Whoever goes on with the name of another one has other steps to undo.
        if host.audit.heirs.has_name(name) {
            continue;
        }
        let step: u64 = step.parse().unwrap_or(0);
        let before = latest.insert(name, step);
        check!(
            "compensations-run-in-reverse",
            before.is_none_or(|before| step < before),
            "{what} was undone after step {before:?}"
        );
    }
    Ok(())
}

/// A trip that succeeded has one confirmed row each, one that failed has none.
fn trips(host: &Host) -> Checked {
    for (id, invocation) in host.audit.created.iter().filter(|(_, it)| it.target.service == "trips") {
        let Some(returned) = host.audit.ended.get(id).and_then(|it| it.returned.as_ref()) else { continue };
        let Some(trip) = trip_of(host, id) else { continue };
        if was_meddled_with(host, &trip) || was_begun_again(host, &trip) {
            continue;
        }
        for service in ["flights", "cars", "payments"] {
            let row = host.state.object_value(service, &trip, "row")?;
            let booking = host.world.bookings.get(&format!("{service}/{trip}")).map(|(_, it)| *it);
            let is_right = match returned {
                Outcome::Success(_) => row.is_some() && booking == Some(Booking::Made),
                Outcome::Failure(_) => row.is_none() && booking != Some(Booking::Made),
            };
            check!(
                "compensations-match-effects",
                is_right,
                "{} {trip} ended with {returned}, but {service} has row {row:?} and booking {booking:?}",
                invocation.target
            );
        }
    }
    Ok(())
}

/// Whether an operator has killed a part of the trip, or had one executed again.
fn was_meddled_with(host: &Host, trip: &str) -> bool {
    host.audit.created.iter().any(|(id, it)| {
        let is_part = it.target.key.as_deref() == Some(trip)
            || it.target.service == "trips" && trip_of(host, id).as_deref() == Some(trip);
        let was_stopped =
            host.audit.ended.get(id).is_some_and(|ended| ended.returned.is_none() && ended.was_killed);
        is_part && (was_stopped || host.audit.heirs.is_heir(id))
    })
}

/// Whether another trip has this name, too: the first was purged, and its caller has asked again.
fn was_begun_again(host: &Host, trip: &str) -> bool {
    let trips = host.audit.created.iter().filter(|(_, it)| it.target.service == "trips");
    trips.filter(|(id, _)| trip_of(host, id).as_deref() == Some(trip)).count() > 1
}

fn trip_of(host: &Host, id: &InvocationId) -> Option<String> {
    let input = host.audit.inputs.get(id)?;
    Some(String::from_utf8_lossy(input).split(' ').next()?.to_owned())
}

/// Retention is over: nothing is left of any invocation.
pub(crate) fn when_forgotten(host: &Host) -> Checked {
    let is_workflow = |service: &String| service == "workflow" || service == "approvals";
    for (service, key) in host.audit.objects.keys().filter(|(service, _)| is_workflow(service)) {
        let values = host.state.object_state(service, key)?;
        check!("no-row-leaks", values.is_empty(), "{service}/{key} is forgotten but holds {values:?}");
    }
    let kept = [
        Family::Applied,
        Family::Deployment,
        Family::Revision,
        Family::Route,
        Family::Policies,
        Family::ObjectState,
    ]
    .map(|it| it as u8);
    for (key, _) in host.state.kv().rows() {
        check!("no-row-leaks", kept.contains(&key[0]), "row {}:{} is left", key[0], key[1..].escape_ascii());
    }
    Ok(())
}

/// Submissions with one name got one invocation, as long as it was kept.
pub(crate) fn names(host: &Host, requests: &[Request]) -> Checked {
    let mut by_name: BTreeMap<_, Vec<InvocationId>> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.is_repeatable()) {
        let invocations = request.submitted.iter().filter_map(|id| host.world.accepted.get(id));
        let name = (request.target.clone(), request.idempotency_key.clone());
        by_name.entry(name).or_default().extend(invocations);
    }
    for ((target, key), mut invocations) in by_name {
        invocations.sort_unstable();
        invocations.dedup();
        let kept = invocations.iter().filter(|id| !host.audit.forgotten.contains(*id)).count();
        check!("one-name-one-invocation", kept <= 1, "{target} {key:?} became {invocations:?}");
    }
    Ok(())
}

fn target_of(host: &Host, id: &InvocationId) -> String {
    host.audit.created.get(id).map_or_else(|| "?".to_owned(), |it| it.target.to_string())
}
