//! Writes to the state of the object or workflow that the handler holds.

use super::super::Cx;
use crate::invocation::Invocation;
use crate::state::{Kv, StoreError};
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

fn object_of(invocation: &Invocation) -> (&str, &str) {
    let key = invocation.target.key.as_deref().expect("an attempt refuses state where there is no key");
    (&invocation.target.service, key)
}
