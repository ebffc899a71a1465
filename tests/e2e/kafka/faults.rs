//! Brokers that are down, slow, wrong or made anew: each is seen, and none of it reaches HTTP callers.

use serde_json::{Value, json};

use super::{TOPIC, number, reading_from, seen, subscribe, until, until_succeeded};
use crate::broker::Broker;
use crate::harness::{Setup, TestHost, stdout};

/// The state of the reader, as operators see it.
fn is_in(state: &'static str) -> impl Fn(&Value) -> bool {
    move |it| it["reader"]["state"] == state
}

async fn assert_callers_are_served(host: &TestHost) {
    let answer = host.ingress().post("/Probe/echo", &json!("still here")).await.ok();
    assert_eq!(answer, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_is_shown_once_and_waited_for() {
    let Some(mut broker) = Broker::start().await else { return };
    broker.kill().await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    until(&host, &id, is_in("unavailable")).await;
    assert_callers_are_served(&host).await;
    broker.start_again().await;
    until(&host, &id, is_in("waiting-for-topic")).await;
    broker.create_topic(TOPIC, 1).await;
    until(&host, &id, is_in("reading")).await;
    broker.produce([number("ann", 1)]);
    until_succeeded(&host, &id, 1).await;

    broker.kill().await;
    until(&host, &id, is_in("unavailable")).await;
    assert_callers_are_served(&host).await;
    let told = host.lines_with("HH0093", 2).await;
    assert_eq!(told.len(), 2, "once each time: {told:#?}");
    let metrics = host.admin().get("/metrics").await.body;
    assert!(metrics.contains("holiday_subscription"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_answers_nothing_is_waited_for() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    broker.produce([number("ann", 1)]);
    until_succeeded(&host, &id, 1).await;
    broker.freeze();
    until(&host, &id, is_in("unavailable")).await;
    assert_callers_are_served(&host).await;
    broker.thaw();
    broker.produce([number("ann", 2)]);
    until_succeeded(&host, &id, 2).await;
    assert_eq!(seen(&host, "ann").await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_is_not_skipped() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    broker.produce((1..=5).map(|n| number("ann", n)));
    until_succeeded(&host, &id, 5).await;
    broker.delete_topic(TOPIC).await;
    broker.create_topic(TOPIC, 1).await;
    broker.produce([number("ann", 11), number("ann", 12)]);
    let halted = |it: &Value| it["partitions"][0]["halted"].is_string();
    let described = until(&host, &id, halted).await;
    let reason = described["partitions"][0]["halted"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("HH0090"), "{reason}");
    assert_callers_are_served(&host).await;
    stdout(&host.run(&["-y", "subscriptions", "seek", &id, "--to-earliest"]).await);
    until_succeeded(&host, &id, 7).await;
    assert_eq!(seen(&host, "ann").await, [1, 2, 3, 4, 5, 11, 12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_while_the_host_is_down_is_recognised_by_its_last_record() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let mut host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    broker.produce((1..=3).map(|n| number("ann", n)));
    until_succeeded(&host, &id, 3).await;
    host.kill();
    broker.delete_topic(TOPIC).await;
    broker.create_topic(TOPIC, 1).await;
    broker.produce((11..=20).map(|n| number("ann", n)));
    host.start_again().await;
    let halted = |it: &Value| it["partitions"][0]["halted"].is_string();
    let described = until(&host, &id, halted).await;
    assert_eq!(described["counts"]["taken"], 3, "{described:#}");
    assert_eq!(seen(&host, "ann").await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_shown() {
    let Some(broker) = Broker::start().await else { return };
    let mut setup = reading_from(&broker, Setup::guests(&["probe"]));
    let config = setup.config.take().unwrap_or_default();
    setup = setup.config(&format!(
        "{}\"security.protocol\" = \"SASL_PLAINTEXT\"\n\"sasl.mechanisms\" = \"PLAIN\"\n\"sasl.username\" = \"ann\"\n\"sasl.password\" = {{ secret-env = \"TEST_KAFKA_PASSWORD\" }}\n",
        config.replace("PLAINTEXT://", "SASL_PLAINTEXT://")
    ));
    let host = TestHost::start(setup.variable("TEST_KAFKA_PASSWORD", "not-the-password")).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    let described = until(&host, &id, is_in("unavailable")).await;
    assert!(described["reader"]["reason"].as_str().is_some_and(|it| !it.is_empty()), "{described:#}");
    assert!(!host.log().contains("not-the-password"));
    assert_callers_are_served(&host).await;
}
