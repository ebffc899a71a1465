//! Durable promises: values of a workflow under a name, completed once, for all handlers of its id.

use super::super::invoke::failure;
use super::super::{Cx, Refusal, attach, notify};
use crate::id::{EntryIndex, InvocationId};
use crate::invocation::{Invocation, Lifecycle, OpenCommand};
use crate::journal::{Command, Notification};
use crate::state::{Kv, StoreError};
use crate::value::Outcome;

/// Command `index` waits for a promise.
pub(super) fn get<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    name: &str,
) -> Result<(), StoreError> {
    let (service, workflow) = workflow_of(invocation);
    match cx.state.promise(service, workflow, name)? {
        Some(outcome) => attach::answer(cx, &id, index, outcome),
        None => cx.state.put_promise_waiter(service, workflow, name, (&id, index)),
    }
}

/// Command `index` looks at a promise.
pub(super) fn peek<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    name: &str,
) -> Result<(), StoreError> {
    let (service, workflow) = workflow_of(invocation);
    match cx.state.promise(service, workflow, name)? {
        Some(outcome) => attach::answer(cx, &id, index, outcome),
        None => notify::deliver(cx, &id, Notification::NotReady { command: index }),
    }
}

/// Command `index` completes a promise. The first completion counts; a later one is told so.
pub(super) fn complete<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: InvocationId,
    invocation: &Invocation,
    index: EntryIndex,
    name: &str,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let (service, workflow) = workflow_of(invocation);
    if cx.state.promise(service, workflow, name)?.is_some() {
        let (service, id_of_workflow) = (service.to_owned(), workflow.to_owned());
        let refusal = Refusal::PromiseCompleted { service, id: id_of_workflow, name: name.to_owned() };
        return attach::answer(cx, &id, index, failure(&refusal));
    }
    cx.state.put_promise(service, workflow, name, outcome)?;
    for (waiting, command) in cx.state.take_promise_waiters(service, workflow, name)? {
        attach::answer(cx, &waiting, command, outcome.clone())?;
    }
    attach::answer(cx, &id, index, Outcome::done())
}

/// An ending invocation waits for no promise any more.
pub(in super::super) fn stop_waiting<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
) -> Result<(), StoreError> {
    for (index, open) in &lifecycle.open {
        if *open == OpenCommand::Promise {
            let entry = cx.state.command(id, *index)?.expect("an open command is in the journal");
            let Command::PromiseGet { name } = entry.command else {
                unreachable!("an open promise is waited for");
            };
            let (service, workflow) = workflow_of(invocation);
            cx.state.delete_promise_waiter(service, workflow, &name, (id, *index))?;
        }
    }
    Ok(())
}

/// The workflow is forgotten: its promises are, and who waits for one of them waits in vain.
pub(in super::super) fn forget_all<K: Kv>(
    cx: &mut Cx<'_, K>,
    service: &str,
    workflow: &str,
) -> Result<(), StoreError> {
    cx.state.delete_promises(service, workflow)?;
    let refusal = Refusal::PromiseForgotten { service: service.to_owned(), id: workflow.to_owned() };
    for (waiting, command) in cx.state.take_promise_waiters_of(service, workflow)? {
        attach::answer(cx, &waiting, command, failure(&refusal))?;
    }
    Ok(())
}

fn workflow_of(invocation: &Invocation) -> (&str, &str) {
    let id =
        invocation.target.key.as_deref().expect("an attempt refuses promises where there is no workflow");
    (&invocation.target.service, id)
}
