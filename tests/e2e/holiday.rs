//! The holiday as its page tells it: seven ways a trip can go, and the commands to try.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, output};
use crate::ledger::{Ledger, Reply};
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

    let drawn = curl(&host, r#"curl localhost:8080/trips/reserve --json '{}'"#).await;
    assert_eq!(drawn["status"], "success");
    let trip_id = drawn["trip_id"].as_str().expect("a trip id");
    TABLE[0].check_rows(&host, trip_id).await;

    let failed =
        curl(&host, r#"curl localhost:8080/trips/reserve --json '{"request": {"run_type": "failPayment"}}'"#)
            .await;
    let message = "Travel reservation failed with err 'Failed to process payment'; \
                   successfully applied 2 compensations";
    assert_eq!(failed["message"], message);
    assert_eq!(failed["code"], 500);

    let given =
        curl(&host, r#"curl localhost:8080/trips/reserve --json '{"request": {"trip_id": "foo"}}'"#).await;
    assert_eq!(given, json!({ "status": "success", "trip_id": "foo" }));
    TABLE[0].check_rows(&host, "foo").await;
}

/// Runs a command line of the page in a shell; only the port is another.
async fn curl(host: &TestHost, line: &str) -> Value {
    let address = host.ingress_address().to_string();
    let line = line.replace("localhost:8080", &address);
    assert!(line.contains(&address), "tests stay on this machine");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("no_proxy", "*");
    let output = output(shell).await;
    let text = String::from_utf8(output.stdout).expect("text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_field_that_nothing_reads_is_refused() {
    let host = TestHost::start(Setup::holiday()).await;
    let body = json!({ "request": { "run_type": "failPayment" }, "oops": 1 });
    let (status, _, message) = host.ingress().post("/trips/reserve", &body).await.error();
    assert_eq!(status, 400, "{message}");
    assert!(message.contains("oops"), "{message}");
}
