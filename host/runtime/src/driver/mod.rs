//! The driver: one thread that owns the state and turns what happens into records.
mod handle;
pub use handle::{Accepted, Catalog, Handle, HandleError, Invoker};
