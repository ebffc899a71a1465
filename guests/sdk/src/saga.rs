//! Steps that are undone when a later one fails for good.
//!
//! Invariants:
//! - A retryable error undoes nothing: the attempt is repeated, and what is done stays done.
//! - Compensations run one after the other, the latest first, and a cancellation does not interrupt them.
//! - A compensation that fails is never skipped: the handler becomes retryable, so the host backs off
//!   and in the end pauses the invocation for an operator.

use std::fmt;
use std::pin::Pin;

use serde::de::DeserializeOwned;

use crate::context::{ContextOf, mode};
use crate::{Call, Context, Error, TerminalError, operations};

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
    /// If this invocation is cancelled while the call is under way, nobody knows yet what there is to
    /// undo. Then the callee is cancelled too, and the compensation first waits for how it ended.
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
        let mut call = call.start()?;
        let result = (&mut call).await;
        match &result {
            Ok(done) => {
                let done = done.clone();
                self.compensate(async move || undo(done).await);
            }
            Err(error) if error.is_cancelled() => self.push(async move || {
                <Context as ContextOf<mode::Service>>::enter().cancel(call.invocation_id());
                match call.await {
                    Ok(done) => undo(done).await.map(|()| true),
                    Err(_nothing_done) => Ok(false),
                }
            }),
            Err(_) => {}
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

impl fmt::Debug for Saga<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Saga({} compensations)", self.compensations.len())
    }
}
