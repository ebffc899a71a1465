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
use crate::invocation::{Asker, Cancellation, Invocation, Lifecycle, OpenCommand};
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
        append(cx, it, &invocation, &mut lifecycle, command)?;
    }
    lifecycle.failures = None;
    cx.state.put_lifecycle(&id, &lifecycle)?;
    for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
        match command {
            Command::Run { .. } => cx.effects.push(Effect::EnterRun { attempt: it.attempt, run: index }),
            other => carry_out(cx, id, &invocation, index, other)?,
        }
    }
    match has_missed_cancellation(cx, it, lifecycle.cancellation.as_ref())? {
        true => cancel::catch_up(cx, &id),
        false => Ok(()),
    }
}

/// Whether the handler has made calls that its cancellation does not know of, as it did not know of its cancellation;
/// `before` is the one that had been asked for before these commands.
fn has_missed_cancellation<K: Kv>(
    cx: &Cx<'_, K>,
    it: &Commands,
    before: Option<&Cancellation>,
) -> Result<bool, StoreError> {
    let is_call = |command: &Command| matches!(command, Command::Call(call) if !call.shielded);
    let is_cancel = |command: &Command| matches!(command, Command::Cancel { .. });
    let may_be_cancelled = before.is_some() || it.commands.iter().any(is_cancel);
    if !may_be_cancelled || !it.commands.iter().any(is_call) {
        return Ok(false);
    }
    let now = cx.state.lifecycle(&it.attempt.invocation)?.and_then(|it| it.cancellation);
    let Some(now) = now else { return Ok(false) };
    // One that is notified by these commands knows of them all.
    let is_news = now.notified.is_none() || before.is_some_and(|before| before.notified.is_some());
    Ok(is_news && it.told_cancelled < Some(now.since))
}

fn append<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &Commands,
    invocation: &Invocation,
    lifecycle: &mut Lifecycle,
    command: &Command,
) -> Result<(), StoreError> {
    let id = it.attempt.invocation;
    let index = EntryIndex(lifecycle.commands);
    let entry = CommandEntry { at: cx.at, command: command.clone() };
    cx.state.put_command(&id, index, &entry)?;
    lifecycle.commands += 1;
    lifecycle.journal_bytes += command.size() as u64;
    let asker = Asker { invocation: id, seed: invocation.seed };
    if let Some(open) = open(command, asker, index, cx.at) {
        lifecycle.open.insert(index, open);
    }
    Ok(())
}

/// What command `index` waits for, asked for by `asker` and recorded at `at`; `None` if no answer follows.
pub(super) fn open(command: &Command, asker: Asker, index: EntryIndex, at: Timestamp) -> Option<OpenCommand> {
    Some(match command {
        Command::Call(call) => {
            OpenCommand::Call { callee: asker.seed.child_id(index, &call.target), shielded: call.shielded }
        }
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
