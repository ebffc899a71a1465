//! The readers of subscriptions: they ask the state for positions, and offer what is behind them to the host.
//!
//! As the real ones they know nothing that a crash could lose; and what they have offered, or heard, may be old.

use std::collections::{BTreeMap, VecDeque};

use holiday_core::event::{Assign, Event, Take};
use holiday_core::id::{Seq, SubscriptionId};
use holiday_core::subscription::{
    Halt, LaneId, Offset, Partition, Position, StartFrom, Subscription, SubscriptionStatus,
};

use crate::host::{Host, note};
use crate::topics::Log;
use crate::violation::{Checked, check};

/// Offers that are on their way at the same time.
const OFFERS_MAX: usize = 4;

/// Old offers that may come again.
const STALE_MAX: usize = 24;

/// Records that a batch has at most, where nothing is drawn.
pub(crate) const BATCH: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Readers {
    readers: BTreeMap<SubscriptionId, Reader>,
    /// Offers of the past: they were taken, or lost in a crash.
    pub(crate) stale: Vec<Take>,
}

/// The volatile knowledge of one reader.
#[derive(Debug, Default)]
struct Reader {
    cursors: BTreeMap<Source, Cursor>,
    offers: VecDeque<Event>,
    answers: Vec<(Seq, Answer)>,
}

/// A partition, or a key in it that has a position of its own.
type Source = (Partition, Option<LaneId>);

#[derive(Clone, Copy, Debug)]
struct Cursor {
    generation: u32,
    next: Offset,
}

/// How far an offer was taken; the reader gets it when that is durable.
#[derive(Clone, Copy, Debug)]
struct Answer {
    source: Source,
    offered: Cursor,
    /// The generation and position that the state had then.
    taken: Option<(u32, Offset)>,
}

impl Readers {
    /// The process dies. Offers that were on their way may still arrive later.
    pub(crate) fn crash(&mut self, may_arrive: bool) {
        for reader in std::mem::take(&mut self.readers).into_values() {
            for event in reader.offers.into_iter().filter(|_| may_arrive) {
                if let Event::Take(take) = event {
                    self.keep(take);
                }
            }
        }
    }

    fn keep(&mut self, take: Take) {
        self.stale.push(take);
        if self.stale.len() > STALE_MAX {
            self.stale.remove(0);
        }
    }

    /// Forgets how far topics were read that are not there any more.
    pub(crate) fn lose_connection(&mut self) {
        self.readers.values_mut().for_each(|reader| reader.cursors.clear());
    }
}

/// A step of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Looks at the state and the topic.
    Look,
    /// Reads a batch of up to so many records.
    Fetch(usize),
    /// Has its first offer recorded.
    Offer,
    /// Hears how far its offers were taken.
    Hear,
}

impl Host {
    /// A reader takes a step; false if there was nothing to do.
    pub(crate) fn read(&mut self, id: &SubscriptionId, reading: Reading) -> Checked<bool> {
        let Some(subscription) = self.state.subscription(id)? else {
            return Ok(self.readers.readers.remove(id).is_some());
        };
        match reading {
            Reading::Look => self.look(id, &subscription),
            Reading::Fetch(count) => self.fetch(id, &subscription, count),
            Reading::Offer => self.offer(id),
            Reading::Hear => self.hear_taken(id),
        }
    }

