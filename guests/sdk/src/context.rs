//! What a handler may ask of the host, by the kind of handler.

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::types::Outcome;
use crate::call::{Call, Target, as_ms};
use crate::durable::Durable;
use crate::random::Random;
use crate::run::Run;
use crate::{Error, TerminalError, backend, json, operations};

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

    /// Creates an awakeable: an id to give away, and the answer of whoever completes it.
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
    pub fn awakeable<T>(&self) -> (String, Durable<T>) {
        operations::assert_outside_run("an awakeable");
        let awakeable = backend::awakeable();
        (awakeable.id, Durable::issued(awakeable.result))
    }

    /// Completes an awakeable of any invocation; only the first completion counts.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.resolve_awakeable(&id, &true)?;
    /// # Ok(()) }
    /// ```
    pub fn resolve_awakeable<T: Serialize + ?Sized>(&self, id: &str, value: &T) -> Result<(), TerminalError> {
        operations::assert_outside_run("the completion of an awakeable");
        backend::complete_awakeable(id, &Outcome::Success(json::encode(value)?));
        Ok(())
    }

    /// Fails an awakeable of any invocation; only the first completion counts.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, TerminalError};
    /// # async fn handler(ctx: Context, id: String) -> Result<(), Error> {
    /// ctx.reject_awakeable(&id, TerminalError::new("Unable to execute query"));
    /// # Ok(()) }
    /// ```
    pub fn reject_awakeable(&self, id: &str, error: TerminalError) {
        operations::assert_outside_run("the completion of an awakeable");
        backend::complete_awakeable(id, &Outcome::Failure(error.into()));
    }

    /// Cancels an invocation: what it awaits fails with code 409, and it may compensate.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context, invocation_id: String) -> Result<(), Error> {
    /// ctx.cancel(&invocation_id);
    /// # Ok(()) }
    /// ```
    pub fn cancel(&self, invocation_id: &str) {
        operations::assert_outside_run("a cancellation");
        backend::cancel(invocation_id);
    }

    /// Tells what the host knows about this invocation.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let invocation = ctx.invocation();
    /// println!("{} for tenant {:?}", invocation.id, invocation.header("x-tenant"));
    /// # Ok(()) }
    /// ```
    pub fn invocation(&self) -> Invocation {
        let info = backend::invocation_info();
        Invocation {
            id: info.invocation_id,
            service: info.target.service,
            key: info.target.key,
            handler: info.target.handler,
            headers: info.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            idempotency_key: info.idempotency_key,
            created_at: SystemTime::UNIX_EPOCH + Duration::from_millis(info.created_at_ms),
        }
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

/// What a shared handler of an object or a workflow may do: read the state of its key.
///
/// Writing is left to [`ObjectContext`], so this does not compile:
///
/// ```compile_fail
/// # use holiday_sdk::{Error, SharedContext};
/// async fn peek(ctx: SharedContext) -> Result<(), Error> {
///     ctx.set("count", &1)?;
///     Ok(())
/// }
/// ```
///
/// Everything of [`Context`] is there too.
///
/// ```no_run
/// # use holiday_sdk::{Error, SharedContext};
/// async fn peek(ctx: SharedContext) -> Result<u32, Error> {
///     Ok(ctx.get("count")?.unwrap_or(0))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SharedContext(Context);

impl SharedContext {
    /// Returns the object's key, or the workflow's id.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedContext};
    /// # async fn handler(ctx: SharedContext) -> Result<(), Error> {
    /// println!("asked about {}", ctx.key());
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> String {
        backend::invocation_info().target.key.expect("the host gives objects and workflows a key")
    }

    /// Reads one value of the state.
    ///
    /// # Errors
    ///
    /// When the value in the state is not a `T`.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedContext};
    /// # async fn handler(ctx: SharedContext) -> Result<(), Error> {
    /// let count: Option<u32> = ctx.get("count")?;
    /// # Ok(()) }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, TerminalError> {
        operations::assert_outside_run("state");
        backend::get_state(name).map(|value| json::decode(&value)).transpose()
    }

    /// Lists the names that have a value, in order.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedContext};
    /// # async fn handler(ctx: SharedContext) -> Result<(), Error> {
    /// println!("{} rows", ctx.state_keys().len());
    /// # Ok(()) }
    /// ```
    pub fn state_keys(&self) -> Vec<String> {
        operations::assert_outside_run("state");
        backend::state_keys()
    }
}

