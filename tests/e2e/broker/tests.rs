//! The broker does what the tests of subscriptions rely on.

use std::process::Command;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::block_in_place;

use super::{Broker, Read, Record};
use crate::cloud::{Cloud, Verdict};
use crate::harness::{PATIENCE, output, stdout};

const TOPIC: &str = "posts";

/// A time in milliseconds since 1970.
const MORNING: i64 = 1_700_000_000_000;

/// Produces lines such as `key:value`.
const PRODUCE: &str = "
import sys
from confluent_kafka import Producer

_, broker, topic, lines = sys.argv
producer = Producer({'bootstrap.servers': broker})
for line in lines.splitlines():
    key, value = line.split(':', 1)
    producer.produce(topic, value, key)
producer.flush()
";

/// How long a question to a broker that does not answer takes.
const MOMENT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn records_keep_their_keys_order_and_headers() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 2).await;
    let plain = |key, value| Record::new(TOPIC, key, value).partition(1);
    let places = broker.produce([
        plain("ada", "1").header("trace", "t1").header("trace", [0xff]).timestamp(MORNING),
        plain("bob", "2").without_key().timestamp(MORNING),
        plain("ada", "3").without_value().timestamp(MORNING),
    ]);
    assert_eq!(places, [(1, 0), (1, 1), (1, 2)]);

    let record = |offset, key: Option<&str>, value: Option<&str>| Read {
        offset,
        key: key.map(|it| it.as_bytes().to_vec()),
        value: value.map(|it| it.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp: Some(MORNING),
    };
    let headers = [b"t1".to_vec(), vec![0xff]].map(|value| ("trace".to_owned(), Some(value)));
    let first = Read { headers: headers.to_vec(), ..record(0, Some("ada"), Some("1")) };
    let others = [record(1, None, Some("2")), record(2, Some("ada"), None)];
    assert_eq!(broker.read(TOPIC, 1), [vec![first], others.to_vec()].concat());
    assert_eq!(broker.read(TOPIC, 0), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_python_produces_keys_and_values() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let mut client = Command::new(broker.environment().join("bin/python"));
    client.args(["-c", PRODUCE, &broker.address().to_string(), TOPIC, "ada:{\"a\": 1}\nbob:2\n"]);
    assert_eq!(stdout(&output(client).await), "");
    assert_eq!(pairs(&broker.read(TOPIC, 0)), [("ada", "{\"a\": 1}"), ("bob", "2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_with_an_assignment_reads_from_its_offset() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    broker.produce(
        [("ada", "1"), ("bob", "2"), ("ada", "3")].map(|(key, value)| Record::new(TOPIC, key, value)),
    );
    block_in_place(|| {
        let consumer = assigned(&broker, Offset::Offset(0));
        assert_eq!(next(&consumer), ("ada".to_owned(), "1".to_owned()));
        assert_eq!(next(&consumer), ("bob".to_owned(), "2".to_owned()));
        assert_eq!(next(&consumer), ("ada".to_owned(), "3".to_owned()));
        let consumer = assigned(&broker, Offset::Offset(1));
        assert_eq!(next(&consumer), ("bob".to_owned(), "2".to_owned()));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_on_s3_keeps_topics_and_offsets_across_restarts() {
    let Some(cloud) = Cloud::start(|_| Verdict::Forward).await else { return };
    let Some(mut broker) = Broker::on_s3(&cloud).await else { return };
    broker.create_topic(TOPIC, 1).await;
    broker.produce([("ada", "1"), ("bob", "2")].map(|(key, value)| Record::new(TOPIC, key, value)));
    let consumer = block_in_place(|| {
        let consumer = assigned(&broker, Offset::Offset(0));
        assert_eq!(next(&consumer), ("ada".to_owned(), "1".to_owned()));
        consumer.commit(&at(Offset::Offset(1)), CommitMode::Sync).expect("the broker commits");
        assert_eq!(next(&consumer), ("bob".to_owned(), "2".to_owned()));
        consumer
    });

    let address = broker.address();
    broker.kill().await;
    let refused = tokio::net::TcpStream::connect(address).await.map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(std::io::ErrorKind::ConnectionRefused));
    broker.start_again().await;

    assert_eq!(broker.address(), address);
    assert_eq!(broker.committed("readers", TOPIC), [(0, 1)].into());
    assert_eq!(broker.committed("others", TOPIC), [].into());
    assert_eq!(broker.watermarks(TOPIC, 0), (0, 2));
    assert_eq!(broker.produce([Record::new(TOPIC, "ada", "3")]), [(0, 2)]);
    assert_eq!(pairs(&broker.read(TOPIC, 0)), [("ada", "1"), ("bob", "2"), ("ada", "3")]);
    // The consumer of before connects again by itself.
    block_in_place(|| assert_eq!(next(&consumer), ("ada".to_owned(), "3".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_time_and_at_the_end() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    assert_eq!(broker.watermarks(TOPIC, 0), (0, 0));
    // One batch: by itself, tansu tells its first offset for its last.
    let record = |minute| Record::new(TOPIC, "ada", "").timestamp(MORNING + minute);
    broker.produce((0..5).map(record));
    assert_eq!(broker.watermarks(TOPIC, 0), (0, 5));
    block_in_place(|| {
        let consumer = assigned(&broker, Offset::End);
        for (time, offset) in [
            (0, Offset::Offset(0)),
            (MORNING, Offset::Offset(0)),
            (MORNING + 3, Offset::Offset(3)),
            (MORNING + 5, Offset::End),
        ] {
            let found = consumer.offsets_for_times(at(Offset::Offset(time)), PATIENCE);
            let found = found.expect("the broker answers");
            assert_eq!(found.elements()[0].offset(), offset, "{time}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_created_again_refuses_later_offsets() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    broker.produce([("ada", "1"), ("bob", "2")].map(|(key, value)| Record::new(TOPIC, key, value)));
    let consumer = block_in_place(|| {
        let consumer = assigned(&broker, Offset::Offset(0));
        assert_eq!([next(&consumer), next(&consumer)].map(|(key, _)| key), ["ada", "bob"]);
        consumer
    });
    broker.delete_topic(TOPIC).await;
    broker.create_topic(TOPIC, 1).await;
    assert_eq!(broker.produce([Record::new(TOPIC, "cy", "3")]), [(0, 0)]);
    let refused =
        block_in_place(|| consumer.poll(PATIENCE).expect("an answer").map(|message| message.offset()));
    let expected = KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
    assert_eq!(refused, Err(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_answers_once_it_thaws() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let consumer = block_in_place(|| assigned(&broker, Offset::Beginning));
    let watermarks = |timeout| block_in_place(|| consumer.fetch_watermarks(TOPIC, 0, timeout));
    assert_eq!(watermarks(PATIENCE), Ok((0, 0)));
    broker.freeze();
    let late = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
    assert_eq!(watermarks(MOMENT), Err(late));
    broker.thaw();
    assert_eq!(watermarks(PATIENCE), Ok((0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_in_memory_takes_many_records_and_forgets_them() {
    let Some(mut broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 4).await;
    let record = |index: i32| Record::new(TOPIC, format!("user{}", index % 500), index.to_string());
    let places = broker.produce((0..50_000).map(|index| record(index).partition(index % 4)));
    let expected: Vec<(i32, i64)> = (0..50_000).map(|index| (index % 4, i64::from(index / 4))).collect();
    assert_eq!(places, expected);
    assert_eq!([0, 1, 2, 3].map(|partition| broker.watermarks(TOPIC, partition)), [(0, 12_500); 4]);
    assert_eq!(broker.read(TOPIC, 3).len(), 12_500);

    broker.kill_and_start_again().await;
    broker.create_topic(TOPIC, 4).await;
    assert_eq!(broker.watermarks(TOPIC, 3), (0, 0));
}

fn assigned(broker: &Broker, offset: Offset) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address().to_string()).set("group.id", "readers");
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.assign(&at(offset)).expect("a partition");
    consumer
}

/// An offset of the first partition.
fn at(offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, offset).expect("an offset");
    list
}

/// The key and the value of the next record. Brokers that went down are no error of it.
fn next(consumer: &BaseConsumer) -> (String, String) {
    loop {
        match consumer.poll(PATIENCE).expect("a record comes") {
            Ok(message) => {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                return (text(message.key()), text(message.payload()));
            }
            Err(error) => {
                let code = error.rdkafka_error_code();
                let downs = [RDKafkaErrorCode::AllBrokersDown, RDKafkaErrorCode::BrokerTransportFailure];
                assert!(code.is_some_and(|code| downs.contains(&code)), "{error}");
            }
        }
    }
}

fn pairs(read: &[Read]) -> Vec<(&str, &str)> {
    let parts = read.iter().map(|it| (it.key.as_deref(), it.value.as_deref()));
    let text = |bytes: Option<_>| std::str::from_utf8(bytes.unwrap_or_default()).expect("text");
    parts.map(|(key, value)| (text(key), text(value))).collect()
}
