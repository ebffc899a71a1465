//! Waiting for the outcome of an invocation that somebody else began, or looking whether it is there.

use super::{Cx, Refusal, chain, invoke, notify};
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::{Lifecycle, OpenCommand};
use crate::journal::{Named, Notification};
use crate::limits;
use crate::state::{Kv, State, StoreError};
use crate::value::Outcome;

/// Command `index` of `caller` waits for the outcome of an invocation.
pub(super) fn attach<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    index: EntryIndex,
    to: &Named,
) -> Result<(), StoreError> {
    let Some(invocation) = find(cx.state, to)? else {
        return answer(cx, &caller, index, unknown(to));
    };
    join_unless_circle(cx, caller, index, &invocation, format!("attaching to {to}"))
}

/// Like [`join`], but refuses to have `caller` wait for itself.
pub(super) fn join_unless_circle<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    index: EntryIndex,
    invocation: &InvocationId,
    what: String,
) -> Result<(), StoreError> {
    match refuse_circle(cx, &caller, invocation, what)? {
        Some(refusal) => answer(cx, &caller, index, invoke::failure(&refusal)),
        None => join(cx, caller, index, invocation),
    }
}

/// Command `index` of `caller` looks whether an invocation has an outcome.
pub(super) fn output<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    index: EntryIndex,
    of: &Named,
) -> Result<(), StoreError> {
    let Some(invocation) = find(cx.state, of)? else {
        return answer(cx, &caller, index, unknown(of));
    };
    match cx.state.completed(&invocation)? {
        Some(completed) => answer(cx, &caller, index, completed.outcome),
        None => notify::deliver(cx, &caller, Notification::NotReady { command: index }),
    }
}

/// Command `index` of `caller` gets the outcome of an invocation that is live or completed.
pub(super) fn join<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    index: EntryIndex,
    invocation: &InvocationId,
) -> Result<(), StoreError> {
    if let Some(completed) = cx.state.completed(invocation)? {
        return answer(cx, &caller, index, completed.outcome);
    }
    let mut joined = cx.state.lifecycle(invocation)?.expect("one that has no outcome is live");
    let waiting = usize::try_from(joined.joined).unwrap_or(usize::MAX);
    if waiting >= limits::JOINED_MAX {
        let refusal = Refusal::TooManyJoined { invocation: *invocation, waiting };
        return answer(cx, &caller, index, invoke::failure(&refusal));
    }
    joined.joined += 1;
    cx.state.put_lifecycle(invocation, &joined)?;
    cx.state.put_joined(invocation, (&caller, index))?;
    let mut lifecycle = cx.state.lifecycle(&caller)?.expect("whoever asks is live");
    lifecycle.open.insert(index, OpenCommand::Joined { invocation: *invocation });
    cx.state.put_lifecycle(&caller, &lifecycle)
}

/// An ending invocation waits for nobody any more.
pub(super) fn leave<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &Lifecycle,
) -> Result<(), StoreError> {
    for (index, open) in &lifecycle.open {
        // What it had begun itself was not joined by it.
        if let OpenCommand::Joined { invocation } = open
            && cx.state.take_joined(invocation, (id, *index))?
            && let Some(mut joined) = cx.state.lifecycle(invocation)?
        {
            joined.joined -= 1;
            cx.state.put_lifecycle(invocation, &joined)?;
        }
    }
    Ok(())
}

/// Answers a command.
pub(super) fn answer<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    command: EntryIndex,
    outcome: Outcome,
) -> Result<(), StoreError> {
    notify::deliver(cx, id, Notification::Completed { command, outcome })
}

/// Refuses to have `waiting` wait for `awaited`, if that waits for it already.
pub(super) fn refuse_circle<K: Kv>(
    cx: &Cx<'_, K>,
    waiting: &InvocationId,
    awaited: &InvocationId,
    what: String,
) -> Result<Option<Refusal>, StoreError> {
    let Some(circle) = chain::circle(cx, waiting, awaited)? else { return Ok(None) };
    let mut chain = Vec::new();
    for id in circle {
        chain.push(format!("{} ({id})", cx.invocation(&id)?.target));
    }
    Ok(Some(Refusal::WaitsForItself { what, chain }))
}

/// The live or completed invocation that has a name.
fn find<K: Kv>(state: &State<K>, named: &Named) -> Result<Option<InvocationId>, StoreError> {
    match named {
        Named::Id(id) => {
            let id = state.resolve(id)?;
            Ok(state.invocation(&id)?.map(|_| id))
        }
        Named::IdempotencyKey { target, key } => state.by_idempotency_key(target, key),
        Named::Workflow { service, id } => state.workflow_run(service, id),
    }
}

fn unknown(named: &Named) -> Outcome {
    invoke::failure(&Refusal::NothingNamed(named.to_string()))
}
