//! The future of one durable operation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::backend::Pending;
use crate::bindings::types::Answer;
use crate::operations::Operation;
use crate::{TerminalError, json};

/// The answer to come of a durable operation: a timer, a call, an awakeable, a promise.
///
/// The operation was recorded when this was made. Dropping it means not waiting any longer; it does
/// not undo the operation.
///
/// Awaiting it fails terminally: as the operation itself did, or because this invocation
/// [was cancelled](TerminalError::is_cancelled) meanwhile.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, Durable, Error};
/// async fn remind(ctx: Context) -> Result<(), Error> {
///     let alarm: Durable<()> = ctx.sleep(Duration::from_secs(60)); // the clock runs from here
///     println!("the alarm is set");
///     alarm.await?;
///     Ok(())
/// }
/// ```
#[must_use = "an operation answers only who awaits it"]
pub struct Durable<T> {
    source: Source,
    decode: fn(Answer) -> Result<T, TerminalError>,
}

enum Source {
    Operation(Operation),
    /// It could not even be asked for.
    Failed(TerminalError),
}

impl<T: DeserializeOwned> Durable<T> {
    /// An operation that ends in a value.
    pub(crate) fn issued(pending: Pending) -> Self {
        Self::of(Operation::issued(pending))
    }

    /// An operation that the host was not asked for, because a cancellation is due.
    pub(crate) fn withheld(cancelled: TerminalError) -> Self {
        Self::of(Operation::withheld(cancelled))
    }

    pub(crate) fn of(operation: Operation) -> Self {
        Self { source: Source::Operation(operation), decode: value }
    }

    pub(crate) fn failed(error: TerminalError) -> Self {
        Self { source: Source::Failed(error), decode: value }
    }
}

impl<T: DeserializeOwned> Durable<Option<T>> {
    /// An operation that looks whether there is a value.
    pub(crate) fn looking(pending: Pending) -> Self {
        Self { source: Source::Operation(Operation::issued(pending)), decode: value_so_far }
    }
}

fn value<T: DeserializeOwned>(answer: Answer) -> Result<T, TerminalError> {
    value_so_far(answer)?.ok_or_else(|| TerminalError::new("the host gave no answer to what was asked"))
}

fn value_so_far<T: DeserializeOwned>(answer: Answer) -> Result<Option<T>, TerminalError> {
    match answer {
        Answer::Success(value) => json::decode(&value).map(Some),
        Answer::Failure(failure) => Err(failure.into()),
        Answer::NotReady => Ok(None),
    }
}

impl<T> Future for Durable<T> {
    type Output = Result<T, TerminalError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.source {
            Source::Operation(operation) => operation.poll(cx).map(|answer| (self.decode)(answer?)),
            Source::Failed(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl<T> fmt::Debug for Durable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Operation(operation) => operation.fmt(f),
            Source::Failed(error) => error.fmt(f),
        }
    }
}
