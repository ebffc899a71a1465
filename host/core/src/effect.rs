//! What the engine wants done. An effect may be repeated after a crash, never lost.

use crate::id::{AttemptId, DeploymentId, EntryIndex, InvocationId, Position, SubscriptionId};
use crate::journal::NotificationEntry;
use crate::subscription::RecordOrigin;
use crate::value::{Failure, Outcome};

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Load the attempt's journal ([`crate::engine::load`]) and execute the handler.
    StartAttempt(AttemptId),
    /// Tell a running attempt what was added to its journal.
    Notify { attempt: AttemptId, position: Position, entry: NotificationEntry },
    /// Drop the instance of an attempt whose invocation was killed, paused or taken over.
    StopAttempt(AttemptId),
    /// Let an attempt execute the closure of a `run` step.
    EnterRun { attempt: AttemptId, run: EntryIndex },
    /// Tell whoever submitted `submitted` which invocation stands for it.
    Accepted { submitted: InvocationId, invocation: InvocationId, previously: bool },
    /// Forget the component of a deployment: no invocation needs it any more.
    FreeDeployment(DeploymentId),
    /// Tell whoever waits for the invocation how it ended.
    Answer { invocation: InvocationId, outcome: Outcome },
    /// Record [`crate::event::Event::Advance`] soon: the subscription has more to do than fits into one record.
    Advance(SubscriptionId),
    /// Log and count a record that failed. `parked` is its number if it is kept.
    RecordFailed { origin: RecordOrigin, parked: Option<u64>, failure: Failure },
}

impl Effect {
    /// Whether it leaves the host, and so has to wait until the log is durable up to its cause.
    ///
    /// What stays inside may go ahead: if the tail of the log is lost in a crash, what followed from
    /// it is lost with it.
    pub fn leaves_the_host(&self) -> bool {
        match self {
            Effect::StartAttempt(_)
            | Effect::Notify { .. }
            | Effect::StopAttempt(_)
            | Effect::Advance(_)
            | Effect::RecordFailed { .. } => false,
            Effect::EnterRun { .. }
            | Effect::Accepted { .. }
            | Effect::Answer { .. }
            | Effect::FreeDeployment(_) => true,
        }
    }
}
