//! The driver: one thread that owns the state and turns what happens into records.
//!
//! ```text
//! ingress, admin, attempts ──Request──▶ driver ──records + held releases──▶ log writer ──▶ disk
//!                                         │ ▲                                   │
//!                          start, notify  ▼ │ events                  releases  ▼ (answers, permits)
//!                                       attempts                             outside
//! ```
//!
//! Two rules make it both safe and fast:
//!
//! - **Output commit.** A record is applied at once, and what follows from it inside the host goes ahead.
//!   What leaves the host ([`Effect::leaves_the_host`], and every reply) travels with its records to the log
//!   writer, which releases it when they are durable.
//! - **Group commit.** While one batch is being written, the next one gathers: one fsync covers it whole.
//!
//! Invariants: only this thread touches the state; `at` never goes back; a checkpoint is never written ahead
//! of the durable log; if the log refuses an append, everything after its last durable record is dropped and
//! rebuilt, as after a crash.

mod attempts;
mod checkpoint;
mod handle;
mod notice;
mod observer;
mod rehearsal;
mod replies;
#[cfg(test)]
mod tests;
mod traces;
mod watched;
mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use holiday_core::effect::Effect;
use holiday_core::engine::{self, Refusal};
use holiday_core::event::{Event, Invoke, Record, Take};
use holiday_core::id::{AttemptId, InvocationId, Seq, SubscriptionId};
use holiday_core::state::{State, StoreError};
use holiday_core::subscription::LaneId;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;
use tokio::sync::oneshot;

use crate::clock;
use crate::log::{AppendError, LOG_BATCH_RECORDS_MAX, Log, LogError};
use crate::metrics::{Metrics, amount};
use crate::store::{ACTIVE_BYTES_MAX, Overlay};
use crate::telemetry::Tracer;
use attempts::Attempts;
use checkpoint::{Checkpointer, Finished};
pub use handle::{Accepted, Catalog, Handle, HandleError, HostState, Invoker, JournalLength, Taken};
use handle::{Reply, Request, Shared};
use observer::Observer;
pub use rehearsal::{Rehearsal, RehearsalError};
use replies::Replies;
pub use watched::Watched;
use writer::{Release, Writer};

/// Records of one batch: what a busy driver hands to the log at once.
pub const BATCH_RECORDS_MAX: usize = LOG_BATCH_RECORDS_MAX / 2;

/// Records between two checkpoints: about how many a start has to replay.
pub const CHECKPOINT_RECORDS: u64 = 200_000;

/// Bytes of changed rows that make a checkpoint worth its while; a quarter of what may gather.
pub const CHECKPOINT_BYTES: usize = ACTIVE_BYTES_MAX / 4;

/// The longest sleep of the driver, so that a clock that was set is noticed.
const NAP_MAX: Duration = Duration::from_secs(1);

/// How the driver is to work.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Attempts that hold an instance at the same time.
    pub running_attempts_max: usize,
    pub metrics: Metrics,
    pub tracer: Tracer,
    /// The others are bounds; each default is the constant of that name.
    pub checkpoint_records: u64,
    pub checkpoint_bytes: usize,
    pub active_bytes_max: usize,
}

impl DriverConfig {
    pub fn new(running_attempts_max: usize, metrics: Metrics, tracer: Tracer) -> Self {
        DriverConfig {
            running_attempts_max,
            metrics,
            tracer,
            checkpoint_records: CHECKPOINT_RECORDS,
            checkpoint_bytes: CHECKPOINT_BYTES,
            active_bytes_max: ACTIVE_BYTES_MAX,
        }
    }
}

/// Why the driver stopped.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Append(AppendError),
    #[error("HH0049: a rule of the host was broken, see the log; restart it, nothing durable is lost")]
    Panicked,
}

/// A driver that runs; it ends by [`Request::Shutdown`] or by an error.
#[derive(Debug)]
pub struct Running {
    pub handle: Handle,
    /// How it ended. A sender that was dropped means that the thread has panicked.
    pub ended: oneshot::Receiver<Result<(), DriverError>>,
}

impl Handle {
    /// Asks the driver to write everything down and stop. [`Running::ended`] says when it has.
    pub fn shut_down(&self) {
        drop(self.requests.send(Request::Shutdown));
    }
}

