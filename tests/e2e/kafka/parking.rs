//! Records that fail: parked and repaired, beside others that go on.

use serde_json::{Value, json};

use super::{TOPIC, number, reading_from, seen, subscribe, until, until_succeeded};
use crate::broker::{Broker, Record};
use crate::harness::{Setup, TestHost, guest, stdout};

/// Numbers that the handler refuses, until a component replaces it whose configuration refuses none.
const CONFIG: &str = "components.probe.env.EVENTS_REFUSE = \"3\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_is_parked_and_delivered_after_a_hot_swap() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]).config(CONFIG))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({ "order-on-failure": "wait" })).await;
    broker.produce([
        number("ann", 3),
        number("bob", 1),
        number("ann", 4),
        number("bob", 2),
        number("ann", 5),
    ]);
    let described = until(&host, &id, |it| it["parked"] == 1 && it["counts"]["succeeded"] == 2).await;
    assert_eq!(described["waiting"], 2, "those of the same key: {described:#}");
    assert_eq!(seen(&host, "bob").await, [1, 2]);

    let parked = host.run_json(&["subscriptions", "parked", "list", &id]).await;
    let parked = parked.as_array().or(parked["parked"].as_array()).expect("a list").clone();
    assert_eq!(parked.len(), 1);
    assert_eq!((&parked[0]["offset"], &parked[0]["partition"]), (&json!(0), &json!(0)), "{parked:#?}");
    let shown = stdout(&host.run(&["subscriptions", "parked", "show", &id, "0"]).await);
    assert!(shown.contains("number 3 is refused") && shown.contains("ann"), "{shown}");
    host.lines_with("number 3 is refused", 1).await;

    // The same fails again, and stays parked under its number.
    stdout(&host.run(&["subscriptions", "parked", "retry", &id, "0"]).await);
    until(&host, &id, |it| it["parked"] == 1 && it["counts"]["failed"] == 2).await;

    let repaired = host.folder().join("repaired.wasm");
    std::fs::write(&repaired, with_another_digest(&guest("probe"))).expect("a writable folder");
    let path = repaired.to_str().expect("text");
    stdout(&host.run(&["-y", "deployments", "register", "--force", path]).await);
    stdout(&host.run(&["subscriptions", "parked", "retry", &id, "0"]).await);
    let described = until_succeeded(&host, &id, 5).await;
    assert_eq!((&described["parked"], &described["waiting"]), (&json!(0), &json!(0)));
    assert_eq!(seen(&host, "ann").await, [3, 4, 5], "in order");
}

/// The same component with other bytes: one custom section more.
fn with_another_digest(component: &std::path::Path) -> Vec<u8> {
    let mut bytes = std::fs::read(component).expect("a component that was built");
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_an_invocation_is_parked_and_can_be_discarded() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    let value = json!({ "n": 1 }).to_string();
    broker.produce([
        Record::new(TOPIC, [0xff, 0xfe], value.as_str()).partition(0),
        Record::new(TOPIC, "", value.as_str()).partition(0).without_key(),
        Record::new(TOPIC, "ann", "no JSON").partition(0),
        Record::new(TOPIC, "ann", r#"{"m": 1}"#).partition(0),
        Record::new(TOPIC, "ann", "").partition(0).without_value(),
        Record::new(TOPIC, "ann", vec![b'x'; 9 * 1024 * 1024]).partition(0),
        number("ann", 7),
    ]);
    let described = until(&host, &id, |it| it["counts"]["taken"] == 7 && it["running"] == 0).await;
    assert_eq!(
        (&described["parked"], &described["counts"]["succeeded"]),
        (&json!(6), &json!(1)),
        "{described:#}"
    );
    assert_eq!(seen(&host, "ann").await, [7]);

    let mut codes = Vec::new();
    for n in 0..6 {
        let shown = host.admin().get(&format!("/subscriptions/{id}/parked/{n}")).await.ok();
        codes.push(shown["error"]["code"].as_str().expect("a code").to_owned());
    }
    assert_eq!(codes, ["HH0087", "HH0087", "HH0004", "HH0004", "HH0004", "HH0013"]);
    stdout(&host.run(&["-y", "subscriptions", "parked", "discard", &id, "--all"]).await);
    let described = until(&host, &id, |it| it["parked"] == 0).await;
    assert_eq!(described["counts"]["discarded"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_policy_a_failure_pauses_or_is_skipped() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]).config(CONFIG))).await;
    let skips = subscribe(&host, TOPIC, "Events/record", json!({ "on-failure": "skip" })).await;
    let pauses = subscribe(&host, TOPIC, "Events/headers", json!({ "on-failure": "pause" })).await;
    broker.produce([number("ann", 3), number("ann", 4)]);
    let described = until(&host, &skips, |it| it["counts"]["succeeded"] == 1).await;
    assert_eq!((&described["counts"]["skipped"], &described["parked"]), (&json!(1), &json!(0)));
    until_succeeded(&host, &pauses, 2).await;

    broker.produce([Record::new(TOPIC, "bob", "no JSON").partition(0), number("bob", 5)]);
    let described = until(&host, &pauses, |it| it["status"] == "paused").await;
    assert_eq!(described["parked"], 1, "{described:#}");
    until(&host, &skips, |it| it["counts"]["succeeded"] == 2).await;
    stdout(&host.run(&["subscriptions", "resume", &pauses]).await);
    until(&host, &pauses, |it| it["counts"]["succeeded"] == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_and_an_operator_see_which_record_it_was() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let config = "policies.journal-retention = \"1h\"\n";
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]).config(config))).await;
    let id = subscribe(&host, TOPIC, "Events/headers", json!({})).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let record = number("ann", 1)
        .header("traceparent", traceparent)
        .header("Tenant", "acme")
        .timestamp(1_700_000_000_000);
    broker.produce([record]);
    until_succeeded(&host, &id, 1).await;
    let state = host.state("Events", "ann").await;
    let headers: Vec<(String, String)> =
        serde_json::from_value(state["headers"].clone()).unwrap_or_else(|error| panic!("{error}: {state}"));
    let expected = [
        ("kafka.topic", TOPIC),
        ("kafka.partition", "0"),
        ("kafka.offset", "0"),
        ("kafka.timestamp", "1700000000000"),
        ("kafka.key", "ann"),
        ("traceparent", traceparent),
        ("tenant", "acme"),
    ];
    for (name, value) in expected {
        assert!(headers.contains(&(name.to_owned(), value.to_owned())), "{name}: {headers:?}");
    }
    let handling = host.lines_with("Handling invocation", 1).await;
    assert!(handling[0].contains(&format!("subscription={id} partition=0 offset=0")), "{handling:?}");
    let listed = host.run_json(&["invocations", "list", "--subscription", &id]).await;
    let listed = listed.as_array().or(listed["invocations"].as_array()).expect("a list").clone();
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(record_of(&listed[0]), (json!(id), json!(TOPIC), json!(0), json!(0)), "{listed:#?}");
    let described = host.invocation(listed[0]["id"].as_str().expect("an id")).await;
    assert_eq!(record_of(&described), (json!(id), json!(TOPIC), json!(0), json!(0)), "{described:#}");
}

fn record_of(invocation: &Value) -> (Value, Value, Value, Value) {
    let part = |name: &str| invocation["record"][name].clone();
    (part("subscription"), part("topic"), part("partition"), part("offset"))
}
