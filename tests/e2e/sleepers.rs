//! Ten thousand handlers that wait cost memory for their journals, not for instances.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, resident_kib, size};
use crate::http::Door;

/// What the project promises.
const PROMISED: usize = 10_000;

/// How long each sleeps: enough for all of them to lie down.
const SLEEP_MS: u64 = 20_000;

/// Clients that send at a time.
const CLIENTS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn sleepers_hold_no_instances_and_survive_a_restart() {
    let sleepers = size("HOLIDAY_SLEEPERS", 2_000);
    if sleepers < PROMISED {
        println!("{sleepers} sleepers instead of {PROMISED}: HOLIDAY_SLEEPERS={PROMISED} for all");
    }
    let mut host = TestHost::start(Setup::guests(&["probe"])).await;
    let before_kib = resident_kib(host.pid());
    let invocations = send_all(&host.ingress(), sleepers).await;

    // None of them runs: each waits without an instance, or has slept enough already.
    while count(&host, "running").await > 0 {
        tokio::task::yield_now().await;
    }
    let suspended = count(&host, "suspended").await;
    println!("{suspended} suspended; resident before {before_kib} KiB, now {} KiB", resident_kib(host.pid()));
    host.kill_and_start_again().await;
    println!("resident after a restart {} KiB", resident_kib(host.pid()));

    let answers = attach_all(&host.ingress(), invocations).await;
    assert!(answers.iter().all(|answer| *answer == json!(SLEEP_MS)), "every sleeper answers");
    assert_eq!(answers.len(), sleepers);
    assert!(suspended > 0, "all sleepers had woken before they were counted");
}

async fn send_all(door: &Door, sleepers: usize) -> Vec<String> {
    at_a_time((0..sleepers).map(|_| door.clone()), |door| async move {
        door.send("/Probe/sleep", &json!({ "ms": SLEEP_MS })).await
    })
    .await
}

async fn attach_all(door: &Door, invocations: Vec<String>) -> Vec<Value> {
    let work = invocations.into_iter().map(|invocation| (door.clone(), invocation));
    at_a_time(work, |(door, invocation)| async move { door.attach(&invocation).await.ok() }).await
}

/// Does the work with a bounded number of clients and returns the results in order.
async fn at_a_time<W, F, T>(work: impl Iterator<Item = W>, client: impl Fn(W) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let permits = Arc::new(tokio::sync::Semaphore::new(CLIENTS));
    let mut tasks = Vec::new();
    for item in work {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("never closed");
        let done = client(item);
        tasks.push(tokio::spawn(async move {
            let result = done.await;
            drop(permit);
            result
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no client panics"));
    }
    results
}

/// How many invocations have this status.
async fn count(host: &TestHost, status: &str) -> usize {
    let mut count = 0;
    let mut cursor = String::new();
    loop {
        let page = host.admin().get(&format!("/invocations?status={status}&limit=1000{cursor}")).await.ok();
        count += page["invocations"].as_array().expect("a list").len();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}
