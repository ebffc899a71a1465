//! What a guest may ask its attempt, and what it is told.

use crate::id::{AwakeableId, EntryIndex, InvocationId, Position};
use crate::journal::{Call, Named, NotificationEntry, Send};
use crate::retry::RetryPolicy;
use crate::target::Target;
use crate::value::{Answer, Failure, Outcome, Payload};

/// One host function called by the guest.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Call(Call),
    Send(Send),
    Sleep {
        duration_ms: u64,
        name: Option<String>,
    },
    /// Begins a step. Answered with [`Step::Replayed`], [`Step::Execute`] or [`Step::AwaitPermit`].
    Run {
        name: String,
        retry: Option<RetryPolicy>,
    },
    /// Asks again for a step that had to wait for its permit.
    EnterRun(EntryIndex),
    /// The closure of an entered step has returned.
    FinishRun {
        run: EntryIndex,
        outcome: RunOutcome,
    },
    /// The guest gave up an entered step without a result.
    AbandonRun(EntryIndex),
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
    Attach {
        to: Named,
    },
    Output {
        of: Named,
    },
    Cancel {
        invocation: InvocationId,
    },
    GetState {
        key: String,
    },
    SetState {
        key: String,
        value: Payload,
    },
    ClearState {
        key: String,
    },
    ClearAllState,
    StateKeys,
    /// Waits for the earliest of these; `io` says whether the guest also waits for input or output of a
    /// step that is being executed.
    Wait {
        on: Vec<EntryIndex>,
        io: bool,
    },
    /// Takes the answer of a command that `Wait` has reported.
    Take(EntryIndex),
}

/// How the closure of a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    Success(Payload),
    Terminal(Failure),
    Retryable(String),
}

/// The answer to an [`Op`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Recorded; nothing to say.
    Done,
    /// Recorded; the answer comes through `Wait`.
    Pending(EntryIndex),
    /// A call: its answer comes through `Wait`, and this is the callee.
    Called {
        command: EntryIndex,
        invocation: InvocationId,
    },
    /// A send: this is the callee.
    Sent {
        invocation: InvocationId,
    },
    Awakeable {
        command: EntryIndex,
        id: AwakeableId,
    },
    /// The step's result is, or will be, in the journal; its closure must not be executed.
    Replayed(EntryIndex),
    /// The step may touch the world now.
    Execute(EntryIndex),
    /// The step may be entered once [`News::MayEnter`] has come: ask [`Op::EnterRun`] then.
    AwaitPermit(EntryIndex),
    Value(Option<Payload>),
    Keys(Vec<String>),
    /// This one of the listed commands is complete.
    Ready(EntryIndex),
    /// Nothing listed is complete: ask again after news, or suspend.
    Blocked(Blocked),
    /// The invocation was cancelled: what the guest awaits fails with this.
    Cancelled(Failure),
    Taken(Answer),
}

/// How an attempt should pass the time while it is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A step is being executed: wait for its input or output, or for news.
    OnIo,
    /// Only the journal can go on: keep the instance for a while or suspend.
    OnJournal,
    /// A step is executed by another attempt: suspend at once, the engine starts that in time.
    OnRetry,
}

/// What the engine tells a running attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The journal has grown.
    Notified { position: Position, entry: NotificationEntry },
    /// The command of this step, and all that led to it, is durable.
    MayEnter(EntryIndex),
}

/// Why the guest cannot go on in this attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    #[error(
        "HH0007: command {index} of the journal was '{recorded}', but the handler now asks for '{asked}'; \
         deploy the version it began on, or one that asks for the same in the same order"
    )]
    JournalMismatch { index: u32, recorded: String, asked: String },
    #[error(
        "HH0007: the journal goes on with '{recorded}' (command {index}), but the handler has returned; \
         deploy the version it began on, or one that asks for the same in the same order"
    )]
    EndedEarly { index: u32, recorded: String },
    #[error(
        "HH0014: the journal of this invocation would grow beyond {limit}; split the work into several invocations"
    )]
    JournalTooLarge { limit: String },
    #[error(
        "HH0013: {what} has {size} bytes, more than the {limit} that are allowed; store it elsewhere and pass a reference"
    )]
    PayloadTooLarge { what: String, size: usize, limit: usize },
    #[error("HH0027: {target} may not change state: {reason}")]
    StateNotWritable { target: Target, reason: &'static str },
    #[error("HH0071: {target} has no state: it is a plain service; use an object or a workflow")]
    HasNoState { target: Target },
    #[error(
        "HH0062: {target} has no durable promises: they belong to workflows; use an awakeable or a signal"
    )]
    NotAWorkflow { target: Target },
    #[error("HH0003: {what} has {size} bytes, more than the {limit} that are allowed")]
    NameTooLong { what: &'static str, size: usize, limit: usize },
    #[error(
        "HH0079: {pending} operations of this invocation have no answer yet, as many as there may be; wait for some \
         before it begins more"
    )]
    TooManyPending { pending: usize },
    #[error("HH0040: {0}")]
    Misused(String),
}
