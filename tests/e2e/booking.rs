//! Booking: the page's commands as they stand there, and trips of which each step fails, wherever the host dies.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::crashes::Crashes;
use crate::final_states::{FinalState, Table};
use crate::harness::{Setup, TestHost};
use crate::http::{Answer, Door};
use crate::ledger::{Effect, Ledger, Reply};
use crate::page::{Reader, START, assert_logged, examples};
use crate::secrets::{assert_nowhere, places};

const PAGE: &str = "examples/booking/README.md";

/// The card that the bank refuses.
const REFUSED_CARD: &str = "4111111111111111";

const ACCEPTED_CARD: &str = "4242424242424242";

const REFUSAL: &str = "This payment should never be accepted! Aborting booking.";

/// One way a trip can go.
struct Row {
    /// The step that is told to fail.
    fail: Option<&'static str>,
    card: &'static str,
    /// The status and the text of the error in which the workflow ends.
    failure: Option<(u16, &'static str)>,
    /// The effects in order.
    effects: &'static [&'static str],
}

const TABLE: [Row; 6] = [
    Row {
        fail: None,
        card: ACCEPTED_CARD,
        failure: None,
        effects: &["flights.reserve", "cars.reserve", "payments.charge", "flights.confirm", "cars.confirm"],
    },
    Row {
        fail: Some("Flights/Reserve"),
        card: ACCEPTED_CARD,
        failure: Some((500, "Flights/Reserve failed, as it was told to")),
        effects: &[],
    },
    Row {
        fail: Some("CarRentals/Reserve"),
        card: ACCEPTED_CARD,
        failure: Some((500, "CarRentals/Reserve failed, as it was told to")),
        effects: &["flights.reserve", "flights.cancel"],
    },
    Row {
        fail: None,
        card: REFUSED_CARD,
        failure: Some((402, REFUSAL)),
        // The refund of what was never charged.
        effects: &["flights.reserve", "cars.reserve", "payments.refund", "cars.cancel", "flights.cancel"],
    },
    Row {
        fail: Some("Flights/Confirm"),
        card: ACCEPTED_CARD,
        failure: Some((500, "Flights/Confirm failed, as it was told to")),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.charge",
            "payments.refund",
            "cars.cancel",
            "flights.cancel",
        ],
    },
    Row {
        fail: Some("CarRentals/Confirm"),
        card: ACCEPTED_CARD,
        failure: Some((500, "CarRentals/Confirm failed, as it was told to")),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.charge",
            "flights.confirm",
            "payments.refund",
            "cars.cancel",
            "flights.cancel",
        ],
    },
];

impl Row {
    /// As the page has it, so that two rows do not share an id.
    fn name(&self) -> &'static str {
        match self.fail {
            Some(step) => step,
            None if self.card == REFUSED_CARD => "the charge",
            None => "nothing",
        }
    }

    fn trip_id(&self, telling: usize) -> String {
        format!("{}-{telling}", self.name().replace(['/', ' '], "-"))
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "flights": { "flight_id": "12345", "passenger_name": "John Doe" },
            "car": { "pickup_location": "Airport", "rental_date": "2024-12-16" },
            "payment_info": { "card_number": self.card, "amount": 1500 },
        });
        if let Some(step) = self.fail {
            body["fail"] = json!(step);
        }
        body
    }

    /// The workflow ends in the ids of what was booked, or in the error of the step that failed.
    #[track_caller]
    fn check_answer(&self, trip_id: &str, answer: &Answer, all: &[Effect]) {
        let id_of = |service: &str| {
            let found = all.iter().find(|it| it.about == trip_id && it.effect.starts_with(service));
            found.map(|it| it.id.clone())
        };
        match self.failure {
            None => {
                let ids = json!({
                    "flight_booking_id": id_of("flights."),
                    "car_booking_id": id_of("cars."),
                    "payment_id": id_of("payments."),
                });
                assert_eq!(answer.ok(), ids, "{trip_id}");
            }
            Some((status, text)) => {
                assert_eq!(answer.error(), (status, "HH0015".to_owned(), text.to_owned()), "{trip_id}");
            }
        }
    }

    /// The world saw the effects of the table in order, each perhaps more than once but under one key.
    #[track_caller]
    fn check_effects(&self, trip_id: &str, all: &[Effect]) {
        let effects: Vec<&Effect> = all.iter().filter(|effect| effect.about == trip_id).collect();
        let mut names: Vec<&str> = Vec::new();
        for effect in &effects {
            if !names.contains(&effect.effect.as_str()) {
                names.push(&effect.effect);
            }
        }
        assert_eq!(names, self.effects, "the effects of {trip_id}");
        for service in ["flights.", "cars.", "payments."] {
            let mut ids: Vec<&str> =
                effects.iter().filter(|it| it.effect.starts_with(service)).map(|it| it.id.as_str()).collect();
            ids.dedup();
            assert!(ids.len() <= 1, "{trip_id} has several ids in {service}: {ids:?}");
        }
        for Effect { effect, id, idempotency_key, .. } in effects {
            assert_eq!(*idempotency_key, format!("{effect}/{trip_id}/{id}"));
        }
    }

    /// How the trip has ended, as it can be seen from outside.
    fn final_state(&self, trip_id: &str, answer: &Answer, all: &[Effect]) -> FinalState {
        let mut undone: Vec<String> = Vec::new();
        let mut left: BTreeMap<&str, &str> = BTreeMap::new();
        for Effect { effect, .. } in all.iter().filter(|it| it.about == trip_id) {
            let (service, verb) = effect.split_once('.').expect("<service>.<verb>");
            if !matches!(verb, "cancel" | "refund") {
                left.insert(service, verb);
            } else if !undone.contains(effect) {
                left.remove(service);
                undone.push(effect.clone());
            }
        }
        let left: Vec<String> =
            left.iter().map(|(service, verb)| format!("{service}: {}", participle(verb))).collect();
        let answer = match answer.status {
            200 => "the ids of what was booked".to_owned(),
            status => format!("{status} {}", answer.error().2),
        };
        let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
        FinalState { fails: self.name().to_owned(), undone, answer, left }
    }
}

