//! The broker: topics with partitions, whose records come and go while they are read.
//!
//! It also remembers every record that was ever written, so that the oracle can tell which one was taken.

use std::collections::BTreeMap;

use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{Offset, Partition, SourceRecord, Verdict, digest_of};
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Payload};

#[derive(Debug, Default)]
pub(crate) struct Broker {
    topics: BTreeMap<String, Topic>,
    /// Records written so far: each has its number for a timestamp, so that no two are equal.
    written: u64,
    /// Which topic each record was written to, by its digest.
    written_to: BTreeMap<u64, u64>,
    /// The number of the next topic: one that is created anew has another number.
    next_incarnation: u64,
    /// The generation and offset that consumer groups have committed.
    pub(crate) committed: BTreeMap<(SubscriptionId, Partition), (u32, Offset)>,
}

#[derive(Debug, Default)]
pub(crate) struct Topic {
    incarnation: u64,
    /// Another topic of this name was there before.
    is_second: bool,
    partitions: BTreeMap<Partition, Log>,
}

/// The records of one partition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) begin: Offset,
    pub(crate) end: Offset,
    records: BTreeMap<Offset, Message>,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) key: Option<Payload>,
    value: String,
    timestamp: Timestamp,
}

/// The mark of a value that is no input of its handler.
const POISON: char = '!';

impl Broker {
    pub(crate) fn create(&mut self, name: &str, partitions: u32) {
        self.next_incarnation += 1;
        let is_second = self.topics.contains_key(name);
        let partitions = (0..partitions).map(|it| (Partition(it), Log::default())).collect();
        let topic = Topic { incarnation: self.next_incarnation, is_second, partitions };
        self.topics.insert(name.to_owned(), topic);
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(crate) fn topic_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    /// Appends a record to a partition that is there.
    pub(crate) fn write(&mut self, name: &str, partition: Partition, key: Option<&[u8]>, value: &str) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        let Some(log) = topic.partitions.get_mut(&partition) else { return };
        self.written += 1;
        let message = Message {
            key: key.map(Payload::copy_from_slice),
            value: value.to_owned(),
            timestamp: Timestamp::from_millis(self.written),
        };
        self.written_to.insert(message.digest(), topic.incarnation);
        log.records.insert(log.end, message);
        log.end = log.end.next();
    }

    /// The topic of this name, if the record was written to it and not to one before it.
    pub(crate) fn topic_of(&self, name: &str, record: &SourceRecord) -> Option<&Topic> {
        let incarnation = self.written_to.get(&record.digest)?;
        self.topics.get(name).filter(|topic| topic.incarnation == *incarnation)
    }
}

impl Topic {
    /// Returns true if a subscription recognises this topic, or that it is not the one it has read: by the last record that
    /// it has taken, so not if that one is missing here.
    pub(crate) fn is_recognised(&self) -> bool {
        let is_whole = |log: &Log| log.records.len() as u64 == log.end.0;
        !self.is_second || self.partitions.values().all(is_whole)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (Partition, &Log)> {
        self.partitions.iter().map(|(partition, log)| (*partition, log))
    }

    pub(crate) fn log(&self, partition: Partition) -> Option<&Log> {
        self.partitions.get(&partition)
    }

    pub(crate) fn log_mut(&mut self, partition: Partition) -> Option<&mut Log> {
        self.partitions.get_mut(&partition)
    }

    pub(crate) fn add_partition(&mut self) {
        let next = u32::try_from(self.partitions.len()).expect("a few");
        self.partitions.insert(Partition(next), Log::default());
    }
}

impl Log {
    /// The records from `from` on.
    pub(crate) fn from(&self, from: Offset) -> impl Iterator<Item = (Offset, &Message)> {
        self.records.range(from..).map(|(offset, message)| (*offset, message))
    }

    /// An offset passes that no record has, as a transaction has them.
    pub(crate) fn skip(&mut self) {
        self.end = self.end.next();
    }

    /// Removes the record at an offset, unless it is the last: a later one of its key stands for it.
    pub(crate) fn compact(&mut self, offset: Offset) {
        if self.records.keys().next_back() != Some(&offset) {
            self.records.remove(&offset);
        }
    }

    /// Deletes the records before an offset.
    pub(crate) fn truncate(&mut self, begin: Offset) {
        self.begin = begin.min(self.end);
        self.records = self.records.split_off(&self.begin);
    }
}

impl Message {
    fn digest(&self) -> u64 {
        digest_of(Some(self.timestamp), self.key.as_deref(), Some(self.value.as_bytes()))
    }

    /// The record as the reader offers it, with its verdict on the value.
    pub(crate) fn judged(&self, offset: Offset) -> SourceRecord {
        SourceRecord {
            offset,
            timestamp: Some(self.timestamp),
            key: self.key.clone(),
            headers: vec![("kafka.offset".to_owned(), offset.to_string())],
            value: judge(&self.value),
            digest: self.digest(),
        }
    }
}

fn judge(value: &str) -> Verdict {
    match value.strip_prefix(POISON) {
        None => Verdict::Input(Payload::from(value.to_owned())),
        Some(poison) => Verdict::Unusable {
            value: (!poison.is_empty()).then(|| Payload::from(poison.to_owned())),
            failure: Failure::new(400, "HH0004: it does not fit"),
        },
    }
}
