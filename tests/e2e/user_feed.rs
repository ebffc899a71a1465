//! Feeds: the page's commands as they stand there, and posts that are in order per user, wherever the host dies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::broker::{Broker, Record};
use crate::crashes::{self, Crashes};
use crate::harness::{Setup, TestHost};
use crate::http::{Answer, Door};
use crate::kafka::{is_of_broker, reader_of, reading_from, subscribe, until_succeeded};
use crate::ledger::{Effect, Ledger, Reply};
use crate::moderation::{DONE, Moderation};
use crate::page::{START, assert_logged, examples};

const PAGE: &str = "examples/user-feed/README.md";

/// The topic of the page.
const TOPIC: &str = "social-media-posts";

const CREATE: &str = "posts.create";

const UPDATE: &str = "feeds.update";

/// A host whose posts are moderated there.
fn moderated_by(moderation: &Moderation) -> Setup {
    let mut setup = Setup::guests(&["user-feed"])
        .env("MODERATION_URL", &format!("http://{}/posts", moderation.address()));
    setup.allowed_hosts.push(moderation.address().to_string());
    setup
}

fn post(content: &str) -> Value {
    json!({ "content": content, "metadata": "public" })
}

fn path_of(user: &str) -> String {
    format!("/UserFeed/{user}/ProcessPost")
}

