//! Subscriptions: the records of a topic become invocations of a handler.
//!
//! A subscription reads each partition from its own [`Position`]. Records that have a key pass through the lane of that
//! key, one at a time; others begin at once. A record that fails is parked, skipped, or pauses the subscription, by
//! policy.
//!
//! The fixed part ([`Subscription`]) is stored apart from the part that changes with every record ([`Progress`]).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::{InvocationId, Seed, SubscriptionId};
use crate::invocation::Header;
use crate::limits;
use crate::time::Timestamp;
use crate::value::{Failure, Payload};

/// The number of a record in its partition, counted from 0. Offsets grow, and may have gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset(pub u64);

impl Offset {
    pub const ZERO: Offset = Offset(0);

    pub const fn next(self) -> Offset {
        Offset(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a partition in its topic, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fixed part of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub source: Source,
    pub sink: Sink,
    pub options: SubscriptionOptions,
    /// Ids and seeds of the invocations are derived from it.
    pub seed: Seed,
    pub created_at: Timestamp,
}

/// A topic of a configured cluster, written `kafka://cluster/topic`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    pub cluster: String,
    pub topic: String,
}

/// A handler, written `service://Service/Handler`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sink {
    pub service: String,
    pub handler: String,
}

/// Says why a text names no source or sink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {role}: write it as {form}")]
pub struct MalformedEnd {
    pub text: String,
    pub role: &'static str,
    pub form: &'static str,
}

impl FromStr for Source {
    type Err = MalformedEnd;

    fn from_str(text: &str) -> Result<Self, MalformedEnd> {
        match two_parts(text, "kafka://") {
            Some((cluster, topic)) => Ok(Source { cluster: cluster.to_owned(), topic: topic.to_owned() }),
            None => {
                Err(MalformedEnd { text: text.to_owned(), role: "source", form: "kafka://CLUSTER/TOPIC" })
            }
        }
    }
}

impl FromStr for Sink {
    type Err = MalformedEnd;

    fn from_str(text: &str) -> Result<Self, MalformedEnd> {
        match two_parts(text, "service://") {
            Some((service, handler)) => Ok(Sink { service: service.to_owned(), handler: handler.to_owned() }),
            None => {
                Err(MalformedEnd { text: text.to_owned(), role: "sink", form: "service://SERVICE/HANDLER" })
            }
        }
    }
}

fn two_parts<'a>(text: &'a str, scheme: &str) -> Option<(&'a str, &'a str)> {
    let (first, second) = text.strip_prefix(scheme)?.split_once('/')?;
    (!first.is_empty() && !second.is_empty() && !second.contains('/')).then_some((first, second))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/{}", self.cluster, self.topic)
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service://{}/{}", self.service, self.handler)
    }
}

/// Settings of one subscription; they never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionOptions {
    /// Where a partition is read from that the subscription has no position of.
    pub start: StartFrom,
    /// The consumer group that positions are reported to, for lag monitors.
    pub group_id: String,
    pub on_failure: OnFailure,
    pub order_on_failure: OrderOnFailure,
    /// Settings for the client library, on top of those of the cluster.
    pub client: BTreeMap<String, String>,
}

/// The first record of a partition that a new subscription reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFrom {
    Earliest,
    Latest,
}

/// The reaction to a record that fails terminally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Keeps the record with its error, for an operator to retry or discard.
    Park,
    /// Counts and logs the record, and keeps nothing of it.
    Skip,
    /// Parks the record and pauses the subscription.
    Pause,
}

/// The fate of later records of a key whose record was parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderOnFailure {
    /// They go on.
    Continue,
    /// They wait until the parked record is retried with success, or discarded.
    Wait,
}

/// The part of a subscription that changes with its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub status: SubscriptionStatus,
    /// Invocations that have not ended.
    pub running: u64,
    /// Records that wait in a lane, and the bytes of their values and headers.
    pub waiting: u64,
    pub waiting_bytes: u64,
    /// Parked records, and the bytes of their values and headers.
    pub parked: u64,
    pub parked_bytes: u64,
    /// The number of the next record to be parked.
    pub next_parked: u64,
    /// Lanes whose first record could begin and has not yet.
    pub stalled: u64,
    /// Keys that an operator has paused.
    pub paused_keys: u64,
    /// Keys that are read from positions of their own.
    pub key_seeks: u64,
    /// The number that the next seek gives to what it reads.
    pub next_generation: u32,
    pub counts: Counts,
}

