//! The reference for subscriptions: where every record is, by what was recorded, and in which order records were handled.
//!
//! A record that a position has moved over is in one place: it runs, waits, is parked, or is done with. It leaves a place
//! only for another one, in the same record of the log.

mod changes;
mod counts;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::deployment::HandlerMode;
use holiday_core::effect::Effect;
use holiday_core::event::{Event, Record, Steering, Take};
use holiday_core::id::{InvocationId, SubscriptionId};
use holiday_core::invocation::{Caller, Invocation};
use holiday_core::state::{Kv, State};
use holiday_core::subscription::{
    Counts, KeySeek, LaneId, Offset, OnFailure, Partition, Position, RecordOrigin, SourceRecord,
    Subscription, SubscriptionStatus, Verdict,
};
use holiday_core::value::Payload;

use crate::topics::Broker;
use crate::violation::{Checked, check};
use crate::watch::Write;
use changes::Change;
use order::Lines;

/// One reading of one record: a seek has it read again, in another generation.
pub(crate) type Reading = (Partition, u32, Offset);

#[derive(Debug, Default)]
pub(crate) struct Records {
    subscriptions: BTreeMap<SubscriptionId, Known>,
    origins: BTreeMap<InvocationId, RecordOrigin>,
    /// The part of a partition that the record at hand has moved a position over.
    moved: Option<Moved>,
}

/// A position was moved over these offsets by a take.
#[derive(Clone, Debug)]
struct Moved {
    take: Take,
    from: Offset,
    to: Offset,
    /// Records that were left to the reader of a key, which has passed them.
    missed: Vec<SourceRecord>,
}

/// One subscription, as the reference knows it.
#[derive(Debug)]
struct Known {
    subscription: Subscription,
    status: SubscriptionStatus,
    counts: Counts,
    positions: BTreeMap<Partition, Position>,
    seeks: BTreeMap<(Partition, LaneId), KeySeek>,
    generations: BTreeSet<u32>,
    /// Where the reading of each partition began, or went on after the latest seek.
    starts: BTreeMap<Partition, Offset>,
    places: BTreeMap<Reading, Place>,
    contents: BTreeMap<Reading, SourceRecord>,
    /// The values that operators have retried parked records with, by their numbers.
    retried: BTreeMap<u64, Verdict>,
    /// Records that the reader of their key is to come to.
    deferred: BTreeMap<(Partition, Offset), SourceRecord>,
    /// All records that were ever left to the reader of their key.
    left_to_keys: BTreeSet<(Partition, Offset)>,
    /// Records that were passed over, since their key was sent ahead.
    passed_over: BTreeSet<(Partition, Offset)>,
    lines: Lines,
    /// Readings in the order in which they began, or failed before that, with their failures by then.
    handled: Vec<(Reading, u32)>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Runs(InvocationId),
    Waits(LaneId, u64),
    Parked(u64),
}

/// The effect of a take.
#[derive(Debug, Default)]
struct Taken {
    moved: Option<Moved>,
    /// The records to be handled, with the lanes of their keys.
    new: BTreeMap<Reading, Option<LaneId>>,
    passed_over: u64,
}

/// The places that readings have left, and those that they have come to.
#[derive(Debug)]
struct Moves {
    left: BTreeMap<Reading, Place>,
    arrived: BTreeMap<Reading, Place>,
}

impl Records {
    /// Returns true if a subscription makes this invocation of a record.
    pub(super) fn is_asked_for(&self, id: InvocationId, invocation: &Invocation) -> bool {
        let Caller::Record(origin) = &invocation.caller else { return false };
        let Some(known) = self.subscriptions.get(&origin.subscription) else { return false };
        let (target, sink) = (&invocation.target, &known.subscription.sink);
        let (seed, unique) = known.subscription.seed.for_record(origin);
        let is_sink = target.service == sink.service && target.handler == sink.handler;
        is_sink && id == InvocationId::new(target, unique) && seed == invocation.seed
    }

