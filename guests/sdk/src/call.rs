//! Calls and one-way sends to other handlers.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::context::{CallOptions, SendOptions};
use crate::bindings::types::{self, Header};
use crate::durable::Durable;
use crate::invocation::Invocation;
use crate::{TerminalError, backend, json, operations};

/// What an invocation is addressed to.
///
/// ```
/// use holiday_sdk::Target;
///
/// let target = Target::keyed("flights", "trip-1", "reserve");
/// assert_eq!(target.to_string(), "flights/trip-1/reserve");
/// ```
#[derive(Clone, Debug)]
pub struct Target(pub(crate) types::Target);

impl Target {
    /// A handler of a plain service.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::Target::service("trips", "reserve").to_string(), "trips/reserve");
    /// ```
    pub fn service(service: impl Into<String>, handler: impl Into<String>) -> Self {
        Self(types::Target { service: service.into(), key: None, handler: handler.into() })
    }

    /// A handler of a virtual object or a workflow.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::Target::keyed("Counter", "a", "add").to_string(), "Counter/a/add");
    /// ```
    pub fn keyed(service: impl Into<String>, key: impl Into<String>, handler: impl Into<String>) -> Self {
        Self(types::Target { service: service.into(), key: Some(key.into()), handler: handler.into() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types::Target { service, key, handler } = &self.0;
        match key {
            Some(key) => write!(f, "{service}/{key}/{handler}"),
            None => write!(f, "{service}/{handler}"),
        }
    }
}

/// A request to another handler, on its way to become a call or a one-way send.
///
/// Await it to call; [`start`](Self::start) it to call now and await later; [`send`](Self::send) it to
/// not wait at all. Until then nothing is recorded.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, Error, Target};
/// async fn greet(ctx: Context, name: String) -> Result<String, Error> {
///     ctx.call::<_, ()>(Target::service("audit", "note"), &name).send_after(Duration::from_secs(5))?;
///     let greeting: String = ctx.call(Target::service("Greeter", "greet"), &name).await?;
///     Ok(greeting)
/// }
/// ```
#[must_use = "a call does nothing until it is awaited, started or sent"]
pub struct Call<T> {
    target: Target,
    body: Result<Vec<u8>, TerminalError>,
    idempotency_key: Option<String>,
    headers: Vec<Header>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    /// A request without a body.
    pub(crate) fn empty(target: Target) -> Self {
        Self { target, body: Ok(Vec::new()), idempotency_key: None, headers: Vec::new(), answer: PhantomData }
    }

    pub(crate) fn with_input<I: Serialize + ?Sized>(target: Target, input: &I) -> Self {
        Self { body: json::encode(input), ..Self::empty(target) }
    }

    /// Joins the first invocation of the same target with the same key instead of starting another.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let receipt: String =
    ///     ctx.call(Target::service("payments", "charge"), &750).idempotency_key("trip-1").await?;
    /// # Ok(()) }
    /// ```
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }

    /// Adds a header that the callee can read.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// ctx.call::<_, ()>(Target::service("audit", "note"), "hello").header("x-tenant", "acme").await?;
    /// # Ok(()) }
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into().to_ascii_lowercase(), value: value.into() });
        self
    }

    /// Records the call now; the answer may be awaited later.
    ///
    /// # Errors
    ///
    /// When the input cannot be written as JSON; and with the cancellation, when this invocation has been cancelled and
    /// nothing could be told of it before.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let quote = ctx.call::<_, u32>(Target::service("quotes", "get"), "BMW").start()?;
    /// println!("asked in {}", quote.id());
    /// let price = quote.await?;
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Result<Started<T>, TerminalError>
    where
        T: DeserializeOwned,
    {
        operations::assert_outside_run("a call");
        let body = self.body?;
        if let Some(cancelled) = operations::tell_cancellation() {
            return Err(cancelled);
        }
        let options = CallOptions {
            idempotency_key: self.idempotency_key,
            headers: self.headers,
            shielded: operations::is_shielded(),
        };
        let call = backend::call(&self.target.0, &body, &options);
        Ok(Started {
            invocation: Invocation::known(call.invocation_id),
            answer: Durable::issued(call.result),
        })
    }

    /// Records a one-way invocation.
    ///
    /// It is an invocation of its own: it is not cancelled with this one. One that cannot be delivered, say because
    /// there is no such handler, is dropped; this handler's journal shows it. Its outcome is kept for an hour for those who
    /// [attach](Invocation::attach), or for as long as that of its [idempotency key](Self::idempotency_key).
    ///
    /// # Errors
    ///
    /// When the input cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let report = ctx.call::<_, u32>(Target::service("reports", "make"), "2021-07").send()?;
    /// println!("{} makes the report", report.id());
    /// # Ok(()) }
    /// ```
    pub fn send(self) -> Result<Invocation<T>, TerminalError> {
        self.send_in(None)
    }

    /// Records a one-way invocation that starts after a while.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let tomorrow = Duration::from_secs(24 * 60 * 60);
    /// ctx.call::<_, ()>(Target::keyed("trips", "trip-1", "remind"), &()).send_after(tomorrow)?;
    /// # Ok(()) }
    /// ```
    pub fn send_after(self, delay: Duration) -> Result<Invocation<T>, TerminalError> {
        self.send_in(Some(delay))
    }

    fn send_in(self, delay: Option<Duration>) -> Result<Invocation<T>, TerminalError> {
        operations::assert_outside_run("a send");
        let options = SendOptions {
            delay_ms: delay.map(as_ms),
            idempotency_key: self.idempotency_key,
            headers: self.headers,
        };
        Ok(Invocation::known(backend::send(&self.target.0, &self.body?, &options)))
    }
}

impl<T: DeserializeOwned> IntoFuture for Call<T> {
    type Output = Result<T, TerminalError>;
    type IntoFuture = Durable<T>;

    fn into_future(self) -> Durable<T> {
        if let Some(cancelled) = operations::due_cancellation() {
            return Durable::withheld(cancelled);
        }
        match self.start() {
            Ok(started) => started.answer,
            Err(error) => Durable::failed(error),
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.target)
    }
}

/// A call that is under way; a handle of the callee's [`Invocation`], too.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Started, Target};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let quote: Started<u32> = ctx.call(Target::service("quotes", "get"), "BMW").start()?;
/// quote.signal("currency", "EUR").await?;
/// let price = quote.await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a call answers only who awaits it"]
pub struct Started<T> {
    invocation: Invocation<T>,
    answer: Durable<T>,
}

impl<T> Deref for Started<T> {
    type Target = Invocation<T>;

    fn deref(&self) -> &Invocation<T> {
        &self.invocation
    }
}

impl<T> Future for Started<T> {
    type Output = Result<T, TerminalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx)
    }
}

/// Whole milliseconds, rounded up so that a wait is never shorter than asked.
pub(crate) fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
