//! Writes durable services, virtual objects and workflows for holiday-host.
//!
//! A handler is an ordinary `async fn`. What it asks of the host goes into a journal, so when the
//! process dies, or the handler waits for a week, it is run again from the top and finds every answer
//! it already had. Three kinds of services differ in who may run at the same time:
//!
//! | Macro | Has a key | Handlers |
//! |---|---|---|
//! | [`service`] | no | any number at a time |
//! | [`object`] | yes, with state | one at a time per key; `#[handler(shared)]` ones beside it, read-only |
//! | [`workflow`] | yes, with state and promises | `run` starts once per key; the others are shared |
//!
//! ```
//! use holiday_sdk::{Context, Error, ObjectContext, SharedContext};
//!
//! struct Counter;
//!
//! /// Counts things.
//! #[holiday_sdk::object]
//! impl Counter {
//!     /// Adds to the count and answers with the new one.
//!     pub async fn add(ctx: ObjectContext, n: u32) -> Result<u32, Error> {
//!         let count = ctx.get("count")?.unwrap_or(0) + n;
//!         ctx.set("count", &count)?;
//!         Ok(count)
//!     }
//!
//!     /// Answers with the count.
//!     #[handler(shared)]
//!     pub async fn get(ctx: SharedContext) -> Result<u32, Error> {
//!         Ok(ctx.get("count")?.unwrap_or(0))
//!     }
//! }
//!
//! struct Twice;
//!
//! #[holiday_sdk::service(name = "twice")]
//! impl Twice {
//!     pub async fn add(ctx: Context, key: String) -> Result<u32, Error> {
//!         let counter = CounterClient::new(&ctx, key);
//!         counter.add(&1).await?;
//!         Ok(counter.add(&1).await?)
//!     }
//! }
//!
//! holiday_sdk::export!(Counter, Twice);
//! # fn main() {}
//! ```
//!
//! # The rules
//!
//! A handler must ask for the same things in the same order each time it is run. Clocks, random numbers
//! and hash maps are already the same in every attempt. What touches the world belongs into
//! [`Context::run`]; [`http`] works only there. A future that waits for anything but the host would
//! never be woken, so there is no `spawn`; use [`join!`], [`join_all`], [`select`] and [`race`].
//!
//! `println!` and `eprintln!` write to the log of the host, once, not again in a replay.

#![warn(missing_docs)]

mod backend;
#[doc(hidden)]
mod bindings;
mod call;
mod combine;
mod context;
mod durable;
mod error;
mod executor;
pub mod http;
mod id;
mod info;
mod invocation;
mod json;
mod keyed;
mod operations;
mod promise;
mod random;
mod run;
mod saga;
mod sealed;
mod service;
#[cfg(test)]
mod tests;

/// The examples of the documents compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
#[doc = include_str!("../../../README.md")]
mod documents {}

pub use call::{Call, Started, Target};
pub use combine::{DurableExt, Either, join_all, race, select};
pub use context::Context;
pub use durable::Durable;
pub use error::{Error, RetryableError, TerminalError};
pub use holiday_sdk_macros::{object, service, workflow};
pub use info::Info;
pub use invocation::{Invocation, Named};
pub use keyed::{ObjectContext, SharedContext, SharedWorkflowContext, WorkflowContext};
pub use promise::Promise;
pub use random::Random;
pub use run::{RetryPolicy, Run};
pub use saga::{Saga, Undone};
pub use sealed::Sealed;
pub use service::Service;

pub use rand_core;
pub use schemars;
pub use serde;
pub use serde_json;

/// Returns a setting of this deployment.
///
/// ```
/// assert_eq!(holiday_sdk::config("FLIGHTS_TABLE_NAME"), None);
/// ```
pub fn config(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::combine::Join;
    pub use crate::keyed::{ContextOf, mode};
    pub use crate::service::{
        Entry, HandlerFuture, decode_input, encode_output, handle, input_media, output_media,
    };

    pub mod bindings {
        pub use crate::bindings::*;
    }

    /// Makes the request of a generated client.
    pub fn call<I: serde::Serialize + ?Sized, O>(target: crate::Target, input: &I) -> crate::Call<O> {
        crate::Call::with_input(target, input)
    }

    /// Names the run that a generated client of a workflow addresses.
    pub fn workflow<T>(name: &str, id: &str) -> crate::Named<T> {
        crate::Named::workflow(name, id)
    }

    /// Makes the request of a generated client to a handler without input.
    pub fn call_empty<O>(target: crate::Target) -> crate::Call<O> {
        crate::Call::empty(target)
    }
}
