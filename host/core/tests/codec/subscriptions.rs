//! One value of every stored type of subscriptions, in all its variants. They never change once they have fixtures.

use holiday_core::event::{Assign, Event, Steering, Subscribe, Take};
use holiday_core::id::{Seed, SubscriptionId};
use holiday_core::subscription::{
    Counts, Halt, KeySeek, Lane, LaneId, Mark, Offset, OnFailure, OrderOnFailure, ParkedRecord, Partition,
    PauseReason, Position, Progress, RecordOrigin, Sink, Source, SourceRecord, StartFrom, Subscription,
    SubscriptionOptions, SubscriptionStatus, Verdict, WaitingRecord,
};
use holiday_core::value::{Failure, Payload};

use crate::values::{AT, headers, invocation_id, payload};

const GENERATION: u32 = 300;

pub(crate) fn events() -> Vec<Event> {
    let (subscription, partition) = (id(), Partition(300));
    let steer = |steering| Event::Steer { subscription, steering };
    let mut events = vec![
        Event::Subscribe(Subscribe { id: id(), subscription: subscriptions().remove(0) }),
        Event::Assign(Assign {
            subscription,
            positions: vec![(Partition(0), Offset(0)), (partition, Offset(70_000))],
        }),
        Event::Take(take(None)),
        Event::Take(take(Some(key()))),
        Event::RetryParked { subscription, number: 300, value: Verdict::Input(payload()) },
        Event::DiscardParked { subscription, number: 300 },
        Event::Advance { subscription },
    ];
    events.extend(steerings().into_iter().map(steer));
    events.extend(halts().map(|halt| Event::Halt { subscription, partition, generation: GENERATION, halt }));
    events
}

/// Names the fixture of an event.
///
/// # Panics
///
/// If the event is none of subscriptions.
pub(crate) fn name_of_event(event: &Event) -> &'static str {
    match event {
        Event::Subscribe(_) => "subscribe",
        Event::Steer { steering, .. } => name_of_steering(steering),
        Event::Assign(_) => "assign",
        Event::Take(Take { of_key: None, .. }) => "take",
        Event::Take(Take { of_key: Some(_), .. }) => "take-of-key",
        Event::Halt { halt, .. } => name_of_halt(halt),
        Event::RetryParked { .. } => "retry-parked",
        Event::DiscardParked { .. } => "discard-parked",
        Event::Advance { .. } => "advance",
        other => panic!("{other:?} is no event of a subscription"),
    }
}

fn steerings() -> Vec<Steering> {
    let partition = Partition(300);
    vec![
        Steering::Pause,
        Steering::Resume,
        Steering::Delete { force: true },
        Steering::PauseKey { key: key() },
        Steering::ResumeKey { key: key() },
        Steering::Seek { partition, next: Offset(70_000) },
        Steering::SeekKey { key: key(), partition, next: Offset(70_000) },
    ]
}

fn name_of_steering(steering: &Steering) -> &'static str {
    match steering {
        Steering::Pause => "steer-pause",
        Steering::Resume => "steer-resume",
        Steering::Delete { .. } => "steer-delete",
        Steering::PauseKey { .. } => "steer-pause-key",
        Steering::ResumeKey { .. } => "steer-resume-key",
        Steering::Seek { .. } => "steer-seek",
        Steering::SeekKey { .. } => "steer-seek-key",
    }
}

fn halts() -> [Halt; 3] {
    [
        Halt::Recreated { offset: Offset(70_000) },
        Halt::Ahead { next: Offset(70_000), end: Offset(300) },
        Halt::Behind { next: Offset(300), begin: Offset(70_000) },
    ]
}

fn name_of_halt(halt: &Halt) -> &'static str {
    match halt {
        Halt::Recreated { .. } => "halt-recreated",
        Halt::Ahead { .. } => "halt-ahead",
        Halt::Behind { .. } => "halt-behind",
    }
}

fn take(of_key: Option<Payload>) -> Take {
    Take {
        subscription: id(),
        partition: Partition(300),
        generation: GENERATION,
        of_key,
        from: Offset(69_000),
        records: source_records(),
        next: Offset(70_001),
    }
}

/// One for each start and policy.
pub(crate) fn subscriptions() -> Vec<Subscription> {
    let policies = [
        (StartFrom::Earliest, OnFailure::Park, OrderOnFailure::Continue),
        (StartFrom::Latest, OnFailure::Skip, OrderOnFailure::Wait),
        (StartFrom::Earliest, OnFailure::Pause, OrderOnFailure::Wait),
    ];
    let subscription = |(start, on_failure, order_on_failure)| Subscription {
        source: Source { cluster: "my-cluster".to_owned(), topic: "posts".to_owned() },
        sink: Sink { service: "cart".to_owned(), handler: "add".to_owned() },
        options: SubscriptionOptions {
            start,
            group_id: "carts".to_owned(),
            on_failure,
            order_on_failure,
            client: [("fetch.min.bytes".to_owned(), "1".to_owned())].into(),
        },
        seed: Seed([7; 32]),
        created_at: AT,
    };
    policies.map(subscription).into()
}

pub(crate) fn name_of_policy(subscription: &Subscription) -> &'static str {
    match subscription.options.on_failure {
        OnFailure::Park => "that-parks",
        OnFailure::Skip => "that-skips",
        OnFailure::Pause => "that-pauses",
    }
}

