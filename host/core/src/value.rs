//! What handlers and operations return.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::limits;

/// Bytes of a handler's content type; the core never looks inside.
pub type Payload = Bytes;

/// A terminal error: the final outcome of an operation or an invocation, never retried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// An HTTP status from 400 to 599.
    pub code: u16,
    pub message: String,
}

impl Failure {
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }

    /// The outcome of an operation that was awaited, or of an invocation that never ran, when the
    /// invocation is cancelled.
    pub fn cancelled() -> Self {
        Failure::new(409, "cancelled")
    }

    /// What an invocation is told whose time is over.
    pub fn timed_out(timeout_ms: u64) -> Self {
        Failure::new(504, format!("HH0065: not done after {timeout_ms} ms"))
    }

    /// The outcome of an invocation that an operator killed.
    pub fn killed() -> Self {
        Failure::new(409, "killed")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

/// Shortens a message that is stored for people with every change of its invocation.
pub fn cut(mut message: String) -> String {
    const MARK: &str = "… (cut)";
    if message.len() > limits::MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(limits::MESSAGE_BYTES_MAX - MARK.len()));
        message.push_str(MARK);
    }
    message
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Outcome(Outcome),
    /// What was looked at has no outcome yet.
    NotReady,
}

/// How an operation or an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Success(Payload),
    Failure(Failure),
}

impl Outcome {
    pub fn success(payload: impl Into<Payload>) -> Self {
        Outcome::Success(payload.into())
    }

    /// A success without a value: what a timer or a cleared row answers.
    pub fn done() -> Self {
        Outcome::Success(Payload::new())
    }

    /// The size of what it carries, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Outcome::Success(payload) => payload.len(),
            Outcome::Failure(failure) => failure.message.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Outcome::Failure(failure)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Success(payload) => write!(f, "success ({} bytes)", payload.len()),
            Outcome::Failure(failure) => write!(f, "failure {failure}"),
        }
    }
}
