//! Completing an awakeable, from outside or from another handler.

use super::super::{Cx, attach};
use crate::id::{AwakeableId, InvocationId};
use crate::invocation::OpenCommand;
use crate::state::{Kv, State, StoreError};
use crate::value::Outcome;

/// The first completion counts. An id that names no open awakeable changes nothing.
pub(in super::super) fn complete<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &AwakeableId,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    match waiting(cx.state, id)? {
        Some(invocation) => attach::answer(cx, &invocation, id.index, outcome.clone()),
        None => Ok(()),
    }
}

/// The invocation that waits for an awakeable: the one that created it, or the latest that has begun with its journal.
pub(in super::super) fn waiting<K: Kv>(
    state: &State<K>,
    id: &AwakeableId,
) -> Result<Option<InvocationId>, StoreError> {
    let invocation = state.heir(&id.invocation)?;
    let lifecycle = state.lifecycle(&invocation)?;
    let is_open = lifecycle.is_some_and(|it| it.open.get(&id.index) == Some(&OpenCommand::Awakeable));
    let has_it = is_open && (invocation == id.invocation || inherits(state, &invocation, id)?);
    Ok(has_it.then_some(invocation))
}

/// Whether a restarted invocation has the awakeable from the one that created it.
fn inherits<K: Kv>(
    state: &State<K>,
    invocation: &InvocationId,
    id: &AwakeableId,
) -> Result<bool, StoreError> {
    let lineage = state.invocation(invocation)?.expect("stored with the lifecycle").lineage;
    let creator = lineage.iter().find(|ancestor| id.index.0 < ancestor.commands);
    Ok(creator.is_some_and(|ancestor| ancestor.invocation == id.invocation))
}