/// The effects on one user's posts, in order.
fn effects_on(user: &str, all: &[Effect]) -> Vec<(String, String)> {
    let of_user = all.iter().filter(|it| it.about == user);
    of_user.map(|it| (it.effect.clone(), it.id.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    // Each post is pending the first time, so that what the page shows of that is there, and not when lots are drawn.
    let moderation = Moderation::start(|_, times| times == 1).await;
    let mut host = TestHost::start(reading_from(&broker, moderated_by(&moderation))).await;
    let mut reader = reader_of(&host, &broker);
    for example in examples(PAGE) {
        match example.commands.as_str() {
            // The host of the test is there already, and the only one to be killed.
            start if start.starts_with(START) || is_of_broker(start) => {}
            "kill -9 $(pgrep holiday-host)" => host.kill_and_start_again().await,
            _ => reader.try_out(&example).await,
        }
    }
    assert_logged(PAGE, &host).await;
    host.lines_with("Hi! This is my third post!", 1).await;
}

/// A post as a record of the topic.
fn record(user: &str, content: &str) -> Record {
    Record::new(TOPIC, user, post(content).to_string()).partition(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_on_one_partition_are_in_order_per_user_and_keep_their_ids() {
    let Some(broker) = Broker::start().await else { return };
    broker.create_topic(TOPIC, 1).await;
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let is_released = Arc::new(AtomicBool::new(false));
    let moderation = {
        let is_released = Arc::clone(&is_released);
        let first_post = OnceLock::<String>::new();
        // The very first post stays pending until the test says otherwise.
        let is_pending = move |id: &str, _| {
            first_post.get_or_init(|| id.to_owned()) == id && !is_released.load(Ordering::SeqCst)
        };
        Moderation::start(is_pending).await
    };
    let setup = moderated_by(&moderation).env("MODERATION_INTERVAL_MS", "20").effects(ledger.address());
    let mut host = TestHost::start(reading_from(&broker, setup)).await;
    let id = subscribe(&host, TOPIC, "UserFeed/ProcessPost", json!({})).await;
    broker.produce([record("userid1", "first")]);
    host.lines_with("is still pending", 1).await;
    broker.produce([
        record("userid2", "first"),
        record("userid1", "second"),
        record("userid2", "second"),
        record("userid1", "third"),
    ]);
    // The other user's posts are done, while the first user's second one has not even begun.
    until_succeeded(&host, &id, 2).await;
    let created_before = effects_on("userid1", &ledger.effects());
    assert_eq!(created_before.len(), 1);
    assert_eq!(effects_on("userid2", &ledger.effects()).len(), 4);

    host.kill_and_start_again().await;
    is_released.store(true, Ordering::SeqCst);
    until_succeeded(&host, &id, 5).await;
    for (user, count) in [("userid1", 3), ("userid2", 2)] {
        let mut effects = effects_on(user, &ledger.effects());
        // A step may be executed again when the host dies; it is the same one.
        effects.dedup();
        assert_eq!(effects.len(), 2 * count, "{effects:?}");
        for of_post in effects.chunks(2) {
            assert_eq!((of_post[0].0.as_str(), of_post[1].0.as_str()), (CREATE, UPDATE), "{effects:?}");
            assert_eq!(of_post[0].1, of_post[1].1, "one id from the beginning to the end");
        }
    }
    assert_eq!(
        effects_on("userid1", &ledger.effects())[0],
        created_before[0],
        "the id is the one before the kill"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_of_a_user_wait_for_each_other_and_those_of_others_do_not() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let first_post = Arc::new(OnceLock::<String>::new());
    let is_released = Arc::new(AtomicBool::new(false));
    let moderation = {
        let is_released = Arc::clone(&is_released);
        // Whatever is asked about first stays pending until the test says otherwise.
        let is_pending = move |id: &str, _| {
            first_post.get_or_init(|| id.to_owned()) == id && !is_released.load(Ordering::SeqCst)
        };
        Moderation::start(is_pending).await
    };
    let setup = moderated_by(&moderation).env("MODERATION_INTERVAL_MS", "20").effects(ledger.address());
    let host = TestHost::start(setup).await;
    let first = host.ingress().send(&path_of("userid1"), &post("Hi! This is my first post!")).await;
    host.lines_with("is still pending... Will check again in 0.02 seconds", 2).await;
    let second = host.ingress().send(&path_of("userid1"), &post("Hi! This is my second post!")).await;
    let other = host.ingress().send(&path_of("userid2"), &post("Hi! This is my first post!")).await;

    // The other user's post is done, while the first user's second one has not even begun.
    let other_id = host.ingress().attach(&other).await.ok()["post_id"].clone();
    let other_effects = effects_on("userid2", &ledger.effects());
    let other_id = other_id.as_str().expect("an id");
    assert_eq!(other_effects, [CREATE, UPDATE].map(|it| (it.to_owned(), other_id.to_owned())));
    assert_eq!(host.invocation(&second).await["status"], "inboxed");
    assert_eq!(effects_on("userid1", &ledger.effects()).len(), 1);

    is_released.store(true, Ordering::SeqCst);
    let mut expected = Vec::new();
    for invocation in [&first, &second] {
        let answer = host.ingress().attach(invocation).await.ok();
        let id = answer["post_id"].as_str().expect("an id");
        assert!(moderation.asked(id) >= 1, "{id}");
        expected.extend([CREATE, UPDATE].map(|it| (it.to_owned(), id.to_owned())));
    }
    assert_eq!(effects_on("userid1", &ledger.effects()), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_told_of_line_by_line() {
    let moderation = Moderation::start(|_, times| times <= 2).await;
    let host = TestHost::start(moderated_by(&moderation).env("MODERATION_INTERVAL_MS", "1000")).await;
    let invocation = host.ingress().send(&path_of("userid1"), &post("Hi! This is my first post!")).await;
    let answer = host.ingress().attach(&invocation).await.ok();
    let id = answer["post_id"].as_str().expect("an id");
    assert_eq!(moderation.asked(id), 3);

    let about = format!("method=UserFeed/ProcessPost invocationID={invocation}");
    host.lines_with(&format!("Invocation completed successfully {about}"), 1).await;
    let pending =
        format!("Content moderation for post {id} is still pending... Will check again in 1 seconds");
    let expected = [
        format!("Handling invocation {about}"),
        format!("Created post {id} for user userid1 with content: Hi! This is my first post!"),
        pending.clone(),
        pending,
        format!("Content moderation for post {id} is done"),
        format!("Updating the user feed for user userid1 with post {id}"),
        format!("Invocation completed successfully {about}"),
    ];
    let log = host.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains(&invocation)).collect();
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (line, expected) in told.iter().zip(&expected) {
        assert!(line.contains(expected.as_str()), "'{expected}' is not in {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_moderation_lots_are_drawn() {
    let host = TestHost::start(Setup::guests(&["user-feed"]).env("MODERATION_INTERVAL_MS", "1")).await;
    for n in 0..8 {
        let answer = host.ingress().post(&path_of(&format!("user{n}")), &post("Hi!")).await.ok();
        let id = answer["post_id"].as_str().expect("an id");
        host.lines_with(&format!("Content moderation for post {id} is done"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_is_none_is_told_and_mended_by_the_operator() {
    let moderation = Moderation::start(|_, times| times <= 2).await;
    let mut host = TestHost::start(moderated_by(&moderation).env("MODERATION_INTERVAL_MS", "soon")).await;
    let invocation = host.ingress().send(&path_of("userid1"), &post("Hi!")).await;
    let failing = host.wait_for(&invocation, |it| it["failingRuns"].is_array()).await;
    let message = failing["failingRuns"][0]["lastMessage"].as_str().expect("a text");
    assert_eq!(message, "MODERATION_INTERVAL_MS is 'soon'; set it to a number of milliseconds, 1 or more");

    host.kill();
    host.setup = host.setup.clone().env("MODERATION_INTERVAL_MS", "1");
    host.start_again().await;
    host.ingress().attach(&invocation).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderation_that_talks_rubbish_is_asked_again() {
    let policy = |_: &str, times| match times {
        1 => "<html>out of order</html>",
        2 => r#"{"status": "perhaps"}"#,
        _ => DONE,
    };
    let moderation = Moderation::answering(policy).await;
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let host = TestHost::start(moderated_by(&moderation).effects(ledger.address())).await;
    let answer = host.ingress().post(&path_of("userid1"), &post("Hi!")).await.ok();
    let id = answer["post_id"].as_str().expect("an id");
    assert_eq!(moderation.asked(id), 3);
    let expected = [CREATE, UPDATE].map(|it| (it.to_owned(), id.to_owned()));
    assert_eq!(effects_on("userid1", &ledger.effects()), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderation_that_may_not_be_asked_is_once_the_operator_allows_it() {
    let moderation = Moderation::start(|_, _| false).await;
    let mut host = TestHost::start(moderated_by(&moderation)).await;
    let allowed = host.setup.clone();
    host.kill();
    host.setup.allowed_hosts.clear();
    host.start_again().await;
    let invocation = host.ingress().send(&path_of("userid1"), &post("Hi!")).await;
    let failing = host.wait_for(&invocation, |it| it["failingRuns"].is_array()).await;
    let message = failing["failingRuns"][0]["lastMessage"].as_str().expect("a text");
    assert!(message.contains("MODERATION_URL") && message.contains("not allowed"), "{message}");

    host.kill();
    host.setup = allowed;
    host.start_again().await;
    host.ingress().attach(&invocation).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_keep_their_ids_and_their_order_wherever_the_host_dies() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let moderation = Moderation::start(|_, times| times <= 2).await;
    let setup = moderated_by(&moderation).env("MODERATION_INTERVAL_MS", "10").effects(ledger.address());
    let mut host = Crashes::start(setup).await;
    let user = |telling| format!("user-{telling}");
    let told = host.at_every_record(
        |door, telling| post_twice(door, user(telling)),
        async |_, telling, answer| {
            let [first, second] = serde_json::from_value::<[String; 2]>(answer.ok()).expect("two ids");
            let mut effects = effects_on(&user(telling), &ledger.effects());
            // What is asked for twice is asked for under one key.
            effects.dedup();
            let number = |id: String| match id {
                id if id == first => 1,
                id if id == second => 2,
                other => panic!("{other} is neither {first} nor {second}"),
            };
            effects.into_iter().map(|(effect, id)| (effect, number(id))).collect::<Vec<_>>()
        },
    );
    let (effects, crashes) = told.await;
    let expected = [(CREATE, 1), (UPDATE, 1), (CREATE, 2), (UPDATE, 2)];
    assert_eq!(effects, expected.map(|(effect, number)| (effect.to_owned(), number)));
    println!("{crashes} crashes");
}

/// Posts twice without waiting in between, and answers with the ids of both posts.
async fn post_twice(door: Door, user: String) -> Answer {
    let path = format!("{}/send", path_of(&user));
    let mut sent = Vec::new();
    for key in ["first", "second"] {
        let accepted =
            crashes::call(door.clone(), path.clone(), format!("{user}-{key}"), post("Hi!")).await.ok();
        sent.push(accepted["invocationId"].as_str().expect("an id").to_owned());
    }
    let [first, second] = [&sent[0], &sent[1]].map(|invocation| door.attach(invocation));
    let (first, mut answer) = (first.await, second.await);
    answer.body = json!([first.ok()["post_id"], answer.ok()["post_id"]]).to_string();
    answer
}
