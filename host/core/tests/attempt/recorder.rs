//! Plays the lines of a script against an attempt, and keeps its journal for the next one.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::attempt::{Attempt, News, Op, RunOutcome, Start, Step};
use holiday_core::deployment::HandlerMode;
use holiday_core::event::Event;
use holiday_core::id::{
    AttemptId, AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, Position, Seed,
};
use holiday_core::journal::{Call, Command, CommandEntry, Notification, NotificationEntry, Send};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Outcome, Payload};

use crate::script::{Words, text_of, text_of_payload};

pub(crate) struct Recorder {
    target: Target,
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
        let mode = HandlerMode::Exclusive;
        let attempt = Attempt::new(start(&target, mode));
        Recorder {
            target,
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
        self.mode = match words.option("mode") {
            Some("shared") => HandlerMode::Shared,
            Some("workflow") => HandlerMode::WorkflowRun,
            Some(other) => panic!("'{other}' is not a mode"),
            None => HandlerMode::Exclusive,
        };
        self.attempt = Attempt::new(start(&self.target, self.mode));
        String::new()
    }

    fn replay(&mut self, mut words: Words<'_>) -> String {
        self.attempts += 1;
        let mut option = |name| words.number_option(name).and_then(|it| u32::try_from(it).ok());
        let (postponed, outliving, seen) = (option("postponed"), option("outliving"), option("seen"));
        let begin = start(&self.target, self.mode);
        self.attempt = Attempt::new(Start {
            attempt: AttemptId { number: self.attempts, ..begin.attempt },
            commands: self.commands.clone(),
            notifications: self.notifications.clone(),
            postponed: postponed.into_iter().map(EntryIndex).collect(),
            outliving: outliving.into_iter().map(EntryIndex).collect(),
            seen: seen.unwrap_or(0),
            state: self.state.clone(),
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
        let notification = match words.number_option("since").and_then(|it| u32::try_from(it).ok()) {
            Some(since) => Notification::Cancelled { since: Position(since) },
            None => {
                let command = EntryIndex(words.number());
                Notification::Completed { command, outcome: words.outcome() }
            }
        };
        let position = Position(u32::try_from(self.notifications.len()).expect("a short journal"));
        let entry = NotificationEntry { at: self.now, notification };
        self.notifications.push(entry.clone());
        self.attempt.notify(News::Notified { position, entry });
        format!(" -> at {}", position.0)
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
            | Command::Cancel { .. }
            | Command::GetState { .. }
            | Command::StateKeys { .. } => {}
        }
    }
}

/// A first attempt, with an empty journal.
pub(crate) fn start(target: &Target, mode: HandlerMode) -> Start {
    Start {
        attempt: AttemptId { invocation: InvocationId::new(target, [1; 16]), number: 1 },
        deployment: DeploymentId::of(&Digest::of(b"v1")),
        target: target.clone(),
        mode,
        input: Payload::new(),
        headers: Vec::new(),
        idempotency_key: None,
        seed: Seed([1; 32]),
        created_at: Timestamp::ZERO,
        commands: Vec::new(),
        notifications: Vec::new(),
        postponed: BTreeSet::new(),
        outliving: BTreeSet::new(),
        seen: 0,
        journal_bytes: 0,
        state: BTreeMap::new(),
    }
}

fn op(first: &str, mut words: Words<'_>) -> Op {
    let (input, headers, idempotency_key) = (Payload::from_static(b"input"), Vec::new(), None);
    match first {
        "call" => Op::Call(Call { target: words.target(), input, headers, idempotency_key }),
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
        Step::Awakeable { command, .. } => format!("awakeable, pending {}", command.0),
        Step::Replayed(run) => format!("replayed {}", run.0),
        Step::Execute(run) => format!("execute {}", run.0),
        Step::AwaitPermit(run) => format!("await permit {}", run.0),
        Step::Value(Some(value)) => format!("'{}'", text_of_payload(value)),
        Step::Value(None) => "nothing".to_owned(),
        Step::Keys(keys) => format!("{keys:?}"),
        Step::Ready(index) => format!("ready {}", index.0),
        Step::Blocked(blocked) => format!("blocked {blocked:?}"),
        Step::Cancelled => "cancelled".to_owned(),
        Step::Taken(outcome) => format!("'{}'", text_of(outcome)),
    }
}

fn recorded(event: &Event) -> String {
    match event {
        Event::Commands(it) => {
            let commands: Vec<String> = it.commands.iter().map(Command::to_string).collect();
            format!("    commands {}: {}\n", it.first.0, commands.join(", "))
        }
        Event::RunCompleted(it) => format!("    step {} completed: {}\n", it.run.0, text_of(&it.outcome)),
        Event::RunFailed(it) => format!("    step {} failed: {}\n", it.run.0, it.message),
        Event::Suspend(it) => {
            let on: Vec<u32> = it.on.iter().map(|index| index.0).collect();
            format!("    suspended on {on:?}, having {}\n", it.received)
        }
        Event::End(it) => format!("    ended: {}\n", text_of(&it.outcome)),
        Event::Fail(it) => format!("    failed: {}\n", it.message),
        other => panic!("an attempt does not say {other:?}"),
    }
}
