//! How an invocation goes from status to status, and ends.

use super::{Cx, command, notify, object};
use crate::deployment::HandlerMode;
use crate::effect::Effect;
use crate::event::{End, Fail, Suspend};
use crate::id::{AttemptId, DeploymentId, InvocationId};
use crate::invocation::{
    BackingOff, Caller, Completed, FailingRun, Failures, Inboxed, Invocation, Lifecycle, OpenCommand, Paused,
    RunRetry, Status, Suspended,
};
use crate::journal::Notification;
use crate::retry::{Decision, Exhausted};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::value::{Failure, Outcome};

/// An invocation is let in: it starts, or waits for its key.
pub(super) fn enter<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    mut lifecycle: Lifecycle,
) -> Result<(), StoreError> {
    let ticket = match object::needed_key(invocation) {
        Some((service, key)) => object::acquire(cx, service, key, id)?,
        None => None,
    };
    match ticket {
        None => start_on(cx, id, invocation, lifecycle),
        Some(ticket) => {
            lifecycle.status = Status::Inboxed(Inboxed { ticket });
            cx.state.put_lifecycle(id, &lifecycle)
        }
    }
}

/// The next attempt starts.
pub(super) fn start<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: Lifecycle,
) -> Result<(), StoreError> {
    let invocation = cx.invocation(id)?;
    start_on(cx, id, &invocation, lifecycle)
}

/// Pins the deployment at the first attempt: the invocation finishes on it.
fn start_on<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    mut lifecycle: Lifecycle,
) -> Result<(), StoreError> {
    if lifecycle.deployment.is_none() {
        let latest = cx.state.route(&invocation.target.service)?;
        lifecycle.deployment =
            Some(latest.expect("a service that was invoked stays in the catalog").deployment);
    }
    lifecycle.attempt += 1;
    lifecycle.status = Status::Running;
    cx.state.put_lifecycle(id, &lifecycle)?;
    cx.effects.push(Effect::StartAttempt(AttemptId { invocation: *id, number: lifecycle.attempt }));
    Ok(())
}

/// An attempt has given its instance back: the invocation waits, unless what it waits for has come.
pub(super) fn suspend<K: Kv>(cx: &mut Cx<'_, K>, it: &Suspend) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let id = &it.attempt.invocation;
    lifecycle.seen = lifecycle.seen.max(it.received);
    if take_up_runs(&mut lifecycle, it) || may_go_on(&lifecycle, it) {
        return start(cx, id, lifecycle);
    }
    lifecycle.status = match it.on.iter().filter_map(|run| lifecycle.failing_runs.get(run)).find(is_exhausted)
    {
        Some(run) => Status::Paused(Paused {
            reason: format!(
                "HH0026: a run step failed {} times, last with: {}",
                run.failures, run.last_message
            ),
        }),
        None => Status::Suspended(Suspended { on: it.on.clone() }),
    };
    cx.state.put_lifecycle(id, &lifecycle)
}

/// Finds the steps that the attempt waits for and did not execute: they have become due, or were passed over
/// because of a cancellation that the handler has since been told. The next attempt executes them.
fn take_up_runs(lifecycle: &mut Lifecycle, it: &Suspend) -> bool {
    let cancelled = lifecycle.cancellation.and_then(|it| it.notified);
    let knows_of_cancellation = cancelled.is_some_and(|position| position.0 < it.received);
    let mut has_found = false;
    for index in &it.on {
        if lifecycle.is_postponed(*index) {
            continue;
        }
        if let Some(OpenCommand::Run { outlives_cancellation }) = lifecycle.open.get_mut(index) {
            *outlives_cancellation |= knows_of_cancellation;
            has_found = true;
        }
    }
    has_found
}

/// Whether an answer or a cancellation came while the attempt left.
fn may_go_on(lifecycle: &Lifecycle, it: &Suspend) -> bool {
    let is_answered = |index| it.on.contains(index) && !lifecycle.open.contains_key(index);
    let cancelled = lifecycle.cancellation.and_then(|it| it.notified);
    it.on.iter().any(|index| index.0 < lifecycle.commands && is_answered(index))
        || cancelled.is_some_and(|position| position.0 >= it.received)
}

fn is_exhausted(run: &&FailingRun) -> bool {
    run.retry == RunRetry::Exhausted
}

