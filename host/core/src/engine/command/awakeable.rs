//! Completing an awakeable, from outside or from another handler.

use super::super::{Cx, notify};
use crate::id::AwakeableId;
use crate::invocation::OpenCommand;
use crate::journal::Notification;
use crate::state::{Kv, StoreError};
use crate::value::Outcome;

/// The first completion counts. An id that names no open awakeable changes nothing.
pub(in super::super) fn complete<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &AwakeableId,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let lifecycle = cx.state.lifecycle(&id.invocation)?;
    match lifecycle.and_then(|it| it.open.get(&id.index).copied()) {
        Some(OpenCommand::Awakeable) => {
            let answer = Notification::Completed { command: id.index, outcome: outcome.clone() };
            notify::deliver(cx, &id.invocation, answer)
        }
        Some(
            OpenCommand::Call | OpenCommand::JoinedCall | OpenCommand::Run { .. } | OpenCommand::Sleep { .. },
        )
        | None => Ok(()),
    }
}