    /// A reader does the first of these that there is to do; false if there is none.
    pub(crate) fn read_on(&mut self, id: &SubscriptionId) -> Checked<bool> {
        for reading in [Reading::Hear, Reading::Offer, Reading::Look, Reading::Fetch(BATCH)] {
            if self.read(id, reading)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn reader(&mut self, id: &SubscriptionId) -> &mut Reader {
        self.readers.readers.entry(*id).or_default()
    }

    /// Leaves what is not to be read any more, begins what is, and says what cannot be read.
    fn look(&mut self, id: &SubscriptionId, subscription: &Subscription) -> Checked<bool> {
        let progress = self.state.progress(id)?.expect("stored with the subscription");
        if progress.status != SubscriptionStatus::Active {
            let reader = self.reader(id);
            let was_reading = !reader.cursors.is_empty();
            reader.cursors.clear();
            return Ok(was_reading);
        }
        if self.assign(id, subscription)? {
            return Ok(true);
        }
        let wanted = self.wanted(id, subscription)?;
        let reader = self.reader(id);
        let before = reader.cursors.len();
        reader.cursors.retain(|source, cursor| {
            wanted.get(source).is_some_and(|wanted| wanted.generation == cursor.generation)
        });
        let mut has_changed = reader.cursors.len() < before;
        for (source, cursor) in wanted {
            reader.cursors.entry(source).or_insert_with(|| {
                has_changed = true;
                cursor
            });
        }
        Ok(self.halt(id, subscription)? || has_changed)
    }

    /// Gives positions to partitions that have none.
    fn assign(&mut self, id: &SubscriptionId, subscription: &Subscription) -> Checked<bool> {
        let Some(topic) = self.world.broker.topic(&subscription.source.topic) else { return Ok(false) };
        let known: BTreeMap<_, _> = self.state.positions(id)?.into_iter().collect();
        let start = |log: &Log| match subscription.options.start {
            StartFrom::Latest if known.is_empty() => log.end,
            StartFrom::Latest | StartFrom::Earliest => log.begin,
        };
        let new = topic.partitions().filter(|(partition, _)| !known.contains_key(partition));
        let positions: Vec<_> = new.map(|(partition, log)| (partition, start(log))).collect();
        if positions.is_empty() || self.has_offer(id, |event| matches!(event, Event::Assign(_))) {
            return Ok(false);
        }
        let assign = Event::Assign(Assign { subscription: *id, positions });
        self.reader(id).offers.push_back(assign);
        Ok(true)
    }

    fn has_offer(&self, id: &SubscriptionId, is_right: impl Fn(&Event) -> bool) -> bool {
        self.readers.readers.get(id).is_some_and(|reader| reader.offers.iter().any(is_right))
    }

    /// The sources that are to be read, and where each begins.
    fn wanted(&self, id: &SubscriptionId, subscription: &Subscription) -> Checked<BTreeMap<Source, Cursor>> {
        let mut wanted = BTreeMap::new();
        let Some(topic) = self.world.broker.topic(&subscription.source.topic) else { return Ok(wanted) };
        let positions: BTreeMap<_, _> = self.state.positions(id)?.into_iter().collect();
        for (partition, position) in &positions {
            if let (Some(log), None) = (topic.log(*partition), &position.halted) {
                let cursor = Cursor { generation: position.generation, next: first(position, log) };
                wanted.insert((*partition, None), cursor);
            }
        }
        for (partition, seek) in self.state.key_seeks(id)?.into_iter().filter(|(_, seek)| seek.is_reading()) {
            if wanted.contains_key(&(partition, None)) {
                let cursor = Cursor { generation: seek.generation, next: seek.next };
                wanted.insert((partition, Some(LaneId::of(&seek.key))), cursor);
            }
        }
        Ok(wanted)
    }

    /// Halts partitions whose position is not in the topic; that may arrive late.
    fn halt(&mut self, id: &SubscriptionId, subscription: &Subscription) -> Checked<bool> {
        let Some(topic) = self.world.broker.topic(&subscription.source.topic) else { return Ok(false) };
        let mut halts = Vec::new();
        for (partition, position) in self.state.positions(id)? {
            if let Some(halt) = topic.log(partition).and_then(|log| halt_of(&position, log)) {
                let generation = position.generation;
                halts.push(Event::Halt { subscription: *id, partition, generation, halt });
            }
        }
        halts.retain(|halt| !self.has_offer(id, |event| event == halt));
        let has_halted = !halts.is_empty();
        self.reader(id).offers.extend(halts);
        Ok(has_halted)
    }

    /// Reads the next batch of a source that has one.
    fn fetch(&mut self, id: &SubscriptionId, subscription: &Subscription, count: usize) -> Checked<bool> {
        let reader = self.reader(id);
        if reader.offers.len() >= OFFERS_MAX {
            return Ok(false);
        }
        for (source, cursor) in reader.cursors.clone() {
            let take = match source {
                (partition, None) => self.batch(id, subscription, partition, cursor, count),
                (partition, Some(lane)) => {
                    self.batch_of_key(id, subscription, (partition, lane), cursor, count)?
                }
            };
            if let Some(take) = take {
                let reader = self.reader(id);
                reader.cursors.insert(source, Cursor { next: take.next, ..cursor });
                reader.offers.push_back(Event::Take(take));
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn batch(
        &self,
        id: &SubscriptionId,
        subscription: &Subscription,
        partition: Partition,
        cursor: Cursor,
        count: usize,
    ) -> Option<Take> {
        let log = self.world.broker.topic(&subscription.source.topic)?.log(partition)?;
        // A broker refuses to read from an offset that is not in the partition.
        let is_in_range = (log.begin..=log.end).contains(&cursor.next);
        let found = log.from(cursor.next).take(count).filter(|_| is_in_range);
        let records: Vec<_> = found.map(|(offset, message)| message.judged(offset)).collect();
        Some(Take {
            subscription: *id,
            partition,
            generation: cursor.generation,
            of_key: None,
            from: cursor.next,
            next: records.last()?.offset.next(),
            records,
        })
    }

    /// Reads on for a key, past records of others, up to where its seek ends now.
    fn batch_of_key(
        &self,
        id: &SubscriptionId,
        subscription: &Subscription,
        (partition, lane): (Partition, LaneId),
        cursor: Cursor,
        count: usize,
    ) -> Checked<Option<Take>> {
        let Some(seek) = self.state.key_seek(id, partition, &lane)? else { return Ok(None) };
        let topic = self.world.broker.topic(&subscription.source.topic);
        let Some(log) = topic.and_then(|topic| topic.log(partition)) else { return Ok(None) };
        let is_in_range = (log.begin..=log.end).contains(&cursor.next);
        if seek.generation != cursor.generation || cursor.next >= seek.until || !is_in_range {
            return Ok(None);
        }
        let until = seek.until;
        let passed: Vec<_> =
            log.from(cursor.next).take_while(|(offset, _)| *offset < until).take(count).collect();
        let next = match passed.last() {
            Some((last, _)) if passed.len() == count => last.next(),
            Some(_) | None => until,
        };
        let records = passed.iter().filter(|(_, message)| message.key.as_ref() == Some(&seek.key));
        Ok(Some(Take {
            subscription: *id,
            partition,
            generation: seek.generation,
            of_key: Some(seek.key.clone()),
            from: cursor.next,
            records: records.map(|(offset, message)| message.judged(*offset)).collect(),
            next,
        }))
    }

    /// Has the first offer recorded; the answer waits until that is durable.
    fn offer(&mut self, id: &SubscriptionId) -> Checked<bool> {
        let Some(event) = self.reader(id).offers.pop_front() else { return Ok(false) };
        let crashes = self.crashes;
        self.append(event.clone())?;
        let Event::Take(take) = event else { return Ok(true) };
        if self.repeats {
            self.readers.keep(take.clone());
        }
        if self.crashes == crashes {
            let answer = self.answer_to(&take)?;
            let seq = self.applied();
            self.reader(id).answers.push((seq, answer));
        }
        Ok(true)
    }

    fn answer_to(&self, take: &Take) -> Checked<Answer> {
        let lane = take.of_key.as_ref().map(|key| LaneId::of(key));
        let taken = match &lane {
            None => {
                let position = self.state.position(&take.subscription, take.partition)?;
                position.filter(|it| it.halted.is_none()).map(|it| (it.generation, it.next))
            }
            Some(lane) => {
                let seek = self.state.key_seek(&take.subscription, take.partition, lane)?;
                seek.map(|it| (it.generation, it.next))
            }
        };
        let offered = Cursor { generation: take.generation, next: take.next };
        Ok(Answer { source: (take.partition, lane), offered, taken })
    }

    /// Takes the answers that are durable: where not all was taken, the source is read again from its position.
    fn hear_taken(&mut self, id: &SubscriptionId) -> Checked<bool> {
        let durable = self.durable;
        let reader = self.reader(id);
        let (due, later) =
            std::mem::take(&mut reader.answers).into_iter().partition(|(seq, _)| *seq <= durable);
        reader.answers = later;
        let due: Vec<(Seq, Answer)> = due;
        let has_heard = !due.is_empty();
        for (_, answer) in due {
            let is_all = answer.taken.is_some_and(|(generation, next)| {
                generation == answer.offered.generation && next >= answer.offered.next
            });
            let reader = self.reader(id);
            let is_of = |cursor: &Cursor| cursor.generation == answer.offered.generation;
            if !is_all && reader.cursors.get(&answer.source).is_some_and(is_of) {
                reader.cursors.remove(&answer.source);
            }
            if let ((partition, None), Some(taken)) = (answer.source, answer.taken) {
                self.commit(id, partition, taken)?;
            }
        }
        Ok(has_heard)
    }

    /// Tells the consumer group how far a partition is read.
    fn commit(&mut self, id: &SubscriptionId, partition: Partition, taken: (u32, Offset)) -> Checked {
        note!(self, "commit {id} {partition}: {} in generation {}", taken.1, taken.0);
        let durable = self.audit.state().position(id, partition)?;
        check!(
            "taken-is-durable",
            durable.as_ref().is_none_or(|it| it.generation > taken.0 || it.next >= taken.1),
            "{id} has told others that it is at {taken:?} of partition {partition}, and is at {durable:?}"
        );
        self.world.broker.committed.insert((*id, partition), taken);
        Ok(())
    }
}

/// Makes a take of another host, which continues from the durable log.
pub(crate) fn foreign_take(
    host: &Host,
    id: &SubscriptionId,
    subscription: &Subscription,
    count: usize,
) -> Checked<Option<Event>> {
    let Some(topic) = host.world.broker.topic(&subscription.source.topic) else { return Ok(None) };
    for (partition, position) in host.audit.state().positions(id)? {
        let Some(log) = topic.log(partition).filter(|_| position.halted.is_none()) else { continue };
        let cursor = Cursor { generation: position.generation, next: first(&position, log) };
        if let Some(take) = host.batch(id, subscription, partition, cursor, count) {
            return Ok(Some(Event::Take(take)));
        }
    }
    Ok(None)
}

/// Where reading begins: with the last record taken, by which the engine recognises the topic.
fn first(position: &Position, log: &Log) -> Offset {
    match position.last {
        Some(last) if last.offset < position.next => last.offset.max(log.begin.min(position.next)),
        Some(_) | None => position.next,
    }
}

fn halt_of(position: &Position, log: &Log) -> Option<Halt> {
    let next = position.next;
    if position.halted.is_some() {
        None
    } else if next > log.end {
        Some(Halt::Ahead { next, end: log.end })
    } else if next < log.begin {
        Some(Halt::Behind { next, begin: log.begin })
    } else {
        None
    }
}
