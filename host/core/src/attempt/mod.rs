//! One execution of a handler: replays its journal, then extends it.
//!
//! # How it is driven
//!
//! The adapter that runs the guest owns one [`Attempt`] and does four things with it:
//!
//! - for every host function the guest calls: [`Attempt::step`], which answers at once;
//! - for everything the engine says: [`Attempt::notify`];
//! - after either: [`Attempt::poll_event`] until it is empty, handing the events to the log in order;
//! - when the guest is done with: [`Attempt::end`], [`Attempt::suspend`] or [`Attempt::fail`].
//!
//! When a step answers [`Step::Blocked`] or [`Step::AwaitPermit`], the adapter keeps the guest waiting and
//! asks again after news.
//!
//! # Invariants
//!
//! - The answers a guest gets are a function of its journal: two attempts with the same journal say the
//!   same, whatever the order of news.
//! - A command is recorded once, with the same index in every attempt.
//! - Time stands at the last notification the guest was told.

mod op;
mod replay;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use op::{AttemptError, Blocked, News, Op, RunOutcome, Step};

use crate::deployment::{HandlerMode, ServiceKind};
use crate::event::{Commands, End, Event, Fail, RunAbandoned, RunCompleted, RunFailed, Suspend};
use crate::id::{AttemptId, AwakeableId, DeploymentId, EntryIndex, InvocationId, Position, Seed};
use crate::invocation::{Ancestor, Asker, Header, asker};
use crate::journal::{self, Call, Command, CommandEntry, Notification, NotificationEntry, Send};
use crate::limits;
use crate::subscription::RecordOrigin;
use crate::target::Target;
use crate::time::Timestamp;
use crate::value::{self, Outcome, Payload};
use replay::{Matched, Replay};
use waiting::{Told, Waiting};

/// Everything an attempt begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub attempt: AttemptId,
    pub deployment: DeploymentId,
    pub target: Target,
    pub kind: ServiceKind,
    pub mode: HandlerMode,
    pub input: Payload,
    pub headers: Vec<Header>,
    /// The record that a subscription made it of.
    pub record: Option<RecordOrigin>,
    pub idempotency_key: Option<String>,
    pub seed: Seed,
    /// Whose journals this one begins with.
    pub lineage: Vec<Ancestor>,
    pub created_at: Timestamp,
    /// How long the guest may compute without asking for anything; `None` is the host's default.
    pub cpu_ms: Option<u64>,
    pub commands: Vec<CommandEntry>,
    pub notifications: Vec<NotificationEntry>,
    /// Steps that have failed and that this attempt does not execute: they back off, or an operator has
    /// to decide.
    pub postponed: BTreeSet<EntryIndex>,
    /// Steps without a result that the handler has given up: nobody waits for them.
    pub abandoned: BTreeSet<EntryIndex>,
    /// The notification of the cancellation that is in force; the handler is not told of any before it.
    pub cancelled: Option<Position>,
    /// Steps that are executed although a cancellation is due: the handler waits for them past it.
    pub outliving: BTreeSet<EntryIndex>,
    /// Notifications an earlier attempt had received when it suspended.
    pub seen: u32,
    pub journal_bytes: u64,
    /// The object's state, with every write of the journal in it.
    pub state: BTreeMap<String, Payload>,
}

/// The state machine of one attempt; see the module's documentation.
#[derive(Debug)]
pub struct Attempt {
    id: AttemptId,
    target: Target,
    kind: ServiceKind,
    mode: HandlerMode,
    seed: Seed,
    lineage: Vec<Ancestor>,
    replay: Replay,
    waiting: Waiting,
    state: BTreeMap<String, Payload>,
    state_bytes: usize,
    /// Steps that may be entered.
    permits: BTreeSet<EntryIndex>,
    /// Steps whose closures are being executed.
    executing: BTreeSet<EntryIndex>,
    /// Steps without a result that only another attempt executes: they have failed, or were passed over
    /// because a cancellation was due.
    postponed: BTreeSet<EntryIndex>,
    /// Steps that the handler has given up.
    abandoned: BTreeSet<EntryIndex>,
    /// Steps that are executed although a cancellation is due.
    outliving: BTreeSet<EntryIndex>,
    now: Timestamp,
    seen: u32,
    /// One past the latest notification the guest was told.
    told: u32,
    has_extended_journal: bool,
    journal_bytes: u64,
    /// Commands not yet handed out as an event; `next_command` is the index after the last of them.
    batch: Vec<Command>,
    next_command: u32,
    /// How many commands of the journal are answered later, or were.
    answerable: usize,
    events: VecDeque<Event>,
}

