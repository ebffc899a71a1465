//! Events: the records of topics become invocations.
//!
//! ```text
//! broker ──▶ Topic ──▶ Reader ──Take──▶ driver: engine::subscription
//!            (kafka.rs) (reader.rs)  ◀── how far it is taken, when durable
//! ```
//!
//! The engine decides what becomes of records and how far they are taken. This module reads them: one reader per
//! subscription asks the state for its positions, and offers the engine the records behind them. Readers hold nothing
//! that a crash could lose.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod key_reader;
mod live;
#[cfg(feature = "kafka")]
mod reader;
#[cfg(not(feature = "kafka"))]
#[path = "without_kafka.rs"]
mod reader;
#[cfg(feature = "kafka")]
mod record;
mod settings;
#[cfg(feature = "kafka")]
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holiday_core::error::ErrorCode;
use holiday_core::id::SubscriptionId;
use holiday_core::state::StoreError;
use holiday_core::subscription::{Offset, ParkedRecord, Partition, Sink, Source, Subscription, Verdict};
use holiday_core::time::Timestamp;
use holiday_core::value::{self, Failure};
use tokio::task::{AbortHandle, JoinHandle};

pub use live::{LiveEvents, LivePartition, LiveSubscription, ReaderState};
pub use reader::{check_each_setting, check_settings};
pub use settings::{is_of_cluster, is_secret, why_owned};

use crate::driver::{Handle, HandleError, HostState};
use crate::metrics::Metrics;
use crate::secret::Secret;

/// Time between two looks at the list of subscriptions, when no operator has changed it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A Kafka cluster of the configuration, with its secrets.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    pub name: String,
    /// `host:port`, or `PROTOCOL://host:port`.
    pub brokers: Vec<String>,
    /// Settings of librdkafka, such as `security.protocol`.
    pub settings: BTreeMap<String, Secret>,
}

/// Where a seek goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    Offset(Offset),
    /// The first record with this timestamp or a later one.
    Time(Timestamp),
    Earliest,
    /// Behind the last record.
    Latest,
}

/// A seek of one partition, looked up at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub partition: Partition,
    pub next: Offset,
    /// The partition has records from here …
    pub begin: Offset,
    /// … up to here, exclusive.
    pub end: Offset,
}

/// Says why a cluster could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    #[error("there is no Kafka cluster '{cluster}' in the configuration; it names {known}")]
    UnknownCluster { cluster: String, known: String },
    #[error("the Kafka cluster '{cluster}' cannot be used: {reason}")]
    Unavailable { cluster: String, reason: String },
    #[error("the topic '{topic}' does not exist in the Kafka cluster '{cluster}'")]
    UnknownTopic { cluster: String, topic: String },
    #[error("the topic '{topic}' has no partition {partition}")]
    UnknownPartition { topic: String, partition: Partition },
}

impl EventsError {
    pub fn code(&self) -> ErrorCode {
        match self {
            EventsError::UnknownCluster { .. } => ErrorCode::UnknownCluster,
            EventsError::Unavailable { .. } | EventsError::UnknownTopic { .. } => ErrorCode::KafkaUnavailable,
            EventsError::UnknownPartition { .. } => ErrorCode::UnknownPartition,
        }
    }

    /// The HTTP status that says the same.
    pub fn status(&self) -> u16 {
        match self {
            EventsError::UnknownCluster { .. } => 400,
            EventsError::UnknownTopic { .. } | EventsError::UnknownPartition { .. } => 404,
            EventsError::Unavailable { .. } => 503,
        }
    }
}

/// Why a value is not an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub failure: Failure,
    /// The value may have secrets in it, and must not be stored.
    pub is_secret: bool,
}

/// Holds values against the inputs of handlers.
pub trait Inputs: fmt::Debug + Send + Sync {
    /// Bytes that an input may have.
    fn bytes_max(&self) -> usize;

    /// Returns the value as it may be recorded. Without a content type, it is taken to be what the handler takes.
    fn admit<'a>(
        &'a self,
        sink: &'a Sink,
        content_type: Option<&'a str>,
        value: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, Unfit>> + Send + 'a>>;
}

/// The readers of all subscriptions; cheap to clone. They end with [`Events::stop`].
#[derive(Clone, Debug)]
pub struct Events {
    shared: Arc<Shared>,
    task: Arc<AbortHandle>,
}

/// The parts that readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    clusters: BTreeMap<String, ClusterConfig>,
    inputs: Arc<dyn Inputs>,
    handle: Handle,
    live: LiveEvents,
    metrics: Metrics,
}

