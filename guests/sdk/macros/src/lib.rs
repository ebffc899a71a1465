//! The attribute macros of `holiday-sdk`; see there for what they mean.
//!
//! `parse` reads a block into a `Contract`, `expand` writes Rust from it.

#![warn(missing_docs)]

mod contract;
mod duration;
mod expand;
mod parse;
mod policy;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

use contract::Kind;

/// Makes the async functions of an `impl` block the handlers of a plain service.
///
/// Each handler is `async fn name(ctx: Context, input: T) -> Result<U, Error>`, where the input may be
/// left out. `T` comes from JSON and `U` goes to JSON; both have a schema (`JsonSchema`). Doc comments
/// become the service's documentation. Functions that are not async stay as they are.
///
/// On a `trait`, it declares somebody else's service: `async fn name(input: T) -> U;` without a context.
///
/// Both give a client, named like the block with `Client` at the end.
///
/// # Options
///
/// A block, and a handler as `#[handler(…)]`, may have a `name = "…"` on the wire, and policies. What is said of a handler
/// goes before what is said of its block; an operator may say otherwise.
///
/// | Policy | Means |
/// |---|---|
/// | `timeout = "30s"` | from its first attempt on, after which an invocation is cancelled with code 504; zero is no bound |
/// | `retry(…)` | how attempts that fail are tried again, and steps without a policy of their own; see below |
/// | `idempotency_retention = "24h"` | how long the outcome for an idempotency key is kept |
/// | `workflow_retention = "7d"` | how long the outcome, the promises and the state of a workflow are kept after its run |
/// | `journal_retention = "1h"` | how long the journal of an invocation is kept that has ended |
/// | `cpu = "2s"` | how long an attempt may compute without asking the host for anything |
/// | `private` | only other handlers may invoke it |
/// | `keep_headers = ["authorization"]` | headers of callers that are otherwise not stored |
///
/// A duration is written as text, such as `"500ms"`, `"30s"` or `"1h 30m"`, or as a number of milliseconds:
/// `timeout_ms = 30000`. In `retry(…)` there are `initial_interval`, `factor`, `max_interval`, `max_attempts`,
/// `max_duration` (zero is no bound), and `then`, which is `"pause"` to wait for an operator at either bound, or `"fail"`.
///
/// ```
/// use holiday_sdk::{Context, Error};
///
/// struct Reports;
///
/// #[holiday_sdk::service(timeout = "1h", retry(initial_interval = "1s", factor = 2, max_attempts = 5, then = "fail"))]
/// impl Reports {
///     #[handler(private, journal_retention = "7d")]
///     pub async fn make(_: Context, month: String) -> Result<u32, Error> {
///         println!("the report of {month}");
///         Ok(12)
///     }
///
///     #[handler(timeout_ms = 1500, keep_headers = ["authorization"])]
///     pub async fn count(ctx: Context) -> Result<bool, Error> {
///         Ok(ctx.info().header("authorization").is_some())
///     }
/// }
/// # fn main() {}
/// ```
///
/// What makes no sense does not compile: an option that does not exist,
///
/// ```compile_fail
/// # use holiday_sdk::{Context, Error};
/// # struct Reports;
/// #[holiday_sdk::service(time_out = "1h")]
/// impl Reports {
///     pub async fn count(_: Context) -> Result<u32, Error> { Ok(1) }
/// }
/// # fn main() {}
/// ```
///
/// or a duration that is none.
///
/// ```compile_fail
/// # use holiday_sdk::{Context, Error};
/// # struct Reports;
/// #[holiday_sdk::service(timeout = "1 parsec")]
/// impl Reports {
///     pub async fn count(_: Context) -> Result<u32, Error> { Ok(1) }
/// }
/// # fn main() {}
/// ```
///
/// # Example
///
/// ```
/// use holiday_sdk::{Context, Error};
///
/// struct Greeter;
///
/// #[holiday_sdk::service(name = "greeter")]
/// impl Greeter {
///     /// Greets by name.
///     pub async fn greet(_: Context, name: String) -> Result<String, Error> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// #[holiday_sdk::service(name = "audit")]
/// pub trait Audit {
///     #[handler(name = "Note")]
///     async fn note(text: String);
/// }
///
/// struct Both;
///
/// #[holiday_sdk::service]
/// impl Both {
///     pub async fn greet(ctx: Context) -> Result<(), Error> {
///         let greeting = GreeterClient::new(&ctx).greet("Ada").await?;
///         AuditClient::new(&ctx).note(&greeting).send()?;
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn service(options: TokenStream, block: TokenStream) -> TokenStream {
    expand(Kind::Service, options, block)
}

