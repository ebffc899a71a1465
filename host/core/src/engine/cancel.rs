//! Stopping an invocation from outside its handler: with compensation (cancel) or without (kill).

use std::collections::VecDeque;

use super::{Cx, completion, lifecycle, notify};
use crate::id::{EntryIndex, InvocationId, Position};
use crate::invocation::{Cancellation, Lifecycle, OpenCommand, Status};
use crate::journal::Command;
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

/// Cancels again an invocation that has made calls without knowing of its cancellation: these are cancelled as well,
/// and it is told when they have ended.
pub(super) fn catch_up<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    let Some(cancellation) = lifecycle.cancellation.take() else { return Ok(()) };
    cx.state.put_lifecycle(id, &lifecycle)?;
    cancel_with(cx, id, cancellation.failure)
}

fn cancel_with<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, failure: Failure) -> Result<(), StoreError> {
    // What calls are open below an invocation that was asked before may be how it compensates.
    let tree = call_tree(cx.state, id, Reach::Unshielded, |lifecycle| lifecycle.cancellation.is_none())?;
    for (invocation, callees) in &tree {
        let failure = if invocation == id { failure.clone() } else { Failure::cancelled() };
        request(cx, invocation, callees, failure)?;
    }
    // All have been asked; only now is anybody told, so that no answer of a callee overtakes the request.
    for (invocation, _) in tree.iter().rev() {
        tell(cx, invocation)?;
    }
    Ok(())
}

/// Ends an invocation and what it calls, without asking their handlers.
pub(super) fn kill<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let id = cx.state.resolve(id)?;
    for (invocation, _) in call_tree(cx.state, &id, Reach::All, |_| true)? {
        let Some(lifecycle) = cx.state.lifecycle(&invocation)? else { continue };
        lifecycle::stop_attempt(cx, &invocation, &lifecycle);
        completion::complete(cx, &invocation, lifecycle, Outcome::Failure(Failure::killed()))?;
    }
    Ok(())
}

/// Notes that an invocation is to be cancelled. A callee that others wait for as well is left alone, and no longer waited
/// for before its caller is told.
fn request<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    callees: &[Callee],
    failure: Failure,
) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    for callee in callees.iter().filter(|callee| callee.is_shared) {
        lifecycle.open.insert(callee.index, OpenCommand::Joined);
    }
    lifecycle.cancellation =
        Some(Cancellation { failure, since: Position(lifecycle.notifications), notified: None });
    cx.state.put_lifecycle(id, &lifecycle)
}

fn tell<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) => {
            completion::complete(cx, id, lifecycle, Outcome::Failure(Failure::cancelled()))
        }
        Status::Running | Status::Suspended(_) | Status::BackingOff(_) | Status::Paused(_) => {
            notify::deliver_cancellation(cx, id, lifecycle)
        }
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
    included: impl Fn(&Lifecycle) -> bool,
) -> Result<Vec<(InvocationId, Vec<Callee>)>, StoreError> {
    let mut tree = Vec::new();
    let mut found = VecDeque::from([*root]);
    while let Some(id) = found.pop_front() {
        if let Some(lifecycle) = state.lifecycle(&id)?.filter(&included) {
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
    let open_calls: Vec<EntryIndex> = lifecycle
        .open
        .iter()
        .filter(|(_, open)| match open {
            OpenCommand::Call { shielded } => !shielded || reach == Reach::All,
            _ => false,
        })
        .map(|(index, _)| *index)
        .collect();
    if open_calls.is_empty() {
        return Ok(Vec::new());
    }
    let caller = state.invocation(id)?.expect("stored with the lifecycle");
    let mut callees = Vec::new();
    for index in open_calls {
        let entry = state.command(id, index)?.expect("an open command is in the journal");
        let Command::Call(call) = entry.command else { unreachable!("an open call is a call") };
        let invocation = caller.child_id(*id, index, &call.target);
        let callee = state.lifecycle(&invocation)?;
        let is_shared = callee.is_some_and(|it| it.joined_by.iter().any(|(waiting, _)| waiting != id));
        callees.push(Callee { index, invocation, is_shared });
    }
    Ok(callees)
}
