//! Subscriptions in a seeded run: topics that change, readers, and operators.

use holiday_core::event::{Event, Steering, Subscribe};
use holiday_core::id::{Seed, SubscriptionId};
use holiday_core::subscription::{
    Offset, OnFailure, OrderOnFailure, ParkedRecord, Partition, Sink, Source, StartFrom, Subscription,
    SubscriptionOptions, Verdict,
};
use holiday_core::value::{Failure, Payload};

use crate::dice::Dice;
use crate::host::{Host, note};
use crate::programs::mixed;
use crate::reader::{self, Reading};
use crate::violation::Checked;

/// Subscriptions of one run.
const SUBSCRIPTIONS_MAX: usize = 3;

/// Retries of one record before an operator gives it up.
const RETRIES_MAX: u32 = 2;

/// Where topics lead: their name is that of the service.
const SINKS: [(&str, &str); 6] = [
    ("counter", "add"),
    ("counter", "add"),
    ("box", "go"),
    ("mixed", "go"),
    ("workflow", "go"),
    ("box", "peek"),
];

/// The rates at which subscriptions are created, read, steered and damaged in a seeded run.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    dice: Dice,
    /// The sinks that this run may have.
    sinks: Vec<(&'static str, &'static str)>,
    /// Steps among 100 in which something happens to subscriptions, too.
    percent: u64,
    /// Records that are still to be written.
    unwritten: u64,
    poison_percent: u64,
    damage_percent: u64,
    operator_percent: u64,
}

