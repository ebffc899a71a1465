//! Executing a completed invocation again, as another one: from the beginning, or from a place in its journal.
//!
//! The new invocation begins with the first commands of the old one and their answers. What the handler has seen of them
//! stays the same: its own id, those of callees and awakeables, and its random numbers come from whoever asked first
//! ([`Ancestor`]). What others send to the old id, a signal or the value of an awakeable, goes to the new one.
//!
//! A kept command without an answer is carried out again: a callee that lives, or whose outcome is kept, is joined; one that
//! is forgotten begins anew, under another id, with the random numbers it had. Calls wait for the first attempt: who stands in line for a key
//! calls nobody ([`super::chain`]).

use super::invoke::{self, Admission, claim_names, wrong_status};
use super::{Cx, Refusal, attach, command, lifecycle, notify};
use crate::deployment::HandlerMode;
use crate::effect::Effect;
use crate::event::RestartAsNew;
use crate::id::{EntryIndex, InvocationId, Position};
use crate::invocation::{
    Ancestor, Asker, Caller, Invocation, KeptJournal, Lifecycle, OpenCommand, Status, asker,
};
use crate::journal::{Command, Notification, NotificationEntry};
use crate::limits;
use crate::state::{Kv, State, StoreError};
use crate::value::Failure;

/// Refuses to restart what has not ended, what nobody could execute, or from where its journal does not reach.
pub(super) fn admit<K: Kv>(state: &State<K>, it: &RestartAsNew) -> Admission {
    let from = state.resolve(&it.from)?;
    let Some(completed) = state.completed(&from)? else {
        return Ok(Err(match state.lifecycle(&from)? {
            Some(lifecycle) => wrong_status(&from, lifecycle.status.name(), "restarted"),
            None => Refusal::UnknownInvocation(from),
        }));
    };
    let Some(journal) = completed.journal else { return Ok(Err(Refusal::JournalNotKept(from))) };
    if it.commands > journal.commands {
        let (has, asked) = (journal.commands, it.commands);
        return Ok(Err(Refusal::CommandsNotThere { from, has, asked }));
    }
    match commands_before_cancellation(state, &from, &journal)? {
        Some(has) if it.commands > has => Ok(Err(Refusal::CancelledBefore { from, has, asked: it.commands })),
        Some(_) | None => admit_target(state, &from),
    }
}

/// How many commands the journal had when it was notified that the invocation is cancelled. What was asked for later
/// follows from that, and a restarted invocation is not cancelled.
fn commands_before_cancellation<K: Kv>(
    state: &State<K>,
    from: &InvocationId,
    journal: &KeptJournal,
) -> Result<Option<u32>, StoreError> {
    for position in (0..journal.notifications).rev().map(Position) {
        let entry = state.notification(from, position)?.expect("as many rows as are counted");
        if let Notification::Cancelled { commands, .. } = entry.notification {
            return Ok(Some(commands));
        }
    }
    Ok(None)
}

