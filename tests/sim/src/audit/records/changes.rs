//! The changes that one record of the log has made to subscriptions, gathered from the rows that it wrote.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::effect::Effect;
use holiday_core::event::{Event, Record};
use holiday_core::id::{InvocationId, SubscriptionId};
use holiday_core::invocation::{Caller, Invocation};
use holiday_core::state::key::{self, Family};
use holiday_core::subscription::{
    KeySeek, LaneId, ParkedRecord, Partition, Position, Progress, RecordOrigin, Subscription, WaitingRecord,
};
use holiday_core::value::{Outcome, Payload};

use crate::audit::rows::{decode, invocation_of};
use crate::violation::Checked;
use crate::watch::Write;

#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) created: BTreeMap<SubscriptionId, Subscription>,
    pub(super) by_subscription: BTreeMap<SubscriptionId, Change>,
}

/// The changes to one subscription.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) begun: BTreeMap<InvocationId, RecordOrigin>,
    pub(super) inputs: BTreeMap<InvocationId, Payload>,
    pub(super) ended: BTreeMap<InvocationId, Ended>,
    pub(super) waiting_in: BTreeMap<(LaneId, u64), WaitingRecord>,
    pub(super) waiting_out: BTreeSet<(LaneId, u64)>,
    pub(super) parked_in: BTreeMap<u64, ParkedRecord>,
    pub(super) parked_out: BTreeSet<u64>,
    /// Records that failed, with their number if they are parked.
    pub(super) failed: Vec<(RecordOrigin, Option<u64>)>,
    pub(super) positions: BTreeMap<Partition, Position>,
    pub(super) seeks: BTreeMap<(Partition, LaneId), Option<KeySeek>>,
    pub(super) progress: Option<Progress>,
    pub(super) is_gone: bool,
}

/// The end of the invocation of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) origin: RecordOrigin,
    pub(super) has_succeeded: bool,
}

impl Change {
    /// The records that failed before they could begin.
    pub(super) fn failed_at_once(&self) -> impl Iterator<Item = &RecordOrigin> {
        let all = self.failed.iter().map(|(origin, _)| origin);
        all.filter(|origin| self.ended.values().all(|ended| ended.origin != **origin))
    }
}

pub(super) fn gather(
    origins: &mut BTreeMap<InvocationId, RecordOrigin>,
    record: &Record,
    writes: &[Write],
    effects: &[Effect],
) -> Checked<Changes> {
    let mut changes = Changes::default();
    for write in writes {
        let family = write.key[0];
        if family == Family::Invocation as u8 {
            see_invocation(origins, &mut changes, write)?;
        } else if family == Family::Input as u8 {
            see_input(origins, &mut changes, write);
        } else if family == Family::Lifecycle as u8 && write.value.is_none() {
            see_end(origins, &mut changes, record, invocation_of(&write.key));
        } else if family == Family::Subscription as u8 {
            match decode(write)? {
                Some(subscription) => drop(changes.created.insert(subscription_of(write), subscription)),
                None => changes.of(subscription_of(write)).is_gone = true,
            }
        } else if family > Family::Subscription as u8 {
            see_row(changes.of(subscription_of(write)), write)?;
        }
    }
    for effect in effects {
        if let Effect::RecordFailed { origin, parked, .. } = effect {
            changes.of(origin.subscription).failed.push((*origin, *parked));
        }
    }
    Ok(changes)
}

impl Changes {
    fn of(&mut self, id: SubscriptionId) -> &mut Change {
        self.by_subscription.entry(id).or_default()
    }
}

fn see_invocation(
    origins: &mut BTreeMap<InvocationId, RecordOrigin>,
    changes: &mut Changes,
    write: &Write,
) -> Checked {
    let id = invocation_of(&write.key);
    let invocation: Option<Invocation> = decode(write)?;
    if let Some(Caller::Record(origin)) = invocation.map(|it| it.caller) {
        origins.insert(id, origin);
        changes.of(origin.subscription).begun.insert(id, origin);
    }
    Ok(())
}

fn see_input(origins: &BTreeMap<InvocationId, RecordOrigin>, changes: &mut Changes, write: &Write) {
    let id = invocation_of(&write.key);
    if let (Some(origin), Some(input)) = (origins.get(&id), &write.value) {
        changes.of(origin.subscription).inputs.insert(id, input.clone());
    }
}

fn see_end(
    origins: &BTreeMap<InvocationId, RecordOrigin>,
    changes: &mut Changes,
    record: &Record,
    id: InvocationId,
) {
    let Some(origin) = origins.get(&id) else { return };
    let has_succeeded = match &record.event {
        Event::End(it) => it.attempt.invocation == id && matches!(it.outcome, Outcome::Success(_)),
        _ => false,
    };
    changes.of(origin.subscription).ended.insert(id, Ended { origin: *origin, has_succeeded });
}

fn see_row(change: &mut Change, write: &Write) -> Checked {
    let (family, key) = (write.key[0], &write.key);
    if family == Family::WaitingRecord as u8 {
        let ticket = key::parse_ticket(key).expect("ends with a ticket");
        let lane = key::parse_lane(&key[..key.len() - 8]).expect("a lane before the ticket");
        match decode(write)? {
            Some(record) => drop(change.waiting_in.insert((lane, ticket), record)),
            None => drop(change.waiting_out.insert((lane, ticket))),
        }
    } else if family == Family::Parked as u8 {
        let number = key::parse_ticket(key).expect("ends with a number");
        match decode(write)? {
            Some(record) => drop(change.parked_in.insert(number, record)),
            None => drop(change.parked_out.insert(number)),
        }
    } else if family == Family::Position as u8 {
        let partition = key::parse_partition(key).expect("ends with a partition");
        change.positions.extend(decode(write)?.map(|position| (partition, position)));
    } else if family == Family::KeySeek as u8 {
        let partition = key::parse_partition(key).expect("a partition behind the subscription");
        let lane = key::parse_lane(key).expect("ends with a lane");
        change.seeks.insert((partition, lane), decode(write)?);
    } else if family == Family::Progress as u8 {
        change.progress = decode(write)?;
    }
    Ok(())
}

fn subscription_of(write: &Write) -> SubscriptionId {
    key::parse_subscription(&write.key).expect("begins with a subscription")
}
