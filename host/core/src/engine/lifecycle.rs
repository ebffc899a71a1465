//! How an invocation goes from status to status, and ends.

use super::{Cx, catalog, command, completion, object, restart};
use crate::effect::Effect;
use crate::error::ErrorCode;
use crate::event::{End, Fail, Suspend};
use crate::id::{AttemptId, DeploymentId, InvocationId};
use crate::invocation::{
    BackingOff, FailingRun, Failures, Inboxed, Invocation, Lifecycle, OpenCommand, Paused, RunRetry, Status,
    Suspended,
};
use crate::retry::{Decision, Exhausted};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::value::Failure;

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
        let Some(route) = cx.state.route(&invocation.target.service)? else {
            let reason = format!("HH0070: no deployment has the service '{}'", invocation.target.service);
            lifecycle.status = Status::Paused(Paused { reason });
            return cx.state.put_lifecycle(id, &lifecycle);
        };
        lifecycle.deployment = Some(route.deployment);
    }
    lifecycle.attempt += 1;
    start_the_clock(cx, id, invocation, &mut lifecycle)?;
    lifecycle.status = Status::Running;
    cx.state.put_lifecycle(id, &lifecycle)?;
    cx.effects.push(Effect::StartAttempt(AttemptId { invocation: *id, number: lifecycle.attempt }));
    match lifecycle.attempt == 1 && lifecycle.commands > 0 {
        true => restart::carry_out_kept(cx, id, invocation, &lifecycle),
        false => Ok(()),
    }
}

/// The time of an invocation runs from its first attempt on.
fn start_the_clock<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &mut Lifecycle,
) -> Result<(), StoreError> {
    match invocation.policy.timeout_ms {
        Some(timeout_ms) if lifecycle.attempt == 1 => {
            let due = cx.at.plus_millis(timeout_ms);
            lifecycle.times_out_at = Some(due);
            cx.state.put_timer(due, id, Timer::Timeout)
        }
        Some(_) | None => Ok(()),
    }
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
    let cancelled = lifecycle.cancellation.as_ref().and_then(|it| it.notified);
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
    let cancelled = lifecycle.cancellation.as_ref().and_then(|it| it.notified);
    it.on.iter().any(|index| index.0 < lifecycle.commands && is_answered(index))
        || cancelled.is_some_and(|position| position.0 >= it.received)
}

fn is_exhausted(run: &&FailingRun) -> bool {
    run.retry == RunRetry::Exhausted
}

/// The handler has returned: the invocation ends.
pub(super) fn end<K: Kv>(cx: &mut Cx<'_, K>, it: &End) -> Result<(), StoreError> {
    let Some(lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    completion::complete(cx, &it.attempt.invocation, lifecycle, it.outcome.clone())
}

/// An attempt failed: the next one comes after a while, or an operator is asked. Who is asked at once where nobody else
/// can help, whatever the policy says: the invocation must not end of what can be put right.
pub(super) fn fail<K: Kv>(cx: &mut Cx<'_, K>, it: &Fail) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let id = &it.attempt.invocation;
    let before = lifecycle.failures.take();
    let first_at = before.as_ref().map_or(cx.at, |failures| failures.first_at);
    let count = before.map_or(0, |failures| failures.count) + 1;
    lifecycle.failures = Some(Failures { count, first_at, last_message: it.message.clone() });
    let decision = match ErrorCode::of_message(&it.message).is_some_and(ErrorCode::awaits_operator) {
        true => Decision::Exhausted(Exhausted::Pause),
        false => cx.invocation(id)?.policy.retry.after(count, cx.at.millis_since(first_at)),
    };
    lifecycle.status = match decision {
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
            return completion::complete(cx, id, lifecycle, Failure::new(500, message).into());
        }
    };
    cx.state.put_lifecycle(id, &lifecycle)
}

/// The attempts of an invocation are stopped; its journal and its key stay.
pub(super) fn pause<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, reason: &str) -> Result<(), StoreError> {
    let id = &cx.state.resolve(id)?;
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Paused(_) => return Ok(()),
        Status::Running => stop_attempt(cx, id, &lifecycle),
        Status::Suspended(_) => {}
        Status::BackingOff(BackingOff { until }) => cx.state.delete_timer(*until, id, Timer::Attempt)?,
    }
    lifecycle.status = Status::Paused(Paused { reason: reason.to_owned() });
    cx.state.put_lifecycle(id, &lifecycle)
}

/// An operator lets an invocation go on at once, with its retries counted anew. One whose deployment is gone stays where
/// it is, unless it gets another one.
pub(super) fn resume<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    deployment: Option<DeploymentId>,
) -> Result<(), StoreError> {
    let id = &cx.state.resolve(id)?;
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    let before = lifecycle.deployment;
    lifecycle.deployment = deployment.or(before);
    if !catalog::has_deployment(cx, &lifecycle)? {
        return Ok(());
    }
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Running | Status::Suspended(_) => return Ok(()),
        Status::BackingOff(BackingOff { until }) => cx.state.delete_timer(*until, id, Timer::Attempt)?,
        Status::Paused(_) => {}
    }
    lifecycle.failures = None;
    command::run::forget_failures(cx, id, &mut lifecycle)?;
    let has_left = before.filter(|before| lifecycle.deployment != Some(*before));
    start(cx, id, lifecycle)?;
    has_left.map_or(Ok(()), |left| catalog::leave(cx, left))
}

/// Drops an attempt's instance, if there is one.
pub(super) fn stop_attempt<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, lifecycle: &Lifecycle) {
    if let Some(attempt) = lifecycle.current_attempt(*id) {
        cx.effects.push(Effect::StopAttempt(attempt));
    }
}