/// Rebuilds the state from the log and starts the driver.
///
/// Blocks until the log is replayed. `runtime` serves logs that need one.
pub fn start<L: Log + 'static>(
    log: L,
    store: Overlay,
    invoker: Arc<dyn Invoker>,
    config: DriverConfig,
    runtime: tokio::runtime::Handle,
) -> Result<Running, DriverError> {
    let (requests, received) = mpsc::channel();
    let handle = Handle { requests, shared: Arc::new(Shared::default()), generation: 0 };
    let mut driver = Driver {
        state: State::new(Watched::new(store, &config.metrics)),
        last: Seq::ZERO,
        now: Timestamp::ZERO,
        batch: Vec::new(),
        releases: Vec::new(),
        replies: Replies::default(),
        attempts: Attempts::new(config.running_attempts_max),
        advancing: VecDeque::new(),
        invoker,
        writer: None,
        checkpointer: Checkpointer::default(),
        handle: handle.clone(),
        observer: Observer::new(config.metrics.clone(), config.tracer.clone()),
        metrics: config.metrics.clone(),
        config,
        runtime,
    };
    driver.rebuild(log)?;
    let (end, ended) = oneshot::channel();
    thread::Builder::new()
        .name("driver".to_owned())
        .spawn(move || drop(end.send(driver.run(&received))))
        .expect("the operating system gives one more thread");
    Ok(Running { handle, ended })
}

struct Driver<L> {
    state: State<Watched>,
    /// The last record applied.
    last: Seq,
    /// The time of the last record.
    now: Timestamp,
    /// Records applied and not yet handed to the log writer.
    batch: Vec<Record>,
    /// What waits for the records up to the end of the batch.
    releases: Vec<Release>,
    replies: Replies,
    attempts: Attempts,
    /// Subscriptions that have more to do, each once.
    advancing: VecDeque<SubscriptionId>,
    invoker: Arc<dyn Invoker>,
    writer: Option<Writer<L>>,
    checkpointer: Checkpointer,
    config: DriverConfig,
    handle: Handle,
    observer: Observer,
    metrics: Metrics,
    runtime: tokio::runtime::Handle,
}

