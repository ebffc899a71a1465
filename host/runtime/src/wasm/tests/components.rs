//! Which files become components, and what is said of those that do not.

use std::fs;

use bytes::Bytes;
use expect_test::{Expect, expect};
use holiday_core::id::{DeploymentId, Digest};

use super::{components, guest, open};

const ECHO: &str = "(call $succeed (local.get $input) (local.get $input-len))";

async fn check(bytes: impl Into<Bytes>, expected: Expect) {
    let (dir, components) = components();
    let error = components.prepare(bytes.into(), None, |_| {}).await.expect_err("it is no good component");
    expected.assert_eq(&format!("{}: {error}", error.code()));
    assert_eq!(
        fs::read_dir(dir.path().join("components")).expect("a directory").count(),
        0,
        "nothing is left"
    );
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("it is well formed")
}

#[tokio::test]
async fn other_files_are_refused() {
    check(
        "",
        expect![
            "HH0005: the file is empty, not a WebAssembly component; name the .wasm file that the build made"
        ],
    )
    .await;
    check("#!/bin/sh", expect!["HH0005: the file is something that begins with '#!/bin/s', not a WebAssembly component; name the .wasm file that the build made"])
        .await;
    check(component("(module)"), expect!["HH0005: the file is a core module, not a WebAssembly component; build it with --target wasm32-wasip2"])
        .await;
}

#[tokio::test]
async fn a_component_that_is_cut_off_is_invalid() {
    let bytes = guest(ECHO);
    check(bytes[..bytes.len() / 2].to_vec(), expect!["HH0005: the component is invalid, or uses a WebAssembly feature that the host does not have: section range 1555..2508 is out of bounds (bound = 1793)"]).await;
}

#[tokio::test]
async fn a_component_without_the_exports_is_refused() {
    let others = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "describe") (canon lift (core func $i "f")))
        (func (export "handle") (canon lift (core func $i "f"))))"#;
    check(component(others), expect!["HH0006: the component does not export 'describe' as the world holiday:durable/guest has it: type-checking export func `describe`: expected 1-tuple, found 0-tuple; build it with the holiday SDK"]).await;
    check(component("(component)"), expect!["HH0006: the component does not export 'describe' as the world holiday:durable/guest has it; build it with the holiday SDK"]).await;
}

#[tokio::test]
async fn unknown_imports_are_named() {
    let with = |import: &str| {
        let text = include_str!("guest.wat").replace("(;HANDLE;)", ECHO);
        component(&text.replacen("(component", &format!("(component (import \"{import}\" (func))"), 1))
    };
    check(with("surprise"), expect!["HH0008: the component imports 'surprise', which the host does not give: it gives WASI 0.2 and the guest contract, nothing else; build without what needs it"]).await;
    let instance = |name: &str| {
        let text = include_str!("guest.wat").replace("(;HANDLE;)", ECHO);
        let import = format!("(component (import \"{name}\" (instance (export \"f\" (func))))");
        component(&text.replacen("(component", &import, 1))
    };
    check(instance("wasi:http/handler@0.3.0"), expect!["HH0008: the component imports 'wasi:http/handler@0.3.0', which the host does not give: it is of WASI 0.3.0, and the host gives 0.2; build it with --target wasm32-wasip2"]).await;
    check(instance("my:own/thing@1.0.0"), expect!["HH0008: the component imports 'my:own/thing@1.0.0', which the host does not give: it gives WASI 0.2 and the guest contract, nothing else; build without what needs it"]).await;
    check(instance("wasi:random/insecure@0.2.12"), expect!["HH0008: the component imports 'wasi:random/insecure@0.2.12', which the host does not give: instance export `f` has the wrong type: function implementation is missing"]).await;
}

#[tokio::test]
async fn a_component_that_needs_too_much_is_refused() {
    let text =
        include_str!("guest.wat").replace("(;HANDLE;)", ECHO).replace("\"memory\") 2)", "\"memory\") 1000)");
    check(component(&text), expect!["HH0024: the component needs more than an instance may have: memory has a minimum byte size of 65536000 which exceeds the limit of 0x100000 bytes"]).await;
}

#[tokio::test]
async fn describe_may_only_describe() {
    let describe = |body: &str| {
        let text = include_str!("guest.wat").replace("(;HANDLE;)", ECHO);
        component(
            &text.replace("(result i32) (i32.const 64))", &format!("(result i32) {body} (i32.const 64))")),
        )
    };
    check(describe("(drop (call $start-sleep (i64.const 1)))"), expect!["HH0040: describe() of the component failed: it used the context, which only handlers have; it may only describe services"]).await;
    check(describe("unreachable"), expect!["HH0022: describe() of the component failed: the component trapped: wasm trap: wasm `unreachable` instruction executed"]).await;
    check(describe("(loop $again (br $again))"), expect!["HH0023: describe() of the component failed: the component computed for more than 50 ms without an operation of its context; split the work with run(...), or allow more by limits.cpu or the option cpu"]).await;
}

#[tokio::test]
async fn a_component_is_kept_across_restarts() {
    let (dir, components) = components();
    let bytes = Bytes::from(guest(ECHO));
    let prepared = components.prepare(bytes.clone(), None, |_| {}).await.expect("a good component");
    assert_eq!(prepared.digest, Digest::of(&bytes));
    assert_eq!(prepared.services[0].handlers[0].name, "h");
    let deployment = DeploymentId::of(&prepared.digest);
    drop(components);

    let components = open(&dir);
    components.load(deployment).await.expect("it is on disk");
    let again = components.prepare(bytes, None, |_| {}).await.expect("a good component");
    assert_eq!(again, prepared);
}

#[tokio::test]
async fn machine_code_is_made_again_when_it_is_lost() {
    let (dir, components) = components();
    let prepared = components.prepare(guest(ECHO).into(), None, |_| {}).await.expect("a good component");
    drop(components);
    let files = || {
        fs::read_dir(dir.path().join("components"))
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
    };
    for path in files() {
        fs::write(path, b"damaged").expect("it is written");
    }
    let deployment = DeploymentId::of(&prepared.digest);
    open(&dir).load(deployment).await.expect("it is compiled again");
    assert!(files().all(|path| fs::metadata(path).is_ok_and(|code| code.len() > 1_000)));
}

#[tokio::test]
async fn a_missing_component_is_said_to_be_missing() {
    let (_dir, components) = components();
    let deployment = DeploymentId::of(&Digest::of(b"nothing"));
    let error = components.load(deployment).await.expect_err("it is not there");
    assert_eq!(error.code().as_str(), "HH0046");
}
