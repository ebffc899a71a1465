//! Commands: what running handlers ask for. They are written to the journal first, then carried out.

pub(super) mod awakeable;
pub(super) mod run;
pub(super) mod state;

use super::{Cx, cancel, invoke};
use crate::effect::Effect;
use crate::event::Commands;
use crate::id::EntryIndex;
use crate::invocation::{Invocation, Lifecycle, OpenCommand};
use crate::journal::{Command, CommandEntry};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};

/// Records the commands of an attempt and carries them out, in order.
///
/// All are in the journal before the first is carried out: carrying one out may end, notify or start any
/// invocation, this one included.
pub(super) fn record<K: Kv>(cx: &mut Cx<'_, K>, it: &Commands) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.current(it.attempt)? else { return Ok(()) };
    let id = it.attempt.invocation;
    assert_eq!(it.first.0, lifecycle.commands, "an attempt records the commands that follow its journal");
    let invocation = cx.invocation(&id)?;
    for command in &it.commands {
        append(cx, it, &mut lifecycle, command)?;
    }
    lifecycle.failures = None;
    cx.state.put_lifecycle(&id, &lifecycle)?;
    for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
        carry_out(cx, it, &invocation, index, command)?;
    }
    Ok(())
}

fn append<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &Commands,
    lifecycle: &mut Lifecycle,
    command: &Command,
) -> Result<(), StoreError> {
    let index = EntryIndex(lifecycle.commands);
    let entry = CommandEntry { at: cx.at, command: command.clone() };
    cx.state.put_command(&it.attempt.invocation, index, &entry)?;
    lifecycle.commands += 1;
    lifecycle.journal_bytes += command.size() as u64;
    let open = match command {
        Command::Call(_) => OpenCommand::Call,
        Command::Sleep { duration_ms, .. } => OpenCommand::Sleep { due: cx.at.plus_millis(*duration_ms) },
        Command::Run { .. } => OpenCommand::Run { outlives_cancellation: false },
        Command::Awakeable => OpenCommand::Awakeable,
        Command::Send(_)
        | Command::CompleteAwakeable { .. }
        | Command::Cancel { .. }
        | Command::GetState { .. }
        | Command::SetState { .. }
        | Command::ClearState { .. }
        | Command::ClearAllState
        | Command::StateKeys { .. } => return Ok(()),
    };
    lifecycle.open.insert(index, open);
    Ok(())
}

fn carry_out<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &Commands,
    invocation: &Invocation,
    index: EntryIndex,
    command: &Command,
) -> Result<(), StoreError> {
    let id = it.attempt.invocation;
    match command {
        Command::Call(call) => invoke::call(cx, id, invocation.seed, index, call),
        Command::Send(send) => invoke::send(cx, id, invocation.seed, index, send),
        Command::Sleep { duration_ms, .. } => {
            cx.state.put_timer(cx.at.plus_millis(*duration_ms), &id, Timer::Sleep(index))
        }
        Command::Run { .. } => {
            cx.effects.push(Effect::EnterRun { attempt: it.attempt, run: index });
            Ok(())
        }
        Command::CompleteAwakeable { id, outcome } => awakeable::complete(cx, id, outcome),
        Command::Cancel { invocation } => cancel::cancel(cx, invocation),
        Command::SetState { key, value } => state::set(cx, invocation, key, value),
        Command::ClearState { key } => state::clear(cx, invocation, key),
        Command::ClearAllState => state::clear_all(cx, invocation),
        // Nothing to do: the answer comes from outside, or is in the command.
        Command::Awakeable | Command::GetState { .. } | Command::StateKeys { .. } => Ok(()),
    }
}