impl Events {
    /// Begins to read for the subscriptions that the state has, and for those that are created later.
    pub fn start(
        handle: Handle,
        clusters: Vec<ClusterConfig>,
        inputs: Arc<dyn Inputs>,
        metrics: Metrics,
    ) -> Events {
        let clusters = clusters.into_iter().map(|it| (it.name.clone(), it)).collect();
        let shared = Arc::new(Shared { clusters, inputs, handle, live: LiveEvents::default(), metrics });
        let task = tokio::spawn(keep_readers(Arc::clone(&shared)));
        Events { shared, task: Arc::new(task.abort_handle()) }
    }

    /// Ends all readers. What they have read and the engine has not taken is read again after the next start.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Refuses a source whose cluster is not configured.
    pub fn check_source(&self, source: &Source) -> Result<(), EventsError> {
        self.shared.cluster(source).map(drop)
    }

    /// Refuses settings of a subscription that the client library does not take. The cluster is configured.
    pub async fn check_options(&self, source: &Source, own: BTreeMap<String, String>) -> Result<(), String> {
        let Ok(cluster) = self.shared.cluster(source) else { return Ok(()) };
        let cluster = cluster.clone();
        // The library makes a client, which takes a while.
        let checked = tokio::task::spawn_blocking(move || reader::check_own_settings(&cluster, &own));
        checked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Returns what the reader of a subscription knows now; `None` before it has begun.
    pub fn live(&self, id: &SubscriptionId) -> Option<LiveSubscription> {
        self.shared.live.of(id)
    }

    /// Asks the broker where a seek of these partitions goes.
    pub async fn resolve(
        &self,
        source: &Source,
        partitions: Vec<Partition>,
        to: SeekTo,
    ) -> Result<Vec<Resolved>, EventsError> {
        let cluster = self.shared.cluster(source)?;
        reader::resolve(cluster, source, partitions, to).await
    }

    /// Holds the value of a parked record against the handler as it is now. One that was an input before is not checked
    /// again: its sealed fields are sealed, and the handler judges the rest.
    pub async fn verdict(&self, sink: &Sink, parked: &ParkedRecord) -> Verdict {
        let value = parked.value.clone();
        if let (Some(_), Some(value)) = (parked.invocation, &value) {
            return Verdict::Input(value.clone());
        }
        let content_type = parked.headers.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map(|(_, value)| value.as_str());
        let given = value.clone().unwrap_or_default();
        match self.shared.inputs.admit(sink, content_type, given).await {
            Ok(input) => Verdict::Input(input),
            Err(unfit) => Verdict::Unusable { value, failure: unfit.failure },
        }
    }
}

impl Shared {
    fn cluster(&self, source: &Source) -> Result<&ClusterConfig, EventsError> {
        self.clusters.get(&source.cluster).ok_or_else(|| EventsError::UnknownCluster {
            cluster: source.cluster.clone(),
            known: match self.clusters.is_empty() {
                true => "none".to_owned(),
                false => self.clusters.keys().cloned().collect::<Vec<_>>().join(", "),
            },
        })
    }
}

/// Makes a failure of which the code is part of the message, as those of handlers have it.
pub(crate) fn failure(status: u16, code: ErrorCode, message: &str) -> Failure {
    Failure::new(status, value::cut(format!("{code}: {message}")))
}

/// Keeps one reader per subscription.
async fn keep_readers(shared: Arc<Shared>) {
    let mut readers = Readers(HashMap::new());
    loop {
        let changed = shared.handle.subscriptions_changed();
        match subscriptions(&shared.handle).await {
            Ok(subscriptions) => readers.keep(&shared, subscriptions),
            // The driver is gone, or meets the same error and stops.
            Err(_) => return,
        }
        drop(tokio::time::timeout(LOOK_INTERVAL, changed).await);
    }
}

async fn subscriptions(handle: &Handle) -> Result<Vec<(SubscriptionId, Subscription)>, ReadError> {
    Ok(handle.query(HostState::subscriptions).await??)
}

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Handle(#[from] HandleError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Dropping it ends the readers.
struct Readers(HashMap<SubscriptionId, JoinHandle<()>>);

impl Readers {
    fn keep(&mut self, shared: &Arc<Shared>, subscriptions: Vec<(SubscriptionId, Subscription)>) {
        self.0.retain(|id, reader| {
            let stays = !reader.is_finished() && subscriptions.iter().any(|(it, _)| it == id);
            if !stays {
                reader.abort();
                shared.live.forget(id);
                shared.metrics.subscriptions.forget(id);
            }
            stays
        });
        for (id, subscription) in subscriptions {
            self.0
                .entry(id)
                .or_insert_with(|| tokio::spawn(reader::run(Arc::clone(shared), id, subscription)));
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.0.values().for_each(JoinHandle::abort);
    }
}
