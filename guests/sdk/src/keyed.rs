//! What the handlers of objects and workflows may ask of the host beyond others, by the kind of handler.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::promise::Promise;
use crate::{Context, TerminalError, backend, json, operations};

/// What a shared handler of an object may do: read the state of its key.
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
/// Everything of [`Context`] is there too. A workflow's has promises as well: [`SharedWorkflowContext`].
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

/// What the exclusive handler of an object may do: read and write the state of its key.
///
/// Everything of [`SharedContext`] and [`Context`] is there too. What a workflow's `run` has is [`WorkflowContext`].
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

/// What the shared handlers of a workflow may do: read its state, and take part in its durable promises.
///
/// Everything of [`SharedContext`] and [`Context`] is there too.
///
/// ```
/// use holiday_sdk::{Error, SharedWorkflowContext, WorkflowContext};
///
/// struct Order;
///
/// #[holiday_sdk::workflow]
/// impl Order {
///     async fn run(ctx: WorkflowContext) -> Result<u32, Error> {
///         ctx.set("status", "waiting")?;
///         let paid = ctx.promise("payment").get().await?;
///         ctx.set("status", "paid")?;
///         Ok(paid)
///     }
///
///     async fn pay(ctx: SharedWorkflowContext, amount: u32) -> Result<(), Error> {
///         Ok(ctx.promise("payment").resolve(&amount).await?)
///     }
///
///     async fn status(ctx: SharedWorkflowContext) -> Result<Option<String>, Error> {
///         Ok(ctx.get("status")?)
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SharedWorkflowContext(SharedContext);

impl SharedWorkflowContext {
    /// Names a durable promise of this workflow.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, SharedWorkflowContext};
    /// # async fn handler(ctx: SharedWorkflowContext) -> Result<(), Error> {
    /// ctx.promise("payment").resolve(&750).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Promises belong to workflows, so this does not compile:
    ///
    /// ```compile_fail
    /// # use holiday_sdk::{Error, SharedContext};
    /// async fn pay(ctx: SharedContext) -> Result<(), Error> {
    ///     Ok(ctx.promise::<u32>("payment").resolve(&750).await?)
    /// }
    /// ```
    pub fn promise<T: ?Sized>(&self, name: impl Into<String>) -> Promise<T> {
        Promise::new(name)
    }
}

/// What the `run` handler of a workflow may do: read and write its state, and take part in its durable promises.
///
/// Everything of [`ObjectContext`], [`SharedContext`] and [`Context`] is there too.
///
/// ```no_run
/// # use holiday_sdk::{Error, WorkflowContext};
/// async fn run(ctx: WorkflowContext) -> Result<u32, Error> {
///     ctx.set("status", "waiting")?;
///     Ok(ctx.promise("payment").get().await?)
/// }
/// ```
///
/// An object's handler has no promises, so this does not compile:
///
/// ```compile_fail
/// use holiday_sdk::{Error, WorkflowContext};
///
/// struct Order;
///
/// #[holiday_sdk::object]
/// impl Order {
///     async fn place(ctx: WorkflowContext) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WorkflowContext(ObjectContext);

impl WorkflowContext {
    /// Names a durable promise of this workflow.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Error, WorkflowContext};
    /// # async fn handler(ctx: WorkflowContext) -> Result<(), Error> {
    /// let paid: u32 = ctx.promise("payment").get().await?;
    /// # Ok(()) }
    /// ```
    pub fn promise<T: ?Sized>(&self, name: impl Into<String>) -> Promise<T> {
        Promise::new(name)
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

impl Deref for SharedWorkflowContext {
    type Target = SharedContext;

    fn deref(&self) -> &SharedContext {
        &self.0
    }
}

impl Deref for WorkflowContext {
    type Target = ObjectContext;

    fn deref(&self) -> &ObjectContext {
        &self.0
    }
}

/// Which handlers may have which context: that of their kind, and those that it derefs to.
#[doc(hidden)]
pub mod mode {
    /// Any handler of a plain service.
    #[derive(Debug)]
    pub struct Service;
    /// A handler of an object that has its key for itself.
    #[derive(Debug)]
    pub struct Exclusive;
    /// A handler of an object that runs beside the exclusive one.
    #[derive(Debug)]
    pub struct Shared;
    /// The run of a workflow.
    #[derive(Debug)]
    pub struct WorkflowRun;
    /// A handler of a workflow that runs beside its run.
    #[derive(Debug)]
    pub struct WorkflowShared;
}

/// A context that a handler of this mode may have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a handler of this kind cannot have a `{Self}`",
    note = "a service's handlers take a `Context`; an object's exclusive ones an `ObjectContext`, its shared ones a \
            `SharedContext`; a workflow's `run` takes a `WorkflowContext`, its others a `SharedWorkflowContext`"
)]
pub trait ContextOf<Mode> {
    fn enter() -> Self;
}

impl<Mode> ContextOf<Mode> for Context {
    fn enter() -> Self {
        Self::of_this_handler()
    }
}

macro_rules! contexts {
    ($($mode:ident: $($context:ident = $enter:expr),+;)+) => {$($(
        impl ContextOf<mode::$mode> for $context {
            fn enter() -> Self {
                $enter
            }
        }
    )+)+};
}

contexts! {
    Exclusive: ObjectContext = object(), SharedContext = shared();
    Shared: SharedContext = shared();
    WorkflowRun: WorkflowContext = WorkflowContext(object()), ObjectContext = object(), SharedContext = shared();
    WorkflowShared: SharedWorkflowContext = SharedWorkflowContext(shared()), SharedContext = shared();
}

fn shared() -> SharedContext {
    SharedContext(Context::of_this_handler())
}

fn object() -> ObjectContext {
    ObjectContext(shared())
}