impl<L: Log + 'static> Driver<L> {
    /// Brings the state up to the end of the log, and carries out what was left to do.
    fn rebuild(&mut self, mut log: L) -> Result<(), DriverError> {
        self.last = self.state.applied()?;
        loop {
            let records = self.runtime.block_on(log.read(self.last))?;
            let Some(end) = records.last() else { break };
            (self.last, self.now) = (end.seq, self.now.max(end.at));
            for record in &records {
                engine::apply(&mut self.state, record)?;
            }
            // What the process before this one did is not told again.
            drop(self.state.kv_mut().take_changes());
        }
        self.state.kv_mut().recount()?;
        let (metrics, tracer) = (self.metrics.clone(), self.config.tracer.clone());
        let writer = Writer::start(log, self.last, &self.handle, metrics, tracer, self.runtime.clone());
        self.checkpointer.begin_after(self.state.applied()?);
        self.writer = Some(writer);
        self.publish_catalog()?;
        let effects = engine::recover(&self.state)?;
        self.carry_out(effects)?;
        self.start_ready_attempts()?;
        self.hand_over();
        Ok(())
    }

    fn run(mut self, requests: &Receiver<Request>) -> Result<(), DriverError> {
        loop {
            if let Some(request) = self.next_request(requests)? {
                if !self.take(request)? {
                    return self.stop();
                }
                while self.has_room()
                    && let Ok(request) = requests.try_recv()
                {
                    if !self.take(request)? {
                        return self.stop();
                    }
                }
            }
            self.fire_timers()?;
            self.advance_subscriptions()?;
            self.start_ready_attempts()?;
            self.hand_over();
            self.checkpoint_if_due()?;
        }
    }

    /// Whether more can be taken in before the log and the checkpoint get what there is.
    fn has_room(&self) -> bool {
        let active_bytes = self.state.kv().rows().active_bytes();
        self.batch.len() < BATCH_RECORDS_MAX && active_bytes < self.config.active_bytes_max
    }

    /// Waits for a request, or until a timer is due.
    fn next_request(&self, requests: &Receiver<Request>) -> Result<Option<Request>, DriverError> {
        let nap = match self.advancing.is_empty() {
            true => nap(engine::next_wakeup(&self.state)?, clock::now()),
            false => Duration::ZERO,
        };
        match requests.recv_timeout(nap) {
            Ok(request) => Ok(Some(request)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => unreachable!("the driver holds a handle of its own"),
        }
    }

    /// Does what is asked; `false` is the end.
    fn take(&mut self, request: Request) -> Result<bool, DriverError> {
        match request {
            Request::Invoke { invoke, accepted, outcome } => self.invoke(*invoke, accepted, outcome)?,
            Request::Attach { invocation, outcome } => self.attach(invocation, outcome)?,
            Request::Output { invocation, outcome } => self.output(invocation, outcome)?,
            Request::Operate { event, done } => {
                let admission = self.operate(*event)?;
                self.reply(done, admission);
            }
            Request::OperateIf { event, condition, done } => {
                let admission = match condition(&self.state)? {
                    true => self.operate(*event)?.map(|()| true),
                    false => Ok(false),
                };
                self.reply(done, admission);
            }
            Request::Attempt { attempt, generation, events } => {
                if generation == self.handle.generation {
                    self.attempt(attempt, events)?;
                }
            }
            Request::Take { take, taken } => self.take_records(*take, taken)?,
            Request::Query(query) => self.releases.push(query(&self.state)),
            Request::Checkpointed => self.checkpointed()?,
            Request::LogStopped(error) => self.log_stopped(error)?,
            Request::Shutdown => return Ok(false),
        }
        Ok(true)
    }

    // Requests

    fn invoke(
        &mut self,
        invoke: Invoke,
        accepted: Reply<Accepted>,
        outcome: Option<oneshot::Sender<Outcome>>,
    ) -> Result<(), DriverError> {
        let event = Event::Invoke(invoke);
        let Event::Invoke(invoke) = &event else { unreachable!("made one line above") };
        let admission = match outcome {
            Some(_) => engine::admit_call(&self.state, invoke)?,
            None => engine::admit(&self.state, &event)?,
        };
        match admission {
            Err(refusal) => self.reply(accepted, Err(refusal)),
            Ok(()) => {
                self.replies.expect(invoke.id, accepted, outcome);
                self.record(event)?;
            }
        }
        Ok(())
    }

    /// Takes records of a topic, and says how far when that is durable.
    fn take_records(&mut self, take: Take, taken: oneshot::Sender<Option<Taken>>) -> Result<(), DriverError> {
        let (subscription, partition) = (take.subscription, take.partition);
        let lane = take.of_key.as_ref().map(|key| LaneId::of(key));
        self.record(Event::Take(take))?;
        let position = match lane {
            None => {
                let position = self.state.position(&subscription, partition)?;
                position.map(|it| (it.next, it.generation, it.halted.is_some()))
            }
            Some(lane) => {
                let seek = self.state.key_seek(&subscription, partition, &lane)?;
                seek.map(|it| (it.next, it.generation, false))
            }
        };
        let is_active = self.state.progress(&subscription)?.is_some_and(|it| it.is_active());
        let answer =
            position.map(|(next, generation, is_halted)| Taken { next, generation, is_halted, is_active });
        self.releases.push(Box::new(move || {
            // A reader that is gone asks the state when it comes back.
            let _ = taken.send(answer);
        }));
        Ok(())
    }

    fn attach(&mut self, invocation: InvocationId, outcome: Reply<Outcome>) -> Result<(), DriverError> {
        let invocation = self.state.resolve(&invocation)?;
        match self.ended(invocation)? {
            Ok(Some(ended)) => self.reply(outcome, Ok(ended)),
            Ok(None) => self.replies.attach(invocation, outcome),
            Err(refusal) => self.reply(outcome, Err(refusal)),
        }
        Ok(())
    }

    fn output(
        &mut self,
        invocation: InvocationId,
        outcome: Reply<Option<Outcome>>,
    ) -> Result<(), DriverError> {
        let ended = self.ended(self.state.resolve(&invocation)?)?;
        self.reply(outcome, ended);
        Ok(())
    }

    fn ended(&self, id: InvocationId) -> Result<Result<Option<Outcome>, Refusal>, DriverError> {
        if let Some(completed) = self.state.completed(&id)? {
            return Ok(Ok(Some(completed.outcome)));
        }
        Ok(match self.state.lifecycle(&id)? {
            Some(_) => Ok(None),
            None => Err(Refusal::UnknownInvocation(id)),
        })
    }

    fn operate(&mut self, event: Event) -> Result<Result<(), Refusal>, DriverError> {
        let admission = engine::admit(&self.state, &event)?;
        if admission.is_ok() {
            let changes_catalog =
                matches!(event, Event::Deploy(_) | Event::Configure(_) | Event::Remove { .. });
            let changes_subscriptions = matches!(event, Event::Subscribe(_) | Event::Steer { .. });
            self.record(event)?;
            if changes_catalog {
                self.publish_catalog()?;
            }
            if changes_subscriptions {
                self.handle.shared.subscriptions.notify_waiters();
            }
        }
        Ok(admission)
    }

    fn attempt(&mut self, attempt: AttemptId, events: Vec<Event>) -> Result<(), DriverError> {
        for event in events {
            let is_last = matches!(event, Event::End(_) | Event::Suspend(_) | Event::Fail(_));
            self.record(event)?;
            if is_last {
                self.attempts.ended(attempt);
            }
        }
        Ok(())
    }

    /// Replies when all that the reply may tell of is durable.
    fn reply<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Refusal>) {
        self.releases.push(Box::new(move || drop(reply.send(answer))));
    }

    // Records and effects

    fn record(&mut self, event: Event) -> Result<(), DriverError> {
        self.now = self.now.max(clock::now());
        self.last = self.last.next();
        let record = Record { seq: self.last, at: self.now, event };
        let effects = engine::apply(&mut self.state, &record)?;
        self.observer.observe(&mut self.state, &self.attempts, &record, &effects)?;
        self.batch.push(record);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), DriverError> {
        for effect in effects {
            match effect {
                Effect::StartAttempt(attempt) => self.attempts.queue(attempt),
                Effect::Notify { attempt, position, entry } => self.attempts.notify(attempt, position, entry),
                Effect::StopAttempt(attempt) => self.attempts.ended(attempt),
                Effect::EnterRun { attempt, run } => self.releases.extend(self.attempts.permit(attempt, run)),
                Effect::Accepted { submitted, invocation, previously } => {
                    let accepted = Accepted { invocation, previously };
                    self.releases.extend(self.replies.accepted(submitted, accepted));
                }
                Effect::FreeDeployment(deployment) => {
                    let invoker = Arc::clone(&self.invoker);
                    self.releases.push(Box::new(move || invoker.free(deployment)));
                }
                Effect::Advance(subscription) => {
                    if !self.advancing.contains(&subscription) {
                        self.advancing.push_back(subscription);
                    }
                }
                // The observer has seen it.
                Effect::RecordFailed { .. } => {}
                Effect::Answer { invocation, outcome } => {
                    self.releases.extend(self.replies.answer(invocation, &outcome));
                }
            }
        }
        Ok(())
    }

    fn fire_timers(&mut self) -> Result<(), DriverError> {
        while let Some(due) = engine::next_wakeup(&self.state)?
            && due <= clock::now().max(self.now)
            && self.has_room()
        {
            self.metrics.timer_lag.observe(seconds_since(due));
            self.record(Event::Wake)?;
        }
        Ok(())
    }

    /// Takes one more step for each subscription that has more to do, between requests of others.
    fn advance_subscriptions(&mut self) -> Result<(), DriverError> {
        for _ in 0..self.advancing.len() {
            if !self.has_room() {
                break;
            }
            let Some(subscription) = self.advancing.pop_front() else { break };
            self.record(Event::Advance { subscription })?;
        }
        Ok(())
    }

    fn start_ready_attempts(&mut self) -> Result<(), DriverError> {
        while let Some(attempt) = self.attempts.next_ready() {
            let Some(loaded) = engine::load(&self.state, attempt)? else { continue };
            let about = self.observer.starts(&self.state, &loaded.start)?;
            let trace = about.trace.clone();
            let news = self.attempts.started(attempt, about);
            self.invoker.start(loaded.start, trace, news, self.handle.clone());
            self.carry_out(loaded.effects)?;
        }
        self.handle.shared.is_crowded.store(self.attempts.is_crowded(), Ordering::Relaxed);
        self.metrics.attempts_running.set(amount(self.attempts.running()));
        self.metrics.attempts_waiting.set(amount(self.attempts.waiting()));
        Ok(())
    }

    /// Gives the batch, and what waits for it, to the log writer. Blocks while the writer is far behind.
    fn hand_over(&mut self) {
        if self.batch.is_empty() && self.releases.is_empty() {
            return;
        }
        let (records, releases) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.releases));
        let notices = self.observer.take_notices();
        self.writer.as_ref().expect("set from the start").append(records, releases, notices);
    }

    fn publish_catalog(&self) -> Result<(), DriverError> {
        let mut catalog = Catalog::default();
        for revision in self.state.revisions()? {
            let name = &revision.service.name;
            let route = self.state.route(name)?.expect("made with every revision");
            catalog.routes.insert(name.clone(), route);
            catalog.revisions.insert(name.clone(), revision);
        }
        for deployment in self.state.deployments()? {
            let name = deployment.name().map(str::to_owned);
            catalog.components.extend(name.map(|name| (deployment.id, name)));
        }
        self.handle.publish(catalog);
        Ok(())
    }

    // Checkpoints, failures and the end

    fn checkpoint_if_due(&mut self) -> Result<(), DriverError> {
        self.metrics.state_overlay.set(amount(self.state.kv().rows().active_bytes()));
        if self.state.kv().rows().active_bytes() >= self.config.active_bytes_max {
            // Nothing new until the one under way has made room.
            self.checkpointed()?;
        }
        let is_large = self.state.kv().rows().active_bytes() >= self.config.checkpoint_bytes;
        if is_large || self.checkpointer.records_since(self.last) >= self.config.checkpoint_records {
            self.checkpoint();
        }
        Ok(())
    }

    fn checkpoint(&mut self) {
        let writer = self.writer.as_ref().expect("set from the start");
        if let Some(frozen) = self.state.kv_mut().rows_mut().freeze() {
            let duration = self.metrics.checkpoint_duration.clone();
            self.checkpointer.start(
                frozen,
                self.last,
                writer.durable(),
                duration,
                self.handle.requests.clone(),
            );
        }
    }

    /// The checkpoint under way says that it is done, or is waited for.
    fn checkpointed(&mut self) -> Result<(), DriverError> {
        match self.checkpointer.wait() {
            Some(Finished::Written(written)) => {
                self.state.kv_mut().rows_mut().checkpointed(&written)?;
                // Freeing its many rows takes a while, and nobody should wait for it.
                self.runtime.spawn_blocking(move || drop(written));
            }
            Some(Finished::Failed(error)) => return Err(error.into()),
            // The log has stopped, and says so in a request of its own.
            Some(Finished::GivenUp) | None => return Ok(()),
        }
        self.writer.as_ref().expect("set from the start").trim(self.checkpointer.through());
        self.metrics.checkpoints.inc();
        Ok(())
    }

    /// Rebuilds after a refused append; any other failure of the log stops the host.
    fn log_stopped(&mut self, error: AppendError) -> Result<(), DriverError> {
        if !matches!(error, AppendError::Refused { .. }) {
            return Err(DriverError::Append(error));
        }
        tracing::warn!(%error, "the log refused an append: rebuilding from its last durable record");
        let log = self.writer.take().expect("set from the start").join();
        self.handle.generation += 1;
        self.batch.clear();
        self.releases.clear();
        self.observer.clear();
        self.replies = Replies::default();
        self.attempts.clear();
        self.advancing.clear();
        self.finish_checkpoint()?;
        self.state.kv_mut().rows_mut().revert()?;
        self.state.reset_timer_floor();
        self.rebuild(log)
    }

    /// Waits for the checkpoint under way, now that the log writer has stopped. One that waits for records
    /// that were never durable is given up.
    fn finish_checkpoint(&mut self) -> Result<(), DriverError> {
        match self.checkpointer.wait() {
            Some(Finished::Written(written)) => Ok(self.state.kv_mut().rows_mut().checkpointed(&written)?),
            Some(Finished::Failed(error)) => Err(error.into()),
            Some(Finished::GivenUp) | None => Ok(()),
        }
    }

    /// Writes everything down. What runs is dropped, and goes on after the next start.
    fn stop(mut self) -> Result<(), DriverError> {
        self.attempts.clear();
        self.hand_over();
        let writer = self.writer.take().expect("set from the start");
        let durable = writer.durable();
        let mut log = writer.join();
        self.finish_checkpoint()?;
        if !durable.wait_for(self.last) {
            // The log has failed: the state must not get ahead of it, and the next start rebuilds it.
            return Ok(());
        }
        if let Some(frozen) = self.state.kv_mut().rows_mut().freeze() {
            let written = frozen.write()?;
            self.state.kv_mut().rows_mut().checkpointed(&written)?;
            self.runtime.block_on(log.trim(self.last))?;
        }
        Ok(())
    }
}

/// How long the driver sleeps if nobody asks for anything until then.
fn nap(due: Option<Timestamp>, now: Timestamp) -> Duration {
    due.map_or(NAP_MAX, |due| Duration::from_millis(due.millis_since(now)).min(NAP_MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a lag of more than 2^53 milliseconds is no shorter for it")]
fn seconds_since(due: Timestamp) -> f64 {
    clock::now().millis_since(due) as f64 / 1_000.0
}
