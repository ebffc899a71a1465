//! Every key on disk.
//!
//! A key is a family number, then its parts. Numbers are big-endian, so that scans are in order; texts are
//! preceded by their length (4 bytes), so that no text can run into the next part. Family numbers are
//! stable: a retired one is never used again.
//!
//! | family | parts | value |
//! |---|---|---|
//! | 1 applied | – | [`Seq`] of the last applied record |
//! | 2 deployment | deployment id | [`crate::deployment::Deployment`] |
//! | 3 revision | service name | [`crate::deployment::Revision`] |
//! | 4 invocation | invocation id | [`crate::invocation::Invocation`] |
//! | 5 lifecycle | invocation id | [`crate::invocation::Lifecycle`] |
//! | 6 command | invocation id, entry index | [`crate::journal::CommandEntry`] |
//! | 7 notification | invocation id, position | [`crate::journal::NotificationEntry`] |
//! | 8 completed | invocation id | [`crate::invocation::Completed`] |
//! | 9 lock | service, object key | [`super::Lock`] |
//! | 10 inbox | service, object key, ticket | [`InvocationId`] |
//! | 11 object state | service, object key, state key | payload |
//! | 12 timer | due time, invocation id, [`Timer`] | – |
//! | 13 idempotency | service, object key, handler, idempotency key | [`InvocationId`] |
//! | 14 workflow | service, workflow id | [`InvocationId`] of its run |
//! | 15 input | invocation id | payload |
//! | 16 route | service name | [`crate::deployment::Route`] |
//! | 17 policies | [`Layer`] | [`crate::policy::Policies`] |
//! | 18 alias | another id of an invocation | [`InvocationId`] |
//! | 19 alias of | invocation id, another id of it | – |
//! | 20 signal | invocation id, name, number | [`crate::value::Outcome`] |
//! | 21 promise | service, workflow id, name | [`crate::value::Outcome`] |
//! | 22 promise waiter | service, workflow id, name, invocation id, entry index | – |
//! | 23 draining | deployment id | how many invocations are left on it |
//! | 24 joined | awaited invocation id, waiting invocation id, entry index | – |
//! | 25 subscription | subscription id | [`crate::subscription::Subscription`] |
//! | 26 progress | subscription id | [`crate::subscription::Progress`] |
//! | 27 position | subscription id, partition | [`crate::subscription::Position`] |
//! | 28 lane | subscription id, lane id | [`crate::subscription::Lane`] |
//! | 29 waiting record | subscription id, lane id, ticket | [`crate::subscription::WaitingRecord`] |
//! | 30 parked | subscription id, number | [`crate::subscription::ParkedRecord`] |
//! | 31 stalled lane | subscription id, lane id | – |
//! | 32 held lane | subscription id, lane id | – |
//! | 33 key seek | subscription id, partition, lane id | [`crate::subscription::KeySeek`] |

use std::ops::Range;

use crate::id::{DeploymentId, EntryIndex, InvocationId, Position, Seq, SubscriptionId};
use crate::policy::Layer;
use crate::subscription::{LaneId, Partition};
use crate::target::Target;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    Applied = 1,
    Deployment = 2,
    Revision = 3,
    Invocation = 4,
    Lifecycle = 5,
    Command = 6,
    Notification = 7,
    Completed = 8,
    Lock = 9,
    Inbox = 10,
    ObjectState = 11,
    Timer = 12,
    Idempotency = 13,
    Workflow = 14,
    Input = 15,
    Route = 16,
    Policies = 17,
    Alias = 18,
    AliasOf = 19,
    Signal = 20,
    Promise = 21,
    PromiseWaiter = 22,
    Draining = 23,
    Joined = 24,
    Subscription = 25,
    Progress = 26,
    Position = 27,
    Lane = 28,
    WaitingRecord = 29,
    Parked = 30,
    StalledLane = 31,
    HeldLane = 32,
    KeySeek = 33,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A scheduled invocation starts.
    Start,
    /// A `sleep` of this command index is over.
    Sleep(EntryIndex),
    /// A failing `run` of this command index is executed again.
    Run(EntryIndex),
    /// The next attempt of an invocation that backs off.
    Attempt,
    /// The names of a completed invocation are free again.
    Expire,
    /// The time of an invocation is over.
    Timeout,
    /// The journal of a completed invocation is forgotten.
    ExpireJournal,
}

impl Timer {
    fn parts(self) -> (u8, u32) {
        match self {
            Timer::Start => (1, 0),
            Timer::Sleep(index) => (2, index.0),
            Timer::Run(index) => (3, index.0),
            Timer::Attempt => (4, 0),
            Timer::Expire => (5, 0),
            Timer::Timeout => (6, 0),
            Timer::ExpireJournal => (7, 0),
        }
    }

