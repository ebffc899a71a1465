//! The attribute macros of `holiday-sdk`; see there for what they mean.
//!
//! `parse` reads a block into a `Contract`, `expand` writes Rust from it.

mod contract;
mod expand;
mod parse;

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
/// Options of the block: `name = "…"`, and settings for the host such as
/// `settings(timeout_ms = 60000, retry(initial_interval_ms = 40, max_attempts = 5))`. Options of a
/// handler, as `#[handler(…)]`: `name = "…"` and `settings(…)` likewise.
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
/// As [`macro@service`], and: the function `run`, or the one marked `#[handler(run)]`, takes an
/// `ObjectContext` and starts once per workflow id; the others take a `SharedContext`. A client is made
/// with a workflow id.
///
/// ```
/// use holiday_sdk::{Error, ObjectContext, SharedContext};
///
/// struct Signup;
///
/// #[holiday_sdk::workflow]
/// impl Signup {
///     pub async fn run(ctx: ObjectContext, mail: String) -> Result<(), Error> {
///         ctx.set("status", "welcomed")?;
///         Ok(())
///     }
///
///     pub async fn status(ctx: SharedContext) -> Result<Option<String>, Error> {
///         Ok(ctx.get("status")?)
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
