//! Lines of scripts that are about subscriptions, and what transcripts say of these.

use std::fmt::Write as _;

use holiday_core::deployment::Media;
use holiday_core::event::{Assign, Event, Steering, Subscribe, Take};
use holiday_core::id::SubscriptionId;
use holiday_core::invocation::Caller;
use holiday_core::state::codec;
use holiday_core::state::key::{self, Family};
use holiday_core::subscription::{
    Counts, Halt, Lane, LaneId, Offset, OnFailure, OrderOnFailure, ParkedRecord, Partition, Position,
    Progress, RecordOrigin, Sink, Source, SourceRecord, StartFrom, Subscription, SubscriptionOptions,
    SubscriptionStatus, Verdict, digest_of,
};
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Payload};

use crate::script::{Words, text_of_payload};
use crate::world::{World, seed};

/// The input that handlers of the catalog take.
pub(crate) fn media() -> Media {
    Media { content_type: "text/plain".to_owned(), schema: None }
}

impl World {
    /// The event of a line about a subscription; `None` if the line is about something else.
    pub(crate) fn event_of_subscription(&mut self, first: &str, mut words: Words<'_>) -> Option<Event> {
        Some(match first {
            "subscribe" => self.subscribe(words),
            "assign" => {
                let subscription = self.subscription(words.word());
                let positions = std::iter::from_fn(|| words.next()).map(position).collect();
                Event::Assign(Assign { subscription, positions })
            }
            "take" => self.take(words),
            "halt" => self.halt(words),
            "retry" => {
                let subscription = self.subscription(words.word());
                let number = words.number();
                let parked = self.state.parked(&subscription, number).expect("memory does not fail");
                let value = parked.and_then(|it| it.value).unwrap_or_default();
                let value = words.option("with").map_or(Verdict::Input(value), verdict);
                Event::RetryParked { subscription, number, value }
            }
            "discard" => {
                let subscription = self.subscription(words.word());
                Event::DiscardParked { subscription, number: words.number() }
            }
            "advance" => Event::Advance { subscription: self.subscription(words.word()) },
            "seek" => self.seek(words),
            "delete" => {
                let subscription = self.subscription(words.word());
                let force = words.option("by").is_some();
                Event::Steer { subscription, steering: Steering::Delete { force } }
            }
            "pause" | "resume" => {
                let subscription = *self.subscriptions.get(words.word())?;
                let steering = match (first, words.option("key").map(key_of)) {
                    ("pause", None) => Steering::Pause,
                    ("pause", Some(key)) => Steering::PauseKey { key },
                    (_, None) => Steering::Resume,
                    (_, Some(key)) => Steering::ResumeKey { key },
                };
                Event::Steer { subscription, steering }
            }
            _ => return None,
        })
    }

    fn subscribe(&mut self, mut words: Words<'_>) -> Event {
        let name = words.word();
        let id = SubscriptionId::from_bytes(std::array::from_fn(|at| {
            name.as_bytes().get(at).copied().unwrap_or(0)
        }));
        self.subscriptions.insert(name.to_owned(), id);
        let (service, handler) = words.word().split_once('/').expect("service/handler");
        let on_failure = match words.option("on-failure") {
            None | Some("park") => OnFailure::Park,
            Some("skip") => OnFailure::Skip,
            Some("pause") => OnFailure::Pause,
            Some(other) => panic!("'{other}' is no policy"),
        };
        let order_on_failure = match words.option("order") {
            None | Some("continue") => OrderOnFailure::Continue,
            Some("wait") => OrderOnFailure::Wait,
            Some(other) => panic!("'{other}' is no order"),
        };
        let subscription = Subscription {
            source: Source { cluster: "kafka".to_owned(), topic: "topic".to_owned() },
            sink: Sink { service: service.to_owned(), handler: handler.to_owned() },
            options: SubscriptionOptions {
                start: StartFrom::Earliest,
                group_id: name.to_owned(),
                on_failure,
                order_on_failure,
                client: std::collections::BTreeMap::new(),
            },
            seed: seed(name),
            created_at: Timestamp::ZERO,
        };
        Event::Subscribe(Subscribe { id, subscription })
    }

    fn take(&mut self, mut words: Words<'_>) -> Event {
        let (subscription, partition) = self.partition(words.word());
        let of_key = words.option("of").map(key_of);
        let (position, generation) = self.read_from(&subscription, partition, of_key.as_ref());
        let generation =
            words.number_option("gen").map_or(generation, |it| u32::try_from(it).expect("small"));
        let from = words.number_option("from").map_or(position, Offset);
        let next = words.number_option("next").map(Offset);
        let records: Vec<_> = std::iter::from_fn(|| words.next()).map(source_record).collect();
        let next = next.or(records.last().map(|last| last.offset.next())).unwrap_or(from);
        Event::Take(Take { subscription, partition, generation, of_key, from, records, next })
    }

