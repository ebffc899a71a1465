//! The answers an attempt has received, and the one rule by which they are told.
//!
//! Invariant: of the commands a guest waits for, the one whose notification stands earliest in the journal
//! is told. What has come can only be joined by later ones, so the choice is the same live and in replay.
//!
//! # Cancellation
//!
//! A guest is told of its cancellation once: where it waits, or by a call of its own that it has interrupted. Between the
//! notification and that moment it may go on calling. The engine cancels such a call as well, and notifies anew when it
//! has ended; so the notification before it is not told. Both sides find out by the same two numbers, one of the call
//! and one of the notification:
//!
//! - where the guest had been told last that it is cancelled, when it asked for the call: before the cancellation was
//!   asked for ([`Notification::Cancelled`]'s `since`), or never;
//! - whether the call comes after the commands that the journal had at the notification (`commands`).

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{EntryIndex, Position};
use crate::journal::{Notification, NotificationEntry};
use crate::time::Timestamp;
use crate::value::{Answer, Failure};

#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    received: u32,
    answers: BTreeMap<EntryIndex, Answered>,
    /// A cancellation that the guest does not know of.
    cancellation: Option<Cancellation>,
    /// Told by a wait, not yet taken.
    told: BTreeSet<EntryIndex>,
    /// The position of the last notification by which the guest was told that it is cancelled.
    told_cancelled: Option<Position>,
    /// What `told_cancelled` was when the guest asked for calls that are cancelled with it, with the last call of each.
    last_calls: BTreeMap<Option<Position>, EntryIndex>,
}

#[derive(Clone, Debug)]
struct Answered {
    position: Position,
    at: Timestamp,
    /// Whether it tells the guest that it is cancelled.
    is_interruption: bool,
    answer: Option<Answer>,
}

#[derive(Clone, Debug)]
struct Cancellation {
    position: Position,
    at: Timestamp,
    since: Position,
    commands: u32,
    failure: Failure,
}

/// What a wait reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Ready { command: EntryIndex, position: Position, at: Timestamp },
    Cancelled { position: Position, at: Timestamp, failure: Failure },
    Nothing,
}

impl Waiting {
    /// Adds the notification at `position`; one that was received already changes nothing.
    pub(super) fn receive(&mut self, position: Position, entry: NotificationEntry) {
        if !self.is_next(position) {
            return;
        }
        let at = entry.at;
        let is_interruption = matches!(entry.notification, Notification::Interrupted { .. });
        let (command, answer) = match entry.notification {
            Notification::Completed { command, outcome } => (command, Answer::Outcome(outcome)),
            Notification::NotReady { command } => (command, Answer::NotReady),
            Notification::Interrupted { command, failure } => (command, Answer::Outcome(failure.into())),
            Notification::Cancelled { since, commands, failure } => {
                let cancellation = Cancellation { position, at, since, commands, failure };
                self.cancellation = Some(cancellation).filter(|it| self.told_cancelled < Some(it.since));
                return;
            }
        };
        let answered = Answered { position, at, is_interruption, answer: Some(answer) };
        let before = self.answers.insert(command, answered);
        assert!(before.is_none(), "a command is answered once");
    }

    /// Notes that nothing of the notification at `position` is told.
    pub(super) fn pass_over(&mut self, position: Position) {
        self.is_next(position);
    }

    /// Counts the notification at `position`, unless it was received already.
    fn is_next(&mut self, position: Position) -> bool {
        if position.0 < self.received {
            return false;
        }
        assert_eq!(position.0, self.received, "the engine tells notifications in the order of the journal");
        self.received += 1;
        true
    }

    /// Notes that the guest has asked for a call that is cancelled with the invocation.
    pub(super) fn note_call(&mut self, command: EntryIndex) {
        self.last_calls.insert(self.told_cancelled, command);
    }

    /// Where the guest was told last that it is cancelled.
    pub(super) fn told_cancelled(&self) -> Option<Position> {
        self.told_cancelled
    }

    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// How many commands have an answer.
    pub(super) fn answered(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn is_answered(&self, command: EntryIndex) -> bool {
        self.answers.contains_key(&command)
    }

    /// Whether a cancellation has come that the guest is to be told.
    pub(super) fn cancel_is_due(&self) -> bool {
        self.due_cancellation().is_some()
    }

    /// The cancellation that the guest is to be told: not one that will be notified anew.
    fn due_cancellation(&self) -> Option<&Cancellation> {
        self.cancellation.as_ref().filter(|it| !self.comes_again(it))
    }

    /// Whether the guest has called after the notification without knowing of it.
    fn comes_again(&self, it: &Cancellation) -> bool {
        let unaware = self.last_calls.range(..Some(it.since)).next_back();
        unaware.is_some_and(|(_, call)| call.0 >= it.commands)
    }

    /// Picks what a wait for `on` reports.
    pub(super) fn tell(&mut self, on: &[EntryIndex]) -> Told {
        let earliest = on
            .iter()
            .filter_map(|command| self.answers.get(command).map(|answer| (answer.position, *command)))
            .min();
        match (earliest, self.due_cancellation()) {
            (Some((position, command)), cancellation)
                if cancellation.is_none_or(|cancelled| position < cancelled.position) =>
            {
                self.tell_answer(command, position)
            }
            (_, Some(Cancellation { position, at, failure, .. })) => {
                let (position, at, failure) = (*position, *at, failure.clone());
                self.tell_cancelled(position);
                Told::Cancelled { position, at, failure }
            }
            (_, None) => Told::Nothing,
        }
    }

    /// Notes that the guest knows this answer, and of a cancellation if that is what the answer says.
    fn tell_answer(&mut self, command: EntryIndex, position: Position) -> Told {
        let Answered { at, is_interruption, .. } = self.answers[&command];
        if is_interruption {
            self.tell_cancelled(position);
        }
        self.told.insert(command);
        Told::Ready { command, position, at }
    }

    fn tell_cancelled(&mut self, position: Position) {
        self.told_cancelled = self.told_cancelled.max(Some(position));
        self.cancellation = self.cancellation.take().filter(|it| position < it.since);
    }

    /// Gives away the answer of a command that was told; `None` if it was not told or is gone.
    pub(super) fn take(&mut self, command: EntryIndex) -> Option<Answer> {
        match self.told.remove(&command) {
            true => self.answers.get_mut(&command).and_then(|answered| answered.answer.take()),
            false => None,
        }
    }
}
