//! Whether waiting for an invocation would be waiting for oneself.
//!
//! Invocations wait for each other in two ways: for the outcome of a call, and in the line for a key for whoever holds
//! it. A new edge that closes a circle would never be answered, and is refused. Edges arise only where a handler calls
//! or attaches: who gets a key has called nobody yet. So it is enough to look then.

use std::collections::{BTreeMap, VecDeque};

use super::{Cx, object};
use crate::id::InvocationId;
use crate::invocation::Caller;
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
    let mut awaited_by: BTreeMap<InvocationId, Option<InvocationId>> = [(*waiting, None)].into();
    let mut found = VecDeque::from([*waiting]);
    while let Some(id) = found.pop_front() {
        if id == *awaited {
            return Ok(Some(way(&awaited_by, id)));
        }
        for next in waiting_for(cx.state, &id)? {
            if awaited_by.len() < limits::WAIT_CHAIN_MAX && !awaited_by.contains_key(&next) {
                awaited_by.insert(next, Some(id));
                found.push_back(next);
            }
        }
    }
    Ok(None)
}

fn way(awaited_by: &BTreeMap<InvocationId, Option<InvocationId>>, from: InvocationId) -> Vec<InvocationId> {
    std::iter::successors(Some(from), |id| awaited_by[id]).collect()
}

/// Who waits for an invocation to end.
fn waiting_for<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Vec<InvocationId>, StoreError> {
    let (Some(invocation), Some(lifecycle)) = (state.invocation(id)?, state.lifecycle(id)?) else {
        return Ok(Vec::new());
    };
    let mut waiting: Vec<InvocationId> = lifecycle.joined_by.iter().map(|(joining, _)| *joining).collect();
    if let Caller::Call { invocation, .. } = invocation.caller {
        waiting.push(invocation);
    }
    if let Some((service, key)) = object::needed_key(&invocation)
        && object::holds_its_key(&lifecycle.status)
    {
        waiting.extend(state.inbox(service, key, limits::WAIT_CHAIN_MAX)?);
    }
    Ok(waiting)
}
