//! What every handler may ask of the host.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::types::Outcome;
use crate::call::{Call, Target, as_ms};
use crate::durable::Durable;
use crate::info::Info;
use crate::invocation::{Invocation, Named};
use crate::random::Random;
use crate::run::Run;
use crate::{Error, TerminalError, backend, id, json, operations};

/// What every handler may do, and all that a handler of a plain service may do.
///
/// It is a small value that stands for the running invocation: copy it wherever it is needed.
///
/// ```no_run
/// use holiday_sdk::{Context, Error};
///
/// struct Greeter;
///
/// #[holiday_sdk::service]
/// impl Greeter {
///     pub async fn greet(ctx: Context, name: String) -> Result<String, Error> {
///         let number = ctx.run("draw", async || Ok(7)).await?;
///         Ok(format!("Hello, {name}! Your number is {number}."))
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Context(());

impl Context {
    /// The context of the one handler that a component instance runs.
    pub(crate) fn of_this_handler() -> Self {
        Self(())
    }

    /// Executes a step that touches the world, and records how it ended.
    ///
    /// Once recorded, the closure is not executed again: later attempts see the recorded value. If the
    /// process dies in between, it is executed once more, so what it does should bear repeating, say
    /// by an idempotency key. A [terminal](TerminalError) error ends the step; any other is retried.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, http};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let fare: u32 = ctx
    ///     .run("quote", async || http::get("https://fares.example/DTW-FRA").send().await?.error_for_status()?.json())
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn run<'a, T, F>(&self, name: impl Into<String>, closure: F) -> Run<'a, T>
    where
        F: AsyncFnOnce() -> Result<T, Error> + 'a,
        T: Serialize + DeserializeOwned + 'a,
    {
        Run::new(name.into(), closure)
    }