impl Progress {
    /// That of a new subscription.
    pub fn new() -> Self {
        Progress {
            status: SubscriptionStatus::Active,
            running: 0,
            waiting: 0,
            waiting_bytes: 0,
            parked: 0,
            parked_bytes: 0,
            next_parked: 0,
            stalled: 0,
            paused_keys: 0,
            key_seeks: 0,
            next_generation: 1,
            counts: Counts::default(),
        }
    }

    pub fn is_active(&self) -> bool {
        self.status == SubscriptionStatus::Active
    }

    /// True while the subscription may hold more records.
    pub fn has_room(&self) -> bool {
        self.running + self.waiting < limits::RECORDS_UNFINISHED_MAX
            && self.waiting_bytes < limits::RECORDS_WAITING_BYTES_MAX
    }
}

impl Default for Progress {
    fn default() -> Self {
        Progress::new()
    }
}

/// Records since the subscription was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Taken from the topic, each once.
    pub taken: u64,
    /// Ended with success, or joined the run of their workflow id.
    pub succeeded: u64,
    /// Failed, retries of parked ones included.
    pub failed: u64,
    /// Failed, and not kept by policy.
    pub skipped: u64,
    /// Taken and not handled, because a key was sent ahead.
    pub passed_over: u64,
    /// Parked, and discarded by an operator.
    pub discarded: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionStatus {
    Active,
    /// Takes no records and begins no invocations; those that run go on.
    Paused(PauseReason),
    /// Its rows are being deleted.
    Deleting,
}

impl SubscriptionStatus {
    /// The word operators see.
    pub fn name(&self) -> &'static str {
        match self {
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::Paused(_) => "paused",
            SubscriptionStatus::Deleting => "deleting",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseReason {
    Operator,
    /// A record failed, and the policy says to pause. Its number among the parked.
    Failed(u64),
    /// [`crate::limits::PARKED_MAX`] or [`crate::limits::PARKED_BYTES_MAX`] is reached.
    ParkedFull,
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PauseReason::Operator => f.write_str("by an operator"),
            PauseReason::Failed(number) => write!(f, "a record failed and is parked with number {number}"),
            PauseReason::ParkedFull => {
                f.write_str("HH0088: too many records are parked; retry or discard some, then resume")
            }
        }
    }
}

/// How far a partition is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Records before it are taken.
    pub next: Offset,
    /// Changes with each seek, so that reads from before it are recognised.
    pub generation: u32,
    /// The last record taken: a record with its offset has to be the same one.
    pub last: Option<Mark>,
    /// Why the partition is not read; a seek ends it.
    pub halted: Option<Halt>,
}

/// Recognises a record that is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub offset: Offset,
    /// Of its timestamp, key and value.
    pub digest: u64,
}

/// Why a partition is not read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Halt {
    /// The topic has another record at the offset of the last one taken: it was deleted and created again.
    Recreated { offset: Offset },
    /// The topic ends before the position: it was truncated, or deleted and created again.
    Ahead { next: Offset, end: Offset },
    /// The topic begins behind the position: records were deleted before they were read.
    Behind { next: Offset, begin: Offset },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Recreated { offset } => write!(
                f,
                "HH0090: the record at offset {offset} is not the one that was taken: the topic was created anew; seek to where to go on"
            ),
            Halt::Ahead { next, end } => write!(
                f,
                "HH0090: the position is {next}, but the partition ends at {end}: it was truncated or created anew; seek to where to go on"
            ),
            Halt::Behind { next, begin } => write!(
                f,
                "HH0090: the position is {next}, but the partition begins at {begin}: the records between are deleted; seek to where to go on"
            ),
        }
    }
}

/// Identifies the lane of a key: the first 16 bytes of the SHA-256 of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneId(pub [u8; 16]);

impl LaneId {
    pub fn of(key: &[u8]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(key)[..16]);
        LaneId(id)
    }
}

/// The records of one key: at most one of them is handled at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    pub key: Payload,
    /// The invocation of the record that is handled now.
    pub busy: Option<InvocationId>,
    /// The parked record that the others wait for.
    pub blocked_by: Option<u64>,
    /// An operator has paused the key.
    pub is_paused: bool,
    /// The place that the next record in line gets.
    pub next_ticket: u64,
    /// No record before this one waits any more.
    pub first_ticket: u64,
    pub waiting: u64,
    /// Has a row among the stalled lanes.
    pub is_stalled: bool,
    /// Has a row among the held lanes, which operators list: those that are paused or blocked.
    pub is_held: bool,
}

impl Lane {
    pub fn new(key: Payload) -> Self {
        Lane {
            key,
            busy: None,
            blocked_by: None,
            is_paused: false,
            // There is a place before the first, for a parked record that the others wait for.
            next_ticket: 1,
            first_ticket: 1,
            waiting: 0,
            is_stalled: false,
            is_held: false,
        }
    }

