//! Each record exactly once by the journal's account and in order per key, whoever dies.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{TOPIC, describe, reading_from, seen, subscribe, until_within};
use crate::broker::{Broker, Record};
use crate::cloud::Cloud;
use crate::harness::{PATIENCE, Setup, TestHost};
use crate::ledger::{Ledger, Reply};

/// How often the host is killed while it reads.
const HOST_KILLS: u64 = 10;

/// Every so many records tell the ledger in a step.
const EFFECT_EVERY: u32 = 25;

/// The size of the run; `HOLIDAY_RECORDS` sets another one.
fn records() -> u32 {
    std::env::var("HOLIDAY_RECORDS").ok().and_then(|it| it.parse().ok()).unwrap_or(50_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_one_partition_is_handled_once_and_in_order() {
    handles_all_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_four_partitions_is_handled_once_and_in_order() {
    handles_all_once(4).await;
}

async fn handles_all_once(partitions: u32) {
    let records = records();
    let keys = (records / 100).max(1);
    let Some(cloud) = Cloud::start(|_| crate::cloud::Verdict::Forward).await else { return };
    let Some(mut broker) = Broker::on_s3(&cloud).await else { return };
    broker.create_topic(TOPIC, i32::try_from(partitions).expect("few")).await;
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let setup = Setup::guests(&["probe"]).effects(ledger.address());
    let mut host = TestHost::start(reading_from(&broker, setup)).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    let all = (0..records).map(|number| {
        let (key, n) = (number % keys, number / keys);
        let value = json!({ "n": n, "effect": number % EFFECT_EVERY == 0 });
        let partition = i32::try_from(key % partitions).expect("few");
        Record::new(TOPIC, format!("key{key}"), value.to_string()).partition(partition)
    });
    broker.produce(all);

    let patience = PATIENCE * 5;
    for kill in 1..=HOST_KILLS {
        // Not at the end, when there is nothing left to lose.
        let reached = u64::from(records) * kill / (HOST_KILLS + 2);
        until_within(&host, &id, patience, |it| it["counts"]["taken"].as_u64() >= Some(reached)).await;
        host.kill_and_start_again().await;
        if kill % 5 == 0 {
            broker.kill_and_start_again().await;
        }
    }
    let is_done = |it: &serde_json::Value| it["counts"]["succeeded"].as_u64() >= Some(u64::from(records));
    let description = until_within(&host, &id, patience, is_done).await;
    assert_eq!(description["counts"]["taken"], records, "{description:#}");
    assert_eq!(description["counts"]["failed"], 0, "{description:#}");

    for key in 0..keys {
        let expected: Vec<u64> = (0..u64::from(records.div_ceil(keys))).collect();
        let mut seen = seen(&host, &format!("key{key}")).await;
        seen.truncate(expected.len());
        let of_key = (records - key).div_ceil(keys) as usize;
        assert_eq!(seen, expected[..of_key], "key{key}");
    }
    // A step is executed at least once; the same one always with the same words.
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    for effect in ledger.effects() {
        *told.entry((effect.about, effect.id)).or_default() += 1;
    }
    let expected = (0..records).filter(|number| number % EFFECT_EVERY == 0);
    let expected: Vec<_> =
        expected.map(|number| (format!("key{}", number % keys), (number / keys).to_string())).collect();
    assert_eq!(told.len(), expected.len());
    assert!(expected.iter().all(|it| told.contains_key(it)));
    let again = told.values().sum::<usize>() - told.len();
    eprintln!("{partitions} partitions: {again} of {} steps were executed again", told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_reach_the_consumer_group_when_they_are_durable() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 2).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    let id = subscribe(&host, TOPIC, "Events/record", json!({ "group.id": "watched" })).await;
    broker.produce((0..40).map(|n| super::number("ann", n).partition(i32::try_from(n % 2).expect("few"))));
    super::until_succeeded(&host, &id, 40).await;
    let began = std::time::Instant::now();
    while broker.committed("watched", TOPIC) != BTreeMap::from([(0, 20), (1, 20)]) {
        assert!(began.elapsed() < PATIENCE, "{:?}", broker.committed("watched", TOPIC));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Another subscription of the group goes on behind what it has read.
    let next = subscribe(&host, TOPIC, "Events/record", json!({ "group.id": "watched" })).await;
    broker.produce([super::number("bob", 1)]);
    super::until_succeeded(&host, &next, 1).await;
    assert_eq!(describe(&host, &next).await["counts"]["taken"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_behind_are_not_held_in_memory() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let host = TestHost::start(reading_from(&broker, Setup::guests(&["probe"]))).await;
    // The host has served once, so that what it needs for that is there.
    host.ingress().post("/Events/warm/record", &json!({ "n": 0 })).await.ok();
    let idle = resident_kib(host.pid());
    // Compiling the guest took more than what follows: Linux counts the peak anew.
    std::fs::write(format!("/proc/{}/clear_refs", host.pid()), "5").expect("a process of this user");
    let behind = behind();
    let value = json!({ "n": 1 }).to_string();
    broker.produce((0..behind).map(|n| Record::new(TOPIC, format!("key{n}"), value.as_str()).partition(0)));
    let id = subscribe(&host, TOPIC, "Events/record", json!({})).await;
    let wanted = u64::from(behind.min(20_000));
    let has_read = |it: &serde_json::Value| it["counts"]["succeeded"].as_u64() >= Some(wanted);
    until_within(&host, &id, PATIENCE * 3, has_read).await;
    let above = peak_kib(host.pid()).saturating_sub(idle);
    assert!(above < 150 * 1024, "{above} KiB above the {idle} KiB of an idle host");
}

/// Records behind; `HOLIDAY_BEHIND` sets another number.
fn behind() -> u32 {
    std::env::var("HOLIDAY_BEHIND").ok().and_then(|it| it.parse().ok()).unwrap_or(200_000)
}

fn resident_kib(pid: u32) -> u64 {
    of_status(pid, "VmRSS:")
}

fn peak_kib(pid: u32) -> u64 {
    of_status(pid, "VmHWM:")
}

fn of_status(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the host runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of Linux");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
