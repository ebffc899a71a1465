//! Operators create, pause, resume, seek and delete subscriptions.

use serde_json::{Value, json};

use super::{TOPIC, describe, number, reading_from, seen, subscribe, until, until_succeeded};
use crate::broker::Broker;
use crate::harness::{Setup, TestHost, stdout};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_paused_resumed_and_sought_also_for_one_key() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let mut host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    broker.produce([number("ann", 1), number("bob", 1)]);
    until_succeeded(&host, &id, 2).await;

    stdout(&host.run(&["subscriptions", "pause", &id, "--key", "ann"]).await);
    broker.produce([number("ann", 2), number("bob", 2), number("ann", 3)]);
    let described = until(&host, &id, |it| it["counts"]["succeeded"] == 3 && it["waiting"] == 2).await;
    assert_eq!(described["status"], "active");
    host.kill_and_start_again().await;
    stdout(&host.run(&["subscriptions", "resume", &id, "--key", "ann"]).await);
    until_succeeded(&host, &id, 5).await;

    stdout(&host.run(&["subscriptions", "pause", &id]).await);
    until(&host, &id, |it| it["status"] == "paused").await;
    broker.produce([number("ann", 4)]);
    let dry = stdout(&host.run(&["subscriptions", "seek", &id, "--to-offset", "4", "--dry-run"]).await);
    assert!(dry.contains('1'), "one record is repeated: {dry}");
    assert_eq!(describe(&host, &id).await["partitions"][0]["position"], 5, "a dry run changes nothing");
    stdout(&host.run(&["-y", "subscriptions", "seek", &id, "--to-offset", "4"]).await);
    stdout(&host.run(&["subscriptions", "resume", &id]).await);
    until_succeeded(&host, &id, 7).await;
    assert_eq!(seen(&host, "ann").await, [1, 2, 3, 3, 4]);

    let seek = ["-y", "subscriptions", "seek", &id, "--key", "bob", "--to-earliest"];
    stdout(&host.run(&seek).await);
    until_succeeded(&host, &id, 9).await;
    assert_eq!(seen(&host, "bob").await, [1, 2, 1, 2]);
    assert_eq!(seen(&host, "ann").await, [1, 2, 3, 3, 4], "the other key is left alone");

    stdout(&host.run(&["-y", "subscriptions", "delete", &id]).await);
    let gone = host.admin().get(&format!("/subscriptions/{id}")).await;
    assert_eq!(gone.error().1, "HH0086");
    assert_eq!(host.run_json(&["subscriptions", "list"]).await["subscriptions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_never_work_is_refused() {
    let Some(broker) = Broker::start().await else { return };
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let good = json!({
        "source": "kafka://my-cluster/numbers", "sink": "service://Events/record", "options": {}
    });
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let cases = [
        (changed("source", json!("kafka://your-cluster/numbers")), "HH0084"),
        (changed("source", json!("numbers")), "HH0085"),
        (changed("sink", json!("service://Event/record")), "HH0001"),
        (changed("sink", json!("service://Events/recrod")), "HH0002"),
        (changed("sink", json!("service://Events/seen")), "HH0085"),
        (changed("options", json!({ "auto.offset.reset": "sometimes" })), "HH0085"),
        (changed("options", json!({ "on-failure": "panic" })), "HH0085"),
        (changed("options", json!({ "enable.auto.commit": "true" })), "HH0085"),
    ];
    for (body, code) in cases {
        let refused = host.admin().post("/subscriptions", &body).await;
        assert_eq!(refused.error().1, code, "{body}");
    }
    assert_eq!(host.admin().get("/subscriptions").await.ok()["subscriptions"], json!([]));
}
