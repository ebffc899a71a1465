//! What guests are told of sealed texts, and when.

use expect_test::{Expect, expect};

use super::{Script, config, guest};
use crate::seal::Sealer;
use crate::wasm::WasmConfig;

/// Answers with its input revealed, or with the failure.
const REVEAL: &str = "
    (call $reveal (local.get $input) (local.get $input-len) (i32.const 1040))
    (if (result i32) (i32.load8_u (i32.const 1040))
      (then (call $fail
        (i32.load16_u (i32.const 1044)) (i32.load (i32.const 1048)) (i32.load (i32.const 1052))))
      (else (call $succeed (i32.load (i32.const 1044)) (i32.load (i32.const 1048)))))";

fn in_a_step() -> String {
    format!("(call $start-run) {REVEAL}")
}

/// Executes one attempt of a handler that was sent this.
async fn check(sealer: &Sealer, handle: &str, input: String, expected: Expect) {
    let config = WasmConfig { sealer: sealer.clone(), ..config() };
    let mut script = Script::with(config, guest(handle)).await;
    script.input = input.into();
    expected.assert_eq(&script.attempt().await);
}

#[tokio::test]
async fn a_step_is_told_and_nobody_else() {
    let sealer = Sealer::in_memory();
    let sealed = || sealer.seal("4111").expect("it is sealed");
    check(&sealer, &in_a_step(), sealed(), expect!["run 'step' | end 4111"]).await;
    check(
        &sealer,
        REVEAL,
        sealed(),
        expect![
            "end [500] HH0081: a sealed text is revealed only inside run(...), and it was asked for outside"
        ],
    )
    .await;
    check(&sealer, &in_a_step(), "never sealed".to_owned(), expect!["run 'step' | end never sealed"]).await;
    check(
        &sealer,
        REVEAL,
        "never sealed".to_owned(),
        expect![
            "end [500] HH0081: a sealed text is revealed only inside run(...), and it was asked for outside"
        ],
    )
    .await;
}

#[tokio::test]
async fn after_the_step_nobody_is_told() {
    let sealer = Sealer::in_memory();
    let finished = format!(
        "(call $start-run)
        (drop (call $finish-run
          (i32.load (i32.const 1028)) (i32.const 0) (i32.const 2) (i32.const 4) (i32.const 0)))
        {REVEAL}"
    );
    check(&sealer, &finished, sealer.seal("4111").expect("it is sealed"), expect!["run 'step' | run completed with success (4 bytes) | end [500] HH0081: a sealed text is revealed only inside run(...), and it was asked for outside"]).await;
}

#[tokio::test]
async fn what_was_changed_fails_and_what_lacks_its_key_waits_for_an_operator() {
    let sealer = Sealer::in_memory();
    let changed = sealer.seal("4111").expect("it is sealed") + "AAAA";
    check(
        &sealer,
        &in_a_step(),
        changed,
        expect![
            "run 'step' | end [500] HH0083: the sealed text is broken: it was changed after it was sealed"
        ],
    )
    .await;
    let of_another = Sealer::in_memory().seal("4111").expect("it is sealed");
    let config = WasmConfig { sealer, ..config() };
    let mut script = Script::with(config, guest(&in_a_step())).await;
    script.input = of_another.into();
    let failed = script.attempt().await;
    let expected = "run 'step' | fail HH0082: the text was sealed with key ";
    assert!(failed.starts_with(expected) && failed.contains("seal-keys-old"), "{failed}");
}

/// As components were built before there was anything to reveal.
#[tokio::test]
async fn a_component_that_knows_less_of_the_contract_goes_on_working() {
    let text = include_str!("guest.wat").replace("(;HANDLE;)", "(call $succeed (i32.const 2) (i32.const 4))");
    let older: Vec<&str> = text.lines().filter(|line| !line.contains("reveal")).collect();
    let component = wat::parse_str(older.join("\n")).expect("it is well formed");
    assert_eq!(Script::with(config(), component).await.attempt().await, "end step");
}
