//! The durable promise: the page's commands as they stand there, and a query whose answer is kept, whoever comes for it.

use std::process::{Command, Output};
use std::time::Duration;

use expect_test::expect;
use reqwest::Method;
use serde_json::{Value, json};

use crate::crashes::{self, Crashes};
use crate::harness::{Setup, TestHost, example, output, stdout};
use crate::http::Answer;
use crate::page::{Reader, START, examples};

const PAGE: &str = "examples/durable-promise/README.md";

/// Long enough for the client to lose its patience.
const SLOW: Setting = ("QUERY_MS", "2000");

/// How long the original's client waits for one answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A query that is not waited for.
const FAST: Setting = ("QUERY_MS", "20");

type Setting = (&'static str, &'static str);

fn setup((name, value): Setting) -> Setup {
    Setup::guests(&["durable-promise"]).env(name, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let mut host = TestHost::start(setup(SLOW)).await;
    example("impatient-client");
    let mut reader = Reader::new(&host);
    let mut kills = 0;
    for example in examples(PAGE) {
        match example.commands.as_str() {
            START => {}
            "kill -9 $(pgrep holiday-host)" => {
                // Not before there is something to lose.
                queries(&host, "internal", |all| all.iter().any(|it| it["status"] == "suspended")).await;
                host.kill_and_start_again().await;
                kills += 1;
            }
            _ => reader.try_out(&example).await,
        }
    }
    assert_eq!(kills, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_comes_back_until_it_has_the_answer() {
    let host = TestHost::start(setup(SLOW)).await;
    let first = stdout(&run_client(&host, &[]).await);
    let lines: Vec<&str> = first.lines().collect();
    let key =
        lines[0].strip_prefix("Starting query with idempotency key: ").and_then(|it| it.strip_suffix(" ..."));
    let key = key.unwrap_or_else(|| panic!("{first}"));
    for (attempt, line) in (1..).zip(lines[1..].iter().take_while(|it| it.starts_with("Attempt"))) {
        let begin = format!("Attempt #{attempt} failed with timeout of 500ms exceeded. Backing off for ");
        let pause = line.strip_prefix(&begin).and_then(|it| it.strip_suffix("ms..."));
        let pause: f64 = pause.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        assert!((100.0..=4_000.0).contains(&pause), "{line}");
    }
    assert!(lines[1].starts_with("Attempt #1 "), "{first}");
    let answer = answer(&first);
    assert_eq!(answer["result"], "foo");

    // Under the same key it is the same answer, without waiting.
    let second = stdout(&run_client(&host, &[("IDEMPOTENCY_KEY", key)]).await);
    assert!(!second.contains("Attempt"), "{second}");
    assert_eq!(self::answer(&second), answer);
    let other = stdout(&run_client(&host, &[]).await);
    assert_ne!(self::answer(&other)["_id"], answer["_id"], "another key is another query");
    assert_eq!(queries(&host, "query", |_| true).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_gets_its_answer_from_a_host_that_was_killed() {
    let mut host = TestHost::start(setup(SLOW)).await;
    let client = tokio::spawn(output(client(&host, &[("IDEMPOTENCY_KEY", "k")])));
    for _ in 0..3 {
        queries(&host, "internal", |all| all.iter().any(|it| it["status"] != "running")).await;
        host.kill();
        // Somebody is there to be refused.
        tokio::time::sleep(Duration::from_millis(20)).await;
        host.start_again().await;
    }
    let printed = stdout(&client.await.expect("running does not panic"));
    assert_eq!(answer(&printed)["result"], "foo");
    let again = stdout(&run_client(&host, &[("IDEMPOTENCY_KEY", "k")]).await);
    assert_eq!(answer(&again), answer(&printed));
    assert_eq!(queries(&host, "query", |_| true).await.len(), 1, "one query, whoever asked how often");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_service_starts_a_query() {
    let host = TestHost::start(setup(FAST)).await;
    let job = json!({ "query": {}, "awakeable": "awk_1" });
    assert_eq!(host.ingress().post("/internal/k/query", &job).await.error().1, "HH0050");
    assert_eq!(queries(&host, "internal", |_| true).await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_a_string_an_object_or_nothing() {
    let host = TestHost::start(setup(FAST)).await;
    for (body, sql) in [
        (r#""SELECT 2""#, "SELECT 2"),
        (r#"{"query": "SELECT 3"}"#, "SELECT 3"),
        (r#"{"query": null}"#, "SELECT 1"),
        ("{}", "SELECT 1"),
        ("null", "SELECT 1"),
        ("", "SELECT 1"),
        (r#"{"request": "SELECT 4"}"#, "SELECT 4"),
        (r#"{"request": {"query": "SELECT 5"}}"#, "SELECT 5"),
        (r#"{"request": {}}"#, "SELECT 1"),
        (r#"{"request": null}"#, "SELECT 1"),
    ] {
        let answer = post(&host, body).await.ok();
        assert_eq!(answer["result"], "foo", "{body}");
        let id = answer["_id"].as_str().unwrap_or_else(|| panic!("{body}: {answer}"));
        host.lines_with(&format!("Starting query: {sql} with id: {id}"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_of_a_query_is_refused_before_it_is_recorded() {
    let host = TestHost::start(setup(FAST)).await;
    let mut errors = String::new();
    for body in [
        "7",
        r#"["SELECT 2"]"#,
        r#""""#,
        r#"{"query": ""}"#,
        r#"{"query": 7}"#,
        r#"{"sql": "SELECT 2"}"#,
        r#"{"query": "SELECT 2", "limit": 10}"#,
        r#"{"request": 7}"#,
        r#"{"request": ""}"#,
        r#"{"request": {"request": "SELECT 2"}}"#,
        r#"{"request": "SELECT 2", "limit": 10}"#,
        "SELECT 2",
    ] {
        let (status, code, message) = post(&host, body).await.error();
        let message = message.strip_prefix("the input does not fit the schema of ").unwrap_or(&message);
        errors += &format!("{body} => {status} {code} {message}\n");
    }
    expect![[r#"
        7 => 400 HH0004 query/query: it is 7, not a string, an object or null
        ["SELECT 2"] => 400 HH0004 query/query: it is ["SELECT 2"], not a string, an object or null
        "" => 400 HH0004 query/query: it is "", shorter than 1 characters
        {"query": ""} => 400 HH0004 query/query: .query is "", shorter than 1 characters
        {"query": 7} => 400 HH0004 query/query: .query is 7, not null or a string
        {"sql": "SELECT 2"} => 400 HH0004 query/query: it has fields that are not known: "sql"
        {"query": "SELECT 2", "limit": 10} => 400 HH0004 query/query: it has fields that are not known: "limit"
        {"request": 7} => 400 HH0004 query/query: it is 7, not a string, an object or null
        {"request": ""} => 400 HH0004 query/query: it is "", shorter than 1 characters
        {"request": {"request": "SELECT 2"}} => 400 HH0004 query/query: it has fields that are not known: "request"
        {"request": "SELECT 2", "limit": 10} => 400 HH0032 nothing reads the field 'limit' beside 'request' in the body; send the handler's input alone, or as {"request": …} with nothing beside it
        SELECT 2 => 400 HH0004 the body is not JSON: expected value at line 1 column 1
    "#]].assert_eq(&errors);
    assert_eq!(queries(&host, "query", |_| true).await, [] as [Value; 0]);
}

/// Two versions of the original's client differ in their body: one sends a query, the other none.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_the_original_works_unmodified() {
    let host = TestHost::start(setup(SLOW)).await;
    let select = r#"{"request":"SELECT * FROM \"demo_db\".\"table\" limit 10;"}"#;
    let (with_query, without) = tokio::join!(
        ask_as_the_original(&host, "6pbxlpuwect", select),
        ask_as_the_original(&host, "xkmwm95dxln", "{}")
    );
    for (timeouts, answer) in [&with_query, &without] {
        assert!(*timeouts > 0, "a query of two seconds outlives half a second: {answer}");
        assert_eq!(answer["result"], "foo");
    }
    for (sql, (_, answer)) in
        [(r#"SELECT * FROM "demo_db"."table" limit 10;"#, &with_query), ("SELECT 1", &without)]
    {
        let id = answer["_id"].as_str().expect("an id");
        host.lines_with(&format!("Starting query: {sql} with id: {id}"), 1).await;
    }
    let again = ask_as_the_original(&host, "6pbxlpuwect", select).await;
    assert_eq!(again, (0, with_query.1), "the stored answer, at once");
    assert_eq!(queries(&host, "query", |_| true).await.len(), 2, "one query per key");
}

/// Asks as the original's client does until it has the answer; returns it with the number of attempts that timed out.
async fn ask_as_the_original(host: &TestHost, key: &str, body: &'static str) -> (u32, Value) {
    let mut timeouts = 0;
    loop {
        let request = host.ingress().request(Method::POST, "/query/query").timeout(PATIENCE);
        let request = request
            .header("accept", "application/json, text/plain, */*")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header("user-agent", "axios/1.6.2")
            .header("accept-encoding", "gzip, compress, deflate, br");
        match crate::http::send(request.body(body)).await {
            // The original's client would retry a refusal for ever.
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{answer:?}");
                return (timeouts, answer.ok());
            }
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
        timeouts += 1;
        tokio::time::sleep(Duration::from_millis(100 << timeouts)).await;
    }
}

async fn post(host: &TestHost, body: &str) -> Answer {
    host.ingress().post_bytes("/query/query", "application/json", body.into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_wrong_is_named_until_it_is_right() {
    let mut host = TestHost::start(setup(("QUERY_MS", "soon"))).await;
    let query = host.ingress().send("/query/query", &json!({})).await;
    let lines = host.lines_with("QUERY_MS is 'soon'; set it to a number of milliseconds", 2).await;
    assert!(lines[0].contains("Step failed method=internal/query"), "{}", lines[0]);
    host.kill();
    host.setup = setup(FAST);
    host.start_again().await;
    assert_eq!(host.ingress().attach(&query).await.ok()["result"], "foo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_wherever_the_host_dies() {
    let mut host = Crashes::start(setup(FAST)).await;
    let told = host.at_every_record(
        |door, telling| crashes::call(door, "/query/query".to_owned(), format!("k{telling}"), json!({})),
        async |host, telling, answer| {
            let again = host.ingress().request(Method::POST, "/query/query");
            let again = again.header("idempotency-key", format!("k{telling}")).json(&json!({}));
            let again = crate::http::send(again).await.expect("the host answers");
            assert_eq!(again.outcome(), answer.outcome(), "the stored answer of k{telling}");
            let all = queries(host, "internal", |all| all.iter().all(|it| it["status"] == "completed")).await;
            assert!(all.len() <= telling, "one query per key: {all:?}");
            let mut answer = answer.ok();
            assert_eq!(answer["_id"].take().as_str().map(str::len), Some(36));
            answer
        },
    );
    let (answer, crashes) = told.await;
    assert_eq!(answer, json!({ "result": "foo", "_id": null }));
    println!("{crashes} crashes");
}

/// All invocations of a service that are known, once they are as they should be.
async fn queries(host: &TestHost, service: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    loop {
        let page = host.admin().get(&format!("/invocations?service={service}")).await.ok();
        let all = page["invocations"].as_array().expect("a page").clone();
        if holds(&all) {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The client of the example, with more variables.
fn client(host: &TestHost, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(example("impatient-client"));
    command.env("HOLIDAY_INGRESS", format!("http://{}", host.ingress_address()));
    command.env("NO_PROXY", "*").env_remove("IDEMPOTENCY_KEY").envs(variables.iter().copied());
    command
}

async fn run_client(host: &TestHost, variables: &[(&str, &str)]) -> Output {
    output(client(host, variables)).await
}

/// What the client prints last.
fn answer(printed: &str) -> Value {
    let (_, answer) =
        printed.split_once("Query finished with status: 200.\n").unwrap_or_else(|| panic!("{printed}"));
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {printed}"))
}
