//! How an invocation ends, what is kept of it, and how that is forgotten.
//!
//! Invariants: who waits for an outcome gets it once; a name leads to a live or completed invocation; when all
//! retention is over, no row is left.

use super::{Cx, attach, catalog, command, object, subscription};
use crate::deployment::HandlerMode;
use crate::effect::Effect;
use crate::id::InvocationId;
use crate::invocation::{
    Caller, Completed, Invocation, KeptJournal, Lifecycle, OpenCommand, RunRetry, Status,
};
use crate::limits;
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::value::{Outcome, Payload};

/// The invocation ends: its journal goes, its key passes on, and those who wait are told.
pub(super) fn complete<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: Lifecycle,
    outcome: Outcome,
) -> Result<(), StoreError> {
    let invocation = cx.invocation(id)?;
    delete_timers(cx, id, &lifecycle)?;
    command::promise::stop_waiting(cx, id, &invocation, &lifecycle)?;
    attach::leave(cx, id, &lifecycle)?;
    if lifecycle.signals_kept > 0 {
        cx.state.delete_signals(id)?;
    }
    cx.state.delete_lifecycle(id)?;
    let input = input_of_record(cx, id, &invocation, &outcome)?;
    keep(cx, id, &invocation, &lifecycle, &outcome)?;
    object::give_up(cx, id, &invocation, &lifecycle)?;
    tell_callers(cx, id, &invocation, &lifecycle, &outcome)?;
    if let Some(deployment) = lifecycle.deployment {
        catalog::leave(cx, deployment)?;
    }
    if let Caller::Record(origin) = &invocation.caller {
        subscription::ended(cx, id, &invocation, origin, &outcome, input)?;
    }
    cx.effects.push(Effect::Answer { invocation: *id, outcome });
    Ok(())
}

/// The value of a record whose invocation failed: its subscription may park it.
fn input_of_record<K: Kv>(
    cx: &Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    outcome: &Outcome,
) -> Result<Option<Payload>, StoreError> {
    match (&invocation.caller, outcome) {
        (Caller::Record(_), Outcome::Failure(_)) => cx.state.input(id),
        _ => Ok(None),
    }
}

/// Keeps what is asked for later: the outcome by its names, the journal for operators.
fn keep<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let expires_at = cx.at.plus_millis(invocation.retention_ms);
    let is_named = invocation.retention_ms > 0;
    let journal = kept_journal(cx, invocation, lifecycle, outcome);
    match is_named {
        true => cx.state.put_timer(expires_at, id, Timer::Expire)?,
        false => release_names(cx, id, invocation)?,
    }
    match &journal {
        Some(journal) => cx.state.put_timer(journal.expires_at, id, Timer::ExpireJournal)?,
        None => {
            cx.state.delete_journal(id, lifecycle.commands, lifecycle.notifications)?;
            cx.state.delete_input(id)?;
        }
    }
    if !is_named && journal.is_none() {
        return forget(cx, id, lifecycle.aliases);
    }
    let completed = Completed {
        outcome: outcome.clone(),
        completed_at: cx.at,
        expires_at,
        is_named,
        deployment: lifecycle.deployment,
        attempts: lifecycle.attempt,
        journal,
        aliases: lifecycle.aliases,
        restarted_as: None,
    };
    cx.state.put_completed(id, &completed)
}

fn kept_journal<K: Kv>(
    cx: &Cx<'_, K>,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
    outcome: &Outcome,
) -> Option<KeptJournal> {
    let retention_ms = journal_retention_ms(invocation, outcome);
    (retention_ms > 0).then(|| KeptJournal {
        commands: lifecycle.commands,
        notifications: lifecycle.notifications,
        expires_at: cx.at.plus_millis(retention_ms),
    })
}

fn journal_retention_ms(invocation: &Invocation, outcome: &Outcome) -> u64 {
    match (invocation.policy.journal_retention_ms, outcome) {
        (Some(retention_ms), _) => retention_ms,
        (None, Outcome::Success(_)) => 0,
        (None, Outcome::Failure(_)) => limits::FAILED_JOURNAL_RETENTION_MS,
    }
}

/// The names of a completed invocation are free again.
pub(super) fn expire<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let mut completed = cx.state.completed(id)?.expect("its timer ends with it");
    release_names(cx, id, &cx.invocation(id)?)?;
    completed.is_named = false;
    put_or_erase(cx, id, &completed)
}

