//! A guarantee that did not hold.

use holiday_core::state::StoreError;

/// Which check failed, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check's name; stable, for people to search for.
    pub check: &'static str,
    pub message: String,
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

impl Violation {
    pub(crate) fn new(check: &'static str, message: impl Into<String>) -> Self {
        Violation { check, message: message.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.check, self.message)
    }
}

impl From<StoreError> for Violation {
    fn from(error: StoreError) -> Self {
        Violation::new("store", error.to_string())
    }
}

/// Fails the named check with a message unless the condition holds.
macro_rules! check {
    ($name:literal, $condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::violation::Violation::new($name, format!($($message)+)));
        }
    };
}
pub(crate) use check;