/// One for each status and reason.
pub(crate) fn progresses() -> Vec<Progress> {
    let statuses = [
        SubscriptionStatus::Active,
        SubscriptionStatus::Paused(PauseReason::Operator),
        SubscriptionStatus::Paused(PauseReason::Failed(300)),
        SubscriptionStatus::Paused(PauseReason::ParkedFull),
        SubscriptionStatus::Deleting,
    ];
    let progress = |status| Progress {
        status,
        running: 300,
        waiting: 301,
        waiting_bytes: 70_000,
        parked: 302,
        parked_bytes: 70_001,
        next_parked: 303,
        stalled: 304,
        paused_keys: 305,
        key_seeks: 306,
        next_generation: GENERATION,
        counts: Counts {
            taken: 307,
            succeeded: 308,
            failed: 309,
            skipped: 310,
            passed_over: 311,
            discarded: 312,
        },
    };
    statuses.into_iter().map(progress).collect()
}

pub(crate) fn name_of_status(progress: &Progress) -> &'static str {
    match progress.status {
        SubscriptionStatus::Active => "active",
        SubscriptionStatus::Paused(PauseReason::Operator) => "paused-by-operator",
        SubscriptionStatus::Paused(PauseReason::Failed(_)) => "paused-by-failure",
        SubscriptionStatus::Paused(PauseReason::ParkedFull) => "paused-when-full",
        SubscriptionStatus::Deleting => "deleting",
    }
}

/// A new one, and one for each reason to halt.
pub(crate) fn positions() -> Vec<Position> {
    let read = |halt| Position {
        next: Offset(70_000),
        generation: GENERATION,
        last: Some(Mark { offset: Offset(69_999), digest: u64::MAX }),
        halted: Some(halt),
    };
    let new = Position { next: Offset(0), generation: 0, last: None, halted: None };
    [new].into_iter().chain(halts().map(read)).collect()
}

pub(crate) fn name_of_position(position: &Position) -> &'static str {
    position.halted.as_ref().map_or("new", name_of_halt)
}

/// A lane that waits, one that is busy, and one that is blocked and paused.
pub(crate) fn lanes() -> Vec<Lane> {
    let waits = Lane {
        key: key(),
        busy: None,
        blocked_by: None,
        is_paused: false,
        next_ticket: 303,
        first_ticket: 300,
        waiting: 2,
        is_stalled: true,
        is_held: false,
    };
    let busy = Lane { busy: Some(invocation_id()), is_stalled: false, ..waits.clone() };
    let held =
        Lane { blocked_by: Some(300), is_paused: true, is_stalled: false, is_held: true, ..waits.clone() };
    vec![waits, busy, held]
}

pub(crate) fn name_of_lane(lane: &Lane) -> &'static str {
    match (lane.busy.is_some(), lane.is_held) {
        (true, _) => "that-is-busy",
        (false, true) => "that-is-held",
        (false, false) => "that-waits",
    }
}

/// One for each verdict.
pub(crate) fn waiting_records() -> Vec<WaitingRecord> {
    source_records().into_iter().map(|record| WaitingRecord { origin: origin(), record }).collect()
}

pub(crate) fn name_of_verdict(waiting: &WaitingRecord) -> &'static str {
    match &waiting.record.value {
        Verdict::Input(_) => "that-is-an-input",
        Verdict::Unusable { value: Some(_), .. } => "that-is-unusable",
        Verdict::Unusable { value: None, .. } => "that-is-not-kept",
    }
}

fn source_records() -> Vec<SourceRecord> {
    let failure = Failure::new(400, "HH0093: no");
    let verdicts = [
        Verdict::Input(payload()),
        Verdict::Unusable { value: Some(payload()), failure: failure.clone() },
        Verdict::Unusable { value: None, failure },
    ];
    let record = |value| SourceRecord {
        offset: Offset(70_000),
        timestamp: Some(AT),
        key: Some(key()),
        headers: headers(),
        value,
        digest: u64::MAX,
    };
    let keyless = SourceRecord { timestamp: None, key: None, ..record(Verdict::Input(Payload::new())) };
    let mut records: Vec<_> = verdicts.into_iter().map(record).collect();
    records[2] = SourceRecord { value: records[2].value.clone(), ..keyless };
    records
}

/// One that has an invocation and a value, and one that has neither.
pub(crate) fn parked_records() -> Vec<ParkedRecord> {
    let ended = ParkedRecord {
        origin: origin(),
        topic: "posts".to_owned(),
        key: Some(key()),
        headers: headers(),
        value: Some(payload()),
        failure: Failure::new(409, "sold out"),
        invocation: Some(invocation_id()),
        parked_at: AT,
    };
    let unusable = ParkedRecord { key: None, value: None, invocation: None, ..ended.clone() };
    vec![ended, unusable]
}

pub(crate) fn name_of_parked(parked: &ParkedRecord) -> &'static str {
    match parked.invocation {
        Some(_) => "that-ended",
        None => "that-did-not-begin",
    }
}

pub(crate) fn key_seek() -> KeySeek {
    KeySeek { key: key(), generation: GENERATION, next: Offset(300), until: Offset(70_000) }
}

pub(crate) fn origin() -> RecordOrigin {
    RecordOrigin {
        subscription: id(),
        partition: Partition(300),
        offset: Offset(70_000),
        timestamp: Some(AT),
        lane: Some(LaneId::of(&key())),
        generation: GENERATION,
        failures: 2,
        parked: Some(300),
    }
}

fn id() -> SubscriptionId {
    SubscriptionId::from_bytes([9; 16])
}

/// Keys are bytes, and need not be text.
fn key() -> Payload {
    Payload::from_static(b"\xc3\xa4nn\xff")
}