    fn from_parts(kind: u8, index: u32) -> Option<Timer> {
        match kind {
            1 => Some(Timer::Start),
            2 => Some(Timer::Sleep(EntryIndex(index))),
            3 => Some(Timer::Run(EntryIndex(index))),
            4 => Some(Timer::Attempt),
            5 => Some(Timer::Expire),
            6 => Some(Timer::Timeout),
            7 => Some(Timer::ExpireJournal),
            _ => None,
        }
    }
}

pub fn applied() -> Vec<u8> {
    Key::new(Family::Applied).0
}

pub fn deployment(id: &DeploymentId) -> Vec<u8> {
    Key::new(Family::Deployment).bytes(id.as_bytes()).0
}

pub fn revision(service: &str) -> Vec<u8> {
    Key::new(Family::Revision).text(service).0
}

pub fn route(service: &str) -> Vec<u8> {
    Key::new(Family::Route).text(service).0
}

pub fn policies(layer: Layer) -> Vec<u8> {
    let layer = match layer {
        Layer::Config => 1,
        Layer::Operator => 2,
    };
    Key::new(Family::Policies).bytes(&[layer]).0
}

pub fn invocation(id: &InvocationId) -> Vec<u8> {
    Key::new(Family::Invocation).id(id).0
}

pub fn input(id: &InvocationId) -> Vec<u8> {
    Key::new(Family::Input).id(id).0
}

pub fn lifecycle(id: &InvocationId) -> Vec<u8> {
    Key::new(Family::Lifecycle).id(id).0
}

pub fn command(id: &InvocationId, index: EntryIndex) -> Vec<u8> {
    Key::new(Family::Command).id(id).number(index.0).0
}

pub fn notification(id: &InvocationId, position: Position) -> Vec<u8> {
    Key::new(Family::Notification).id(id).number(position.0).0
}

pub fn completed(id: &InvocationId) -> Vec<u8> {
    Key::new(Family::Completed).id(id).0
}

pub fn lock(service: &str, key: &str) -> Vec<u8> {
    Key::new(Family::Lock).text(service).text(key).0
}

pub fn inbox(service: &str, key: &str, ticket: u64) -> Vec<u8> {
    Key::new(Family::Inbox).text(service).text(key).bytes(&ticket.to_be_bytes()).0
}

/// All tickets of one inbox.
pub fn inbox_of(service: &str, key: &str) -> Range<Vec<u8>> {
    Key::new(Family::Inbox).text(service).text(key).with_any_suffix()
}

pub fn object_state(service: &str, key: &str, state_key: &str) -> Vec<u8> {
    Key::new(Family::ObjectState).text(service).text(key).text(state_key).0
}

/// The whole state of one object.
pub fn object_state_of(service: &str, key: &str) -> Range<Vec<u8>> {
    Key::new(Family::ObjectState).text(service).text(key).with_any_suffix()
}

/// The state key in a key of [`object_state_of`].
pub fn state_key_of(key: &[u8], service: &str, object_key: &str) -> Option<String> {
    let prefix = Key::new(Family::ObjectState).text(service).text(object_key).0.len();
    String::from_utf8(key.get(prefix + LENGTH_BYTES..)?.to_vec()).ok()
}

pub fn timer(due: Timestamp, id: &InvocationId, timer: Timer) -> Vec<u8> {
    let (kind, index) = timer.parts();
    Key::new(Family::Timer).bytes(&due.as_millis().to_be_bytes()).id(id).bytes(&[kind]).number(index).0
}

/// All timers due from `from` to `through`, both included.
pub fn timers_due(from: Timestamp, through: Timestamp) -> Range<Vec<u8>> {
    let start = Key::new(Family::Timer).bytes(&from.as_millis().to_be_bytes()).0;
    let end = match through.as_millis().checked_add(1) {
        Some(after) => Key::new(Family::Timer).bytes(&after.to_be_bytes()).0,
        None => vec![Family::Timer as u8 + 1],
    };
    start..end
}