    /// Follows one record of the log; `state` is the state after it.
    pub(super) fn follow<K: Kv>(
        &mut self,
        state: &State<K>,
        record: &Record,
        writes: &[Write],
        effects: &[Effect],
    ) -> Checked {
        self.moved = None;
        let changes = changes::gather(&mut self.origins, record, writes, effects)?;
        for (id, subscription) in changes.created {
            self.subscriptions.insert(id, Known::new(subscription));
        }
        for (id, change) in changes.by_subscription {
            let Some(known) = self.subscriptions.get_mut(&id) else { continue };
            match known.status {
                SubscriptionStatus::Deleting => check!(
                    "deleted-is-deleted",
                    change.begun.is_empty() && change.waiting_in.is_empty() && change.parked_in.is_empty(),
                    "{id} is being deleted, and has changed by {:?}: {change:?}",
                    record.event
                ),
                SubscriptionStatus::Active | SubscriptionStatus::Paused(_) => {
                    self.moved = known.follow(state, record, &change)?;
                }
            }
            if let Some(progress) = &change.progress {
                known.status = progress.status.clone();
                known.counts = progress.counts;
            }
            if change.is_gone {
                self.subscriptions.remove(&id);
            }
        }
        match writes.iter().any(|write| counts::is_of_subscriptions(write.key[0])) {
            true => self.check_counts(state),
            false => Ok(()),
        }
    }

    fn check_counts<K: Kv>(&self, state: &State<K>) -> Checked {
        for (id, known) in &self.subscriptions {
            if known.status != SubscriptionStatus::Deleting {
                counts::check(state, id, known)?;
            }
        }
        Ok(())
    }

    /// Every record of the topic that the latest record of the log has moved a position over is accounted for. What is
    /// not there any more, or was in a topic that was created anew since, cannot be.
    pub(crate) fn check_none_lost(&self, broker: &Broker) -> Checked {
        let Some(Moved { take, from, to, missed }) = &self.moved else { return Ok(()) };
        let Some(known) = self.subscriptions.get(&take.subscription) else { return Ok(()) };
        let name = &known.subscription.source.topic;
        let log_of = |record: &SourceRecord| broker.topic_of(name, record)?.log(take.partition);
        for record in missed {
            let is_there = log_of(record).and_then(|log| log.from(record.offset).next());
            check!(
                "no-record-is-lost",
                is_there.is_none_or(|(offset, _)| offset != record.offset),
                "{record:?} was left to the reader of its key, and {take:?} has passed it"
            );
        }
        let Some(log) = take.records.first().and_then(log_of) else { return Ok(()) };
        for (offset, message) in log.from(*from).take_while(|(offset, _)| offset < to) {
            let place = (take.partition, offset);
            let is_of_others = take.of_key.is_some() && take.of_key != message.key;
            let is_known = known.contents.contains_key(&(take.partition, take.generation, offset))
                || known.deferred.contains_key(&place)
                || known.passed_over.contains(&place);
            check!(
                "no-record-is-lost",
                is_of_others || is_known,
                "record {offset} of partition {} was moved over by {take:?}, and nothing became of it",
                take.partition
            );
        }
        Ok(())
    }

    /// Checks that no record of a topic is behind a position without having been taken, also if the topic was created anew.
    pub(crate) fn check_none_skipped(&self, broker: &Broker) -> Checked {
        for (id, known) in &self.subscriptions {
            let topic = broker.topic(&known.subscription.source.topic);
            let Some(topic) = topic.filter(|topic| topic.is_recognised()) else { continue };
            for (partition, log) in topic.partitions() {
                let Some(position) = known.positions.get(&partition).filter(|it| it.halted.is_none()) else {
                    continue;
                };
                for (offset, message) in log.from(known.starts[&partition]) {
                    let record = message.judged(offset);
                    check!(
                        "no-record-is-skipped",
                        offset >= position.next || known.has_met(partition, position.generation, &record),
                        "{id} is at {position:?} of partition {partition}, and has never met {record:?}"
                    );
                }
            }
        }
        Ok(())
    }

