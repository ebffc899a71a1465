//! The journal of one invocation: what its handler asked for and what the world answered.
//!
//! Commands and notifications are numbered apart. The handler decides the order of commands, so an
//! [`EntryIndex`] is the same in every attempt; the engine decides the order of notifications.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AwakeableId, EntryIndex, InvocationId, Position};
use crate::invocation::Header;
use crate::retry::RetryPolicy;
use crate::target::Target;
use crate::time::Timestamp;
use crate::value::{Failure, Outcome, Payload};

/// Something the handler asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Call(Call),
    Send(Send),
    Sleep {
        duration_ms: u64,
        name: Option<String>,
    },
    Run {
        name: String,
        retry: Option<RetryPolicy>,
    },
    Awakeable,
    CompleteAwakeable {
        id: AwakeableId,
        outcome: Outcome,
    },
    /// Waits for the next signal of this name.
    Signal {
        name: String,
    },
    SendSignal {
        invocation: InvocationId,
        name: String,
        outcome: Outcome,
    },
    PromiseGet {
        name: String,
    },
    PromisePeek {
        name: String,
    },
    PromiseComplete {
        name: String,
        outcome: Outcome,
    },
    /// Waits for the outcome of an invocation.
    Attach {
        to: Named,
    },
    /// Looks whether an invocation has an outcome.
    Output {
        of: Named,
    },
    Cancel {
        invocation: InvocationId,
    },
    GetState {
        key: String,
        value: Option<Payload>,
    },
    SetState {
        key: String,
        value: Payload,
    },
    ClearState {
        key: String,
    },
    ClearAllState,
    StateKeys {
        keys: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub target: Target,
    pub input: Payload,
    pub headers: Vec<Header>,
    pub idempotency_key: Option<String>,
    /// Not cancelled with its caller: for what compensates.
    pub shielded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    pub target: Target,
    pub input: Payload,
    pub headers: Vec<Header>,
    pub idempotency_key: Option<String>,
    pub delay_ms: Option<u64>,
}

/// How a handler names an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Named {
    Id(InvocationId),
    IdempotencyKey {
        target: Target,
        key: String,
    },
    /// The run of a workflow id.
    Workflow {
        service: String,
        id: String,
    },
}

/// A command as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandEntry {
    pub at: Timestamp,
    pub command: Command,
}

/// An answer as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationEntry {
    pub at: Timestamp,
    pub notification: Notification,
}

/// Something the world answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notification {
    Completed {
        command: EntryIndex,
        outcome: Outcome,
    },
    /// What was looked at has no outcome yet.
    NotReady {
        command: EntryIndex,
    },
    /// The invocation was cancelled, or its time is over: what it waits for fails with this.
    Cancelled {
        /// How many notifications its journal had when that was asked for. A call that was interrupted may have told
        /// the handler since.
        since: Position,
        /// How many commands its journal has. A handler that has asked for a call beyond them, not knowing of
        /// this, learns of it again when that call has ended.
        commands: u32,
        failure: Failure,
    },
    /// The invocation was cancelled, or its time is over, and with it a call of its own: that has ended as it was asked
    /// to. The call fails with what the invocation is told, and tells the handler so.
    Interrupted {
        command: EntryIndex,
        failure: Failure,
    },
}

impl Notification {
    /// The command that it answers.
    pub fn command(&self) -> Option<EntryIndex> {
        match self {
            Notification::Completed { command, .. }
            | Notification::NotReady { command }
            | Notification::Interrupted { command, .. } => Some(*command),
            Notification::Cancelled { .. } => None,
        }
    }

    /// The approximate size in the journal, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Notification::Completed { outcome, .. } => outcome.len(),
            Notification::NotReady { .. } => 0,
            Notification::Cancelled { failure, .. } | Notification::Interrupted { failure, .. } => {
                failure.message.len()
            }
        }
    }
}

impl Command {
    /// Whether an answer follows.
    pub fn is_answered_later(&self) -> bool {
        match self {
            Command::Call(_)
            | Command::Sleep { .. }
            | Command::Run { .. }
            | Command::Awakeable
            | Command::Signal { .. }
            | Command::SendSignal { .. }
            | Command::PromiseGet { .. }
            | Command::PromisePeek { .. }
            | Command::PromiseComplete { .. }
            | Command::Attach { .. }
            | Command::Output { .. } => true,
            Command::Send(_)
            | Command::CompleteAwakeable { .. }
            | Command::Cancel { .. }
            | Command::GetState { .. }
            | Command::SetState { .. }
            | Command::ClearState { .. }
            | Command::ClearAllState
            | Command::StateKeys { .. } => false,
        }
    }