/// Reads a timer's key back.
pub fn parse_timer(key: &[u8]) -> Option<(Timestamp, InvocationId, Timer)> {
    let (due, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<24>()?;
    let (kind, rest) = rest.split_first()?;
    let index = u32::from_be_bytes(rest.try_into().ok()?);
    let due = Timestamp::from_millis(u64::from_be_bytes(*due));
    Some((due, InvocationId::from_bytes(*id), Timer::from_parts(*kind, index)?))
}

pub fn idempotency(target: &Target, idempotency_key: &str) -> Vec<u8> {
    let key = Key::new(Family::Idempotency).text(&target.service);
    let key = match &target.key {
        Some(object_key) => key.bytes(&[1]).text(object_key),
        None => key.bytes(&[0]),
    };
    key.text(&target.handler).text(idempotency_key).0
}

pub fn workflow(service: &str, id: &str) -> Vec<u8> {
    Key::new(Family::Workflow).text(service).text(id).0
}

pub fn alias(alias: &InvocationId) -> Vec<u8> {
    Key::new(Family::Alias).id(alias).0
}

pub fn alias_of(id: &InvocationId, alias: &InvocationId) -> Vec<u8> {
    Key::new(Family::AliasOf).id(id).id(alias).0
}

/// All other ids of one invocation.
pub fn aliases_of(id: &InvocationId) -> Range<Vec<u8>> {
    Key::new(Family::AliasOf).id(id).with_any_suffix()
}

/// The other id in a key of [`aliases_of`].
pub fn parse_alias_of(key: &[u8]) -> Option<InvocationId> {
    <[u8; 24]>::try_from(key.get(25..)?).ok().map(InvocationId::from_bytes)
}

pub fn signal(id: &InvocationId, name: &str, number: u32) -> Vec<u8> {
    Key::new(Family::Signal).id(id).text(name).number(number).0
}

/// The signals of one name that an invocation was sent.
pub fn signals_named(id: &InvocationId, name: &str) -> Range<Vec<u8>> {
    Key::new(Family::Signal).id(id).text(name).with_any_suffix()
}

/// All signals that an invocation was sent.
pub fn signals_to(id: &InvocationId) -> Range<Vec<u8>> {
    Key::new(Family::Signal).id(id).with_any_suffix()
}

pub fn promise(service: &str, id: &str, name: &str) -> Vec<u8> {
    Key::new(Family::Promise).text(service).text(id).text(name).0
}

/// All promises of one workflow.
pub fn promises_of(service: &str, id: &str) -> Range<Vec<u8>> {
    Key::new(Family::Promise).text(service).text(id).with_any_suffix()
}

pub fn promise_waiter(
    service: &str,
    id: &str,
    name: &str,
    waiting: &InvocationId,
    index: EntryIndex,
) -> Vec<u8> {
    Key::new(Family::PromiseWaiter).text(service).text(id).text(name).id(waiting).number(index.0).0
}

/// All who wait for one promise.
pub fn promise_waiters(service: &str, id: &str, name: &str) -> Range<Vec<u8>> {
    Key::new(Family::PromiseWaiter).text(service).text(id).text(name).with_any_suffix()
}

/// All who wait for any promise of one workflow.
pub fn promise_waiters_of(service: &str, id: &str) -> Range<Vec<u8>> {
    Key::new(Family::PromiseWaiter).text(service).text(id).with_any_suffix()
}

pub fn joined(awaited: &InvocationId, waiting: &InvocationId, index: EntryIndex) -> Vec<u8> {
    Key::new(Family::Joined).id(awaited).id(waiting).number(index.0).0
}

/// All commands of others that wait for one invocation.
pub fn joined_to(awaited: &InvocationId) -> Range<Vec<u8>> {
    Key::new(Family::Joined).id(awaited).with_any_suffix()
}

/// Reads the waiting command at the end of a key back: of those who wait for a promise, or for an invocation.
pub fn parse_waiting(key: &[u8]) -> Option<(InvocationId, EntryIndex)> {
    let (rest, index) = key.split_last_chunk::<4>()?;
    let (_, id) = rest.split_last_chunk::<24>()?;
    Some((InvocationId::from_bytes(*id), EntryIndex(u32::from_be_bytes(*index))))
}

pub fn draining(id: &DeploymentId) -> Vec<u8> {
    Key::new(Family::Draining).bytes(id.as_bytes()).0
}

/// The deployment id right behind the family number.
pub fn parse_deployment(key: &[u8]) -> Option<DeploymentId> {
    <[u8; 16]>::try_from(key.get(1..)?).ok().map(DeploymentId::from_bytes)
}

/// A row of a subscription that it has one of in `family`.
pub fn of_subscription(family: Family, id: &SubscriptionId) -> Vec<u8> {
    Key::new(family).bytes(id.as_bytes()).0
}

/// All rows of a subscription in `family`.
pub fn all_of_subscription(family: Family, id: &SubscriptionId) -> Range<Vec<u8>> {
    Key::new(family).bytes(id.as_bytes()).with_any_suffix()
}

/// The subscription id right behind the family number.
pub fn parse_subscription(key: &[u8]) -> Option<SubscriptionId> {
    key.get(1..)?.split_first_chunk::<16>().map(|(id, _)| SubscriptionId::from_bytes(*id))
}

pub fn position(id: &SubscriptionId, partition: Partition) -> Vec<u8> {
    Key::new(Family::Position).bytes(id.as_bytes()).number(partition.0).0
}

/// A row that a lane has one of in `family`.
pub fn of_lane(family: Family, id: &SubscriptionId, lane: &LaneId) -> Vec<u8> {
    Key::new(family).bytes(id.as_bytes()).bytes(&lane.0).0
}

pub fn waiting_record(id: &SubscriptionId, lane: &LaneId, ticket: u64) -> Vec<u8> {
    Key::new(Family::WaitingRecord).bytes(id.as_bytes()).bytes(&lane.0).bytes(&ticket.to_be_bytes()).0
}

/// The records of one lane, from `ticket` on.
pub fn waiting_records(id: &SubscriptionId, lane: &LaneId, ticket: u64) -> Range<Vec<u8>> {
    let all = Key::new(Family::WaitingRecord).bytes(id.as_bytes()).bytes(&lane.0).with_any_suffix();
    waiting_record(id, lane, ticket)..all.end
}

/// The ticket at the end of a key of [`waiting_records`], or the number at that of [`parked`].
pub fn parse_ticket(key: &[u8]) -> Option<u64> {
    key.split_last_chunk::<8>().map(|(_, ticket)| u64::from_be_bytes(*ticket))
}

pub fn parked(id: &SubscriptionId, number: u64) -> Vec<u8> {
    Key::new(Family::Parked).bytes(id.as_bytes()).bytes(&number.to_be_bytes()).0
}

/// The parked records of one subscription, from `number` on.
pub fn parked_from(id: &SubscriptionId, number: u64) -> Range<Vec<u8>> {
    parked(id, number)..all_of_subscription(Family::Parked, id).end
}

/// The lane id at the end of a key.
pub fn parse_lane(key: &[u8]) -> Option<LaneId> {
    key.split_last_chunk::<16>().map(|(_, lane)| LaneId(*lane))
}

pub fn key_seek(id: &SubscriptionId, partition: Partition, lane: &LaneId) -> Vec<u8> {
    Key::new(Family::KeySeek).bytes(id.as_bytes()).number(partition.0).bytes(&lane.0).0
}

/// The partition behind the subscription id in a key.
pub fn parse_partition(key: &[u8]) -> Option<Partition> {
    key.get(17..)?.split_first_chunk::<4>().map(|(number, _)| Partition(u32::from_be_bytes(*number)))
}

/// The number at the end of a key.
pub fn last_number(key: &[u8]) -> u32 {
    key.split_last_chunk::<4>().map_or(0, |(_, number)| u32::from_be_bytes(*number))
}

/// All keys of one family.
pub fn family(family: Family) -> Range<Vec<u8>> {
    Key::new(family).with_any_suffix()
}

/// The invocation id right behind the family number.
pub fn parse_invocation(key: &[u8]) -> Option<InvocationId> {
    key.get(1..)?.split_first_chunk::<24>().map(|(id, _)| InvocationId::from_bytes(*id))
}

/// The value of the applied row.
pub fn encode_seq(seq: Seq) -> [u8; 8] {
    seq.0.to_be_bytes()
}

const LENGTH_BYTES: usize = 4;

struct Key(Vec<u8>);

impl Key {
    fn new(family: Family) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(family as u8);
        Key(bytes)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn id(self, id: &InvocationId) -> Self {
        self.bytes(id.as_bytes())
    }

    fn number(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).expect("names and keys are bounded far below 4 GiB");
        self.number(length).bytes(text.as_bytes())
    }

    /// The range of all keys that begin with this one.
    ///
    /// The end is the next key of equal length: it exists because a family number is never 255.
    fn with_any_suffix(self) -> Range<Vec<u8>> {
        let mut end = self.0.clone();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        *end.last_mut().expect("begins with a family number below 255") += 1;
        self.0..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(unique: u8) -> InvocationId {
        InvocationId::new(&Target::service("s", "h"), [unique; 16])
    }

    #[test]
    fn timers_sort_by_due_time_and_come_back() {
        let early = timer(Timestamp::from_millis(9), &id(9), Timer::Expire);
        let late = timer(Timestamp::from_millis(300), &id(1), Timer::Sleep(EntryIndex(7)));
        assert!(early < late);
        assert_eq!(
            parse_timer(&late),
            Some((Timestamp::from_millis(300), id(1), Timer::Sleep(EntryIndex(7))))
        );
        assert!(timers_due(Timestamp::ZERO, Timestamp::from_millis(9)).contains(&early));
        assert!(!timers_due(Timestamp::ZERO, Timestamp::from_millis(299)).contains(&late));
    }

    #[test]
    fn one_key_does_not_run_into_another() {
        assert_ne!(object_state("ab", "c", "d"), object_state("a", "bc", "d"));
        assert!(!object_state_of("cart", "ann").contains(&object_state("cart", "anna", "x")));
        assert!(object_state_of("cart", "ann").contains(&object_state("cart", "ann", "\u{ffff}")));
        assert_eq!(
            state_key_of(&object_state("cart", "ann", "items"), "cart", "ann").as_deref(),
            Some("items")
        );
    }
}
