//! All that one guest instance can reach: the data of its wasmtime store.

use std::fmt;
use std::sync::Arc;

use holiday_core::attempt::{Attempt, News, Op, Start, Step};
use holiday_core::error::ErrorCode;
use holiday_core::event::Event;
use holiday_core::id::{AttemptId, EntryIndex};
use holiday_core::invocation::Header;
use holiday_core::journal::{Command, CommandEntry};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Failure;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::holiday::durable::{context, types};
use super::config::WasmConfig;
use super::http::Gate;
use super::limits;
use super::mirror::Mirror;
use super::output::{Output, Writer};
use super::spans::Spans;
use super::stop::Stop;
use super::wasi::{self, ClockView};
use crate::seal::Sealer;

/// Where the events of an attempt go.
pub(super) trait Recorder: Send + Sync {
    fn record(&self, attempt: AttemptId, events: Vec<Event>);

    /// Whether others wait for an instance, so that one that is idle should be given back.
    fn is_crowded(&self) -> bool;
}

pub(super) struct Sandbox {
    pub(super) table: ResourceTable,
    pub(super) memory: MemoryBound,
    pub(super) cpu: CpuBudget,
    /// How long an attempt that waits for an answer keeps its instance.
    pub(super) idle_keep_ms: u64,
    host_call_bytes_max: usize,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    /// `None` while the component describes itself.
    execution: Option<Box<Execution>>,
    mirror: Arc<Mirror>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    gate: Gate,
    sealer: Sealer,
}

/// The handler that is being executed.
pub(super) struct Execution {
    pub(super) attempt: Attempt,
    pub(super) about: About,
    /// `None` if nobody is told of spans.
    spans: Option<Spans>,
    pub(super) news: UnboundedReceiver<News>,
    pub(super) recorder: Arc<dyn Recorder>,
    /// Whether it ends where its journal does.
    is_rehearsal: bool,
}

/// What the handler may ask about its invocation.
pub(super) struct About {
    pub(super) target: Target,
    /// `<service>/<handler>`.
    pub(super) method: Arc<str>,
    pub(super) headers: Vec<Header>,
    pub(super) idempotency_key: Option<String>,
    pub(super) created_at: Timestamp,
    /// How long it may compute without asking the host for anything, if not as long as others.
    pub(super) cpu_ms: Option<u64>,
}

impl Execution {
    pub(super) fn new(
        start: Start,
        method: Arc<str>,
        spans: Option<Spans>,
        news: UnboundedReceiver<News>,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        let about = About {
            method,
            target: start.target.clone(),
            headers: start.headers.clone(),
            idempotency_key: start.idempotency_key.clone(),
            created_at: start.created_at,
            cpu_ms: start.cpu_ms,
        };
        Execution { attempt: Attempt::new(start), about, spans, news, recorder, is_rehearsal: false }
    }

    /// One that nobody listens to, and that hears nothing.
    pub(super) fn rehearsing(start: Start) -> Self {
        let is_step = |entry: &CommandEntry| matches!(entry.command, Command::Run { .. });
        let steps = (0..).zip(&start.commands).filter(|(_, entry)| is_step(entry));
        let steps = steps.map(|(index, _)| EntryIndex(index)).collect();
        // Steps without a result are left alone, as if they had to wait. And as if an earlier attempt had been
        // everywhere, it replays until it asks for something new.
        let start = Start { postponed: steps, seen: u32::MAX, ..start };
        let (_, silence) = unbounded_channel();
        Execution {
            is_rehearsal: true,
            ..Execution::new(start, "rehearsal".into(), None, silence, Arc::new(Nobody))
        }
    }

    /// Hands what has to be recorded to the driver.
    pub(super) fn drain(&mut self) {
        let events: Vec<Event> = std::iter::from_fn(|| self.attempt.poll_event()).collect();
        if let Some(spans) = &mut self.spans {
            events.iter().for_each(|event| spans.note(event));
        }
        if !events.is_empty() {
            self.recorder.record(self.attempt.id(), events);
        }
    }
}

/// Listens to a rehearsal.
struct Nobody;

impl Recorder for Nobody {
    fn record(&self, _: AttemptId, _: Vec<Event>) {}

