//! What becomes of a guest, or of a component, that reaches a bound and goes beyond.

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::expect;
use holiday_core::attempt::News;
use holiday_core::id::{DeploymentId, EntryIndex};
use tokio::time::timeout;

use super::super::config::WasmConfig;
use super::super::limits;
use super::{Running, Script, config, guest, open_with};

const ECHO: &str = "(call $succeed (local.get $input) (local.get $input-len))";

/// Holds its instance until its step may be entered.
const HOLD: &str = "(call $start-run) (call $drop-token (i32.load (i32.const 1028)))
    (call $succeed (local.get $input) (local.get $input-len))";

/// How long a test watches that something does not happen.
const WATCH: Duration = Duration::from_millis(150);

/// A component with more in it: definitions of core WebAssembly.
fn with(more: &str, handle: &str) -> Vec<u8> {
    let text = include_str!("guest.wat").replace("(;HANDLE;)", handle);
    let place = "  (core module $memory-module";
    wat::parse_str(text.replacen(place, &format!("{more}\n{place}"), 1)).expect("it is well formed")
}

/// So many instances of a core module.
fn instances(of: &str, count: u32) -> String {
    let module = format!("(core module $more {of})");
    (0..count).fold(module, |mut text, number| {
        write!(text, "(core instance $more-{number} (instantiate $more))").expect("a string takes all");
        text
    })
}

/// What the guest without more has.
const OWN_CORE_INSTANCES: u32 = 2;
const OWN_TABLES: u32 = 1;
const OWN_MEMORIES: u32 = 1;

/// Begins an attempt that holds its instance.
async fn hold(script: &mut Script) -> Running {
    let mut running = script.start();
    running.next().await.expect("it asks for its step");
    running
}

/// Lets an attempt that holds its instance go on to its end.
async fn let_go(mut running: Running) {
    running.news.send(News::MayEnter(EntryIndex(0))).expect("it waits for that");
    while running.next().await.is_some() {}
}

async fn says_nothing(running: &mut Running) -> bool {
    timeout(WATCH, running.events.recv()).await.is_err()
}

#[test]
fn each_default_is_the_constant_of_its_name() {
    let it = WasmConfig::default();
    assert_eq!(it.instances_max, limits::INSTANCES_MAX);
    assert_eq!(it.memory_bytes_max, limits::GUEST_MEMORY_BYTES_MAX);
    assert_eq!((it.cpu_budget_ms, it.idle_keep_ms), (limits::CPU_BUDGET_MS, limits::IDLE_KEEP_MS));
    assert_eq!(it.component_bytes_max, limits::COMPONENT_BYTES_MAX);
    assert_eq!(it.components_loaded_max, limits::COMPONENTS_LOADED_MAX);
    assert_eq!((it.handles_max, it.host_call_bytes_max), (limits::HANDLES_MAX, limits::HOST_CALL_BYTES_MAX));
}

#[tokio::test]
async fn an_attempt_waits_for_an_instance() {
    assert_eq!(config().instances_max, 2);
    let mut first = Script::new(HOLD).await;
    let (mut second, mut third) = (first.another(), first.another());
    let (holding, _other) = (hold(&mut first).await, hold(&mut second).await);
    let mut waiting = third.start();
    assert!(says_nothing(&mut waiting).await);
    let_go(holding).await;
    waiting.next().await.expect("it has an instance");
}

/// What attempts say of which two begin at the same time, and a third when the first has ended.
async fn two_at_a_time(component: Vec<u8>) -> (bool, String) {
    let mut first = Script::with(config(), component).await;
    let (mut second, mut third) = (first.another(), first.another());
    let holding = hold(&mut first).await;
    let said = second.attempt().await;
    let_go(holding).await;
    assert_eq!(third.attempt().await, "run 'step' | run 0 abandoned | end input", "there is room again");
    (said.starts_with("fail HH0028: "), said)
}

