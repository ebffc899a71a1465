//! What the transcript of a script says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holiday_core::effect::Effect;
use holiday_core::engine;
use holiday_core::id::{EntryIndex, InvocationId, Position};
use holiday_core::invocation::{Lifecycle, Status};
use holiday_core::journal::{Notification, NotificationEntry};
use holiday_core::value::Failure;

use crate::catalog;
use crate::script::{Words, text_of, text_of_payload};
use crate::world::World;

impl World {
    pub(crate) fn lifecycles(&self) -> BTreeMap<InvocationId, Lifecycle> {
        self.state.lifecycles().expect("memory does not fail").into_iter().collect()
    }

    pub(crate) fn print_all(&self, effects: &[Effect]) -> String {
        let said = effects.iter().fold(String::new(), |said, effect| said + &self.print(effect));
        self.with_names(said)
    }

    pub(crate) fn print(&self, effect: &Effect) -> String {
        match effect {
            Effect::StartAttempt(attempt) => format!("    start {}\n", self.attempt_name(*attempt)),
            Effect::StopAttempt(attempt) => format!("    stop {}\n", self.attempt_name(*attempt)),
            Effect::Notify { attempt, position, entry } => {
                format!("    tell {} {}\n", self.attempt_name(*attempt), notified(*position, entry))
            }
            Effect::EnterRun { attempt, run } => {
                format!("    permit {} to enter {}\n", self.attempt_name(*attempt), run.0)
            }
            Effect::Accepted { submitted, invocation, previously: true } => {
                format!("    {} stands for {}\n", self.names[invocation], self.names[submitted])
            }
            Effect::Accepted { submitted, .. } => format!("    accept {}\n", self.names[submitted]),
            Effect::Answer { invocation, outcome } => {
                format!("    answer {}: {}\n", self.names[invocation], text_of(outcome))
            }
            Effect::FreeDeployment(id) => format!("    free {}\n", catalog::version(id)),
            Effect::Advance(id) => format!("    advance {}\n", self.name_of_subscription(id)),
            Effect::RecordFailed { origin, parked, failure } => {
                let kept =
                    parked.map_or_else(|| "skipped".to_owned(), |number| format!("parked as {number}"));
                let name = self.name_of_origin(origin);
                format!("    {name} failed and is {kept}: !{} {}\n", failure.code, failure.message)
            }
        }
    }

    pub(crate) fn print_changes(&self, before: &BTreeMap<InvocationId, Lifecycle>) -> String {
        let after = self.lifecycles();
        let mut changes = BTreeMap::new();
        for (id, lifecycle) in &after {
            if before.get(id).map(|it| &it.status) != Some(&lifecycle.status) {
                changes.insert(&self.names[id], status(&lifecycle.status));
            }
        }
        for id in before.keys().filter(|id| !after.contains_key(*id)) {
            changes.insert(&self.names[id], "has ended".to_owned());
        }
        changes.iter().fold(String::new(), |said, (name, change)| said + &format!("    {name} {change}\n"))
    }

    /// The journal of an invocation, also if it has ended and its journal is kept.
    pub(crate) fn print_journal(&self, name: &str) -> String {
        let id = self.state.resolve(&self.id(name)).expect("memory does not fail");
        let kept = self.state.completed(&id).expect("memory does not fail").and_then(|it| it.journal);
        let (commands, notifications) = match (self.lifecycles().remove(&id), kept) {
            (Some(lifecycle), _) => (lifecycle.commands, lifecycle.notifications),
            (None, Some(journal)) => (journal.commands, journal.notifications),
            (None, None) => return "    (none)\n".to_owned(),
        };
        let mut said = String::new();
        for index in (0..commands).map(EntryIndex) {
            let entry = self.state.command(&id, index).expect("memory does not fail").expect("counted");
            writeln!(said, "    {} {}", index.0, entry.command).expect("a string takes all");
        }
        for position in (0..notifications).map(Position) {
            let entry = self.state.notification(&id, position).expect("memory does not fail");
            writeln!(said, "    {}", notified(position, &entry.expect("counted")))
                .expect("a string takes all");
        }
        self.with_names(said)
    }

    pub(crate) fn print_state(&self, mut words: Words<'_>) -> String {
        let (service, key) = words.word().split_once('/').expect("service/key");
        let values = self.state.object_state(service, key).expect("memory does not fail");
        values.iter().fold(String::new(), |said, (name, value)| {
            said + &format!("    {name} = {}\n", text_of_payload(value))
        })
    }

    pub(crate) fn print_version(&self, mut words: Words<'_>) -> String {
        let (service, key) = words.word().split_once('/').expect("service/key");
        format!("    {}\n", self.state.state_version(service, key).expect("memory does not fail"))
    }

    /// What the next attempt begins with, beyond its journal.
    pub(crate) fn print_load(&self, name: &str) -> String {
        let loaded = engine::load(&self.state, self.attempt(name)).expect("memory does not fail");
        let Some(loaded) = loaded else { return "    (not current)\n".to_owned() };
        let start = &loaded.start;
        let mut said = format!(
            "    on {}, from {} on, {} commands, {} notifications, {} seen\n",
            catalog::version(&start.deployment),
            start.created_at,
            start.commands.len(),
            start.notifications.len(),
            start.seen
        );
        if let Some(position) = start.cancelled {
            writeln!(said, "    cancelled at {}", position.0).expect("a string takes all");
        }
        let steps = [
            ("postponed", &start.postponed),
            ("abandoned", &start.abandoned),
            ("outliving", &start.outliving),
        ];
        for (what, runs) in steps {
            for run in runs {
                writeln!(said, "    {what} {}", run.0).expect("a string takes all");
            }
        }
        said + &self.print_all(&loaded.effects)
    }
}

fn notified(position: Position, entry: &NotificationEntry) -> String {
    match &entry.notification {
        Notification::Completed { command, outcome } => {
            format!("at {}: {} is complete: {}", position.0, command.0, text_of(outcome))
        }
        Notification::NotReady { command } => format!("at {}: {} is not ready", position.0, command.0),
        Notification::Cancelled { since, commands, failure } if *failure == Failure::cancelled() => {
            format!("at {}: cancelled since {} having {commands}", position.0, since.0)
        }
        Notification::Cancelled { since, commands, failure } => {
            format!("at {}: cancelled since {} having {commands}: {failure}", position.0, since.0)
        }
        Notification::Interrupted { command, failure } if *failure == Failure::cancelled() => {
            format!("at {}: {} is interrupted", position.0, command.0)
        }
        Notification::Interrupted { command, failure } => {
            format!("at {}: {} is interrupted: {failure}", position.0, command.0)
        }
    }
}

fn status(status: &Status) -> String {
    match status {
        Status::Scheduled(it) => format!("is scheduled for {}", it.starts_at),
        Status::Inboxed(it) => format!("is inboxed with ticket {}", it.ticket),
        Status::Running => "is running".to_owned(),
        Status::Suspended(it) => {
            let on: Vec<String> = it.on.iter().map(|index| index.0.to_string()).collect();
            format!("is suspended on {}", on.join(" "))
        }
        Status::BackingOff(it) => format!("is backing off until {}", it.until),
        Status::Paused(it) => format!("is paused: {}", it.reason),
    }
}
