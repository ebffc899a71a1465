//! The table of fares: what each kind of customer ends in, and what it leaves.

use serde_json::{Value, json};

use crate::final_states::FinalState;
use crate::harness::TestHost;
use crate::http::Answer;
use crate::ledger::Effect;

/// Refunds are not waited for.
pub(crate) const CONFIG: &str = "[policies.services.payment.handlers.refund]
retry = { initial-interval = \"1ms\", max-attempts = 3 }\n";

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What the customer's id ends in.
    suffix: &'static str,
    /// Status and text of the terminal error.
    failure: Option<(u16, &'static str)>,
    /// Whether it ends by itself; or else an operator is asked.
    pub(crate) is_settled: bool,
    /// The effects in order.
    pub(crate) effects: &'static [&'static str],
}

/// The fares that end by themselves.
pub(crate) const TABLE: [Row; 4] = [
    Row {
        suffix: "",
        failure: None,
        is_settled: true,
        effects: &["payment.authorise", "payment.charge", "accounting.credit", "fares.notify_success"],
    },
    Row {
        suffix: "_fail_auth",
        failure: Some((402, "Forced auth transaction failure")),
        is_settled: true,
        effects: &["fares.notify_failure"],
    },
    Row {
        suffix: "_fail_charge",
        failure: Some((402, "Forced charge transaction failure")),
        is_settled: true,
        effects: &["payment.authorise", "fares.notify_failure"],
    },
    Row {
        suffix: "_fail_credit",
        failure: Some((500, "Forced account credit transaction failure")),
        is_settled: true,
        effects: &["payment.authorise", "payment.charge", "payment.refund", "fares.notify_failure"],
    },
];

/// The fare that waits for an operator, because its refund fails for ever.
pub(crate) const UNREFUNDED: Row = Row {
    suffix: "_fail_credit_fail_refund",
    failure: Some((500, "Forced account credit transaction failure")),
    is_settled: false,
    effects: &["payment.authorise", "payment.charge"],
};

/// An order as the page has it, for another fare and customer.
pub(crate) fn order(fare_id: &str, customer_id: &str) -> Value {
    json!({
        "customerId": customer_id,
        "fareId": fare_id,
        "fareAmount": "$20.00",
        "cc": "2424 2424 2424 2424",
        "expiryDate": "12/22",
        "cvv": "111",
    })
}

/// What the queues have about a fare.
pub(crate) async fn notifications(host: &TestHost, fare_id: &str) -> Vec<Value> {
    let queues = host.state("notifications", "fares").await;
    let queues = queues.as_object().expect("an object").values();
    let all = queues.flat_map(|queue| queue.as_array().expect("a queue").clone());
    all.filter(|it| it["fareId"] == fare_id).collect()
}

impl Row {
    pub(crate) fn fare_id(&self, telling: usize) -> String {
        format!("wr{}_{telling}", self.suffix)
    }

    fn customer_id(&self) -> String {
        format!("3{}", self.suffix)
    }

    pub(crate) fn order(&self, fare_id: &str) -> Value {
        order(fare_id, &self.customer_id())
    }

    /// The answer is the one of the table, to the letter.
    #[track_caller]
    pub(crate) fn check_answer(&self, fare_id: &str, answer: &Answer) {
        match self.failure {
            _ if !self.is_settled => assert_eq!(answer.ok()["status"], "paused", "{fare_id}"),
            Some((code, text)) => {
                assert_eq!(answer.error(), (code, "HH0015".to_owned(), text.to_owned()), "{fare_id}");
            }
            None => {
                let mut collected = answer.ok();
                let charge = collected["chargeId"].take();
                assert!(charge.as_str().is_some_and(|id| id.starts_with("ch_")), "{charge}");
                let mut expected = self.fare(fare_id);
                expected["fareStatus"] = json!("completed");
                expected["chargeId"] = Value::Null;
                assert_eq!(collected, expected);
            }
        }
    }

    fn fare(&self, fare_id: &str) -> Value {
        json!({ "customerId": self.customer_id(), "fareId": fare_id, "fareAmount": "$20.00" })
    }

