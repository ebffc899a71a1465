//! An invocation: one durable call, from its acceptance to its end.
//!
//! What never changes ([`Invocation`]) is stored apart from what changes with every event
//! ([`Lifecycle`]), so that the frequent writes are small. A finished one is a [`Completed`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::{HandlerMode, ServiceKind};
use crate::id::{AttemptId, DeploymentId, EntryIndex, InvocationId, Position, Seed};
use crate::policy::Policy;
use crate::subscription::RecordOrigin;
use crate::target::Target;
use crate::time::Timestamp;
use crate::value::{Failure, Outcome};

/// One header. Names are lower case.
pub type Header = (String, String);

/// What is known of an invocation when it is accepted; it never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    pub target: Target,
    pub kind: ServiceKind,
    pub mode: HandlerMode,
    pub headers: Vec<Header>,
    pub idempotency_key: Option<String>,
    pub seed: Seed,
    pub caller: Caller,
    pub created_at: Timestamp,
    /// How long the outcome is kept after completion; zero forgets it at once.
    pub retention_ms: u64,
    /// What was in force when it was accepted.
    pub policy: Policy,
    /// The invocations whose journals it has begun with, from the oldest on; empty for nearly all.
    pub lineage: Vec<Ancestor>,
}

/// An invocation that was restarted as another one, which has the beginning of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    pub invocation: InvocationId,
    pub seed: Seed,
    pub created_at: Timestamp,
    /// The commands before this index were asked for by it or by those before it.
    pub commands: u32,
}

/// Who asked for a command: in a restarted invocation not always itself. Ids of callees and awakeables that the
/// handler has seen must be the same when it sees them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub invocation: InvocationId,
    pub seed: Seed,
}

/// Finds who asked for command `index`.
pub fn asker(own: Asker, lineage: &[Ancestor], index: EntryIndex) -> Asker {
    let ancestor = lineage.iter().find(|it| index.0 < it.commands);
    ancestor.map_or(own, |it| Asker { invocation: it.invocation, seed: it.seed })
}

impl Invocation {
    /// The id of what command `index` of this invocation begins.
    pub fn child_id(&self, own: InvocationId, index: EntryIndex, target: &Target) -> InvocationId {
        let own = Asker { invocation: own, seed: self.seed };
        asker(own, &self.lineage, index).seed.child_id(index, target)
    }
}

/// Who gets the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// Somebody outside: an HTTP caller may be waiting.
    Ingress,
    /// The command of another invocation that waits for the outcome.
    Call { invocation: InvocationId, command: EntryIndex },
    /// Another invocation that sent it and does not wait.
    Send { invocation: InvocationId },
    /// A subscription made it of a record.
    Record(RecordOrigin),
}

/// Where an invocation that has not ended stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    pub status: Status,
    /// The number of the latest attempt; 0 before the first.
    pub attempt: u32,
    /// Chosen when the first attempt starts; the invocation finishes on it.
    pub deployment: Option<DeploymentId>,
    /// Commands in the journal.
    pub commands: u32,
    /// Notifications in the journal.
    pub notifications: u32,
    /// Notifications that were in the journal when an attempt last suspended: what it printed up to
    /// there is not printed again.
    pub seen: u32,
    /// Commands whose answer is still to come.
    pub open: BTreeMap<EntryIndex, OpenCommand>,
    pub cancellation: Option<Cancellation>,
    /// How many commands of other invocations have joined or attached to this one and wait for it.
    pub joined: u32,
    /// How many other ids there are for it.
    pub aliases: u32,
    /// Signals that were sent to it so far, and how many of them nobody has waited for yet.
    pub signals_sent: u32,
    pub signals_kept: u32,
    /// When its time is over, from its first attempt on.
    pub times_out_at: Option<Timestamp>,
    /// Steps that failed and may be executed again.
    pub failing_runs: BTreeMap<EntryIndex, FailingRun>,
    /// Attempts that failed since the journal last grew.
    pub failures: Option<Failures>,
    /// The approximate size of the journal, in bytes.
    pub journal_bytes: u64,
}

