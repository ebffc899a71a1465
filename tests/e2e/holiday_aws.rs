//! The holiday with DynamoDB and SNS: what a client of somebody else finds there.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::{ACCESS_KEY_ID, Call, Cloud, SECRET_ACCESS_KEY, Verdict};
use crate::harness::{Setup, TestHost, workspace};
use crate::holiday::{CLOUD_SECTION, PAGE};
use crate::ledger::{Ledger, Reply};
use crate::page::{Reader, examples, line_of, write_program};
use crate::secrets::{assert_nowhere, places};
use crate::trips::{Row, TABLE};

const TABLES: [&str; 3] = ["flights", "cars", "payments"];

/// As moto names a topic that is called `trips`.
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:trips";

/// Where the example's own script has moto.
const ADDRESS_OF_THE_PAGE: &str = "127.0.0.1:5000";

impl Setup {
    /// Has the holiday use the tables and the topic of this cloud.
    fn holiday_in(cloud: &Cloud) -> Setup {
        Setup::holiday().cloud(cloud).with_tables()
    }

    fn with_tables(self) -> Setup {
        let tables = TABLES.map(|table| (format!("{}_TABLE_NAME", table.to_uppercase()), table));
        let setup = self.env("SNS_TOPIC", TOPIC);
        tables.into_iter().fold(setup, |setup, (variable, table)| setup.env(&variable, table))
    }
}

