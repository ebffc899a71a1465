//! Commands: what running handlers ask for. They are written to the journal first, then carried out.

pub(super) mod awakeable;
pub(super) mod promise;
pub(super) mod run;
pub(super) mod signal;
pub(super) mod state;

use super::{Cx, attach, cancel, invoke};
use crate::effect::Effect;
use crate::event::Commands;
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::{Asker, Invocation, Lifecycle, OpenCommand};
use crate::journal::{Command, CommandEntry};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::time::Timestamp;

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
    let missed_cancellation = missed_cancellation(it, &lifecycle);
    cx.state.put_lifecycle(&id, &lifecycle)?;
    for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
        match command {
            Command::Run { .. } => cx.effects.push(Effect::EnterRun { attempt: it.attempt, run: index }),
            other => carry_out(cx, id, &invocation, index, other)?,
        }
    }
    match missed_cancellation {
        true => cancel::catch_up(cx, &id),
        false => Ok(()),
    }
}

/// Whether the handler has made calls after its cancellation was notified, but before it was told.
fn missed_cancellation(it: &Commands, lifecycle: &Lifecycle) -> bool {
    let is_notified = lifecycle.cancellation.as_ref().is_some_and(|it| it.notified.is_some());
    is_notified
        && !it.knows_of_cancellation
        && it.commands.iter().any(|command| matches!(command, Command::Call(call) if !call.shielded))
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
    if let Some(open) = open(command, cx.at) {
        lifecycle.open.insert(index, open);
    }
    Ok(())
}

/// What a command waits for that was recorded at `at`; `None` if no answer follows.
pub(super) fn open(command: &Command, at: Timestamp) -> Option<OpenCommand> {
    Some(match command {
        Command::Call(call) => OpenCommand::Call { shielded: call.shielded },
        Command::Sleep { duration_ms, .. } => OpenCommand::Sleep { due: at.plus_millis(*duration_ms) },
        Command::Run { .. } => OpenCommand::Run { outlives_cancellation: false },
        Command::Awakeable => OpenCommand::Awakeable,
        Command::Signal { .. } => OpenCommand::Signal,
        Command::PromiseGet { .. } => OpenCommand::Promise,
        Command::SendSignal { .. }
        | Command::PromisePeek { .. }
        | Command::PromiseComplete { .. }
        | Command::Attach { .. }
        | Command::Output { .. } => OpenCommand::Question,
        Command::Send(_)
        | Command::CompleteAwakeable { .. }
        | Command::Cancel { .. }
        | Command::GetState { .. }
        | Command::SetState { .. }
        | Command::ClearState { .. }
        | Command::ClearAllState
        | Command::StateKeys { .. } => return None,
    })
}

/// Carries a command out, other than a step, which a running attempt does.
pub(super) fn carry_out<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    command: &Command,
) -> Result<(), StoreError> {
    let asker = Asker { invocation: id, seed: invocation.seed };
    match command {
        Command::Call(call) => invoke::call(cx, id, asker, index, call),
        Command::Send(send) => invoke::send(cx, id, asker, index, send),
        Command::Sleep { duration_ms, .. } => {
            cx.state.put_timer(cx.at.plus_millis(*duration_ms), &id, Timer::Sleep(index))
        }
        Command::CompleteAwakeable { id, outcome } => awakeable::complete(cx, id, outcome),
        Command::Signal { name } => signal::receive(cx, id, index, name),
        Command::SendSignal { invocation, name, outcome } => {
            let sent = signal::send(cx, invocation, name, outcome)?;
            attach::answer(cx, &id, index, sent)
        }
        Command::PromiseGet { name } => promise::get(cx, id, invocation, index, name),
        Command::PromisePeek { name } => promise::peek(cx, id, invocation, index, name),
        Command::PromiseComplete { name, outcome } => {
            promise::complete(cx, id, invocation, index, name, outcome)
        }
        Command::Attach { to } => attach::attach(cx, id, index, to),
        Command::Output { of } => attach::output(cx, id, index, of),
        Command::Cancel { invocation } => cancel::cancel(cx, invocation),
        Command::SetState { key, value } => state::set(cx, invocation, key, value),
        Command::ClearState { key } => state::clear(cx, invocation, key),
        Command::ClearAllState => state::clear_all(cx, invocation),
        // Nothing to do here: the answer comes from outside or from an attempt, or is in the command.
        Command::Run { .. } | Command::Awakeable | Command::GetState { .. } | Command::StateKeys { .. } => {
            Ok(())
        }
    }
}
