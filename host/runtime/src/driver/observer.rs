//! Follows what becomes of invocations, for those who watch the host: operators and their tools.
//!
//! It sees each record after it was applied, and what the record changed. Whatever it tells of an invocation travels
//! with the record to the log writer and is told when that is durable, so that nobody reads of what may yet be lost.
//! Nobody waits for it either: a notice alone does not make the log commit.

use std::sync::Arc;

use holiday_core::effect::Effect;
use holiday_core::event::{Event, Fail, Record, RunFailed};
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::invocation::{FailingRun, Invocation, Lifecycle, RunRetry, Status};
use holiday_core::journal::Command;
use holiday_core::state::key;
use holiday_core::state::{Kv as _, State, StoreError, codec};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome};

use super::attempts::Attempts;
use super::watched::{Change, Changes, Watched};
use crate::chronicle::{self, Subject};
use crate::metrics::Metrics;
use crate::metrics::label;

#[derive(Debug)]
pub(super) struct Observer {
    metrics: Metrics,
    /// What waits for the records of the batch.
    notices: Vec<Notice>,
}

/// What is told of an invocation whenever it is mentioned.
#[derive(Debug)]
pub(super) struct About {
    invocation: InvocationId,
    /// `<service>/<handler>`.
    method: String,
}

impl About {
    pub(super) fn new(invocation: InvocationId, target: &Target) -> Self {
        About { invocation, method: format!("{}/{}", target.service, target.handler) }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { method: &self.method, invocation: self.invocation }
    }

    /// The name of a service has no `/`.
    fn service(&self) -> &str {
        self.method.split_once('/').map_or(&self.method, |(service, _)| service)
    }
}

/// Something that has become of an invocation.
#[derive(Debug)]
pub(super) struct Notice {
    about: Arc<About>,
    what: What,
}

#[derive(Debug)]
enum What {
    AttemptFailed { attempt: u32, error: String, next_in_ms: Option<u64> },
    StepFailed { attempt: u32, step: String, error: String, next_in_ms: Option<u64> },
    Paused { reason: String },
    Resumed,
    Cancelling,
    Succeeded,
    Failed { error: String },
    Cancelled,
    Killed,
}

/// What there is to look at after a record was applied.
struct Seen<'a> {
    state: &'a State<Watched>,
    attempts: &'a Attempts,
    record: &'a Record,
    effects: &'a [Effect],
    changes: &'a Changes,
}

impl Observer {
    pub(super) fn new(metrics: Metrics) -> Self {
        Observer { metrics, notices: Vec::new() }
    }

    /// Looks at what a record has changed.
    pub(super) fn observe(
        &mut self,
        state: &mut State<Watched>,
        attempts: &Attempts,
        record: &Record,
        effects: &[Effect],
    ) -> Result<(), StoreError> {
        let changes = state.kv_mut().take_changes();
        let seen = Seen { state, attempts, record, effects, changes: &changes };
        self.look_at_event(&seen)?;
        changes.all.iter().try_for_each(|change| self.look_at_change(&seen, change))
    }

    /// What is to be told when the records so far are durable.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Forgets what was not told: its records are lost.
    pub(super) fn clear(&mut self) {
        self.notices.clear();
    }

