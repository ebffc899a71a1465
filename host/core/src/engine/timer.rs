//! What happens because time has passed.

use super::{Cx, cancel, completion, lifecycle, notify};
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::{RunRetry, Status};
use crate::journal::Notification;
use crate::limits;
use crate::state::key::Timer;
use crate::state::{Kv, State, StoreError};
use crate::time::Timestamp;
use crate::value::Outcome;

/// When the next [`crate::event::Event::Wake`] is due; `None` if nothing waits for time to pass.
pub fn next_wakeup<K: Kv>(state: &State<K>) -> Result<Option<Timestamp>, StoreError> {
    state.next_timer()
}

/// Fires the timers that are due, earliest first, up to a bound; the driver wakes again for the rest.
pub(super) fn fire_due<K: Kv>(cx: &mut Cx<'_, K>) -> Result<(), StoreError> {
    for (due, id, timer) in cx.state.timers_due(cx.at, limits::TIMERS_PER_WAKE_MAX)? {
        // What a timer before this one has ended or started waits for no other.
        if !cx.state.take_timer(due, &id, timer)? {
            continue;
        }
        cx.state.raise_timer_floor(due);
        match timer {
            Timer::Start => begin(cx, &id)?,
            Timer::Sleep(index) => {
                notify::deliver(
                    cx,
                    &id,
                    Notification::Completed { command: index, outcome: Outcome::done() },
                )?;
            }
            Timer::Run(index) => retry_run(cx, &id, index)?,
            Timer::Attempt => retry_attempt(cx, &id)?,
            Timer::Expire => completion::expire(cx, &id)?,
            Timer::ExpireJournal => completion::expire_journal(cx, &id)?,
            Timer::Timeout => cancel::time_out(cx, &id)?,
        }
    }
    Ok(())
}

fn begin<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let lifecycle = cx.state.lifecycle(id)?.expect("a start timer ends with its invocation");
    let invocation = cx.invocation(id)?;
    lifecycle::enter(cx, id, &invocation, lifecycle)
}

/// Has the step executed again by the next attempt, and starts that if the invocation waits for the step.
/// One that is running finds out when it suspends.
fn retry_run<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, run: EntryIndex) -> Result<(), StoreError> {
    let mut lifecycle = cx.state.lifecycle(id)?.expect("a retry timer ends with its invocation");
    let failing = lifecycle.failing_runs.get_mut(&run).expect("a retry timer ends with its back-off");
    failing.retry = RunRetry::Due;
    match &lifecycle.status {
        Status::Suspended(it) if it.on.contains(&run) => lifecycle::start(cx, id, lifecycle),
        Status::Suspended(_)
        | Status::Running
        | Status::BackingOff(_)
        | Status::Paused(_)
        | Status::Scheduled(_)
        | Status::Inboxed(_) => cx.state.put_lifecycle(id, &lifecycle),
    }
}

fn retry_attempt<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let lifecycle = cx.state.lifecycle(id)?.expect("a back-off timer ends with its back-off");
    lifecycle::start(cx, id, lifecycle)
}
