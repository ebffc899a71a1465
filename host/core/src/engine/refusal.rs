//! Why a request from outside is refused before anything is recorded.

use crate::error::ErrorCode;
use crate::id::{AwakeableId, DeploymentId, InvocationId};
use crate::limits;
use crate::target::Target;

/// A refused request. Nothing was recorded, nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no service '{service}'{}", suggestion(.nearest))]
    UnknownService { service: String, nearest: Option<String> },
    #[error("service '{service}' has no handler '{handler}'{}", suggestion(.nearest))]
    UnknownHandler { service: String, handler: String, nearest: Option<String> },
    #[error("'{service}' is keyed; name the key: {service}/<key>/{handler}")]
    KeyMissing { service: String, handler: String },
    #[error("'{service}' is a plain service and takes no key, but got '{key}'; call {service}/{handler}")]
    KeyUnexpected { service: String, key: String, handler: String },
    #[error("{what} has {size} bytes, more than the {limit} that are allowed")]
    KeyTooLong { what: &'static str, size: usize, limit: usize },
    #[error(
        "the input has {size} bytes, more than the {limit} that are allowed; store it elsewhere and pass a reference"
    )]
    InputTooLarge { size: usize, limit: usize },
    #[error("{waiting} invocations wait for the key of {target} already; try again later")]
    InboxFull { target: Target, waiting: u64 },
    #[error("{target} takes no idempotency key: a workflow id starts once by itself")]
    IdempotencyKeyOnWorkflow { target: Target },
    #[error("workflow {target} has started already; attach to it to get its outcome")]
    WorkflowStarted { target: Target, invocation: InvocationId },
    #[error("there is no invocation {0}: it never was, or its retention has ended")]
    UnknownInvocation(InvocationId),
    #[error("there is no awakeable {0} to complete: it never was, or is completed already")]
    UnknownAwakeable(AwakeableId),
    #[error("invocation {invocation} is {status}, it cannot be {verb}")]
    WrongStatus { invocation: InvocationId, status: &'static str, verb: &'static str },
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    #[error(
        "service '{service}' is {is} in the latest deployment, and would become {would_be}; its keys and state would be lost: give it another name"
    )]
    KindChanged { service: String, is: &'static str, would_be: &'static str },
}

impl Refusal {
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::UnknownService { .. } => ErrorCode::UnknownService,
            Refusal::UnknownHandler { .. } => ErrorCode::UnknownHandler,
            Refusal::KeyMissing { .. } | Refusal::KeyUnexpected { .. } | Refusal::KeyTooLong { .. } => {
                ErrorCode::MalformedPath
            }
            Refusal::InputTooLarge { .. } => ErrorCode::PayloadTooLarge,
            Refusal::InboxFull { .. } => ErrorCode::Overloaded,
            Refusal::IdempotencyKeyOnWorkflow { .. } => ErrorCode::BadIdempotencyKey,
            Refusal::WorkflowStarted { .. } => ErrorCode::WorkflowStarted,
            Refusal::UnknownInvocation(_) => ErrorCode::UnknownInvocation,
            Refusal::UnknownAwakeable(_) => ErrorCode::UnknownAwakeable,
            Refusal::WrongStatus { .. } => ErrorCode::WrongStatus,
            Refusal::UnknownDeployment(_) => ErrorCode::ComponentMissing,
            Refusal::KindChanged { .. } => ErrorCode::ServiceConflict,
        }
    }

    /// The HTTP status that says the same.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::UnknownService { .. }
            | Refusal::UnknownHandler { .. }
            | Refusal::UnknownInvocation(_)
            | Refusal::UnknownAwakeable(_)
            | Refusal::UnknownDeployment(_) => 404,
            Refusal::KeyMissing { .. }
            | Refusal::KeyUnexpected { .. }
            | Refusal::KeyTooLong { .. }
            | Refusal::IdempotencyKeyOnWorkflow { .. } => 400,
            Refusal::InputTooLarge { .. } => 413,
            Refusal::InboxFull { .. } => 429,
            Refusal::WorkflowStarted { .. } | Refusal::WrongStatus { .. } | Refusal::KindChanged { .. } => {
                409
            }
        }
    }

    pub(super) fn check_length(what: &'static str, text: &str) -> Result<(), Refusal> {
        match text.len() <= limits::KEY_BYTES_MAX {
            true => Ok(()),
            false => Err(Refusal::KeyTooLong { what, size: text.len(), limit: limits::KEY_BYTES_MAX }),
        }
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}
