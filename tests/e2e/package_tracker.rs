//! Packages: the page's commands as they stand there, and locations that are kept once and in order.

use serde_json::{Value, json};

use crate::broker::{Broker, Record};
use crate::crashes::{self, Crashes};
use crate::harness::{Setup, TestHost, stdout};
use crate::http::{Answer, Door};
use crate::kafka::{is_of_broker, reader_of, reading_from, subscribe, until, until_succeeded};
use crate::page::{START, examples};

/// The topic of the page.
const TOPIC: &str = "package-location-updates";

const PAGE: &str = "examples/package-tracker/README.md";

fn path_of(package: &str, handler: &str) -> String {
    format!("/PackageTracker/{package}/{handler}")
}

fn destination() -> Value {
    json!({ "finalDestination": "Bridge 6, Amsterdam" })
}

fn paris() -> Value {
    json!({ "timestamp": "2024-10-10 13:00", "location": "Pinetree Road 5, Paris" })
}

fn brussels() -> Value {
    json!({ "timestamp": "2024-10-10 14:00", "location": "Mountain Road 155, Brussels" })
}

/// What is known of a package that has been there.
fn info(locations: &[Value]) -> Value {
    json!({ "finalDestination": "Bridge 6, Amsterdam", "locations": locations })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["package-tracker"]))).await;
    let mut reader = reader_of(&host, &broker);
    for example in examples(PAGE) {
        if !example.commands.starts_with(START) && !is_of_broker(&example.commands) {
            reader.try_out(&example).await;
        }
    }
    let state = json!({ "package-info": info(&[paris(), brussels()]) });
    assert_eq!(host.state("PackageTracker", "package123").await, state);
    let state = json!({ "package-info": info(&[paris()]) });
    assert_eq!(host.state("PackageTracker", "package456").await, state);
    // `kv` and `state` are the same.
    let [kv, state] = ["kv", "state"].map(|command| [command, "get", "PackageTracker", "package123"]);
    assert_eq!(stdout(&host.run(&kv).await), stdout(&host.run(&state).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_comes_too_early_is_parked_and_delivered_after_the_registration() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["package-tracker"]))).await;
    let id = subscribe(&host, TOPIC, "PackageTracker/UpdateLocation", json!({})).await;
    broker.produce(
        [paris(), brussels()].map(|update| Record::new(TOPIC, "p", update.to_string()).partition(0)),
    );
    until(&host, &id, |it| it["parked"] == 2).await;
    let shown = stdout(&host.run(&["subscriptions", "parked", "show", &id, "0"]).await);
    assert!(shown.contains("package not found") && shown.contains("Paris"), "{shown}");

    host.ingress().post(&path_of("p", "RegisterPackage"), &destination()).await.ok();
    stdout(&host.run(&["subscriptions", "parked", "retry", &id, "--key", "p"]).await);
    until_succeeded(&host, &id, 2).await;
    assert_eq!(host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok(), info(&[paris(), brussels()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_nobody_has_registered_is_not_found() {
    let host = TestHost::start(Setup::guests(&["package-tracker"])).await;
    let not_found = (404, "HH0015".to_owned(), "package not found".to_owned());
    let update = host.ingress().post(&path_of("p", "UpdateLocation"), &paris()).await;
    assert_eq!(update.error(), not_found);
    assert_eq!(host.ingress().get(&path_of("p", "GetPackageInfo")).await.error(), not_found);
    assert_eq!(host.state("PackageTracker", "p").await, json!({}));

    // An update that came too early is not kept for later.
    host.ingress().post(&path_of("p", "RegisterPackage"), &destination()).await.ok();
    assert_eq!(host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok(), info(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_may_be_registered_with_where_it_has_been_and_anew() {
    let host = TestHost::start(Setup::guests(&["package-tracker"])).await;
    let register = path_of("p", "RegisterPackage");
    host.ingress().post(&register, &info(&[paris()])).await.ok();
    host.ingress().post(&path_of("p", "UpdateLocation"), &brussels()).await.ok();
    let known = host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok();
    assert_eq!(known, info(&[paris(), brussels()]));

    host.ingress().post(&register, &destination()).await.ok();
    assert_eq!(host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok(), info(&[]));

    let (status, _, message) = host.ingress().post(&register, &json!({ "locations": [] })).await.error();
    assert!(status == 400 && message.contains("finalDestination"), "{message}");
    let misspelt = host.ingress().get(&path_of("p", "GetPackageInf")).await.error();
    assert!(misspelt.0 == 404 && misspelt.2.contains("GetPackageInfo"), "{misspelt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_locations_are_kept() {
    let host = TestHost::start(Setup::guests(&["package-tracker"])).await;
    let been: Vec<Value> =
        (0..1000).map(|n| json!({ "timestamp": n.to_string(), "location": "at sea" })).collect();
    host.ingress().post(&path_of("p", "RegisterPackage"), &info(&been)).await.ok();
    host.ingress().post(&path_of("p", "UpdateLocation"), &paris()).await.ok();
    let known = host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok();
    let expected: Vec<Value> = been[1..].iter().cloned().chain([paris()]).collect();
    assert_eq!(known, info(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_nothing_reads_is_refused() {
    let host = TestHost::start(Setup::guests(&["package-tracker"])).await;
    for (handler, mut body) in [("RegisterPackage", destination()), ("UpdateLocation", paris())] {
        body["weight"] = json!(1);
        let (status, _, message) = host.ingress().post(&path_of("p", handler), &body).await.error();
        assert!(status == 400 && message.contains("weight"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_read_while_an_update_of_it_is_at_work() {
    let host = TestHost::start(Setup::guests(&["package-tracker"])).await;
    // Two of them are more than one value of the state may hold, so the second one is tried again and again.
    let large = json!({ "timestamp": "2024-10-10 13:00", "location": "x".repeat(5 << 20) });
    host.ingress().post(&path_of("p", "RegisterPackage"), &info(std::slice::from_ref(&large))).await.ok();
    let update = path_of("p", "UpdateLocation");
    let at_work = host.ingress().send(&update, &large).await;
    host.wait_for(&at_work, |it| it["lastFailure"].to_string().contains("HH0013")).await;
    let waiting = host.ingress().send(&update, &paris()).await;
    let known = host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok();
    assert_eq!(known, info(std::slice::from_ref(&large)));
    assert_eq!(host.invocation(&waiting).await["status"], "inboxed", "it waits for the one that is at work");

    stdout(&host.run(&["--yes", "invocations", "kill", &at_work]).await);
    host.ingress().attach(&waiting).await.ok();
    let known = host.ingress().get(&path_of("p", "GetPackageInfo")).await.ok();
    assert_eq!(known, info(&[large, paris()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn locations_are_kept_once_and_in_order_wherever_the_host_dies() {
    let mut host = Crashes::start(Setup::guests(&["package-tracker"])).await;
    let package = |telling| format!("package-{telling}");
    let told = host.at_every_record(
        |door, telling| travel(door, package(telling)),
        async |host, telling, answer| {
            answer.ok();
            host.ingress().get(&path_of(&package(telling), "GetPackageInfo")).await.ok()
        },
    );
    assert_eq!(told.await.0, info(&[paris(), brussels()]));
}

/// Registers a package and tells where it goes; each request has a key of its own.
async fn travel(door: Door, package: String) -> Answer {
    let mut answer = None;
    for (handler, key, body) in [
        ("RegisterPackage", "registration", destination()),
        ("UpdateLocation", "paris", paris()),
        ("UpdateLocation", "brussels", brussels()),
    ] {
        let called = crashes::call(door.clone(), path_of(&package, handler), key.to_owned(), body).await;
        called.ok();
        answer = Some(called);
    }
    answer.expect("there are requests")
}
