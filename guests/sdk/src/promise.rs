//! Durable promises of workflows.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::types::Outcome;
use crate::durable::Durable;
use crate::{TerminalError, backend, json, operations};

/// A value of a workflow under a name, which is completed once, by any of its handlers, and seen by all of them.
///
/// It comes from [`WorkflowContext::promise`](crate::WorkflowContext::promise) and
/// [`SharedWorkflowContext::promise`](crate::SharedWorkflowContext::promise), and needs not be created before. It lives
/// as long as the outcome of the workflow is kept. To wait for the world without a workflow there is
/// [`Context::awakeable`](crate::Context::awakeable).
///
/// ```
/// use holiday_sdk::{Error, SharedWorkflowContext, WorkflowContext};
///
/// struct Signup;
///
/// #[holiday_sdk::workflow]
/// impl Signup {
///     async fn run(ctx: WorkflowContext, mail: String) -> Result<bool, Error> {
///         println!("{mail} has to confirm");
///         Ok(ctx.promise("confirmed").get().await?)
///     }
///
///     async fn confirm(ctx: SharedWorkflowContext) -> Result<(), Error> {
///         Ok(ctx.promise("confirmed").resolve(&true).await?)
///     }
/// }
/// # fn main() {}
/// ```
pub struct Promise<T: ?Sized> {
    name: String,
    value: PhantomData<fn(&T)>,
}

impl<T: ?Sized> Promise<T> {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: PhantomData }
    }

    /// Waits for its value.
    ///
    /// # Errors
    ///
    /// Awaited, with the reason it was rejected with; and when the value is not a `T`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, WorkflowContext};
    /// # async fn handler(ctx: WorkflowContext) -> Result<(), Error> {
    /// let paid: u32 = ctx.promise("payment").get().await?;
    /// # Ok(()) }
    /// ```
    pub fn get(&self) -> Durable<T>
    where
        T: DeserializeOwned,
    {
        operations::assert_outside_run("a promise");
        Durable::issued(backend::promise_get(&self.name))
    }

    /// Looks whether it has been completed: `None` if not.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedWorkflowContext};
    /// # async fn handler(ctx: SharedWorkflowContext) -> Result<&'static str, Error> {
    /// let paid: Option<u32> = ctx.promise("payment").peek().await?;
    /// Ok(if paid.is_some() { "paid" } else { "waiting" })
    /// # }
    /// ```
    pub fn peek(&self) -> Durable<Option<T>>
    where
        T: DeserializeOwned,
    {
        operations::assert_outside_run("a promise");
        Durable::looking(backend::promise_peek(&self.name))
    }

    /// Completes it with a value.
    ///
    /// # Errors
    ///
    /// Awaited, with code 409, when it was completed before; and when the value cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedWorkflowContext};
    /// # async fn handler(ctx: SharedWorkflowContext) -> Result<(), Error> {
    /// ctx.promise("payment").resolve(&750).await?;
    /// ctx.promise("payer").resolve("Ann").await?;
    /// # Ok(()) }
    /// ```
    pub fn resolve(&self, value: &T) -> Durable<()>
    where
        T: Serialize,
    {
        match json::encode(value) {
            Ok(value) => self.complete(&Outcome::Success(value)),
            Err(error) => Durable::failed(error),
        }
    }

    /// Completes it with a terminal error, which all who wait for it get.
    ///
    /// # Errors
    ///
    /// Awaited, with code 409, when it was completed before.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedWorkflowContext, TerminalError};
    /// # async fn handler(ctx: SharedWorkflowContext) -> Result<(), Error> {
    /// ctx.promise::<u32>("payment").reject("the card was refused").await?;
    /// ctx.promise::<u32>("refund").reject(TerminalError::new("no such payment").with_code(404)).await?;
    /// # Ok(()) }
    /// ```
    pub fn reject(&self, reason: impl Into<TerminalError>) -> Durable<()> {
        self.complete(&Outcome::Failure(reason.into().into()))
    }

    fn complete(&self, outcome: &Outcome) -> Durable<()> {
        operations::assert_outside_run("the completion of a promise");
        Durable::issued(backend::promise_complete(&self.name, outcome))
    }
}

impl<T: ?Sized> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Promise({})", self.name)
    }
}
