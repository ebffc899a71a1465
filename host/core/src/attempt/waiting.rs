//! The answers an attempt has received, and the one rule by which they are told.
//!
//! Invariant: of the commands a guest waits for, the one whose notification stands earliest in the journal
//! is told. What has come can only be joined by later ones, so the choice is the same live and in replay.

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
    /// The positions of those told answers that were failures by cancellation.
    cancelled_calls_told: BTreeSet<Position>,
    /// Whether the guest was told of a cancellation.
    knows_of_cancellation: bool,
    /// The last call that was asked for before the guest was told of one.
    last_unknowing_call: Option<EntryIndex>,
}

#[derive(Clone, Debug)]
struct Answered {
    position: Position,
    at: Timestamp,
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
        if position.0 < self.received {
            return;
        }
        assert_eq!(position.0, self.received, "the engine tells notifications in the order of the journal");
        self.received += 1;
        match entry.notification {
            Notification::Completed { command, outcome } => {
                self.receive_answer(command, position, entry.at, Answer::Outcome(outcome));
            }
            Notification::NotReady { command } => {
                self.receive_answer(command, position, entry.at, Answer::NotReady);
            }
            Notification::Cancelled { since, commands, failure } => {
                let was_told = self.cancelled_calls_told.iter().any(|told| *told >= since);
                let cancellation = Cancellation { position, at: entry.at, since, commands, failure };
                self.cancellation = (!was_told).then_some(cancellation);
            }
        }
    }

    fn receive_answer(&mut self, command: EntryIndex, position: Position, at: Timestamp, answer: Answer) {
        let before = self.answers.insert(command, Answered { position, at, answer: Some(answer) });
        assert!(before.is_none(), "a command is answered once");
    }

    /// Notes that the guest has asked for a call that is cancelled with the invocation.
    ///
    /// If a cancellation was notified before that, and the guest did not know, then the engine cancels the call as well
    /// and notifies once more when it has ended.
    pub(super) fn asked_for_call(&mut self, command: EntryIndex) {
        if !self.knows_of_cancellation {
            self.last_unknowing_call = Some(command);
        }
    }

    pub(super) fn knows_of_cancellation(&self) -> bool {
        self.knows_of_cancellation
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

    /// Whether a cancellation has come that the guest does not know of.
    pub(super) fn cancel_is_due(&self) -> bool {
        self.due_cancellation().is_some()
    }

    /// The cancellation that the guest is to be told: not one that will be notified again.
    fn due_cancellation(&self) -> Option<&Cancellation> {
        let comes_again =
            |it: &Cancellation| self.last_unknowing_call.is_some_and(|call| call.0 >= it.commands);
        self.cancellation.as_ref().filter(|it| !comes_again(it))
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
                let told = Told::Cancelled { position: *position, at: *at, failure: failure.clone() };
                self.cancellation = None;
                self.knows_of_cancellation = true;
                told
            }
            (_, None) => Told::Nothing,
        }
    }

    /// Notes that the guest knows this answer, and of a cancellation if that is what the answer says.
    fn tell_answer(&mut self, command: EntryIndex, position: Position) -> Told {
        let answered = &self.answers[&command];
        let at = answered.at;
        if answered.answer == Some(Answer::Outcome(Failure::cancelled().into())) {
            self.cancelled_calls_told.insert(position);
            self.cancellation = self.cancellation.take().filter(|cancelled| position < cancelled.since);
        }
        self.told.insert(command);
        Told::Ready { command, position, at }
    }

    /// Gives away the answer of a command that was told; `None` if it was not told or is gone.
    pub(super) fn take(&mut self, command: EntryIndex) -> Option<Answer> {
        match self.told.remove(&command) {
            true => self.answers.get_mut(&command).and_then(|answered| answered.answer.take()),
            false => None,
        }
    }
}
