//! Stopping an invocation from outside its handler: with compensation (cancel) or without (kill).

use std::collections::VecDeque;

use super::{Cx, completion, lifecycle, notify};
use crate::id::{EntryIndex, InvocationId, Position};
use crate::invocation::{Cancellation, Lifecycle, OpenCommand, Status};
use crate::state::{Kv, State, StoreError};
use crate::value::{Failure, Outcome};

/// Asks an invocation, and what it calls, to stop: the leaves of the call tree first.
///
/// One that has not begun ends at once. One that has learns of it where it waits, may compensate, and ends as
/// its handler decides. While calls of its own are open it waits for them: their outcomes decide what there is
/// to compensate. A second cancellation changes nothing.
pub(super) fn cancel<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let id = cx.state.resolve(id)?;
    cancel_with(cx, &id, Failure::cancelled())
}

/// The time of an invocation is over: it is cancelled, and told why.
pub(super) fn time_out<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    lifecycle.times_out_at = None;
    cx.state.put_lifecycle(id, &lifecycle)?;
    let timeout_ms = cx.invocation(id)?.policy.timeout_ms.expect("only with a timeout there is a timer");
    cancel_with(cx, id, Failure::timed_out(timeout_ms))
}

fn cancel_with<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, failure: Failure) -> Result<(), StoreError> {
    // What calls are open below an invocation that was asked before may be how it compensates.
    let tree = call_tree(cx.state, id, Reach::Unshielded, |_, lifecycle| lifecycle.cancellation.is_none())?;
    for (invocation, callees) in &tree {
        let failure = if invocation == id { failure.clone() } else { Failure::cancelled() };
        request(cx, invocation, callees, failure)?;
    }
    // All have been asked; only now is anybody told, so that no answer of a callee overtakes the request.
    tree.iter().rev().try_for_each(|(invocation, _)| tell(cx, invocation))
}

/// Cancels the calls that an invocation has made after its cancellation was asked for, not knowing of it. If it was
/// notified already, then that does not count any more: it is notified anew when the calls have ended.
///
/// The attempt finds the same ([`crate::attempt`], waiting): such a notification is not told.
pub(super) fn catch_up<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    let Some(cancellation) = &mut lifecycle.cancellation else { return Ok(()) };
    cancellation.notified = None;
    cx.state.put_lifecycle(id, &lifecycle)?;
    let tree = call_tree(cx.state, id, Reach::Unshielded, |invocation, lifecycle| {
        invocation == id || lifecycle.cancellation.is_none()
    })?;
    for (invocation, callees) in &tree {
        request(cx, invocation, callees, Failure::cancelled())?;
    }
    tree.iter().rev().try_for_each(|(invocation, _)| tell(cx, invocation))
}

/// Ends an invocation and what it calls, without asking their handlers.
pub(super) fn kill<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let id = cx.state.resolve(id)?;
    for (invocation, _) in call_tree(cx.state, &id, Reach::All, |_, _| true)? {
        let Some(lifecycle) = cx.state.lifecycle(&invocation)? else { continue };
        lifecycle::stop_attempt(cx, &invocation, &lifecycle);
        completion::complete(cx, &invocation, lifecycle, Outcome::Failure(Failure::killed()))?;
    }
    Ok(())
}

/// Notes that an invocation is to be cancelled, unless it was noted before. A callee that others wait for as well is left
/// alone, and no longer waited for before its caller is told.
fn request<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    callees: &[Callee],
    failure: Failure,
) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    for callee in callees.iter().filter(|callee| callee.is_shared) {
        let invocation = callee.invocation;
        lifecycle.open.insert(callee.index, OpenCommand::Joined { invocation });
    }
    let since = Position(lifecycle.notifications);
    lifecycle.cancellation.get_or_insert(Cancellation { failure, since, notified: None });
    cx.state.put_lifecycle(id, &lifecycle)
}

/// Ends an invocation that has done nothing yet; the others learn of it where they wait.
fn tell<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match has_begun(&lifecycle) {
        false => completion::complete(cx, id, lifecycle, Outcome::Failure(Failure::cancelled())),
        true => notify::deliver_cancellation(cx, id, lifecycle),
    }
}

/// Whether there may be something to compensate. A restarted invocation has begun with what it has kept.
fn has_begun(lifecycle: &Lifecycle) -> bool {
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Paused(_) => {
            lifecycle.attempt > 0 || lifecycle.commands > 0
        }
        Status::Running | Status::Suspended(_) | Status::BackingOff(_) => true,
    }
}

/// Which calls of an invocation end with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Not those by which it compensates.
    Unshielded,
    All,
}

/// What an invocation waits for by a call of its own.
struct Callee {
    index: EntryIndex,
    invocation: InvocationId,
    /// Whether somebody else waits for it, too.
    is_shared: bool,
}

/// The invocation and all that it and its callees wait for, as far as they are `included` and nobody else's; callers
/// before their callees.
fn call_tree<K: Kv>(
    state: &State<K>,
    root: &InvocationId,
    reach: Reach,
    included: impl Fn(&InvocationId, &Lifecycle) -> bool,
) -> Result<Vec<(InvocationId, Vec<Callee>)>, StoreError> {
    let mut tree = Vec::new();
    let mut found = VecDeque::from([*root]);
    while let Some(id) = found.pop_front() {
        if let Some(lifecycle) = state.lifecycle(&id)?.filter(|lifecycle| included(&id, lifecycle)) {
            let callees = callees(state, &id, &lifecycle, reach)?;
            found.extend(callees.iter().filter(|callee| !callee.is_shared).map(|callee| callee.invocation));
            tree.push((id, callees));
        }
    }
    Ok(tree)
}

fn callees<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
    reach: Reach,
) -> Result<Vec<Callee>, StoreError> {
    let mut callees = Vec::new();
    for (index, open) in &lifecycle.open {
        if let OpenCommand::Call { callee, shielded } = open
            && (!shielded || reach == Reach::All)
        {
            let is_joined = state.lifecycle(callee)?.is_some_and(|it| it.joined > 0);
            let is_shared = is_joined && state.is_joined_by_others(callee, id)?;
            callees.push(Callee { index: *index, invocation: *callee, is_shared });
        }
    }
    Ok(callees)
}
