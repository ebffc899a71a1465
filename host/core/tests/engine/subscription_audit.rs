//! The invariants of subscription rows, checked after every record.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::effect::Effect;
use holiday_core::event::Event;
use holiday_core::id::{InvocationId, SubscriptionId};
use holiday_core::invocation::Caller;
use holiday_core::state::key::{self, Family};
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{State, codec};
use holiday_core::subscription::{
    Lane, LaneId, OrderOnFailure, ParkedRecord, Progress, RecordOrigin, SubscriptionStatus, WaitingRecord,
};

use crate::audit::keys;

const FAMILIES: [Family; 8] = [
    Family::Progress,
    Family::Position,
    Family::Lane,
    Family::WaitingRecord,
    Family::Parked,
    Family::StalledLane,
    Family::HeldLane,
    Family::KeySeek,
];

/// The counts agree with the rows, every mark has its reason, and nothing is left of a subscription that is gone.
pub(crate) fn check_rows(state: &State<MemoryKv>) {
    let subscriptions = state.subscriptions().expect("memory does not fail");
    let known: BTreeSet<_> = subscriptions.iter().map(|(id, _)| *id).collect();
    for row in FAMILIES.iter().flat_map(|family| keys(state, *family)) {
        let id = key::parse_subscription(&row).expect("begins with a subscription");
        assert!(known.contains(&id), "a row is left of {id}, which is deleted: {row:?}");
    }
    for id in known {
        let progress = state.progress(&id).expect("memory does not fail").expect("one each");
        // Its rows go in any order.
        if progress.status != SubscriptionStatus::Deleting {
            check_subscription(state, &id, &progress);
        }
    }
}

fn check_subscription(state: &State<MemoryKv>, id: &SubscriptionId, progress: &Progress) {
    let running = running(state, id);
    assert_eq!(progress.running, running.len() as u64, "as many run as are counted");
    let waiting: Vec<WaitingRecord> = rows(state, Family::WaitingRecord, id).into_values().collect();
    assert_eq!(progress.waiting, waiting.len() as u64, "as many wait as are counted");
    let bytes: u64 = waiting.iter().map(|it| it.record.len()).sum();
    assert_eq!(progress.waiting_bytes, bytes, "their bytes are counted");
    let parked: BTreeMap<Vec<u8>, ParkedRecord> = rows(state, Family::Parked, id);
    assert_eq!(progress.parked, parked.len() as u64, "as many are parked as are counted");
    assert_eq!(progress.parked_bytes, parked.values().map(ParkedRecord::len).sum::<u64>());
    for (row, record) in &parked {
        let number = key::parse_ticket(row).expect("ends with a number");
        assert_eq!(record.origin.parked, Some(number), "a parked record knows its number");
        assert!(number < progress.next_parked, "numbers are given once");
    }
    check_blocked(state, id, &parked);
    let key_seeks = state.key_seeks(id).expect("memory does not fail").len();
    assert_eq!(progress.key_seeks, key_seeks as u64, "as many keys have positions as are counted");
    check_lanes(state, id, progress, &running);
}

/// Where keys wait for their parked record, each has one at most, and waits for that.
fn check_blocked(state: &State<MemoryKv>, id: &SubscriptionId, parked: &BTreeMap<Vec<u8>, ParkedRecord>) {
    let subscription = state.subscription(id).expect("memory does not fail").expect("one each");
    for record in parked.values() {
        let Some(lane) = &record.origin.lane else { continue };
        let lane = state.lane(id, lane).expect("memory does not fail");
        let blocked_by = lane.and_then(|lane| lane.blocked_by);
        match subscription.options.order_on_failure {
            OrderOnFailure::Wait => assert_eq!(blocked_by, record.origin.parked),
            OrderOnFailure::Continue => assert_eq!(blocked_by, None),
        }
    }
}

