//! Scenarios with a topic: its records, and the changes that operators and producers make while the host is at rest.

use std::collections::BTreeMap;

use holiday_core::event::{Event, Steering, Subscribe};
use holiday_core::id::{Seed, SubscriptionId};
use holiday_core::subscription::{
    Offset, OnFailure, OrderOnFailure, Partition, Sink, Source, StartFrom, Subscription, SubscriptionOptions,
};
use holiday_core::value::Payload;

use super::Scenario;
use crate::host::Host;
use crate::violation::Checked;

const TOPIC: &str = "topic";

/// A key, and a value; a value that begins with `!` is no input.
type Written = (&'static str, &'static str);

/// A subscription, and its topic.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    policies: (OnFailure, OrderOnFailure),
    steps: Vec<Step>,
}

/// A change from outside, made when the host is at rest.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(&'static [Written]),
    /// The topic is deleted, and created again.
    CreateAnew(&'static [Written]),
    Seek(u64),
    SeekKey(&'static str, u64),
}

const SOME: &[Written] = &[
    ("c0", "1 sleep"),
    ("c1", "1 run"),
    ("c0", "2 refuse"),
    ("c0", "!4 "),
    ("c1", "8 "),
    ("c2", "16 "),
    ("c0", "32 "),
];

const OTHERS: &[Written] = &[("c1", "64 "), ("c0", "128 run"), ("c1", "!")];

pub(super) fn scenarios() -> Vec<Scenario> {
    use OnFailure::{Park, Pause, Skip};
    use OrderOnFailure::{Continue, Wait};
    let scenario = |name: &str, policies, steps| Scenario {
        topic: Some(Topic { policies, steps }),
        ..Scenario::new(format!("records {name}"), Vec::new())
    };
    vec![
        scenario("in order", (Park, Wait), vec![Step::Write(SOME)]),
        scenario("that pause", (Pause, Continue), vec![Step::Write(SOME), Step::Seek(4)]),
        scenario(
            "of a key again",
            (Skip, Wait),
            vec![Step::Write(SOME), Step::SeekKey("c0", 2), Step::Write(OTHERS), Step::SeekKey("c1", 9)],
        ),
        scenario(
            "of a topic created anew",
            (Park, Continue),
            vec![Step::Write(SOME), Step::CreateAnew(OTHERS)],
        ),
    ]
}

impl Topic {
    /// Creates the subscription, durably.
    pub(super) fn begin(&self, host: &mut Host) -> Checked {
        host.world.broker.create(TOPIC, 1);
        while host.state.subscription(&id())?.is_none() || !host.is_durable() {
            host.submit(Event::Subscribe(Subscribe { id: id(), subscription: self.subscription(host) }))?;
            host.sync(usize::MAX)?;
        }
        Ok(())
    }

    fn subscription(&self, host: &Host) -> Subscription {
        let (on_failure, order_on_failure) = self.policies;
        Subscription {
            source: Source { cluster: "kafka".to_owned(), topic: TOPIC.to_owned() },
            sink: Sink { service: "counter".to_owned(), handler: "add".to_owned() },
            options: SubscriptionOptions {
                start: StartFrom::Earliest,
                group_id: "group".to_owned(),
                on_failure,
                order_on_failure,
                client: BTreeMap::new(),
            },
            seed: Seed([1; 32]),
            created_at: host.now,
        }
    }

    /// Takes the next step, of which `taken` were taken before; false if there is none.
    pub(super) fn step(&self, host: &mut Host, taken: &mut usize) -> Checked<bool> {
        let Some(step) = self.steps.get(*taken) else { return Ok(false) };
        *taken += 1;
        match *step {
            Step::Write(records) => write(host, records),
            Step::CreateAnew(records) => {
                host.world.broker.create(TOPIC, 1);
                host.readers.lose_connection();
                write(host, records);
            }
            Step::Seek(offset) => {
                steer(host, &Steering::Seek { partition: Partition(0), next: Offset(offset) })?;
            }
            Step::SeekKey(key, offset) => {
                let key = Payload::from_static(key.as_bytes());
                steer(host, &Steering::SeekKey { key, partition: Partition(0), next: Offset(offset) })?;
            }
        }
        Ok(true)
    }
}

fn id() -> SubscriptionId {
    SubscriptionId::from_bytes([1; 16])
}

fn write(host: &mut Host, records: &[Written]) {
    for (key, value) in records {
        host.world.broker.write(TOPIC, Partition(0), Some(key.as_bytes()), value);
    }
}

/// Seeks once, durably.
fn steer(host: &mut Host, steering: &Steering) -> Checked {
    let generation = |host: &Host| -> Checked<Option<u32>> {
        Ok(host.state.progress(&id())?.map(|progress| progress.next_generation))
    };
    let before = generation(host)?;
    loop {
        if generation(host)? == before {
            host.submit(Event::Steer { subscription: id(), steering: steering.clone() })?;
        }
        host.sync(usize::MAX)?;
        if generation(host)? > before && host.is_durable() {
            return Ok(());
        }
    }
}
