//! Why a request from outside is refused before anything is recorded.

use crate::error::ErrorCode;
use crate::id::{AwakeableId, DeploymentId, InvocationId, SubscriptionId};
use crate::limits;
use crate::state::StateVersion;
use crate::subscription::{Partition, Sink};
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
    #[error("nothing is known of {0}: it never was, or its retention has ended")]
    NothingNamed(String),
    #[error("{target} is private: only other handlers may call it")]
    PrivateHandler { target: Target },
    #[error("{what} would wait for itself: {}; send it instead, or do not call back", circle(.chain))]
    WaitsForItself { what: String, chain: Vec<String> },
    #[error(
        "{kept} signals were sent to {invocation} that it has not waited for; it has to wait for some before it can get more"
    )]
    SignalsFull { invocation: InvocationId, kept: u32 },
    #[error("{waiting} handlers wait for invocation {invocation} already; try again later")]
    TooManyJoined { invocation: InvocationId, waiting: usize },
    #[error(
        "promise '{name}' of the workflow {service}/{id} is completed already; the first completion counts"
    )]
    PromiseCompleted { service: String, id: String, name: String },
    #[error(
        "the workflow {service}/{id} has ended, and its retention is over: nobody completes its promises any more"
    )]
    PromiseForgotten { service: String, id: String },
    #[error("deployment {deployment}, on which {invocation} began, was removed; resume it on another")]
    DeploymentRemoved { invocation: InvocationId, deployment: DeploymentId },
    #[error(
        "deployment {0} is being removed, and takes no further invocation; register it again to have it stay"
    )]
    Draining(DeploymentId),
    #[error(
        "{from} was told that it is cancelled after {has} commands: no more of them than that can be kept, not {asked}"
    )]
    CancelledBefore { from: InvocationId, has: u32, asked: u32 },
    #[error("deployment {deployment} has no handler {target} of the same kind; resume it on one that has")]
    HandlerNotDeployed { deployment: DeploymentId, target: Target },
    #[error(
        "the journal of {0} is not kept any more; set journal-retention for its handler to restart successful ones"
    )]
    JournalNotKept(InvocationId),
    #[error("{from} has {has} commands in its journal, so {asked} of them cannot be kept")]
    CommandsNotThere { from: InvocationId, has: u32, asked: u32 },
    #[error("{service} is a plain service and has no state; only objects and workflows do")]
    HasNoState { service: String },
    #[error(
        "{holder} is working with the state of {service}/{key} right now; pause it, or wait until it has ended"
    )]
    KeyInUse { service: String, key: String, holder: InvocationId },
    #[error("the state of {service}/{key} has version {is}, not {expected}; read it again")]
    StateChanged { service: String, key: String, is: StateVersion, expected: StateVersion },
    #[error("the state of {service}/{key} would have {size} bytes, more than the {limit} that are allowed")]
    StateTooLarge { service: String, key: String, size: usize, limit: usize },
    #[error("there is no awakeable {0} to complete: it never was, or is completed already")]
    UnknownAwakeable(AwakeableId),
    #[error("invocation {invocation} is {status}, it cannot be {verb}")]
    WrongStatus { invocation: InvocationId, status: &'static str, verb: &'static str },
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    #[error("there is no subscription {0}")]
    UnknownSubscription(SubscriptionId),
    #[error("the host has {limit} subscriptions, and takes no more; delete some")]
    TooManySubscriptions { limit: usize },
    #[error("{sink} takes no input, so it cannot receive records; choose a handler with an input")]
    SinkTakesNothing { sink: Sink },
    #[error("the options have {size} bytes, more than the {limit} that are allowed")]
    OptionsTooLarge { size: usize, limit: usize },
    #[error(
        "{waiting} records wait and {parked} are parked in {subscription}; deleting it loses them: handle them first, or delete it with force"
    )]
    SubscriptionHolds { subscription: SubscriptionId, waiting: u64, parked: u64 },
    #[error("{parked} records are parked in {subscription}; retry or discard some before it resumes")]
    ParkedFull { subscription: SubscriptionId, parked: u64 },
    #[error("{subscription} has {limit} such keys, and takes no more; resume or finish some")]
    TooManyKeys { subscription: SubscriptionId, limit: u64 },
    #[error("{subscription} does not read partition {partition}; describe it to see those that it reads")]
    UnknownPartition { subscription: SubscriptionId, partition: Partition },
    #[error("{subscription} has no parked record {number}; list those that it has")]
    UnknownParked { subscription: SubscriptionId, number: u64 },
    #[error("parked record {number} still cannot become an invocation: {message}")]
    StillUnusable { number: u64, code: u16, message: String },
    #[error(
        "the value of parked record {number} was not kept; read it from the topic, or discard the record"
    )]
    ValueNotKept { number: u64 },
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
            Refusal::InboxFull { .. } | Refusal::TooManyJoined { .. } => ErrorCode::Overloaded,
            Refusal::IdempotencyKeyOnWorkflow { .. } => ErrorCode::BadIdempotencyKey,
            Refusal::WorkflowStarted { .. } => ErrorCode::WorkflowStarted,
            Refusal::UnknownInvocation(_) | Refusal::NothingNamed(_) => ErrorCode::UnknownInvocation,
            Refusal::PrivateHandler { .. } => ErrorCode::PrivateHandler,
            Refusal::WaitsForItself { .. } => ErrorCode::WaitsForItself,
            Refusal::SignalsFull { .. } => ErrorCode::SignalsFull,
            Refusal::PromiseCompleted { .. } => ErrorCode::PromiseCompleted,
            Refusal::PromiseForgotten { .. } => ErrorCode::PromiseForgotten,
            Refusal::HandlerNotDeployed { .. } | Refusal::DeploymentRemoved { .. } => ErrorCode::NotDeployed,
            Refusal::Draining(_) => ErrorCode::Draining,
            Refusal::JournalNotKept(_)
            | Refusal::CommandsNotThere { .. }
            | Refusal::CancelledBefore { .. } => ErrorCode::JournalNotKept,
            Refusal::HasNoState { .. } => ErrorCode::HasNoState,
            Refusal::KeyInUse { .. } => ErrorCode::KeyInUse,
            Refusal::StateChanged { .. } => ErrorCode::StateChanged,
            Refusal::StateTooLarge { .. } => ErrorCode::PayloadTooLarge,
            Refusal::UnknownAwakeable(_) => ErrorCode::UnknownAwakeable,
            Refusal::WrongStatus { .. } => ErrorCode::WrongStatus,
            Refusal::UnknownDeployment(_) => ErrorCode::ComponentMissing,
            Refusal::UnknownSubscription(_) => ErrorCode::UnknownSubscription,
            Refusal::TooManySubscriptions { .. } | Refusal::TooManyKeys { .. } => ErrorCode::Overloaded,
            Refusal::SinkTakesNothing { .. } | Refusal::OptionsTooLarge { .. } => {
                ErrorCode::MalformedSubscription
            }
            Refusal::SubscriptionHolds { .. } => ErrorCode::SubscriptionHolds,
            Refusal::ParkedFull { .. } => ErrorCode::ParkedFull,
            Refusal::UnknownPartition { .. } => ErrorCode::UnknownPartition,
            Refusal::UnknownParked { .. } => ErrorCode::UnknownParked,
            Refusal::StillUnusable { .. } | Refusal::ValueNotKept { .. } => ErrorCode::RecordUnusable,
            Refusal::KindChanged { .. } => ErrorCode::ServiceConflict,
        }
    }

    /// The HTTP status that says the same.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::UnknownService { .. }
            | Refusal::UnknownHandler { .. }
            | Refusal::UnknownInvocation(_)
            | Refusal::NothingNamed(_)
            | Refusal::UnknownAwakeable(_)
            | Refusal::UnknownDeployment(_)
            | Refusal::UnknownSubscription(_)
            | Refusal::UnknownPartition { .. }
            | Refusal::UnknownParked { .. } => 404,
            Refusal::KeyMissing { .. }
            | Refusal::KeyUnexpected { .. }
            | Refusal::KeyTooLong { .. }
            | Refusal::IdempotencyKeyOnWorkflow { .. }
            | Refusal::PrivateHandler { .. }
            | Refusal::HasNoState { .. }
            | Refusal::CommandsNotThere { .. }
            | Refusal::CancelledBefore { .. }
            | Refusal::SinkTakesNothing { .. }
            | Refusal::OptionsTooLarge { .. } => 400,
            Refusal::PromiseForgotten { .. } => 410,
            Refusal::InputTooLarge { .. } | Refusal::StateTooLarge { .. } => 413,
            Refusal::InboxFull { .. } | Refusal::SignalsFull { .. } | Refusal::TooManyJoined { .. } => 429,
            Refusal::TooManySubscriptions { .. } | Refusal::TooManyKeys { .. } => 429,
            Refusal::WaitsForItself { .. }
            | Refusal::PromiseCompleted { .. }
            | Refusal::HandlerNotDeployed { .. }
            | Refusal::DeploymentRemoved { .. }
            | Refusal::Draining(_)
            | Refusal::JournalNotKept(_)
            | Refusal::KeyInUse { .. }
            | Refusal::StateChanged { .. }
            | Refusal::WorkflowStarted { .. }
            | Refusal::WrongStatus { .. }
            | Refusal::SubscriptionHolds { .. }
            | Refusal::ParkedFull { .. }
            | Refusal::StillUnusable { .. }
            | Refusal::ValueNotKept { .. }
            | Refusal::KindChanged { .. } => 409,
        }
    }

    pub(super) fn check_length(what: &'static str, text: &str) -> Result<(), Refusal> {
        match text.len() <= limits::KEY_BYTES_MAX {
            true => Ok(()),
            false => Err(Refusal::KeyTooLong { what, size: text.len(), limit: limits::KEY_BYTES_MAX }),
        }
    }
}

fn circle(chain: &[String]) -> String {
    chain.iter().chain(chain.first()).cloned().collect::<Vec<_>>().join(" waits for ")
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}
