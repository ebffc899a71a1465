//! Executes attempts: each in a fresh instance, in a task of its own.
//!
//! Invariant: unless its news channel closes, an attempt that was started ends with one `End`, `Suspend` or
//! `Fail`, whatever the guest does.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use holiday_core::attempt::{News, Start};
use holiday_core::error::ErrorCode;
use holiday_core::event::{Event, Fail};
use holiday_core::id::{AttemptId, DeploymentId};
use holiday_core::value::{self, Outcome};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::Store;

use super::bindings::{HandlerError, Request};
use super::component::{Components, Guest};
use super::failure;
use super::sandbox::{Execution, Recorder, Sandbox};
use super::spans::Spans;
use super::stop::Stop;
use crate::chronicle::{self, Subject};
use crate::driver::{Handle, Invoker};
use crate::telemetry::{InvocationTrace, Tracer};

/// Runs handlers of WebAssembly components on a tokio runtime.
#[derive(Clone, Debug)]
pub struct WasmInvoker {
    pub(super) components: Arc<Components>,
    tracer: Tracer,
    runtime: runtime::Handle,
}

impl WasmInvoker {
    pub fn new(components: Arc<Components>, tracer: Tracer, runtime: runtime::Handle) -> Self {
        WasmInvoker { components, tracer, runtime }
    }
}

impl Invoker for WasmInvoker {
    fn start(
        &self,
        start: Start,
        trace: Option<Arc<InvocationTrace>>,
        news: UnboundedReceiver<News>,
        handle: Handle,
    ) {
        let name = handle.catalog().components.get(&start.deployment).cloned();
        let method = Arc::<str>::from(chronicle::method_of(&start.target));
        let spans = Spans::begin(&self.tracer, trace, start.attempt, &method);
        let components = Arc::clone(&self.components);
        self.runtime.spawn(supervise(components, name, start, method, spans, news, Arc::new(handle)));
    }

    fn free(&self, deployment: DeploymentId) {
        self.components.free(deployment);
    }
}

impl Recorder for Handle {
    fn record(&self, attempt: AttemptId, events: Vec<Event>) {
        Handle::record(self, attempt, events);
    }

    fn is_crowded(&self) -> bool {
        Handle::is_crowded(self)
    }
}

/// Executes an attempt; one that makes the host panic fails, like one that makes the guest trap.
///
/// `name` is that of the component.
pub(super) async fn supervise(
    components: Arc<Components>,
    name: Option<String>,
    start: Start,
    method: Arc<str>,
    spans: Option<Spans>,
    news: UnboundedReceiver<News>,
    recorder: Arc<dyn Recorder>,
) {
    let attempt = start.attempt;
    let subject = Subject { method: &method, invocation: attempt.invocation };
    if is_first(&start) {
        chronicle::handling(subject, start.record.as_ref());
    } else {
        chronicle::resuming(subject, attempt.number);
    }
    let recorded = Arc::clone(&recorder);
    let execution = execute(&components, name.as_deref(), start, Arc::clone(&method), spans, news, recorded);
    if AssertUnwindSafe(execution).catch_unwind().await.is_err() {
        chronicle::panicked(subject, attempt.number);
        let message =
            format!("{}: the host panicked while it executed the attempt; see its log", ErrorCode::Internal);
        recorder.record(attempt, vec![Event::Fail(Fail { attempt, message })]);
    }
}

/// Whether nothing of the invocation was executed before, as far as its journal tells.
fn is_first(start: &Start) -> bool {
    let inherited = start.lineage.iter().map(|ancestor| ancestor.commands).max().unwrap_or_default();
    start.attempt.number == 1 && start.commands.len() <= inherited as usize
}

/// Executes an attempt until it ends or `news` closes.
async fn execute(
    components: &Arc<Components>,
    name: Option<&str>,
    start: Start,
    method: Arc<str>,
    spans: Option<Spans>,
    mut news: UnboundedReceiver<News>,
    recorder: Arc<dyn Recorder>,
) {
    let deployment = start.deployment;
    let request = Request { target: start.target.clone().into(), input: start.input.to_vec() };
    // The guest may be anywhere when the driver gives up on it, so what the driver says is heard here.
    let (tell, heard) = unbounded_channel();
    let execution = Execution::new(start, method, spans, heard, recorder);
    let mut work = pin!(perform(components, name, deployment, request, execution));
    loop {
        tokio::select! {
            biased;
            said = news.recv() => match said {
                Some(said) => drop(tell.send(said)),
                None => return,
            },
            () = &mut work => return,
        }
    }
}

async fn perform(
    components: &Arc<Components>,
    name: Option<&str>,
    deployment: DeploymentId,
    request: Request,
    mut execution: Execution,
) {
    let ready = match components.load(deployment).await {
        Ok(guest) => components.instance().await.map(|instance| (guest, instance)),
        Err(error) => Err(error),
    };
    let (guest, _instance) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            execution.attempt.fail(format!("{}: {error}", error.code()));
            return execution.drain();
        }
    };
    let mut store =
        Sandbox::for_executing(&components.config, name, execution).into_store(guest.pre.engine());
    let returned = handle(&guest, &mut store, &request).await;
    conclude(store.data_mut(), returned);
}

pub(super) async fn handle(
    guest: &Guest,
    store: &mut Store<Sandbox>,
    request: &Request,
) -> wasmtime::Result<Result<Vec<u8>, HandlerError>> {
    let instance = guest.pre.instantiate_async(&mut *store).await?;
    instance.call_handle(store, request).await
}

/// Records how the attempt went.
fn conclude(sandbox: &mut Sandbox, returned: wasmtime::Result<Result<Vec<u8>, HandlerError>>) {
    sandbox.stdout.finish();
    sandbox.stderr.finish();
    let ended = match returned {
        Ok(Ok(output)) => Ok(Outcome::success(output)),
        Ok(Err(HandlerError::Terminal(failure))) => Ok(Outcome::Failure(failure.into())),
        Ok(Err(HandlerError::Retryable(text))) => {
            Err(value::cut(format!("{}: {text}", ErrorCode::RetryableError)))
        }
        Err(error) => match error.downcast_ref::<Stop>() {
            Some(Stop::Suspended | Stop::Abandoned | Stop::JournalOver) => return,
            Some(Stop::Failed(_)) | None => Err(failure::explain(&error, sandbox)),
        },
    };
    let Ok(execution) = sandbox.execution() else { return };
    let attempt = &mut execution.attempt;
    if let Err(message) = ended.and_then(|outcome| attempt.end(outcome).map_err(|error| error.to_string())) {
        attempt.fail(message);
    }
    execution.drain();
}
