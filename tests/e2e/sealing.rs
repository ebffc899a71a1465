//! Fields that are sealed: whoever is meant to know them does, and they stand nowhere.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{ANY_PORT, Setup, TestHost, output, stdout};
use crate::secrets::{assert_nowhere, places};

/// All that anybody says who has a body in his hands.
const LOG: &str =
    "debug,holiday_runtime=trace,holiday_core=trace,axum=trace,hyper=trace,hyper_util=trace,h2=trace";

/// Keeps all journals, so that there is much to search, and logs all there is to say.
fn setup() -> Setup {
    let config = "[policies]\njournal-retention = \"1h\"\nretry = { max-attempts = 1, then = \"fail\" }";
    Setup::guests(&["probe"]).config(config).variable("HOLIDAY_LOG", LOG)
}

/// Secrets in all places of an input, each with `name` in it, and a note that is none.
fn secrets(name: &str) -> Value {
    json!({
        "card": format!("{name} card 4111"),
        "pin": format!("{name} pin"),
        "others": [format!("{name} first"), format!("{name} \"second\" \u{e9}")],
        "by_name": { "a": format!("{name} a"), "b": format!("{name} b") },
        "means": { "kind": "account", "number": format!("{name} number") },
        "inner": { "card": format!("{name} inner card") },
        "note": format!("{name} note"),
    })
}

/// What a handler knows that has revealed all of them.
fn known(name: &str) -> Value {
    let all = ["card 4111", "pin", "first", "\"second\" \u{e9}", "a", "b", "number", "inner card"];
    all.iter().map(|it| known_of(&format!("{name} {it}"))).collect()
}

fn known_of(secret: &str) -> Value {
    json!({ "length": secret.len(), "hash": format!("{:016x}", fnv(secret)) })
}

/// FNV-1a, as the guest computes it.
fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The beginnings of all secrets of that name; its note is left open.
fn words(name: &str) -> Vec<String> {
    ["card", "pin", "first", "\\\"second", "\"second", "a\"", "b\"", "number", "inner"]
        .map(|it| format!("{name} {it}"))
        .into()
}

