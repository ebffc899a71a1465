//! Signals: values sent to an invocation under a name, each for one wait, in the order in which they were sent.

use super::super::invoke::{failure, wrong_status};
use super::super::{Cx, Refusal, attach};
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::OpenCommand;
use crate::journal::Command;
use crate::limits;
use crate::state::{Kv, State, StoreError};
use crate::value::Outcome;

/// Sends a signal: to the first command that waits for its name, or to be kept until one does. Returns what the sender
/// is told.
pub(in super::super) fn send<K: Kv>(
    cx: &mut Cx<'_, K>,
    to: &InvocationId,
    name: &str,
    outcome: &Outcome,
) -> Result<Outcome, StoreError> {
    let to = cx.state.heir(to)?;
    let Some(mut lifecycle) = cx.state.lifecycle(&to)? else {
        let refusal = match cx.state.completed(&to)? {
            Some(_) => wrong_status(&to, "completed", "signalled"),
            None => Refusal::UnknownInvocation(to),
        };
        return Ok(failure(&refusal));
    };
    if let Some(command) = first_waiting(cx.state, &to, &lifecycle.open, name)? {
        attach::answer(cx, &to, command, outcome.clone())?;
        return Ok(Outcome::done());
    }
    if lifecycle.signals_kept >= limits::SIGNALS_KEPT_MAX {
        return Ok(failure(&Refusal::SignalsFull { invocation: to, kept: lifecycle.signals_kept }));
    }
    cx.state.put_signal(&to, name, lifecycle.signals_sent, outcome)?;
    lifecycle.signals_sent += 1;
    lifecycle.signals_kept += 1;
    cx.state.put_lifecycle(&to, &lifecycle)?;
    Ok(Outcome::done())
}

/// Command `index` waits for a signal: it gets the oldest one of its name, if any was kept.
pub(super) fn receive<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    index: EntryIndex,
    name: &str,
) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(&id)?.filter(|it| it.signals_kept > 0) else {
        return Ok(());
    };
    let Some((number, outcome)) = cx.state.first_signal(&id, name)? else { return Ok(()) };
    cx.state.delete_signal(&id, name, number)?;
    lifecycle.signals_kept -= 1;
    cx.state.put_lifecycle(&id, &lifecycle)?;
    attach::answer(cx, &id, index, outcome)
}

fn first_waiting<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    open: &std::collections::BTreeMap<EntryIndex, OpenCommand>,
    name: &str,
) -> Result<Option<EntryIndex>, StoreError> {
    for (index, open) in open {
        if *open == OpenCommand::Signal {
            let entry = state.command(id, *index)?.expect("an open command is in the journal");
            if matches!(entry.command, Command::Signal { name: awaited } if awaited == name) {
                return Ok(Some(*index));
            }
        }
    }
    Ok(None)
}
