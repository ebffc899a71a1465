//! The driver with handlers that are Rust functions: no wasm, no HTTP, a log that obeys the test.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::expect;
use holiday_core::attempt::{Attempt, News, Op, RunOutcome, Start, Step};
use holiday_core::deployment::{Deployment, Handler, HandlerMode, Service, ServiceKind};
use holiday_core::event::Invoke;
use holiday_core::id::{DeploymentId, Digest, InvocationId, Seed};
use holiday_core::policy::Options;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::*;
use crate::log::memory::NextAppend;
use crate::log::{Extent, LogError, MemoryLog};
use crate::telemetry::InvocationTrace;

/// Far longer than anything here takes: a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a test watches that something does not happen.
const WATCH: Duration = Duration::from_millis(150);

/// Executes `echo`, `run` (one step) and `sleep` (50 ms, suspended).
struct Scripted {
    runtime: tokio::runtime::Handle,
    started: Mutex<Vec<AttemptId>>,
}

impl Invoker for Scripted {
    fn free(&self, _: DeploymentId) {}

    fn start(
        &self,
        start: Start,
        _: Option<Arc<InvocationTrace>>,
        mut news: UnboundedReceiver<News>,
        handle: Handle,
    ) {
        self.started.lock().expect("no test panics while it holds this").push(start.attempt);
        let (id, handler, input) = (start.attempt, start.target.handler.clone(), start.input.clone());
        let mut attempt = Attempt::new(start);
        if handler == "sleep" {
            let step = attempt.step(Op::Sleep { duration_ms: 50, name: None }).expect("a sleep is fine");
            let Step::Pending(sleep) = step else { panic!("{step:?}") };
            match attempt.step(Op::Wait { on: vec![sleep], io: false }).expect("waiting is fine") {
                Step::Blocked(_) => attempt.suspend(vec![sleep]),
                step => {
                    assert_eq!(step, Step::Ready(sleep));
                    attempt.end(Outcome::Success(input)).expect("the journal is complete");
                }
            }
            return handle.record(id, events(&mut attempt));
        }
        if handler == "echo" {
            attempt.end(Outcome::Success(input)).expect("the journal is empty");
            return handle.record(id, events(&mut attempt));
        }
        let step = attempt.step(Op::Run { name: "step".to_owned(), retry: None }).expect("a run is fine");
        let (Step::AwaitPermit(run) | Step::Replayed(run)) = step else { panic!("{step:?}") };
        handle.record(id, events(&mut attempt));
        self.runtime.spawn(async move {
            while let Some(told) = news.recv().await {
                attempt.notify(told);
                if let Ok(Step::Execute(run)) = attempt.step(Op::EnterRun(run)) {
                    let outcome = RunOutcome::Success(input.clone());
                    attempt.step(Op::FinishRun { run, outcome }).expect("it is being executed");
                }
                if let Ok(Step::Ready(_)) = attempt.step(Op::Wait { on: vec![run], io: false }) {
                    attempt.end(Outcome::Success(input.clone())).expect("the journal is complete");
                }
                handle.record(id, events(&mut attempt));
            }
        });
    }
}

fn events(attempt: &mut Attempt) -> Vec<Event> {
    std::iter::from_fn(|| attempt.poll_event()).collect()
}

/// A log that lets appends through while its gate is open.
struct Gated {
    log: MemoryLog,
    is_open: watch::Receiver<bool>,
    /// How many records each batch had.
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Log for Gated {
    async fn append(&mut self, expected: Seq, batch: &[Record]) -> Result<Seq, AppendError> {
        self.batches.lock().expect("unpoisoned").push(batch.len());
        self.is_open.wait_for(|is_open| *is_open).await.expect("the test holds the gate");
        self.log.append(expected, batch).await
    }

    fn read(&mut self, after: Seq) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send {
        self.log.read(after)
    }

    fn trim(&mut self, through: Seq) -> impl Future<Output = Result<(), LogError>> + Send {
        self.log.trim(through)
    }

    fn extent(&mut self) -> impl Future<Output = Result<Extent, LogError>> + Send {
        self.log.extent()
    }
}

/// A driver on a log that survives it.
struct Fixture {
    running: Running,
    invoker: Arc<Scripted>,
    gate: watch::Sender<bool>,
    batches: Arc<Mutex<Vec<usize>>>,
    log: MemoryLog,
    metrics: Metrics,
    dir: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Fixture::with(config()).await
    }

