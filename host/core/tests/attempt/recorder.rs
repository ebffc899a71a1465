//! Plays the lines of a script against an attempt, and keeps its journal for the next one.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::attempt::{Attempt, News, Op, RunOutcome, Start, Step};
use holiday_core::deployment::{HandlerMode, ServiceKind};
use holiday_core::event::Event;
use holiday_core::id::{
    AttemptId, AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, Position, Seed,
};
use holiday_core::invocation::Ancestor;
use holiday_core::journal::{Call, Command, CommandEntry, Named, Notification, NotificationEntry, Send};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Answer, Failure, Outcome, Payload};

use crate::script::{Words, text_of, text_of_payload};

pub(crate) struct Recorder {
    target: Target,
    kind: ServiceKind,
    mode: HandlerMode,
    attempt: Attempt,
    commands: Vec<CommandEntry>,
    notifications: Vec<NotificationEntry>,
    state: BTreeMap<String, Payload>,
    attempts: u32,
    now: Timestamp,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let target = Target::service("echo", "hi");
        let (kind, mode) = (ServiceKind::Service, HandlerMode::Exclusive);
        let attempt = Attempt::new(start(&target, kind, mode));
        Recorder {
            target,
            kind,
            mode,
            attempt,
            commands: Vec::new(),
            notifications: Vec::new(),
            state: BTreeMap::new(),
            attempts: 1,
            now: Timestamp::ZERO,
        }
    }

    /// Plays one line and returns its part of the transcript.
    pub(crate) fn play(&mut self, line: &str) -> String {
        let mut words = Words::of(line);
        let answer = match words.word() {
            "of" => self.begin_as(words),
            "replay" => self.replay(words),
            "pass" => {
                self.now = self.now.plus_millis(words.number());
                String::new()
            }
            "now" => self.now(),
            "hear" => self.hear(words),
            "permit" => {
                self.attempt.notify(News::MayEnter(EntryIndex(words.number())));
                String::new()
            }
            "end" => {
                let ended = self.attempt.end(words.outcome());
                ended.map_or_else(|error| format!(" -> {error}"), |()| String::new())
            }
            "suspend" => {
                self.attempt.suspend(indices(&mut words));
                String::new()
            }
            "fail" => {
                self.attempt.fail(words.rest());
                String::new()
            }
            first => match self.attempt.step(op(first, words)) {
                Ok(step) => format!(" -> {}", answered(&step)),
                Err(error) => format!(" -> {error}"),
            },
        };
        let mut said = format!("{line}{answer}\n");
        while let Some(event) = self.attempt.poll_event() {
            said.push_str(&self.record(event));
        }
        said
    }

    fn begin_as(&mut self, mut words: Words<'_>) -> String {
        self.target = words.target();
        self.kind = match (words.option("kind"), &self.target.key) {
            (Some("workflow"), _) => ServiceKind::Workflow,
            (Some(other), _) => panic!("'{other}' is not a kind"),
            (None, Some(_)) => ServiceKind::Object,
            (None, None) => ServiceKind::Service,
        };
        self.mode = match words.option("mode") {
            Some("shared") => HandlerMode::Shared,
            Some("workflow") => HandlerMode::WorkflowRun,
            Some(other) => panic!("'{other}' is not a mode"),
            None => HandlerMode::Exclusive,
        };
        self.attempt = Attempt::new(start(&self.target, self.kind, self.mode));
        String::new()
    }

    fn replay(&mut self, mut words: Words<'_>) -> String {
        self.attempts += 1;
        let is_overtaken = words.option("cancellation") == Some("overtaken");
        let mut option = |name| words.number_option(name).and_then(|it| u32::try_from(it).ok());
        let (postponed, outliving, seen) = (option("postponed"), option("outliving"), option("seen"));
        let abandoned = option("abandoned");
        let inheriting = |commands| Ancestor {
            invocation: ancestor(),
            seed: Seed([9; 32]),
            created_at: Timestamp::ZERO,
            commands,
        };
        let lineage = option("inheriting").map(inheriting).into_iter().collect();
        let begin = start(&self.target, self.kind, self.mode);
        self.attempt = Attempt::new(Start {
            attempt: AttemptId { number: self.attempts, ..begin.attempt },
            commands: self.commands.clone(),
            notifications: self.notifications.clone(),
            postponed: postponed.into_iter().map(EntryIndex).collect(),
            abandoned: abandoned.into_iter().map(EntryIndex).collect(),
            cancelled: self.last_cancellation().filter(|_| !is_overtaken),
            outliving: outliving.into_iter().map(EntryIndex).collect(),
            seen: seen.unwrap_or(0),
            state: self.state.clone(),
            lineage,
            ..begin
        });
        String::new()
    }

    fn now(&self) -> String {
        let attempt = &self.attempt;
        let replaying = if attempt.is_replaying() { "silent" } else { "live" };
        let executing = if attempt.is_executing_a_run() { ", executing" } else { "" };
        format!(" -> {}, {replaying}{executing}", attempt.now())
    }

    fn hear(&mut self, mut words: Words<'_>) -> String {
        let notification = match words.word() {
            "cancelled" => self.cancelled(words),
            "interrupted" => {
                let command = EntryIndex(words.number());
                match words.outcome() {
                    Outcome::Failure(failure) => Notification::Interrupted { command, failure },
                    Outcome::Success(_) => panic!("an interrupted call has failed"),
                }
            }
            "unready" => Notification::NotReady { command: EntryIndex(words.number()) },
            command => {
                let command = EntryIndex(command.parse().expect("the index of a command"));
                Notification::Completed { command, outcome: words.outcome() }
            }
        };
        let position = Position(u32::try_from(self.notifications.len()).expect("a short journal"));
        let entry = NotificationEntry { at: self.now, notification };
        self.notifications.push(entry.clone());
        self.attempt.notify(News::Notified { position, entry });
        format!(" -> at {}", position.0)
    }

    /// A cancellation that the engine notifies when it has recorded `commands`: all that was handed out, if not said.
    fn cancelled(&self, mut words: Words<'_>) -> Notification {
        let mut option = |name| words.number_option(name).and_then(|it| u32::try_from(it).ok());
        let since = Position(option("since").expect("says since when"));
        let all = || u32::try_from(self.commands.len()).expect("a short journal");
        let commands = option("commands").unwrap_or_else(all);
        let failure = match words.outcome() {
            Outcome::Success(_) => Failure::cancelled(),
            Outcome::Failure(failure) => failure,
        };
        Notification::Cancelled { since, commands, failure }
    }

    /// Where the journal says last that the invocation is cancelled.
    fn last_cancellation(&self) -> Option<Position> {
        let is_one = |it: &NotificationEntry| matches!(it.notification, Notification::Cancelled { .. });
        let last = self.notifications.iter().rposition(is_one)?;
        u32::try_from(last).ok().map(Position)
    }

    fn record(&mut self, event: Event) -> String {
        let said = recorded(&event);
        if let Event::Commands(it) = event {
            assert_eq!(it.first.0 as usize, self.commands.len(), "commands follow the journal");
            for command in it.commands {
                self.write(&command);
                self.commands.push(CommandEntry { at: self.now, command });
            }
        }
        said
    }

    fn write(&mut self, command: &Command) {
        match command {
            Command::SetState { key, value } => drop(self.state.insert(key.clone(), value.clone())),
            Command::ClearState { key } => drop(self.state.remove(key)),
            Command::ClearAllState => self.state.clear(),
            Command::Call(_)
            | Command::Send(_)
            | Command::Sleep { .. }
            | Command::Run { .. }
            | Command::Awakeable
            | Command::CompleteAwakeable { .. }
            | Command::Signal { .. }
            | Command::SendSignal { .. }
            | Command::PromiseGet { .. }
            | Command::PromisePeek { .. }
            | Command::PromiseComplete { .. }
            | Command::Attach { .. }
            | Command::Output { .. }
            | Command::Cancel { .. }
            | Command::GetState { .. }
            | Command::StateKeys { .. } => {}
        }
    }
}

