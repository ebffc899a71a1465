//! Bad input gets an error with a code, says what was wrong, and changes nothing.

use std::path::Path;
use std::process::Output;

use reqwest::Method;
use serde_json::json;

use crate::harness::{ANY_PORT, Setup, TestHost, damage, guest, output};

/// An empty core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// An empty component.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Something worth keeping, to be looked for after each mishap.
async fn host_with_state() -> TestHost {
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let value = json!({ "name": "kept", "value": 42 });
    host.ingress().post("/ProbeObject/k/set", &value).await.ok();
    host
}

async fn assert_unharmed(host: &TestHost) {
    assert_eq!(host.state("ProbeObject", "k").await, json!({ "kept": 42 }));
    assert_eq!(host.ingress().post("/Probe/echo", &json!("hello")).await.ok(), json!("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense() {
    let host = host_with_state().await;
    let door = host.ingress();

    let (status, code, message) = door.post("/Prob/echo", &json!(1)).await.error();
    assert_eq!((status, code.as_str()), (404, "HH0001"));
    assert!(message.contains("Prob") && message.contains("Probe"), "{message}");

    let (status, code, message) = door.post("/Probe/ech", &json!(1)).await.error();
    assert_eq!((status, code.as_str()), (404, "HH0002"));
    assert!(message.contains("ech") && message.contains("echo"), "{message}");

    let json = "application/json";
    let (status, code, _) = door.post_bytes("/Probe/sleep", json, b"{\"ms\":".to_vec()).await.error();
    assert_eq!((status, code.as_str()), (400, "HH0004"));

    let (status, code, message) = door.post("/Probe/sleep", &json!({ "ms": "long" })).await.error();
    assert_eq!((status, code.as_str()), (400, "HH0004"));
    assert!(message.contains(r#".ms is "long", not an integer"#), "{message}");

    let (status, code, message) = door.post("/Probe/sleep", &json!({ "ms": 1.0 })).await.error();
    assert_eq!(
        (status, code.as_str()),
        (400, "HH0015"),
        "the schema takes it, the guest's own decoder does not"
    );
    assert!(message.contains("ms"), "{message}");

    let (status, code, _) = door.post("/Probe/echo/send?delay=soon", &json!(1)).await.error();
    assert_eq!((status, code.as_str()), (400, "HH0031"));

    let (status, code, _) = door.get("/restate/invocation/inv_nonsense/attach").await.error();
    assert_eq!((status, code.as_str()), (400, "HH0030"));

    let (status, code, _) = door.post_bytes("/Probe/sleep", "text/plain", b"five".to_vec()).await.error();
    assert_eq!((status, code.as_str()), (415, "HH0034"));

    let delete = door.request(Method::DELETE, "/Probe/echo");
    let (status, code, _) = door.insist(|| delete.try_clone().expect("no body")).await.error();
    assert_eq!((status, code.as_str()), (405, "HH0033"));

    let large = vec![b'1'; 9 * 1024 * 1024];
    let (status, code, _) = door.post_bytes("/Probe/echo", json, large).await.error();
    assert_eq!((status, code.as_str()), (413, "HH0013"));

    assert_unharmed(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_are_none() {
    let host = host_with_state().await;
    let before = host.admin().get("/deployments").await.ok();
    let cases = [
        ("garbage", b"this is not wasm".to_vec(), "HH0005"),
        ("core module", CORE_MODULE.to_vec(), "HH0005"),
        ("empty component", EMPTY_COMPONENT.to_vec(), "HH0006"),
        ("unknown import", with_unknown_import(&guest("probe")), "HH0008"),
        ("cut short", cut_short(&guest("probe")), "HH0005"),
    ];
    for (name, bytes, expected) in cases {
        let answer = host.admin().post_bytes("/deployments", "application/wasm", bytes.clone()).await;
        let (status, code, message) = answer.error();
        assert_eq!(code, expected, "{name}: {message}");
        assert!((400..500).contains(&status), "{name}: {status}");

        let file = host.data_dir().with_file_name("bad.wasm");
        std::fs::write(&file, &bytes).expect("a temporary file");
        let file = file.to_str().expect("a path");
        assert_fails_with(&host.run(&["deployments", "register", file]).await, expected);
    }
    assert_fails_with(&host.run(&["deployments", "register", "/nowhere/x.wasm"]).await, "HH0045");
    assert_eq!(host.admin().get("/deployments").await.ok(), before);
    assert_unharmed(&host).await;
}

/// A guest that imports what nobody has: one letter of an interface's name is another.
fn with_unknown_import(component: &Path) -> Vec<u8> {
    let (known, unknown) = (b"holiday:durable/context@", b"holiday:durable/cantext@");
    let mut bytes = std::fs::read(component).expect("it is built");
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(known.len()).position(|window| window == known) {
        at += found;
        bytes[at..at + known.len()].copy_from_slice(unknown);
    }
    bytes
}

fn cut_short(component: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(component).expect("it is built");
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_bad_component() {
    let mut host = host_with_state().await;
    let good = host.setup.components.clone();
    host.terminate().await;
    let file = host.data_dir().with_file_name("bad.wasm");
    std::fs::write(&file, CORE_MODULE).expect("a temporary file");
    host.setup.components = vec![file];
    assert_fails_with(&output(host.command()).await, "HH0005");
    host.setup.components = good;
    host.start_again().await;
    assert_unharmed(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_data_is_refused_and_left_alone() {
    for name in ["log.redb", "state.redb"] {
        let mut host = host_with_state().await;
        host.terminate().await;
        let file = host.data_dir().join(name);
        let mut damaged = Vec::new();
        let before = damage(&file, |bytes| {
            for byte in bytes.iter_mut().take(4096) {
                *byte ^= 0x55;
            }
            damaged = bytes.clone();
        });
        assert_fails_with(&output(host.command()).await, "HH0009");
        assert!(std::fs::read(&file).expect("it is there") == damaged, "{name} was changed");
        damage(&file, |bytes| *bytes = before);
        host.start_again().await;
        assert_unharmed(&host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_newer_version_is_refused_and_left_alone() {
    let mut host = host_with_state().await;
    host.terminate().await;
    let file = host.data_dir().join("state.redb");
    let before = std::fs::read(&file).expect("it is there");
    set_format(&file, 7);
    let newer = std::fs::read(&file).expect("it is there");
    assert_fails_with(&output(host.command()).await, "HH0011");
    assert!(std::fs::read(&file).expect("it is there") == newer, "the file was changed");
    damage(&file, |bytes| *bytes = before);
    host.start_again().await;
    assert_unharmed(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_has_one_host() {
    let host = host_with_state().await;
    let second = host.command_on(&host.data_dir(), ANY_PORT, ANY_PORT);
    assert_fails_with(&output(second).await, "HH0010");
    assert_unharmed(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_one_host() {
    let host = host_with_state().await;
    let other = tempfile::tempdir().expect("a temporary directory");
    let second = host.command_on(other.path(), host.ingress_address(), ANY_PORT);
    let failed = output(second).await;
    assert_fails_with(&failed, "HH0012");
    let message = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(message.contains(&host.ingress_address().to_string()), "{message}");
    assert_unharmed(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_is_wrong_ends_with_2() {
    let host = TestHost::start(Setup::default()).await;
    let cases: [&[&str]; 6] = [
        &["serve", "--env", "NOVALUE"],
        &["call", "Probe"],
        &["call", "Probe/echo", "no json"],
        &["explain", "HH9999"],
        &["invocations", "kill", "inv_1"],
        &["bench", "--url", "http://example.org"],
    ];
    for args in cases {
        let failed = host.run(args).await;
        assert_eq!(failed.status.code(), Some(2), "{args:?}: {failed:?}");
    }
}

#[track_caller]
fn assert_fails_with(output: &Output, code: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("error[{code}]: ")), "{code} in {text}");
    assert!(text.contains(&format!("help: holiday-host explain {code}")), "{code} in {text}");
}

/// Writes another format version into a data file, as a newer binary would.
fn set_format(file: &Path, version: u32) {
    let meta: redb::TableDefinition<'_, &str, u32> = redb::TableDefinition::new("meta");
    let database = redb::Database::open(file).expect("it opens");
    let transaction = database.begin_write().expect("it begins");
    transaction.open_table(meta).expect("it is there").insert("format_version", version).expect("it writes");
    transaction.commit().expect("it commits");
}