#[tokio::test]
async fn components_of_many_parts_take_the_share_of_others() {
    let parts = [
        ("", limits::CORE_INSTANCES_PER_INSTANCE - OWN_CORE_INSTANCES),
        ("(table 1 funcref)", limits::TABLES_PER_INSTANCE - OWN_TABLES),
        ("(memory 1)", limits::MEMORIES_PER_INSTANCE - OWN_MEMORIES),
    ];
    for (part, share) in parts {
        let (is_refused, said) = two_at_a_time(with(&instances(part, share), HOLD)).await;
        assert!(!is_refused, "{share} times '{part}': {said}");
        let (is_refused, said) = two_at_a_time(with(&instances(part, share + 1), HOLD)).await;
        assert!(is_refused, "{} times '{part}': {said}", share + 1);
    }
}

/// Registers a component where there is room for one of the largest.
async fn register(component: Vec<u8>) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a directory");
    let components = open_with(&dir, WasmConfig { instances_max: 64, ..config() });
    let prepared = components.prepare(component.into(), None, |_| {}).await;
    prepared.map(drop).map_err(|error| format!("{}: {error}", error.code()))
}

#[tokio::test]
async fn the_parts_of_a_component_are_bounded() {
    // Three tables each, since the instances count as well.
    let tables = "(table 1 funcref)".repeat(3);
    let parts = [
        ("", limits::CORE_INSTANCES_PER_COMPONENT_MAX - OWN_CORE_INSTANCES, "instances"),
        (tables.as_str(), (limits::TABLES_PER_COMPONENT_MAX - OWN_TABLES) / 3, "tables"),
        ("(memory 1)", limits::MEMORIES_PER_COMPONENT_MAX - OWN_MEMORIES, "memories"),
    ];
    for (part, most, what) in parts {
        assert_eq!(register(with(&instances(part, most), ECHO)).await, Ok(()), "{most} times '{part}'");
        let refused = register(with(&instances(part, most + 1), ECHO)).await.expect_err("it is one too many");
        assert!(
            refused.starts_with("HH0024: the component needs more than an instance may have"),
            "{refused}"
        );
        assert!(refused.contains(what), "{refused}");
    }
}

#[tokio::test]
async fn the_tables_of_a_module_are_bounded() {
    let tables = |count: u32| instances(&"(table 1 funcref)".repeat(count as usize), 1);
    assert_eq!(register(with(&tables(limits::TABLES_PER_MODULE_MAX), ECHO)).await, Ok(()));
    let refused = register(with(&tables(limits::TABLES_PER_MODULE_MAX + 1), ECHO)).await;
    expect!["HH0024: the component needs more than an instance may have: defined tables count of 5 exceeds the per-instance limit of 4"].assert_eq(&refused.expect_err("it is one too many"));
}

#[tokio::test]
async fn a_table_is_bounded() {
    let declared = |elements: usize| instances(&format!("(table {elements} funcref)"), 1);
    assert_eq!(register(with(&declared(limits::TABLE_ELEMENTS_MAX), ECHO)).await, Ok(()));
    let refused = register(with(&declared(limits::TABLE_ELEMENTS_MAX + 1), ECHO)).await;
    expect!["HH0024: the component needs more than an instance may have: table index 0 has a minimum element size of 65537 which exceeds the limit of 65536"].assert_eq(&refused.expect_err("it is one too many"));

    let grow = |elements| format!("(table.grow $table (ref.null func) (i32.const {elements}))");
    let handle = format!(
        "(if (i32.eq {} (i32.const -1)) (then unreachable))
        (if (i32.ne {} (i32.const -1)) (then unreachable))
        {ECHO}",
        grow(limits::TABLE_ELEMENTS_MAX),
        grow(1)
    );
    assert_eq!(
        Script::new(&handle).await.attempt().await,
        "end input",
        "it does not grow, and the guest goes on"
    );
}

#[tokio::test]
async fn the_memory_of_a_guest_is_bounded() {
    const PAGE_BYTES: usize = 64 * 1024;
    const OWN_PAGES: usize = 2;
    let pages = config().memory_bytes_max / PAGE_BYTES - OWN_PAGES;
    let handle = format!(
        "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        {ECHO}"
    );
    assert_eq!(
        Script::new(&handle).await.attempt().await,
        "end input",
        "it does not grow, and the guest goes on"
    );
    let handle = handle.replace("i32.ne (memory.grow", "i32.eq (memory.grow");
    expect!["fail HH0024: the component asked for 1114112 bytes of memory, more than the 1048576 that are allowed; work on less at a time, or start the host with a larger bound"].assert_eq(&Script::new(&handle).await.attempt().await);
}