    fn is_crowded(&self) -> bool {
        false
    }
}

impl Sandbox {
    /// A sandbox in which a component may only describe itself.
    pub(super) fn for_describing(config: &WasmConfig, component: Option<&str>) -> Self {
        let cpu = CpuBudget::new(config.cpu_budget_ms.min(limits::DESCRIBE_BUDGET_MS));
        Sandbox::new(config, component, cpu, [0; 32], None, Arc::default(), None)
    }

    pub(super) fn for_executing(config: &WasmConfig, component: Option<&str>, execution: Execution) -> Self {
        let mirror = Arc::<Mirror>::default();
        mirror.reflect(&execution.attempt);
        let seed = execution.attempt.random_seed();
        let method = Arc::clone(&execution.about.method);
        let writer = Writer { attempt: execution.attempt.id(), method };
        let cpu = CpuBudget::new(execution.about.cpu_ms.unwrap_or(config.cpu_budget_ms));
        Sandbox::new(config, component, cpu, seed, Some(writer), mirror, Some(Box::new(execution)))
    }

    fn new(
        config: &WasmConfig,
        component: Option<&str>,
        cpu: CpuBudget,
        seed: [u8; 32],
        writer: Option<Writer>,
        mirror: Arc<Mirror>,
        execution: Option<Box<Execution>>,
    ) -> Self {
        let stdout = Output::stdout(writer.clone(), Arc::clone(&mirror));
        let stderr = Output::stderr(writer, Arc::clone(&mirror));
        let guest = config.guest(component);
        let mut table = ResourceTable::new();
        table.set_max_capacity(config.handles_max);
        Sandbox {
            table,
            memory: MemoryBound { bytes_max: config.memory_bytes_max, bytes: 0, refused: None },
            cpu,
            idle_keep_ms: config.idle_keep_ms,
            host_call_bytes_max: config.host_call_bytes_max,
            wasi: wasi::context(guest, seed, &mirror, stdout.clone(), stderr.clone()),
            http: WasiHttpCtx::new(),
            gate: Gate::new(Arc::clone(&mirror), guest.allowed_hosts.clone(), config.metrics.clone()),
            sealer: config.sealer.clone(),
            stdout,
            stderr,
            execution,
            mirror,
        }
    }

    /// Puts the sandbox into a store, with its bounds in force.
    pub(super) fn into_store(self, engine: &Engine) -> Store<Sandbox> {
        let host_call_bytes_max = self.host_call_bytes_max;
        let mut store = Store::new(engine, self);
        store.set_hostcall_fuel(host_call_bytes_max);
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(Sandbox::tick);
        store
    }

