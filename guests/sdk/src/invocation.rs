//! Invocations of others, or of one's own, by their ids and by their other names.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::context;
use crate::bindings::types::Outcome;
use crate::call::Target;
use crate::durable::Durable;
use crate::{TerminalError, backend, id, json, operations};

/// An invocation by its id: what a [`send`](crate::Call::send) gives, a [`start`](crate::Call::start), and
/// [`Context::invocation`](crate::Context::invocation).
///
/// `T` is what it answers. Where that is not known, it is JSON; [`answering`](Self::answering) says it.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Invocation, Target};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let report: Invocation<u32> = ctx.call(Target::service("reports", "make"), "2021-07").send()?;
/// let pages = report.attach().await?;
/// # Ok(()) }
/// ```
pub struct Invocation<T = Value> {
    id: String,
    answer: PhantomData<fn() -> T>,
}

impl Invocation {
    /// # Errors
    ///
    /// With code 400, when the text is no invocation id.
    pub(crate) fn parse(id: &str) -> Result<Self, TerminalError> {
        id::check_invocation(id)?;
        Ok(Self::known(id.to_owned()))
    }
}

impl<T> Invocation<T> {
    /// One whose id the host has given.
    pub(crate) fn known(id: String) -> Self {
        Self { id, answer: PhantomData }
    }

    /// Returns its id, `inv_…`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let report = ctx.call::<_, ()>(Target::service("reports", "make"), "2021-07").send()?;
    /// println!("{} makes the report", report.id());
    /// # Ok(()) }
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Says what it answers.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// let pages = ctx.invocation(&id)?.answering::<u32>().attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn answering<U>(self) -> Invocation<U> {
        Invocation::known(self.id)
    }

    /// Waits for its outcome. It is not cancelled with this invocation.
    ///
    /// # Errors
    ///
    /// Awaited, with its own terminal error; with code 404, when there is no such invocation, or none any more; with
    /// code 409, when it waits for this one.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// let answer = ctx.invocation(&id)?.attach().await?;
    /// println!("it answered {answer}");
    /// # Ok(()) }
    /// ```
    pub fn attach(&self) -> Durable<T>
    where
        T: DeserializeOwned,
    {
        attach(&self.named())
    }

    /// Looks whether it has an outcome: `None` if it has not ended.
    ///
    /// # Errors
    ///
    /// Awaited, with its own terminal error; with code 404, when there is no such invocation, or none any more.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let report = ctx.call::<_, u32>(Target::service("reports", "make"), "2021-07").send()?;
    /// match report.output().await? {
    ///     Some(pages) => println!("{pages} pages"),
    ///     None => println!("not yet"),
    /// }
    /// # Ok(()) }
    /// ```
    pub fn output(&self) -> Durable<Option<T>>
    where
        T: DeserializeOwned,
    {
        output(&self.named())
    }

    /// Cancels it: what it awaits fails with code 409, and it may compensate. One that has ended stays as it is.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.invocation(&id)?.cancel();
    /// # Ok(()) }
    /// ```
    pub fn cancel(&self) {
        operations::assert_outside_run("a cancellation");
        backend::cancel(&self.id);
    }

    /// Sends it a signal, for the next [`Context::signal`](crate::Context::signal) of this name.
    ///
    /// # Errors
    ///
    /// Awaited, with code 404, when there is no such invocation; with code 409, when it has ended; with code 429, when
    /// it keeps too many signals that nobody has waited for.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.invocation(&id)?.signal("approved", &true).await?;
    /// # Ok(()) }
    /// ```
    pub fn signal<V: Serialize + ?Sized>(&self, name: &str, value: &V) -> Durable<()> {
        match json::encode(value) {
            Ok(value) => self.send_signal(name, Outcome::Success(value)),
            Err(error) => Durable::failed(error),
        }
    }

    /// Sends it a signal that fails for whoever waits for it.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.invocation(&id)?.reject_signal("approved", "nobody is in the office").await?;
    /// # Ok(()) }
    /// ```
    pub fn reject_signal(&self, name: &str, reason: impl Into<TerminalError>) -> Durable<()> {
        self.send_signal(name, Outcome::Failure(reason.into().into()))
    }

    fn send_signal(&self, name: &str, outcome: Outcome) -> Durable<()> {
        operations::assert_outside_run("a signal");
        Durable::issued(backend::send_signal(&self.id, name, &outcome))
    }

    fn named(&self) -> context::Named {
        context::Named::Id(self.id.clone())
    }
}

impl<T> Clone for Invocation<T> {
    fn clone(&self) -> Self {
        Self::known(self.id.clone())
    }
}

impl<T> fmt::Debug for Invocation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invocation({})", self.id)
    }
}

/// An invocation by another name than its id: an idempotency key, or a workflow id.
///
/// It comes from [`Context::by_idempotency_key`](crate::Context::by_idempotency_key) and [`Context::workflow`](crate::Context::workflow). `T` is
/// what the invocation answers. Where that is not known, it is JSON; [`answering`](Self::answering) says it.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Named};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let signup: Named<bool> = ctx.workflow("Signup", "ann@example.com").answering();
/// let confirmed = signup.attach().await?;
/// # Ok(()) }
/// ```
pub struct Named<T = Value> {
    name: context::Named,
    answer: PhantomData<fn() -> T>,
}

impl<T> Named<T> {
    pub(crate) fn by_idempotency_key(target: Target, key: impl Into<String>) -> Self {
        let keyed = context::Keyed { target: target.0, idempotency_key: key.into() };
        Self::new(context::Named::IdempotencyKey(keyed))
    }

    pub(crate) fn workflow(name: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(context::Named::Workflow(context::Workflow { name: name.into(), key: id.into() }))
    }

    fn new(name: context::Named) -> Self {
        Self { name, answer: PhantomData }
    }

    /// Says what it answers.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let confirmed = ctx.workflow("Signup", "ann@example.com").answering::<bool>().attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn answering<U>(self) -> Named<U> {
        Named::new(self.name)
    }

    /// Waits for its outcome. It is not cancelled with this invocation.
    ///
    /// # Errors
    ///
    /// As [`Invocation::attach`].
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let answer = ctx.workflow("Signup", "ann@example.com").attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn attach(&self) -> Durable<T>
    where
        T: DeserializeOwned,
    {
        attach(&self.name)
    }

    /// Looks whether it has an outcome: `None` if it has not ended.
    ///
    /// # Errors
    ///
    /// As [`Invocation::output`].
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let has_ended = ctx.workflow("Signup", "ann@example.com").output().await?.is_some();
    /// # Ok(()) }
    /// ```
    pub fn output(&self) -> Durable<Option<T>>
    where
        T: DeserializeOwned,
    {
        output(&self.name)
    }
}

impl<T> Clone for Named<T> {
    fn clone(&self) -> Self {
        Self::new(self.name.clone())
    }
}

impl<T> fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({:?})", self.name)
    }
}

fn attach<T: DeserializeOwned>(to: &context::Named) -> Durable<T> {
    operations::assert_outside_run("attaching");
    Durable::issued(backend::attach(to))
}

fn output<T: DeserializeOwned>(of: &context::Named) -> Durable<Option<T>> {
    operations::assert_outside_run("an output");
    Durable::looking(backend::output(of))
}