    /// What attempts did, unless they are no longer listened to, and what was asked for.
    fn look_at_event(&mut self, seen: &Seen<'_>) -> Result<(), StoreError> {
        match &seen.record.event {
            Event::RunCompleted(it) if seen.attempts.is_running(it.attempt) => {
                self.metrics.step_executed(match it.outcome {
                    Outcome::Success(_) => label::Step::Success,
                    Outcome::Failure(_) => label::Step::Failure,
                });
            }
            Event::RunFailed(it) if seen.attempts.is_running(it.attempt) => {
                self.metrics.step_executed(label::Step::Retry);
                let what = seen.step_failed(it)?;
                self.note(seen, &it.attempt.invocation, what)?;
            }
            Event::Suspend(it) if seen.attempts.is_running(it.attempt) => {
                self.metrics.attempts_suspended.inc();
                if let Some(about) = seen.attempts.about(&it.attempt.invocation) {
                    chronicle::suspended(about.subject(), it.attempt.number);
                }
            }
            Event::Fail(it) if seen.attempts.is_running(it.attempt) => {
                self.metrics.attempt_failed(&it.message);
                let what = seen.attempt_failed(it)?;
                self.note(seen, &it.attempt.invocation, what)?;
            }
            Event::Cancel { invocation } => self.cancelling(seen, invocation)?,
            Event::Commands(it) => {
                for command in &it.commands {
                    if let Command::Cancel { invocation } = command {
                        self.cancelling(seen, invocation)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn look_at_change(&mut self, seen: &Seen<'_>, change: &Change) -> Result<(), StoreError> {
        let invocation = &change.invocation;
        match (change.from, change.to) {
            (None, Some(_)) => self.begun(seen, invocation),
            (_, None) => self.note(seen, invocation, seen.ended(invocation)),
            (_, Some(label::Status::Paused)) => {
                let reason = match seen.status(invocation)? {
                    Some(Status::Paused(paused)) => paused.reason,
                    // The record has had it go on already.
                    Some(_) | None => return Ok(()),
                };
                self.note(seen, invocation, What::Paused { reason })
            }
            (Some(label::Status::Paused), Some(_)) => self.note(seen, invocation, What::Resumed),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    fn begun(&self, seen: &Seen<'_>, invocation: &InvocationId) -> Result<(), StoreError> {
        let row = seen.state.kv().get(&key::invocation(invocation))?;
        // The name of its service is what its row begins with.
        if let Some(service) = row.and_then(|row| codec::decode_first::<String>(&row)) {
            self.metrics.invocation_accepted(&service);
        }
        Ok(())
    }

    fn cancelling(&mut self, seen: &Seen<'_>, invocation: &InvocationId) -> Result<(), StoreError> {
        self.note(seen, &seen.state.resolve(invocation)?, What::Cancelling)
    }

    /// Has something told of an invocation, if it is known at all.
    fn note(&mut self, seen: &Seen<'_>, invocation: &InvocationId, what: What) -> Result<(), StoreError> {
        let about = seen.about(invocation)?;
        self.notices.extend(about.map(|about| Notice { about, what }));
        Ok(())
    }
}

impl Seen<'_> {
    /// What is known of an invocation: from its attempt, or else from its row, which may have gone with this record.
    fn about(&self, invocation: &InvocationId) -> Result<Option<Arc<About>>, StoreError> {
        if let Some(about) = self.attempts.about(invocation) {
            return Ok(Some(Arc::clone(about)));
        }
        let row: Option<Invocation> = match self.changes.forgotten(invocation) {
            Some(row) => Some(codec::decode(row, || format!("of invocation {invocation}"))?),
            None => self.state.invocation(invocation)?,
        };
        Ok(row.map(|row| Arc::new(About::new(*invocation, &row.target))))
    }

    fn lifecycle(&self, invocation: &InvocationId) -> Result<Option<Lifecycle>, StoreError> {
        self.state.lifecycle(invocation)
    }

    fn status(&self, invocation: &InvocationId) -> Result<Option<Status>, StoreError> {
        Ok(self.lifecycle(invocation)?.map(|it| it.status))
    }

    fn attempt_failed(&self, it: &Fail) -> Result<What, StoreError> {
        let next_in_ms = match self.status(&it.attempt.invocation)? {
            Some(Status::BackingOff(it)) => Some(self.millis_until(it.until)),
            Some(_) | None => None,
        };
        Ok(What::AttemptFailed { attempt: it.attempt.number, error: it.message.clone(), next_in_ms })
    }

    fn step_failed(&self, it: &RunFailed) -> Result<What, StoreError> {
        let invocation = &it.attempt.invocation;
        let next_in_ms = match self.failing(invocation, it.run)?.map(|failing| failing.retry) {
            Some(RunRetry::At(at)) => Some(self.millis_until(at)),
            Some(RunRetry::Due | RunRetry::Exhausted) | None => None,
        };
        let step = match self.state.command(invocation, it.run)?.map(|entry| entry.command) {
            Some(Command::Run { name, .. }) => name,
            Some(_) | None => String::new(),
        };
        Ok(What::StepFailed { attempt: it.attempt.number, step, error: it.message.clone(), next_in_ms })
    }

    fn failing(&self, invocation: &InvocationId, run: EntryIndex) -> Result<Option<FailingRun>, StoreError> {
        Ok(self.lifecycle(invocation)?.and_then(|mut it| it.failing_runs.remove(&run)))
    }

    /// How an invocation ended: those who wait for it are told.
    fn ended(&self, ended: &InvocationId) -> What {
        let answer = self.effects.iter().find_map(|effect| match effect {
            Effect::Answer { invocation, outcome } if invocation == ended => Some(outcome),
            _ => None,
        });
        match answer {
            Some(Outcome::Failure(failure)) if *failure == Failure::cancelled() => What::Cancelled,
            Some(Outcome::Failure(failure)) if *failure == Failure::killed() => What::Killed,
            Some(Outcome::Failure(failure)) => What::Failed { error: failure.to_string() },
            Some(Outcome::Success(_)) | None => What::Succeeded,
        }
    }

    fn millis_until(&self, later: Timestamp) -> u64 {
        later.millis_since(self.record.at)
    }
}

impl Notice {
    /// Tells it, now that it is durable.
    pub(super) fn tell(&self, metrics: &Metrics) {
        let about = &self.about;
        let subject = about.subject();
        let completed = |outcome| metrics.invocation_completed(about.service(), outcome);
        match &self.what {
            What::AttemptFailed { attempt, error, next_in_ms } => {
                chronicle::attempt_failed(subject, *attempt, error, *next_in_ms);
            }
            What::StepFailed { attempt, step, error, next_in_ms } => {
                chronicle::step_failed(subject, *attempt, step, error, *next_in_ms);
            }
            What::Paused { reason } => chronicle::paused(subject, reason),
            What::Resumed => chronicle::resumed(subject),
            What::Cancelling => chronicle::cancelling(subject),
            What::Succeeded => {
                completed(label::Outcome::Success);
                chronicle::completed(subject);
            }
            What::Failed { error } => {
                completed(label::Outcome::Failure);
                chronicle::failed(subject, error);
            }
            What::Cancelled => {
                completed(label::Outcome::Cancelled);
                chronicle::cancelled(subject);
            }
            What::Killed => {
                completed(label::Outcome::Killed);
                chronicle::killed(subject);
            }
        }
    }
}