/// The handler has returned: the invocation ends.
pub(super) fn end<K: Kv>(cx: &mut Cx<'_, K>, it: &End) -> Result<(), StoreError> {
    let Some(lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    complete(cx, &it.attempt.invocation, lifecycle, it.outcome.clone())
}

/// An attempt failed: the next one comes after a while, or an operator is asked.
pub(super) fn fail<K: Kv>(cx: &mut Cx<'_, K>, it: &Fail) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let id = &it.attempt.invocation;
    let before = lifecycle.failures.take();
    let first_at = before.as_ref().map_or(cx.at, |failures| failures.first_at);
    let count = before.map_or(0, |failures| failures.count) + 1;
    lifecycle.failures = Some(Failures { count, first_at, last_message: it.message.clone() });
    lifecycle.status = match cx.invocation(id)?.policy.retry.after(count, cx.at.millis_since(first_at)) {
        Decision::RetryAfter { delay_ms } => {
            let until = cx.at.plus_millis(delay_ms);
            cx.state.put_timer(until, id, Timer::Attempt)?;
            Status::BackingOff(BackingOff { until })
        }
        Decision::Exhausted(Exhausted::Pause) => Status::Paused(Paused {
            reason: format!("attempt failed {count} times, last with: {}", it.message),
        }),
        Decision::Exhausted(Exhausted::Fail) => {
            let message = format!("HH0051: failed {count} times, last with: {}", it.message);
            return complete(cx, id, lifecycle, Failure::new(500, message).into());
        }
    };
    cx.state.put_lifecycle(id, &lifecycle)
}

/// An operator stops the attempts of an invocation; its journal and its key stay.
pub(super) fn pause<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Paused(_) => return Ok(()),
        Status::Running => stop_attempt(cx, id, &lifecycle),
        Status::Suspended(_) => {}
        Status::BackingOff(BackingOff { until }) => cx.state.delete_timer(*until, id, Timer::Attempt)?,
    }
    lifecycle.status = Status::Paused(Paused { reason: "by an operator".to_owned() });
    cx.state.put_lifecycle(id, &lifecycle)
}

/// An operator lets an invocation go on at once, with its retries counted anew.
pub(super) fn resume<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    deployment: Option<DeploymentId>,
) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Running | Status::Suspended(_) => return Ok(()),
        Status::BackingOff(BackingOff { until }) => cx.state.delete_timer(*until, id, Timer::Attempt)?,
        Status::Paused(_) => {}
    }
    lifecycle.failures = None;
    command::run::forget_failures(cx, id, &mut lifecycle)?;
    lifecycle.deployment = deployment.or(lifecycle.deployment);
    start(cx, id, lifecycle)
}

/// An operator has an outcome forgotten before its retention ends.
pub(super) fn purge<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(completed) = cx.state.completed(id)? else { return Ok(()) };
    cx.state.delete_timer(completed.expires_at, id, Timer::Expire)?;
    forget(cx, id)
}

/// The invocation ends: its journal goes, its key passes on, and those who wait are told.
pub(super) fn complete<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: Lifecycle,
    outcome: Outcome,
) -> Result<(), StoreError> {
    let invocation = cx.invocation(id)?;
    delete_timers(cx, id, &lifecycle)?;
    cx.state.delete_journal(id, &lifecycle)?;
    cx.state.delete_lifecycle(id)?;
    cx.state.delete_input(id)?;
    if invocation.retention_ms == 0 {
        release_names(cx, &invocation)?;
        cx.state.delete_invocation(id)?;
    } else {
        let expires_at = cx.at.plus_millis(invocation.retention_ms);
        let completed = Completed { outcome: outcome.clone(), completed_at: cx.at, expires_at };
        cx.state.put_completed(id, &completed)?;
        cx.state.put_timer(expires_at, id, Timer::Expire)?;
    }
    object::give_up(cx, id, &invocation, &lifecycle)?;
    tell_callers(cx, &invocation, &lifecycle, &outcome)?;
    cx.effects.push(Effect::Answer { invocation: *id, outcome });
    Ok(())
}

/// Drops an attempt's instance, if there is one.
pub(super) fn stop_attempt<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, lifecycle: &Lifecycle) {
    if let Some(attempt) = lifecycle.current_attempt(*id) {
        cx.effects.push(Effect::StopAttempt(attempt));
    }
}

/// A completed invocation is forgotten, and its names are free again.
pub(super) fn forget<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(invocation) = cx.state.invocation(id)? else { return Ok(()) };
    release_names(cx, &invocation)?;
    cx.state.delete_completed(id)?;
    cx.state.delete_invocation(id)
}

fn tell_callers<K: Kv>(
    cx: &mut Cx<'_, K>,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let caller = match invocation.caller {
        Caller::Call { invocation, command } => Some((invocation, command)),
        Caller::Ingress | Caller::Send { .. } => None,
    };
    for (waiting, command) in caller.iter().chain(&lifecycle.joined_by) {
        let answer = Notification::Completed { command: *command, outcome: outcome.clone() };
        notify::deliver(cx, waiting, answer)?;
    }
    Ok(())
}

/// Frees the names for others. The state of a workflow goes with its id: the next run is another workflow.
fn release_names<K: Kv>(cx: &mut Cx<'_, K>, invocation: &Invocation) -> Result<(), StoreError> {
    let target = &invocation.target;
    if let (HandlerMode::WorkflowRun, Some(workflow)) = (invocation.mode, &target.key) {
        command::state::clear_all(cx, invocation)?;
        return cx.state.delete_workflow_run(&target.service, workflow);
    }
    match &invocation.idempotency_key {
        Some(key) => cx.state.delete_idempotency_key(target, key),
        None => Ok(()),
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
    match &lifecycle.status {
        Status::Scheduled(it) => cx.state.delete_timer(it.starts_at, id, Timer::Start),
        Status::BackingOff(it) => cx.state.delete_timer(it.until, id, Timer::Attempt),
        Status::Inboxed(_) | Status::Running | Status::Suspended(_) | Status::Paused(_) => Ok(()),
    }
}