impl Subscriptions {
    /// Draws from numbers of its own.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(!seed);
        let sinks = (0..1 + dice.index(SUBSCRIPTIONS_MAX)).map(|_| *dice.pick(&SINKS)).collect();
        Subscriptions {
            sinks,
            percent: *dice.pick(&[0, 8, 16, 24]),
            unwritten: 5 + dice.below(40),
            poison_percent: *dice.pick(&[0, 5, 30]),
            damage_percent: *dice.pick(&[0, 1, 4]),
            operator_percent: *dice.pick(&[2, 10, 25]),
            dice,
        }
    }

    /// Takes a step now and then, beside what else happens.
    pub(crate) fn step(&mut self, host: &mut Host) -> Checked {
        if !self.dice.chance(self.percent) {
            return Ok(());
        }
        let subscriptions: Vec<_> = host.state.subscriptions()?.into_iter().map(|(id, _)| id).collect();
        if subscriptions.is_empty() || subscriptions.len() < self.sinks.len() && self.dice.chance(5) {
            return self.subscribe(host, subscriptions.len());
        }
        let id = *self.dice.pick(&subscriptions);
        if self.dice.chance(self.operator_percent) {
            return self.operate(host, &id);
        }
        if self.dice.chance(self.damage_percent) {
            return self.damage(host, &id);
        }
        match self.dice.below(100) {
            0..15 => self.write(host, &id),
            15..20 => self.repeat(host),
            20..35 => self.advance(host),
            _ => self.read(host, &id),
        }
    }

    /// Another host reads, too.
    pub(crate) fn foreign(&mut self, host: &Host) -> Checked<Option<Event>> {
        let subscriptions = host.audit.state().subscriptions()?;
        if subscriptions.is_empty() || self.dice.chance(50) {
            return Ok(None);
        }
        let (id, subscription) = self.dice.pick(&subscriptions);
        reader::foreign_take(host, id, subscription, 1 + self.dice.clone().index(4))
    }

    fn subscribe(&mut self, host: &mut Host, number: usize) -> Checked {
        let (service, handler) = self.sinks[number % self.sinks.len()];
        let topic = format!("{service}-{handler}");
        if host.world.broker.topic(&topic).is_none() {
            host.world.broker.create(&topic, 1 + u32::from(self.dice.chance(40)));
        }
        let id = SubscriptionId::from_bytes(self.dice.bytes());
        let subscription = Subscription {
            source: Source { cluster: "kafka".to_owned(), topic },
            sink: Sink { service: service.to_owned(), handler: handler.to_owned() },
            options: SubscriptionOptions {
                start: *self.dice.pick(&[StartFrom::Earliest, StartFrom::Earliest, StartFrom::Latest]),
                group_id: "group".to_owned(),
                on_failure: *self.dice.pick(&[OnFailure::Park, OnFailure::Skip, OnFailure::Pause]),
                order_on_failure: *self.dice.pick(&[OrderOnFailure::Continue, OrderOnFailure::Wait]),
                client: std::collections::BTreeMap::new(),
            },
            seed: Seed(self.dice.bytes()),
            created_at: host.now,
        };
        host.submit(Event::Subscribe(Subscribe { id, subscription })).map(drop)
    }

    /// The reader does something, or the host hears of it.
    fn read(&mut self, host: &mut Host, id: &SubscriptionId) -> Checked {
        let first = self.dice.index(4);
        let fetch = Reading::Fetch(1 + self.dice.index(6));
        let readings = [Reading::Look, fetch, Reading::Offer, Reading::Hear];
        for reading in readings.into_iter().cycle().skip(first).take(4) {
            if host.read(id, reading)? {
                break;
            }
        }
        Ok(())
    }

    fn advance(&mut self, host: &mut Host) -> Checked {
        let index = self.dice.index(host.advancing.len());
        host.advance_subscription(index).map(drop)
    }

    /// Repeats an old offer.
    fn repeat(&mut self, host: &mut Host) -> Checked {
        if host.readers.stale.is_empty() {
            return Ok(());
        }
        let take = self.dice.pick(&host.readers.stale).clone();
        host.append(Event::Take(take))
    }

    // The topic

    /// A producer writes a few records.
    fn write(&mut self, host: &mut Host, id: &SubscriptionId) -> Checked {
        let Some(subscription) = host.state.subscription(id)? else { return Ok(()) };
        let count = self.unwritten.min(1 + self.dice.below(4));
        self.unwritten -= count;
        for _ in 0..count {
            let Some(partition) = self.partition(host, &subscription) else { return Ok(()) };
            let (key, value) = (self.key(&subscription.sink), self.value(&subscription.sink));
            let topic = &subscription.source.topic;
            note!(host, "written to {topic} {partition}: {key:?} {value}");
            host.world.broker.write(topic, partition, key.as_deref(), &value);
        }
        Ok(())
    }

    fn partition(&mut self, host: &Host, subscription: &Subscription) -> Option<Partition> {
        let topic = host.world.broker.topic(&subscription.source.topic)?;
        let partitions: Vec<_> = topic.partitions().map(|(partition, _)| partition).collect();
        Some(*self.dice.pick(&partitions))
    }

    /// Few keys, so that records of one follow each other; some are none, or no text.
    fn key(&mut self, sink: &Sink) -> Option<Vec<u8>> {
        let number = self.dice.below(3);
        let prefix = match sink.service.as_str() {
            "counter" => "c",
            "box" => "b",
            "workflow" => "w",
            _ => "k",
        };
        match self.dice.below(100) {
            0..4 => None,
            4..6 => Some(Vec::new()),
            6..8 => Some(vec![0xff, 0xfe]),
            8..20 if prefix == "k" => None,
            _ => Some(format!("{prefix}{number}").into_bytes()),
        }
    }

    fn value(&mut self, sink: &Sink) -> String {
        let value = match sink.service.as_str() {
            "counter" => {
                let how = *self.dice.pick(&["", "", "sleep", "run", "refuse"]);
                format!("{} {how}", 1 + self.dice.below(5))
            }
            _ => mixed::input(&mut self.dice),
        };
        match self.dice.chance(self.poison_percent) {
            true if self.dice.chance(30) => "!".to_owned(),
            true => format!("!{value}"),
            false => value,
        }
    }

    /// Records go, or the topic does.
    fn damage(&mut self, host: &mut Host, id: &SubscriptionId) -> Checked {
        let Some(subscription) = host.state.subscription(id)? else { return Ok(()) };
        let Some(partition) = self.partition(host, &subscription) else { return Ok(()) };
        let name = &subscription.source.topic;
        let count = self.dice.below(8);
        let kind = self.dice.below(10);
        note!(host, "damage {kind} to {name} {partition}, {count}");
        if kind == 0 {
            host.world.broker.create(name, 1 + u32::from(self.dice.chance(40)));
            host.readers.lose_connection();
            for _ in 0..count {
                let (key, value) = (self.key(&subscription.sink), self.value(&subscription.sink));
                host.world.broker.write(name, Partition(0), key.as_deref(), &value);
            }
            return Ok(());
        }
        let Some(topic) = host.world.broker.topic_mut(name) else { return Ok(()) };
        if kind == 1 {
            topic.add_partition();
            return Ok(());
        }
        let Some(log) = topic.log_mut(partition) else { return Ok(()) };
        match kind {
            2 => log.truncate(Offset(log.end.0.saturating_sub(count))),
            3..5 => log.skip(),
            _ => log.compact(Offset(log.end.0.saturating_sub(count))),
        }
        Ok(())
    }

    // Operators

    fn operate(&mut self, host: &mut Host, id: &SubscriptionId) -> Checked {
        let subscription = *id;
        let steer = |steering| Event::Steer { subscription, steering };
        let event = match self.dice.below(32) {
            0 | 1 => steer(Steering::Pause),
            2..6 => steer(Steering::Resume),
            6 | 7 => steer(Steering::PauseKey { key: self.some_key(host, id)? }),
            8..11 => steer(Steering::ResumeKey { key: self.some_key(host, id)? }),
            11 | 12 => {
                let (partition, next) = self.place(host, id)?;
                steer(Steering::Seek { partition, next })
            }
            13..24 => {
                let (partition, next) = self.place(host, id)?;
                steer(Steering::SeekKey { key: self.some_key(host, id)?, partition, next })
            }
            24..28 => match self.parked(host, id)? {
                Some((number, parked)) => self.retry(id, number, &parked),
                None => return Ok(()),
            },
            28..31 => match self.parked(host, id)? {
                Some((number, _)) => Event::DiscardParked { subscription, number },
                None => return Ok(()),
            },
            _ => steer(Steering::Delete { force: self.dice.chance(40) }),
        };
        host.submit(event).map(drop)
    }

    /// A key of the subscription's, or one that no record has.
    fn some_key(&mut self, host: &Host, id: &SubscriptionId) -> Checked<Payload> {
        let subscription = host.state.subscription(id)?.expect("just listed");
        Ok(self.key(&subscription.sink).unwrap_or_default().into())
    }

    fn place(&mut self, host: &Host, id: &SubscriptionId) -> Checked<(Partition, Offset)> {
        let positions = host.state.positions(id)?;
        if positions.is_empty() {
            return Ok((Partition(0), Offset(0)));
        }
        let (partition, position) = self.dice.pick(&positions).clone();
        Ok((partition, Offset(self.dice.below(position.next.0 + 4))))
    }

    fn parked(&mut self, host: &Host, id: &SubscriptionId) -> Checked<Option<(u64, ParkedRecord)>> {
        let all = parked(host, id)?;
        Ok((!all.is_empty()).then(|| self.dice.pick(&all).clone()))
    }

    /// The value fits by now, or still does not.
    fn retry(&mut self, id: &SubscriptionId, number: u64, parked: &ParkedRecord) -> Event {
        let value = match self.dice.chance(80) {
            true => Verdict::Input(parked.value.clone().unwrap_or_default()),
            false => Verdict::Unusable { value: parked.value.clone(), failure: Failure::new(400, "no") },
        };
        Event::RetryParked { subscription: *id, number, value }
    }
}

