//! What a host needs that begins from stored state: the attempts to start, and what each begins with.

use std::collections::BTreeSet;

use super::subscription;
use crate::attempt::Start;
use crate::effect::Effect;
use crate::id::{AttemptId, DeploymentId, EntryIndex, InvocationId, Position};
use crate::invocation::{Caller, Invocation, Lifecycle, OpenCommand, Status};
use crate::journal::{Command, CommandEntry, Notification, NotificationEntry};
use crate::state::{Kv, State, StoreError};

/// Yields again the effects that a host before this one may not have carried out.
///
/// Those who waited outside have lost their connection; they ask again, and find what is stored.
pub fn recover<K: Kv>(state: &State<K>) -> Result<Vec<Effect>, StoreError> {
    let lifecycles = state.lifecycles()?;
    let attempts = lifecycles.iter().filter_map(|(id, lifecycle)| match &lifecycle.status {
        Status::Running => {
            Some(Effect::StartAttempt(AttemptId { invocation: *id, number: lifecycle.attempt }))
        }
        // Time, an answer, the key's holder or an operator starts these.
        Status::Scheduled(_)
        | Status::Inboxed(_)
        | Status::Suspended(_)
        | Status::BackingOff(_)
        | Status::Paused(_) => None,
    });
    Ok(attempts.chain(subscription::recover(state)?).collect())
}

/// What an attempt begins with.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub start: Start,
    /// The permits to enter the steps of its journal that have no result and do not back off. They leave
    /// the host, so they wait until the log is durable up to now.
    pub effects: Vec<Effect>,
}

/// Reads what an attempt begins with; `None` if the attempt is no longer the current one.
pub fn load<K: Kv>(state: &State<K>, attempt: AttemptId) -> Result<Option<Loaded>, StoreError> {
    let id = &attempt.invocation;
    let lifecycle = state.lifecycle(id)?.filter(|it| it.current_attempt(*id) == Some(attempt));
    let Some(lifecycle) = lifecycle else { return Ok(None) };
    let deployment = lifecycle.deployment.expect("pinned when the first attempt started");
    let executed = open_runs(&lifecycle).filter(|run| !lifecycle.is_postponed(*run));
    let effects = executed.map(|run| Effect::EnterRun { attempt, run }).collect();
    let start = start(state, attempt, deployment, lifecycle)?;
    Ok(Some(Loaded { start, effects }))
}

/// Reads what the next attempt of an invocation would begin with if it were made on `deployment` now; `None` if there is
/// no such invocation, or it has ended.
pub fn load_for_rehearsal<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    deployment: DeploymentId,
) -> Result<Option<Start>, StoreError> {
    let Some(lifecycle) = state.lifecycle(id)? else { return Ok(None) };
    let attempt = AttemptId { invocation: *id, number: lifecycle.attempt + 1 };
    start(state, attempt, deployment, lifecycle).map(Some)
}

fn start<K: Kv>(
    state: &State<K>,
    attempt: AttemptId,
    deployment: DeploymentId,
    lifecycle: Lifecycle,
) -> Result<Start, StoreError> {
    let id = &attempt.invocation;
    let invocation = state.invocation(id)?.expect("stored with the lifecycle");
    let commands = commands(state, id, &lifecycle)?;
    let notifications = notifications(state, id, &lifecycle)?;
    Ok(Start {
        attempt,
        deployment,
        input: state.input(id)?.expect("stored with the lifecycle"),
        postponed: open_runs(&lifecycle).filter(|run| lifecycle.is_postponed(*run)).collect(),
        abandoned: abandoned_runs(&lifecycle, &commands, &notifications),
        cancelled: lifecycle.cancellation.as_ref().and_then(|it| it.notified),
        commands,
        notifications,
        outliving: open_runs(&lifecycle).filter(|run| outlives_cancellation(&lifecycle, *run)).collect(),
        seen: lifecycle.seen,
        journal_bytes: lifecycle.journal_bytes,
        state: object_state(state, &invocation)?.into_iter().collect(),
        target: invocation.target,
        kind: invocation.kind,
        mode: invocation.mode,
        headers: invocation.headers,
        record: match invocation.caller {
            Caller::Record(origin) => Some(origin),
            Caller::Ingress | Caller::Call { .. } | Caller::Send { .. } => None,
        },
        idempotency_key: invocation.idempotency_key,
        seed: invocation.seed,
        created_at: invocation.lineage.first().map_or(invocation.created_at, |it| it.created_at),
        lineage: invocation.lineage,
        cpu_ms: invocation.policy.cpu_ms,
    })
}

fn open_runs(lifecycle: &Lifecycle) -> impl Iterator<Item = EntryIndex> {
    let is_run = |open: &OpenCommand| matches!(open, OpenCommand::Run { .. });
    lifecycle.open.iter().filter(move |(_, open)| is_run(open)).map(|(index, _)| *index)
}

/// The steps that handlers have given up: they have no result and wait for none.
fn abandoned_runs(
    lifecycle: &Lifecycle,
    commands: &[CommandEntry],
    notifications: &[NotificationEntry],
) -> BTreeSet<EntryIndex> {
    let is_run = |entry: &CommandEntry| matches!(entry.command, Command::Run { .. });
    let runs = (0..).map(EntryIndex).zip(commands).filter(|(_, entry)| is_run(entry));
    let mut closed: BTreeSet<_> =
        runs.map(|(index, _)| index).filter(|index| !lifecycle.open.contains_key(index)).collect();
    for entry in notifications {
        if let Notification::Completed { command, .. } = &entry.notification {
            closed.remove(command);
        }
    }
    closed
}

fn outlives_cancellation(lifecycle: &Lifecycle, run: EntryIndex) -> bool {
    lifecycle.open.get(&run) == Some(&OpenCommand::Run { outlives_cancellation: true })
}

fn commands<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
) -> Result<Vec<CommandEntry>, StoreError> {
    (0..lifecycle.commands)
        .map(|index| Ok(state.command(id, EntryIndex(index))?.expect("as many rows as are counted")))
        .collect()
}

fn notifications<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
) -> Result<Vec<NotificationEntry>, StoreError> {
    (0..lifecycle.notifications)
        .map(|position| Ok(state.notification(id, Position(position))?.expect("as many rows as are counted")))
        .collect()
}

fn object_state<K: Kv>(
    state: &State<K>,
    invocation: &Invocation,
) -> Result<Vec<(String, crate::value::Payload)>, StoreError> {
    match &invocation.target.key {
        Some(key) => state.object_state(&invocation.target.service, key),
        None => Ok(Vec::new()),
    }
}
