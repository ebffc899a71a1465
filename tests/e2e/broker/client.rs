//! Clients of a broker: they manage topics, produce and read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::harness::PATIENCE;

/// Pause while the producer has no room for another record.
const PAUSE: Duration = Duration::from_millis(5);

/// How long the broker waits for more records before it says that there are none.
const FETCH_WAIT_MS: &str = "10";

/// A record to produce.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    topic: String,
    partition: Option<i32>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: Option<i64>,
}

impl Record {
    /// A record with a key and a value, for the partition that the key hashes to.
    pub(crate) fn new(topic: &str, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Record {
        let (key, value) = (Some(key.into()), Some(value.into()));
        Record { topic: topic.to_owned(), partition: None, key, value, headers: Vec::new(), timestamp: None }
    }

    pub(crate) fn without_key(mut self) -> Record {
        self.key = None;
        self
    }

    /// Makes the record a tombstone: its value is null.
    pub(crate) fn without_value(mut self) -> Record {
        self.value = None;
        self
    }

    pub(crate) fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Record {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Milliseconds since 1970.
    pub(crate) fn timestamp(mut self, millis: i64) -> Record {
        self.timestamp = Some(millis);
        self
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: Option<i64>,
}

fn config(broker: SocketAddr) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.to_string());
    // Larger than what the host takes, which is for the tests to show.
    config.set("message.max.bytes", "50000000");
    config
}

fn consumer(broker: SocketAddr, group: &str) -> BaseConsumer {
    let mut config = config(broker);
    config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "error");
    config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", FETCH_WAIT_MS);
    config.create().expect("a consumer")
}

pub(super) async fn create_topic(broker: SocketAddr, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(broker).create().expect("a client");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let created = admin.create_topics(&[topic], &AdminOptions::new()).await.expect("the broker answers");
    assert_eq!(created, [Ok(name.to_owned())]);
}

pub(super) async fn delete_topic(broker: SocketAddr, name: &str) {
    let admin: AdminClient<DefaultClientContext> = config(broker).create().expect("a client");
    let deleted = admin.delete_topics(&[name], &AdminOptions::new()).await.expect("the broker answers");
    assert_eq!(deleted, [Ok(name.to_owned())]);
}

/// The place of each record that was acknowledged, by its index.
#[derive(Default)]
struct Acknowledged(Mutex<BTreeMap<usize, (i32, i64)>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        // A record that the broker has refused stays missing.
        if let Ok(record) = result {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            places.insert(*index, (record.partition(), record.offset()));
        }
    }
}

pub(super) fn produce(broker: SocketAddr, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
    let mut config = config(broker);
    config.set("acks", "all").set("linger.ms", "5");
    // Without retries, records are neither doubled nor reordered.
    config.set("retries", "0");
    let producer: ThreadedProducer<Acknowledged> =
        config.create_with_context(Acknowledged::default()).expect("a producer");
    let mut count = 0;
    for record in records {
        send(&producer, &record, count);
        count += 1;
    }
    producer.flush(PATIENCE).expect("the broker acknowledges");
    let places = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(places.len(), count, "records that the broker has acknowledged");
    places.values().copied().collect()
}

fn send(producer: &ThreadedProducer<Acknowledged>, record: &Record, index: usize) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut next = BaseRecord::with_opaque_to(&record.topic, Box::new(index)).headers(headers);
    next.partition = record.partition;
    next.key = record.key.as_deref();
    next.payload = record.value.as_deref();
    next.timestamp = record.timestamp;
    while let Err((error, refused)) = producer.send(next) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        std::thread::sleep(PAUSE);
        next = refused;
    }
}

pub(super) fn read(broker: SocketAddr, topic: &str, partition: i32) -> Vec<Read> {
    let consumer = consumer(broker, "read");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(0)).expect("an offset");
    consumer.assign(&assignment).expect("a partition");
    let (began, mut records) = (Instant::now(), Vec::new());
    loop {
        assert!(began.elapsed() < PATIENCE, "{topic} does not end after {} records", records.len());
        match consumer.poll(Duration::from_secs(1)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return records,
            Some(Err(error)) => panic!("{topic} cannot be read: {error}"),
            Some(Ok(message)) => records.push(Read {
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: message.headers().into_iter().flat_map(|it| it.iter()).map(owned).collect(),
                timestamp: message.timestamp().to_millis(),
            }),
        }
    }
}

fn owned(header: Header<'_, &[u8]>) -> (String, Option<Vec<u8>>) {
    (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
}

pub(super) fn watermarks(broker: SocketAddr, topic: &str, partition: i32) -> (i64, i64) {
    consumer(broker, "watermarks").fetch_watermarks(topic, partition, PATIENCE).expect("the broker answers")
}

pub(super) fn committed(broker: SocketAddr, group: &str, topic: &str) -> BTreeMap<i32, i64> {
    let consumer = consumer(broker, group);
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        partitions.add_partition(topic, partition.id());
    }
    let committed = consumer.committed_offsets(partitions, PATIENCE).expect("the broker answers");
    let committed = committed.elements();
    let offsets = committed.iter().filter_map(|it| match it.offset() {
        Offset::Offset(offset) => Some((it.partition(), offset)),
        _ => None,
    });
    offsets.collect()
}
