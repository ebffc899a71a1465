//! Calls and one-way sends to other handlers.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::context::{CallOptions, SendOptions};
use crate::bindings::types::{self, Header};
use crate::durable::Durable;
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
pub struct Target(types::Target);

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
///     ctx.call::<_, ()>(Target::service("audit", "note"), &name).delay(Duration::from_secs(5)).send()?;
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
    delay: Option<Duration>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    /// A request without a body.
    pub(crate) fn empty(target: Target) -> Self {
        Self {
            target,
            body: Ok(Vec::new()),
            idempotency_key: None,
            headers: Vec::new(),
            delay: None,
            answer: PhantomData,
        }
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

    /// Has a [`send`](Self::send) start this much later; a call that is awaited ignores it.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let tomorrow = Duration::from_secs(24 * 60 * 60);
    /// ctx.call::<_, ()>(Target::keyed("trips", "trip-1", "remind"), &()).delay(tomorrow).send()?;
    /// # Ok(()) }
    /// ```
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay: Some(delay), ..self }
    }

    /// Records the call now; the answer may be awaited later.
    ///
    /// # Errors
    ///
    /// When the input cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let quote = ctx.call::<_, u32>(Target::service("quotes", "get"), "BMW").start()?;
    /// println!("asked in {}", quote.invocation_id());
    /// let price = quote.await?;
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Result<Started<T>, TerminalError> {
        operations::assert_outside_run("a call");
        let options =
            CallOptions { idempotency_key: self.idempotency_key, headers: self.headers, shielded: false };
        let call = backend::call(&self.target.0, &self.body?, &options);
        Ok(Started { invocation_id: call.invocation_id, answer: Durable::issued(call.result) })
    }

    /// Records a one-way invocation and returns its id.
    ///
    /// # Errors
    ///
    /// When the input cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let invocation_id = ctx.call::<_, ()>(Target::service("audit", "note"), "hello").send()?;
    /// # Ok(()) }
    /// ```
    pub fn send(self) -> Result<String, TerminalError> {
        operations::assert_outside_run("a send");
        let options = SendOptions {
            delay_ms: self.delay.map(as_ms),
            idempotency_key: self.idempotency_key,
            headers: self.headers,
        };
        Ok(backend::send(&self.target.0, &self.body?, &options))
    }
}

impl<T: DeserializeOwned> IntoFuture for Call<T> {
    type Output = Result<T, TerminalError>;
    type IntoFuture = Durable<T>;

    fn into_future(self) -> Durable<T> {
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

/// A call that is under way.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Started, Target};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let quote: Started<u32> = ctx.call(Target::service("quotes", "get"), "BMW").start()?;
/// let price = quote.await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a call answers only who awaits it"]
pub struct Started<T> {
    invocation_id: String,
    answer: Durable<T>,
}

impl<T> Started<T> {
    /// Returns the id of the callee's invocation, `inv_…`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let quote = ctx.call::<_, u32>(Target::service("quotes", "get"), "BMW").start()?;
    /// ctx.cancel(quote.invocation_id());
    /// # Ok(()) }
    /// ```
    pub fn invocation_id(&self) -> &str {
        &self.invocation_id
    }
}

impl<T: DeserializeOwned> Future for Started<T> {
    type Output = Result<T, TerminalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx)
    }
}

/// Whole milliseconds, rounded up so that a wait is never shorter than asked.
pub(crate) fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
