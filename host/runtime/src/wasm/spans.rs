//! The spans of one attempt: its own, and one for each step that it executes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use holiday_core::attempt::RunOutcome;
use holiday_core::event::Event;
use holiday_core::id::{AttemptId, EntryIndex};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};

use crate::clock;
use crate::metrics::label;
use crate::telemetry::{self, InvocationTrace, Span, TraceContext, Tracer};

/// Follows an attempt, and tells of it when it is dropped.
#[derive(Debug)]
pub(super) struct Spans {
    tracer: Tracer,
    invocation: Arc<InvocationTrace>,
    attempt: AttemptId,
    /// `<service>/<handler>`.
    method: Arc<str>,
    began_at: SystemTime,
    /// The steps that are being executed.
    steps: BTreeMap<EntryIndex, Step>,
    /// How the attempt left, and with which error; one that says nothing was stopped.
    end: &'static str,
    error: Option<String>,
}

#[derive(Debug)]
struct Step {
    name: String,
    began_at: SystemTime,
}

impl Spans {
    /// Begins the span of an attempt, unless nobody is told of spans.
    pub(super) fn begin(
        tracer: &Tracer,
        trace: Option<Arc<InvocationTrace>>,
        attempt: AttemptId,
        method: &Arc<str>,
    ) -> Option<Self> {
        Some(Spans {
            tracer: tracer.clone(),
            invocation: trace?,
            attempt,
            method: Arc::clone(method),
            began_at: clock::system_time(),
            steps: BTreeMap::new(),
            end: "stopped",
            error: None,
        })
    }

    /// What an HTTP request is part of: the step that is being executed, if it is the only one.
    pub(super) fn context(&self) -> TraceContext {
        let mut steps = self.steps.keys();
        match (steps.next(), steps.next()) {
            (Some(run), None) => self.of_step(*run),
            _ => self.own(),
        }
    }

    pub(super) fn step_begins(&mut self, run: EntryIndex, name: String) {
        self.steps.insert(run, Step { name, began_at: clock::system_time() });
    }

    pub(super) fn step_ends(&mut self, run: EntryIndex, outcome: &RunOutcome) {
        let (outcome, error) = match outcome {
            RunOutcome::Success(_) => (label::Step::Success, None),
            RunOutcome::Terminal(failure) => (label::Step::Failure, Some(failure.to_string())),
            RunOutcome::Retryable(message) => (label::Step::Retry, Some(message.clone())),
        };
        self.emit_step(run, outcome.name(), error.as_deref());
    }

    /// The closure of a step was dropped before it came to its end.
    pub(super) fn step_is_abandoned(&mut self, run: EntryIndex) {
        self.emit_step(run, "abandoned", None);
    }

    /// Notes how the attempt leaves.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::End(_) => self.end = "ended",
            Event::Suspend(_) => self.end = "suspended",
            Event::Fail(fail) => {
                self.end = "failed";
                self.error = Some(fail.message.clone());
            }
            Event::Deploy(_)
            | Event::Configure(_)
            | Event::Invoke(_)
            | Event::Commands(_)
            | Event::RunCompleted(_)
            | Event::RunFailed(_)
            | Event::RunAbandoned(_)
            | Event::CompleteAwakeable { .. }
            | Event::Signal { .. }
            | Event::Cancel { .. }
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
    }

    fn emit_step(&mut self, run: EntryIndex, outcome: &'static str, error: Option<&str>) {
        let Some(step) = self.steps.remove(&run).filter(|_| self.is_sampled()) else { return };
        let mut attributes = self.attributes();
        attributes.push(telemetry::text("holiday.run.name", &step.name));
        attributes.push(KeyValue::new("holiday.run.index", i64::from(run.0)));
        attributes.push(telemetry::text("holiday.run.outcome", outcome));
        self.tracer.emit(Span {
            context: self.of_step(run),
            parent: Some(self.own().span),
            kind: SpanKind::Internal,
            name: format!("run {}", telemetry::cut(&step.name)).into(),
            start: step.began_at,
            end: clock::system_time(),
            attributes,
            status: error.map_or(Status::Unset, telemetry::failed),
        });
    }

    fn is_sampled(&self) -> bool {
        self.invocation.context.is_sampled
    }

    fn own(&self) -> TraceContext {
        self.invocation.attempt(&self.attempt.invocation, self.attempt.number)
    }

    fn of_step(&self, run: EntryIndex) -> TraceContext {
        self.invocation.step(&self.attempt.invocation, self.attempt.number, run)
    }

    fn attributes(&self) -> Vec<KeyValue> {
        vec![
            telemetry::method(&self.method),
            telemetry::invocation(&self.attempt.invocation),
            KeyValue::new("holiday.attempt", i64::from(self.attempt.number)),
        ]
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        let open: Vec<EntryIndex> = self.steps.keys().copied().collect();
        for run in open {
            self.emit_step(run, "stopped", None);
        }
        if !self.is_sampled() {
            return;
        }
        let mut attributes = self.attributes();
        attributes.push(telemetry::text("holiday.attempt.end", self.end));
        self.tracer.emit(Span {
            context: self.own(),
            parent: Some(self.invocation.context.span),
            kind: SpanKind::Internal,
            name: format!("attempt {}", self.attempt.number).into(),
            start: self.began_at,
            end: clock::system_time(),
            attributes,
            status: self.error.as_deref().map_or(Status::Unset, telemetry::failed),
        });
    }
}
