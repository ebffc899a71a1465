//! How a command fails: a code with a help page, a message, and an exit code.

use std::fmt;
use std::process::ExitCode;

use holiday_core::error::ErrorCode;
use holiday_runtime::config::ConfigError;
use holiday_runtime::host::HostError;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    message: String,
    /// The command line itself was wrong: the exit code is 2 rather than 1.
    is_misuse: bool,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        Failure { code, message: message.to_string(), is_misuse: false }
    }

    pub(crate) fn misuse(message: impl fmt::Display) -> Self {
        Failure { code: ErrorCode::BadConfig, message: message.to_string(), is_misuse: true }
    }

    /// Says what was being done to `path` when the operating system refused.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Failure::new(ErrorCode::FileUnreadable, format!("cannot {doing} {}: {error}", path.display()))
    }

    /// Says more about it.
    pub(crate) fn and(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// Prints the failure for people and returns what the process exits with.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(if self.is_misuse { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some messages carry their code already; once is enough.
        let message = match ErrorCode::of_message(&self.message) {
            Some(code) if code == self.code => {
                self.message.split_once(':').map_or(self.message.as_str(), |(_, rest)| rest.trim_start())
            }
            _ => &self.message,
        };
        write!(f, "error[{}]: {message}\nhelp: holiday-host explain {}", self.code, self.code)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Config(error) => error.into(),
            other => Failure::new(other.code(), other),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure { is_misuse: true, ..Failure::new(error.code(), error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::new(ErrorCode::Internal, error)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(code: ErrorCode, message: &str, expected: Expect) {
        expected.assert_eq(&Failure::new(code, message).to_string());
    }

    #[test]
    fn a_code_is_shown_once() {
        check(
            ErrorCode::AddressInUse,
            "127.0.0.1:8080 is in use",
            expect![[r#"
                error[HH0012]: 127.0.0.1:8080 is in use
                help: holiday-host explain HH0012"#]],
        );
        check(
            ErrorCode::AddressInUse,
            "HH0012: 127.0.0.1:8080 is in use",
            expect![[r#"
                error[HH0012]: 127.0.0.1:8080 is in use
                help: holiday-host explain HH0012"#]],
        );
    }
}