/// What the exclusive handler of an object, or the `run` handler of a workflow, may do: read and write
/// the state of its key.
///
/// Everything of [`SharedContext`] and [`Context`] is there too.
///
/// ```no_run
/// # use holiday_sdk::{Error, ObjectContext};
/// async fn add(ctx: ObjectContext, n: u32) -> Result<u32, Error> {
///     let count = ctx.get("count")?.unwrap_or(0) + n;
///     ctx.set("count", &count)?;
///     Ok(count)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ObjectContext(SharedContext);

impl ObjectContext {
    /// Writes one value of the state.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, ObjectContext};
    /// # async fn handler(ctx: ObjectContext) -> Result<(), Error> {
    /// ctx.set("status", "confirmed")?;
    /// # Ok(()) }
    /// ```
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), TerminalError> {
        operations::assert_outside_run("state");
        backend::set_state(name, &json::encode(value)?);
        Ok(())
    }

    /// Removes one value of the state.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, ObjectContext};
    /// # async fn handler(ctx: ObjectContext) -> Result<(), Error> {
    /// ctx.clear("status");
    /// # Ok(()) }
    /// ```
    pub fn clear(&self, name: &str) {
        operations::assert_outside_run("state");
        backend::clear_state(name);
    }

    /// Removes all values of the state.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, ObjectContext};
    /// # async fn handler(ctx: ObjectContext) -> Result<(), Error> {
    /// ctx.clear_all();
    /// # Ok(()) }
    /// ```
    pub fn clear_all(&self) {
        operations::assert_outside_run("state");
        backend::clear_all_state();
    }
}

impl Deref for SharedContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

impl Deref for ObjectContext {
    type Target = SharedContext;

    fn deref(&self) -> &SharedContext {
        &self.0
    }
}

/// What the host knows about the running invocation.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Invocation};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let Invocation { service, handler, .. } = ctx.invocation();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// `inv_…`
    pub id: String,
    /// The name of the service, object or workflow.
    pub service: String,
    /// The object's key or the workflow's id.
    pub key: Option<String>,
    /// The name of the handler.
    pub handler: String,
    /// Names are lower case.
    pub headers: Vec<(String, String)>,
    /// The key the caller gave, if any.
    pub idempotency_key: Option<String>,
    /// When the host accepted the invocation.
    pub created_at: SystemTime,
}

impl Invocation {
    /// Returns the first header of this name; the case does not matter.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let tenant = ctx.invocation().header("X-Tenant").map(str::to_owned);
    /// # Ok(()) }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The modes a handler can have, as the attribute macros name them.
#[doc(hidden)]
pub mod mode {
    /// Any handler of a plain service.
    #[derive(Debug)]
    pub struct Service;
    /// A handler that has its key for itself.
    #[derive(Debug)]
    pub struct Exclusive;
    /// A handler that runs beside the exclusive one.
    #[derive(Debug)]
    pub struct Shared;
}

/// A context that a handler of this mode may have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a handler of this kind cannot have a `{Self}`",
    note = "a service's handlers take a `Context`, exclusive ones an `ObjectContext`, shared ones a `SharedContext`"
)]
pub trait ContextOf<Mode> {
    fn enter() -> Self;
}

impl<Mode> ContextOf<Mode> for Context {
    fn enter() -> Self {
        Self(())
    }
}

impl ContextOf<mode::Shared> for SharedContext {
    fn enter() -> Self {
        Self(Context(()))
    }
}

impl ContextOf<mode::Exclusive> for SharedContext {
    fn enter() -> Self {
        Self(Context(()))
    }
}

impl ContextOf<mode::Exclusive> for ObjectContext {
    fn enter() -> Self {
        Self(SharedContext(Context(())))
    }
}