    /// True if its next record may begin.
    pub fn is_free(&self) -> bool {
        self.busy.is_none() && self.blocked_by.is_none() && !self.is_paused
    }

    /// True if nothing needs the row.
    pub fn is_idle(&self) -> bool {
        self.is_free() && self.waiting == 0
    }
}

/// A record as it was read, with the verdict on its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub offset: Offset,
    pub timestamp: Option<Timestamp>,
    pub key: Option<Payload>,
    /// As the handler receives them, those with `kafka.` included.
    pub headers: Vec<Header>,
    pub value: Verdict,
    /// See [`digest_of`]; made of the value as it was read.
    pub digest: u64,
}

/// The value of a record, held against the input of the handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The input of the invocation.
    Input(Payload),
    /// Not an input; the value is kept unless it is too large or must not be stored in clear text.
    Unusable { value: Option<Payload>, failure: Failure },
}

impl SourceRecord {
    /// The bytes it takes to keep.
    pub fn len(&self) -> u64 {
        let value = match &self.value {
            Verdict::Input(value) => value.len(),
            Verdict::Unusable { value, .. } => value.as_ref().map_or(0, Payload::len),
        };
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        (value + headers + self.key.as_ref().map_or(0, Payload::len)) as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A record that waits in its lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRecord {
    pub origin: RecordOrigin,
    pub record: SourceRecord,
}

/// The record that an invocation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordOrigin {
    pub subscription: SubscriptionId,
    pub partition: Partition,
    pub offset: Offset,
    pub timestamp: Option<Timestamp>,
    /// `None` if the record has no key.
    pub lane: Option<LaneId>,
    /// The seek that the record was read after; 0 before the first.
    pub generation: u32,
    /// How often it has failed before.
    pub failures: u32,
    /// Its number among the parked, if it was parked before.
    pub parked: Option<u64>,
}

/// A record that failed and waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRecord {
    pub origin: RecordOrigin,
    pub topic: String,
    pub key: Option<Payload>,
    pub headers: Vec<Header>,
    /// `None` if it was too large to keep, or must not be stored in clear text.
    pub value: Option<Payload>,
    pub failure: Failure,
    /// `None` if it could not become one.
    pub invocation: Option<InvocationId>,
    pub parked_at: Timestamp,
}

impl ParkedRecord {
    /// The bytes it takes to keep.
    pub fn len(&self) -> u64 {
        let value = self.value.as_ref().map_or(0, Payload::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        (value + headers + self.key.as_ref().map_or(0, Payload::len)) as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A key that is read from a position of its own.
///
/// Records of the key from `next` up to `until` are read by a reader of their own; those that the reader of the
/// partition meets from `until` on raise it. Records of the key before `next` are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySeek {
    pub key: Payload,
    pub generation: u32,
    pub next: Offset,
    pub until: Offset,
}

impl KeySeek {
    /// True while a reader of its own has records to read.
    pub fn is_reading(&self) -> bool {
        self.next < self.until
    }
}

/// Makes the mark of a record.
pub fn digest_of(timestamp: Option<Timestamp>, key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let mut hash = Sha256::new();
    for part in
        [timestamp.map(|it| it.as_millis().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice), key, value]
    {
        match part {
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update([0]),
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_survive_the_way_through_text() {
        let source: Source = "kafka://my-cluster/social-media-posts".parse().expect("a source");
        assert_eq!(source.topic, "social-media-posts");
        assert_eq!(source.to_string(), "kafka://my-cluster/social-media-posts");
        let sink: Sink = "service://UserFeed/ProcessPost".parse().expect("a sink");
        assert_eq!(sink.to_string(), "service://UserFeed/ProcessPost");
    }

    #[test]
    fn other_texts_are_refused_with_the_form() {
        for text in ["", "kafka://", "kafka://a", "kafka://a/", "kafka:///b", "kafka://a/b/c", "a/b"] {
            let error = text.parse::<Source>().expect_err(text);
            assert_eq!(
                error.to_string(),
                format!("'{text}' is not a source: write it as kafka://CLUSTER/TOPIC")
            );
        }
        assert!("kafka://a/b".parse::<Sink>().is_err());
    }

    #[test]
    fn a_digest_tells_an_absent_part_from_an_empty_one() {
        let all = [
            digest_of(None, None, None),
            digest_of(None, Some(b""), None),
            digest_of(None, None, Some(b"")),
            digest_of(Some(Timestamp::ZERO), None, None),
            digest_of(None, Some(b"a"), Some(b"b")),
            digest_of(None, Some(b"ab"), Some(b"")),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }
}
