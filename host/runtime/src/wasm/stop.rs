//! Why a guest is stopped in the middle of a host function.

use holiday_core::attempt::AttemptError;
use holiday_core::error::ErrorCode;

/// Returned by host functions to end the guest; it never reaches guest code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// It waits for an answer and gives its instance back; that is recorded already.
    #[error("suspended")]
    Suspended,
    /// Nobody wants to hear from this attempt any more.
    #[error("abandoned")]
    Abandoned,
    /// The journal that was rehearsed goes no further.
    #[error("the journal is over")]
    JournalOver,
    /// The attempt fails with this message, which begins with its code.
    #[error("{0}")]
    Failed(String),
}

impl Stop {
    pub(super) fn failed(code: ErrorCode, why: impl std::fmt::Display) -> wasmtime::Error {
        Stop::Failed(format!("{code}: {why}")).into()
    }

    pub(super) fn misuse(what: impl std::fmt::Display) -> wasmtime::Error {
        Stop::failed(ErrorCode::GuestMisuse, what)
    }
}

impl From<AttemptError> for Stop {
    fn from(error: AttemptError) -> Self {
        Stop::Failed(error.to_string())
    }
}
