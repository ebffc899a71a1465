//! Subscriptions as operators see them, as JSON.

use std::collections::BTreeMap;

use holiday_core::subscription::{
    KeySeek, Lane, Partition, PauseReason, Position, Progress, SubscriptionStatus,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Found, KeyText, options};
use crate::admin::HELD_KEYS_SHOWN_MAX;
use crate::admin::model::time;
use crate::events::{LivePartition, LiveSubscription, ReaderState};

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionModel {
    id: String,
    source: String,
    sink: String,
    options: BTreeMap<String, String>,
    /// `active` or `paused`.
    status: &'static str,
    /// The reason why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    created_at: Option<String>,
    reader: ReaderModel,
    /// Records between the positions and the ends of all partitions whose ends are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<u64>,
    /// Invocations that have not ended.
    running: u64,
    /// Records that wait for their key.
    waiting: u64,
    waiting_bytes: u64,
    /// Records that failed and wait for an operator.
    parked: u64,
    parked_bytes: u64,
    counts: CountsModel,
    #[serde(flatten)]
    #[schema(value_type = Details)]
    details: Option<Details>,
}

/// The part that only the description of one subscription has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SubscriptionDetails)]
pub(super) struct Details {
    #[schema(required = false)]
    partitions: Vec<PartitionModel>,
    /// Keys that an operator has paused, or whose records wait for a parked one; [`HELD_KEYS_SHOWN_MAX`] at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    held_keys: Vec<HeldLane>,
    /// There are more of them than are shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    has_more_held_keys: bool,
    /// Keys that are read from positions of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    key_seeks: Vec<KeySeekModel>,
}

/// The state of the reader, which is not stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reader)]
struct ReaderModel {
    /// `connecting`, `reading`, `waiting-for-topic`, `unavailable` or `paused`.
    state: &'static str,
    /// The reason why the cluster cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// Records since the subscription was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Counts)]
struct CountsModel {
    taken: u64,
    succeeded: u64,
    /// Failed, retries of parked ones included.
    failed: u64,
    /// Failed, and not kept by policy.
    skipped: u64,
    /// Not handled, because a seek sent their key ahead.
    passed_over: u64,
    /// Parked, and discarded by an operator.
    discarded: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SubscribedPartition)]
struct PartitionModel {
    partition: u32,
    /// The offset of the next record to take.
    position: u64,
    /// The offset behind the last record of the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<u64>,
    /// Reading pauses, because the subscription holds as many records as it may.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    is_held_back: bool,
    /// The reason why the partition is not read until an operator seeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    halted: Option<String>,
}

/// A key whose records wait.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HeldKey)]
pub(super) struct HeldLane {
    #[serde(flatten)]
    key: KeyText,
    is_paused: bool,
    /// The number of the parked record that the others wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<u64>,
    waiting: u64,
    /// The invocation of the record that is handled now.
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeySeek)]
struct KeySeekModel {
    partition: u32,
    #[serde(flatten)]
    key: KeyText,
    position: u64,
    /// From here on, the reader of the partition reads the key.
    until: u64,
}

impl SubscriptionModel {
    pub(super) fn new(
        found: &Found,
        live: Option<&LiveSubscription>,
        positions: &[(Partition, Position)],
    ) -> Self {
        let Found { id, subscription, progress } = found;
        SubscriptionModel {
            id: id.to_string(),
            source: subscription.source.to_string(),
            sink: subscription.sink.to_string(),
            options: options::show(&subscription.options),
            status: progress.status.name(),
            reason: reason(&progress.status).map(ToString::to_string),
            created_at: time(subscription.created_at),
            reader: ReaderModel::new(live),
            lag: positions
                .iter()
                .filter_map(|(it, position)| lag(of(live, *it), position))
                .reduce(|a, b| a + b),
            running: progress.running,
            waiting: progress.waiting,
            waiting_bytes: progress.waiting_bytes,
            parked: progress.parked,
            parked_bytes: progress.parked_bytes,
            counts: CountsModel::new(progress),
            details: None,
        }
    }

    pub(super) fn with(self, details: Details) -> Self {
        SubscriptionModel { details: Some(details), ..self }
    }
}

fn reason(status: &SubscriptionStatus) -> Option<&PauseReason> {
    match status {
        SubscriptionStatus::Paused(reason) => Some(reason),
        SubscriptionStatus::Active | SubscriptionStatus::Deleting => None,
    }
}

fn of(live: Option<&LiveSubscription>, partition: Partition) -> LivePartition {
    live.and_then(|live| live.partitions.get(&partition)).copied().unwrap_or_default()
}

fn lag(live: LivePartition, position: &Position) -> Option<u64> {
    live.end.map(|end| end.0.saturating_sub(position.next.0))
}

impl Details {
    pub(super) fn new(
        live: Option<&LiveSubscription>,
        positions: &[(Partition, Position)],
        mut held_keys: Vec<HeldLane>,
        key_seeks: &[(Partition, KeySeek)],
    ) -> Self {
        let partition = |(partition, position): &(Partition, Position)| {
            PartitionModel::new(*partition, position, of(live, *partition))
        };
        let has_more_held_keys = held_keys.len() > HELD_KEYS_SHOWN_MAX;
        held_keys.truncate(HELD_KEYS_SHOWN_MAX);
        Details {
            partitions: positions.iter().map(partition).collect(),
            held_keys,
            has_more_held_keys,
            key_seeks: key_seeks.iter().map(KeySeekModel::new).collect(),
        }
    }
}

impl ReaderModel {
    fn new(live: Option<&LiveSubscription>) -> Self {
        let state = live.map_or(&ReaderState::Connecting, |live| &live.state);
        ReaderModel {
            state: state.name(),
            reason: match state {
                ReaderState::Unavailable { reason } => Some(reason.clone()),
                ReaderState::Connecting
                | ReaderState::Reading
                | ReaderState::WaitingForTopic
                | ReaderState::Paused => None,
            },
            since: live.and_then(|live| time(live.since)),
        }
    }
}

impl CountsModel {
    fn new(progress: &Progress) -> Self {
        let counts = progress.counts;
        CountsModel {
            taken: counts.taken,
            succeeded: counts.succeeded,
            failed: counts.failed,
            skipped: counts.skipped,
            passed_over: counts.passed_over,
            discarded: counts.discarded,
        }
    }
}

impl PartitionModel {
    fn new(partition: Partition, position: &Position, live: LivePartition) -> Self {
        PartitionModel {
            partition: partition.0,
            position: position.next.0,
            end: live.end.map(|end| end.0),
            lag: lag(live, position),
            is_held_back: live.is_held_back,
            halted: position.halted.as_ref().map(ToString::to_string),
        }
    }
}

impl HeldLane {
    pub(super) fn new(lane: &Lane) -> Self {
        HeldLane {
            key: KeyText::new(Some(&lane.key)),
            is_paused: lane.is_paused,
            blocked_by: lane.blocked_by,
            waiting: lane.waiting,
            invocation: lane.busy.map(|it| it.to_string()),
        }
    }
}

impl KeySeekModel {
    fn new((partition, seek): &(Partition, KeySeek)) -> Self {
        KeySeekModel {
            partition: partition.0,
            key: KeyText::new(Some(&seek.key)),
            position: seek.next.0,
            until: seek.until.0,
        }
    }
}
