//! Whether waiting for an invocation would be waiting for oneself.
//!
//! Invocations wait for each other in two ways: for the outcome of a call or of what they joined, and in the line for a
//! key for whoever holds it. A new edge that closes a circle would never be answered, and is refused. Edges arise only
//! where a handler calls or attaches: who stands in line has called nobody yet, so that whoever stands there behind it
//! waits for the holder and for nobody else. So it is enough to look then.
//!
//! The search follows what is waited for, not who waits: a handler has few open calls, a key may have a long line.

use std::collections::{BTreeMap, VecDeque};

use super::{Cx, object};
use crate::id::InvocationId;
use crate::invocation::{Lifecycle, OpenCommand, Status};
use crate::limits;
use crate::state::{Kv, State, StoreError};

/// The way by which `awaited` waits for `waiting` already, from `awaited` on; `None` if it does not.
///
/// Looks at [`limits::WAIT_CHAIN_MAX`] invocations at most.
pub(super) fn circle<K: Kv>(
    cx: &Cx<'_, K>,
    waiting: &InvocationId,
    awaited: &InvocationId,
) -> Result<Option<Vec<InvocationId>>, StoreError> {
    let mut awaited_by: BTreeMap<InvocationId, Option<InvocationId>> = [(*awaited, None)].into();
    let mut found = VecDeque::from([*awaited]);
    while let Some(id) = found.pop_front() {
        if id == *waiting {
            return Ok(Some(way(&awaited_by, id)));
        }
        for next in awaits(cx.state, &id)? {
            if awaited_by.len() < limits::WAIT_CHAIN_MAX && !awaited_by.contains_key(&next) {
                awaited_by.insert(next, Some(id));
                found.push_back(next);
            }
        }
    }
    Ok(None)
}

fn way(awaited_by: &BTreeMap<InvocationId, Option<InvocationId>>, to: InvocationId) -> Vec<InvocationId> {
    let mut way: Vec<_> = std::iter::successors(Some(to), |id| awaited_by[id]).collect();
    way.reverse();
    way
}

/// What an invocation waits for.
fn awaits<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Vec<InvocationId>, StoreError> {
    let Some(lifecycle) = state.lifecycle(id)? else { return Ok(Vec::new()) };
    match &lifecycle.status {
        Status::Inboxed(_) => Ok(holder_before(state, id)?.into_iter().collect()),
        Status::Scheduled(_)
        | Status::Running
        | Status::Suspended(_)
        | Status::BackingOff(_)
        | Status::Paused(_) => Ok(called_or_joined(&lifecycle)),
    }
}

fn called_or_joined(lifecycle: &Lifecycle) -> Vec<InvocationId> {
    let awaited = |open: &OpenCommand| match open {
        OpenCommand::Call { callee, .. } => Some(*callee),
        OpenCommand::Joined { invocation } => Some(*invocation),
        OpenCommand::Sleep { .. }
        | OpenCommand::Run { .. }
        | OpenCommand::Awakeable
        | OpenCommand::Signal
        | OpenCommand::Promise
        | OpenCommand::Question => None,
    };
    lifecycle.open.values().filter_map(awaited).collect()
}

/// Who holds the key that an invocation stands in line for.
fn holder_before<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Option<InvocationId>, StoreError> {
    let invocation = state.invocation(id)?.expect("stored with the lifecycle");
    let (service, key) = object::needed_key(&invocation).expect("only who needs a key stands in line");
    Ok(state.lock(service, key)?.map(|lock| lock.holder))
}
