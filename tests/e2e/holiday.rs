//! The holiday as its page tells it: seven ways a trip can go, and the commands to try.

use serde_json::json;

use crate::crashes::{self, Crashes};
use crate::final_states::Table;
use crate::harness::{Setup, TestHost};
use crate::ledger::{Ledger, Reply};
use crate::page::{Reader, START, examples, line_of};
use crate::trips::TABLE;

pub(crate) const PAGE: &str = "examples/holiday/README.md";

/// The part of the page that another test tries.
pub(crate) const CLOUD_SECTION: &str = "## With DynamoDB and SNS";

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
    let with_the_cloud = line_of(PAGE, CLOUD_SECTION);
    for example in examples(PAGE).into_iter().filter(|example| example.line < with_the_cloud) {
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

#[tokio::test(flavor = "multi_thread")]
async fn each_trip_ends_the_same_wherever_the_host_dies() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let mut host = Crashes::start(Setup::holiday().effects(ledger.address())).await;
    let mut table = Table::of("holiday");
    for row in &TABLE {
        let run_type = row.run_type.unwrap_or("none");
        let id = move |telling| format!("{run_type}-{telling}");
        let told = host.at_every_record(
            |door, telling| {
                let body = row.body(&id(telling));
                crashes::call(door, "/trips/reserve".to_owned(), id(telling), body)
            },
            async |host, telling, answer| {
                let trip_id = id(telling);
                row.check_answer(&trip_id, &answer);
                row.check_rows(host, &trip_id).await;
                row.check_effects(&trip_id, &ledger.effects());
                row.final_state(host, &trip_id, &answer, &ledger.effects()).await
            },
        );
        table.push(told.await);
    }
    table.check();
}
