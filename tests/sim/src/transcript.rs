//! What happened in a run, for people: short names instead of ids, one line per happening.

use std::collections::BTreeMap;

use holiday_core::effect::Effect;
use holiday_core::event::{Event, Take};
use holiday_core::id::{AttemptId, EntryIndex, InvocationId};
use holiday_core::journal::Notification;
use holiday_core::subscription::{RecordOrigin, Subscription};
use holiday_core::target::Target;
use holiday_core::value::Outcome;

/// The lines so far, if anybody wants them.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) is_wanted: bool,
    pub(crate) lines: Vec<String>,
    names: BTreeMap<InvocationId, String>,
}

impl Transcript {
    pub(crate) fn new(is_wanted: bool) -> Self {
        Transcript { is_wanted, ..Transcript::default() }
    }

    /// Gives an invocation the name it has from now on; false if it has one.
    pub(crate) fn christen(&mut self, id: InvocationId, target: &Target) -> bool {
        let is_new = self.is_wanted && !self.names.contains_key(&id);
        if is_new {
            self.names.insert(id, format!("i{}:{target}", self.names.len() + 1));
        }
        is_new
    }

    /// Adds a line, with its ids replaced by names.
    pub(crate) fn push(&mut self, line: &str) {
        let mut named = String::new();
        let mut rest = line;
        while let Some(start) = rest.find("inv_") {
            let length = rest[start + 4..]
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len() - start - 4)
                + 4;
            let id = &rest[start..start + length];
            named.push_str(&rest[..start]);
            match id.parse().ok().and_then(|id| self.names.get(&id)) {
                Some(name) => named.push_str(name),
                None => named.push_str(id),
            }
            rest = &rest[start + length..];
        }
        named.push_str(rest);
        self.lines.push(named);
    }
}

/// One line for an event.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Deploy(it) => format!("deploy {}", it.origin),
        Event::Configure(it) => format!("configure {:?}", it.layer),
        Event::Invoke(it) => {
            format!("invoke {} {} {:?} {:?}", it.id, it.target, it.input, it.idempotency_key)
        }
        Event::Commands(it) => {
            let commands: Vec<_> =
                (it.first.0..).zip(&it.commands).map(|(index, it)| format!("{index}: {it}")).collect();
            let told = it.told_cancelled.map(|told| format!(" (told of its cancellation at {})", told.0));
            format!("{} asks for {}{}", it.attempt, commands.join(", "), told.unwrap_or_default())
        }
        Event::RunCompleted(it) => {
            format!("{} run {} ended with {}", it.attempt, it.run.0, text(&it.outcome))
        }
        Event::RunFailed(it) => format!("{} run {} failed: {}", it.attempt, it.run.0, it.message),
        Event::RunAbandoned(it) => format!("{} gives run {} up", it.attempt, it.run.0),
        Event::Suspend(it) => {
            format!("{} suspends on {}, has received {}", it.attempt, indices(&it.on), it.received)
        }
        Event::End(it) => format!("{} ends with {}", it.attempt, text(&it.outcome)),
        Event::Fail(it) => format!("{} fails: {}", it.attempt, it.message),
        Event::CompleteAwakeable { id, outcome } => {
            format!("complete awakeable {} of {} with {}", id.index.0, id.invocation, text(outcome))
        }
        Event::Signal { invocation, name, outcome } => {
            format!("signal {name} to {invocation}: {}", text(outcome))
        }
        Event::Cancel { invocation } => format!("cancel {invocation}"),
        Event::Kill { invocation } => format!("kill {invocation}"),
        Event::Pause { invocation } => format!("pause {invocation}"),
        Event::Resume { invocation, deployment } => format!("resume {invocation} on {deployment:?}"),
        Event::Purge { invocation } => format!("purge {invocation}"),
        Event::RestartAsNew(it) => format!("restart {} as {} keeping {}", it.from, it.id, it.commands),
        Event::ReplaceState(it) => format!("replace the state of {}/{}", it.service, it.key),
        Event::Remove { deployment, force } => format!("remove {deployment} by force {force}"),
        Event::Wake => "wake".to_owned(),
        Event::Subscribe(it) => {
            let Subscription { source, sink, options, .. } = &it.subscription;
            let policies = (options.on_failure, options.order_on_failure);
            format!("subscribe {} {source} {sink} {policies:?}", it.id)
        }
        Event::Steer { subscription, steering } => format!("steer {subscription}: {steering:?}"),
        Event::Assign(it) => format!("assign {}: {:?}", it.subscription, it.positions),
        Event::Take(it) => take(it),
        Event::Halt { subscription, partition, halt, .. } => {
            format!("halt {subscription} {partition}: {halt:?}")
        }
        Event::RetryParked { subscription, number, value } => {
            format!("retry {number} of {subscription}: {value:?}")
        }
        Event::DiscardParked { subscription, number } => format!("discard {number} of {subscription}"),
        Event::Advance { subscription } => format!("advance {subscription}"),
    }
}

/// One line for an effect.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::StartAttempt(attempt) => format!("start {attempt}"),
        Effect::Notify { attempt, position, entry } => {
            format!("notify {attempt} at {}: {}", position.0, notification(&entry.notification))
        }
        Effect::StopAttempt(attempt) => format!("stop {attempt}"),
        Effect::EnterRun { attempt, run } => permit(*attempt, *run),
        Effect::Accepted { submitted, invocation, previously } => {
            format!("accept {submitted} as {invocation}{}", if *previously { " (joined)" } else { "" })
        }
        Effect::FreeDeployment(id) => format!("free {id}"),
        Effect::Answer { invocation, outcome } => format!("answer {invocation}: {}", text(outcome)),
        Effect::Advance(id) => format!("advance {id}"),
        Effect::RecordFailed { origin, parked, failure } => {
            format!("record {} failed, parked as {parked:?}: {failure}", record(origin))
        }
    }
}

fn take(it: &Take) -> String {
    let of_key = it.of_key.as_ref().map(|key| format!(" of key {key:?}")).unwrap_or_default();
    let records: Vec<_> =
        it.records.iter().map(|it| format!("{} {:?} {:?}", it.offset, it.key, it.value)).collect();
    format!(
        "take {} {}{of_key} in generation {} from {}: {} up to {}",
        it.subscription,
        it.partition,
        it.generation,
        it.from,
        records.join(", "),
        it.next
    )
}

/// Says which record it is: partition, offset, generation and failures.
pub(crate) fn record(origin: &RecordOrigin) -> String {
    format!("{}:{}@{}~{}", origin.partition, origin.offset, origin.generation, origin.failures)
}

fn permit(attempt: AttemptId, run: EntryIndex) -> String {
    format!("permit {attempt} run {}", run.0)
}

fn notification(notification: &Notification) -> String {
    match notification {
        Notification::Completed { command, outcome } => format!("command {}: {}", command.0, text(outcome)),
        Notification::NotReady { command } => format!("command {} is not ready", command.0),
        Notification::Interrupted { command, failure } => {
            format!("command {} is interrupted: {failure}", command.0)
        }
        Notification::Cancelled { since, commands, failure } => {
            format!("cancelled since {} having {commands}: {failure}", since.0)
        }
    }
}

fn indices(on: &[EntryIndex]) -> String {
    let on: Vec<_> = on.iter().map(|index| index.0.to_string()).collect();
    on.join(", ")
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(payload) => format!("'{}'", String::from_utf8_lossy(payload)),
        Outcome::Failure(failure) => failure.to_string(),
    }
}
