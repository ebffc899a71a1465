//! Follows what becomes of invocations, for those who watch the host: operators and their tools.
//!
//! It sees each record after it was applied, and what the record changed. Whatever it tells of an invocation travels
//! with the record to the log writer and is told when that is durable, so that nobody reads of what may yet be lost.
//! Nobody waits for it either: a notice alone does not make the log commit.

use std::sync::Arc;

use holiday_core::effect::Effect;
use holiday_core::event::{Event, Record};
use holiday_core::id::InvocationId;
use holiday_core::invocation::Invocation;
use holiday_core::state::key;
use holiday_core::state::{Kv as _, State, StoreError, codec};
use holiday_core::target::Target;
use holiday_core::value::{self, Failure};

use super::attempts::Attempts;
use super::watched::{Changes, Watched};
use crate::metrics::Metrics;
use crate::metrics::label::{Outcome, Step};

#[derive(Debug)]
pub(super) struct Observer {
    metrics: Metrics,
    /// What waits for the records of the batch.
    notices: Vec<Notice>,
}

/// What is told of an invocation whenever it is mentioned.
#[derive(Debug)]
pub(super) struct About {
    /// `<service>/<handler>`.
    method: String,
}

impl About {
    pub(super) fn new(target: &Target) -> Self {
        About { method: format!("{}/{}", target.service, target.handler) }
    }

    /// A name of a service has no `/`.
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
    Ended(Outcome),
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
        self.count(attempts, &record.event);
        let changes = state.kv_mut().take_changes();
        for change in &changes.all {
            match (change.from, change.to) {
                (None, Some(_)) => self.begun(state, &change.invocation)?,
                (_, None) => {
                    let about = about(state, attempts, &changes, &change.invocation)?;
                    let what = What::Ended(outcome(effects, &change.invocation));
                    self.notices.push(Notice { about, what });
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(())
    }

    /// What is to be told when the records so far are durable.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Forgets what was not told: its records are lost.
    pub(super) fn clear(&mut self) {
        self.notices.clear();
    }

    /// Counts what an attempt did, unless it is no longer listened to.
    fn count(&self, attempts: &Attempts, event: &Event) {
        match event {
            Event::RunCompleted(it) if attempts.is_running(it.attempt) => {
                self.metrics.step_executed(match it.outcome {
                    value::Outcome::Success(_) => Step::Success,
                    value::Outcome::Failure(_) => Step::Failure,
                });
            }
            Event::RunFailed(it) if attempts.is_running(it.attempt) => {
                self.metrics.step_executed(Step::Retry);
            }
            Event::Suspend(it) if attempts.is_running(it.attempt) => {
                self.metrics.attempts_suspended.inc();
            }
            Event::Fail(it) if attempts.is_running(it.attempt) => self.metrics.attempt_failed(&it.message),
            _ => {}
        }
    }

    fn begun(&self, state: &State<Watched>, invocation: &InvocationId) -> Result<(), StoreError> {
        let row = state.kv().get(&key::invocation(invocation))?;
        // The name of its service is what its row begins with.
        if let Some(service) = row.and_then(|row| codec::decode_first::<String>(&row)) {
            self.metrics.invocation_accepted(&service);
        }
        Ok(())
    }
}

impl Notice {
    pub(super) fn tell(&self, metrics: &Metrics) {
        match self.what {
            What::Ended(outcome) => metrics.invocation_completed(self.about.service(), outcome),
        }
    }
}

/// What is known of an invocation: from its attempt, or else from its row, which may be gone with this record.
fn about(
    state: &State<Watched>,
    attempts: &Attempts,
    changes: &Changes,
    invocation: &InvocationId,
) -> Result<Arc<About>, StoreError> {
    if let Some(about) = attempts.about(invocation) {
        return Ok(Arc::clone(about));
    }
    let row: Invocation = match changes.forgotten(invocation) {
        Some(row) => codec::decode(row, || format!("of invocation {invocation}"))?,
        None => state.invocation(invocation)?.expect("its row stays until it ends, and is kept when it goes"),
    };
    Ok(Arc::new(About::new(&row.target)))
}

/// How an invocation ended: those who wait for it are told.
fn outcome(effects: &[Effect], ended: &InvocationId) -> Outcome {
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Answer { invocation, outcome } if invocation == ended => Some(outcome),
        _ => None,
    });
    match answer {
        Some(value::Outcome::Failure(failure)) if *failure == Failure::cancelled() => Outcome::Cancelled,
        Some(value::Outcome::Failure(failure)) if *failure == Failure::killed() => Outcome::Killed,
        Some(value::Outcome::Failure(_)) => Outcome::Failure,
        Some(value::Outcome::Success(_)) | None => Outcome::Success,
    }
}
