//! Executing a completed invocation again, as another one: from the beginning, or from a place in its journal.
//!
//! The new invocation begins with the first commands of the old one and their answers. What the handler has seen of them
//! stays the same: ids of callees and awakeables come from whoever asked first ([`Ancestor`]), and so do the random
//! numbers of the guest. A kept command without an answer is carried out again.

use super::invoke::{Admission, claim_names, wrong_status};
use super::{Cx, Refusal, attach, command, invoke, lifecycle};
use crate::deployment::HandlerMode;
use crate::effect::Effect;
use crate::event::RestartAsNew;
use crate::id::{EntryIndex, InvocationId, Position};
use crate::invocation::{Ancestor, Asker, Caller, Completed, Invocation, Lifecycle, Status, asker};
use crate::journal::{Command, CommandEntry, Notification};
use crate::limits;
use crate::state::{Kv, State, StoreError};

/// Refuses to restart what has not ended, or whose journal is gone.
pub(super) fn admit<K: Kv>(state: &State<K>, it: &RestartAsNew) -> Admission {
    let from = state.resolve(&it.from)?;
    let Some(completed) = state.completed(&from)? else {
        return Ok(Err(match state.lifecycle(&from)? {
            Some(lifecycle) => wrong_status(&from, lifecycle.status.name(), "restarted"),
            None => Refusal::UnknownInvocation(from),
        }));
    };
    Ok(match completed.journal {
        None => Err(Refusal::JournalNotKept(from)),
        Some(journal) if it.commands > journal.commands => {
            Err(Refusal::CommandsNotThere { from, has: journal.commands, asked: it.commands })
        }
        Some(_) => Ok(()),
    })
}

/// Begins the new invocation.
pub(super) fn restart<K: Kv>(cx: &mut Cx<'_, K>, it: &RestartAsNew) -> Result<(), StoreError> {
    let from = cx.state.resolve(&it.from)?;
    let Some(mut completed) = cx.state.completed(&from)?.filter(|it| it.journal.is_some()) else {
        return Ok(());
    };
    let input = cx.state.input(&from)?.expect("kept with the journal");
    let invocation = heir(cx, it, &from)?;
    cx.state.put_invocation(&it.id, &invocation)?;
    cx.state.put_input(&it.id, input)?;
    if invocation.mode == HandlerMode::WorkflowRun {
        claim_names(cx, &it.id, &invocation)?;
    }
    let mut lifecycle = Lifecycle::new(Status::Running);
    let kept = copy_journal(cx, it, &from, &completed, &mut lifecycle)?;
    if it.commands > 0 {
        completed.restarted_as = Some(it.id);
        cx.state.put_completed(&from, &completed)?;
    }
    let accepted = Effect::Accepted { submitted: it.id, invocation: it.id, previously: false };
    cx.effects.push(accepted);
    lifecycle::enter(cx, &it.id, &invocation, lifecycle)?;
    for (index, command) in kept {
        carry_out_again(cx, it.id, &invocation, index, &command)?;
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
    lineage.push(Ancestor { invocation: *from, seed: old.seed, commands: it.commands });
    lineage.retain(|ancestor| ancestor.commands > 0);
    Ok(Invocation {
        seed: it.seed,
        caller: Caller::Ingress,
        created_at: cx.at,
        // Nobody finds it by another name than its id.
        idempotency_key: None,
        retention_ms: old.retention_ms.max(limits::SEND_RETENTION_MS),
        lineage,
        ..old
    })
}

/// Copies the kept commands and their answers; returns the commands that have none.
fn copy_journal<K: Kv>(
    cx: &mut Cx<'_, K>,
    it: &RestartAsNew,
    from: &InvocationId,
    completed: &Completed,
    lifecycle: &mut Lifecycle,
) -> Result<Vec<(EntryIndex, Command)>, StoreError> {
    let mut unanswered = Vec::new();
    for index in (0..it.commands).map(EntryIndex) {
        let entry = cx.state.command(from, index)?.expect("as many rows as are counted");
        lifecycle.journal_bytes += entry.command.size() as u64;
        lifecycle.commands += 1;
        cx.state.put_command(&it.id, index, &entry)?;
        if entry.command.is_answered_later() {
            unanswered.push((index, entry));
        }
    }
    let notifications = completed.journal.as_ref().map_or(0, |journal| journal.notifications);
    for position in (0..notifications).map(Position) {
        let entry = cx.state.notification(from, position)?.expect("as many rows as are counted");
        let (Notification::Completed { command, .. } | Notification::NotReady { command }) =
            &entry.notification
        else {
            continue;
        };
        if command.0 < it.commands {
            unanswered.retain(|(index, _)| index != command);
            lifecycle.journal_bytes += entry.notification.size() as u64;
            cx.state.put_notification(&it.id, Position(lifecycle.notifications), &entry)?;
            lifecycle.notifications += 1;
        }
    }
    for (index, entry) in &unanswered {
        lifecycle.open.insert(*index, command::open(&entry.command, cx.at).expect("it is answered later"));
    }
    Ok(unanswered.into_iter().map(|(index, CommandEntry { command, .. })| (index, command)).collect())
}

/// Asks once more for what the old invocation got no answer to.
fn carry_out_again<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    command: &Command,
) -> Result<(), StoreError> {
    let own = Asker { invocation: id, seed: invocation.seed };
    let asker = asker(own, &invocation.lineage, index);
    match command {
        Command::Call(call) => {
            let callee = asker.seed.child_id(index, &call.target);
            match cx.state.invocation(&callee)? {
                Some(_) => attach::join(cx, id, index, &callee),
                None => invoke::call(cx, id, asker, index, call),
            }
        }
        // A step is executed by the first attempt, like any other without a result.
        Command::Run { .. } => Ok(()),
        other => command::carry_out(cx, id, invocation, index, other),
    }
}