/// Whose journal a restarted invocation begins with.
fn ancestor() -> InvocationId {
    InvocationId::from_bytes([9; 24])
}

/// A first attempt, with an empty journal.
pub(crate) fn start(target: &Target, kind: ServiceKind, mode: HandlerMode) -> Start {
    Start {
        attempt: AttemptId { invocation: InvocationId::new(target, [1; 16]), number: 1 },
        deployment: DeploymentId::of(&Digest::of(b"v1")),
        target: target.clone(),
        kind,
        mode,
        input: Payload::new(),
        headers: Vec::new(),
        record: None,
        idempotency_key: None,
        seed: Seed([1; 32]),
        lineage: Vec::new(),
        created_at: Timestamp::ZERO,
        cpu_ms: None,
        commands: Vec::new(),
        notifications: Vec::new(),
        postponed: BTreeSet::new(),
        abandoned: BTreeSet::new(),
        cancelled: None,
        outliving: BTreeSet::new(),
        seen: 0,
        journal_bytes: 0,
        state: BTreeMap::new(),
    }
}

fn op(first: &str, mut words: Words<'_>) -> Op {
    let (input, headers, idempotency_key) = (Payload::from_static(b"input"), Vec::new(), None);
    match first {
        "call" => {
            let shielded = words.option("shielded").is_some();
            Op::Call(Call { target: words.target(), input, headers, idempotency_key, shielded })
        }
        "send" => Op::Send(Send { target: words.target(), input, headers, idempotency_key, delay_ms: None }),
        "sleep" => Op::Sleep { duration_ms: words.number(), name: words.next().map(str::to_owned) },
        "run" => Op::Run { name: words.word().to_owned(), retry: words.retry() },
        "enter" => Op::EnterRun(EntryIndex(words.number())),
        "finish" => Op::FinishRun { run: EntryIndex(words.number()), outcome: run_outcome(words) },
        "abandon" => Op::AbandonRun(EntryIndex(words.number())),
        "awakeable" => Op::Awakeable,
        "complete" => {
            let invocation = InvocationId::from_bytes([3; 24]);
            Op::CompleteAwakeable {
                id: AwakeableId { invocation, index: EntryIndex(0) },
                outcome: words.outcome(),
            }
        }
        "signal" => Op::Signal { name: words.rest() },
        "send-signal" => {
            let invocation = InvocationId::from_bytes([3; 24]);
            Op::SendSignal { invocation, name: words.word().to_owned(), outcome: words.outcome() }
        }
        "promise" => Op::PromiseGet { name: words.rest() },
        "peek" => Op::PromisePeek { name: words.rest() },
        "resolve" => Op::PromiseComplete { name: words.word().to_owned(), outcome: words.outcome() },
        "attach" => Op::Attach { to: named(words) },
        "output" => Op::Output { of: named(words) },
        "cancel" => Op::Cancel { invocation: InvocationId::from_bytes([3; 24]) },
        "get" => Op::GetState { key: words.word().to_owned() },
        "set" => Op::SetState { key: words.word().to_owned(), value: Payload::from(words.rest()) },
        "clear" => Op::ClearState { key: words.word().to_owned() },
        "clear-all" => Op::ClearAllState,
        "keys" => Op::StateKeys,
        "wait" => {
            let io = words.option("io").is_some();
            Op::Wait { on: indices(&mut words), io }
        }
        "take" => Op::Take(EntryIndex(words.number())),
        other => panic!("'{other}' is not a line of a script"),
    }
}

