//! The port by which operators learn whether an invocation could go on with another component.

use std::fmt;

use futures::future::BoxFuture;
use holiday_core::attempt::Start;
use holiday_core::error::ErrorCode;

/// Replays handlers without letting them go on.
pub trait Rehearsal: fmt::Debug + Send + Sync + 'static {
    /// Runs the handler on the component of `start.deployment`, as far as its journal goes. Nothing is recorded, and
    /// the world is not touched. `component` is the name of that component.
    fn rehearse(&self, start: Start, component: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>>;
}

/// Why an invocation could not go on with a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// The handler asks for something else than its journal has. The text names both.
    #[error("{0}")]
    Mismatch(String),
    /// The handler fails before it comes to the end of the journal. The text begins with a code.
    #[error("{0}")]
    Failed(String),
    /// The component cannot be executed.
    #[error("{message}")]
    NoComponent { code: ErrorCode, message: String },
}
