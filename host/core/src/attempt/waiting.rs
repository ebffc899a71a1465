//! The answers an attempt has received, and the one rule by which they are told.
//!
//! Invariant: of the commands a guest waits for, the one whose notification stands earliest in the journal
//! is told. What has come can only be joined by later ones, so the choice is the same live and in replay.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{EntryIndex, Position};
use crate::journal::{Notification, NotificationEntry};
use crate::time::Timestamp;
use crate::value::{Failure, Outcome};

#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    received: u32,
    answers: BTreeMap<EntryIndex, Answer>,
    /// A cancellation that the guest does not know of.
    cancellation: Option<Cancellation>,
    /// Told by a wait, not yet taken.
    told: BTreeSet<EntryIndex>,
    /// The positions of those told answers that were failures by cancellation.
    cancelled_calls_told: BTreeSet<Position>,
}

#[derive(Clone, Debug)]
struct Answer {
    position: Position,
    at: Timestamp,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug)]
struct Cancellation {
    position: Position,
    at: Timestamp,
    since: Position,
}

/// What a wait reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Ready { command: EntryIndex, position: Position, at: Timestamp },
    Cancelled { position: Position, at: Timestamp },
    Nothing,
}

impl Waiting {
    /// Adds the notification at `position`; one that was received already changes nothing.
    pub(super) fn receive(&mut self, position: Position, entry: NotificationEntry) {
        if position.0 < self.received {
            return;
        }
        assert_eq!(position.0, self.received, "the engine tells notifications in the order of the journal");
        self.received += 1;
        match entry.notification {
            Notification::Completed { command, outcome } => {
                let answer = Answer { position, at: entry.at, outcome: Some(outcome) };
                let before = self.answers.insert(command, answer);
                assert!(before.is_none(), "a command is answered once");
            }
            Notification::Cancelled { since } => {
                let was_told = self.cancelled_calls_told.iter().any(|told| *told >= since);
                self.cancellation = (!was_told).then_some(Cancellation { position, at: entry.at, since });
            }
        }
    }

    pub(super) fn received(&self) -> u32 {
        self.received
    }

    pub(super) fn is_answered(&self, command: EntryIndex) -> bool {
        self.answers.contains_key(&command)
    }

    /// Whether a cancellation has come that the guest does not know of.
    pub(super) fn cancel_is_due(&self) -> bool {
        self.cancellation.is_some()
    }

    /// Picks what a wait for `on` reports.
    pub(super) fn tell(&mut self, on: &[EntryIndex]) -> Told {
        let earliest = on
            .iter()
            .filter_map(|command| self.answers.get(command).map(|answer| (answer.position, *command)))
            .min();
        match (earliest, self.cancellation) {
            (Some((position, command)), cancellation)
                if cancellation.is_none_or(|cancelled| position < cancelled.position) =>
            {
                self.tell_answer(command, position)
            }
            (_, Some(Cancellation { position, at, .. })) => {
                self.cancellation = None;
                Told::Cancelled { position, at }
            }
            (_, None) => Told::Nothing,
        }
    }

    /// Notes that the guest knows this answer, and of a cancellation if that is what the answer says.
    fn tell_answer(&mut self, command: EntryIndex, position: Position) -> Told {
        let answer = &self.answers[&command];
        if answer.outcome == Some(Outcome::Failure(Failure::cancelled())) {
            self.cancelled_calls_told.insert(position);
            self.cancellation = self.cancellation.filter(|cancelled| position < cancelled.since);
        }
        self.told.insert(command);
        Told::Ready { command, position, at: answer.at }
    }

    /// Gives away the answer of a command that was told; `None` if it was not told or is gone.
    pub(super) fn take(&mut self, command: EntryIndex) -> Option<Outcome> {
        match self.told.remove(&command) {
            true => self.answers.get_mut(&command).and_then(|answer| answer.outcome.take()),
            false => None,
        }
    }
}
