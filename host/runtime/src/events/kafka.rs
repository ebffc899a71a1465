//! A topic of a Kafka cluster, read with librdkafka. Nothing here knows what becomes of a record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use holiday_core::subscription::{Offset, Partition};
use holiday_core::time::Timestamp;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use tracing::debug;

use super::record::Message;
use super::{ClusterConfig, SeekTo};

/// How long a broker may take to answer a question about a topic.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that a reader fetches ahead, where the settings do not say otherwise.
pub(super) const FETCHED_AHEAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Settings that an operator may override.
const DEFAULTS: [(&str, &str); 7] = [
    ("client.id", "holiday-host"),
    ("statistics.interval.ms", "1000"),
    // A message takes some hundred bytes beside its own: small ones count by their number.
    ("queued.min.messages", "2000"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.wait.max.ms", "100"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "5000"),
];

/// Settings that are the host's: it owns the positions.
pub(super) const OWNED: [(&str, &str); 4] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("allow.auto.create.topics", "false"),
];

/// Why a topic cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    NoTopic,
    Unavailable(String),
}

/// The partitions of a topic, each with where it begins and where it ends.
pub(super) type Extents = BTreeMap<Partition, (Offset, Offset)>;

/// The next thing that a topic delivers.
#[derive(Debug)]
pub(super) enum Delivery {
    Message(Message),
    /// All records up to the end of the partition were delivered.
    End,
    /// A partition cannot be read on; a look at its extents says why.
    OutOfRange,
    Trouble(Trouble),
}

/// A connection to one topic.
pub(super) struct Topic {
    name: String,
    /// Taken when it is dropped: closing can wait for brokers.
    consumer: Option<Arc<StreamConsumer<Client>>>,
    told: Arc<Mutex<Told>>,
}

/// The latest reports of the client library.
#[derive(Debug, Default)]
struct Told {
    /// Why brokers could not be used, in the library's words.
    reason: Option<String>,
    /// Where partitions end, by what was fetched from them.
    ends: BTreeMap<Partition, Offset>,
    ends_at: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    topic: String,
    told: Arc<Mutex<Told>>,
}

impl Client {
    fn new(topic: &str) -> (Self, Arc<Mutex<Told>>) {
        let told = Arc::new(Mutex::new(Told::default()));
        (Client { topic: topic.to_owned(), told: Arc::clone(&told) }, told)
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let kept = &mut lock(&self.told).reason;
        // That all brokers are down says less than what each of them was down for.
        let is_sum = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !(is_sum && kept.is_some()) {
            *kept = Some(reason.to_owned());
        }
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let ends =
            topic.partitions.values().filter_map(|it| Some((number(it.partition)?, offset(it.hi_offset)?)));
        let mut told = lock(&self.told);
        told.ends = ends.collect();
        told.ends_at = Some(Instant::now());
    }
}

impl ConsumerContext for Client {}

/// Makes the settings of a client.
fn settings(cluster: &ClusterConfig, group: &str, own: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", cluster.brokers.join(","));
    config.set("queued.max.messages.kbytes", (FETCHED_AHEAD_BYTES_MAX / 1024).to_string());
    for (name, value) in DEFAULTS {
        config.set(name, value);
    }
    for (name, value) in &cluster.settings {
        config.set(name, value.expose());
    }
    for (name, value) in own {
        config.set(name, value);
    }
    for (name, value) in OWNED {
        config.set(name, value);
    }
    config.set("group.id", group);
    config
}

/// Refuses settings that librdkafka does not know, or that contradict each other.
pub(super) fn check(cluster: &ClusterConfig, own: &BTreeMap<String, String>) -> Result<(), String> {
    let config = settings(cluster, "check", own);
    match BaseConsumer::from_config_and_context(&config, Client::new("").0) {
        Ok(consumer) => {
            close(consumer);
            Ok(())
        }
        Err(error) => Err(in_words(&error)),
    }
}

/// Refuses settings that librdkafka does not know, and values that they do not take. Settings may be missing.
pub(super) fn check_each(cluster: &ClusterConfig) -> Result<(), String> {
    let config = settings(cluster, "check", &BTreeMap::new());
    config.create_native_config().map(drop).map_err(|error| in_words(&error))
}