/// Its handler has to be there, of the same kind; its workflow id must not be that of another run.
fn admit_target<K: Kv>(state: &State<K>, from: &InvocationId) -> Admission {
    let Invocation { target, mode, .. } = state.invocation(from)?.expect("kept with the outcome");
    let handler = match invoke::resolve(state, &target)? {
        Ok(handler) => handler,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if handler.mode != mode {
        return Ok(Err(Refusal::HandlerNotDeployed { deployment: handler.deployment, target }));
    }
    let run = match (mode, &target.key) {
        (HandlerMode::WorkflowRun, Some(id)) => state.workflow_run(&target.service, id)?,
        (HandlerMode::WorkflowRun | HandlerMode::Exclusive | HandlerMode::Shared, _) => None,
    };
    match run.filter(|run| run != from) {
        Some(invocation) => Ok(Err(Refusal::WorkflowStarted { target, invocation })),
        None => invoke::admit_to_inbox(state, &handler, &target),
    }
}

/// Begins the new invocation.
pub(super) fn restart<K: Kv>(cx: &mut Cx<'_, K>, it: &RestartAsNew) -> Result<(), StoreError> {
    if admit(cx.state, it)?.is_err() {
        return Ok(());
    }
    let from = cx.state.resolve(&it.from)?;
    let input = cx.state.input(&from)?.expect("kept with the journal");
    let invocation = heir(cx, it, &from)?;
    cx.state.put_invocation(&it.id, &invocation)?;
    cx.state.put_input(&it.id, input)?;
    if invocation.mode == HandlerMode::WorkflowRun {
        claim_names(cx, &it.id, &invocation)?;
    }
    let mut lifecycle = Lifecycle::new(Status::Running);
    let unanswered = copy_journal(cx, it, &from, &invocation, &mut lifecycle)?;
    if it.commands > 0 {
        take_over(cx, it, &from, &invocation, &mut lifecycle)?;
    }
    cx.effects.push(Effect::Accepted { submitted: it.id, invocation: it.id, previously: false });
    lifecycle::enter(cx, &it.id, &invocation, lifecycle)?;
    for (index, command) in unanswered {
        match command {
            Command::Sleep { .. } | Command::PromiseGet { .. } => {
                command::carry_out(cx, it.id, &invocation, index, &command)?;
            }
            // Carried out by the first attempt, or by nobody: somebody else answers.
            _ => {}
        }
    }
    Ok(())
}

/// What the new invocation has from the old one.
fn heir<K: Kv>(cx: &Cx<'_, K>, it: &RestartAsNew, from: &InvocationId) -> Result<Invocation, StoreError> {
    let old = cx.invocation(from)?;
    let mut lineage = old.lineage.clone();
    for ancestor in &mut lineage {
        ancestor.commands = ancestor.commands.min(it.commands);
    }
    let created_at = old.created_at;
    lineage.push(Ancestor { invocation: *from, seed: old.seed, created_at, commands: it.commands });
    lineage.retain(|ancestor| ancestor.commands > 0);
    Ok(Invocation {
        seed: it.seed,
        caller: Caller::Ingress,
        created_at: cx.at,
        // Only its id leads to it, and to a run that of its workflow.
        retention_ms: old.retention_ms.max(limits::SEND_RETENTION_MS),
        lineage,
        ..old
    })
}

/// Copies the kept commands and their answers; returns the commands that have none, which are open now.
fn copy_journal<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &RestartAsNew,
    from: &InvocationId,
    invocation: &Invocation,
    lifecycle: &mut Lifecycle,
) -> Result<Vec<(EntryIndex, Command)>, StoreError> {
    let mut unanswered = Vec::new();
    for index in (0..it.commands).map(EntryIndex) {
        let entry = cx.state.command(from, index)?.expect("as many rows as are counted");
        cx.state.put_command(&it.id, index, &entry)?;
        lifecycle.journal_bytes += entry.command.size() as u64;
        lifecycle.commands += 1;
        let own = Asker { invocation: it.id, seed: invocation.seed };
        let asker = asker(own, &invocation.lineage, index);
        if let Some(open) = command::open(&entry.command, asker, index, cx.at) {
            lifecycle.open.insert(index, open);
            unanswered.push((index, entry.command));
        }
    }
    copy_answers(cx, it, from, lifecycle)?;
    unanswered.retain(|(index, _)| lifecycle.open.contains_key(index));
    Ok(unanswered)
}

fn copy_answers<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &RestartAsNew,
    from: &InvocationId,
    lifecycle: &mut Lifecycle,
) -> Result<(), StoreError> {
    let kept = cx.state.completed(from)?.and_then(|it| it.journal).expect("admitted");
    for position in (0..kept.notifications).map(Position) {
        let entry = cx.state.notification(from, position)?.expect("as many rows as are counted");
        let entry = NotificationEntry { notification: uncancelled(entry.notification), ..entry };
        if let Some(command) = entry.notification.command().filter(|command| command.0 < it.commands) {
            lifecycle.open.remove(&command);
            lifecycle.journal_bytes += entry.notification.size() as u64;
            cx.state.put_notification(&it.id, Position(lifecycle.notifications), &entry)?;
            lifecycle.notifications += 1;
        }
    }
    Ok(())
}

