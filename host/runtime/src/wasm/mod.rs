//! Runs WebAssembly components: the only part of the host that knows wasmtime.
//!
//! ```text
//! component   what is kept and compiled      files, compile, discovery, error
//! invoker     one attempt, start to end      failure, stop, rehearsal
//! sandbox     what one guest can reach       context (durable operations), wasi, output, http, mirror
//! engine      how wasm is compiled and where instances live
//! ```
//!
//! Invariants:
//!
//! - A guest observes nothing that is not journaled or derived from the journal, except inside `run`.
//! - Whatever a guest does, it ends alone: it can exhaust its own memory, time and stack, nobody else's.

mod bindings;
mod compile;
mod component;
mod config;
mod context;
mod convert;
mod discovery;
mod engine;
mod error;
mod failure;
mod files;
mod http;
mod invoker;
pub mod limits;
mod mirror;
mod output;
mod rehearsal;
mod sandbox;
mod spans;
mod stop;
mod wasi;

#[cfg(test)]
mod tests;

pub use component::{Components, Guest, OpenError, Prepared, Stage};
pub use config::{GuestConfig, WasmConfig};
pub use engine::EngineError;
pub use error::ComponentError;
pub use http::{AllowedHosts, MalformedHost};
pub use invoker::WasmInvoker;