    async fn with(config: DriverConfig) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let fixture = Fixture::on(MemoryLog::new(), dir, config).await;
        fixture.running.handle.deploy(deployment()).await.expect("the first deployment is accepted");
        fixture
    }

    async fn on(log: MemoryLog, dir: TempDir, config: DriverConfig) -> Self {
        let file = redb::Database::create(dir.path().join("state.redb")).expect("a sound file");
        let store = Overlay::new(file).expect("a sound state");
        let (gate, is_open) = watch::channel(true);
        let batches = Arc::<Mutex<Vec<usize>>>::default();
        let gated = Gated { log: log.clone(), is_open, batches: Arc::clone(&batches) };
        let runtime = tokio::runtime::Handle::current();
        let invoker = Arc::new(Scripted { runtime: runtime.clone(), started: Mutex::default() });
        let metrics = Metrics::default();
        let config = DriverConfig { metrics: metrics.clone(), ..config };
        let dyn_invoker: Arc<dyn Invoker> = invoker.clone();
        let running = tokio::task::spawn_blocking(move || start(gated, store, dyn_invoker, config, runtime));
        let running = running.await.expect("starting does not panic").expect("starting succeeds");
        Fixture { running, invoker, gate, batches, log, metrics, dir }
    }

    /// The metrics with these beginnings, without those that depend on time.
    fn metrics(&self, names: &[&str]) -> String {
        let written = self.metrics.encode().expect("it can be written");
        let mut lines: Vec<&str> =
            written.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    fn handle(&self) -> &Handle {
        &self.running.handle
    }

    /// Whether the rows that have changed were taken to be written down.
    async fn has_begun_a_checkpoint(&self) -> bool {
        let changed = soon(self.handle().query(|state| state.kv().rows().active_rows())).await;
        changed.expect("the driver runs") == 0
    }

    /// Waits until the state is written down, and the log has forgotten what it contains.
    async fn until_checkpoint(&self) {
        let trimmed = async {
            while self.log.clone().extent().await.expect("memory does not fail").trimmed == Seq::ZERO {
                soon(self.handle().query(|_| ())).await.expect("the driver runs");
            }
        };
        soon(trimmed).await;
        assert_eq!(self.metrics.checkpoints.get(), 1);
    }

    /// Stops this driver and starts another one on the same log and state.
    async fn restart(self) -> Self {
        self.handle().shut_down();
        let ended = tokio::time::timeout(PATIENCE, self.running.ended).await.expect("it ends");
        ended.expect("no panic").expect("no error");
        Fixture::on(self.log, self.dir, config()).await
    }
}

fn config() -> DriverConfig {
    DriverConfig::new(4, Metrics::default(), Tracer::default())
}

fn deployment() -> Deployment {
    let digest = Digest::of(b"scripted");
    let handler = |name: &str| Handler {
        name: name.to_owned(),
        mode: HandlerMode::Exclusive,
        input: None,
        output: None,
        documentation: None,
        options: Options::default(),
    };
    Deployment {
        id: DeploymentId::of(&digest),
        digest,
        origin: "test".to_owned(),
        services: vec![Service {
            name: "svc".to_owned(),
            kind: ServiceKind::Service,
            handlers: ["echo", "run", "sleep"].map(handler).to_vec(),
            documentation: None,
            options: Options::default(),
        }],
        registered_at: Timestamp::ZERO,
        metadata: std::collections::BTreeMap::new(),
    }
}

