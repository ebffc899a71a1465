//! What has become of an invocation, as it is told once that is durable: a count, a line of the log, a span.

use std::sync::Arc;

use holiday_core::id::InvocationId;
use holiday_core::subscription::RecordOrigin;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Failure;
use opentelemetry::trace::{SpanKind, Status};
use tracing::warn;

use crate::chronicle::{self, Subject};
use crate::metrics::Metrics;
use crate::metrics::label::Outcome;
use crate::telemetry::{self, InvocationTrace, Span, Tracer};

/// Bytes of a text of a handler in a line of the log; the rest is cut off.
const TOLD_BYTES_MAX: usize = 8 * 1024;

/// What is told of an invocation whenever it is mentioned.
#[derive(Debug)]
pub(super) struct About {
    invocation: InvocationId,
    /// `<service>/<handler>`.
    method: String,
    created_at: Timestamp,
    /// `None` if nobody is told of spans.
    pub(super) trace: Option<Arc<InvocationTrace>>,
}

impl About {
    pub(super) fn new(
        invocation: InvocationId,
        target: &Target,
        created_at: Timestamp,
        trace: Option<Arc<InvocationTrace>>,
    ) -> Self {
        let method = chronicle::method_of(target);
        About { invocation, method, created_at, trace }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { method: &self.method, invocation: self.invocation }
    }

    /// The name of a service has no `/`.
    fn service(&self) -> &str {
        self.method.split_once('/').map_or(&self.method, |(service, _)| service)
    }
}

/// Something to tell when its record is durable.
#[derive(Debug)]
pub(super) enum Notice {
    Invocation(InvocationNotice),
    /// A record of a topic failed.
    Record(RecordNotice),
}

impl Notice {
    pub(super) fn tell(&self, metrics: &Metrics, tracer: &Tracer) {
        match self {
            Notice::Invocation(it) => it.tell(metrics, tracer),
            Notice::Record(it) => it.tell(),
        }
    }
}

/// A record of a topic that failed.
#[derive(Debug)]
pub(super) struct RecordNotice {
    pub(super) origin: RecordOrigin,
    /// Its number, if it is parked.
    pub(super) parked: Option<u64>,
    pub(super) error: String,
}

impl RecordNotice {
    fn tell(&self) {
        let RecordOrigin { subscription, partition, offset, .. } = self.origin;
        let error = &self.error;
        match self.parked {
            Some(parked) => warn!(%subscription, %partition, %offset, parked, error, "record parked"),
            None => warn!(%subscription, %partition, %offset, error, "record skipped"),
        }
    }
}

/// Something that has become of an invocation.
#[derive(Debug)]
pub(super) struct InvocationNotice {
    pub(super) about: Arc<About>,
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// What it is.
#[derive(Debug)]
pub(super) enum What {
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

impl InvocationNotice {
    /// Tells it, now that it is durable.
    fn tell(&self, metrics: &Metrics, tracer: &Tracer) {
        let subject = self.about.subject();
        if let Some((outcome, error)) = self.what.outcome() {
            metrics.invocation_completed(self.about.service(), outcome);
            self.emit_span(tracer, outcome, error);
        }
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
            What::Succeeded => chronicle::completed(subject),
            What::Failed { error } => chronicle::failed(subject, error),
            What::Cancelled => chronicle::cancelled(subject),
            What::Killed => chronicle::killed(subject),
        }
    }

    /// The span of the whole invocation, from its acceptance to its end.
    fn emit_span(&self, tracer: &Tracer, outcome: Outcome, error: Option<&str>) {
        let about = &self.about;
        let Some(trace) = about.trace.as_ref().filter(|it| it.context.is_sampled) else { return };
        tracer.emit(Span {
            context: trace.context.clone(),
            parent: Some(trace.parent),
            kind: SpanKind::Internal,
            name: about.method.clone().into(),
            start: telemetry::system_time(about.created_at),
            end: telemetry::system_time(self.at),
            attributes: vec![
                telemetry::method(&about.method),
                telemetry::invocation(&about.invocation),
                telemetry::text("holiday.outcome", outcome.name()),
            ],
            status: error.map_or(Status::Ok, telemetry::failed),
        });
    }
}

impl What {
    pub(super) fn failed(failure: &Failure) -> Self {
        let Failure { code, message } = failure;
        What::Failed { error: cut(format!("[{code}] {message}")) }
    }

    /// How the invocation ended, if it did, and with which error.
    fn outcome(&self) -> Option<(Outcome, Option<&str>)> {
        match self {
            What::Succeeded => Some((Outcome::Success, None)),
            What::Failed { error } => Some((Outcome::Failure, Some(error))),
            What::Cancelled => Some((Outcome::Cancelled, Some("cancelled"))),
            What::Killed => Some((Outcome::Killed, Some("killed"))),
            What::AttemptFailed { .. }
            | What::StepFailed { .. }
            | What::Paused { .. }
            | What::Resumed
            | What::Cancelling => None,
        }
    }
}

/// The beginning of a text, as much of it as is told.
pub(super) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TOLD_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut() {
        assert_eq!(cut("m".repeat(TOLD_BYTES_MAX)).len(), TOLD_BYTES_MAX);
        assert_eq!(cut(format!("{}é", "m".repeat(TOLD_BYTES_MAX - 1))), "m".repeat(TOLD_BYTES_MAX - 1));
    }
}
