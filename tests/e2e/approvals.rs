//! Approvals: the page's commands as they stand there, and reports that are decided about across crashes.

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost};
use crate::http::Answer;
use crate::ledger::{Ledger, Reply};
use crate::page::{Reader, START, examples};

const PAGE: &str = "examples/approvals/README.md";

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let mut host = TestHost::start(Setup::guests(&["approvals"])).await;
    let mut reader = Reader::new(&host);
    let mut kills = 0;
    for example in examples(PAGE) {
        match example.commands.as_str() {
            // The host of the test is there already, and the only one to be killed.
            START => {}
            "kill -9 $(pgrep holiday-host)" => {
                host.kill_and_start_again().await;
                kills += 1;
            }
            _ => reader.try_out(&example).await,
        }
    }
    assert_eq!(kills, 1);
}

/// Reports, and what the world is told of them.
struct Office {
    host: TestHost,
    ledger: Ledger,
}

impl Office {
    async fn open() -> Office {
        let ledger = Ledger::start(|_| Reply::Accept).await;
        let host = TestHost::start(Setup::guests(&["approvals"]).effects(ledger.address())).await;
        Office { host, ledger }
    }

    /// Hands in a report and waits until its run waits; returns the run's invocation.
    async fn hand_in(&self, id: &str, deadline_seconds: u32) -> String {
        let run = self.host.ingress().send(&format!("/approvals/{id}/run"), &report(deadline_seconds)).await;
        // One with a short deadline may have ended by now.
        self.host.wait_for(&run, |it| it["status"] == "suspended" || it["status"] == "completed").await;
        run
    }

    async fn decide(&self, id: &str, verb: &str, decision: &Value) -> Answer {
        self.host.ingress().post(&format!("/approvals/{id}/{verb}"), decision).await
    }

    async fn approve(&self, id: &str) -> Answer {
        self.decide(id, "approve", &json!({ "by": "bob" })).await
    }

    /// A second decision of any kind is refused.
    async fn assert_decided(&self, id: &str) {
        let rejection = json!({ "by": "eve", "reason": "late" });
        for second in [self.approve(id).await, self.decide(id, "reject", &rejection).await] {
            let (status, code, _) = second.error();
            assert_eq!((status, code.as_str()), (409, "HH0063"), "{id}");
        }
    }

    /// The outcome by the workflow's id: `attach` waits for it, `output` does not.
    async fn outcome(&self, id: &str, verb: &str) -> Answer {
        self.host.ingress().get(&format!("/restate/workflow/approvals/{id}/{verb}")).await
    }

    /// The payments that the bank was asked for.
    fn payments(&self) -> Vec<String> {
        let all = self.ledger.effects();
        all.into_iter().filter(|it| it.effect == "accounts.pay").map(|it| it.id).collect()
    }
}

fn report(deadline_seconds: u32) -> Value {
    json!({
        "employee": "ann",
        "purpose": "lunch",
        "amount_cents": 1700,
        "approver": "bob",
        "deadline_seconds": deadline_seconds,
    })
}

/// Longer than any test.
const AN_HOUR: u32 = 60 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_report_is_paid_once() {
    let office = Office::open().await;
    office.hand_in("r-1", AN_HOUR).await;
    assert_eq!(office.outcome("r-1", "output").await.error().0, 470);
    assert_eq!(office.payments(), Vec::<String>::new());

    office.approve("r-1").await.ok();
    office.assert_decided("r-1").await;
    let outcome = office.outcome("r-1", "attach").await.ok();
    let payments = office.payments();
    assert_eq!(outcome, json!({ "outcome": "paid", "approved_by": "bob", "payment_id": payments[0] }));
    assert_eq!(payments.len(), 1);
    assert_eq!(office.outcome("r-1", "output").await.ok(), outcome);
    let row = json!({ "payment_id": payments[0], "amount_cents": 1700 });
    assert_eq!(office.host.state("accounts", "ann").await, json!({ "r-1": row }));

    // Neither a second run nor a way around the approval.
    let again = office.host.ingress().post("/approvals/r-1/run", &report(AN_HOUR)).await;
    assert_eq!(again.error().0, 409);
    let claim = json!({ "report_id": "r-2", "amount_cents": 1 });
    assert_eq!(office.host.ingress().post("/accounts/ann/pay", &claim).await.error().1, "HH0050");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_report_is_not_paid() {
    let office = Office::open().await;
    office.hand_in("r-1", AN_HOUR).await;
    office.decide("r-1", "reject", &json!({ "by": "bob", "reason": "too much" })).await.ok();
    office.assert_decided("r-1").await;
    let outcome = office.outcome("r-1", "attach").await.ok();
    assert_eq!(outcome, json!({ "outcome": "rejected", "reason": "bob: too much" }));
    assert_eq!(office.payments(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_nobody_looks_at_is_rejected_also_when_the_host_dies() {
    let mut office = Office::open().await;
    office.hand_in("r-1", 1).await;
    office.host.kill_and_start_again().await;
    let outcome = office.outcome("r-1", "attach").await.ok();
    assert_eq!(outcome, json!({ "outcome": "rejected", "reason": "bob has not decided in time" }));
    office.assert_decided("r-1").await;
    assert_eq!(office.payments(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_waits_for_its_approval_while_the_host_dies() {
    let mut office = Office::open().await;
    let run = office.hand_in("r-1", AN_HOUR).await;
    office.host.kill_and_start_again().await;
    assert_eq!(office.outcome("r-1", "output").await.error().0, 470);

    // A signal from before a crash counts after it, and restarts nothing but the wait.
    let escalate = format!("/restate/invocation/{run}/signals/escalate/resolve");
    assert_eq!(office.host.ingress().post(&escalate, &json!("carl")).await.status, 202);
    office.host.kill_and_start_again().await;
    office.host.wait_for(&run, |it| it["journal"]["commands"] == 10 && it["status"] == "suspended").await;
    let status = office.host.ingress().get("/approvals/r-1/status").await.ok();
    assert_eq!(status["decision"], "carl is asked");

    office.decide("r-1", "approve", &json!({ "by": "carl" })).await.ok();
    office.host.kill_and_start_again().await;
    let outcome = office.outcome("r-1", "attach").await.ok();
    assert_eq!([&outcome["outcome"], &outcome["approved_by"]], ["paid", "carl"]);
    let payment = outcome["payment_id"].as_str().expect("an id");
    let payments = office.payments();
    assert!(
        !payments.is_empty() && payments.iter().all(|it| it == payment),
        "{payments:?}: one, under one id"
    );

    office.host.kill_and_start_again().await;
    assert_eq!(office.outcome("r-1", "output").await.ok(), outcome);
    assert_eq!(office.host.ingress().attach(&run).await.ok(), outcome);
    office.assert_decided("r-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_report_cannot_be_approved() {
    let office = Office::open().await;
    let run = office.hand_in("r-1", AN_HOUR).await;
    office.host.admin().patch(&format!("/invocations/{run}/cancel")).await.ok();
    assert_eq!(office.outcome("r-1", "attach").await.error().1, "HH0016");
    office.assert_decided("r-1").await;
    assert_eq!(office.payments(), Vec::<String>::new());
}
