//! The holiday as its page tells it: seven ways a trip can go, and the commands to try.

use serde_json::json;

use crate::harness::{Setup, TestHost};
use crate::ledger::{Ledger, Reply};
use crate::page::{Reader, START, examples};
use crate::trips::TABLE;

#[tokio::test(flavor = "multi_thread")]
async fn each_run_type_ends_as_in_the_table() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::holiday().effects(ledger.address())).await;
    for row in &TABLE {
        let trip_id = row.run_type.unwrap_or("success");
        let answer = host.ingress().post("/trips/reserve", &row.body(trip_id)).await;
        row.check_answer(trip_id, &answer);
        row.check_rows(&host, trip_id).await;
        row.check_effects(trip_id, &ledger.effects());
    }
    // Nothing crashed, so nothing was repeated.
    let total: usize = TABLE.iter().map(|row| row.effect_count()).sum();
    assert_eq!(ledger.effects().len(), total);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let host = TestHost::start(Setup::holiday()).await;
    let mut reader = Reader::new(&host);
    for example in examples("examples/holiday/README.md") {
        if !example.commands.starts_with(START) {
            reader.try_out(&example).await;
        }
    }
    TABLE[0].check_rows(&host, "foo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_field_that_nothing_reads_is_refused() {
    let host = TestHost::start(Setup::holiday()).await;
    let body = json!({ "request": { "run_type": "failPayment" }, "oops": 1 });
    let (status, _, message) = host.ingress().post("/trips/reserve", &body).await.error();
    assert_eq!(status, 400, "{message}");
    assert!(message.contains("oops"), "{message}");
}
