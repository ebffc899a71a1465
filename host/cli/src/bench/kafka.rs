//! From a topic to invocations that have ended, beside what the broker and the ingress can do.

use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use holiday_core::error::ErrorCode;
use holiday_runtime::config::KafkaCluster;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output;

/// The name of the cluster in the configuration of the measured host.
const CLUSTER: &str = "bench";

/// Keys of the records: so many can be handled at a time.
const KEYS: u32 = 1_000;

/// The longest that the broker may take for one answer, or the host to make progress.
const WAIT: Duration = Duration::from_secs(60);

/// Records per second.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) records: u32,
    /// Read from the topic, and nothing done with them.
    pub(super) consumed: f64,
    /// Read from the topic, and handled to the end.
    pub(super) completed: f64,
}

impl Rates {
    pub(super) fn json(&self) -> Value {
        json!({
            "records": self.records,
            "consumed_per_sec": self.consumed,
            "completed_per_sec": self.completed,
        })
    }

    pub(super) fn print(&self) {
        let rate = |per_sec: f64| format!("{per_sec:.0}");
        let rows = vec![
            vec!["read by librdkafka alone".to_owned(), rate(self.consumed)],
            vec!["kafka: read and handled to the end".to_owned(), rate(self.completed)],
        ];
        output::print("");
        output::print(&output::table(&["TOPIC", "RECORDS/s"], rows));
    }
}

/// Only brokers on this machine are measured.
pub(super) fn parse_brokers(text: &str) -> std::result::Result<String, String> {
    for broker in text.split(',') {
        let addresses = broker.to_socket_addrs().map_err(|error| format!("'{broker}': {error}"))?;
        if let Some(address) = addresses.into_iter().find(|address| !address.ip().is_loopback()) {
            return Err(format!("{address} is not on this machine"));
        }
    }
    Ok(text.to_owned())
}

/// The cluster as the measured host knows it.
pub(super) fn cluster(brokers: &str) -> KafkaCluster {
    KafkaCluster {
        name: CLUSTER.to_owned(),
        brokers: brokers.split(',').map(str::to_owned).collect(),
        settings: std::collections::BTreeMap::new(),
    }
}

/// Fills a topic, reads it, and has it handled by `Bench/greet`.
pub(super) async fn measure(brokers: &str, records: u32, admin: &Client) -> Result<Rates> {
    let topic = format!("holiday-bench-{:08x}", rand::random::<u32>());
    create(brokers, &topic).await.map_err(failed)?;
    let (of, name) = (brokers.to_owned(), topic.clone());
    let consumed = tokio::task::spawn_blocking(move || {
        fill(&of, &name, records)?;
        read(&of, &name, records)
    });
    let consumed = consumed.await.expect("librdkafka does not panic").map_err(failed)?;
    let completed = handle(admin, &topic, records).await?;
    Ok(Rates { records, consumed, completed })
}

fn failed(error: KafkaError) -> Failure {
    Failure::new(ErrorCode::KafkaUnavailable, error)
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "holiday-bench");
    config
}

async fn create(brokers: &str, topic: &str) -> std::result::Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = client(brokers).create()?;
    let options = AdminOptions::new().operation_timeout(Some(WAIT));
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let created = admin.create_topics([&new], &options);
    match created.await?.pop() {
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn fill(brokers: &str, topic: &str, records: u32) -> std::result::Result<(), KafkaError> {
    let producer: BaseProducer = client(brokers).set("linger.ms", "5").create()?;
    for number in 0..records {
        let key = format!("key{}", number % KEYS);
        let mut record = BaseRecord::to(topic).partition(0).key(&key).payload(r#""Ann""#);
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(WAIT)
}

fn read(brokers: &str, topic: &str, records: u32) -> std::result::Result<f64, KafkaError> {
    let consumer: BaseConsumer = client(brokers).create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)?;
    let start = Instant::now();
    consumer.assign(&from)?;
    for _ in 0..records {
        match consumer.poll(WAIT) {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)),
        }
    }
    Ok(f64::from(records) / start.elapsed().as_secs_f64())
}

/// From the creation of the subscription to the end of the last invocation.
async fn handle(admin: &Client, topic: &str, records: u32) -> Result<f64> {
    let subscription = json!({
        "source": format!("kafka://{CLUSTER}/{topic}"),
        "sink": "service://Bench/greet",
        "options": { "auto.offset.reset": "earliest" },
    });
    let start = Instant::now();
    let request = admin.request(reqwest::Method::POST, &["subscriptions"])?.json(&subscription);
    let created = admin.json(request).await?;
    let id = created["id"].as_str().unwrap_or_default().to_owned();
    let (mut done, mut moved) = (0, Instant::now());
    while done < u64::from(records) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let description = admin.json(admin.request(reqwest::Method::GET, &["subscriptions", &id])?).await?;
        let now = description["counts"]["succeeded"].as_u64().unwrap_or_default();
        if now > done {
            (done, moved) = (now, Instant::now());
        } else if moved.elapsed() > WAIT || description["counts"]["failed"] != 0 {
            let message = format!("the subscription stays like this: {:?}", description["counts"]);
            return Err(Failure::new(ErrorCode::Internal, message));
        }
    }
    Ok(f64::from(records) / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brokers_of_this_machine_are_measured() {
        assert!(parse_brokers("127.0.0.1:9092,localhost:9093").is_ok());
        for brokers in ["10.0.0.1:9092", "127.0.0.1:9092,192.168.0.1:9092", "127.0.0.1"] {
            assert!(parse_brokers(brokers).is_err(), "{brokers}");
        }
    }
}
