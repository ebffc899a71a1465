//! Simple pictures of what handlers share by name: signals and promises.
//!
//! The audit feeds them with what was recorded; what the engine answers has to agree with them.

use std::collections::{BTreeMap, VecDeque};

use holiday_core::event::{Event, Record};
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::journal::Command;
use holiday_core::state::{Kv, State};
use holiday_core::value::{Failure, Outcome};

use crate::violation::{Checked, check};

type Place = (InvocationId, EntryIndex);

/// Signals: what was sent to an invocation under a name, and who waits for it, each in order.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    sent: BTreeMap<(InvocationId, String), VecDeque<Outcome>>,
    waiting: BTreeMap<(InvocationId, String), VecDeque<EntryIndex>>,
}

/// A signal that a record sends.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    to: InvocationId,
    name: String,
    outcome: Outcome,
    /// The command that sends it; `None`: somebody outside.
    by: Option<Place>,
}

/// The signals that a record sends, and to whom; `None` where nobody is there.
pub(crate) fn sendings<K: Kv>(state: &State<K>, record: &Record) -> Checked<Vec<Sending>> {
    let sending = |to: &InvocationId, name: &str, outcome: &Outcome, by| -> Checked<Sending> {
        let (name, outcome) = (name.to_owned(), outcome.clone());
        Ok(Sending { to: state.heir(to)?, name, outcome, by })
    };
    match &record.event {
        Event::Signal { invocation, name, outcome } => {
            let sending = sending(invocation, name, outcome, None)?;
            let is_live = state.lifecycle(&sending.to)?.is_some();
            Ok(is_live.then_some(sending).into_iter().collect())
        }
        Event::Commands(it) => {
            let mut found = Vec::new();
            for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
                if let Command::SendSignal { invocation, name, outcome } = command {
                    found.push(sending(invocation, name, outcome, Some((it.attempt.invocation, index)))?);
                }
            }
            Ok(found)
        }
        _ => Ok(Vec::new()),
    }
}

impl Signals {
    /// A command waits for a signal.
    pub(crate) fn wait(&mut self, place: Place, name: &str) {
        self.waiting.entry((place.0, name.to_owned())).or_default().push_back(place.1);
    }

    /// A restarted invocation has this answer from another one.
    pub(crate) fn inherit(&mut self, place: Place, name: &str) {
        if let Some(waiting) = self.waiting.get_mut(&(place.0, name.to_owned())) {
            waiting.retain(|index| *index != place.1);
        }
    }

    pub(crate) fn forget(&mut self, id: &InvocationId) {
        self.sent.retain(|(to, _), _| to != id);
        self.waiting.retain(|(waiting, _), _| waiting != id);
    }

    /// After a record: who waited has got what was sent, each one, in order, and nobody anything else.
    pub(crate) fn check(&mut self, sendings: Vec<Sending>, answers: &BTreeMap<Place, Outcome>) -> Checked {
        for it in sendings {
            let is_taken = it.by.is_none_or(|by| answers.get(&by) == Some(&Outcome::done()));
            if is_taken {
                self.sent.entry((it.to, it.name)).or_default().push_back(it.outcome);
            }
        }
        let mut expected = BTreeMap::new();
        for (to, waiting) in &mut self.waiting {
            let Some(sent) = self.sent.get_mut(to) else { continue };
            while let (Some(index), Some(_)) = (waiting.front(), sent.front()) {
                expected.insert((to.0, *index), sent.pop_front().expect("just seen"));
                waiting.pop_front();
            }
        }
        for (place, outcome) in &expected {
            check!(
                "one-signal-one-wait",
                answers.get(place) == Some(outcome),
                "command {} of {} was to get the signal {outcome:?}, and got {:?}",
                place.1.0,
                place.0,
                answers.get(place)
            );
        }
        Ok(())
    }

    /// Whether a command waits for a signal that has not come.
    pub(crate) fn is_waiting(&self, place: Place, name: &str) -> bool {
        let waiting = self.waiting.get(&(place.0, name.to_owned()));
        waiting.is_some_and(|waiting| waiting.contains(&place.1))
    }
}

/// A service, a workflow id, and a name.
pub(crate) type PromiseName = (String, String, String);

/// Promises: completed once as long as their workflow is known.
#[derive(Debug, Default)]
pub(crate) struct Promises(BTreeMap<PromiseName, Outcome>);

impl Promises {
    /// A row was written or deleted.
    pub(crate) fn see(&mut self, name: PromiseName, outcome: Option<Outcome>) -> Checked {
        match outcome {
            None => drop(self.0.remove(&name)),
            Some(outcome) => {
                let before = self.0.insert(name.clone(), outcome);
                check!("promise-never-changes", before.is_none(), "{name:?} was {before:?} before");
            }
        }
        Ok(())
    }

    /// Whoever waits for a promise, or looks at it, gets its value; or learns that nobody will complete it.
    pub(crate) fn check_answer(&self, name: &PromiseName, answer: &Outcome) -> Checked {
        let value = self.0.get(name);
        let is_forgotten = matches!(answer, Outcome::Failure(Failure { code: 410, .. }));
        check!(
            "promise-never-changes",
            value == Some(answer) || value.is_none() && is_forgotten,
            "{name:?} is {value:?}, and a handler was told {answer:?}"
        );
        Ok(())
    }

    pub(crate) fn is_completed(&self, name: &PromiseName) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &PromiseName> {
        self.0.keys()
    }
}

/// The texts that a key consists of, behind its family number.
pub(crate) fn texts(key: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = &key[1..];
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("a short text");
        let (text, behind) = behind.split_at(length);
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = behind;
    }
    texts
}