/// The answer as the new invocation has it, which is not cancelled: the handler is told the same, of a call that failed.
fn uncancelled(notification: Notification) -> Notification {
    match notification {
        Notification::Interrupted { command, failure } => {
            Notification::Completed { command, outcome: failure.into() }
        }
        Notification::Completed { .. } | Notification::NotReady { .. } | Notification::Cancelled { .. } => {
            notification
        }
    }
}

/// Has what is sent to the old invocation, and to those before it, go to the new one; also when they are forgotten.
fn take_over<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &RestartAsNew,
    from: &InvocationId,
    invocation: &Invocation,
    lifecycle: &mut Lifecycle,
) -> Result<(), StoreError> {
    let mut completed = cx.state.completed(from)?.expect("admitted");
    completed.restarted_as = Some(it.id);
    cx.state.put_completed(from, &completed)?;
    for ancestor in &invocation.lineage {
        cx.state.put_alias(&ancestor.invocation, &it.id)?;
        lifecycle.aliases += 1;
    }
    Ok(())
}

/// The first attempt of a restarted invocation begins: it calls, and attaches to, what the old one got no answer from.
///
/// If it was cancelled before, it calls nobody anew. But what the old one has called may have been done, or be done still:
/// it learns how that ends, and can compensate. Of what is forgotten it learns that it is cancelled.
pub(super) fn carry_out_kept<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
) -> Result<(), StoreError> {
    let is_cancelled = lifecycle.cancellation.is_some();
    for (index, open) in &lifecycle.open {
        match open {
            OpenCommand::Call { callee, shielded: false } if is_cancelled && is_forgotten(cx, callee)? => {
                attach::answer(cx, id, *index, Failure::cancelled().into())?;
            }
            // It has joined nobody yet: so is marked what others wait for, too, since it was cancelled.
            OpenCommand::Call { .. } | OpenCommand::Joined { .. } | OpenCommand::Question => {
                let entry = cx.state.command(id, *index)?.expect("an open command is in the journal");
                carry_out_again(cx, *id, invocation, *index, &entry.command)?;
            }
            OpenCommand::Sleep { .. }
            | OpenCommand::Run { .. }
            | OpenCommand::Awakeable
            | OpenCommand::Signal
            | OpenCommand::Promise => {}
        }
    }
    match cx.state.lifecycle(id)? {
        Some(lifecycle) if is_cancelled => notify::deliver_cancellation(cx, id, lifecycle),
        Some(_) | None => Ok(()),
    }
}

fn is_forgotten<K: Kv>(cx: &Cx<'_, K>, callee: &InvocationId) -> Result<bool, StoreError> {
    Ok(cx.state.invocation(&cx.state.resolve(callee)?)?.is_none())
}

/// Asks once more for what the old invocation got no answer to. What that had begun is joined.
fn carry_out_again<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    command: &Command,
) -> Result<(), StoreError> {
    let Command::Call(call) = command else {
        return command::carry_out(cx, id, invocation, index, command);
    };
    let own = Asker { invocation: id, seed: invocation.seed };
    let asker = asker(own, &invocation.lineage, index);
    let callee = cx.state.resolve(&asker.seed.child_id(index, &call.target))?;
    match cx.state.invocation(&callee)? {
        Some(_) => attach::join_unless_circle(cx, id, index, &callee, format!("the call to {}", call.target)),
        None => {
            // Another one than that which has been and is forgotten: nothing of that may be taken for this one's.
            let callee = invocation.seed.child_id(index, &call.target);
            become_callee(cx, &id, index, callee)?;
            invoke::call_as(cx, id, asker, index, call, callee)
        }
    }
}

fn become_callee<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    index: EntryIndex,
    callee: InvocationId,
) -> Result<(), StoreError> {
    let mut lifecycle = cx.state.lifecycle(id)?.expect("it begins");
    if let Some(OpenCommand::Call { callee: open, .. }) = lifecycle.open.get_mut(&index) {
        *open = callee;
    }
    cx.state.put_lifecycle(id, &lifecycle)
}