/// Calls itself so many times; each call takes some of the stack, and less than a kilobyte.
fn nested(calls: usize) -> String {
    let parameters = [
        "service",
        "service-len",
        "has-key",
        "key",
        "key-len",
        "handler",
        "handler-len",
        "input",
        "input-len",
    ];
    let parameters = parameters.map(|name| format!("(local.get ${name})")).join(" ");
    format!(
        "(i32.store (i32.const 700) (i32.add (i32.load (i32.const 700)) (i32.const 1)))
        (if (result i32) (i32.lt_u (i32.load (i32.const 700)) (i32.const {calls}))
          (then (call $handle {parameters}))
          (else {ECHO}))"
    )
}

#[tokio::test]
async fn the_stack_of_a_guest_is_bounded() {
    let shallow = nested(limits::WASM_STACK_BYTES_MAX / 1024);
    assert_eq!(Script::new(&shallow).await.attempt().await, "end input");
    let endless = nested(limits::WASM_STACK_BYTES_MAX);
    expect!["fail HH0022: the component trapped: wasm trap: call stack exhausted"]
        .assert_eq(&Script::new(&endless).await.attempt().await);
}

/// A loop of so many rounds, each of which may end with an operation.
fn rounds(count: u32, operation: &str) -> String {
    format!(
        "(loop $round
          (i32.store (i32.const 704) (i32.const 1000000))
          (loop $again
            (i32.store (i32.const 704) (i32.sub (i32.load (i32.const 704)) (i32.const 1)))
            (br_if $again (i32.load (i32.const 704))))
          {operation}
          (i32.store (i32.const 700) (i32.add (i32.load (i32.const 700)) (i32.const 1)))
          (br_if $round (i32.lt_u (i32.load (i32.const 700)) (i32.const {count}))))
        {ECHO}"
    )
}

#[tokio::test]
async fn each_operation_begins_a_new_budget() {
    const SET: &str = "(call $set-state (i32.const 2) (i32.const 4) (i32.const 2) (i32.const 4))";
    let said = Script::new(&rounds(100, "")).await.attempt().await;
    assert!(said.starts_with("fail HH0023: "), "{said}");
    let said = Script::new(&rounds(100, SET)).await.attempt().await;
    assert!(said.ends_with("end input"), "{said}");
}

/// There is one thread, and the one that computes gives it up at each tick.
#[tokio::test]
async fn a_guest_that_computes_gives_way_to_others() {
    assert_eq!(limits::EPOCH_TICK_MS * 5, config().cpu_budget_ms, "after five ticks it would be stopped");
    let mut spinning = Script::new("(loop $again (br $again)) unreachable").await;
    spinning.cpu_ms = Some(3_600_000);
    let mut computing = spinning.start();
    let mut other = Script::new(ECHO).await;
    assert_eq!(other.attempt().await, "end input");
    assert!(says_nothing(&mut computing).await, "it goes on");
}

#[tokio::test]
async fn an_instance_is_kept_for_what_comes_soon() {
    let sleep = |ms: u64| format!("(call $await (call $start-sleep (i64.const {ms}))) {ECHO}");
    let patient = || WasmConfig { idle_keep_ms: 3_600_000, ..config() };
    let mut soon = Script::with(patient(), guest(&sleep(3_600_000))).await;
    let mut waiting = soon.start();
    waiting.next().await.expect("it begins to sleep");
    assert!(says_nothing(&mut waiting).await, "it keeps its instance");
    let mut late = Script::with(patient(), guest(&sleep(3_600_001))).await;
    assert_eq!(late.attempt().await, "sleep 3600001 ms | suspend on [0]", "it is not worth waiting");
    let mut impatient = Script::with(WasmConfig { idle_keep_ms: 1, ..config() }, guest(&sleep(1))).await;
    assert_eq!(impatient.attempt().await, "sleep 1 ms | suspend on [0]", "it has waited, and nothing came");
}

