//! Everything that can happen to the host. Events in order, with their time, are the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::id::{
    AttemptId, AwakeableId, DeploymentId, EntryIndex, InvocationId, Position, Seed, Seq, SubscriptionId,
};
use crate::invocation::Header;
use crate::journal::Command;
use crate::policy::{Layer, Policies};
use crate::state::StateVersion;
use crate::subscription::{Halt, Offset, Partition, SourceRecord, Subscription, Verdict};
use crate::target::Target;
use crate::time::Timestamp;
use crate::value::{Outcome, Payload};

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub seq: Seq,
    /// Never earlier than that of the record before.
    pub at: Timestamp,
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A component becomes the latest revision of its services.
    Deploy(Deployment),
    /// One layer of policies is replaced.
    Configure(Configure),
    /// Somebody outside invokes a handler.
    Invoke(Invoke),
    /// A running handler asked for something.
    Commands(Commands),
    /// The closure of a `run` step has its final outcome.
    RunCompleted(RunCompleted),
    /// The closure of a `run` step failed and may be tried again.
    RunFailed(RunFailed),
    /// The handler has given up a `run` step: nobody waits for its result any more.
    RunAbandoned(RunAbandoned),
    /// An attempt waits and gives its instance back.
    Suspend(Suspend),
    /// The handler returned.
    End(End),
    /// An attempt failed in a way that another one may not.
    Fail(Fail),
    /// Somebody outside completes an awakeable.
    CompleteAwakeable { id: AwakeableId, outcome: Outcome },
    /// Somebody outside sends a signal to an invocation.
    Signal { invocation: InvocationId, name: String, outcome: Outcome },
    /// The invocation is asked to stop and compensate.
    Cancel { invocation: InvocationId },
    /// The invocation and what it calls end here, without compensation.
    Kill { invocation: InvocationId },
    /// An operator stops the attempts of an invocation.
    Pause { invocation: InvocationId },
    /// An operator lets a paused invocation go on, on another deployment if one is named.
    Resume { invocation: InvocationId, deployment: Option<DeploymentId> },
    /// An operator has the outcome of a completed invocation forgotten.
    Purge { invocation: InvocationId },
    /// An operator has a completed invocation executed again, as another one.
    RestartAsNew(RestartAsNew),
    /// An operator replaces the state of an object or workflow.
    ReplaceState(ReplaceState),
    /// An operator takes a deployment away: no new invocation goes there, and it is freed when the last has
    /// ended. By force at once; its invocations are paused.
    Remove { deployment: DeploymentId, force: bool },
    /// Time has passed: what is due at the record's time happens.
    Wake,
    /// An operator creates a subscription.
    Subscribe(Subscribe),
    /// An operator changes a subscription.
    Steer { subscription: SubscriptionId, steering: Steering },
    /// The positions of partitions that a subscription has none of.
    Assign(Assign),
    /// Records were read from a partition.
    Take(Take),
    /// A partition cannot be read from its position.
    Halt { subscription: SubscriptionId, partition: Partition, generation: u32, halt: Halt },
    /// An operator has a parked record handled again; its value was held against the handler anew.
    RetryParked { subscription: SubscriptionId, number: u64, value: Verdict },
    /// An operator drops a parked record.
    DiscardParked { subscription: SubscriptionId, number: u64 },
    /// The work that a subscription left for later goes on: see [`crate::effect::Effect::Advance`].
    Advance { subscription: SubscriptionId },
}

/// A whole layer of policies, in place of the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure {
    pub layer: Layer,
    pub policies: Policies,
}

/// An invocation from outside. `id` and `seed` are fresh from the operating system's random source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    pub id: InvocationId,
    pub target: Target,
    pub input: Payload,
    pub headers: Vec<Header>,
    pub idempotency_key: Option<String>,
    pub seed: Seed,
    pub delay_ms: Option<u64>,
    /// How long the outcome is kept if neither an idempotency key nor a workflow asks for longer.
    pub retention_ms: u64,
}

/// Commands `first`, `first + 1`, … of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    pub attempt: AttemptId,
    pub first: EntryIndex,
    pub commands: Vec<Command>,
    /// Where the journal had told the handler last that it is cancelled, when it asked for them: itself, or by a
    /// call of its own that was interrupted. A handler that does not know of its cancellation goes on calling.
    pub told_cancelled: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCompleted {
    pub attempt: AttemptId,
    pub run: EntryIndex,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFailed {
    pub attempt: AttemptId,
    pub run: EntryIndex,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunAbandoned {
    pub attempt: AttemptId,
    pub run: EntryIndex,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspend {
    pub attempt: AttemptId,
    /// The commands whose answers it waits for.
    pub on: Vec<EntryIndex>,
    /// How many notifications it had received: one that came later, or a cancellation, starts it again.
    pub received: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub attempt: AttemptId,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fail {
    pub attempt: AttemptId,
    /// For people; begins with the error code where there is one.
    pub message: String,
}

/// `id` and `seed` are fresh from the operating system's random source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestartAsNew {
    pub from: InvocationId,
    pub id: InvocationId,
    pub seed: Seed,
    /// How many commands of its journal the new invocation begins with, with their answers.
    pub commands: u32,
}

/// All values of one object or workflow, in place of those before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplaceState {
    pub service: String,
    pub key: String,
    pub values: BTreeMap<String, Payload>,
    /// What the state has to be; `None` replaces any.
    pub expected: Option<StateVersion>,
}

/// A new subscription. `id` and its seed are fresh from the operating system's random source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {
    pub id: SubscriptionId,
    pub subscription: Subscription,
}

/// An operator's change of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steering {
    Pause,
    Resume,
    /// With `force` also if records wait or are parked: they are lost.
    Delete {
        force: bool,
    },
    PauseKey {
        key: Payload,
    },
    ResumeKey {
        key: Payload,
    },
    /// The partition is read from there on.
    Seek {
        partition: Partition,
        next: Offset,
    },
    /// The records of one key are handled again from there on, or passed over up to there.
    SeekKey {
        key: Payload,
        partition: Partition,
        next: Offset,
    },
}

/// Where partitions begin. A partition that has a position keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assign {
    pub subscription: SubscriptionId,
    pub positions: Vec<(Partition, Offset)>,
}

/// Records of one partition, in the order of their offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    pub subscription: SubscriptionId,
    pub partition: Partition,
    /// That of the position it was read from.
    pub generation: u32,
    /// The key whose own position it was read from; `None` for that of the partition.
    pub of_key: Option<Payload>,
    /// The reader has read on from here: what is missing up to `next` is missing in the topic.
    pub from: Offset,
    pub records: Vec<SourceRecord>,
    /// Where the reader goes on: at least behind the last record.
    pub next: Offset,
}