    /// Where a reader of the partition, or of a key in it, goes on, and the generation it reads.
    fn read_from(
        &self,
        id: &SubscriptionId,
        partition: Partition,
        of_key: Option<&Payload>,
    ) -> (Offset, u32) {
        let Some(key) = of_key else {
            let position = self.state.position(id, partition).expect("memory does not fail");
            return position.map_or((Offset::ZERO, 0), |it| (it.next, it.generation));
        };
        let seek = self.state.key_seek(id, partition, &LaneId::of(key)).expect("memory does not fail");
        seek.map_or((Offset::ZERO, 0), |it| (it.next, it.generation))
    }

    fn halt(&mut self, mut words: Words<'_>) -> Event {
        let (subscription, partition) = self.partition(words.word());
        let (_, generation) = self.read_from(&subscription, partition, None);
        let generation =
            words.number_option("gen").map_or(generation, |it| u32::try_from(it).expect("small"));
        let halt = match words.word() {
            "recreated" => Halt::Recreated { offset: Offset(words.number()) },
            "ahead" => Halt::Ahead { next: Offset(words.number()), end: Offset(words.number()) },
            "behind" => Halt::Behind { next: Offset(words.number()), begin: Offset(words.number()) },
            other => panic!("'{other}' is no reason to halt"),
        };
        Event::Halt { subscription, partition, generation, halt }
    }

    fn seek(&mut self, mut words: Words<'_>) -> Event {
        let (subscription, partition) = self.partition(words.word());
        let next = Offset(words.number_option("to").expect("a seek goes somewhere"));
        let steering = match words.option("key").map(key_of) {
            None => Steering::Seek { partition, next },
            Some(key) => Steering::SeekKey { key, partition, next },
        };
        Event::Steer { subscription, steering }
    }

    /// Reads `SUBSCRIPTION:PARTITION`.
    fn partition(&self, text: &str) -> (SubscriptionId, Partition) {
        let (name, partition) = text.split_once(':').expect("subscription:partition");
        (self.subscription(name), Partition(partition.parse().expect("a partition")))
    }

    fn subscription(&self, name: &str) -> SubscriptionId {
        *self.subscriptions.get(name).unwrap_or_else(|| panic!("there was never a subscription '{name}'"))
    }

    // Names

    pub(crate) fn name_of_subscription(&self, id: &SubscriptionId) -> &str {
        let found = self.subscriptions.iter().find(|(_, it)| *it == id);
        found.map(|(name, _)| name.as_str()).expect("made by the script")
    }

    /// `s:0:7`, with `@2` for the second seek, and `~1` for the first failure.
    pub(crate) fn name_of_origin(&self, origin: &RecordOrigin) -> String {
        let name = self.name_of_subscription(&origin.subscription);
        let mut name = format!("{name}:{}:{}", origin.partition, origin.offset);
        if origin.generation > 0 {
            write!(name, "@{}", origin.generation).expect("a string takes all");
        }
        if origin.failures > 0 {
            write!(name, "~{}", origin.failures).expect("a string takes all");
        }
        name
    }

    /// Names the invocations that records have become.
    pub(crate) fn name_invocations_of_records(&mut self) {
        let rows = self.state.kv().rows().filter(|(row, _)| row[0] == Family::Invocation as u8);
        let ids: Vec<_> = rows.filter_map(|(row, _)| key::parse_invocation(row)).collect();
        for id in ids.into_iter().filter(|id| !self.names.contains_key(id)).collect::<Vec<_>>() {
            let invocation = self.state.invocation(&id).expect("memory does not fail").expect("just found");
            if let Caller::Record(origin) = &invocation.caller {
                self.name(id, self.name_of_origin(origin));
            }
        }
    }

    // Printing

    /// Prints what is stored of a subscription; `None` if the line asks for something else.
    pub(crate) fn print_of_subscription(&self, first: &str, mut words: Words<'_>) -> Option<String> {
        let print: fn(&World, &SubscriptionId) -> String = match first {
            "progress" => World::print_progress,
            "positions" => World::print_positions,
            "lanes" => World::print_lanes,
            "parked" => World::print_parked,
            _ => return None,
        };
        let said = print(self, &self.subscription(words.word()));
        Some(self.with_names(said))
    }

    fn print_progress(&self, id: &SubscriptionId) -> String {
        let Some(progress) = self.state.progress(id).expect("memory does not fail") else {
            return "    (none)\n".to_owned();
        };
        format!("    {}\n    {}\n", now(&progress), so_far(&progress.counts))
    }

    fn print_positions(&self, id: &SubscriptionId) -> String {
        let mut said = String::new();
        for (partition, Position { next, generation, halted, .. }) in
            self.state.positions(id).expect("memory does not fail")
        {
            let halted = halted.map(|halt| format!(", halted: {halt}")).unwrap_or_default();
            writeln!(said, "    {partition}: at {next}, generation {generation}{halted}")
                .expect("a string takes all");
        }
        for (partition, seek) in self.state.key_seeks(id).expect("memory does not fail") {
            let key = text_of_payload(&seek.key);
            writeln!(
                said,
                "    {partition}, {key}: from {} until {}, generation {}",
                seek.next, seek.until, seek.generation
            )
            .expect("a string takes all");
        }
        said
    }