/// What something is to which this was done.
fn participle(verb: &str) -> &'static str {
    match verb {
        "reserve" => "reserved",
        "confirm" => "confirmed",
        "charge" => "charged",
        other => panic!("'{other}' is nothing that is done"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let host = TestHost::start(Setup::guests(&["booking"])).await;
    let mut reader = Reader::new(&host);
    for example in examples(PAGE) {
        if example.commands != START {
            reader.try_out(&example).await;
        }
    }
    assert_logged(PAGE, &host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_fails_is_undone_in_reverse() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::guests(&["booking"]).effects(ledger.address())).await;
    for row in &TABLE {
        let trip_id = row.trip_id(0);
        let answer = host.ingress().post(&run_of(&trip_id), &row.body()).await;
        row.check_answer(&trip_id, &answer, &ledger.effects());
        row.check_effects(&trip_id, &ledger.effects());
    }
    // Nothing crashed, so nothing was repeated.
    let total: usize = TABLE.iter().map(|row| row.effects.len()).sum();
    assert_eq!(ledger.effects().len(), total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_card_is_logged_and_undone_in_reverse() {
    let host = TestHost::start(Setup::guests(&["booking"])).await;
    let body = TABLE[3].body();
    let run = host.ingress().send(&run_of("trip123"), &body).await;
    assert_eq!(host.ingress().attach(&run).await.error().0, 402);

    let about = format!("method=BookingWorkflow/Run invocationID={run}");
    host.lines_with(&format!("Invocation failed {about} error=\"[402] {REFUSAL}\""), 1).await;
    assert_eq!(host.lines_with(&format!("Handling invocation {about}"), 1).await.len(), 1);
    assert!(!host.log().contains(&format!("Invocation completed successfully {about}")), "it has failed");

    let log = host.log();
    let said = lines_of_guests(&log);
    let [flight, car, refusal, refunded, car_cancelled, flight_cancelled] = said[..] else {
        panic!("{said:#?}")
    };
    let flight = flight.strip_prefix("Flight reserved: ").expect(flight);
    let car = car.strip_prefix("Car reserved: ").expect(car);
    assert_eq!(refusal, REFUSAL);
    assert!(refunded.starts_with("Refunded payment: "), "{refunded}");
    assert_eq!(car_cancelled, format!("Car cancelled: {car}"));
    assert_eq!(flight_cancelled, format!("Flight cancelled: {flight}"));
    for method in ["Flights/Reserve", "CarRentals/Reserve", "CarRentals/Cancel", "Flights/Cancel"] {
        let handling = &host.lines_with(&format!("Handling invocation method={method} "), 1).await[0];
        let (_, about) = handling.split_once("Handling invocation ").expect("it begins so");
        assert!(about.contains(" invocationID=inv_"), "{handling}");
        host.lines_with(&format!("Invocation completed successfully {about}"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_is_out_of_order_is_asked_until_it_takes_the_money() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::guests(&["booking"]).effects(ledger.address())).await;
    host.ingress().post(&run_of("trip124"), &TABLE[0].body()).await.ok();
    let failures = host.lines_with("A payment failure happened! Will retry...", 2).await;
    assert_eq!(failures.len(), 2);
    let charges = ledger.effects().iter().filter(|it| it.effect == "payments.charge").count();
    assert_eq!(charges, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_the_card_stands_nowhere() {
    let setup = Setup::guests(&["booking"]).config("[policies]\njournal-retention = \"1h\"");
    let mut host = TestHost::start(setup.variable("HOLIDAY_LOG", "debug")).await;
    for row in &TABLE {
        host.ingress().post(&run_of(&row.trip_id(0)), &row.body()).await;
    }
    assert_nowhere(&host, &[ACCEPTED_CARD, REFUSED_CARD]).await;
    // What is not sealed is found, so the search is one.
    let found = places(&host, "John Doe").await;
    assert!(found.iter().any(|it| it.ends_with("log.redb")), "{found:#?}");
    assert!(found.iter().any(|it| it.starts_with("/invocations/")), "{found:#?}");
    // Also in what is written down at the end.
    host.terminate().await;
    host.start_again().await;
    assert_nowhere(&host, &[ACCEPTED_CARD, REFUSED_CARD]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_that_is_cancelled_while_it_pays_is_undone() {
    // The bank has taken the money and does not answer: nobody can tell whether it has.
    let reply = |number| if number == 3 { Reply::AcceptWhenReleased } else { Reply::Accept };
    let ledger = Ledger::start(reply).await;
    let host = TestHost::start(Setup::guests(&["booking"]).effects(ledger.address())).await;
    let run = host.ingress().send(&run_of("trip124"), &TABLE[0].body()).await;
    ledger.arrived(3).await;
    host.admin().patch(&format!("/invocations/{run}/cancel")).await.ok();
    assert_eq!(host.ingress().attach(&run).await.error().0, 409);
    let effects = ledger.effects();
    let names: Vec<&str> = effects.iter().map(|it| it.effect.as_str()).collect();
    assert_eq!(
        names,
        [
            "flights.reserve",
            "cars.reserve",
            "payments.charge",
            "payments.refund",
            "cars.cancel",
            "flights.cancel"
        ]
    );
    assert_eq!(effects[2].id, effects[3].id, "what was charged is refunded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_booked_once_and_only_from_all_that_it_needs() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::guests(&["booking"]).effects(ledger.address())).await;
    let mut body = TABLE[0].body();
    body["payment_info"]["amount"] = json!(-1);
    let mut misspelt = TABLE[0].body();
    misspelt["fails"] = json!("Flights/Reserve");
    for (wrong, value) in [(body, "amount"), (misspelt, "fails"), (json!({ "flights": {} }), "flight_id")] {
        let (status, _, message) = host.ingress().post(&run_of("trip125"), &wrong).await.error();
        assert!(status == 400 && message.contains(value), "{message}");
    }
    assert_eq!(ledger.effects(), []);

    host.ingress().post(&run_of("trip125"), &TABLE[0].body()).await.ok();
    assert_eq!(host.ingress().post(&run_of("trip125"), &TABLE[0].body()).await.error().0, 409);
    assert_eq!(ledger.effects().len(), TABLE[0].effects.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trip_ends_the_same_wherever_the_host_dies() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let mut host = Crashes::start(Setup::guests(&["booking"]).effects(ledger.address())).await;
    let mut table = Table::of("booking");
    for row in &TABLE {
        let told = host.at_every_record(
            |door, telling| run(door, row.trip_id(telling), row.body()),
            async |_, telling, answer| {
                let trip_id = row.trip_id(telling);
                row.check_answer(&trip_id, &answer, &ledger.effects());
                row.check_effects(&trip_id, &ledger.effects());
                row.final_state(&trip_id, &answer, &ledger.effects())
            },
        );
        table.push(told.await);
    }
    table.check();
}

fn run_of(trip_id: &str) -> String {
    format!("/BookingWorkflow/{trip_id}/Run")
}

/// Runs a workflow, which takes no idempotency key: its id is one.
async fn run(door: Door, trip_id: String, body: Value) -> Answer {
    let path = format!("{}/send", run_of(&trip_id));
    let accepted = door.insist(|| door.request(Method::POST, &path).json(&body)).await.ok();
    door.attach(accepted["invocationId"].as_str().expect("an id")).await
}

/// What the handlers have printed, in order.
fn lines_of_guests(log: &str) -> Vec<&str> {
    let texts = log.lines().filter_map(|line| line.split_once(" guest: "));
    texts.filter_map(|(_, rest)| rest.split_once(" method=")).map(|(text, _)| text).collect()
}
