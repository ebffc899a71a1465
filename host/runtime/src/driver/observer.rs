//! Follows what becomes of invocations, for those who watch the host: operators and their tools.
//!
//! It sees each record after it was applied, and what the record changed. Whatever it tells of an invocation travels
//! with the record to the log writer and is told when that is durable, so that nobody reads of what may yet be lost.
//! Nobody waits for it either: a notice alone does not make the log commit.

use std::sync::Arc;

use holiday_core::attempt::Start;
use holiday_core::effect::Effect;
use holiday_core::event::{Event, Fail, Record, RunFailed};
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::invocation::{FailingRun, Invocation, Lifecycle, RunRetry, Status};
use holiday_core::journal::Command;
use holiday_core::state::key;
use holiday_core::state::{Kv as _, State, StoreError, codec};
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome};

use super::attempts::Attempts;
use super::notice::{self, About, InvocationNotice, Notice, RecordNotice, What};
use super::traces::Traces;
use super::watched::{Change, Changes, Watched};
use crate::chronicle;
use crate::metrics::Metrics;
use crate::metrics::label;
use crate::telemetry::{InvocationTrace, Tracer};

#[derive(Debug)]
pub(super) struct Observer {
    metrics: Metrics,
    traces: Traces,
    /// What waits for the records of the batch.
    notices: Vec<Notice>,
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
    pub(super) fn new(metrics: Metrics, tracer: Tracer) -> Self {
        Observer { metrics, traces: Traces::new(tracer), notices: Vec::new() }
    }

    /// What is told of an invocation while one of its attempts runs.
    pub(super) fn starts(&self, state: &State<Watched>, start: &Start) -> Result<Arc<About>, StoreError> {
        let invocation = start.attempt.invocation;
        let has_journal = !(start.commands.is_empty() && start.notifications.is_empty());
        self.metrics.attempts_started.inc();
        self.metrics.attempts_replayed.inc_by(u64::from(has_journal));
        let trace = self.traces.of(state, &invocation)?;
        Ok(Arc::new(About::new(invocation, &start.target, start.created_at, trace)))
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
        self.notices.extend(effects.iter().filter_map(record_failed));
        changes.all.iter().try_for_each(|change| self.look_at_change(&seen, change))
    }

    /// What is to be told when the records so far are durable.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Forgets what was not told: its records are lost.
    pub(super) fn clear(&mut self) {
        self.notices.clear();
        self.traces.clear();
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
            Event::Commands(it) if seen.attempts.is_running(it.attempt) => {
                for command in &it.commands {
                    if let Command::Cancel { invocation } = command {
                        self.cancelling(seen, invocation)?;
                    }
                }
            }
            // Of attempts that are no longer listened to.
            Event::RunCompleted(_)
            | Event::RunFailed(_)
            | Event::Suspend(_)
            | Event::Fail(_)
            | Event::Commands(_) => {}
            // What they change says enough.
            Event::Deploy(_)
            | Event::Configure(_)
            | Event::Invoke(_)
            | Event::RunAbandoned(_)
            | Event::End(_)
            | Event::CompleteAwakeable { .. }
            | Event::Signal { .. }
            | Event::Kill { .. }
            | Event::Pause { .. }
            | Event::Resume { .. }
            | Event::Purge { .. }
            | Event::RestartAsNew(_)
            | Event::ReplaceState(_)
            | Event::Remove { .. }
            | Event::Wake
            | Event::Subscribe(_)
            | Event::Steer { .. }
            | Event::Assign(_)
            | Event::Take(_)
            | Event::Halt { .. }
            | Event::RetryParked { .. }
            | Event::DiscardParked { .. }
            | Event::Advance { .. } => {}
        }
        Ok(())
    }

    fn look_at_change(&mut self, seen: &Seen<'_>, change: &Change) -> Result<(), StoreError> {
        let invocation = &change.invocation;
        match (change.from, change.to) {
            (None, Some(_)) => self.begun(seen, invocation),
            (_, None) => {
                self.note(seen, invocation, seen.ended(invocation))?;
                self.traces.forget(invocation);
                Ok(())
            }
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

    fn begun(&mut self, seen: &Seen<'_>, invocation: &InvocationId) -> Result<(), StoreError> {
        if let Some(caller) = seen.trace_of_caller() {
            self.traces.note(caller, invocation);
        }
        let row = seen.state.kv().get(&key::invocation(invocation))?;
        // The name of its service is what its row begins with.
        if let Some(service) = row.and_then(|row| codec::decode_first::<String>(&row)) {
            self.metrics.invocation_accepted(&service);
        }
        Ok(())
    }

    fn cancelling(&mut self, seen: &Seen<'_>, invocation: &InvocationId) -> Result<(), StoreError> {
        let invocation = seen.state.resolve(invocation)?;
        let has_ended_now = seen.changes.all.iter().any(|change| change.invocation == invocation);
        match has_ended_now || seen.lifecycle(&invocation)?.is_some() {
            true => self.note(seen, &invocation, What::Cancelling),
            false => Ok(()),
        }
    }

    /// Has something told of an invocation, if it is known at all.
    fn note(&mut self, seen: &Seen<'_>, invocation: &InvocationId, what: What) -> Result<(), StoreError> {
        let about = seen.about(invocation, &self.traces)?;
        let notice = |about| Notice::Invocation(InvocationNotice { about, at: seen.record.at, what });
        self.notices.extend(about.map(notice));
        Ok(())
    }
}

fn record_failed(effect: &Effect) -> Option<Notice> {
    let Effect::RecordFailed { origin, parked, failure } = effect else { return None };
    let Failure { code, message } = failure;
    let error = notice::cut(format!("[{code}] {message}"));
    Some(Notice::Record(RecordNotice { origin: *origin, parked: *parked, error }))
}

impl Seen<'_> {
    /// What is known of an invocation: from its attempt, or else from its row, which may have gone with this record.
    fn about(&self, invocation: &InvocationId, traces: &Traces) -> Result<Option<Arc<About>>, StoreError> {
        if let Some(about) = self.attempts.about(invocation) {
            return Ok(Some(Arc::clone(about)));
        }
        let row: Option<Invocation> = match self.changes.forgotten(invocation) {
            Some(row) => Some(codec::decode(row, || format!("of invocation {invocation}"))?),
            None => self.state.invocation(invocation)?,
        };
        let Some(row) = row else { return Ok(None) };
        let trace = traces.of_row(self.state, invocation, &row)?;
        Ok(Some(Arc::new(About::new(*invocation, &row.target, row.created_at, trace))))
    }

    /// The trace that passes on to what this record has begun: that of the handler that asked for it.
    fn trace_of_caller(&self) -> Option<&InvocationTrace> {
        let Event::Commands(it) = &self.record.event else { return None };
        self.attempts.about(&it.attempt.invocation)?.trace.as_deref()
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
            Some(Command::Run { name, .. }) => notice::cut(name),
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
            Some(Outcome::Failure(failure)) => What::failed(failure),
            Some(Outcome::Success(_)) | None => What::Succeeded,
        }
    }

    fn millis_until(&self, later: Timestamp) -> u64 {
        later.millis_since(self.record.at)
    }
}