impl Attempt {
    pub fn new(start: Start) -> Self {
        let mut waiting = Waiting::default();
        for (position, entry) in (0..).map(Position).zip(start.notifications) {
            match &entry.notification {
                Notification::Cancelled { .. } if start.cancelled != Some(position) => {
                    waiting.pass_over(position)
                }
                _ => waiting.receive(position, entry),
            }
        }
        let next_command = u32::try_from(start.commands.len()).expect("a journal is bounded");
        let answerable = start.commands.iter().filter(|entry| entry.command.is_answered_later()).count();
        Attempt {
            id: start.attempt,
            target: start.target,
            kind: start.kind,
            mode: start.mode,
            seed: start.seed,
            lineage: start.lineage,
            replay: Replay::new(start.commands),
            waiting,
            state_bytes: start.state.iter().map(|(key, value)| key.len() + value.len()).sum(),
            state: start.state,
            permits: BTreeSet::new(),
            executing: BTreeSet::new(),
            postponed: start.postponed,
            abandoned: start.abandoned,
            outliving: start.outliving,
            now: start.created_at,
            seen: start.seen,
            told: 0,
            has_extended_journal: false,
            journal_bytes: start.journal_bytes,
            batch: Vec::new(),
            next_command,
            answerable,
            events: VecDeque::new(),
        }
    }

    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// The id by which the guest knows its invocation: the same in every attempt, and in a restart that keeps
    /// commands.
    pub fn invocation(&self) -> InvocationId {
        self.asker(EntryIndex(0)).invocation
    }

    /// The time the guest sees: that of the last notification it was told.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The source of the guest's random numbers: the same in every attempt.
    pub fn random_seed(&self) -> [u8; 32] {
        self.asker(EntryIndex(0)).seed.for_guest()
    }

    /// Who asked for command `index` first.
    fn asker(&self, index: EntryIndex) -> Asker {
        asker(Asker { invocation: self.id.invocation, seed: self.seed }, &self.lineage, index)
    }

    /// Whether the guest is where an earlier attempt has been: what it prints was printed then.
    pub fn is_replaying(&self) -> bool {
        !self.has_extended_journal && (!self.replay.is_over() || self.told < self.seen)
    }

    /// Whether the closure of any step is being executed: only then may the guest touch the world.
    pub fn is_executing_a_run(&self) -> bool {
        !self.executing.is_empty()
    }

    /// Answers one host function.
    pub fn step(&mut self, op: Op) -> Result<Step, AttemptError> {
        match op {
            Op::Call(call) => self.call(call),
            Op::Send(send) => self.send(send),
            Op::Sleep { duration_ms, name } => {
                check_name("the name of the timer", name.as_deref().unwrap_or_default())?;
                self.begin(Command::Sleep { duration_ms, name })
            }
            Op::Run { name, retry } => {
                check_name("the name of the step", &name)?;
                let (index, _) = self.command(Command::Run { name, retry })?;
                self.flush();
                Ok(self.enter_run(index))
            }
            Op::EnterRun(index) => Ok(self.enter_run(index)),
            Op::FinishRun { run, outcome } => self.finish_run(run, outcome),
            Op::AbandonRun(run) => Ok(self.abandon_run(run)),
            Op::Awakeable => {
                let (command, _) = self.command(Command::Awakeable)?;
                let id = AwakeableId { invocation: self.asker(command).invocation, index: command };
                Ok(Step::Awakeable { command, id })
            }
            Op::CompleteAwakeable { id, outcome } => {
                check_payload("the value of the awakeable", outcome.len())?;
                self.just(Command::CompleteAwakeable { id, outcome })
            }
            Op::Signal { name } => {
                check_name("the name of the signal", &name)?;
                self.begin(Command::Signal { name })
            }
            Op::SendSignal { invocation, name, outcome } => {
                check_name("the name of the signal", &name)?;
                check_payload("the value of the signal", outcome.len())?;
                self.begin(Command::SendSignal { invocation, name, outcome })
            }
            Op::PromiseGet { name } => {
                self.check_promise(&name)?;
                self.begin(Command::PromiseGet { name })
            }
            Op::PromisePeek { name } => {
                self.check_promise(&name)?;
                self.begin(Command::PromisePeek { name })
            }
            Op::PromiseComplete { name, outcome } => {
                self.check_promise(&name)?;
                check_payload("the value of the promise", outcome.len())?;
                self.begin(Command::PromiseComplete { name, outcome })
            }
            Op::Attach { to } => self.begin(Command::Attach { to }),
            Op::Output { of } => self.begin(Command::Output { of }),
            Op::Cancel { invocation } => self.just(Command::Cancel { invocation }),
            Op::GetState { key } => self.get_state(key),
            Op::SetState { key, value } => self.set_state(key, value),
            Op::ClearState { key } => {
                self.check_writable()?;
                self.write_state(Command::ClearState { key: key.clone() }, |state| {
                    state.remove(&key);
                })
            }
            Op::ClearAllState => {
                self.check_writable()?;
                self.write_state(Command::ClearAllState, BTreeMap::clear)
            }
            Op::StateKeys => self.state_keys(),
            Op::Wait { on, io } => self.wait(&on, io),
            Op::Take(command) => match self.waiting.take(command) {
                Some(answer) => Ok(Step::Taken(answer)),
                None => Err(AttemptError::Misused(
                    "the answer of an operation was taken before wait reported it ready, or twice".to_owned(),
                )),
            },
        }
    }

