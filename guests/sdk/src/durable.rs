//! The future of one durable operation.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::backend::Pending;
use crate::operations::Operation;
use crate::{TerminalError, json};

/// The answer to come of a durable operation: a timer, a call, an awakeable.
///
/// The operation was recorded when this was made. Dropping it means not waiting any longer; it does
/// not undo the operation.
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
    value: PhantomData<fn() -> T>,
}

enum Source {
    Operation(Operation),
    /// It could not even be asked for.
    Failed(TerminalError),
}

impl<T> Durable<T> {
    pub(crate) fn issued(pending: Pending) -> Self {
        Self { source: Source::Operation(Operation::issued(pending)), value: PhantomData }
    }

    pub(crate) fn failed(error: TerminalError) -> Self {
        Self { source: Source::Failed(error), value: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for Durable<T> {
    type Output = Result<T, TerminalError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.source {
            Source::Operation(operation) => operation.poll(cx).map(|answer| json::decode(&answer?)),
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
