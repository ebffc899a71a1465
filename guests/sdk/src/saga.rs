//! Steps that are undone when a later one fails for good.
//!
//! Invariants:
//! - A retryable error undoes nothing: the attempt is repeated, and what is done stays done.
//! - Compensations run one after the other, the latest first, and are shielded: a cancellation does not interrupt them.
//! - A step is registered before anybody waits for it, and taken off when it is known to have done nothing.
//! - A compensation that fails is never skipped: the handler becomes retryable, so the host backs off
//!   and in the end pauses the invocation for an operator.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use serde::de::DeserializeOwned;

use crate::call::Started;
use crate::{Call, Error, TerminalError, operations};

type Compensation<'a> = Box<dyn FnOnce() -> Undoing<'a> + 'a>;
/// Whether there was something to undo.
type Undoing<'a> = Pin<Box<dyn Future<Output = Result<bool, Error>> + 'a>>;

/// The compensations of what a handler has done so far.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Saga, Target};
/// async fn book(ctx: Context) -> Result<(), Error> {
///     let mut saga = Saga::new();
///     let result = reserve(ctx, &mut saga).await;
///     saga.settle(result).await
/// }
///
/// async fn reserve<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<(), Error> {
///     let flight: String = ctx.call(Target::service("flights", "reserve"), "FRA").await?;
///     saga.compensate(async move || {
///         Ok(ctx.call(Target::service("flights", "cancel"), &flight).await?)
///     });
///     ctx.call::<_, ()>(Target::service("payments", "charge"), &750).await?;
///     Ok(())
/// }
/// ```
#[derive(Default)]
#[must_use = "a saga that is dropped undoes nothing"]
pub struct Saga<'a> {
    compensations: Vec<Compensation<'a>>,
}

/// What [`Saga::undo`] has done.
///
/// ```no_run
/// # use holiday_sdk::{Error, Saga, TerminalError};
/// # async fn handler(saga: Saga<'_>, error: Error) -> Result<(), Error> {
/// let undone = saga.undo(error).await?;
/// let text = format!("failed with '{}'; {} steps undone", undone.cause, undone.applied);
/// # Err(TerminalError::new(text).into()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The error that started it.
    pub cause: TerminalError,
    /// How many compensations had something to undo.
    pub applied: usize,
}

impl<'a> Saga<'a> {
    /// Starts with nothing to undo.
    ///
    /// ```
    /// let saga = holiday_sdk::Saga::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers how to undo what has just been done, or is about to be done.
    ///
    /// A compensation that is registered before its step must bear that the step never happened.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Saga, Target};
    /// # async fn handler<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<(), Error> {
    /// let payment_id = ctx.uuid();
    /// let refund = ctx.call::<_, ()>(Target::service("payments", "refund"), &payment_id);
    /// saga.compensate(async move || Ok(refund.await?));
    /// ctx.call::<_, ()>(Target::service("payments", "charge"), &payment_id).await?;
    /// # Ok(()) }
    /// ```
    pub fn compensate<F>(&mut self, undo: F)
    where
        F: AsyncFnOnce() -> Result<(), Error> + 'a,
    {
        self.push(async move || undo().await.map(|()| true));
    }

    /// Makes a call whose result tells how to undo it.
    ///
    /// A call that fails is taken to have done nothing. One that nobody has waited for to its end may still do
    /// something, so its compensation first waits for how it ended:
    ///
    /// - If this invocation is cancelled, the host cancels the call first and tells the handler afterwards. What it leaves
    ///   alone is a call that joined somebody else's invocation, and one that is [shielded](crate::Context::shielded).
    /// - If the handler gives up waiting, say by a [`timeout`](crate::DurableExt::timeout), the compensation cancels the
    ///   call.
    ///
    /// # Errors
    ///
    /// When the call fails.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Saga, Target};
    /// # async fn handler<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<(), Error> {
    /// let reserve = ctx.call::<_, String>(Target::service("flights", "reserve"), "FRA");
    /// let flight = saga
    ///     .step(reserve, async move |flight| {
    ///         Ok(ctx.call(Target::service("flights", "cancel"), &flight).await?)
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn step<T, F>(&mut self, call: Call<T>, undo: F) -> Result<T, TerminalError>
    where
        T: Clone + DeserializeOwned + 'a,
        F: AsyncFnOnce(T) -> Result<(), Error> + 'a,
    {
        let step = Rc::new(RefCell::new(Step::UnderWay(call.start()?)));
        let registered = Rc::clone(&step);
        self.push(async move || match Step::end(&registered).await {
            Some(done) => undo(done).await.map(|()| true),
            None => Ok(false),
        });
        let result = poll_fn(|cx| step.borrow_mut().poll(cx)).await;
        if result.as_ref().is_err_and(|error| !error.is_interruption()) {
            self.compensations.pop();
        }
        result
    }

