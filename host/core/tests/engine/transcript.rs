//! What the transcript of a script says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holiday_core::effect::Effect;
use holiday_core::engine;
use holiday_core::id::{EntryIndex, InvocationId, Position};
use holiday_core::invocation::{Lifecycle, Status};
use holiday_core::journal::{Notification, NotificationEntry};

use crate::catalog;
use crate::script::{Words, text_of, text_of_payload};
use crate::world::World;

impl World {
    pub(crate) fn lifecycles(&self) -> BTreeMap<InvocationId, Lifecycle> {
        self.state.lifecycles().expect("memory does not fail").into_iter().collect()
    }

    pub(crate) fn print_all(&self, effects: &[Effect]) -> String {
        effects.iter().fold(String::new(), |said, effect| said + &self.print(effect))
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

    pub(crate) fn print_journal(&self, name: &str) -> String {
        let id = self.id(name);
        let Some(lifecycle) = self.lifecycles().remove(&id) else { return "    (none)\n".to_owned() };
        let mut said = String::new();
        for index in (0..lifecycle.commands).map(EntryIndex) {
            let entry = self.state.command(&id, index).expect("memory does not fail").expect("counted");
            writeln!(said, "    {} {}", index.0, entry.command).expect("a string takes all");
        }
        for position in (0..lifecycle.notifications).map(Position) {
            let entry = self.state.notification(&id, position).expect("memory does not fail");
            writeln!(said, "    {}", notified(position, &entry.expect("counted")))
                .expect("a string takes all");
        }
        said
    }

    pub(crate) fn print_state(&self, mut words: Words<'_>) -> String {
        let (service, key) = words.word().split_once('/').expect("service/key");
        let values = self.state.object_state(service, key).expect("memory does not fail");
        values.iter().fold(String::new(), |said, (name, value)| {
            said + &format!("    {name} = {}\n", text_of_payload(value))
        })
    }

    /// What the next attempt begins with, beyond its journal.
    pub(crate) fn print_load(&self, name: &str) -> String {
        let loaded = engine::load(&self.state, self.attempt(name)).expect("memory does not fail");
        let Some(loaded) = loaded else { return "    (not current)\n".to_owned() };
        let start = &loaded.start;
        let version = ["v1", "v2"].into_iter().find(|version| catalog::id(version) == start.deployment);
        let mut said = format!(
            "    on {}, {} commands, {} notifications, {} seen\n",
            version.unwrap_or("?"),
            start.commands.len(),
            start.notifications.len(),
            start.seen
        );
        for (what, runs) in [("postponed", &start.postponed), ("outliving", &start.outliving)] {
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
        Notification::Cancelled { since } => format!("at {}: cancelled since {}", position.0, since.0),
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
