//! How a handler, a step or a durable operation fails.

use std::error::Error as StdError;
use std::fmt;

use crate::bindings::{HandlerError, types::Failure};

/// What a handler or the closure of a [`run`](crate::Context::run) returns when it fails.
///
/// The question is always the same: may trying again help? `?` on any [`std::error::Error`] says yes,
/// except on a [`TerminalError`], which says no.
///
/// ```
/// use holiday_sdk::{Error, TerminalError};
///
/// fn port(text: &str) -> Result<u16, Error> {
///     Ok(text.parse::<u16>()?)
/// }
/// fn seat(row: u16) -> Result<u16, Error> {
///     if row > 40 { Err(TerminalError::new(format!("no row {row}")).with_code(400).into()) } else { Ok(row) }
/// }
/// assert!(!port("x").unwrap_err().is_terminal());
/// assert!(seat(41).unwrap_err().is_terminal());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It has failed for good.
    Terminal(TerminalError),
    /// It may pass: the host tries again.
    Retryable(RetryableError),
}

impl Error {
    /// Makes an error that is never retried, with code 500.
    ///
    /// ```
    /// assert!(holiday_sdk::Error::terminal("sold out").is_terminal());
    /// ```
    pub fn terminal(message: impl Into<String>) -> Self {
        Self::Terminal(TerminalError::new(message))
    }

    /// Makes an error that is retried.
    ///
    /// ```
    /// assert!(!holiday_sdk::Error::retryable("the line is busy").is_terminal());
    /// ```
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable(RetryableError(message.into()))
    }

    /// Tells whether it has failed for good.
    ///
    /// ```
    /// assert!(holiday_sdk::Error::terminal("sold out").is_terminal());
    /// ```
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Tells whether it came of a cancellation; see [`TerminalError::is_cancelled`].
    ///
    /// ```
    /// assert!(!holiday_sdk::Error::terminal("sold out").is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Terminal(error) if error.is_cancelled())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(error) => error.fmt(f),
            Self::Retryable(error) => error.fmt(f),
        }
    }
}

/// `Error` itself is no `std::error::Error`, so that this may cover all that are.
impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let error: Box<dyn StdError> = Box::new(error);
        match error.downcast::<TerminalError>() {
            Ok(terminal) => Self::Terminal(*terminal),
            Err(other) => Self::Retryable(RetryableError(with_causes(&*other))),
        }
    }
}

fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Terminal(error) => Self::Terminal(error.into()),
            Error::Retryable(error) => Self::Retryable(error.0),
        }
    }
}

/// A final outcome: never retried, and what the caller gets to see.
///
/// It is also the only way in which a durable operation fails, because the host has already retried
/// what could be retried.
///
/// ```
/// use holiday_sdk::TerminalError;
///
/// let error = TerminalError::new("no such flight").with_code(404);
/// assert_eq!((error.code(), error.message()), (404, "no such flight"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalError {
    code: u16,
    message: String,
    reason: Reason,
}

/// How the host has an invocation end that was cancelled and did not say otherwise.
const CANCELLED_CALLEE: (u16, &str) = (409, "cancelled");

/// How the host begins what it says of one whose time is over, with code 504.
const TIME_IS_OVER: &str = "HH0065: ";

/// What the code alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Failed,
    Cancelled,
    TimedOut,
}

impl TerminalError {
    /// Makes a terminal error with code 500.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::TerminalError::new("sold out").code(), 500);
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: 500, message: message.into(), reason: Reason::Failed }
    }

    /// Sets the HTTP status that a caller gets.
    ///
    /// # Panics
    ///
    /// When `code` is not an HTTP error status, 400 to 599.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::TerminalError::new("no such fare").with_code(404).code(), 404);
    /// ```
    #[must_use]
    pub fn with_code(self, code: u16) -> Self {
        assert!((400..=599).contains(&code), "{code} is not an HTTP error status");
        Self { code, ..self }
    }

    /// This invocation was cancelled, or its time was over, while it waited.
    pub(crate) fn cancelled(Failure { code, message }: Failure) -> Self {
        Self { code, message, reason: Reason::Cancelled }
    }

    /// The time given to [`timeout`](crate::DurableExt::timeout) is over.
    pub(crate) fn timed_out(message: String) -> Self {
        Self { code: 408, message, reason: Reason::TimedOut }
    }

    /// Returns the HTTP status that a caller gets.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::TerminalError::new("sold out").code(), 500);
    /// ```
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns what a caller gets to read.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::TerminalError::new("sold out").message(), "sold out");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Tells whether it came of a cancellation: of this invocation, or of one that it waited for.
    ///
    /// A cancelled invocation learns of it where it waits, with code 409. One whose time is over is cancelled with code
    /// 504. What it calls is cancelled first, so it is often such a call that fails with that.
    ///
    /// ```
    /// assert!(!holiday_sdk::TerminalError::new("sold out").is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.is_interruption()
            || (self.code, self.message.as_str()) == CANCELLED_CALLEE
            || self.code == 504 && self.message.starts_with(TIME_IS_OVER)
    }

    /// Tells whether the wait was interrupted, so that what was waited for may still end in another way.
    pub(crate) fn is_interruption(&self) -> bool {
        self.reason == Reason::Cancelled
    }

    /// Tells whether a [`timeout`](crate::DurableExt::timeout) of this handler is over.
    ///
    /// ```
    /// assert!(!holiday_sdk::TerminalError::new("sold out").is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.reason == Reason::TimedOut
    }
}

impl fmt::Display for TerminalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for TerminalError {}

impl From<Failure> for TerminalError {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code, message: failure.message, reason: Reason::Failed }
    }
}

/// A reason alone is a failure with code 500.
impl From<String> for TerminalError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// A reason alone is a failure with code 500.
impl From<&str> for TerminalError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        Self { code: error.code, message: error.message }
    }
}

/// An error that may pass; trying again may help.
///
/// ```
/// use holiday_sdk::{Error, RetryableError};
///
/// let busy = || -> Result<(), Error> { Err(RetryableError::new("the line is busy"))? };
/// assert!(!busy().unwrap_err().is_terminal());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryableError(String);

impl RetryableError {
    /// Makes a retryable error.
    ///
    /// ```
    /// assert_eq!(holiday_sdk::RetryableError::new("busy").to_string(), "busy");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for RetryableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for RetryableError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(RetryableError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("charging the card")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn any_error_is_retryable_and_names_its_causes() {
        let error = Error::from(Outer(RetryableError::new("the line is busy")));
        assert_eq!(error, Error::retryable("charging the card: the line is busy"));
    }

    #[test]
    fn a_terminal_error_stays_terminal() {
        let terminal = TerminalError::cancelled(Failure { code: 504, message: "its time is over".into() });
        let error = Error::from(terminal.clone());
        assert!(error.is_cancelled());
        assert_eq!(error, Error::Terminal(terminal));
    }

    #[test]
    fn a_call_that_failed_of_a_cancellation_is_known_by_what_the_host_says() {
        let is_cancelled = |code, message: &str| {
            TerminalError::from(Failure { code, message: message.to_owned() }).is_cancelled()
        };
        assert!(is_cancelled(409, "cancelled"));
        assert!(is_cancelled(504, "HH0065: not done after 60000 ms"));
        assert!(!is_cancelled(409, "killed"));
        assert!(!is_cancelled(409, "HH0065: not done after 60000 ms"));
        assert!(!is_cancelled(504, "cancelled"));
        assert!(!is_cancelled(504, "the gateway has not heard of HH0065: "));
    }
}