fn check_lanes(
    state: &State<MemoryKv>,
    id: &SubscriptionId,
    progress: &Progress,
    running: &BTreeMap<InvocationId, RecordOrigin>,
) {
    let lanes: BTreeMap<LaneId, Lane> = rows(state, Family::Lane, id)
        .into_iter()
        .map(|(row, lane)| (key::parse_lane(&row).expect("ends with a lane"), lane))
        .collect();
    let mut waiting: BTreeMap<LaneId, u64> = BTreeMap::new();
    for row in keys(state, Family::WaitingRecord).iter().filter(|row| row[1..17] == id.as_bytes()[..]) {
        let lane = key::parse_lane(&row[..row.len() - 8]).expect("a lane before the ticket");
        *waiting.entry(lane).or_default() += 1;
        let ticket = key::parse_ticket(row).expect("ends with a ticket");
        let line = lanes.get(&lane).expect("who waits has a lane");
        assert!((line.first_ticket..line.next_ticket).contains(&ticket), "tickets are in line");
    }
    let mut busy: BTreeMap<InvocationId, LaneId> = BTreeMap::new();
    for (lane_id, lane) in &lanes {
        assert!(!lane.is_idle(), "a lane that nothing needs has no row");
        assert_eq!(*lane_id, LaneId::of(&lane.key));
        assert_eq!(lane.waiting, waiting.remove(lane_id).unwrap_or_default(), "as many wait as it says");
        assert_eq!(lane.is_stalled, lane.is_free() && lane.waiting > 0, "it says if it could go on");
        assert_eq!(lane.is_held, lane.is_paused || lane.blocked_by.is_some(), "it says if it is held");
        busy.extend(lane.busy.map(|invocation| (invocation, *lane_id)));
    }
    assert!(waiting.is_empty(), "who waits has a lane: {waiting:?}");
    let of_lanes: BTreeMap<_, _> =
        running.iter().filter_map(|(invocation, origin)| Some((*invocation, origin.lane?))).collect();
    assert_eq!(busy, of_lanes, "a lane is busy with the invocation of its record, one at a time");
    let marked = |is_so: fn(&Lane) -> bool| -> BTreeSet<LaneId> {
        lanes.iter().filter(|(_, lane)| is_so(lane)).map(|(id, _)| *id).collect()
    };
    assert_eq!(marks(state, Family::StalledLane, id), marked(|lane| lane.is_stalled));
    assert_eq!(marks(state, Family::HeldLane, id), marked(|lane| lane.is_held));
    assert_eq!(progress.stalled, marked(|lane| lane.is_stalled).len() as u64, "stalled lanes are counted");
    assert_eq!(progress.paused_keys, marked(|lane| lane.is_paused).len() as u64, "paused keys are counted");
}

/// Follows the steps that were asked for, as the driver does: none is forgotten, and none is asked for without need.
pub(crate) fn check_steps(
    state: &State<MemoryKv>,
    asked: &mut BTreeSet<SubscriptionId>,
    event: &Event,
    effects: &[Effect],
) {
    if let Event::Advance { subscription } = event {
        asked.remove(subscription);
    }
    let asks = effects.iter().filter_map(|effect| match effect {
        Effect::Advance(id) => Some(*id),
        _ => None,
    });
    let subscriptions = state.subscriptions().expect("memory does not fail");
    let with_work = subscriptions.iter().map(|(id, _)| *id).filter(|id| has_work(state, id));
    let with_work: BTreeSet<_> = with_work.collect();
    for id in asks {
        assert!(with_work.contains(&id), "a step is asked for, and there is nothing to do");
        asked.insert(id);
    }
    assert!(with_work.is_subset(asked), "work is left, and no step is asked for");
}

fn has_work(state: &State<MemoryKv>, id: &SubscriptionId) -> bool {
    let progress = state.progress(id).expect("memory does not fail").expect("one each");
    match progress.status {
        SubscriptionStatus::Active => progress.stalled > 0,
        SubscriptionStatus::Deleting => true,
        SubscriptionStatus::Paused(_) => false,
    }
}

/// The invocations of records that have not ended.
fn running(state: &State<MemoryKv>, id: &SubscriptionId) -> BTreeMap<InvocationId, RecordOrigin> {
    let mut running = BTreeMap::new();
    for (invocation, _) in state.lifecycles().expect("memory does not fail") {
        let fixed = state.invocation(&invocation).expect("memory does not fail").expect("stored with it");
        if let Caller::Record(origin) = fixed.caller
            && origin.subscription == *id
        {
            running.insert(invocation, origin);
        }
    }
    running
}

fn rows<T: serde::de::DeserializeOwned>(
    state: &State<MemoryKv>,
    family: Family,
    id: &SubscriptionId,
) -> BTreeMap<Vec<u8>, T> {
    let range = key::all_of_subscription(family, id);
    let rows = state.kv().rows().filter(|(row, _)| range.contains(&row.to_vec()));
    rows.map(|(row, value)| {
        (row.to_vec(), codec::decode(value, || format!("{row:?}")).expect("a row of its family"))
    })
    .collect()
}

fn marks(state: &State<MemoryKv>, family: Family, id: &SubscriptionId) -> BTreeSet<LaneId> {
    let range = key::all_of_subscription(family, id);
    let rows = keys(state, family);
    rows.iter()
        .filter(|row| range.contains(*row))
        .map(|row| key::parse_lane(row).expect("ends with a lane"))
        .collect()
}
