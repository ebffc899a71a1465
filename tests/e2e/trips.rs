//! The table of trips: what each run type ends in, and what it leaves.

use serde_json::{Value, json};

use crate::final_states::FinalState;
use crate::harness::TestHost;
use crate::http::Answer;
use crate::ledger::Effect;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) run_type: Option<&'static str>,
    /// The terminal text of the step that fails, and how many compensations follow.
    failure: Option<(&'static str, u32)>,
    /// The effects in order.
    effects: &'static [&'static str],
}

pub(crate) const TABLE: [Row; 7] = [
    Row {
        run_type: None,
        failure: None,
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.process",
            "flights.confirm",
            "cars.confirm",
            "trips.notify_success",
        ],
    },
    Row {
        run_type: Some("failFlightsReservation"),
        failure: Some(("Failed to book the flights", 0)),
        effects: &["trips.notify_failure"],
    },
    Row {
        run_type: Some("failCarRentalReservation"),
        failure: Some(("Failed to book the car rental", 1)),
        effects: &["flights.reserve", "flights.cancel", "trips.notify_failure"],
    },
    Row {
        run_type: Some("failPayment"),
        failure: Some(("Failed to process payment", 2)),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "cars.cancel",
            "flights.cancel",
            "trips.notify_failure",
        ],
    },
    Row {
        run_type: Some("failFlightsConfirmation"),
        failure: Some(("Failed to confirm the flights", 3)),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.process",
            "payments.refund",
            "cars.cancel",
            "flights.cancel",
            "trips.notify_failure",
        ],
    },
    Row {
        run_type: Some("failCarRentalConfirmation"),
        failure: Some(("Failed to confirm the car rental", 3)),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.process",
            "flights.confirm",
            "payments.refund",
            "cars.cancel",
            "flights.cancel",
            "trips.notify_failure",
        ],
    },
    Row {
        run_type: Some("failNotification"),
        failure: Some(("Failed to send notification", 3)),
        effects: &[
            "flights.reserve",
            "cars.reserve",
            "payments.process",
            "flights.confirm",
            "cars.confirm",
            "payments.refund",
            "cars.cancel",
            "flights.cancel",
            "trips.notify_failure",
        ],
    },
];

impl Row {
    pub(crate) fn body(&self, trip_id: &str) -> Value {
        match self.run_type {
            Some(run_type) => json!({ "trip_id": trip_id, "run_type": run_type }),
            None => json!({ "trip_id": trip_id }),
        }
    }

    /// The effects of the trip, in order.
    pub(crate) fn effects(&self) -> &'static [&'static str] {
        self.effects
    }

    /// How many effects the trip has.
    pub(crate) fn effect_count(&self) -> usize {
        self.effects.len()
    }

    /// The answer is the one of the table, to the letter.
    #[track_caller]
    pub(crate) fn check_answer(&self, trip_id: &str, answer: &Answer) {
        match self.failure {
            None => assert_eq!(answer.ok(), json!({ "status": "success", "trip_id": trip_id })),
            Some((text, applied)) => {
                let message = format!(
                    "Travel reservation failed with err '{text}'; successfully applied {applied} compensations"
                );
                assert_eq!(answer.error(), (500, "HH0015".to_owned(), message), "{trip_id}");
            }
        }
    }

    /// The objects hold the rows of the table, and nothing else.
    pub(crate) async fn check_rows(&self, host: &TestHost, trip_id: &str) {
        for service in ["flights", "cars", "payments"] {
            let state = host.state(service, trip_id).await;
            let rows = state.as_object().unwrap_or_else(|| panic!("{service}/{trip_id}: {state}"));
            let expected = self.expected_row(service, trip_id);
            assert_eq!(rows.len(), usize::from(expected.is_some()), "{service}/{trip_id}: {rows:?}");
            if let Some(mut expected) = expected {
                let (id, row) = rows.iter().next().expect("one row");
                expected["id"] = json!(id);
                assert_eq!(*row, expected, "{service}/{trip_id}");
            }
        }
    }

    /// How the trip has ended, as it can be seen from outside.
    pub(crate) async fn final_state(
        &self,
        host: &TestHost,
        trip_id: &str,
        answer: &Answer,
        all: &[Effect],
    ) -> FinalState {
        let mut undone: Vec<String> = Vec::new();
        for Effect { effect, .. } in all.iter().filter(|it| it.about == trip_id) {
            let is_undoing = effect.ends_with(".cancel") || effect.ends_with(".refund");
            if is_undoing && !undone.contains(effect) {
                undone.push(effect.clone());
            }
        }
        let mut left = Vec::new();
        for service in ["flights", "cars", "payments"] {
            let state = host.state(service, trip_id).await;
            let rows = state.as_object().into_iter().flat_map(|rows| rows.values());
            left.extend(
                rows.map(|row| format!("{service}: {}", row["transaction_status"].as_str().unwrap_or("?"))),
            );
        }
        FinalState {
            fails: match (self.run_type, self.failure) {
                (Some(run_type), Some((text, _))) => format!("`{run_type}`: {text}"),
                _ => "nothing".to_owned(),
            },
            undone,
            answer: match answer.status {
                200 => answer.json()["status"].as_str().unwrap_or("?").to_owned(),
                status => format!("{status} {}", answer.error().2),
            },
            left: if left.is_empty() { "no rows".to_owned() } else { left.join(", ") },
        }
    }

    /// The row of a service without its id, if the trip leaves one.
    pub(crate) fn expected_row(&self, service: &str, trip_id: &str) -> Option<Value> {
        if self.failure.is_some() {
            return None;
        }
        let mut row = match service {
            "flights" => json!({
                "depart_city": "Detroit", "depart_time": "2021-07-07T06:00:00.000Z",
                "arrive_city": "Frankfurt", "arrive_time": "2021-07-09T08:00:00.000Z",
            }),
            "cars" => json!({
                "rental": "BMW",
                "rental_from": "2021-07-09T00:00:00.000Z", "rental_to": "2021-07-17T00:00:00.000Z",
            }),
            "payments" => json!({ "amount": "750.00", "currency": "USD" }),
            other => panic!("no rows in {other}"),
        };
        row["trip_id"] = json!(trip_id);
        row["transaction_status"] = json!("confirmed");
        Some(row)
    }

    /// The world saw the effects of the table in order, each perhaps more than once, with one id per
    /// booking; and each compensation undid what was done.
    #[track_caller]
    pub(crate) fn check_effects(&self, trip_id: &str, all: &[Effect]) {
        let effects: Vec<&Effect> = all.iter().filter(|effect| effect.about == trip_id).collect();
        let mut names: Vec<&str> = Vec::new();
        for effect in &effects {
            if !names.contains(&effect.effect.as_str()) {
                names.push(&effect.effect);
            }
        }
        assert_eq!(names, self.effects, "the effects of {trip_id}");
        for service in ["flights.", "cars.", "payments.", "trips."] {
            let mut ids: Vec<&str> =
                effects.iter().filter(|it| it.effect.starts_with(service)).map(|it| it.id.as_str()).collect();
            ids.dedup();
            assert!(ids.len() <= 1, "{trip_id} has several ids in {service}: {ids:?}");
        }
        for effect in &effects {
            let Effect { effect, id, idempotency_key, .. } = effect;
            assert_eq!(*idempotency_key, format!("{effect}/{trip_id}/{id}"));
        }
    }
}