    /// A tick has passed while the guest computed: let others have their turn, if it may go on at all.
    fn tick(mut store: StoreContextMut<'_, Sandbox>) -> wasmtime::Result<UpdateDeadline> {
        let cpu = &mut store.data_mut().cpu;
        cpu.ticks += 1;
        match cpu.ticks <= cpu.ticks_max {
            true => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))),
            false => Err(cpu.spun()),
        }
    }

    /// The execution, or why there is none.
    pub(super) fn execution(&mut self) -> wasmtime::Result<&mut Execution> {
        self.execution.as_deref_mut().ok_or_else(without_context)
    }

    /// The execution beside the handles of the guest.
    pub(super) fn execution_and_table(&mut self) -> wasmtime::Result<(&mut Execution, &mut ResourceTable)> {
        match self.execution.as_deref_mut() {
            Some(execution) => Ok((execution, &mut self.table)),
            None => Err(without_context()),
        }
    }

    /// Asks the attempt, and lets all who depend on it know.
    pub(super) fn step(&mut self, op: Op) -> wasmtime::Result<Step> {
        let execution = self.execution.as_deref_mut().ok_or_else(without_context)?;
        let step = execution.attempt.step(op).map_err(Stop::from)?;
        if !execution.is_rehearsal {
            self.cpu.ticks = 0;
        } else if !execution.attempt.is_replaying() {
            return Err(Stop::JournalOver.into());
        }
        execution.drain();
        self.mirror.reflect(&execution.attempt);
        Ok(step)
    }

    pub(super) fn is_traced(&self) -> bool {
        self.execution.as_ref().is_some_and(|execution| execution.spans.is_some())
    }

    /// Notes something in the spans of the attempt, and has HTTP requests be part of the right one.
    pub(super) fn trace(&mut self, note: impl FnOnce(&mut Spans)) {
        if let Some(spans) = self.execution.as_mut().and_then(|execution| execution.spans.as_mut()) {
            note(spans);
            self.gate.is_part_of(spans.context());
        }
    }

    /// Whether the guest may wait for pollables: inside `run`, and to learn that it should have been.
    pub(super) fn may_wait_for_io(&self) -> bool {
        self.mirror.is_executing_a_run() || self.gate.has_refused()
    }

    /// Reveals a sealed text while a step is being executed. At other times the guest gets a failure that says so.
    ///
    /// Whether it is the step that asks, or code beside it which a replay executes without it, only the guest can tell: the
    /// SDK asks in the closure of the step alone, and so must others, or they go another way in a replay.
    pub(super) fn reveal(&mut self, text: &str) -> wasmtime::Result<Result<String, Failure>> {
        self.execution()?;
        if !self.mirror.is_executing_a_run() {
            let code = ErrorCode::RevealOutsideRun;
            return Ok(Err(failed(format!(
                "{code}: a sealed text is revealed only inside run(...), and it was asked for outside"
            ))));
        }
        match self.sealer.reveal(text) {
            Ok(plain) => Ok(Ok(plain)),
            Err(error) if error.code().awaits_operator() => Err(Stop::Failed(error.to_string()).into()),
            Err(error) => Ok(Err(failed(error.to_string()))),
        }
    }

    pub(super) fn clock(&mut self) -> ClockView<'_> {
        ClockView { mirror: &self.mirror, table: &mut self.table }
    }
}

fn failed(message: String) -> Failure {
    Failure::new(500, message)
}

fn without_context() -> wasmtime::Error {
    Stop::misuse("it used the context, which only handlers have; it may only describe services")
}

/// Gives a component all it may import.
pub(super) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    types::add_to_linker::<Sandbox, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    context::add_to_linker::<Sandbox, HasSelf<Sandbox>>(linker, |sandbox| sandbox)
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.gate, table: &mut self.table, ctx: &mut self.http }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sandbox")
    }
}

/// How much linear memory the instance may have, in all its memories together.
#[derive(Debug)]
pub(super) struct MemoryBound {
    bytes_max: usize,
    bytes: usize,
    /// The size it asked for and did not get. A guest may survive that; if not, this is why.
    pub(super) refused: Option<usize>,
}

impl MemoryBound {
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl ResourceLimiter for MemoryBound {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired - current);
        match bytes <= self.bytes_max {
            true => self.bytes = bytes,
            false => self.refused = Some(bytes),
        }
        Ok(bytes <= self.bytes_max)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= limits::TABLE_ELEMENTS_MAX)
    }
}

/// How long the guest may still compute before its next operation.
#[derive(Debug)]
pub(super) struct CpuBudget {
    ticks: u64,
    ticks_max: u64,
}

impl CpuBudget {
    fn new(budget_ms: u64) -> Self {
        CpuBudget { ticks: 0, ticks_max: budget_ms.div_ceil(limits::EPOCH_TICK_MS) }
    }

    fn spun(&self) -> wasmtime::Error {
        let budget_ms = self.ticks_max * limits::EPOCH_TICK_MS;
        Stop::failed(
            ErrorCode::GuestSpun,
            format!(
                "the component computed for more than {budget_ms} ms without an operation of its context; split \
                 the work with run(...), or allow more by limits.cpu or the option cpu"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_gets_less_time_to_describe_itself() {
        let budget_ms =
            |config: &WasmConfig| Sandbox::for_describing(config, None).cpu.ticks_max * limits::EPOCH_TICK_MS;
        assert_eq!(budget_ms(&WasmConfig::default()), limits::DESCRIBE_BUDGET_MS);
        assert_eq!(budget_ms(&WasmConfig { cpu_budget_ms: 50, ..WasmConfig::default() }), 50);
    }
}