/// Makes the async functions of an `impl` block the handlers of a virtual object.
///
/// As [`macro@service`], and: handlers take an `ObjectContext` and run one at a time per key; those
/// marked `#[handler(shared)]` take a `SharedContext` and run beside them. A client is made with a key.
///
/// ```
/// use holiday_sdk::{Error, ObjectContext, SharedContext};
///
/// struct Counter;
///
/// #[holiday_sdk::object]
/// impl Counter {
///     pub async fn add(ctx: ObjectContext, n: u32) -> Result<u32, Error> {
///         let count = ctx.get("count")?.unwrap_or(0) + n;
///         ctx.set("count", &count)?;
///         Ok(count)
///     }
///
///     #[handler(shared)]
///     pub async fn get(ctx: SharedContext) -> Result<u32, Error> {
///         Ok(ctx.get("count")?.unwrap_or(0))
///     }
/// }
/// # fn main() {}
/// ```
///
/// A shared handler does not get to write:
///
/// ```compile_fail
/// use holiday_sdk::{Error, ObjectContext};
///
/// struct Counter;
///
/// #[holiday_sdk::object]
/// impl Counter {
///     #[handler(shared)]
///     pub async fn get(ctx: ObjectContext) -> Result<u32, Error> {
///         Ok(0)
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn object(options: TokenStream, block: TokenStream) -> TokenStream {
    expand(Kind::Object, options, block)
}

/// Makes the async functions of an `impl` block the handlers of a workflow.
///
/// As [`macro@service`], and: the function `run`, or the one marked `#[handler(run)]`, takes a
/// `WorkflowContext` and starts once per workflow id; the others take a `SharedWorkflowContext`. A client is
/// made with a workflow id. It also has `attach` and `output`, for the outcome of a run that somebody else
/// started, unless there are handlers of these names.
///
/// ```
/// use holiday_sdk::{Context, Error, SharedWorkflowContext, WorkflowContext};
///
/// struct Signup;
///
/// #[holiday_sdk::workflow(workflow_retention = "7d")]
/// impl Signup {
///     pub async fn run(ctx: WorkflowContext, mail: String) -> Result<bool, Error> {
///         ctx.set("mail", &mail)?;
///         Ok(ctx.promise("confirmed").get().await?)
///     }
///
///     pub async fn confirm(ctx: SharedWorkflowContext) -> Result<(), Error> {
///         Ok(ctx.promise("confirmed").resolve(&true).await?)
///     }
///
///     pub async fn mail(ctx: SharedWorkflowContext) -> Result<Option<String>, Error> {
///         Ok(ctx.get("mail")?)
///     }
/// }
///
/// struct Newsletter;
///
/// #[holiday_sdk::service]
/// impl Newsletter {
///     pub async fn send(ctx: Context, mail: String) -> Result<(), Error> {
///         let signup = SignupClient::new(&ctx, &mail);
///         if signup.output().await? == Some(true) {
///             println!("the newsletter for {mail}");
///         }
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
///
/// A handler beside the run does not get to write:
///
/// ```compile_fail
/// use holiday_sdk::{Error, SharedWorkflowContext, WorkflowContext};
///
/// struct Signup;
///
/// #[holiday_sdk::workflow]
/// impl Signup {
///     pub async fn run(ctx: WorkflowContext) -> Result<(), Error> {
///         Ok(())
///     }
///
///     pub async fn rename(ctx: WorkflowContext) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, block: TokenStream) -> TokenStream {
    expand(Kind::Workflow, options, block)
}

fn expand(kind: Kind, options: TokenStream, block: TokenStream) -> TokenStream {
    parse::block(kind, options.into(), block.into())
        .map_or_else(syn::Error::into_compile_error, |contract| expand::block(&contract))
        .into()
}