impl Lifecycle {
    pub fn new(status: Status) -> Self {
        Lifecycle {
            status,
            attempt: 0,
            deployment: None,
            commands: 0,
            notifications: 0,
            seen: 0,
            open: BTreeMap::new(),
            cancellation: None,
            joined: 0,
            aliases: 0,
            signals_sent: 0,
            signals_kept: 0,
            times_out_at: None,
            failing_runs: BTreeMap::new(),
            failures: None,
            journal_bytes: 0,
        }
    }

    /// The attempt that may speak for `invocation` now.
    pub fn current_attempt(&self, invocation: InvocationId) -> Option<AttemptId> {
        match &self.status {
            Status::Running => Some(AttemptId { invocation, number: self.attempt }),
            Status::Scheduled(_)
            | Status::Inboxed(_)
            | Status::Suspended(_)
            | Status::BackingOff(_)
            | Status::Paused(_) => None,
        }
    }

    /// Whether a step has failed and is not to be executed now.
    pub fn is_postponed(&self, run: EntryIndex) -> bool {
        self.failing_runs.get(&run).is_some_and(|failing| match failing.retry {
            RunRetry::At(_) | RunRetry::Exhausted => true,
            RunRetry::Due => false,
        })
    }
}

/// What an open command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenCommand {
    /// An invocation of its own.
    Call {
        callee: InvocationId,
        /// Not cancelled with this one.
        shielded: bool,
    },
    /// Somebody else's invocation, or one that others wait for as well.
    Joined {
        invocation: InvocationId,
    },
    Sleep {
        due: Timestamp,
    },
    Run {
        /// A cancellation that is still to be told does not keep it from being executed: the handler
        /// has been told, and waits for it all the same.
        outlives_cancellation: bool,
    },
    Awakeable,
    Signal,
    Promise,
    /// What is answered as soon as it is carried out.
    Question,
}

/// A cancellation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// What the handler is told.
    pub failure: Failure,
    /// Notifications the journal had then.
    pub since: Position,
    /// Where the journal says so; `None` while calls of its own are still open: they are cancelled
    /// first, and the handler learns how they ended before it learns that it is cancelled itself.
    pub notified: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    Scheduled(Scheduled),
    Inboxed(Inboxed),
    Running,
    Suspended(Suspended),
    BackingOff(BackingOff),
    Paused(Paused),
}

impl Status {
    /// The word people see.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Scheduled(_) => "scheduled",
            Status::Inboxed(_) => "inboxed",
            Status::Running => "running",
            Status::Suspended(_) => "suspended",
            Status::BackingOff(_) => "backing-off",
            Status::Paused(_) => "paused",
        }
    }
}

/// Waits for its delay to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub starts_at: Timestamp,
}

/// Waits in the inbox of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inboxed {
    pub ticket: u64,
}

/// Waits for an answer and holds no instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    pub on: Vec<EntryIndex>,
}

/// Waits before the next attempt, after one has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackingOff {
    pub until: Timestamp,
}

/// Waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    pub reason: String,
}

/// A `run` step that has failed and is not given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingRun {
    pub failures: u32,
    pub first_at: Timestamp,
    pub last_message: String,
    pub retry: RunRetry,
}

/// When a failing step is executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunRetry {
    /// When the timer fires; until then attempts that start for another reason leave it alone.
    At(Timestamp),
    /// By the next attempt.
    Due,
    /// Its policy is the invocation's, and exhausted: an operator has to decide.
    Exhausted,
}

/// Failed attempts in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    pub count: u32,
    pub first_at: Timestamp,
    pub last_message: String,
}

/// An invocation that has ended and is kept for those who ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    pub outcome: Outcome,
    pub completed_at: Timestamp,
    /// Until when its names lead to the outcome.
    pub expires_at: Timestamp,
    /// Whether they still do.
    pub is_named: bool,
    /// The one it ran on; `None` if it never began.
    pub deployment: Option<DeploymentId>,
    pub attempts: u32,
    pub journal: Option<KeptJournal>,
    /// How many other ids there are for it.
    pub aliases: u32,
    /// The latest invocation that has begun with its journal: what is sent to the awakeables that it created, or to
    /// itself, goes there.
    pub restarted_as: Option<InvocationId>,
}

/// The input and the journal of an invocation that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptJournal {
    pub commands: u32,
    pub notifications: u32,
    pub expires_at: Timestamp,
}