    fn fare_status(&self) -> &'static str {
        match (self.is_settled, self.failure) {
            (false, _) => "registered",
            (true, None) => "completed",
            (true, Some(_)) => "failed",
        }
    }

    /// The row, the queues and the world are as in the table.
    pub(crate) async fn check(&self, host: &TestHost, fare_id: &str, all: &[Effect]) {
        let mut expected = self.fare(fare_id);
        expected["fareStatus"] = json!(self.fare_status());
        // The whole state: there is nothing about a card in it.
        assert_eq!(host.state("fares", fare_id).await, json!({ "fare": expected }));
        if let Some((_, text)) = self.failure {
            expected["reason"] = json!(text);
        }
        let told = if self.is_settled { vec![expected] } else { Vec::new() };
        assert_eq!(notifications(host, fare_id).await, told);
        let queue = if self.failure.is_none() { "success" } else { "failure" };
        let queues = host.state("notifications", "fares").await;
        let is_there = queues[queue].as_array().is_some_and(|it| it.iter().any(|it| it["fareId"] == fare_id));
        assert_eq!(is_there, self.is_settled, "{fare_id} in the queue {queue}");
        self.check_effects(fare_id, all);
    }

    /// The world saw the effects of the table in order, each perhaps more than once, under one id.
    #[track_caller]
    fn check_effects(&self, fare_id: &str, all: &[Effect]) {
        let effects: Vec<&Effect> = all.iter().filter(|it| it.about == fare_id).collect();
        assert_eq!(names(&effects), self.effects, "the effects of {fare_id}");
        for name in self.effects {
            let mut keys: Vec<&str> = effects
                .iter()
                .filter(|it| it.effect == *name)
                .map(|it| it.idempotency_key.as_str())
                .collect();
            keys.dedup();
            assert_eq!(keys.len(), 1, "{fare_id} has several of {name}: {keys:?}");
        }
        let id = |name: &str| effects.iter().find(|it| it.effect == name).map(|it| &it.id);
        if let Some(refunded) = id("payment.refund") {
            assert_eq!(Some(refunded), id("payment.charge"), "what was charged is given back");
        }
    }

    /// How the fare has ended, as it can be seen from outside.
    pub(crate) async fn final_state(
        &self,
        host: &TestHost,
        fare_id: &str,
        answer: &Answer,
        all: &[Effect],
    ) -> FinalState {
        let effects: Vec<&Effect> = all.iter().filter(|it| it.about == fare_id).collect();
        let is_undoing = |name: &&str| name.ends_with(".refund") || name.ends_with(".reverse");
        let undone = names(&effects).into_iter().filter(is_undoing).map(str::to_owned);
        let open = if self.is_settled { Vec::new() } else { steps_open(&answer.ok()) };
        let failing = open.iter().map(String::as_str).filter(is_undoing);
        let failing: Vec<String> = failing.map(|name| format!("{name}, which fails")).collect();
        let row = host.state("fares", fare_id).await;
        let told = notifications(host, fare_id).await;
        FinalState {
            fails: match self.failure {
                Some((_, text)) => format!("`{}`: {text}", self.suffix),
                None => "nothing".to_owned(),
            },
            undone: undone.chain(failing).collect(),
            answer: match (self.is_settled, answer.status) {
                (false, _) => answer.ok()["reason"]
                    .as_str()
                    .map_or("?".to_owned(), |it| format!("nothing yet; paused: {it}")),
                (true, 200) => answer.json()["fareStatus"].as_str().unwrap_or("?").to_owned(),
                (true, status) => format!("{status} {}", answer.error().2),
            },
            left: format!(
                "fares: {}, notified: {}",
                row["fare"]["fareStatus"].as_str().unwrap_or("?"),
                told.first().map_or("nobody yet", |it| it["fareStatus"].as_str().unwrap_or("?"))
            ),
        }
    }
}

/// The steps that an invocation, as operators see it, waits for.
fn steps_open(invocation: &Value) -> Vec<String> {
    let open = invocation["open"].as_array().expect("what it waits for").iter();
    let commands = open.filter_map(|it| it["command"].as_str());
    let names = commands.filter_map(|command| command.strip_prefix("run '")?.strip_suffix('\''));
    names.map(str::to_owned).collect()
}

/// The effects in the order in which they were first asked for.
fn names<'a>(effects: &[&'a Effect]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for effect in effects {
        if !names.contains(&effect.effect.as_str()) {
            names.push(&effect.effect);
        }
    }
    names
}
