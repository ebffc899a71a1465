//! The lock and inbox of a virtual object.
//!
//! Invariants: at most one exclusive invocation holds a key, and the others get it in order of arrival.

use super::{Cx, lifecycle};
use crate::deployment::HandlerMode;
use crate::id::InvocationId;
use crate::invocation::{Inboxed, Invocation, Lifecycle, Status};
use crate::state::{Kv, Lock, StoreError};

/// The service and key an invocation needs for itself; `None` if it needs none.
pub(super) fn needed_key(invocation: &Invocation) -> Option<(&str, &str)> {
    match (invocation.mode, &invocation.target.key) {
        (HandlerMode::Exclusive, Some(key)) => Some((&invocation.target.service, key)),
        (HandlerMode::Exclusive | HandlerMode::Shared | HandlerMode::WorkflowRun, _) => None,
    }
}

/// Takes the key, or a place in its inbox. Returns the ticket if it has to wait.
pub(super) fn acquire<K: Kv>(
    cx: &mut Cx<'_, K>,
    service: &str,
    key: &str,
    id: &InvocationId,
) -> Result<Option<u64>, StoreError> {
    let Some(mut lock) = cx.state.lock(service, key)? else {
        cx.state.put_lock(
            service,
            key,
            &Lock { holder: *id, next_ticket: 0, first_ticket: 0, waiting: 0 },
        )?;
        return Ok(None);
    };
    let ticket = lock.next_ticket;
    lock.next_ticket += 1;
    lock.waiting += 1;
    cx.state.put_lock(service, key, &lock)?;
    cx.state.put_inbox(service, key, ticket, id)?;
    Ok(Some(ticket))
}

/// Gives up what an ending invocation has: the key, which goes to the next in line, or its place in line.
pub(super) fn give_up<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
) -> Result<(), StoreError> {
    let Some((service, key)) = needed_key(invocation) else { return Ok(()) };
    match &lifecycle.status {
        Status::Scheduled(_) => Ok(()),
        Status::Inboxed(Inboxed { ticket }) => leave_line(cx, service, key, *ticket),
        Status::Running | Status::Suspended(_) | Status::BackingOff(_) | Status::Paused(_) => {
            release(cx, service, key, id)
        }
    }
}

fn leave_line<K: Kv>(cx: &mut Cx<'_, K>, service: &str, key: &str, ticket: u64) -> Result<(), StoreError> {
    let mut lock = cx.state.lock(service, key)?.expect("somebody holds the key others wait for");
    lock.waiting -= 1;
    cx.state.put_lock(service, key, &lock)?;
    cx.state.delete_inbox(service, key, ticket)
}

/// Passes the key to the first in line and starts it.
fn release<K: Kv>(cx: &mut Cx<'_, K>, service: &str, key: &str, id: &InvocationId) -> Result<(), StoreError> {
    let mut lock =
        cx.state.lock(service, key)?.expect("an exclusive invocation that has begun holds its key");
    assert_eq!(lock.holder, *id, "only the holder releases a key");
    if lock.waiting == 0 {
        return cx.state.delete_lock(service, key);
    }
    let next =
        cx.state.first_in_inbox(service, key, lock.first_ticket)?.expect("as many rows as are said to wait");
    let lifecycle = cx.state.lifecycle(&next)?.expect("whoever waits in line has not ended");
    let Status::Inboxed(Inboxed { ticket }) = lifecycle.status else {
        panic!("{next} waits in line but is {}", lifecycle.status.name());
    };
    lock.holder = next;
    lock.first_ticket = ticket + 1;
    lock.waiting -= 1;
    cx.state.put_lock(service, key, &lock)?;
    cx.state.delete_inbox(service, key, ticket)?;
    lifecycle::start(cx, &next, lifecycle)
}
