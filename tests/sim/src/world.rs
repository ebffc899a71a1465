//! What is outside of the host: the services that closures reach, and the clients that wait for answers.
//!
//! It remembers everything it was told and everything done to it, so that the oracle can compare.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::attempt::RunOutcome;
use holiday_core::id::{AttemptId, AwakeableId, DeploymentId, EntryIndex, InvocationId};
use holiday_core::value::{Failure, Outcome, Payload};

use crate::topics::Broker;
use crate::violation::{Checked, check};

/// What a closure does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Fails `failures` times, then gives a value.
    Value {
        failures: u32,
    },
    /// Fails terminally.
    Refuse,
    Book {
        what: String,
    },
    /// Takes a booking back; with `broken` it fails until an operator has repaired the world.
    Undo {
        what: String,
        broken: bool,
    },
    /// Gives the id of an awakeable to somebody who will complete it.
    Publish(AwakeableId),
}

/// Where a closure is executed, and all its handler had seen before.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) attempt: AttemptId,
    pub(crate) run: EntryIndex,
    pub(crate) seen: Vec<u64>,
    /// Whether the attempt still speaks for its invocation.
    pub(crate) is_current: bool,
    /// Whether the network fails just now.
    pub(crate) mishap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Booking {
    Made,
    /// Stays for ever: a late request cannot make it again.
    Undone,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    /// Results carry the number of the execution, so that no two are equal.
    pub(crate) has_unique_results: bool,
    pub(crate) is_repaired: bool,
    pub(crate) executions: u64,
    failures: BTreeMap<(InvocationId, EntryIndex), u32>,
    pub(crate) bookings: BTreeMap<String, (InvocationId, Booking)>,
    /// The order in which bookings were undone first, and by whom.
    pub(crate) undone: Vec<(InvocationId, String)>,
    pub(crate) published: Vec<AwakeableId>,
    pub(crate) broker: Broker,
    /// The components that are on disk.
    pub(crate) components: BTreeSet<DeploymentId>,
    /// The longest sequence of observations that anything outside depends on.
    seen: BTreeMap<InvocationId, Vec<u64>>,
    pub(crate) accepted: BTreeMap<InvocationId, InvocationId>,
    pub(crate) answers: BTreeMap<InvocationId, Outcome>,
}

impl World {
    /// Executes a closure.
    pub(crate) fn execute(&mut self, site: Site, deed: &Deed) -> Checked<RunOutcome> {
        let invocation = site.attempt.invocation;
        self.depend_on(invocation, &site.seen)?;
        self.executions += 1;
        if site.mishap {
            return Ok(RunOutcome::Retryable("the network is down".to_owned()));
        }
        Ok(match deed {
            Deed::Value { failures } => {
                let failed = self.failures.entry((invocation, site.run)).or_default();
                if *failed < *failures {
                    *failed += 1;
                    return Ok(RunOutcome::Retryable("not yet".to_owned()));
                }
                RunOutcome::Success(self.result("value"))
            }
            Deed::Refuse => RunOutcome::Terminal(Failure::new(422, "refused")),
            Deed::Book { what } => {
                if site.is_current || !self.bookings.contains_key(what) {
                    self.bookings.entry(what.clone()).or_insert((invocation, Booking::Made));
                }
                RunOutcome::Success(self.result(what))
            }
            Deed::Undo { broken: true, .. } if !self.is_repaired => {
                RunOutcome::Retryable("cannot be undone now".to_owned())
            }
            Deed::Undo { what, .. } => {
                let booking = self.bookings.entry(what.clone()).or_insert((invocation, Booking::Undone));
                if std::mem::replace(&mut booking.1, Booking::Undone) == Booking::Made {
                    self.undone.push((invocation, what.clone()));
                }
                RunOutcome::Success(self.result("undone"))
            }
            Deed::Publish(id) => {
                if !self.published.contains(id) {
                    self.published.push(*id);
                }
                RunOutcome::Success(self.result("published"))
            }
        })
    }

    fn result(&self, text: &str) -> Payload {
        match self.has_unique_results {
            true => Payload::from(format!("{text}~{}", self.executions)),
            false => Payload::from(text.to_owned()),
        }
    }

    /// Something outside now depends on what a handler has seen: no other attempt may ever see otherwise.
    pub(crate) fn depend_on(&mut self, invocation: InvocationId, seen: &[u64]) -> Checked {
        let known = self.seen.entry(invocation).or_default();
        let common = known.len().min(seen.len());
        check!(
            "result-never-changes",
            known[..common] == seen[..common],
            "{invocation} saw something else at observation {} than an attempt before, whose effects are out",
            known.iter().zip(seen).take_while(|(a, b)| a == b).count()
        );
        if seen.len() > known.len() {
            *known = seen.to_vec();
        }
        Ok(())
    }

    /// A handler that was restarted has to see of what it has kept what was seen before.
    pub(crate) fn check_kept(&self, from: InvocationId, seen: &[u64]) -> Checked {
        let Some(known) = self.seen.get(&from) else { return Ok(()) };
        let common = known.len().min(seen.len());
        check!(
            "restart-sees-the-same",
            known[..common] == seen[..common],
            "a handler restarted from {from} saw something else at observation {} of what it had kept",
            known.iter().zip(seen).take_while(|(a, b)| a == b).count()
        );
        Ok(())
    }

    /// A caller is told which invocation stands for what it submitted.
    pub(crate) fn accept(&mut self, submitted: InvocationId, invocation: InvocationId) -> Checked {
        let told = *self.accepted.entry(submitted).or_insert(invocation);
        check!(
            "acknowledgement-never-changes",
            told == invocation,
            "{submitted} was accepted as {told}, then as {invocation}"
        );
        Ok(())
    }

    /// A caller is told how an invocation ended.
    pub(crate) fn answer(&mut self, invocation: InvocationId, outcome: &Outcome) -> Checked {
        let told = self.answers.entry(invocation).or_insert_with(|| outcome.clone());
        check!(
            "answer-never-changes",
            told == outcome,
            "{invocation} was answered {told:?}, then {outcome:?}"
        );
        Ok(())
    }
}
