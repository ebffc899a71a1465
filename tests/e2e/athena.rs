//! The durable promise with Amazon Athena: queries that are queued, that run, that fail, and what their rows become.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{Call, Cloud, Verdict};
use crate::harness::{Setup, TestHost};
use crate::http::Answer;
use crate::page::assert_logged;

const SQL: &str = "SELECT * FROM rides";

fn setup(cloud: &Cloud) -> Setup {
    let guests = Setup::guests(&["durable-promise"]);
    guests.env("ATHENA_OUTPUT_LOCATION", "s3://answers/").env("ATHENA_DATABASE", "wild").cloud(cloud)
}

async fn ask(host: &TestHost) -> Answer {
    host.ingress().post("/query/query", &json!({ "query": SQL })).await
}

/// How often a query is looked at before it gets on: to `RUNNING`, and then to its end.
async fn slow_down(cloud: &Cloud, looks: u32) {
    let transition = json!({
        "model_name": "athena::execution",
        "transition": { "progression": "manual", "times": looks },
    });
    cloud.moto().post("/moto-api/state-manager/set-transition", &transition).await.ok();
}

/// What the next query finds.
async fn find(cloud: &Cloud, columns: &[(&str, &str)], rows: &[&[Option<&str>]]) {
    let cell = |cell: &Option<&str>| cell.map_or(json!({}), |text| json!({ "VarCharValue": text }));
    let row = |row: &&[Option<&str>]| json!({ "Data": row.iter().map(cell).collect::<Vec<_>>() });
    let column = |(name, kind): &(&str, &str)| json!({ "Name": name, "Type": kind });
    let result = json!({
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "column_info": columns.iter().map(column).collect::<Vec<_>>(),
    });
    let results = json!({ "region": crate::cloud::REGION, "results": [result] });
    let taken = cloud.moto().post("/moto-api/static/athena/query-results", &results).await;
    assert_eq!(taken.status, 201, "{taken:?}");
}

/// The calls of one operation, as they were asked for.
fn calls(cloud: &Cloud, operation: &str) -> Vec<Value> {
    let calls = cloud.calls().into_iter().filter(|it| it.operation == operation);
    calls.map(|it| serde_json::from_str(&it.body).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_waited_for_with_growing_pauses_and_its_rows_are_objects() {
    let Some(cloud) = Cloud::start(|_| Verdict::Forward).await else { return };
    slow_down(&cloud, 2).await;
    let columns = [
        ("ride", "varchar"),
        ("km", "double"),
        ("riders", "integer"),
        ("shared", "boolean"),
        ("fare", "decimal"),
    ];
    let head: Vec<Option<&str>> = columns.iter().map(|(name, _)| Some(*name)).collect();
    let first = [Some("wr_563"), Some("12.5"), Some("2"), Some("true"), Some("20.00")];
    let second = [Some("wr_564"), Some("NaN"), None, Some("false"), None];
    find(&cloud, &columns, &[&head, &first, &second]).await;

    let host = TestHost::start(setup(&cloud)).await;
    let answer = ask(&host).await.ok();
    let rows = json!([
        { "ride": "wr_563", "km": 12.5, "riders": 2, "shared": true, "fare": "20.00" },
        { "ride": "wr_564", "km": "NaN", "riders": null, "shared": false, "fare": null },
    ]);
    assert_eq!(answer["result"], rows);

    let expected = json!({
        "QueryString": SQL,
        "ClientRequestToken": answer["_id"],
        "QueryExecutionContext": { "Database": "wild" },
        "ResultConfiguration": { "OutputLocation": "s3://answers/" },
    });
    assert_eq!(calls(&cloud, "StartQueryExecution"), [expected]);
    let looks = calls(&cloud, "GetQueryExecution").len();
    let waits = host.lines_with("step=\"wait for the query\"", looks - 1).await;
    assert!(waits.len() >= 2, "{waits:#?}");
    for (n, line) in waits.iter().enumerate() {
        assert!(line.contains("WARN invocation: Step failed method=internal/query"), "{line}");
        assert!(line.ends_with(&format!("next_in_ms={}", 40 << n)), "{line}");
    }
    let states = |state: &str| waits.iter().filter(|line| line.contains(state)).count();
    let not_yet = "Query has not yet finished. Current state: ";
    assert_eq!(states(&format!("{not_yet}QUEUED")) + states(&format!("{not_yet}RUNNING")), waits.len());
    assert!(states("RUNNING") > 0, "{waits:#?}");
    assert_logged("examples/durable-promise/README.md", &host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_start_is_not_acknowledged_is_started_again_under_the_same_token() {
    let policy = |call: &Call| match (call.operation.as_str(), call.nth) {
        ("StartQueryExecution", 1) => Verdict::ForwardAndDeny,
        _ => Verdict::Forward,
    };
    let Some(cloud) = Cloud::start(policy).await else { return };
    let host = TestHost::start(setup(&cloud)).await;
    let answer = ask(&host).await.ok();
    assert_eq!(answer["result"], json!([]), "nothing is found, which is an answer");
    let tokens: Vec<Value> =
        calls(&cloud, "StartQueryExecution").iter().map(|it| it["ClientRequestToken"].clone()).collect();
    assert_eq!(tokens, [answer["_id"].clone(), answer["_id"].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_goes_on_where_it_was_when_the_host_dies() {
    let Some(cloud) = Cloud::start(|_| Verdict::Forward).await else { return };
    slow_down(&cloud, 4).await;
    let mut host = TestHost::start(setup(&cloud)).await;
    let door = host.ingress();
    let request =
        move || door.request(Method::POST, "/query/query").header("idempotency-key", "k").json(&json!({}));
    let asked = host.ingress();
    let answer = tokio::spawn(async move { asked.insist(request).await });
    // Started, and looked at once.
    cloud.arrived(2).await;
    host.kill_and_start_again().await;
    cloud.arrived(5).await;
    host.kill_and_start_again().await;
    assert_eq!(answer.await.expect("no panic").ok()["result"], json!([]));
    let tokens: Vec<Value> =
        calls(&cloud, "StartQueryExecution").iter().map(|it| it["ClientRequestToken"].clone()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_is_the_end_for_all_who_wait() {
    const FAILED: &str = r#"{"QueryExecution": {"QueryExecutionId": "q", "Status":
        {"State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND: rides"}}}"#;
    let policy = |call: &Call| match (call.operation.as_str(), call.nth) {
        ("GetQueryExecution", 2) => Verdict::Answer(FAILED),
        // The second query is not even taken.
        ("StartQueryExecution", 2) => Verdict::Refuse {
            status: 400,
            code: "InvalidRequestException",
            message: "line 1:1: mismatched input",
        },
        _ => Verdict::Forward,
    };
    let Some(cloud) = Cloud::start(policy).await else { return };
    slow_down(&cloud, 3).await;
    let host = TestHost::start(setup(&cloud)).await;
    for why in ["it is FAILED: TABLE_NOT_FOUND: rides", "InvalidRequestException: line 1:1: mismatched input"]
    {
        let (status, code, message) = ask(&host).await.error();
        assert_eq!((status, code.as_str(), message.as_str()), (500, "HH0015", "Unable to execute query"));
        host.lines_with(why, 1).await;
    }
    let ended = "Invocation failed method=internal/query";
    for line in host.lines_with(ended, 2).await {
        assert!(line.contains("Unable to execute query"), "{line}");
    }
    assert_eq!(calls(&cloud, "GetQueryResults").len(), 0);
}