async fn assert_sealed(host: &TestHost, names: &[&str]) {
    let words: Vec<String> = names.iter().flat_map(|name| words(name)).collect();
    assert_nowhere(host, &words.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_known_to_a_step_and_stands_nowhere() {
    let mut host = TestHost::start(setup()).await;
    let door = host.ingress();

    // A call, in an envelope, to an object and a workflow, one-way.
    assert_eq!(door.post("/Sealing/reveal", &secrets("called")).await.ok(), known("called"));
    let envelope = json!({ "request": secrets("enclosed") });
    assert_eq!(door.post("/Sealing/reveal", &envelope).await.ok(), known("enclosed"));
    door.post("/SealingObject/ann/keep", &secrets("kept")).await.ok();
    let envelope = json!({ "key": "bob", "request": secrets("enclosed and kept") });
    door.post("/SealingObject/keep", &envelope).await.ok();
    let workflow = door.send("/SealingWorkflow/w/run", &secrets("workflow")).await;
    let sent = door.send("/Sealing/reveal", &secrets("sent")).await;
    let errand = json!({ "secrets": secrets("passed on"), "key": "carl" });
    let passed_on = door.send("/Sealing/pass_on", &errand).await;
    assert_eq!(door.post("/Sealing/reveal_one", &json!("only one")).await.ok(), known_of("only one"));
    assert_eq!(door.attach(&sent).await.ok(), known("sent"));
    for invocation in [&workflow, &passed_on] {
        host.wait_for(invocation, |it| it["status"] == "suspended").await;
    }

    // Killed while they wait, and replayed.
    host.kill_and_start_again().await;
    let door = host.ingress();
    door.post_empty("/Gate/carl/open").await.ok();
    door.post_empty("/SealingWorkflow/w/go_on").await.ok();
    assert_eq!(door.attach(&passed_on).await.ok(), json!([known("passed on"), known("passed on")]));
    assert_eq!(door.attach(&workflow).await.ok(), known("workflow"));
    assert_eq!(door.post_empty("/SealingObject/ann/reveal_kept").await.ok(), known("kept"));
    assert_eq!(door.post_empty("/SealingObject/bob/reveal_kept").await.ok(), known("enclosed and kept"));

    let all = ["called", "enclosed", "kept", "enclosed and kept", "workflow", "sent", "passed on"];
    assert_sealed(&host, &all).await;
    assert_nowhere(&host, &["only one"]).await;
    // What is not sealed is found, so the search is one.
    let found = places(&host, "passed on note").await;
    for place in
        ["log.redb".to_owned(), format!("/invocations/{passed_on}"), "/state/SealingObject/carl".to_owned()]
    {
        assert!(found.iter().any(|it| it.ends_with(&place)), "{place} is not among {found:#?}");
    }
    // Also in what is written down at the end.
    host.terminate().await;
    host.start_again().await;
    assert_sealed(&host, &all).await;
    assert!(host.log().contains("got Secrets { card: <sealed>, pin: Some(<sealed>)"));
    assert!(host.log().contains("and <sealed>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_input_shows_no_secret() {
    let host = TestHost::start(setup()).await;
    let mut inputs = Vec::new();
    for (field, wrong) in [
        ("note", json!(7)),
        ("card", json!(["wrong card"])),
        ("card", json!({ "number": "wrong card" })),
        ("pin", json!("pin")),
        ("others", json!("wrong others")),
        ("others", json!(["wrong first", 7])),
        ("by_name", json!({ "a": ["wrong a"] })),
        ("means", json!({ "kind": "account", "nummer": "wrong number" })),
        ("means", json!({ "kind": "cheque", "number": "wrong number" })),
        ("means", json!("wrong number")),
        ("inner", json!({ "card": 7, "pin": "wrong pin" })),
        ("inner", json!("wrong inner")),
    ] {
        let mut input = secrets("wrong");
        input[field] = wrong;
        inputs.push(input.to_string());
    }
    inputs.extend([
        "\"wrong card\"".to_owned(),
        "[\"wrong card\"]".to_owned(),
        "{\"card\": \"wrong card\", \"card\": \"wrong card\"}".to_owned(),
        "{\"card\": [\"wrong card\"], \"card\": \"wrong card\"}".to_owned(),
        "{\"inner\": {\"card\": [\"wrong card\"]}, \"card\": \"wrong card\", \"inner\": null}".to_owned(),
        "{\"card\": \"wrong card\"".to_owned(),
        "{\"card\": \"wrong card\\x\"}".to_owned(),
        "{\"card\": wrong card}".to_owned(),
    ]);
    for input in inputs {
        for path in ["/Sealing/reveal", "/SealingObject/ann/keep/send"] {
            let answer =
                host.ingress().post_bytes(path, "application/json", input.clone().into_bytes()).await;
            let (status, code, message) = answer.error();
            assert_eq!((status, code.as_str()), (400, "HH0004"), "{input}: {message}");
            assert!(!message.contains("wrong "), "{input}: {message}");
        }
    }
    assert_nowhere(&host, &["wrong "]).await;
    let page = host.admin().get("/invocations").await.ok();
    assert_eq!(page["invocations"], json!([]), "nothing was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_a_step_nobody_gets_to_know_it() {
    let host = TestHost::start(setup()).await;
    let (status, code, message) =
        host.ingress().post("/Sealing/reveal_outside", &secrets("outside")).await.error();
    assert_eq!((status, code.as_str()), (500, "HH0081"));
    assert!(message.contains("only inside run(...)"), "{message}");
    let told = host.ingress().post("/Sealing/give_back", &secrets("back")).await.ok();
    for field in [
        "/card",
        "/pin",
        "/others/0",
        "/others/1",
        "/by_name/a",
        "/by_name/b",
        "/means/number",
        "/inner/card",
    ] {
        let text = told.pointer(field).and_then(Value::as_str).unwrap_or_default();
        assert!(text.starts_with("sealed:v1:"), "{field} of {told}");
    }
    assert_eq!(told["note"], "back note");
    assert_sealed(&host, &["outside", "back"]).await;
}

/// Whoever has got hold of a sealed text cannot have it opened by sending it.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_looks_sealed_is_sealed_like_any_other() {
    let host = TestHost::start(setup()).await;
    let told = host.ingress().post("/Sealing/give_back", &secrets("once")).await.ok();
    let sealed = told["card"].as_str().expect("a text");
    let answer = host.ingress().post("/Sealing/reveal_one", &json!(sealed)).await.ok();
    assert_eq!(answer, known_of(sealed));
    assert_ne!(answer, known_of("once card 4111"));
}

/// It was in clear text before anybody could seal it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_sends_another_is_not_sealed() {
    let host = TestHost::start(setup()).await;
    let answer = host.ingress().post("/Sealing/call_with_open_text", &json!("an open text")).await.ok();
    assert_eq!(answer, known_of("an open text"));
}

/// Nor by sending it where nothing is sealed, for a handler to put it where it is revealed.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_looks_sealed_comes_in_by_no_other_door() {
    let host = TestHost::start(setup()).await;
    let told = host.ingress().post("/Sealing/give_back", &secrets("stolen")).await.ok();
    let stolen = &told["card"];
    let waiting = host.ingress().send("/Probe/signal", &json!({ "name": "go" })).await;
    host.wait_for(&waiting, |it| it["status"] == "suspended").await;
    let signal = format!("/restate/invocation/{waiting}/signals/go/resolve");
    let mut noted = secrets("stolen");
    noted["note"] = stolen.clone();
    for (path, body) in [
        ("/Sealing/call_with_open_text", stolen),
        ("/Sealing/call_with_open_text", &json!("sealed:v1:made up")),
        ("/Sealing/give_back", &noted),
        (signal.as_str(), stolen),
        (signal.as_str(), &json!({ "card": [stolen] })),
    ] {
        let (status, code, message) = host.ingress().post(path, body).await.error();
        assert_eq!((status, code.as_str()), (400, "HH0004"), "{path}: {message}");
        assert!(message.contains("begins with 'sealed:v…:'"), "{message}");
    }
    host.ingress().post(&signal, &json!("open")).await;
    assert_eq!(host.ingress().attach(&waiting).await.ok(), json!("open"));
}

/// A handler may know it under another name.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_another_name_is_refused_and_not_recorded() {
    let host = TestHost::start(setup()).await;
    let mut input = secrets("spelled");
    input["inner"]["PIN"] = json!("spelled PIN");
    let (status, code, message) = host.ingress().post("/Sealing/give_back", &input).await.error();
    assert_eq!((status, code.as_str()), (400, "HH0004"), "{message}");
    assert!(message.contains("has the field 'PIN'") && !message.contains("spelled"), "{message}");
    assert_nowhere(&host, &["spelled "]).await;
}

const FIRST_KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const SECOND_KEY: &str = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=";

/// The key of this variable, and those before.
fn with_keys(setup: Setup, current: &str, old: &[&str]) -> Setup {
    let reference = |name: &&str| format!("{{ secret-env = \"{name}\" }}");
    let old: Vec<String> = old.iter().map(reference).collect();
    let keys = format!("seal-key = {}\nseal-keys-old = [{}]\n", reference(&current), old.join(", "));
    let policies = setup.config.unwrap_or_default();
    let policies = policies.split_once("[policies]").map(|(_, it)| it.to_owned()).unwrap_or_default();
    Setup { config: Some(format!("{keys}[policies]{policies}")), ..setup }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_is_told_at_the_start_and_pauses_who_needs_it() {
    let setup = setup().variable("FIRST", FIRST_KEY).variable("SECOND", SECOND_KEY);
    let mut host = TestHost::start(with_keys(setup, "FIRST", &[])).await;
    assert!(!host.data_dir().join("seal.key").exists(), "a key of the configuration is kept nowhere");
    let workflow = host.ingress().send("/SealingWorkflow/w/run", &secrets("kept")).await;
    host.wait_for(&workflow, |it| it["status"] == "suspended").await;
    host.terminate().await;

    host.setup = with_keys(host.setup.clone(), "SECOND", &[]);
    let refused = refusal(&host).await;
    let ids = std::fs::read_to_string(host.data_dir().join("seal.ids")).expect("it says what was sealed");
    let id = ids.lines().last().expect("a key");
    assert!(
        refused.contains("error[HH0082]") && refused.contains(&format!("sealed with key {id}")),
        "{refused}"
    );

    // Somebody gives the key up too early.
    std::fs::write(host.data_dir().join("seal.ids"), "").expect("it can be written");
    host.start_again().await;
    host.ingress().post_empty("/SealingWorkflow/w/go_on").await.ok();
    let paused = host.wait_for(&workflow, |it| it["status"] == "paused").await;
    let reason = paused["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("attempt failed 1 times, last with: HH0082: "), "{reason}");
    assert!(reason.contains(id), "{reason}");
    host.kill();

    // With the key, it goes on where it was.
    host.setup = with_keys(host.setup.clone(), "SECOND", &["FIRST"]);
    host.start_again().await;
    stdout(&host.run(&["invocations", "resume", &workflow]).await);
    assert_eq!(host.ingress().attach(&workflow).await.ok(), known("kept"));
    assert_eq!(host.ingress().post("/Sealing/reveal", &secrets("newer")).await.ok(), known("newer"));
    assert_sealed(&host, &["kept", "newer"]).await;
    assert_nowhere(&host, &[FIRST_KEY, SECOND_KEY]).await;
}

/// What a host says that does not start.
async fn refusal(host: &TestHost) -> String {
    let Output { status, stderr, .. } = output(host.command_on(&host.data_dir(), ANY_PORT, ANY_PORT)).await;
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_none_are_refused_and_not_shown() {
    let mut host = TestHost::start(setup().variable("SHORT", "5ecre7")).await;
    host.kill();
    let no_key = "it is neither 64 hexadecimal digits nor 32 bytes in base64";
    for (config, code, expected) in [
        (
            "seal-key = '5ecre7'",
            "HH0042",
            "seal-key is something else, but should be a reference to a secret",
        ),
        (
            "seal-keys-old = ['5ecre7']",
            "HH0042",
            "seal-keys-old.0 is something else, but should be a reference",
        ),
        ("seal-key = { secret-env = 'SHORT' }", "HH0042", no_key),
        ("seal-keys-old = [{ secret-env = 'SHORT' }]", "HH0042", no_key),
        ("seal-key = { secret-env = 'NONE' }", "HH0052", "the variable NONE is not set"),
    ] {
        host.setup.config = Some(config.to_owned());
        let Output { status, stderr, .. } =
            output(host.command_on(&host.data_dir(), ANY_PORT, ANY_PORT)).await;
        let text = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{config}: {text}");
        assert!(text.contains(&format!("error[{code}]")) && text.contains(expected), "{config}: {text}");
        assert!(!text.contains("5ecre7"), "{config}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_in_a_variable_of_the_host() {
    let mut host = TestHost::start(setup().variable("HOLIDAY_SEAL_KEY", FIRST_KEY)).await;
    host.ingress().post("/SealingObject/ann/keep", &secrets("kept")).await.ok();
    host.kill_and_start_again().await;
    assert_eq!(host.ingress().post_empty("/SealingObject/ann/reveal_kept").await.ok(), known("kept"));
    assert!(!host.data_dir().join("seal.key").exists());
    host.kill();
    host.setup.variables.retain(|(name, _)| name != "HOLIDAY_SEAL_KEY");
    assert!(refusal(&host).await.contains("error[HH0082]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_for_callers_say_what_is_a_secret() {
    let host = TestHost::start(setup()).await;
    let document = host.admin().get("/services/Sealing/openapi").await.ok();
    let card = &document["components"]["schemas"]["Secrets"]["properties"]["card"];
    let expected =
        json!({ "type": "string", "format": "password", "writeOnly": true, "x-holiday-sealed": true });
    assert_eq!(*card, expected, "{document:#}");
}