    /// Starts a durable timer.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// ctx.sleep(Duration::from_secs(5)).await?;
    /// # Ok(()) }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Durable<()> {
        operations::assert_outside_run("a timer");
        Durable::issued(backend::sleep(as_ms(duration), None))
    }

    /// Addresses a handler whose types are not at hand; otherwise use its generated client.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let sum: u32 = ctx.call(Target::keyed("Counter", "a", "add"), &1).await?;
    /// # Ok(()) }
    /// ```
    pub fn call<I, O>(&self, target: Target, input: &I) -> Call<O>
    where
        I: Serialize + ?Sized,
    {
        Call::with_input(target, input)
    }

    /// Addresses a handler that takes no input.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let sum: u32 = ctx.call_empty(Target::keyed("Counter", "a", "get")).await?;
    /// # Ok(()) }
    /// ```
    pub fn call_empty<O>(&self, target: Target) -> Call<O> {
        Call::empty(target)
    }

    /// Starts a durable timer with a name, by which operators find it in the journal.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// ctx.sleep_named("until moderation", Duration::from_secs(5)).await?;
    /// # Ok(()) }
    /// ```
    pub fn sleep_named(&self, name: &str, duration: Duration) -> Durable<()> {
        operations::assert_outside_run("a timer");
        Durable::issued(backend::sleep(as_ms(duration), Some(name)))
    }

    /// Creates an awakeable: an id to give away, and the answer of whoever completes it.
    ///
    /// It is completed [by a handler](Self::resolve_awakeable), or over HTTP at `/restate/awakeables/{id}/resolve`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, http};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let (id, approved) = ctx.awakeable::<bool>();
    /// ctx.run("ask", async || http::post("https://ask.example").json(&id).send().await?.text()).await?;
    /// if approved.await? {
    ///     println!("approved");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn awakeable<T: DeserializeOwned>(&self) -> (String, Durable<T>) {
        operations::assert_outside_run("an awakeable");
        let awakeable = backend::awakeable();
        (awakeable.id, Durable::issued(awakeable.result))
    }

    /// Completes an awakeable of any invocation; only the first completion counts.
    ///
    /// # Errors
    ///
    /// With code 400, when the id is none; and when the value cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.resolve_awakeable(&id, &true)?;
    /// # Ok(()) }
    /// ```
    pub fn resolve_awakeable<T: Serialize + ?Sized>(&self, id: &str, value: &T) -> Result<(), TerminalError> {
        complete_awakeable(id, &Outcome::Success(json::encode(value)?))
    }

    /// Fails an awakeable of any invocation; only the first completion counts.
    ///
    /// # Errors
    ///
    /// With code 400, when the id is none.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.reject_awakeable(&id, "Unable to execute query")?;
    /// # Ok(()) }
    /// ```
    pub fn reject_awakeable(&self, id: &str, reason: impl Into<TerminalError>) -> Result<(), TerminalError> {
        complete_awakeable(id, &Outcome::Failure(reason.into().into()))
    }

    /// Waits for the next signal of this name that is [sent](Invocation::signal) to this invocation.
    ///
    /// Signals that come before are kept, and each is for one wait, in the order in which they were sent.
    ///
    /// # Errors
    ///
    /// Awaited, with the reason of a [rejection](Invocation::reject_signal); and when the value is not a `T`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let approved: bool = ctx.signal("approved").await?;
    /// # Ok(()) }
    /// ```
    pub fn signal<T: DeserializeOwned>(&self, name: &str) -> Durable<T> {
        operations::assert_outside_run("a signal");
        Durable::issued(backend::signal(name))
    }

    /// Names an invocation by its id, to attach to it, cancel it or send it a signal.
    ///
    /// # Errors
    ///
    /// With code 400, when the text is no invocation id.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// let report = ctx.invocation(&id)?.answering::<u32>();
    /// let pages = report.attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn invocation(&self, id: &str) -> Result<Invocation, TerminalError> {
        Invocation::parse(id)
    }

    /// Names an invocation by its idempotency key, to attach to it, or to look at its outcome.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let charge = ctx.by_idempotency_key(Target::service("payments", "charge"), "trip-1");
    /// let receipt = charge.answering::<String>().attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn by_idempotency_key(&self, target: Target, key: impl Into<String>) -> Named {
        Named::by_idempotency_key(target, key)
    }

    /// Names the run of a workflow, to attach to it, or to look at its outcome; with types, by its generated client.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let confirmed = ctx.workflow("Signup", "ann@example.com").answering::<bool>().attach().await?;
    /// # Ok(()) }
    /// ```
    pub fn workflow(&self, name: impl Into<String>, id: impl Into<String>) -> Named {
        Named::workflow(name, id)
    }

    /// Runs `work` past a cancellation of this invocation: what it awaits is not interrupted, and the calls that it makes
    /// are not cancelled.
    ///
    /// It is for compensating by hand; a [`Saga`](crate::Saga) does it by itself. A cancellation that comes meanwhile is
    /// told at the next thing that is awaited outside. Calls that were started before are not shielded.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Target};
    /// # async fn pay(ctx: Context) -> Result<(), Error> { Ok(()) }
    /// async fn book(ctx: Context) -> Result<String, Error> {
    ///     let flight: String = ctx.call(Target::service("flights", "reserve"), "FRA").await?;
    ///     match pay(ctx).await {
    ///         Err(error) if error.is_terminal() => {
    ///             ctx.shielded(ctx.call::<_, ()>(Target::service("flights", "cancel"), &flight)).await?;
    ///             Err(error)
    ///         }
    ///         paid => paid.map(|()| flight),
    ///     }
    /// }
    /// ```
    pub async fn shielded<F: IntoFuture>(&self, work: F) -> F::Output {
        operations::shielded(work).await
    }

    /// Tells what the host knows about this invocation.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let info = ctx.info();
    /// println!("{} for tenant {:?}", info.invocation_id, info.header("x-tenant"));
    /// # Ok(()) }
    /// ```
    pub fn info(&self) -> Info {
        Info::read()
    }

    /// Gives random numbers that are the same in every attempt.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, rand_core::RngCore};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let lot = ctx.random().next_u64();
    /// # Ok(()) }
    /// ```
    pub fn random(&self) -> Random {
        Random::new()
    }

    /// Draws a version 4 UUID that is the same in every attempt.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let booking_id = ctx.uuid();
    /// # Ok(()) }
    /// ```
    pub fn uuid(&self) -> String {
        Random::new().uuid()
    }
}

fn complete_awakeable(id: &str, outcome: &Outcome) -> Result<(), TerminalError> {
    operations::assert_outside_run("the completion of an awakeable");
    id::check_awakeable(id)?;
    backend::complete_awakeable(id, outcome);
    Ok(())
}