    /// The subscriptions with what has not come to its end in them.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (&SubscriptionId, String)> {
        self.subscriptions.iter().filter_map(|(id, known)| {
            let is_done = known.places.is_empty() && known.deferred.is_empty();
            (!is_done).then(|| (id, format!("{:?}, deferred: {:?}", known.places, known.deferred.keys())))
        })
    }

    /// Records that wait in an active subscription though nothing holds up their key.
    pub(crate) fn stalled(&self) -> Vec<(SubscriptionId, Reading)> {
        let active = self.subscriptions.iter().filter(|(_, it)| it.status == SubscriptionStatus::Active);
        let of = |(id, known): (&SubscriptionId, &Known)| {
            let waits = known.places.iter().filter(|(_, place)| match place {
                Place::Waits(lane, _) => known.lines.is_free(lane),
                Place::Runs(_) | Place::Parked(_) => false,
            });
            waits.map(|(reading, _)| (*id, *reading)).collect::<Vec<_>>()
        };
        active.flat_map(of).collect()
    }

    /// The readings of each key, in the order in which they were handled, and how often each had failed before.
    pub(crate) fn handled(&self) -> BTreeMap<Option<Payload>, Vec<(Reading, u32)>> {
        let mut handled: BTreeMap<Option<Payload>, Vec<(Reading, u32)>> = BTreeMap::new();
        for known in self.subscriptions.values() {
            for (reading, failures) in &known.handled {
                let key = known.contents[reading].key.clone();
                handled.entry(key).or_default().push((*reading, *failures));
            }
        }
        handled
    }
}

impl Known {
    fn new(subscription: Subscription) -> Self {
        Known {
            subscription,
            status: SubscriptionStatus::Active,
            counts: Counts::default(),
            positions: BTreeMap::new(),
            seeks: BTreeMap::new(),
            generations: BTreeSet::from([0]),
            starts: BTreeMap::new(),
            places: BTreeMap::new(),
            contents: BTreeMap::new(),
            retried: BTreeMap::new(),
            deferred: BTreeMap::new(),
            left_to_keys: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            lines: Lines::default(),
            handled: Vec::new(),
        }
    }

    fn follow<K: Kv>(
        &mut self,
        state: &State<K>,
        record: &Record,
        change: &Change,
    ) -> Checked<Option<Moved>> {
        if let Event::RetryParked { number, value, .. } = &record.event {
            self.retried.insert(*number, value.clone());
        }
        let taken = match &record.event {
            Event::Take(take) => self.take(take, change)?,
            _ => Taken::default(),
        };
        self.follow_positions(record, change)?;
        let moves = Moves { left: self.leave(change)?, arrived: self.arrive(change)? };
        let done = self.check_conservation(state, record, &taken, &moves, change)?;
        let options = &self.subscription.options;
        self.lines.follow(options, &self.status, record, change, &taken.new, &done)?;
        self.check_inputs(change)?;
        let missed = self.follow_seeks(record, change)?;
        // Of one key, those that fail at once come before the one that begins.
        let handled = change.failed_at_once().chain(change.begun.values());
        self.handled.extend(handled.map(|origin| (reading_of(origin), origin.failures)));
        Ok(taken.moved.map(|moved| Moved { missed, ..moved }))
    }