    /// Learns what the engine says.
    pub fn notify(&mut self, news: News) {
        match news {
            News::Notified { position, entry } => {
                self.journal_bytes += entry.notification.size() as u64;
                self.waiting.receive(position, entry);
            }
            News::MayEnter(run) => {
                self.permits.insert(run);
            }
        }
    }

    /// Takes the next event that the log has to record; in order, all of them.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The handler has returned.
    pub fn end(&mut self, outcome: Outcome) -> Result<(), AttemptError> {
        self.replay.finish()?;
        check_payload("the output of the handler", outcome.len())?;
        self.flush();
        self.events.push_back(Event::End(End { attempt: self.id, outcome }));
        Ok(())
    }

    /// The guest is blocked on `on` and its instance is given back.
    pub fn suspend(&mut self, on: Vec<EntryIndex>) {
        self.flush();
        let received = self.waiting.received();
        self.events.push_back(Event::Suspend(Suspend { attempt: self.id, on, received }));
    }

    /// The attempt failed in a way that another one may not. What it asked for since its last event is
    /// dropped: nobody has seen it.
    pub fn fail(&mut self, message: String) {
        self.batch.clear();
        self.events.push_back(Event::Fail(Fail { attempt: self.id, message: value::cut(message) }));
    }

    // Commands

    fn call(&mut self, call: Call) -> Result<Step, AttemptError> {
        check_payload("the input of a call", call.input.len())?;
        check_headers("the headers of a call", &call.headers)?;
        let (target, is_shielded) = (call.target.clone(), call.shielded);
        let (command, _) = self.command(Command::Call(call))?;
        if !is_shielded {
            self.waiting.note_call(command);
        }
        Ok(Step::Called { command, invocation: self.asker(command).seed.child_id(command, &target) })
    }

    fn send(&mut self, send: Send) -> Result<Step, AttemptError> {
        check_payload("the input of a send", send.input.len())?;
        check_headers("the headers of a send", &send.headers)?;
        let target = send.target.clone();
        let (command, _) = self.command(Command::Send(send))?;
        Ok(Step::Sent { invocation: self.asker(command).seed.child_id(command, &target) })
    }

    fn begin(&mut self, command: Command) -> Result<Step, AttemptError> {
        self.command(command).map(|(index, _)| Step::Pending(index))
    }

    fn just(&mut self, command: Command) -> Result<Step, AttemptError> {
        self.command(command).map(|_| Step::Done)
    }

    /// Finds the command in the journal or adds it. Returns the recorded one, if there was one.
    fn command(&mut self, asked: Command) -> Result<(EntryIndex, Option<Command>), AttemptError> {
        match self.replay.advance(&asked)? {
            Matched::Recorded(index, recorded) => Ok((index, Some(recorded))),
            Matched::New(index) => {
                self.record(asked)?;
                Ok((index, None))
            }
        }
    }

    fn record(&mut self, command: Command) -> Result<(), AttemptError> {
        if command.is_answered_later() {
            self.check_pending()?;
            self.answerable += 1;
        }
        self.journal_bytes += command.size() as u64;
        if self.next_command >= limits::JOURNAL_COMMANDS_MAX {
            let limit = format!("{} commands", limits::JOURNAL_COMMANDS_MAX);
            return Err(AttemptError::JournalTooLarge { limit });
        }
        if self.journal_bytes > limits::JOURNAL_BYTES_MAX {
            let limit = format!("{} bytes", limits::JOURNAL_BYTES_MAX);
            return Err(AttemptError::JournalTooLarge { limit });
        }
        self.has_extended_journal = true;
        self.batch.push(command);
        self.next_command += 1;
        if self.batch.len() >= limits::COMMANDS_PER_EVENT_MAX {
            self.flush();
        }
        Ok(())
    }