    fn push<F>(&mut self, undo: F)
    where
        F: AsyncFnOnce() -> Result<bool, Error> + 'a,
    {
        self.compensations.push(Box::new(move || Box::pin(async move { undo().await })));
    }

    /// Undoes everything, the latest first, because of a terminal error.
    ///
    /// A cancellation that comes meanwhile is told at the next thing that is awaited afterwards. What has to be said even
    /// then belongs into [`Context::shielded`](crate::Context::shielded).
    ///
    /// # Errors
    ///
    /// A retryable error comes back as it is, and nothing is undone. When a compensation fails, the
    /// result is a retryable error that tells of it.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, Saga};
    /// # async fn handler(saga: Saga<'_>) -> Result<(), Error> {
    /// let undone = saga.undo(Error::terminal("sold out")).await?;
    /// println!("{} steps undone", undone.applied);
    /// # Ok(()) }
    /// ```
    pub async fn undo(self, error: Error) -> Result<Undone, Error> {
        let Error::Terminal(cause) = error else { return Err(error) };
        let mut applied = 0;
        for compensation in self.compensations.into_iter().rev() {
            match operations::shielded(compensation()).await {
                Ok(had_effect) => applied += usize::from(had_effect),
                Err(Error::Terminal(failure)) => {
                    return Err(Error::retryable(format!("a compensation for '{cause}' failed: {failure}")));
                }
                Err(retryable) => return Err(retryable),
            }
        }
        Ok(Undone { cause, applied })
    }

    /// Passes a success on; undoes everything for a terminal error, which is then passed on too.
    ///
    /// # Errors
    ///
    /// The error of `result`, or what [`undo`](Self::undo) failed with.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Saga};
    /// # async fn reserve(_: &mut Saga<'_>) -> Result<u32, Error> { Ok(1) }
    /// # async fn handler(ctx: Context) -> Result<u32, Error> {
    /// let mut saga = Saga::new();
    /// let result = reserve(&mut saga).await;
    /// saga.settle(result).await
    /// # }
    /// ```
    pub async fn settle<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.undo(error).await?.cause.into()),
        }
    }
}

/// A call that is undone if it has done something.
enum Step<T> {
    UnderWay(Started<T>),
    /// This invocation was cancelled before there was an answer.
    Interrupted(Started<T>),
    Done(T),
    /// It has done nothing, or its end was asked for.
    Over,
}

impl<T: Clone> Step<T> {
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<T, TerminalError>> {
        let Self::UnderWay(mut call) = std::mem::replace(self, Self::Over) else {
            unreachable!("only a call that is under way is waited for");
        };
        let polled = Pin::new(&mut call).poll(cx);
        *self = match &polled {
            Poll::Pending => Self::UnderWay(call),
            Poll::Ready(Ok(done)) => Self::Done(done.clone()),
            Poll::Ready(Err(error)) if error.is_interruption() => Self::Interrupted(call),
            Poll::Ready(Err(_)) => Self::Over,
        };
        polled
    }

    /// Learns what the step has done, if anything.
    async fn end(step: &RefCell<Self>) -> Option<T> {
        let call = match step.replace(Self::Over) {
            Self::Done(done) => return Some(done),
            Self::Over => return None,
            Self::Interrupted(call) => call,
            Self::UnderWay(call) => {
                call.cancel();
                call
            }
        };
        call.await.ok()
    }
}

impl fmt::Debug for Saga<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Saga({} compensations)", self.compensations.len())
    }
}