    /// Notes the records that a position has moved over.
    fn take(&mut self, take: &Take, change: &Change) -> Checked<Taken> {
        let mut taken = Taken::default();
        let Some((from, to)) = self.moved_over(take, change) else { return Ok(taken) };
        let is_halted = self.positions.get(&take.partition).is_some_and(|it| it.halted.is_some());
        check!("halted-is-halted", from == to || !is_halted, "{take:?} has taken of a halted partition");
        taken.moved = Some(Moved { take: take.clone(), from, to, missed: Vec::new() });
        for record in take.records.iter().filter(|record| (from..to).contains(&record.offset)) {
            let place = (take.partition, record.offset);
            match &take.of_key {
                None => match self.fate_of(take.partition, record) {
                    Fate::Handled => {}
                    Fate::PassedOver => {
                        self.passed_over.insert(place);
                        taken.passed_over += 1;
                        continue;
                    }
                    Fate::Deferred => {
                        self.left_to_keys.insert(place);
                        self.deferred.insert(place, record.clone());
                        continue;
                    }
                },
                Some(_) if record.key == take.of_key => drop(self.deferred.remove(&place)),
                Some(_) => continue,
            }
            let reading = (take.partition, take.generation, record.offset);
            let before = self.contents.insert(reading, record.clone());
            check!("record-is-taken-once", before.is_none(), "{reading:?} was taken again by {take:?}");
            taken.new.insert(reading, record.key.as_ref().map(|key| LaneId::of(key)));
        }
        Ok(taken)
    }

    /// Returns true if this very record was taken, left to the reader of its key, or passed over.
    fn has_met(&self, partition: Partition, generation: u32, record: &SourceRecord) -> bool {
        let place = (partition, record.offset);
        let taken = self.contents.get(&(partition, generation, record.offset));
        let is_of_key = self.passed_over.contains(&place) || self.left_to_keys.contains(&place);
        taken.is_some_and(|taken| taken.digest == record.digest) || is_of_key
    }

    /// From where to where a position was moved by a take.
    fn moved_over(&self, take: &Take, change: &Change) -> Option<(Offset, Offset)> {
        match &take.of_key {
            None => {
                let before = self.positions.get(&take.partition)?;
                Some((before.next, change.positions.get(&take.partition)?.next))
            }
            Some(key) => {
                let place = (take.partition, LaneId::of(key));
                let before = self.seeks.get(&place)?;
                let after = change.seeks.get(&place)?;
                Some((before.next, after.as_ref().map_or(before.until, |after| after.next)))
            }
        }
    }

    /// Returns the fate of a record that the position of its partition has moved over.
    fn fate_of(&self, partition: Partition, record: &SourceRecord) -> Fate {
        let lane = record.key.as_ref().map(|key| LaneId::of(key));
        match lane.and_then(|lane| self.seeks.get(&(partition, lane))) {
            Some(seek) if record.offset < seek.next => Fate::PassedOver,
            Some(seek) if seek.is_reading() => Fate::Deferred,
            Some(_) | None => Fate::Handled,
        }
    }

    /// A position goes on with what is taken, and a seek begins another generation.
    fn follow_positions(&mut self, record: &Record, change: &Change) -> Checked {
        for (partition, after) in &change.positions {
            let before = self.positions.insert(*partition, after.clone());
            if before.as_ref().is_none_or(|before| before.generation != after.generation) {
                self.starts.insert(*partition, after.next);
            }
            let is_right = match (&record.event, before) {
                (Event::Assign(_), None) => after.generation == 0,
                (Event::Take(_), Some(before)) => {
                    after.generation == before.generation && after.next >= before.next
                }
                (Event::Halt { .. }, Some(before)) => after.next == before.next && after.halted.is_some(),
                (Event::Steer { steering: Steering::Seek { next, .. }, .. }, Some(_)) => {
                    after.next == *next && self.generations.insert(after.generation)
                }
                _ => false,
            };
            check!(
                "position-moves-with-its-records",
                is_right,
                "partition {partition} went to {after:?} by {:?}",
                record.event
            );
        }
        Ok(())
    }

