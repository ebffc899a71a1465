//! Fare collection: the page's commands as they stand there, and what each kind of customer ends in, wherever the host dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{Call, Cloud, Verdict};
use crate::crashes::Crashes;
use crate::fares::{CONFIG, Row, TABLE, UNREFUNDED, notifications, order};
use crate::final_states::Table;
use crate::harness::{Setup, TestHost, stdout};
use crate::http::{Answer, Door};
use crate::ledger::{Ledger, Reply};
use crate::page::{Reader, START, examples};
use crate::secrets;

const PAGE: &str = "examples/fare-collection/README.md";

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let mut host = TestHost::start(Setup::guests(&["fare-collection"])).await;
    let mut reader = Reader::new(&host);
    let plain = host.setup.clone();
    let mut lives = 1;
    for example in examples(PAGE) {
        match example.commands.as_str() {
            START => {}
            "kill -9 $(pgrep holiday-host)" => host.kill(),
            restart if restart.starts_with(START) => {
                let (_, variable) = restart.split_once(" --env ").expect("why else is it started again");
                let (name, value) = variable.split_once('=').expect("a variable");
                // The reader writes the charge that was printed; and nothing of an earlier start is left.
                let value = value.replace("ch_…", reader.run("echo $charge").trim());
                host.setup = plain.clone().env(name, &value);
                host.start_again().await;
                lives += 1;
            }
            _ => reader.try_out(&example).await,
        }
    }
    assert_eq!(lives, 3, "both ways to settle a refund are tried");
    let charge = reader.run("echo $charge");
    host.lines_with(&format!("Refund settled by hand: {}", charge.trim()), 1).await;
}

/// Fares, and what the world is told of them.
struct Office {
    host: TestHost,
    ledger: Ledger,
}

impl Office {
    async fn open() -> Office {
        Office::with(|_| Reply::Accept).await
    }

