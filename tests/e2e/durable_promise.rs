//! The durable promise: the page's commands as they stand there, and a query whose answer is kept, whoever comes for it.

use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};

use crate::crashes::{self, Crashes};
use crate::harness::{Setup, TestHost, example, output, stdout};
use crate::page::{Reader, START, examples};

const PAGE: &str = "examples/durable-promise/README.md";

/// Long enough for the client to lose its patience.
const SLOW: Setting = ("QUERY_MS", "2000");

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
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
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
    let misspelt = host.ingress().post("/query/query", &json!({ "sql": "SELECT 1" })).await.error();
    assert_eq!((misspelt.0, misspelt.2.contains("sql")), (400, true), "{}", misspelt.2);
    for body in [json!({}), json!({ "query": "SELECT 2" }), Value::Null] {
        assert_eq!(host.ingress().post("/query/query", &body).await.ok()["result"], "foo", "{body}");
    }
    assert_eq!(host.ingress().post_empty("/query/query").await.ok()["result"], "foo");
    host.lines_with("Starting query: SELECT 2 with id: ", 1).await;
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
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
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