    /// Checks that one more operation may be without an answer. When some have come, another attempt gets further.
    fn check_pending(&self) -> Result<(), AttemptError> {
        let pending = self.answerable.saturating_sub(self.waiting.answered() + self.abandoned.len());
        match pending < limits::PENDING_MAX {
            true => Ok(()),
            false => Err(AttemptError::TooManyPending { pending }),
        }
    }

    /// Hands the gathered commands out as one event.
    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let commands = std::mem::take(&mut self.batch);
        let count = u32::try_from(commands.len()).expect("a batch is bounded");
        let first = EntryIndex(self.next_command - count);
        let (attempt, told_cancelled) = (self.id, self.waiting.told_cancelled());
        self.events.push_back(Event::Commands(Commands { attempt, first, commands, told_cancelled }));
    }

    // Steps

    /// A step is executed if it has no result, does not back off, and the guest is not about to learn of a
    /// cancellation. One that is passed over and then waited for is taken up by the next attempt.
    fn enter_run(&mut self, run: EntryIndex) -> Step {
        if self.waiting.is_answered(run) {
            return Step::Replayed(run);
        }
        if self.waiting.cancel_is_due() && !self.outliving.contains(&run) {
            self.postponed.insert(run);
        }
        if self.postponed.contains(&run) || self.abandoned.contains(&run) {
            Step::Replayed(run)
        } else if self.permits.remove(&run) {
            self.executing.insert(run);
            Step::Execute(run)
        } else {
            Step::AwaitPermit(run)
        }
    }

    /// The guest has given the step up, in execution or between two: its result would reach nobody, so no later
    /// attempt executes it either.
    fn abandon_run(&mut self, run: EntryIndex) -> Step {
        self.executing.remove(&run);
        if !self.waiting.is_answered(run) && self.abandoned.insert(run) {
            self.flush();
            self.events.push_back(Event::RunAbandoned(RunAbandoned { attempt: self.id, run }));
        }
        Step::Done
    }

    fn finish_run(&mut self, run: EntryIndex, outcome: RunOutcome) -> Result<Step, AttemptError> {
        if !self.executing.remove(&run) {
            return Err(AttemptError::Misused(
                "a run step was finished that is not being executed".to_owned(),
            ));
        }
        self.flush();
        let attempt = self.id;
        let event = match outcome {
            RunOutcome::Success(payload) => {
                check_payload("the result of a run step", payload.len())?;
                Event::RunCompleted(RunCompleted { attempt, run, outcome: Outcome::Success(payload) })
            }
            RunOutcome::Terminal(failure) => {
                check_payload("the failure of a run step", failure.message.len())?;
                Event::RunCompleted(RunCompleted { attempt, run, outcome: Outcome::Failure(failure) })
            }
            RunOutcome::Retryable(message) => {
                self.postponed.insert(run);
                Event::RunFailed(RunFailed { attempt, run, message: value::cut(message) })
            }
        };
        self.events.push_back(event);
        Ok(Step::Pending(run))
    }

    // State

    fn get_state(&mut self, key: String) -> Result<Step, AttemptError> {
        self.check_has_state()?;
        let value = self.state.get(&key).cloned();
        let (_, recorded) = self.command(Command::GetState { key, value: value.clone() })?;
        match recorded {
            Some(Command::GetState { value, .. }) => Ok(Step::Value(value)),
            Some(_) | None => Ok(Step::Value(value)),
        }
    }

    fn state_keys(&mut self) -> Result<Step, AttemptError> {
        self.check_has_state()?;
        let keys: Vec<String> = self.state.keys().cloned().collect();
        let (_, recorded) = self.command(Command::StateKeys { keys: keys.clone() })?;
        match recorded {
            Some(Command::StateKeys { keys }) => Ok(Step::Keys(keys)),
            Some(_) | None => Ok(Step::Keys(keys)),
        }
    }

    fn set_state(&mut self, key: String, value: Payload) -> Result<Step, AttemptError> {
        self.check_writable()?;
        check_name("the name of a value of state", &key)?;
        check_payload("a value of state", value.len())?;
        self.check_state_size(&key, &value)?;
        self.write_state(Command::SetState { key: key.clone(), value: value.clone() }, |state| {
            state.insert(key, value);
        })
    }

    /// Records a write and does it. One of the journal is in the state already.
    fn write_state(
        &mut self,
        command: Command,
        write: impl FnOnce(&mut BTreeMap<String, Payload>),
    ) -> Result<Step, AttemptError> {
        if let (_, None) = self.command(command)? {
            write(&mut self.state);
            self.state_bytes = self.state.iter().map(|(key, value)| key.len() + value.len()).sum();
        }
        Ok(Step::Done)
    }

    /// Checks that one more write fits. A write of the journal did, and is in the state already.
    fn check_state_size(&self, key: &str, value: &Payload) -> Result<(), AttemptError> {
        let replaced = self.state.get(key).map_or(0, |value| key.len() + value.len());
        let size = self.state_bytes - replaced + key.len() + value.len();
        let limit = limits::OBJECT_STATE_BYTES_MAX;
        if !self.replay.is_over() || size <= limit {
            return Ok(());
        }
        let what =
            format!("the state of {}/{}", self.target.service, self.target.key.as_deref().unwrap_or(""));
        Err(AttemptError::PayloadTooLarge { what, size, limit })
    }

    fn check_has_state(&self) -> Result<(), AttemptError> {
        match self.target.key {
            Some(_) => Ok(()),
            None => Err(AttemptError::HasNoState { target: self.target.clone() }),
        }
    }

    fn check_writable(&self) -> Result<(), AttemptError> {
        self.check_has_state()?;
        match self.mode {
            HandlerMode::Exclusive | HandlerMode::WorkflowRun => Ok(()),
            HandlerMode::Shared => {
                Err(self.not_writable("a shared handler only reads; use an exclusive one"))
            }
        }
    }

    fn check_promise(&self, name: &str) -> Result<(), AttemptError> {
        match self.kind {
            ServiceKind::Workflow => check_name("the name of the promise", name),
            ServiceKind::Service | ServiceKind::Object => {
                Err(AttemptError::NotAWorkflow { target: self.target.clone() })
            }
        }
    }

    fn not_writable(&self, reason: &'static str) -> AttemptError {
        AttemptError::StateNotWritable { target: self.target.clone(), reason }
    }

    // Waiting

    fn wait(&mut self, on: &[EntryIndex], io: bool) -> Result<Step, AttemptError> {
        if on.is_empty() && !io {
            return Err(AttemptError::Misused("wait was called with nothing to wait for".to_owned()));
        }
        if on.len() > limits::JOURNAL_COMMANDS_MAX as usize {
            let what = format!("wait was given {} operations, more than a journal may have", on.len());
            return Err(AttemptError::Misused(what));
        }
        self.flush();
        match self.waiting.tell(on) {
            Told::Ready { command, position, at } => {
                self.advance_to(position.0, at);
                Ok(Step::Ready(command))
            }
            Told::Cancelled { position, at, failure } => {
                self.advance_to(position.0, at);
                Ok(Step::Cancelled(failure))
            }
            Told::Nothing if io => Ok(Step::Blocked(Blocked::OnIo)),
            Told::Nothing if on.iter().any(|command| self.abandoned.contains(command)) => {
                Err(AttemptError::Misused("wait was called for a run step that was given up".to_owned()))
            }
            Told::Nothing if on.iter().any(|command| self.postponed.contains(command)) => {
                Ok(Step::Blocked(Blocked::OnRetry))
            }
            Told::Nothing => Ok(Step::Blocked(Blocked::OnJournal)),
        }
    }

    fn advance_to(&mut self, position: u32, at: Timestamp) {
        self.told = self.told.max(position + 1);
        self.now = self.now.max(at);
    }
}

fn check_payload(what: &str, size: usize) -> Result<(), AttemptError> {
    check_size(what, size, limits::PAYLOAD_BYTES_MAX)
}

fn check_headers(what: &str, headers: &[Header]) -> Result<(), AttemptError> {
    check_size(what, journal::size_of_headers(headers), limits::HEADER_BYTES_MAX)
}

fn check_size(what: &str, size: usize, limit: usize) -> Result<(), AttemptError> {
    match size <= limit {
        true => Ok(()),
        false => Err(AttemptError::PayloadTooLarge { what: what.to_owned(), size, limit }),
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), AttemptError> {
    let (size, limit) = (name.len(), limits::KEY_BYTES_MAX);
    match size <= limit {
        true => Ok(()),
        false => Err(AttemptError::NameTooLong { what, size, limit }),
    }
}
