//! The host is killed at random moments while trips of all kinds are under way. No trip is lost, each
//! ends as in the table, and the world never sees two stories about one booking.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;

use crate::harness::{Setup, TestHost, size};
use crate::http::{Answer, Door};
use crate::ledger::{Ledger, Reply};
use crate::trips::{Row, TABLE};

/// Trips under way at a time.
const CLIENTS: usize = 16;

/// Effects between two kills, on average.
const EFFECTS_PER_LIFE: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn no_trip_is_lost_when_the_host_is_killed() {
    let seed = match std::env::var("HOLIDAY_SEED") {
        Ok(text) => text.parse().expect("HOLIDAY_SEED is a number"),
        Err(_) => rand::random(),
    };
    let trips = size("HOLIDAY_TRIPS", 210);
    println!("HOLIDAY_SEED={seed}, {trips} trips");

    let ledger = Ledger::start(move |number| reply(seed, number)).await;
    let mut host = TestHost::start(Setup::holiday().effects(ledger.address())).await;
    let answers = tokio::spawn(book_all(host.ingress(), seed, trips));
    let kills = kill_until_done(&mut host, &ledger, seed, &answers).await;
    let answers = answers.await.expect("no client panics");
    println!("{kills} kills, {} effects, {} requests", ledger.effects().len(), ledger.requests());

    let effects = ledger.effects();
    for (trip, answer) in answers.iter().enumerate() {
        let (row, trip_id) = (row(trip), trip_id(trip));
        row.check_answer(&trip_id, answer);
        row.check_rows(&host, &trip_id).await;
        row.check_effects(&trip_id, &effects);
        let again = book(&host.ingress(), trip, false).await;
        assert_eq!(again.outcome(), answer.outcome(), "the stored answer of {trip_id} has changed");
        assert_eq!(again.invocation_id, answer.invocation_id, "{trip_id} was booked twice");
    }
    let is_known = |id: &str| (0..trips).any(|trip| trip_id(trip) == id);
    let unknown: Vec<_> = effects.iter().filter(|effect| !is_known(&effect.about)).collect();
    assert!(unknown.is_empty(), "effects for unknown trips: {unknown:?}");
    assert!(kills > 0, "the host was never killed");
}

/// Most requests are taken at once; some are refused, taken late, or taken and denied.
fn reply(seed: u64, number: usize) -> Reply {
    let mut random = StdRng::seed_from_u64(seed ^ number as u64);
    match random.random_range(0..20) {
        0 => Reply::Refuse,
        1 => Reply::AcceptAndDeny,
        2 | 3 => Reply::AcceptAfter(Duration::from_millis(random.random_range(1..80))),
        _ => Reply::Accept,
    }
}

fn row(trip: usize) -> &'static Row {
    &TABLE[trip % TABLE.len()]
}

fn trip_id(trip: usize) -> String {
    format!("trip-{trip}")
}

/// Kills the host each time the world has seen some more effects, and a random while later.
async fn kill_until_done<T>(
    host: &mut TestHost,
    ledger: &Ledger,
    seed: u64,
    work: &tokio::task::JoinHandle<T>,
) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kills = 0;
    loop {
        let effects = ledger.requests() + random.random_range(1..2 * EFFECTS_PER_LIFE);
        let pause = Duration::from_millis(random.random_range(0..30));
        tokio::select! {
            () = ledger.arrived(effects) => {}
            () = finished(work) => return kills,
        }
        tokio::time::sleep(pause).await;
        host.kill_and_start_again().await;
        kills += 1;
    }
}

async fn finished<T>(work: &tokio::task::JoinHandle<T>) {
    while !work.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Books all trips, some by a call and some by a send, and returns the answers in order.
async fn book_all(door: Door, seed: u64, trips: usize) -> Vec<Answer> {
    let permits = Arc::new(tokio::sync::Semaphore::new(CLIENTS));
    let mut random = StdRng::seed_from_u64(seed);
    let mut bookings = Vec::new();
    for trip in 0..trips {
        let is_send = random.random_bool(0.5);
        let (door, permits) = (door.clone(), Arc::clone(&permits));
        bookings.push(tokio::spawn(async move {
            let _permit = permits.acquire().await.expect("never closed");
            book(&door, trip, is_send).await
        }));
    }
    let mut answers = Vec::new();
    for booking in bookings {
        answers.push(booking.await.expect("no client panics"));
    }
    answers
}

/// Books one trip; repeats the request, with its idempotency key, until it is acknowledged.
async fn book(door: &Door, trip: usize, is_send: bool) -> Answer {
    let trip_id = trip_id(trip);
    let path = if is_send { "/trips/reserve/send" } else { "/trips/reserve" };
    let body = row(trip).body(&trip_id);
    let request = || door.request(Method::POST, path).header("idempotency-key", &trip_id).json(&body);
    let answer = door.insist(request).await;
    if !is_send {
        return answer;
    }
    assert_eq!(answer.status, 202, "{answer:?}");
    let accepted = answer.json();
    door.attach(accepted["invocationId"].as_str().expect("an id")).await
}