    fn print_lanes(&self, id: &SubscriptionId) -> String {
        let range = key::all_of_subscription(Family::Lane, id);
        let rows = self.state.kv().rows().filter(|(row, _)| range.contains(&row.to_vec()));
        let mut said: Vec<_> = rows
            .map(|(row, value)| codec::decode(value, || format!("{row:?}")).expect("a lane"))
            .map(|lane| print_lane(&lane))
            .collect();
        said.sort();
        said.concat()
    }

    fn print_parked(&self, id: &SubscriptionId) -> String {
        let mut said = String::new();
        let each = |number, ParkedRecord { origin, key, value, failure, invocation, .. }| {
            let key = key.map_or_else(|| "-".to_owned(), |key| key.escape_ascii().to_string());
            let value = value.map_or_else(|| "(not kept)".to_owned(), |value| text_of_payload(&value));
            let of = invocation.map(|id| format!(", of {id}")).unwrap_or_default();
            let name = self.name_of_origin(&origin);
            writeln!(said, "    {number}: {name} {key}={value} !{} {}{of}", failure.code, failure.message)
                .expect("a string takes all");
            true
        };
        self.state.each_parked(id, 0, each).expect("memory does not fail");
        said
    }
}

fn now(progress: &Progress) -> String {
    let mut said = match &progress.status {
        SubscriptionStatus::Paused(reason) => format!("paused {reason}"),
        status => status.name().to_owned(),
    };
    for (number, what) in [
        (progress.running, "running"),
        (progress.waiting, "waiting"),
        (progress.waiting_bytes, "bytes waiting"),
        (progress.parked, "parked"),
        (progress.parked_bytes, "bytes parked"),
        (progress.stalled, "stalled"),
        (progress.paused_keys, "keys paused"),
        (progress.key_seeks, "key seeks"),
    ] {
        if number > 0 {
            write!(said, ", {number} {what}").expect("a string takes all");
        }
    }
    said
}

fn so_far(counts: &Counts) -> String {
    let parts = [
        (counts.taken, "taken"),
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.passed_over, "passed over"),
        (counts.discarded, "discarded"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(number, what)| *number > 0 || *what == "taken")
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    parts.join(", ")
}

fn print_lane(lane: &Lane) -> String {
    let mut said = format!("    {}:", text_of_payload(&lane.key));
    if let Some(id) = &lane.busy {
        write!(said, " busy with {id}").expect("a string takes all");
    }
    if let Some(number) = lane.blocked_by {
        write!(said, " blocked by {number}").expect("a string takes all");
    }
    for (is_so, what) in [(lane.is_paused, "paused"), (lane.is_stalled, "stalled")] {
        if is_so {
            write!(said, " {what}").expect("a string takes all");
        }
    }
    format!("{said} {} waiting\n", lane.waiting)
}

/// Reads `PARTITION:OFFSET`.
fn position(text: &str) -> (Partition, Offset) {
    let (partition, offset) = text.split_once(':').expect("partition:offset");
    (Partition(partition.parse().expect("a partition")), Offset(offset.parse().expect("an offset")))
}

/// Reads `OFFSET:KEY=VALUE`; the key `-` is none.
fn source_record(text: &str) -> SourceRecord {
    let (offset, rest) = text.split_once(':').expect("offset:key=value");
    let (key, value) = rest.split_once('=').expect("key=value");
    let key = (key != "-").then(|| key_of(key));
    SourceRecord {
        offset: Offset(offset.parse().expect("an offset")),
        timestamp: None,
        headers: vec![("kafka.offset".to_owned(), offset.to_owned())],
        value: verdict(value),
        digest: digest_of(None, key.as_deref(), Some(value.as_bytes())),
        key,
    }
}

/// Reads `VALUE`, `!VALUE` for one that is no input, and `?VALUE` for one that is not kept either.
fn verdict(text: &str) -> Verdict {
    let failure = || Failure::new(400, "HH0004: it does not fit");
    match (text.strip_prefix('!'), text.strip_prefix('?')) {
        (Some(value), _) => {
            Verdict::Unusable { value: Some(Payload::from(value.to_owned())), failure: failure() }
        }
        (None, Some(_)) => Verdict::Unusable { value: None, failure: failure() },
        (None, None) => Verdict::Input(Payload::from(text.to_owned())),
    }
}

/// Reads a key, in which `^` stands for a byte that is not UTF-8.
fn key_of(text: &str) -> Payload {
    text.bytes().map(|byte| if byte == b'^' { 0xff } else { byte }).collect()
}