fn parked(host: &Host, id: &SubscriptionId) -> Checked<Vec<(u64, ParkedRecord)>> {
    let mut all = Vec::new();
    host.state.each_parked(id, 0, |number, record| {
        all.push((number, record));
        true
    })?;
    Ok(all)
}

/// Takes the next step of the subscriptions of a host that has nothing else to do; false if there is none.
pub(crate) fn turn(host: &mut Host) -> Checked<bool> {
    if host.advance_subscription(0)? {
        return Ok(true);
    }
    for (id, _) in host.state.subscriptions()? {
        if host.read_on(&id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An operator has everything read and handled that waits for one; false if nothing does.
pub(crate) fn help(host: &mut Host) -> Checked<bool> {
    for (subscription, _) in host.state.subscriptions()? {
        if let Some(event) = helping(host, &subscription)? {
            return host.submit(event);
        }
    }
    Ok(false)
}

fn helping(host: &Host, id: &SubscriptionId) -> Checked<Option<Event>> {
    let subscription = *id;
    let steer = |steering| Ok(Some(Event::Steer { subscription, steering }));
    if let Some(steering) = sought_anew(host, id)? {
        return steer(steering);
    }
    let progress = host.state.progress(id)?.expect("stored with the subscription");
    let held = host.state.marked_lanes(holiday_core::state::key::Family::HeldLane, id, usize::MAX)?;
    for lane in held {
        if let Some(lane) = host.state.lane(id, &lane)?.filter(|lane| lane.is_paused) {
            return steer(Steering::ResumeKey { key: lane.key });
        }
    }
    if !progress.is_active() && progress.status.name() == "paused" {
        return steer(Steering::Resume);
    }
    Ok(parked(host, id)?.into_iter().next().map(|(number, parked)| {
        let is_hopeless = parked.value.is_none() || parked.origin.failures > RETRIES_MAX;
        match parked.value.filter(|_| !is_hopeless) {
            Some(value) => Event::RetryParked { subscription, number, value: Verdict::Input(value) },
            None => Event::DiscardParked { subscription, number },
        }
    }))
}

/// Where reading goes on of a partition that is halted, or of a key whose records are gone.
fn sought_anew(host: &Host, id: &SubscriptionId) -> Checked<Option<Steering>> {
    let topic = host.state.subscription(id)?.expect("just listed").source.topic;
    let topic = host.world.broker.topic(&topic);
    let begin = |partition| topic.and_then(|topic| topic.log(partition)).map(|log| log.begin);
    for (partition, position) in host.state.positions(id)? {
        if position.halted.is_some() {
            return Ok(Some(Steering::Seek { partition, next: begin(partition).unwrap_or_default() }));
        }
    }
    for (partition, seek) in host.state.key_seeks(id)?.into_iter().filter(|(_, seek)| seek.is_reading()) {
        let position = host.state.position(id, partition)?.expect("a key is sought where there is one");
        let next = begin(partition).unwrap_or(position.next);
        if seek.next < next {
            return Ok(Some(Steering::SeekKey { key: seek.key, partition, next }));
        }
    }
    Ok(None)
}

/// Deletes all subscriptions.
pub(crate) fn delete_all(host: &mut Host) -> Checked {
    for (subscription, _) in host.state.subscriptions()? {
        host.submit(Event::Steer { subscription, steering: Steering::Delete { force: false } })?;
    }
    Ok(())
}