/// Starts a cloud in which the example's own script has made what it needs.
async fn cloud(policy: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Option<Cloud> {
    let cloud = Cloud::start(policy).await?;
    let printed = cloud.run_python(&["examples/holiday/cloud.py", "make"]).await;
    assert_eq!(printed, format!("topic {TOPIC}\n"));
    Some(cloud)
}

/// What is left of a trip: its rows, by table, and all messages that have come since they were taken last.
async fn left(cloud: &Cloud, trip_id: &str) -> Value {
    let code = format!(
        "from boto3.dynamodb.conditions import Key
dynamodb = boto3.resource('dynamodb')
def rows(table):
    return dynamodb.Table(table).query(KeyConditionExpression=Key('pk').eq({trip_id:?}))['Items']
left = {{table: rows(table) for table in {TABLES:?}}}
queue = boto3.resource('sqs').get_queue_by_name(QueueName='trips')
left['messages'] = []
while messages := queue.receive_messages(MaxNumberOfMessages=10):
    for message in messages:
        left['messages'].append(message.body)
        message.delete()
print(json.dumps(left))"
    );
    cloud.python(&code).await
}

/// What subscribers are told of a trip.
fn message(row: &Row, trip_id: &str) -> String {
    let ending = if row.run_type.is_none() { "is successful" } else { "failed" };
    format!("Your travel reservation {ending}: {trip_id}")
}

/// The tables have the rows of the trip, and nothing else of it; the objects have nothing. Returns the messages.
async fn check_left(cloud: &Cloud, host: &TestHost, row: &Row, trip_id: &str) -> Value {
    let mut left = left(cloud, trip_id).await;
    for table in TABLES {
        let mut expected: Vec<Value> = row.expected_row(table, trip_id).into_iter().collect();
        for (expected, found) in expected.iter_mut().zip(left[table].as_array().expect("rows")) {
            let id = found["sk"].as_str().expect("the id of the booking");
            (expected["id"], expected["sk"], expected["pk"]) = (json!(id), json!(id), json!(trip_id));
        }
        assert_eq!(left[table], json!(expected), "{table}/{trip_id}");
        assert_eq!(host.state(table, trip_id).await, json!({}), "{table}/{trip_id}");
    }
    left["messages"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_type_ends_as_in_the_table_and_nobody_learns_the_credentials() {
    let Some(cloud) = cloud(|_| Verdict::Forward).await else { return };
    let policies = "policies.journal-retention = \"1h\"\n";
    let host = TestHost::start(Setup::holiday().config(policies).cloud(&cloud).with_tables()).await;
    for row in &TABLE {
        let trip_id = row.run_type.unwrap_or("success");
        let answer = host.ingress().post("/trips/reserve", &row.body(trip_id)).await;
        row.check_answer(trip_id, &answer);
        let told = check_left(&cloud, &host, row, trip_id).await;
        assert_eq!(told, json!([message(row, trip_id)]));
    }
    let first: Vec<String> = cloud.names().into_iter().take(8).collect();
    let (put, get) = ("dynamodb PutItem", "dynamodb GetItem");
    assert_eq!(first, [put, put, put, get, put, get, put, "sns Publish"]);
    check_log(&host);
    assert_nowhere(&host, &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]).await;
    let steps = places(&host, "put row").await;
    assert!(steps.iter().any(|place| place.ends_with("/journal")), "journals are looked at too: {steps:?}");
}

/// The lines are those of a holiday without a cloud.
#[track_caller]
fn check_log(host: &TestHost) {
    let log = host.log();
    for line in [
        "inserted flight reservation: {\"trip_id\":\"success\"",
        "updated flight booking: {\"trip_id\":\"success\"",
        "inserted car reservation: ",
        "inserted payment: ",
        "deleted payment: ",
        "deleted car reservation: ",
        "deleted flight reservation: ",
        "Your travel reservation is successful: success",
    ] {
        assert!(log.contains(line), "the log has no '{line}'");
    }
}

/// A policy that holds the answer to the call with this number.
fn holding(held: &Arc<AtomicUsize>) -> impl Fn(&Call) -> Verdict + Send + Sync + 'static {
    let held = Arc::clone(held);
    move |call| match call.number == held.load(Ordering::SeqCst) {
        true => Verdict::ForwardAndHold,
        false => Verdict::Forward,
    }
}

/// The host dies while the answer to a call is under way, for each call of a trip that goes well and of one that does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_ends_the_same_wherever_a_call_is_cut_off_by_the_end_of_the_host() {
    let held = Arc::new(AtomicUsize::new(usize::MAX));
    let Some(cloud) = cloud(holding(&held)).await else { return };
    let mut host = TestHost::start(Setup::holiday_in(&cloud)).await;
    for (row, calls) in [(&TABLE[0], 8), (&TABLE[6], 11)] {
        for at in 1..=calls {
            let trip_id = format!("{}-{at}", row.run_type.unwrap_or("success"));
            held.store(cloud.calls().len() + at, Ordering::SeqCst);
            let trip = host.ingress().send("/trips/reserve", &row.body(&trip_id)).await;
            cloud.arrived(held.load(Ordering::SeqCst)).await;
            host.kill_and_start_again().await;
            row.check_answer(&trip_id, &host.ingress().attach(&trip).await);
            let told = check_left(&cloud, &host, row, &trip_id).await;
            // The last call is the message. It cannot be known whether it was sent, so it is sent again.
            let times = if at == calls { 2 } else { 1 };
            assert_eq!(told, json!(vec![message(row, &trip_id); times]), "{trip_id}");
        }
    }
    assert_nowhere(&host, &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]).await;
}