    /// Whether `asked`, in replay, is the same request as this recorded one.
    ///
    /// What a state read answered is not part of the request.
    pub fn is_asked_again_by(&self, asked: &Command) -> bool {
        match (self, asked) {
            (Command::GetState { key, .. }, Command::GetState { key: asked, .. }) => key == asked,
            (Command::StateKeys { .. }, Command::StateKeys { .. }) => true,
            (recorded, asked) => recorded == asked,
        }
    }

    /// The approximate size in the journal, in bytes: all that the handler can make long counts.
    pub fn size(&self) -> usize {
        const FIXED: usize = 32;
        FIXED
            + match self {
                Command::Call(call) => {
                    call.input.len()
                        + size_of_target(&call.target)
                        + size_of_headers(&call.headers)
                        + call.idempotency_key.as_ref().map_or(0, String::len)
                }
                Command::Send(send) => {
                    send.input.len()
                        + size_of_target(&send.target)
                        + size_of_headers(&send.headers)
                        + send.idempotency_key.as_ref().map_or(0, String::len)
                }
                Command::CompleteAwakeable { outcome, .. } => outcome.len(),
                Command::SendSignal { name, outcome, .. } | Command::PromiseComplete { name, outcome } => {
                    name.len() + outcome.len()
                }
                Command::Signal { name } | Command::PromiseGet { name } | Command::PromisePeek { name } => {
                    name.len()
                }
                Command::Attach { to: named } | Command::Output { of: named } => named.size(),
                Command::GetState { key, value } => key.len() + value.as_ref().map_or(0, Payload::len),
                Command::SetState { key, value } => key.len() + value.len(),
                Command::ClearState { key } => key.len(),
                Command::StateKeys { keys } => keys.iter().map(String::len).sum(),
                Command::Run { name, .. } => name.len(),
                Command::Sleep { name, .. } => name.as_ref().map_or(0, String::len),
                Command::Awakeable | Command::Cancel { .. } | Command::ClearAllState => 0,
            }
    }
}

impl Named {
    fn size(&self) -> usize {
        match self {
            Named::Id(id) => id.as_bytes().len(),
            Named::IdempotencyKey { target, key } => size_of_target(target) + key.len(),
            Named::Workflow { service, id } => service.len() + id.len(),
        }
    }
}

fn size_of_target(target: &Target) -> usize {
    target.service.len() + target.key.as_ref().map_or(0, String::len) + target.handler.len()
}

pub(crate) fn size_of_headers(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Names the command for people: enough to find it in the handler's source.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Call(call) => write!(f, "call {} ({} bytes)", call.target, call.input.len()),
            Command::Send(send) => match send.delay_ms {
                Some(delay_ms) => {
                    write!(f, "send {} ({} bytes) after {delay_ms} ms", send.target, send.input.len())
                }
                None => write!(f, "send {} ({} bytes)", send.target, send.input.len()),
            },
            Command::Sleep { duration_ms, name: Some(name) } => write!(f, "sleep '{name}' {duration_ms} ms"),
            Command::Sleep { duration_ms, name: None } => write!(f, "sleep {duration_ms} ms"),
            Command::Run { name, .. } => write!(f, "run '{name}'"),
            Command::Awakeable => f.write_str("awakeable"),
            Command::CompleteAwakeable { id, outcome } => write!(f, "complete {id} with {outcome}"),
            Command::Signal { name } => write!(f, "signal '{name}'"),
            Command::SendSignal { invocation, name, outcome } => {
                write!(f, "send signal '{name}' to {invocation} with {outcome}")
            }
            Command::PromiseGet { name } => write!(f, "get promise '{name}'"),
            Command::PromisePeek { name } => write!(f, "peek promise '{name}'"),
            Command::PromiseComplete { name, outcome } => {
                write!(f, "complete promise '{name}' with {outcome}")
            }
            Command::Attach { to } => write!(f, "attach to {to}"),
            Command::Output { of } => write!(f, "output of {of}"),
            Command::Cancel { invocation } => write!(f, "cancel {invocation}"),
            Command::GetState { key, .. } => write!(f, "get state '{key}'"),
            Command::SetState { key, value } => write!(f, "set state '{key}' ({} bytes)", value.len()),
            Command::ClearState { key } => write!(f, "clear state '{key}'"),
            Command::ClearAllState => f.write_str("clear all state"),
            Command::StateKeys { .. } => f.write_str("state keys"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Id(id) => write!(f, "{id}"),
            Named::IdempotencyKey { target, key } => write!(f, "{target} with the idempotency key '{key}'"),
            Named::Workflow { service, id } => write!(f, "the workflow {service}/{id}"),
        }
    }
}