fn invoke(number: u8, handler: &str) -> Invoke {
    let target = Target::service("svc", handler);
    Invoke {
        id: InvocationId::new(&target, [number; 16]),
        target,
        input: vec![number].into(),
        headers: Vec::new(),
        idempotency_key: None,
        seed: Seed([number; 32]),
        delay_ms: None,
        retention_ms: 60_000,
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this happens soon")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gets_the_outcome_of_its_handler() {
    let fixture = Fixture::new().await;
    for (number, handler) in [(1, "echo"), (2, "run"), (3, "sleep")] {
        let (accepted, outcome) =
            soon(fixture.handle().call(invoke(number, handler))).await.expect("answered");
        assert!(!accepted.previously);
        assert_eq!(outcome, Outcome::success(vec![number]));
        let stored = soon(fixture.handle().output(accepted.invocation)).await.expect("retained");
        assert_eq!(stored, Some(outcome));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_before_its_cause_is_durable() {
    let fixture = Fixture::new().await;
    fixture.gate.send_replace(false);
    let mut answer = Box::pin(fixture.handle().call(invoke(1, "echo")));
    let mut accepted = Box::pin(fixture.handle().send(invoke(2, "echo")));
    let mut step = Box::pin(fixture.handle().call(invoke(3, "run")));
    assert!(tokio::time::timeout(WATCH, &mut answer).await.is_err(), "the answer was not durable");
    assert!(tokio::time::timeout(WATCH, &mut accepted).await.is_err(), "the invocation was not durable");
    assert!(tokio::time::timeout(WATCH, &mut step).await.is_err(), "the step was not durable");
    assert_eq!(fixture.invoker.started.lock().expect("unpoisoned").len(), 3, "what stays inside goes ahead");
    fixture.gate.send_replace(true);
    soon(answer).await.expect("answered");
    soon(accepted).await.expect("accepted");
    soon(step).await.expect("answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_a_restart() {
    let fixture = Fixture::new().await;
    let mut later = invoke(1, "sleep");
    later.delay_ms = Some(200);
    let accepted = soon(fixture.handle().send(later)).await.expect("accepted");
    let fixture = fixture.restart().await;
    let outcome = soon(fixture.handle().attach(accepted.invocation)).await.expect("it is known");
    assert_eq!(outcome, Outcome::success(vec![1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_append_rebuilds_from_what_is_durable() {
    let fixture = Fixture::new().await;
    let durable = soon(fixture.handle().send(invoke(1, "sleep"))).await.expect("accepted");
    fixture.log.set_next_append(NextAppend::IsRefused);
    let lost = soon(fixture.handle().call(invoke(2, "echo"))).await;
    assert!(matches!(lost, Err(HandleError::Stopped)), "nobody is told what was lost: {lost:?}");
    let outcome = soon(fixture.handle().attach(durable.invocation)).await.expect("it is known");
    assert_eq!(outcome, Outcome::success(vec![1]));
    let unknown = soon(fixture.handle().output(invoke(2, "echo").id)).await;
    assert!(matches!(unknown, Err(HandleError::Refused(Refusal::UnknownInvocation(_)))), "{unknown:?}");
    let (_, outcome) = soon(fixture.handle().call(invoke(2, "echo"))).await.expect("answered");
    assert_eq!(outcome, Outcome::success(vec![2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_written_stops_the_host() {
    let fixture = Fixture::new().await;
    fixture.log.set_next_append(NextAppend::FailsUnwritten);
    let lost = soon(fixture.handle().call(invoke(1, "echo"))).await;
    assert!(matches!(lost, Err(HandleError::Stopped)), "{lost:?}");
    let ended = soon(fixture.running.ended).await.expect("no panic");
    assert!(matches!(ended, Err(DriverError::Append(AppendError::Io(_)))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_invocations_is_counted() {
    const COUNTS: [&str; 3] = ["holiday_invocations", "holiday_attempts", "holiday_run_steps"];
    let fixture = Fixture::new().await;
    for (number, handler) in [(1, "echo"), (2, "run"), (3, "sleep")] {
        soon(fixture.handle().call(invoke(number, handler))).await.expect("answered");
    }
    let mut later = invoke(4, "echo");
    later.delay_ms = Some(600_000);
    let scheduled = soon(fixture.handle().send(later)).await.expect("accepted");
    expect![[r#"
        holiday_attempts_replayed_total 1
        holiday_attempts_running 0
        holiday_attempts_started_total 4
        holiday_attempts_suspended_total 1
        holiday_attempts_waiting 0
        holiday_invocations_accepted_total{service="svc"} 4
        holiday_invocations_completed_total{service="svc",outcome="success"} 3
        holiday_invocations{status="backing-off"} 0
        holiday_invocations{status="inboxed"} 0
        holiday_invocations{status="paused"} 0
        holiday_invocations{status="running"} 0
        holiday_invocations{status="scheduled"} 1
        holiday_invocations{status="suspended"} 0
        holiday_run_steps_total{outcome="success"} 1"#]]
    .assert_eq(&fixture.metrics(&COUNTS));

    // A new process counts what it does itself, and finds the invocation that has not ended.
    let fixture = fixture.restart().await;
    expect![[r#"
        holiday_attempts_replayed_total 0
        holiday_attempts_running 0
        holiday_attempts_started_total 0
        holiday_attempts_suspended_total 0
        holiday_attempts_waiting 0
        holiday_invocations{status="backing-off"} 0
        holiday_invocations{status="inboxed"} 0
        holiday_invocations{status="paused"} 0
        holiday_invocations{status="running"} 0
        holiday_invocations{status="scheduled"} 1
        holiday_invocations{status="suspended"} 0"#]]
    .assert_eq(&fixture.metrics(&COUNTS));
    soon(fixture.handle().cancel(scheduled.invocation)).await.expect("it has not begun");
    soon(fixture.handle().query(|_| ())).await.expect("what was told before is counted");
    expect![[r#"
        holiday_attempts_replayed_total 0
        holiday_attempts_running 0
        holiday_attempts_started_total 0
        holiday_attempts_suspended_total 0
        holiday_attempts_waiting 0
        holiday_invocations_completed_total{service="svc",outcome="cancelled"} 1
        holiday_invocations{status="backing-off"} 0
        holiday_invocations{status="inboxed"} 0
        holiday_invocations{status="paused"} 0
        holiday_invocations{status="running"} 0
        holiday_invocations{status="scheduled"} 0
        holiday_invocations{status="suspended"} 0"#]]
    .assert_eq(&fixture.metrics(&COUNTS));
}

/// An invocation that does not begin, with an input of this size.
fn later(number: u32, size: usize) -> Invoke {
    let mut unique = [0; 16];
    unique[..4].copy_from_slice(&number.to_be_bytes());
    let it = invoke(0, "echo");
    let id = InvocationId::new(&it.target, unique);
    Invoke { id, input: vec![0; size].into(), delay_ms: Some(3_600_000), ..it }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_driver_hands_over_what_it_has_and_goes_on() {
    let fixture = Fixture::new().await;
    fixture.batches.lock().expect("unpoisoned").clear();
    // The driver does nothing else while it answers this.
    let (go_on, held) = mpsc::channel();
    let mut busy = Box::pin(fixture.handle().query(move |_| held.recv().ok()));
    assert!(futures::poll!(&mut busy).is_pending());
    let numbers = 0..=u32::try_from(BATCH_RECORDS_MAX).expect("a small bound");
    let sends = numbers.map(|number| fixture.handle().send(later(number, 0)));
    let mut sends = Box::pin(futures::future::join_all(sends));
    assert!(futures::poll!(&mut sends).is_pending());
    go_on.send(()).expect("the driver waits for it");
    soon(busy).await.expect("the driver runs");
    assert!(soon(sends).await.iter().all(Result::is_ok));
    assert_eq!(*fixture.batches.lock().expect("unpoisoned"), [BATCH_RECORDS_MAX, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_due_after_so_many_records() {
    assert_eq!(config().checkpoint_records, CHECKPOINT_RECORDS);
    // The deployment is the first record.
    let fixture = Fixture::with(DriverConfig { checkpoint_records: 4, ..config() }).await;
    for number in 0..2 {
        soon(fixture.handle().send(later(number, 0))).await.expect("accepted");
    }
    assert!(!fixture.has_begun_a_checkpoint().await, "three records are not four");
    soon(fixture.handle().send(later(2, 0))).await.expect("accepted");
    soon(fixture.handle().query(|_| ())).await.expect("the driver runs");
    fixture.until_checkpoint().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_due_when_so_many_bytes_have_changed() {
    assert_eq!(config().checkpoint_bytes, CHECKPOINT_BYTES);
    let fixture = Fixture::with(DriverConfig { checkpoint_bytes: 100_000, ..config() }).await;
    soon(fixture.handle().send(later(0, 50_000))).await.expect("accepted");
    assert!(!fixture.has_begun_a_checkpoint().await);
    soon(fixture.handle().send(later(1, 50_000))).await.expect("accepted");
    fixture.until_checkpoint().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_is_taken_in_while_too_much_waits_for_a_checkpoint() {
    assert_eq!(config().active_bytes_max, ACTIVE_BYTES_MAX);
    let config = DriverConfig {
        running_attempts_max: 100,
        checkpoint_bytes: 20_000,
        active_bytes_max: 40_000,
        ..config()
    };
    let fixture = Fixture::with(config).await;
    fixture.gate.send_replace(false);
    let large = |number: u8| Invoke { input: vec![number; 10_000].into(), ..invoke(number, "run") };
    let sends = (0..50).map(|number| fixture.handle().send(large(number)));
    let mut sends = Box::pin(futures::future::join_all(sends));
    assert!(tokio::time::timeout(WATCH, &mut sends).await.is_err(), "none of it is durable");
    let started = fixture.invoker.started.lock().expect("unpoisoned").len();
    assert!((1..20).contains(&started), "{started} of 50 were let in");
    fixture.gate.send_replace(true);
    assert!(soon(sends).await.iter().all(Result::is_ok));
}

#[test]
fn a_nap_ends_when_something_is_due_or_the_clock_may_have_been_set() {
    let now = Timestamp::from_millis(1_000_000);
    let due_in = |time: Duration| {
        let millis = u64::try_from(time.as_millis()).expect("a short time");
        nap(Some(now.plus_millis(millis)), now)
    };
    assert_eq!(due_in(NAP_MAX / 2), NAP_MAX / 2);
    assert_eq!(due_in(NAP_MAX), NAP_MAX);
    assert_eq!(due_in(NAP_MAX * 1_000), NAP_MAX);
    assert_eq!(nap(None, now), NAP_MAX);
    assert_eq!(nap(Some(Timestamp::ZERO), now), Duration::ZERO, "it is overdue");
}
