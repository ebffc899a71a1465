//! The counts of a subscription agree with its rows, and with the places of its records.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use holiday_core::id::SubscriptionId;
use holiday_core::state::key::{self, Family};
use holiday_core::state::{Kv, State, codec};
use holiday_core::subscription::{Lane, LaneId, ParkedRecord, WaitingRecord};
use serde::de::DeserializeOwned;

use super::{Known, Place};
use crate::violation::{Checked, check};

pub(super) fn is_of_subscriptions(family: u8) -> bool {
    family >= Family::Subscription as u8
}

pub(super) fn check<K: Kv>(state: &State<K>, id: &SubscriptionId, known: &Known) -> Checked {
    let progress = state.progress(id)?.expect("stored with the subscription");
    let waiting: Rows<WaitingRecord> = rows(state, Family::WaitingRecord, id)?;
    let parked: Rows<ParkedRecord> = rows(state, Family::Parked, id)?;
    let lanes: Rows<Lane> = rows(state, Family::Lane, id)?;
    let in_place =
        |is_so: fn(&Place) -> bool| known.places.values().filter(|place| is_so(place)).count() as u64;
    let is_stalled = |lane: &&Lane| lane.is_free() && lane.waiting > 0;
    let pairs = [
        ("running", progress.running, in_place(|place| matches!(place, Place::Runs(_)))),
        ("waiting", progress.waiting, in_place(|place| matches!(place, Place::Waits(..)))),
        ("parked", progress.parked, in_place(|place| matches!(place, Place::Parked(_)))),
        ("waiting rows", progress.waiting, waiting.len() as u64),
        ("waiting bytes", progress.waiting_bytes, waiting.values().map(|it| it.record.len()).sum()),
        ("parked rows", progress.parked, parked.len() as u64),
        ("parked bytes", progress.parked_bytes, parked.values().map(ParkedRecord::len).sum()),
        ("stalled", progress.stalled, lanes.values().filter(is_stalled).count() as u64),
        ("stalled marks", progress.stalled, marks(state, Family::StalledLane, id)?),
        (
            "held marks",
            marks(state, Family::HeldLane, id)?,
            count(&lanes, |lane| lane.is_paused || lane.blocked_by.is_some()),
        ),
        ("paused keys", progress.paused_keys, count(&lanes, |lane| lane.is_paused)),
        ("key seeks", progress.key_seeks, known.seeks.len() as u64),
        ("busy lanes", count(&lanes, |lane| lane.busy.is_some()), known.lines.running()),
        ("waiting in lanes", progress.waiting, lanes.values().map(|lane| lane.waiting).sum()),
        ("idle lanes", count(&lanes, Lane::is_idle), 0),
    ];
    for (what, said, is) in pairs {
        check!("counts-agree", said == is, "{id} says that it has {said} {what}, and has {is}: {progress:?}");
    }
    check_lanes(&lanes, known)
}

/// A lane holds up its key exactly where the key has a reason to wait.
fn check_lanes(lanes: &Rows<Lane>, known: &Known) -> Checked {
    for (row, lane) in lanes {
        let id = key::parse_lane(row).expect("ends with a lane");
        check!(
            "lanes-do-not-stall",
            id == LaneId::of(&lane.key) && lane.is_free() == known.lines.is_free(&id),
            "the lane {lane:?} is free: {}, and its key: {}",
            lane.is_free(),
            known.lines.is_free(&id)
        );
    }
    Ok(())
}

type Rows<T> = BTreeMap<Vec<u8>, T>;

fn rows<K: Kv, T: DeserializeOwned>(
    state: &State<K>,
    family: Family,
    id: &SubscriptionId,
) -> Checked<Rows<T>> {
    let range = key::all_of_subscription(family, id);
    let mut found = Rows::new();
    let mut result = Ok(());
    state.kv().scan(&range.start..&range.end, &mut |row, value| {
        match codec::decode(value, || format!("{row:?}")) {
            Ok(value) => drop(found.insert(row.to_vec(), value)),
            Err(error) => result = Err(error),
        }
        ControlFlow::Continue(())
    })?;
    result?;
    Ok(found)
}

fn marks<K: Kv>(state: &State<K>, family: Family, id: &SubscriptionId) -> Checked<u64> {
    Ok(state.marked_lanes(family, id, usize::MAX)?.len() as u64)
}

fn count(lanes: &Rows<Lane>, is_so: impl Fn(&Lane) -> bool) -> u64 {
    lanes.values().filter(|lane| is_so(lane)).count() as u64
}
