//! Stopping an invocation from outside its handler: with compensation (cancel) or without (kill).

use std::collections::VecDeque;

use super::{Cx, lifecycle, notify};
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
    // What calls are open below an invocation that was asked before may be how it compensates.
    let tree = call_tree(cx.state, id, |lifecycle| lifecycle.cancellation.is_none())?;
    for invocation in &tree {
        request(cx, invocation)?;
    }
    // All have been asked; only now is anybody told, so that no answer of a callee overtakes the request.
    for invocation in tree.iter().rev() {
        tell(cx, invocation)?;
    }
    Ok(())
}

/// Ends an invocation and what it calls, without asking their handlers.
pub(super) fn kill<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    for invocation in call_tree(cx.state, id, |_| true)? {
        let Some(lifecycle) = cx.state.lifecycle(&invocation)? else { continue };
        lifecycle::stop_attempt(cx, &invocation, &lifecycle);
        lifecycle::complete(cx, &invocation, lifecycle, Outcome::Failure(Failure::killed()))?;
    }
    Ok(())
}

fn request<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    lifecycle.cancellation = Some(Cancellation { since: Position(lifecycle.notifications), notified: None });
    cx.state.put_lifecycle(id, &lifecycle)
}

fn tell<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId) -> Result<(), StoreError> {
    let Some(lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) | Status::Inboxed(_) => {
            lifecycle::complete(cx, id, lifecycle, Outcome::Failure(Failure::cancelled()))
        }
        Status::Running | Status::Suspended(_) | Status::BackingOff(_) | Status::Paused(_) => {
            notify::deliver_cancellation(cx, id, lifecycle)
        }
    }
}

/// The invocation and all that it and its callees wait for, as far as they are `included`; callers before
/// their callees.
fn call_tree<K: Kv>(
    state: &State<K>,
    root: &InvocationId,
    included: impl Fn(&Lifecycle) -> bool,
) -> Result<Vec<InvocationId>, StoreError> {
    let mut tree = Vec::new();
    let mut found = VecDeque::from([*root]);
    while let Some(id) = found.pop_front() {
        if let Some(lifecycle) = state.lifecycle(&id)?.filter(&included) {
            found.extend(callees(state, &id, &lifecycle)?);
            tree.push(id);
        }
    }
    Ok(tree)
}

fn callees<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
) -> Result<Vec<InvocationId>, StoreError> {
    let open_calls: Vec<EntryIndex> = lifecycle
        .open
        .iter()
        .filter(|(_, open)| **open == OpenCommand::Call)
        .map(|(index, _)| *index)
        .collect();
    if open_calls.is_empty() {
        return Ok(Vec::new());
    }
    let seed = state.invocation(id)?.expect("stored with the lifecycle").seed;
    let mut callees = Vec::new();
    for index in open_calls {
        let entry = state.command(id, index)?.expect("an open command is in the journal");
        if let Command::Call(call) = entry.command {
            callees.push(seed.child_id(index, &call.target));
        }
    }
    Ok(callees)
}