#[tokio::test]
async fn a_waiting_attempt_notices_that_others_need_its_instance() {
    let idle_keep_ms = 100 * 60 * limits::CROWD_CHECK_MS;
    let handle = format!("(call $await (call $start-sleep (i64.const 1))) {ECHO}");
    let mut script = Script::with(WasmConfig { idle_keep_ms, ..config() }, guest(&handle)).await;
    let mut waiting = script.start();
    waiting.next().await.expect("it begins to sleep");
    assert!(says_nothing(&mut waiting).await, "it keeps its instance");
    script.crowd.store(true, std::sync::atomic::Ordering::Relaxed);
    let soon = Duration::from_millis(idle_keep_ms / 2);
    let last = timeout(soon, waiting.next()).await.expect("long before it would have without them");
    let last = last.expect("it gives its instance back").remove(0);
    assert!(matches!(last, holiday_core::event::Event::Suspend(_)), "{last:?}");
}

#[tokio::test]
async fn the_handles_of_a_guest_are_bounded() {
    // A timer is two: itself, and what it is waited for with.
    let timers = |count: usize| "(drop (call $subscribe (i64.const 0)))".repeat(count) + ECHO;
    // The host's own: standard input, output and error.
    let bounded = |handle: &str| Script::with(WasmConfig { handles_max: 10, ..config() }, guest(handle));
    assert_eq!(bounded(&timers(5)).await.attempt().await, "end input");
    expect!["fail HH0022: the component trapped: resource table has no free keys"]
        .assert_eq(&bounded(&timers(6)).await.attempt().await);
}

#[tokio::test]
async fn what_a_guest_hands_over_at_once_is_bounded() {
    let bounded = |size: usize| {
        let handle =
            format!("(call $set-state (i32.const 2) (i32.const 4) (i32.const 0) (i32.const {size})) {ECHO}");
        Script::with(WasmConfig { host_call_bytes_max: 10_000, ..config() }, guest(&handle))
    };
    let name = "step".len();
    assert_eq!(bounded(10_000 - name).await.attempt().await, "set state 'step' (9996 bytes) | end input");
    expect!["fail HH0022: the component trapped: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted"].assert_eq(&bounded(10_001 - name).await.attempt().await);
}

#[tokio::test]
async fn random_bytes_are_bounded() {
    let roomy = || WasmConfig { memory_bytes_max: 4 * 1024 * 1024, ..config() };
    let draw = |bytes: u64| {
        let handle = format!(
            "(drop (memory.grow (i32.const 32))) (call $draw (i64.const {bytes}) (i32.const 1024)) {ECHO}"
        );
        Script::with(roomy(), guest(&handle))
    };
    assert_eq!(draw(limits::RANDOM_BYTES_MAX).await.attempt().await, "end input");
    expect!["fail HH0022: the component trapped: requested len 1048577 exceeds limit 1048576"]
        .assert_eq(&draw(limits::RANDOM_BYTES_MAX + 1).await.attempt().await);
}

#[tokio::test]
async fn a_component_is_bounded() {
    let component = guest(ECHO);
    let bounded = async |component_bytes_max: usize| {
        let dir = tempfile::tempdir().expect("a directory");
        let components = open_with(&dir, WasmConfig { component_bytes_max, ..config() });
        let prepared = components.prepare(component.clone().into(), None, |_| {}).await;
        prepared.map(drop).map_err(|error| error.code().as_str())
    };
    assert_eq!(bounded(component.len()).await, Ok(()));
    assert_eq!(bounded(component.len() - 1).await, Err("HH0013"));
}

#[tokio::test]
async fn components_in_memory_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let components = open_with(&dir, WasmConfig { components_loaded_max: 2, ..config() });
    let mut deployments = Vec::new();
    for number in 0..3 {
        let component = guest(&format!("(drop (i32.const {number})) {ECHO}"));
        let prepared = components.prepare(component.into(), None, |_| {}).await.expect("a good component");
        deployments.push(DeploymentId::of(&prepared.digest));
        if number == 1 {
            components.load(deployments[0]).await.expect("it is in memory, and used again");
        }
    }
    let in_memory = || deployments.iter().map(|it| components.is_loaded(*it)).collect::<Vec<_>>();
    assert_eq!(in_memory(), [true, false, true], "the one used least recently has left");
    components.load(deployments[1]).await.expect("it is loaded again");
    assert_eq!(in_memory(), [false, true, true]);
}