    /// The readings that leave the places they were in.
    fn leave(&mut self, change: &Change) -> Checked<BTreeMap<Reading, Place>> {
        let ran = change.ended.keys().map(|id| Place::Runs(*id));
        let waited = change.waiting_out.iter().map(|(lane, ticket)| Place::Waits(*lane, *ticket));
        let parked = change.parked_out.iter().map(|number| Place::Parked(*number));
        let gone: BTreeSet<Place> = ran.chain(waited).chain(parked).collect();
        let (left, stay) =
            std::mem::take(&mut self.places).into_iter().partition(|(_, place)| gone.contains(place));
        self.places = stay;
        let left: BTreeMap<Reading, Place> = left;
        check!("record-is-in-one-place", left.len() == gone.len(), "{gone:?} were left by {left:?}");
        Ok(left)
    }

    /// The readings that come to new places.
    fn arrive(&mut self, change: &Change) -> Checked<BTreeMap<Reading, Place>> {
        let runs = change.begun.iter().map(|(id, origin)| (origin, Place::Runs(*id)));
        let waits = change.waiting_in.iter();
        let waits = waits.map(|((lane, ticket), it)| (&it.origin, Place::Waits(*lane, *ticket)));
        let parked = change.parked_in.iter().map(|(number, it)| (&it.origin, Place::Parked(*number)));
        let mut arrived = BTreeMap::new();
        for (origin, place) in runs.chain(waits).chain(parked) {
            let reading = reading_of(origin);
            let elsewhere = self.places.insert(reading, place);
            check!(
                "record-is-in-one-place",
                elsewhere.is_none(),
                "{reading:?} came to {place:?}, and is also in {elsewhere:?}"
            );
            arrived.insert(reading, place);
        }
        Ok(arrived)
    }

    /// Checks that each record that left a place, or was taken, came to another place, or is done with for a counted reason.
    /// Returns those that are done with.
    fn check_conservation<K: Kv>(
        &self,
        state: &State<K>,
        record: &Record,
        taken: &Taken,
        moves: &Moves,
        change: &Change,
    ) -> Checked<Vec<Reading>> {
        let sources: BTreeSet<Reading> = moves.left.keys().chain(taken.new.keys()).copied().collect();
        for (reading, place) in &moves.arrived {
            check!(
                "position-moves-with-its-records",
                sources.contains(reading),
                "{reading:?} came to {place:?} by {:?}, which has moved no position over it",
                record.event
            );
        }
        let mut expected = Counts {
            taken: taken.new.len() as u64,
            failed: change.failed.len() as u64,
            passed_over: taken.passed_over,
            ..Counts::default()
        };
        let done: Vec<_> = sources.difference(&moves.arrived.keys().copied().collect()).copied().collect();
        for reading in &done {
            let count = match self.reason(state, record, moves.left.get(reading), reading, change)? {
                Some(Reason::Skipped) => &mut expected.skipped,
                Some(Reason::Discarded) => &mut expected.discarded,
                Some(Reason::Succeeded) => &mut expected.succeeded,
                None => {
                    let left = moves.left.get(reading);
                    let message = format!("{reading:?} left {left:?} by {:?} for nowhere", record.event);
                    return Err(crate::violation::Violation::new("no-record-is-lost", message));
                }
            };
            *count += 1;
        }
        if let Some(progress) = &change.progress {
            let actual = difference(&self.counts, &progress.counts);
            check!("counts-agree", actual == expected, "{actual:?} were counted, and {expected:?} happened");
        }
        Ok(done)
    }

    /// Returns the reason for which a record is done with; `None` if there is none.
    fn reason<K: Kv>(
        &self,
        state: &State<K>,
        record: &Record,
        left: Option<&Place>,
        reading: &Reading,
        change: &Change,
    ) -> Checked<Option<Reason>> {
        let failed = change.failed.iter().find(|(origin, _)| reading_of(origin) == *reading);
        let skips = self.subscription.options.on_failure == OnFailure::Skip;
        Ok(match (failed, left, &record.event) {
            (Some((_, None)), _, _) if skips => Some(Reason::Skipped),
            (Some(_), _, _) => None,
            (None, Some(Place::Parked(_)), Event::DiscardParked { .. }) => Some(Reason::Discarded),
            (None, Some(Place::Runs(id)), _) => change.ended[id].has_succeeded.then_some(Reason::Succeeded),
            (None, _, _) => self.has_run(state, reading)?.then_some(Reason::Succeeded),
        })
    }