impl Topic {
    pub(super) fn open(
        cluster: &ClusterConfig,
        name: &str,
        group: &str,
        own: &BTreeMap<String, String>,
        tells_ends: bool,
    ) -> Result<Self, Trouble> {
        let mut config = settings(cluster, group, own);
        config.set("enable.partition.eof", tells_ends.to_string());
        let (client, told) = Client::new(name);
        let consumer = StreamConsumer::from_config_and_context(&config, client)
            .map_err(|error| Trouble::Unavailable(in_words(&error)))?;
        Ok(Topic { name: name.to_owned(), consumer: Some(Arc::new(consumer)), told })
    }

    fn consumer(&self) -> &Arc<StreamConsumer<Client>> {
        self.consumer.as_ref().expect("there until it is dropped")
    }

    /// Asks which partitions there are, and what each of them has.
    pub(super) async fn extents(&self) -> Result<Extents, Trouble> {
        let (consumer, name) = (Arc::clone(self.consumer()), self.name.clone());
        let asked = ask(move || {
            let metadata = consumer.fetch_metadata(Some(&name), ANSWER_TIMEOUT)?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let missing = RDKafkaErrorCode::UnknownTopicOrPartition;
            let topic = topic.ok_or(KafkaError::MetadataFetch(missing))?;
            if let Some(error) = topic.error() {
                return Err(KafkaError::MetadataFetch(error.into()));
            }
            let mut extents = Extents::new();
            for partition in topic.partitions() {
                let (begin, end) = consumer.fetch_watermarks(&name, partition.id(), ANSWER_TIMEOUT)?;
                if let (Some(id), Some(begin), Some(end)) =
                    (number(partition.id()), offset(begin), offset(end))
                {
                    extents.insert(id, (begin, end));
                }
            }
            match extents.is_empty() {
                true => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)),
                false => Ok(extents),
            }
        });
        let extents = asked.await.map_err(|error| self.trouble(&error))?;
        lock(&self.told).reason = None;
        Ok(extents)
    }

    /// The ends of partitions by what was fetched from them, if they were looked at after `since`.
    ///
    /// Brokers answer questions about ends from caches; a fetch tells what its partition has.
    pub(super) fn ends_after(&self, since: Instant) -> Option<BTreeMap<Partition, Offset>> {
        let told = lock(&self.told);
        told.ends_at.filter(|at| *at > since).map(|_| told.ends.clone())
    }

    /// Asks where the consumer group has got to, for the partitions that it has read.
    pub(super) async fn committed(
        &self,
        partitions: Vec<Partition>,
    ) -> Result<BTreeMap<Partition, Offset>, Trouble> {
        let (consumer, name) = (Arc::clone(self.consumer()), self.name.clone());
        let asked = ask(move || {
            let list = list(&name, partitions.into_iter().map(|it| (it, KafkaOffset::Invalid)))?;
            consumer.committed_offsets(list, ANSWER_TIMEOUT)
        });
        Ok(offsets_of(&asked.await.map_err(|error| self.trouble(&error))?))
    }

    /// Asks where a seek goes.
    pub(super) async fn find(
        &self,
        extents: &Extents,
        to: SeekTo,
    ) -> Result<BTreeMap<Partition, Offset>, Trouble> {
        let all =
            |of: fn(&(Offset, Offset)) -> Offset| extents.iter().map(|(it, at)| (*it, of(at))).collect();
        let time = match to {
            SeekTo::Offset(offset) => return Ok(extents.keys().map(|it| (*it, offset)).collect()),
            SeekTo::Earliest => return Ok(all(|(begin, _)| *begin)),
            SeekTo::Latest => return Ok(all(|(_, end)| *end)),
            SeekTo::Time(time) => i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
        };
        let (consumer, name) = (Arc::clone(self.consumer()), self.name.clone());
        let partitions: Vec<_> = extents.keys().copied().collect();
        let asked = ask(move || {
            let list = list(&name, partitions.into_iter().map(|it| (it, KafkaOffset::Offset(time))))?;
            consumer.offsets_for_times(list, ANSWER_TIMEOUT)
        });
        let mut found: BTreeMap<_, _> = all(|(_, end)| *end);
        found.extend(offsets_of(&asked.await.map_err(|error| self.trouble(&error))?));
        Ok(found)
    }

    /// Has a partition delivered from there on.
    pub(super) fn read_from(&self, partition: Partition, offset: Offset) -> Result<(), Trouble> {
        let offset = i64::try_from(offset.0).unwrap_or(i64::MAX);
        let assigned = list(&self.name, [(partition, KafkaOffset::Offset(offset))])
            .and_then(|list| self.consumer().incremental_assign(&list));
        assigned.map_err(|error| self.trouble(&error))
    }

    /// Has a partition not delivered any more.
    pub(super) fn leave(&self, partition: Partition) {
        let left = list(&self.name, [(partition, KafkaOffset::Invalid)])
            .and_then(|list| self.consumer().incremental_unassign(&list));
        if let Err(error) = left {
            debug!(%partition, "a partition was not left: {error}");
        }
    }

    /// Waits for what comes next.
    pub(super) async fn next(&self) -> Delivery {
        self.delivery(self.consumer().recv().await)
    }

    /// Gives what has come already.
    pub(super) fn try_next(&self) -> Option<Delivery> {
        self.consumer().recv().now_or_never().map(|received| self.delivery(received))
    }

    /// Reports positions to the consumer group, without waiting for it.
    pub(super) fn commit(&self, positions: impl IntoIterator<Item = (Partition, Offset)>) {
        let positions = positions.into_iter().map(|(partition, next)| {
            (partition, KafkaOffset::Offset(i64::try_from(next.0).unwrap_or(i64::MAX)))
        });
        let committed =
            list(&self.name, positions).and_then(|list| self.consumer().commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            debug!("positions were not reported to the consumer group: {error}");
        }
    }

    fn delivery(&self, received: KafkaResult<BorrowedMessage<'_>>) -> Delivery {
        match received {
            Ok(message) => match copy(&message) {
                Some(message) => Delivery::Message(message),
                None => Delivery::Trouble(Trouble::Unavailable(
                    "the broker sent a record without a valid offset".to_owned(),
                )),
            },
            Err(KafkaError::PartitionEOF(_)) => Delivery::End,
            Err(error) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Delivery::OutOfRange
                }
                _ => Delivery::Trouble(self.trouble(&error)),
            },
        }
    }

    fn trouble(&self, error: &KafkaError) -> Trouble {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Trouble::NoTopic
            }
            _ => {
                let reason = lock(&self.told).reason.clone();
                Trouble::Unavailable(reason.unwrap_or_else(|| in_words(error)))
            }
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            close(consumer);
        }
    }
}

