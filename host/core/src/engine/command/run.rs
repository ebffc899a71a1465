//! How a `run` step ends, or fails and is executed again later.

use super::super::{Cx, notify};
use crate::event::{RunAbandoned, RunCompleted, RunFailed};
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::{FailingRun, Lifecycle, OpenCommand, RunRetry};
use crate::journal::{Command, Notification};
use crate::retry::{Decision, Exhausted, RetryPolicy};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::value::{Failure, Outcome};

/// The step has its outcome; it never changes.
pub(in super::super) fn complete<K: Kv>(cx: &mut Cx<'_, K>, it: &RunCompleted) -> Result<(), StoreError> {
    if cx.current(it.attempt)?.is_none() {
        return Ok(());
    }
    let answer = Notification::Completed { command: it.run, outcome: it.outcome.clone() };
    notify::deliver(cx, &it.attempt.invocation, answer)
}

/// The step failed retryably. When its policy is exhausted it fails for good, or the invocation pauses when its
/// attempt suspends.
pub(in super::super) fn fail<K: Kv>(cx: &mut Cx<'_, K>, it: &RunFailed) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let Some(OpenCommand::Run { .. }) = lifecycle.open.get(&it.run) else { return Ok(()) };
    let id = it.attempt.invocation;
    let mut failing = count_failure(cx, &lifecycle, it);
    forget_failure(cx, &id, &mut lifecycle, it.run)?;
    match policy(cx, &id, it.run)?.after(failing.failures, cx.at.millis_since(failing.first_at)) {
        Decision::RetryAfter { delay_ms } => {
            let retry_at = cx.at.plus_millis(delay_ms);
            failing.retry = RunRetry::At(retry_at);
            cx.state.put_timer(retry_at, &id, Timer::Run(it.run))?;
        }
        Decision::Exhausted(Exhausted::Fail) => {
            cx.state.put_lifecycle(&id, &lifecycle)?;
            let outcome = Outcome::Failure(exhausted(&failing));
            return notify::deliver(cx, &id, Notification::Completed { command: it.run, outcome });
        }
        Decision::Exhausted(Exhausted::Pause) => {}
    }
    lifecycle.failing_runs.insert(it.run, failing);
    cx.state.put_lifecycle(&id, &lifecycle)
}

/// Nobody waits for the step any more: no later attempt executes it.
pub(in super::super) fn abandon<K: Kv>(cx: &mut Cx<'_, K>, it: &RunAbandoned) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let Some(OpenCommand::Run { .. }) = lifecycle.open.get(&it.run) else { return Ok(()) };
    lifecycle.open.remove(&it.run);
    forget_failure(cx, &it.attempt.invocation, &mut lifecycle, it.run)?;
    cx.state.put_lifecycle(&it.attempt.invocation, &lifecycle)
}

/// Drops what is known of a failing step, and its timer.
pub(in super::super) fn forget_failure<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &mut Lifecycle,
    run: EntryIndex,
) -> Result<(), StoreError> {
    match lifecycle.failing_runs.remove(&run).map(|failing| failing.retry) {
        Some(RunRetry::At(retry_at)) => cx.state.delete_timer(retry_at, id, Timer::Run(run)),
        Some(RunRetry::Due | RunRetry::Exhausted) | None => Ok(()),
    }
}

/// Drops what is known of all failing steps: they are executed again at once, and counted anew.
pub(in super::super) fn forget_failures<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &mut Lifecycle,
) -> Result<(), StoreError> {
    let failing: Vec<EntryIndex> = lifecycle.failing_runs.keys().copied().collect();
    failing.into_iter().try_for_each(|run| forget_failure(cx, id, lifecycle, run))
}

fn count_failure<K: Kv>(cx: &Cx<'_, K>, lifecycle: &Lifecycle, it: &RunFailed) -> FailingRun {
    let before = lifecycle.failing_runs.get(&it.run);
    FailingRun {
        failures: before.map_or(0, |failing| failing.failures) + 1,
        first_at: before.map_or(cx.at, |failing| failing.first_at),
        last_message: it.message.clone(),
        retry: RunRetry::Exhausted,
    }
}

/// The policy of the step: its own, or that of the invocation.
fn policy<K: Kv>(cx: &Cx<'_, K>, id: &InvocationId, run: EntryIndex) -> Result<RetryPolicy, StoreError> {
    let entry = cx.state.command(id, run)?.expect("an open command is in the journal");
    match entry.command {
        Command::Run { retry: Some(own), .. } => Ok(own),
        _ => Ok(cx.invocation(id)?.policy.retry),
    }
}

fn exhausted(failing: &FailingRun) -> Failure {
    let message = format!("HH0026: failed {} times, last with: {}", failing.failures, failing.last_message);
    Failure::new(500, message)
}