/// A trip is cancelled while the answer to a call is under way, for each call: nobody knows whether that row is there, so it
/// is deleted too.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_trip_leaves_no_rows() {
    let held = Arc::new(AtomicUsize::new(usize::MAX));
    let Some(cloud) = cloud(holding(&held)).await else { return };
    let host = TestHost::start(Setup::holiday_in(&cloud)).await;
    for at in 1..=8 {
        let trip_id = format!("cancelled-{at}");
        held.store(cloud.calls().len() + at, Ordering::SeqCst);
        let trip = host.ingress().send("/trips/reserve", &json!({ "trip_id": trip_id })).await;
        cloud.arrived(held.load(Ordering::SeqCst)).await;
        host.admin().patch(&format!("/invocations/{trip}/cancel")).await.ok();
        let answer = host.ingress().attach(&trip).await;
        cloud.release();
        assert_eq!(answer.status, 409, "{answer:?}");
        let told = check_left(&cloud, &host, &TABLE[6], &trip_id).await;
        let last = told.as_array().and_then(|told| told.last());
        assert_eq!(last, Some(&json!(message(&TABLE[6], &trip_id))), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_is_lost_is_made_again() {
    let Some(cloud) = cloud(|call| match call.service == "dynamodb" && call.nth % 2 == 1 {
        true => Verdict::ForwardAndDeny,
        false => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    let host = TestHost::start(Setup::holiday_in(&cloud)).await;
    for row in [&TABLE[0], &TABLE[6]] {
        let trip_id = row.run_type.unwrap_or("success");
        let answer = host.ingress().post("/trips/reserve", &row.body(trip_id)).await;
        row.check_answer(trip_id, &answer);
        let told = check_left(&cloud, &host, row, trip_id).await;
        assert_eq!(told, json!([message(row, trip_id)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_written_fails_the_trip_and_undoes_the_booking() {
    let denied = Verdict::Refuse {
        status: 400,
        code: "AccessDeniedException",
        message: "AKIAHOLIDAYTEST00001 may not do that",
    };
    let Some(cloud) = cloud(move |call| match call.body.contains("\"TableName\":\"cars\"") {
        true if call.operation == "PutItem" => denied,
        _ => Verdict::Forward,
    })
    .await
    else {
        return;
    };
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(Setup::holiday_in(&cloud).effects(ledger.address())).await;
    let answer = host.ingress().post("/trips/reserve", &json!({ "trip_id": "foo" })).await;
    let (_, _, text) = answer.error();
    let why = "dynamodb PutItem: AccessDeniedException: … may not do that (status 400)";
    let expected = "successfully applied 1 compensations";
    assert_eq!(text, format!("Travel reservation failed with err '{why}'; {expected}"));
    let effects: Vec<String> = ledger.effects().into_iter().map(|it| it.effect).collect();
    let undone = ["flights.reserve", "cars.reserve", "cars.cancel", "flights.cancel", "trips.notify_failure"];
    assert_eq!(effects, undone);
    check_left(&cloud, &host, &TABLE[1], "foo").await;
    assert_nowhere(&host, &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]).await;
}

/// The permission to delete is missing, table by table, until an operator has granted it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_deleted_waits_for_an_operator() {
    const UNDONE: [&str; 3] = ["payments", "cars", "flights"];
    let granted = Arc::new(AtomicUsize::new(0));
    let tables = Arc::clone(&granted);
    let denied = Verdict::Refuse { status: 400, code: "AccessDeniedException", message: "ask an operator" };
    let policy = move |call: &Call| {
        let is_denied = |table: &&str| call.body.contains(&format!("\"TableName\":\"{table}\""));
        match call.operation == "DeleteItem" && UNDONE[tables.load(Ordering::SeqCst)..].iter().any(is_denied)
        {
            true => denied,
            false => Verdict::Forward,
        }
    };
    let Some(cloud) = cloud(policy).await else { return };
    let policies = "policies.retry = { max-attempts = 2, initial-interval = \"10ms\" }\n";
    let host = TestHost::start(Setup::holiday().config(policies).cloud(&cloud).with_tables()).await;
    let row = &TABLE[6];
    let trip = host.ingress().send("/trips/reserve", &row.body("foo")).await;
    for (index, service) in UNDONE.into_iter().enumerate() {
        let paused = paused(&host, service).await;
        granted.store(index + 1, Ordering::SeqCst);
        let resumed = host.admin().patch(&format!("/invocations/{paused}/resume")).await;
        assert!((200..300).contains(&resumed.status), "{resumed:?}");
    }
    row.check_answer("foo", &host.ingress().attach(&trip).await);
    check_left(&cloud, &host, row, "foo").await;
}

/// Waits until an invocation of this service is paused.
async fn paused(host: &TestHost, service: &str) -> String {
    loop {
        let page = host.admin().get(&format!("/invocations?status=paused&service={service}")).await.ok();
        if let Some(id) = page["invocations"][0]["id"].as_str() {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Moto can hold signatures against the keys that it has given out: so it is somebody else who says that they are right.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_right() {
    let Some(cloud) = cloud(|_| Verdict::Forward).await else { return };
    let user = "iam = boto3.client('iam')
iam.create_user(UserName='holiday')
iam.attach_user_policy(UserName='holiday', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')
key = iam.create_access_key(UserName='holiday')['AccessKey']
print(json.dumps([key['AccessKeyId'], key['SecretAccessKey']]))";
    let key = cloud.python(user).await;
    let (id, secret) = (key[0].as_str().expect("an id"), key[1].as_str().expect("a secret"));
    let host = TestHost::start(Setup::holiday().cloud_as(&cloud, id, secret).with_tables()).await;
    check_signatures(&cloud, true).await;
    let answer = host.ingress().post("/trips/reserve", &json!({ "trip_id": "right" })).await;
    TABLE[0].check_answer("right", &answer);
    assert_nowhere(&host, &[id, secret]).await;

    // The same key with another secret. Nothing can be deleted with it either, so the reservation waits.
    let other = Setup::holiday().cloud_as(&cloud, id, SECRET_ACCESS_KEY);
    let mut host = TestHost::start(other.with_tables()).await;
    host.ingress().send("/trips/reserve", &json!({ "trip_id": "wrong" })).await;
    let refused = "dynamodb DeleteItem: … SignatureDoesNotMatch …";
    let is_refused =
        |line: &str| line.contains("dynamodb DeleteItem") && line.contains("SignatureDoesNotMatch");
    host.lines_where(refused, is_refused, 1).await;
    assert_nowhere(&host, &[id, SECRET_ACCESS_KEY]).await;
    host.kill();
    check_signatures(&cloud, false).await;
    let left = left(&cloud, "wrong").await;
    assert_eq!(
        left,
        json!({ "flights": [], "cars": [], "payments": [], "messages": [message(&TABLE[0], "right")] })
    );
}

/// Has moto look at signatures from the next call on, or no more.
async fn check_signatures(cloud: &Cloud, on: bool) {
    let calls_before = if on { "0" } else { "inf" };
    let body = calls_before.as_bytes().to_vec();
    let answer = cloud.moto().post_bytes("/moto-api/reset-auth", "text/plain", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let Some(cloud) = Cloud::start(|_| Verdict::Forward).await else { return };
    let config = std::fs::read_to_string(workspace().join("examples/holiday/aws.toml")).expect("it is there");
    let config = config.replace(ADDRESS_OF_THE_PAGE, &cloud.address().to_string());
    let setup = Setup::holiday().config(&config);
    let setup = setup.variable("AWS_ACCESS_KEY_ID", "anybody").variable("AWS_SECRET_ACCESS_KEY", "anything");
    let host = TestHost::start(setup).await;
    let mut reader = Reader::new(&host);
    let folder = Reader::folder(&host);
    symlink(workspace().join("examples"), folder.join("examples")).expect("a temporary folder");
    let programs = folder.join(".holiday/cloud/bin");
    std::fs::create_dir_all(&programs).expect("a temporary folder");
    write_program(&programs.join("python"), &format!("exec '{}' \"$@\"", cloud.python_path().display()));
    let section = line_of(PAGE, CLOUD_SECTION);
    for mut example in examples(PAGE).into_iter().filter(|example| example.line > section) {
        // The cloud and the host of the test are there already.
        if !example.commands.contains("-m venv") && !example.commands.contains("-- dev") {
            let moto = cloud.moto_address().to_string();
            example.commands = example.commands.replace(ADDRESS_OF_THE_PAGE, &moto);
            reader.try_out(&example).await;
        }
    }
    check_left(&cloud, &host, &TABLE[0], "foo").await;
}