    /// Returns true if the workflow of this record's key has a run, which the record can have joined.
    fn has_run<K: Kv>(&self, state: &State<K>, reading: &Reading) -> Checked<bool> {
        let sink = &self.subscription.sink;
        let Some(route) = state.route(&sink.service)? else { return Ok(false) };
        let mode = route.handlers.get(&sink.handler).map(|handler| handler.mode);
        let key = self.contents.get(reading).and_then(|record| record.key.as_ref());
        match (mode, key.map(|key| str::from_utf8(key))) {
            (Some(HandlerMode::WorkflowRun), Some(Ok(key))) => {
                Ok(state.workflow_run(&sink.service, key)?.is_some())
            }
            _ => Ok(false),
        }
    }

    /// An invocation begins with the value of its record, or with that which an operator retried it with.
    fn check_inputs(&self, change: &Change) -> Checked {
        for (id, origin) in &change.begun {
            let reading = reading_of(origin);
            let (record, input) = (&self.contents[&reading], change.inputs.get(id));
            let value = match origin.parked {
                None => Some(&record.value),
                Some(number) => self.retried.get(&number),
            };
            check!(
                "record-is-the-input",
                matches!(value, Some(Verdict::Input(value)) if Some(value) == input),
                "{id} began with {input:?}, and {reading:?} is {value:?}"
            );
        }
        Ok(())
    }

    /// A key is read to the end of its seek, unless an operator sends it elsewhere. Gives the records that its reader has
    /// not come by: the topic must have lost them.
    fn follow_seeks(&mut self, record: &Record, change: &Change) -> Checked<Vec<SourceRecord>> {
        let is_sought = matches!(record.event, Event::Steer { .. });
        let mut missed = Vec::new();
        for ((partition, lane), seek) in &change.seeks {
            match seek {
                Some(seek) => drop(self.seeks.insert((*partition, *lane), seek.clone())),
                None => drop(self.seeks.remove(&(*partition, *lane))),
            }
            self.deferred.retain(|(of, offset), record| {
                let is_of_key = record.key.as_ref().is_some_and(|key| LaneId::of(key) == *lane);
                let is_passed = seek.as_ref().is_none_or(|seek| *offset < seek.next);
                let is_dropped = of == partition && is_of_key && is_passed;
                if is_dropped && !is_sought {
                    missed.push(record.clone());
                }
                !is_dropped
            });
            let is_new = seek.as_ref().filter(|_| is_sought);
            check!(
                "position-moves-with-its-records",
                is_new.is_none_or(|seek| self.generations.insert(seek.generation)),
                "{seek:?} reads in a generation that was before"
            );
        }
        Ok(missed)
    }
}

/// The fate of a record that a position has moved over.
enum Fate {
    Handled,
    PassedOver,
    /// The reader of its key comes to it.
    Deferred,
}

/// The reason for which a record is done with.
enum Reason {
    Succeeded,
    Skipped,
    Discarded,
}

fn reading_of(origin: &RecordOrigin) -> Reading {
    (origin.partition, origin.generation, origin.offset)
}

fn difference(before: &Counts, after: &Counts) -> Counts {
    Counts {
        taken: after.taken - before.taken,
        succeeded: after.succeeded - before.succeeded,
        failed: after.failed - before.failed,
        skipped: after.skipped - before.skipped,
        passed_over: after.passed_over - before.passed_over,
        discarded: after.discarded - before.discarded,
    }
}
