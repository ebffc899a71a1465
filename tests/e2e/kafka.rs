//! Subscriptions to a real broker: the real binary, real guests, real TCP, and `kill -9` on both sides.

mod faults;
mod once;
mod parking;
mod steering;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::broker::{Broker, Record};
use crate::harness::{PATIENCE, Setup, TestHost, workspace};
use crate::page::Reader;

pub(crate) const TOPIC: &str = "numbers";

/// A host whose cluster `my-cluster` is this broker.
pub(crate) fn reading_from(broker: &Broker, setup: Setup) -> Setup {
    let cluster = format!(
        "[[ingress.kafka-clusters]]\nname = \"my-cluster\"\nbrokers = [\"PLAINTEXT://{}\"]\n",
        broker.address()
    );
    let config = format!("{}{cluster}", setup.config.clone().unwrap_or_default());
    setup.config(&config)
}

/// A reader of an example that speaks of a broker, and of the client that [`Broker`] has installed.
pub(crate) fn reader_of(host: &TestHost, broker: &Broker) -> Reader {
    let mut reader = Reader::new(host);
    let python = broker.environment().join("bin/python");
    let script = workspace().join("examples/kafka/produce.py");
    let produce = format!("BROKERS={} {} {}", broker.address(), python.display(), script.display());
    reader.replace("kafka/bin/python examples/kafka/produce.py", &produce);
    reader
}

/// True if the page starts a broker's tool here; the test has a broker, and has created its topic.
pub(crate) fn is_of_broker(commands: &str) -> bool {
    commands.starts_with("kafka/lib/")
}

/// Creates a subscription that reads from the beginning, and returns its id.
pub(crate) async fn subscribe(host: &TestHost, topic: &str, sink: &str, options: Value) -> String {
    let mut options = options;
    options["auto.offset.reset"] = json!("earliest");
    let body = json!({
        "source": format!("kafka://my-cluster/{topic}"),
        "sink": format!("service://{sink}"),
        "options": options,
    });
    let created = host.admin().post("/subscriptions", &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.json()["id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn describe(host: &TestHost, id: &str) -> Value {
    host.admin().get(&format!("/subscriptions/{id}")).await.ok()
}

/// Waits until `holds` of the description of a subscription.
pub(crate) async fn until(host: &TestHost, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until_within(host, id, PATIENCE, holds).await
}

pub(crate) async fn until_within(
    host: &TestHost,
    id: &str,
    patience: Duration,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let began = Instant::now();
    loop {
        let description = describe(host, id).await;
        if holds(&description) {
            return description;
        }
        assert!(began.elapsed() < patience, "it stays like this: {description:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until so many records have ended with success, and checks that none was taken twice.
pub(crate) async fn until_succeeded(host: &TestHost, id: &str, count: u64) -> Value {
    let description = until(host, id, |it| it["counts"]["succeeded"].as_u64() >= Some(count)).await;
    assert_eq!(description["counts"]["succeeded"], count, "{description:#}");
    description
}

/// A record for the object `Events`, whose key is its own.
pub(crate) fn number(key: &str, n: u32) -> Record {
    Record::new(TOPIC, key, json!({ "n": n }).to_string()).partition(0)
}

/// The numbers that a key was given, in order.
pub(crate) async fn seen(host: &TestHost, key: &str) -> Vec<u64> {
    let state = host.state("Events", key).await;
    let seen = state["seen"].as_array().cloned().unwrap_or_default();
    seen.iter().map(|it| it.as_u64().expect("a number")).collect()
}
