//! What the world answers: one more notification in a journal, told to whoever waits for it.

use super::{Cx, catalog, command, lifecycle};
use crate::effect::Effect;
use crate::id::{EntryIndex, InvocationId, Position};
use crate::invocation::{BackingOff, Cancellation, Lifecycle, OpenCommand, Status};
use crate::journal::{Notification, NotificationEntry};
use crate::state::key::Timer;
use crate::state::{Kv, StoreError};
use crate::value::{Failure, Outcome};

/// Adds a notification to the journal. An answer to a command that is not open is dropped: a command is
/// answered once, and an invocation that has ended by nobody.
pub(super) fn deliver<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    notification: Notification,
) -> Result<(), StoreError> {
    let Some(mut lifecycle) = cx.state.lifecycle(id)? else { return Ok(()) };
    let notification = interrupted(&lifecycle, &notification).unwrap_or(notification);
    if let Some(command) = notification.command() {
        if lifecycle.open.remove(&command).is_none() {
            return Ok(());
        }
        command::run::forget_failure(cx, id, &mut lifecycle, command)?;
    }
    append(cx, id, &mut lifecycle, notification)?;
    go_on(cx, id, lifecycle)
}

/// What an answer comes to by which a call ends that is cancelled with its caller: the caller learns of it why it is
/// cancelled itself. While calls are cancelled with it, its own cancellation waits to be notified.
///
/// What a callee says in its own words stays: they say what there is to compensate.
fn interrupted(lifecycle: &Lifecycle, answer: &Notification) -> Option<Notification> {
    let Notification::Completed { command, outcome: Outcome::Failure(ended) } = answer else { return None };
    let cancellation = lifecycle.cancellation.as_ref().filter(|it| it.notified.is_none())?;
    let is_call = matches!(lifecycle.open.get(command)?, OpenCommand::Call { shielded: false, .. });
    let failure = cancellation.failure.clone();
    (is_call && *ended == Failure::cancelled())
        .then_some(Notification::Interrupted { command: *command, failure })
}

/// Tells an invocation that it is cancelled, once its own calls have ended.
pub(super) fn deliver_cancellation<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: Lifecycle,
) -> Result<(), StoreError> {
    go_on(cx, id, lifecycle)
}

fn append<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &mut Lifecycle,
    notification: Notification,
) -> Result<(), StoreError> {
    let position = Position(lifecycle.notifications);
    lifecycle.journal_bytes += notification.size() as u64;
    if let Notification::Cancelled { .. } = &notification {
        let cancellation = lifecycle.cancellation.as_mut().expect("asked for before it is notified");
        cancellation.notified = Some(position);
    }
    let entry = NotificationEntry { at: cx.at, notification };
    cx.state.put_notification(id, position, &entry)?;
    lifecycle.notifications += 1;
    lifecycle.failures = None;
    if let Some(attempt) = lifecycle.current_attempt(*id) {
        cx.effects.push(Effect::Notify { attempt, position, entry });
    }
    Ok(())
}

/// Stores the longer journal, and starts the next attempt if the invocation waited for this.
fn go_on<K: Kv>(cx: &mut Cx<'_, K>, id: &InvocationId, mut lifecycle: Lifecycle) -> Result<(), StoreError> {
    let is_cancelled = append_due_cancellation(cx, id, &mut lifecycle)?;
    let starts = match &lifecycle.status {
        Status::Suspended(it) => is_cancelled || it.on.iter().any(|index| is_answered(&lifecycle, *index)),
        // A cancellation ends a back-off and a pause, so that the handler can compensate.
        Status::BackingOff(_) => is_cancelled,
        Status::Paused(_) => is_cancelled && catalog::has_deployment(cx, &lifecycle)?,
        Status::Running | Status::Scheduled(_) | Status::Inboxed(_) => false,
    };
    if !starts {
        return cx.state.put_lifecycle(id, &lifecycle);
    }
    if let Status::BackingOff(BackingOff { until }) = &lifecycle.status {
        cx.state.delete_timer(*until, id, Timer::Attempt)?;
    }
    lifecycle::start(cx, id, lifecycle)
}

/// Notifies a cancellation that was asked for, unless calls of its own have to end first.
fn append_due_cancellation<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    lifecycle: &mut Lifecycle,
) -> Result<bool, StoreError> {
    let Some(Cancellation { since, notified: None, failure }) = &lifecycle.cancellation else {
        return Ok(false);
    };
    if has_open_calls(lifecycle) {
        return Ok(false);
    }
    let (since, commands, failure) = (*since, lifecycle.commands, failure.clone());
    append(cx, id, lifecycle, Notification::Cancelled { since, commands, failure })?;
    Ok(true)
}

/// Whether calls that are cancelled with this invocation are still to be answered.
fn has_open_calls(lifecycle: &Lifecycle) -> bool {
    lifecycle.open.values().any(|open| match open {
        OpenCommand::Call { shielded, .. } => !shielded,
        OpenCommand::Joined { .. }
        | OpenCommand::Sleep { .. }
        | OpenCommand::Run { .. }
        | OpenCommand::Awakeable
        | OpenCommand::Signal
        | OpenCommand::Promise
        | OpenCommand::Question => false,
    })
}

fn is_answered(lifecycle: &Lifecycle, index: EntryIndex) -> bool {
    !lifecycle.open.contains_key(&index)
}
