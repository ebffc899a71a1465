//! What the host's own log lines say of invocations: all of them are written here.
//!
//! Each has the fields `method` (`<service>/<handler>`) and `invocation`, and `attempt` where one is meant. The lines of
//! the host have the id as `invocationID` as well: so the two lines of a normal run read like those of Restate's SDKs.
//! Lines about what becomes of an invocation have the target `invocation`, lines of its handler the target `guest`.
//!
//! Nothing is formatted for a line that is filtered out.

use holiday_core::id::InvocationId;
use holiday_core::subscription::RecordOrigin;
use holiday_core::target::Target;
use tracing::{debug, error, info, warn};

/// Whom a line is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `<service>/<handler>`.
    pub method: &'a str,
    pub invocation: InvocationId,
}

/// How lines and spans call a handler: `<service>/<handler>`, without the key.
pub fn method_of(target: &Target) -> String {
    format!("{}/{}", target.service, target.handler)
}

/// Writes a line at a level, about a subject, with more fields.
macro_rules! line {
    ($level:ident, $subject:expr, $($fields:tt)*) => {
        $level!(
            target: "invocation",
            method = %$subject.method,
            invocationID = %$subject.invocation,
            invocation = %$subject.invocation,
            $($fields)*
        )
    };
}

/// The first attempt begins, of an invocation that `record` became if a subscription made it.
pub fn handling(it: Subject<'_>, record: Option<&RecordOrigin>) {
    match record {
        Some(RecordOrigin { subscription, partition, offset, .. }) => {
            line!(info, it, %subscription, %partition, %offset, "Handling invocation");
        }
        None => line!(info, it, "Handling invocation"),
    }
}

/// A later attempt begins, and replays the journal.
pub fn resuming(it: Subject<'_>, attempt: u32) {
    line!(debug, it, attempt, "Resuming invocation");
}

/// An attempt gave its instance back, to wait without it.
pub fn suspended(it: Subject<'_>, attempt: u32) {
    line!(debug, it, attempt, "Invocation suspended");
}

pub fn completed(it: Subject<'_>) {
    line!(info, it, "Invocation completed successfully");
}

/// The handler returned a terminal error, or its retries are exhausted.
pub fn failed(it: Subject<'_>, error: &str) {
    line!(info, it, error, "Invocation failed");
}

pub fn cancelled(it: Subject<'_>) {
    line!(info, it, "Invocation cancelled");
}

pub fn killed(it: Subject<'_>) {
    line!(warn, it, "Invocation killed");
}

/// An attempt failed; `next_in_ms` is when the next one begins, if one does by itself.
pub fn attempt_failed(it: Subject<'_>, attempt: u32, error: &str, next_in_ms: Option<u64>) {
    match next_in_ms {
        Some(next_in_ms) => line!(warn, it, attempt, error, next_in_ms, "Attempt failed"),
        None => line!(warn, it, attempt, error, "Attempt failed, and no other follows"),
    }
}

/// A `run` step failed; `next_in_ms` is when it is executed again, if it is.
pub fn step_failed(it: Subject<'_>, attempt: u32, step: &str, error: &str, next_in_ms: Option<u64>) {
    match next_in_ms {
        Some(next_in_ms) => line!(warn, it, attempt, step, error, next_in_ms, "Step failed"),
        None => line!(warn, it, attempt, step, error, "Step failed, and is not tried again"),
    }
}

pub fn paused(it: Subject<'_>, reason: &str) {
    line!(warn, it, reason, "Invocation paused");
}

pub fn resumed(it: Subject<'_>) {
    line!(info, it, "Invocation resumed");
}

/// It was asked to stop and compensate.
pub fn cancelling(it: Subject<'_>) {
    line!(info, it, "Cancelling invocation");
}

/// The host failed while it executed an attempt.
pub fn panicked(it: Subject<'_>, attempt: u32) {
    line!(error, it, attempt, "The host panicked while it executed an attempt");
}

/// The handler printed a line.
pub fn printed(it: Subject<'_>, attempt: u32, stream: &'static str, text: &str) {
    info!(target: "guest", method = %it.method, invocation = %it.invocation, attempt, stream, "{text}");
}