/// The journal of a completed invocation is forgotten.
pub(super) fn expire_journal<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let mut completed = cx.state.completed(id)?.expect("its timer ends with it");
    delete_kept_journal(cx, id, &mut completed)?;
    put_or_erase(cx, id, &completed)
}

/// Keeps what somebody may still ask for.
fn put_or_erase<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    completed: &Completed,
) -> Result<(), StoreError> {
    match completed.is_named || completed.journal.is_some() {
        true => cx.state.put_completed(id, completed),
        false => erase(cx, id, completed),
    }
}

/// An operator has a completed invocation forgotten before its retention ends.
pub(super) fn purge<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let id = &cx.state.resolve(id)?;
    let Some(mut completed) = cx.state.completed(id)? else { return Ok(()) };
    if completed.is_named {
        cx.state.delete_timer(completed.expires_at, id, Timer::Expire)?;
        release_names(cx, id, &cx.invocation(id)?)?;
    }
    if let Some(journal) = &completed.journal {
        cx.state.delete_timer(journal.expires_at, id, Timer::ExpireJournal)?;
    }
    delete_kept_journal(cx, id, &mut completed)?;
    erase(cx, id, &completed)
}

fn delete_kept_journal<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    completed: &mut Completed,
) -> Result<(), StoreError> {
    let Some(journal) = completed.journal.take() else { return Ok(()) };
    cx.state.delete_journal(id, journal.commands, journal.notifications)?;
    cx.state.delete_input(id)
}

fn erase<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, completed: &Completed) -> Result<(), StoreError> {
    cx.state.delete_completed(id)?;
    forget(cx, id, completed.aliases)
}

fn forget<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, aliases: u32) -> Result<(), StoreError> {
    if aliases > 0 {
        cx.state.delete_aliases(id)?;
    }
    cx.state.delete_invocation(id)
}

fn tell_callers<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let caller = match invocation.caller {
        Caller::Call { invocation, command } => Some((invocation, command)),
        Caller::Ingress | Caller::Send { .. } | Caller::Record(_) => None,
    };
    let joined = match lifecycle.joined {
        0 => Vec::new(),
        _ => cx.state.take_all_joined(id)?,
    };
    for (waiting, command) in caller.into_iter().chain(joined) {
        attach::answer(cx, &waiting, command, outcome.clone())?;
    }
    Ok(())
}

/// Frees the names for others, unless another invocation has them: one that was restarted as this one, or this one as
/// that. The state and the promises of a workflow go with its id: the next run is another workflow.
fn release_names<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
) -> Result<(), StoreError> {
    let target = &invocation.target;
    if let (HandlerMode::WorkflowRun, Some(workflow)) = (invocation.mode, &target.key) {
        if cx.state.workflow_run(&target.service, workflow)? != Some(*id) {
            return Ok(());
        }
        cx.state.delete_workflow_run(&target.service, workflow)?;
        command::state::clear_all(cx, invocation)?;
        return command::promise::forget_all(cx, &target.service, workflow);
    }
    match &invocation.idempotency_key {
        Some(key) if cx.state.by_idempotency_key(target, key)? == Some(*id) => {
            cx.state.delete_idempotency_key(target, key)
        }
        Some(_) | None => Ok(()),
    }
}

fn delete_timers<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
) -> Result<(), StoreError> {
    for (index, open) in &lifecycle.open {
        if let OpenCommand::Sleep { due } = open {
            cx.state.delete_timer(*due, id, Timer::Sleep(*index))?;
        }
    }
    for (run, failing) in &lifecycle.failing_runs {
        if let RunRetry::At(retry_at) = failing.retry {
            cx.state.delete_timer(retry_at, id, Timer::Run(*run))?;
        }
    }
    if let Some(due) = lifecycle.times_out_at {
        cx.state.delete_timer(due, id, Timer::Timeout)?;
    }
    match &lifecycle.status {
        Status::Scheduled(it) => cx.state.delete_timer(it.starts_at, id, Timer::Start),
        Status::BackingOff(it) => cx.state.delete_timer(it.until, id, Timer::Attempt),
        Status::Inboxed(_) | Status::Running | Status::Suspended(_) | Status::Paused(_) => Ok(()),
    }
}