/// An invocation by `key K` and its target, by `SERVICE ID` of its workflow, or by its id.
fn named(mut words: Words<'_>) -> Named {
    if let Some(key) = words.option("key") {
        return Named::IdempotencyKey { target: words.target(), key: key.to_owned() };
    }
    match (words.next(), words.next()) {
        (Some(service), Some(id)) => Named::Workflow { service: service.to_owned(), id: id.to_owned() },
        _ => Named::Id(InvocationId::from_bytes([3; 24])),
    }
}

fn indices(words: &mut Words<'_>) -> Vec<EntryIndex> {
    words.numbers("").into_iter().map(EntryIndex).collect()
}

fn run_outcome(words: Words<'_>) -> RunOutcome {
    match words.outcome() {
        Outcome::Failure(failure) => RunOutcome::Terminal(failure),
        Outcome::Success(text) => match text.strip_prefix(b"?") {
            Some(message) => RunOutcome::Retryable(String::from_utf8_lossy(message).into_owned()),
            None => RunOutcome::Success(text),
        },
    }
}

fn answered(step: &Step) -> String {
    match step {
        Step::Done => "done".to_owned(),
        Step::Pending(index) => format!("pending {}", index.0),
        Step::Called { command, .. } => format!("called, pending {}", command.0),
        Step::Sent { .. } => "sent".to_owned(),
        Step::Awakeable { command, id } if id.invocation == ancestor() => {
            format!("awakeable of the ancestor, pending {}", command.0)
        }
        Step::Awakeable { command, .. } => format!("awakeable, pending {}", command.0),
        Step::Replayed(run) => format!("replayed {}", run.0),
        Step::Execute(run) => format!("execute {}", run.0),
        Step::AwaitPermit(run) => format!("await permit {}", run.0),
        Step::Value(Some(value)) => format!("'{}'", text_of_payload(value)),
        Step::Value(None) => "nothing".to_owned(),
        Step::Keys(keys) => format!("{keys:?}"),
        Step::Ready(index) => format!("ready {}", index.0),
        Step::Blocked(blocked) => format!("blocked {blocked:?}"),
        Step::Cancelled(failure) if *failure == Failure::cancelled() => "cancelled".to_owned(),
        Step::Cancelled(failure) => format!("cancelled: {failure}"),
        Step::Taken(Answer::Outcome(outcome)) => format!("'{}'", text_of(outcome)),
        Step::Taken(Answer::NotReady) => "not ready".to_owned(),
    }
}

fn recorded(event: &Event) -> String {
    match event {
        Event::Commands(it) => {
            let commands: Vec<String> = it.commands.iter().map(Command::to_string).collect();
            let told = it.told_cancelled.map(|told| format!(", told at {}", told.0)).unwrap_or_default();
            format!("    commands {}{told}: {}\n", it.first.0, commands.join(", "))
        }
        Event::RunCompleted(it) => format!("    step {} completed: {}\n", it.run.0, text_of(&it.outcome)),
        Event::RunFailed(it) => format!("    step {} failed: {}\n", it.run.0, it.message),
        Event::RunAbandoned(it) => format!("    step {} abandoned\n", it.run.0),
        Event::Suspend(it) => {
            let on: Vec<u32> = it.on.iter().map(|index| index.0).collect();
            format!("    suspended on {on:?}, having {}\n", it.received)
        }
        Event::End(it) => format!("    ended: {}\n", text_of(&it.outcome)),
        Event::Fail(it) => format!("    failed: {}\n", it.message),
        other => panic!("an attempt does not say {other:?}"),
    }
}