/// Closes a client on a thread of its own: closing can take long.
fn close(consumer: impl Send + 'static) {
    // Where there is no thread to be had, the closing waits here.
    drop(thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(consumer)));
}

/// Asks a broker on a thread that may block.
async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> KafkaResult<T> {
    match tokio::task::spawn_blocking(question).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The host stops.
            Err(_) => Err(KafkaError::Canceled),
        },
    }
}

fn in_words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => format!("setting '{name}': {reason}"),
        KafkaError::ClientCreation(reason) => reason.clone(),
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => other.to_string(),
        },
    }
}

fn copy(message: &BorrowedMessage<'_>) -> Option<Message> {
    let headers = message.headers().map(|headers| {
        let header = |it: rdkafka::message::Header<'_, &[u8]>| {
            (it.key.to_owned(), it.value.map(Bytes::copy_from_slice))
        };
        headers.iter().map(header).collect()
    });
    Some(Message {
        partition: number(message.partition())?,
        offset: offset(message.offset())?,
        timestamp: message
            .timestamp()
            .to_millis()
            .and_then(|it| u64::try_from(it).ok())
            .map(Timestamp::from_millis),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    })
}

fn list(
    topic: &str,
    offsets: impl IntoIterator<Item = (Partition, KafkaOffset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        let partition = i32::try_from(partition.0).unwrap_or(i32::MAX);
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

fn offsets_of(list: &TopicPartitionList) -> BTreeMap<Partition, Offset> {
    let found = list.elements().into_iter().filter_map(|it| match it.offset() {
        KafkaOffset::Offset(at) => Some((number(it.partition())?, offset(at)?)),
        _ => None,
    });
    found.collect()
}

fn number(partition: i32) -> Option<Partition> {
    u32::try_from(partition).ok().map(Partition)
}

fn offset(offset: i64) -> Option<Offset> {
    u64::try_from(offset).ok().map(Offset)
}