    async fn with(policy: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Office {
        let ledger = Ledger::start(policy).await;
        let setup = Setup::guests(&["fare-collection"]).config(CONFIG).effects(ledger.address());
        Office { host: TestHost::start(setup).await, ledger }
    }

    async fn collect(&self, fare_id: &str, order: &Value) -> Answer {
        self.host.ingress().post(&format!("/FareCollection/{fare_id}/run"), order).await
    }

    async fn send(&self, fare_id: &str, order: &Value) -> String {
        self.host.ingress().send(&format!("/FareCollection/{fare_id}/run"), order).await
    }

    /// Starts a fare whose refund fails, and waits until its workflow waits for an operator.
    async fn get_stuck(&self, fare_id: &str, customer_id: &str) -> String {
        let run = self.send(fare_id, &order(fare_id, customer_id)).await;
        self.until_paused(&run).await;
        run
    }

    async fn until_paused(&self, run: &str) {
        let stuck =
            self.host.wait_for(run, |it| it["status"] == "paused" || it["status"] == "completed").await;
        assert_eq!(stuck["status"], "paused", "{stuck}");
    }

    async fn resume(&self, run: &str) -> Answer {
        stdout(&self.host.run(&["invocations", "resume", run]).await);
        self.host.ingress().attach(run).await
    }

    /// What the ledger took of one effect, repetitions included.
    fn count(&self, effect: &str) -> usize {
        self.ledger.effects().iter().filter(|it| it.effect == effect).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_customer_ends_as_in_the_table() {
    let office = Office::open().await;
    for row in &TABLE {
        let fare_id = row.fare_id(1);
        let answer = office.collect(&fare_id, &row.order(&fare_id)).await;
        row.check_answer(&fare_id, &answer);
        row.check(&office.host, &fare_id, &office.ledger.effects()).await;
        let again = office.collect(&fare_id, &row.order(&fare_id)).await;
        assert_eq!(again.error().0, 409, "a fare is collected once");
    }
    // Nothing crashed, so nothing was repeated.
    let total: usize = TABLE.iter().map(|row| row.effects.len()).sum();
    assert_eq!(office.ledger.effects().len(), total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_is_collected_once_also_when_its_workflow_is_forgotten() {
    let office = Office::open().await;
    let run = office.send("wr_1", &order("wr_1", "3")).await;
    office.host.ingress().attach(&run).await.ok();
    stdout(&office.host.run(&["--yes", "invocations", "purge", &run]).await);
    let (status, _, message) = office.collect("wr_1", &order("wr_1", "3")).await.error();
    assert_eq!(
        (status, message.as_str()),
        (409, "fare 'wr_1' is completed already; a fare is collected once")
    );
    assert_eq!(office.count("payment.charge"), 1);
    assert_eq!(office.host.state("fares", "wr_1").await["fare"]["fareStatus"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_wrong_is_refused_before_anything_is_charged() {
    let office = Office::open().await;
    let mut wrong = Vec::new();
    for field in ["customerId", "fareId", "fareAmount", "cc", "expiryDate", "cvv"] {
        let mut order = order("wr_1", "3");
        order.as_object_mut().expect("an object").remove(field);
        wrong.push((field, order));
    }
    for (field, value) in [
        ("customerId", json!("")),
        ("customerId", json!("3".repeat(101))),
        ("customerId", json!(3)),
        ("fareId", json!("wr_2")),
        ("fareAmount", json!("20")),
        ("fareAmount", json!(20)),
        ("fareAmount", json!("$-20.00")),
        ("fareAmount", json!("$0.00")),
        ("fareAmount", json!("$020.00")),
        ("tip", json!("$1.00")),
    ] {
        let mut order = order("wr_1", "3");
        order[field] = value;
        wrong.push((field, order));
    }
    for (field, order) in wrong {
        let (status, _, message) = office.collect("wr_1", &order).await.error();
        assert_eq!(status, 400, "{order}: {message}");
        assert!(message.contains(field), "{order}: {message}");
        forget_run(&office.host).await;
    }
    assert_eq!(office.ledger.requests(), 0);
    assert_eq!(office.host.state("fares", "wr_1").await, json!({}));

    // What the provider finds wrong with a card is a refusal, and is not shown.
    for (number, (field, value)) in
        [("cc", "2424"), ("expiryDate", "13/22"), ("cvv", "11a")].into_iter().enumerate()
    {
        let fare_id = format!("card_{number}");
        let mut order = order(&fare_id, "3");
        order[field] = json!(value);
        let (status, _, message) = office.collect(&fare_id, &order).await.error();
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(field) && !message.contains(value), "{message}");
        assert_eq!(office.host.state("fares", &fare_id).await["fare"]["fareStatus"], "failed");
    }
    assert_eq!((office.count("payment.charge"), office.count("payment.refund")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_stands_nowhere() {
    let office = Office::open().await;
    for row in &TABLE {
        let fare_id = row.fare_id(1);
        row.check_answer(&fare_id, &office.collect(&fare_id, &row.order(&fare_id)).await);
    }
    let stuck = office.get_stuck("stuck", "3_fail_credit_fail_refund").await;
    // A card that the shape or the provider refuses is not shown either.
    for (fare_id, cc) in
        [("shape", json!(2424_2424_2424_2424_u64)), ("letter", json!("2424 2424 2424 2424x"))]
    {
        let mut order = order(fare_id, "3");
        order["cc"] = cc;
        let (status, _, message) = office.collect(fare_id, &order).await.error();
        assert!(status == 400 && !message.contains("2424"), "{message}");
    }
    let described = stdout(&office.host.run(&["invocations", "describe", &stuck]).await);
    let printed = stdout(&office.host.run(&["state", "get", "fares", "stuck"]).await);
    assert!(described.contains("stuck") && printed.contains("stuck"), "{described}{printed}");
    for text in ["2424 2424", "24242424", "\"cvv\":\"111\"", "\"cvv\": \"111\""] {
        assert!(!described.contains(text) && !printed.contains(text), "{described}{printed}");
        secrets::assert_nowhere(&office.host, &[text]).await;
    }
    // What is beside them is found, and would not be if nothing could be.
    assert_ne!(secrets::places(&office.host, "12/22").await, Vec::<String>::new());
}

/// Has the next order be taken as the first one: an order that the handler refuses uses up its workflow id.
async fn forget_run(host: &TestHost) {
    let page = host.admin().get("/invocations?service=FareCollection").await.ok();
    for run in page["invocations"].as_array().expect("a page") {
        stdout(&host.run(&["--yes", "invocations", "purge", run["id"].as_str().expect("an id")]).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_waits_for_an_operator_until_the_provider_is_repaired() {
    let mut office = Office::open().await;
    let run = office.get_stuck("wr_1", "3_fail_credit_fail_refund").await;

    // Who looks for what is stuck finds the fare, and the refund in it.
    let listed = stdout(&office.host.run(&["invocations", "list", "--status", "paused"]).await);
    assert!(listed.contains(&run) && listed.contains("FareCollection/wr_1/run"), "{listed}");
    let described = stdout(&office.host.run(&["invocations", "describe", &run]).await);
    for text in [
        "run 'payment.refund'",
        "call payment/refund",
        "HH0026: failed 3 times",
        "Forced refund transaction failure",
    ] {
        assert!(described.contains(text), "no '{text}' in {described}");
    }
    assert_eq!(office.host.state("fares", "wr_1").await["fare"]["fareStatus"], "registered");
    assert_eq!(notifications(&office.host, "wr_1").await, Vec::<Value>::new());

    // It stays like this across crashes, and when it is resumed too early.
    office.host.kill_and_start_again().await;
    office.until_paused(&run).await;
    stdout(&office.host.run(&["invocations", "resume", &run]).await);
    office.until_paused(&run).await;
    assert_eq!(office.count("payment.refund"), 0);

    office.host.kill();
    office.host.setup = office.host.setup.clone().env("FORCED_REFUND_FAILURES", "off");
    office.host.start_again().await;
    let answer = office.resume(&run).await;
    check_given_back(&office, &answer).await;
    assert_eq!(office.count("payment.refund"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_settled_by_hand_is_not_made_again() {
    let mut office = Office::open().await;
    let run = office.get_stuck("wr_1", "3_fail_credit_fail_refund").await;
    let charge =
        office.ledger.effects().into_iter().find(|it| it.effect == "payment.charge").expect("it is charged");

    office.host.kill();
    office.host.setup =
        office.host.setup.clone().env("REFUNDS_SETTLED_BY_HAND", &format!("ch_other, {}", charge.id));
    office.host.start_again().await;
    let answer = office.resume(&run).await;
    check_given_back(&office, &answer).await;
    assert_eq!(office.count("payment.refund"), 0);
    office.host.lines_with(&format!("Refund settled by hand: {}", charge.id), 1).await;
}

/// A provider that is out of order is not taken at its word: what it denies, it may have done.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_one_however_often_the_provider_is_asked() {
    let is_down = Arc::new(AtomicBool::new(true));
    let provider = Arc::clone(&is_down);
    // The first two requests are the authorisation and the charge.
    let policy = move |number| match number > 2 && provider.load(Ordering::Relaxed) {
        true => Reply::AcceptAndDeny,
        false => Reply::Accept,
    };
    let office = Office::with(policy).await;
    let run = office.get_stuck("wr_1", "3_fail_credit").await;
    let asked = office.count("payment.refund");
    assert_eq!(asked, 4, "three times by the service, and once more by the workflow");

    is_down.store(false, Ordering::Relaxed);
    let answer = office.resume(&run).await;
    check_given_back(&office, &answer).await;
    let mut keys: Vec<String> = office.ledger.effects().into_iter().map(|it| it.idempotency_key).collect();
    keys.retain(|key| key.starts_with("payment.refund/"));
    assert_eq!(keys.len(), asked + 1);
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

/// What the refund is recorded to have failed with, nobody could mend any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_not_let_through_waits_until_it_is() {
    let is_down = Arc::new(AtomicBool::new(true));
    let provider = Arc::clone(&is_down);
    // The first two requests are the authorisation and the charge.
    let policy = move |number| match number > 2 && provider.load(Ordering::Relaxed) {
        true => Reply::Refuse,
        false => Reply::Accept,
    };
    let mut office = Office::with(policy).await;
    let run = office.get_stuck("wr_1", "3_fail_credit").await;
    is_down.store(false, Ordering::Relaxed);

    let plain = office.host.setup.clone();
    office.host.kill();
    office.host.setup.allowed_hosts.clear();
    office.host.start_again().await;
    stdout(&office.host.run(&["invocations", "resume", &run]).await);
    let refused = |it: &Value| it["status"] == "paused" && it["reason"].to_string().contains("HH0021");
    office.host.wait_for(&run, refused).await;
    assert_eq!(office.count("payment.refund"), 0);

    office.host.kill();
    office.host.setup = plain;
    office.host.start_again().await;
    let answer = office.resume(&run).await;
    check_given_back(&office, &answer).await;
    assert_eq!(office.count("payment.refund"), 1);
}

async fn check_given_back(office: &Office, answer: &Answer) {
    let (status, _, message) = answer.error();
    assert_eq!((status, message.as_str()), (500, "Forced account credit transaction failure"));
    assert_eq!(office.host.state("fares", "wr_1").await["fare"]["fareStatus"], "failed");
    let told = notifications(&office.host, "wr_1").await;
    assert_eq!((told.len(), &told[0]["fareStatus"]), (1, &json!("failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_never_comes_is_given_back() {
    let policy = |number| if number == 2 { Reply::AcceptWhenReleased } else { Reply::Accept };
    let office = Office::with(policy).await;
    let run = office.send("wr_1", &order("wr_1", "3")).await;
    office.ledger.arrived(2).await;
    assert_eq!(office.count("payment.charge"), 1);
    stdout(&office.host.run(&["invocations", "cancel", &run]).await);
    assert_eq!(office.host.ingress().attach(&run).await.error().1, "HH0016");

    let effects = office.ledger.effects();
    let names: Vec<&str> = effects.iter().map(|it| it.effect.as_str()).collect();
    assert_eq!(names, ["payment.authorise", "payment.charge", "payment.refund", "fares.notify_failure"]);
    assert_eq!(effects[1].id, effects[2].id, "what was charged is given back");
    assert_eq!(office.host.state("fares", "wr_1").await["fare"]["fareStatus"], "failed");
    office.ledger.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_that_is_cancelled_while_it_is_credited_is_reversed_and_refunded() {
    // The account is credited, and does not answer: nobody can tell whether it is.
    let policy = |number| if number == 3 { Reply::AcceptWhenReleased } else { Reply::Accept };
    let office = Office::with(policy).await;
    let run = office.send("wr_1", &order("wr_1", "3")).await;
    office.ledger.arrived(3).await;
    stdout(&office.host.run(&["invocations", "cancel", &run]).await);
    assert_eq!(office.host.ingress().attach(&run).await.error().1, "HH0016");

    let effects = office.ledger.effects();
    let names: Vec<&str> = effects.iter().map(|it| it.effect.as_str()).collect();
    let expected = [
        "payment.authorise",
        "payment.charge",
        "accounting.credit",
        "accounting.reverse",
        "payment.refund",
        "fares.notify_failure",
    ];
    assert_eq!(names, expected);
    assert_eq!(effects[2].id, effects[3].id, "what was credited is reversed");
    assert_eq!(effects[1].id, effects[4].id, "what was charged is given back");
    assert_eq!(office.host.state("fares", "wr_1").await["fare"]["fareStatus"], "failed");
    office.ledger.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_and_its_refund_answer_with_their_ids() {
    let office = Office::open().await;
    let charged = office.host.ingress().post("/payment/charge", &order("wr_1", "3")).await.ok();
    let id = |answer: &Value, field: &str, prefix: &str| {
        let id = answer[field].as_str().and_then(|id| id.strip_prefix(prefix));
        id.unwrap_or_else(|| panic!("{field} of {answer} is no {prefix}")).to_owned()
    };
    let [token, charge] =
        [("chargeToken", "tok_"), ("chargeId", "ch_")].map(|(field, prefix)| id(&charged, field, prefix));
    let expected = json!({
        "customerId": "3",
        "fareId": "wr_1",
        "fareAmount": "$20.00",
        "chargeToken": format!("tok_{token}"),
        "chargeId": format!("ch_{charge}"),
    });
    assert_eq!(charged, expected);

    let request = json!({ "customerId": "3", "fareId": "wr_1", "chargeId": charged["chargeId"] });
    let refunded = office.host.ingress().post("/payment/refund", &request).await.ok();
    let refund = id(&refunded, "refundId", "re_");
    let expected =
        json!({ "fareId": "wr_1", "refundId": format!("re_{refund}"), "chargeId": charged["chargeId"] });
    assert_eq!(refunded, expected);
    let again = office.host.ingress().post("/payment/refund", &request).await.ok();
    assert_eq!(again, refunded, "there is one refund of a charge");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_taken_whole() {
    let office = Office::open().await;
    for fare_id in ["wr_1", "wr_2"] {
        office.collect(fare_id, &order(fare_id, "3")).await.ok();
    }
    office.collect("wr_3", &order("wr_3", "3_fail_auth")).await.error();
    let taken = office.host.ingress().post("/notifications/fares/take", &json!("success")).await.ok();
    let ids: Vec<&Value> = taken.as_array().expect("a queue").iter().map(|it| &it["fareId"]).collect();
    assert_eq!(ids, ["wr_1", "wr_2"]);
    let left = office.host.state("notifications", "fares").await;
    assert_eq!((&left["success"], &left["failure"][0]["fareId"]), (&Value::Null, &json!("wr_3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fare_ends_the_same_wherever_the_host_dies() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let setup = Setup::guests(&["fare-collection"]).config(CONFIG).effects(ledger.address());
    let mut host = Crashes::start(setup).await;
    let admin = host.admin();
    let mut table = Table::of("fare collection");
    for row in TABLE.iter().chain([&UNREFUNDED]) {
        let told = host.at_every_record(
            |door, telling| tell(door, admin.clone(), row, row.fare_id(telling)),
            async |host, telling, answer| {
                let fare_id = row.fare_id(telling);
                let effects = ledger.effects();
                row.check_answer(&fare_id, &answer);
                row.check(host, &fare_id, &effects).await;
                row.final_state(host, &fare_id, &answer, &effects).await
            },
        );
        table.push(told.await);
    }
    table.check();
}

/// Collects a fare until it has ended, or waits for an operator.
async fn tell(door: Door, admin: Door, row: &'static Row, fare_id: String) -> Answer {
    let path = format!("/FareCollection/{fare_id}/run/send");
    let order = row.order(&fare_id);
    let accepted = door.insist(|| door.request(Method::POST, &path).json(&order)).await;
    let run = accepted.ok()["invocationId"].as_str().expect("an id").to_owned();
    if row.is_settled {
        return door.attach(&run).await;
    }
    paused(&admin, &run).await
}

/// Waits until a workflow waits for an operator, however often the host dies.
async fn paused(admin: &Door, run: &str) -> Answer {
    loop {
        let seen = admin.insist(|| admin.request(Method::GET, &format!("/invocations/{run}"))).await;
        if seen.ok()["status"] == "paused" {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_ends_the_same_after_the_provider_was_repaired_wherever_the_host_dies() {
    let is_down = Arc::new(AtomicBool::new(true));
    let provider = Arc::clone(&is_down);
    let policy = move |_, effect: &str| match effect == "payment.refund" && provider.load(Ordering::Relaxed) {
        true => Reply::Refuse,
        false => Reply::Accept,
    };
    let ledger = Ledger::judging(policy).await;
    let setup = Setup::guests(&["fare-collection"]).config(CONFIG).effects(ledger.address());
    let mut host = Crashes::start(setup).await;
    let admin = host.admin();
    let row = &TABLE[3];
    let told = host.at_every_record(
        |door, telling| repair(door, admin.clone(), row.fare_id(telling), Arc::clone(&is_down)),
        async |host, telling, answer| {
            let fare_id = row.fare_id(telling);
            let effects = ledger.effects();
            row.check_answer(&fare_id, &answer);
            row.check(host, &fare_id, &effects).await;
            row.final_state(host, &fare_id, &answer, &effects).await
        },
    );
    let (observed, crashes) = told.await;
    assert_eq!(observed.undone, ["payment.refund"]);
    println!("{crashes} crashes");
}

/// Collects a fare whose account cannot be credited, while the provider is down; then repairs it and resumes the workflow.
async fn repair(door: Door, admin: Door, fare_id: String, is_down: Arc<AtomicBool>) -> Answer {
    is_down.store(true, Ordering::Relaxed);
    let path = format!("/FareCollection/{fare_id}/run/send");
    let order = TABLE[3].order(&fare_id);
    let accepted = door.insist(|| door.request(Method::POST, &path).json(&order)).await;
    let run = accepted.ok()["invocationId"].as_str().expect("an id").to_owned();
    paused(&admin, &run).await;
    is_down.store(false, Ordering::Relaxed);
    // Asked again after a crash, it may have been resumed already, and is refused.
    let resume = format!("/invocations/{run}/resume");
    admin.insist(|| admin.request(Method::PATCH, &resume)).await;
    door.attach(&run).await
}

/// Makes the topics `success` and `failure`, each with a queue behind it, and opens an office that publishes to them.
async fn publishing(cloud: &Cloud) -> Office {
    let topics = cloud
        .python(
            "sns = boto3.client('sns'); sqs = boto3.client('sqs'); made = {}
for name in ['success', 'failure']:
    queue = sqs.create_queue(QueueName=name)['QueueUrl']
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
    made[name] = sns.create_topic(Name=name)['TopicArn']
    sns.subscribe(TopicArn=made[name], Protocol='sqs', Endpoint=arn)
print(json.dumps(made))",
        )
        .await;
    let topic = |name: &str| topics[name].as_str().expect("an ARN").to_owned();
    let setup = Setup::guests(&["fare-collection"]).config(CONFIG).cloud(cloud);
    let setup = setup.env("SUCCESS_TOPIC", &topic("success")).env("FAILURE_TOPIC", &topic("failure"));
    let ledger = Ledger::start(|_| Reply::Accept).await;
    Office { host: TestHost::start(setup).await, ledger }
}

/// So many notifications that have come out of each topic, once they are there.
async fn published(cloud: &Cloud, success: usize, failure: usize) -> Value {
    let receive = format!(
        "sqs = boto3.client('sqs'); got = {{}}
for name, count in [('success', {success}), ('failure', {failure})]:
    queue = sqs.get_queue_url(QueueName=name)['QueueUrl']
    messages = []
    while len(messages) < count:
        messages += sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get('Messages', [])
    got[name] = [json.loads(json.loads(it['Body'])['Message']) for it in messages]
print(json.dumps(got))"
    );
    cloud.python(&receive).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_is_published_to_the_topic_of_its_queue() {
    let refuse = |call: &Call| call.body.contains("wr_unpublished").then_some(GONE);
    let Some(cloud) = Cloud::start(move |call| refuse(call).unwrap_or(Verdict::Forward)).await else {
        return;
    };
    let office = publishing(&cloud).await;
    for row in &TABLE[..2] {
        let fare_id = row.fare_id(1);
        row.check_answer(&fare_id, &office.collect(&fare_id, &row.order(&fare_id)).await);
    }
    // A topic that is gone neither fails nor holds up a fare.
    office.collect("wr_unpublished", &order("wr_unpublished", "3")).await.ok();
    let unpublished = "The notification about wr_unpublished was not published: sns Publish: NotFound";
    office.host.lines_with(unpublished, 1).await;

    let received = published(&cloud, 1, 1).await;
    for (row, queue) in TABLE.iter().zip(["success", "failure"]) {
        assert_eq!(received[queue], json!(notifications(&office.host, &row.fare_id(1)).await), "{queue}");
    }
    let queued = notifications(&office.host, "wr_unpublished").await;
    assert_eq!(queued.len(), 1, "it is in the queue all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn fares_go_on_while_a_topic_is_out_of_order_and_are_published_in_order() {
    let is_down = Arc::new(AtomicBool::new(true));
    let topic = Arc::clone(&is_down);
    let policy = move |_: &Call| if topic.load(Ordering::Relaxed) { BROKEN } else { Verdict::Forward };
    let Some(cloud) = Cloud::start(policy).await else { return };
    let office = publishing(&cloud).await;
    let fares = ["wr_1", "wr_2", "wr_3"];
    for fare_id in fares {
        office.collect(fare_id, &order(fare_id, "3")).await.ok();
    }
    cloud.arrived(2).await;
    let queues = office.host.state("notifications", "fares").await;
    let fares_of = |queue: &Value| -> Vec<Value> {
        queue.as_array().expect("a queue").iter().map(|it| it["fareId"].clone()).collect()
    };
    assert_eq!(fares_of(&queues["success"]), fares);
    assert!(cloud.calls().iter().all(|it| it.body.contains("wr_1")), "the others wait behind it");

    is_down.store(false, Ordering::Relaxed);
    assert_eq!(fares_of(&published(&cloud, 3, 0).await["success"]), fares);
}

/// What SNS says when it is out of order.
const BROKEN: Verdict =
    Verdict::Refuse { status: 503, code: "ServiceUnavailable", message: "try again later" };

/// What SNS says of a topic that somebody has deleted.
const GONE: Verdict = Verdict::Refuse { status: 404, code: "NotFound", message: "Topic does not exist" };
