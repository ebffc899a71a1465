//! Writes to the state of the object or workflow that the handler holds.

use super::super::invoke::Admission;
use super::super::{Cx, Refusal};
use crate::event::ReplaceState;
use crate::id::InvocationId;
use crate::invocation::Invocation;
use crate::limits;
use crate::state::{Kv, State, StoreError};
use crate::value::Payload;

pub(super) fn set<K: Kv>(
    cx: &mut Cx<'_, K>,
    invocation: &Invocation,
    name: &str,
    value: &Payload,
) -> Result<(), StoreError> {
    let (service, key) = object_of(invocation);
    cx.state.put_object_value(service, key, name, value.clone())
}

pub(super) fn clear<K: Kv>(
    cx: &mut Cx<'_, K>,
    invocation: &Invocation,
    name: &str,
) -> Result<(), StoreError> {
    let (service, key) = object_of(invocation);
    cx.state.delete_object_value(service, key, name)
}

pub(in super::super) fn clear_all<K: Kv>(
    cx: &mut Cx<'_, K>,
    invocation: &Invocation,
) -> Result<(), StoreError> {
    let (service, key) = object_of(invocation);
    for (name, _) in cx.state.object_state(service, key)? {
        cx.state.delete_object_value(service, key, &name)?;
    }
    Ok(())
}

/// An operator replaces all values.
pub(in super::super) fn replace<K: Kv>(cx: &mut Cx<'_, K>, it: &ReplaceState) -> Result<(), StoreError> {
    for (name, _) in cx.state.object_state(&it.service, &it.key)? {
        cx.state.delete_object_value(&it.service, &it.key, &name)?;
    }
    for (name, value) in &it.values {
        cx.state.put_object_value(&it.service, &it.key, name, value.clone())?;
    }
    Ok(())
}

/// Refuses to change state that a running handler has read, or that is not what the operator thinks.
pub(in super::super) fn admit_replace<K: Kv>(state: &State<K>, it: &ReplaceState) -> Admission {
    let (service, key) = (it.service.clone(), it.key.clone());
    let refused = match state.route(&it.service)? {
        None => Some(Refusal::UnknownService { service: service.clone(), nearest: None }),
        Some(route) if !route.kind.is_keyed() => Some(Refusal::HasNoState { service: service.clone() }),
        Some(_) => check_names(it).err(),
    };
    if let Some(refusal) = refused {
        return Ok(Err(refusal));
    }
    let size: usize = it.values.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > limits::OBJECT_STATE_BYTES_MAX {
        let limit = limits::OBJECT_STATE_BYTES_MAX;
        return Ok(Err(Refusal::StateTooLarge { service, key, size, limit }));
    }
    if let Some(holder) = running_writer(state, it)? {
        return Ok(Err(Refusal::KeyInUse { service, key, holder }));
    }
    let is = state.state_version(&it.service, &it.key)?;
    match it.expected {
        Some(expected) if expected != is => Ok(Err(Refusal::StateChanged { service, key, is, expected })),
        Some(_) | None => Ok(Ok(())),
    }
}

fn check_names(it: &ReplaceState) -> Result<(), Refusal> {
    Refusal::check_length("the key", &it.key)?;
    it.values.keys().try_for_each(|name| Refusal::check_length("the name of a value of state", name))
}

/// Whoever may write the state and has an attempt that runs: it would not see the change, and overwrite it.
fn running_writer<K: Kv>(state: &State<K>, it: &ReplaceState) -> Result<Option<InvocationId>, StoreError> {
    let holder = match state.lock(&it.service, &it.key)? {
        Some(lock) => Some(lock.holder),
        None => state.workflow_run(&it.service, &it.key)?,
    };
    let Some(holder) = holder else { return Ok(None) };
    let lifecycle = state.lifecycle(&holder)?;
    Ok(lifecycle.and_then(|it| it.current_attempt(holder)).map(|attempt| attempt.invocation))
}

fn object_of(invocation: &Invocation) -> (&str, &str) {
    let key = invocation.target.key.as_deref().expect("an attempt refuses state where there is no key");
    (&invocation.target.service, key)
}
