//! Small readers of events, invocations and rows.

use holiday_core::deployment::HandlerMode;
use holiday_core::event::Event;
use holiday_core::id::{AttemptId, InvocationId};
use holiday_core::invocation::Invocation;
use holiday_core::state::codec;
use holiday_core::target::Target;
use holiday_core::value::Payload;
use serde::de::DeserializeOwned;

use crate::violation::Checked;
use crate::watch::Write;

use super::Object;

/// The attempt that an event comes from.
pub(crate) fn speaker(event: &Event) -> Option<AttemptId> {
    match event {
        Event::Commands(it) => Some(it.attempt),
        Event::RunCompleted(it) => Some(it.attempt),
        Event::RunFailed(it) => Some(it.attempt),
        Event::RunAbandoned(it) => Some(it.attempt),
        Event::Suspend(it) => Some(it.attempt),
        Event::End(it) => Some(it.attempt),
        Event::Fail(it) => Some(it.attempt),
        Event::Deploy(_)
        | Event::Configure(_)
        | Event::Invoke(_)
        | Event::CompleteAwakeable { .. }
        | Event::Cancel { .. }
        | Event::Kill { .. }
        | Event::Pause { .. }
        | Event::Resume { .. }
        | Event::Purge { .. }
        | Event::Signal { .. }
        | Event::RestartAsNew(_)
        | Event::ReplaceState(_)
        | Event::Remove { .. }
        | Event::Wake
        | Event::Subscribe(_)
        | Event::Steer { .. }
        | Event::Assign(_)
        | Event::Take(_)
        | Event::Halt { .. }
        | Event::RetryParked { .. }
        | Event::DiscardParked { .. }
        | Event::Advance { .. } => None,
    }
}

/// The invocation that an event of an operator names.
pub(super) fn subject(event: &Event) -> Option<&InvocationId> {
    match event {
        Event::Cancel { invocation }
        | Event::Kill { invocation }
        | Event::Pause { invocation }
        | Event::Resume { invocation, .. }
        | Event::Purge { invocation }
        | Event::Signal { invocation, .. } => Some(invocation),
        Event::RestartAsNew(it) => Some(&it.from),
        Event::Deploy(_)
        | Event::Configure(_)
        | Event::Invoke(_)
        | Event::Commands(_)
        | Event::RunCompleted(_)
        | Event::RunFailed(_)
        | Event::RunAbandoned(_)
        | Event::Suspend(_)
        | Event::End(_)
        | Event::Fail(_)
        | Event::CompleteAwakeable { .. }
        | Event::ReplaceState(_)
        | Event::Remove { .. }
        | Event::Wake
        | Event::Subscribe(_)
        | Event::Steer { .. }
        | Event::Assign(_)
        | Event::Take(_)
        | Event::Halt { .. }
        | Event::RetryParked { .. }
        | Event::DiscardParked { .. }
        | Event::Advance { .. } => None,
    }
}

/// What an addition adds, from its input.
pub(super) fn amount(input: Option<&Payload>) -> u64 {
    let text = String::from_utf8_lossy(input.map_or(&[], |input| &input[..]));
    text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// By what name a second submission would join this one.
pub(super) fn name_of(invocation: &Invocation) -> Option<(&Target, Option<&str>)> {
    match (invocation.mode, &invocation.idempotency_key) {
        (HandlerMode::WorkflowRun, _) => Some((&invocation.target, None)),
        (HandlerMode::Exclusive | HandlerMode::Shared, Some(key)) => Some((&invocation.target, Some(key))),
        (HandlerMode::Exclusive | HandlerMode::Shared, None) => None,
    }
}

pub(super) fn exclusive_object(invocation: &Invocation) -> Option<Object> {
    match (invocation.mode, &invocation.target.key) {
        (HandlerMode::Exclusive, Some(key)) => Some((invocation.target.service.clone(), key.clone())),
        (HandlerMode::Exclusive | HandlerMode::Shared | HandlerMode::WorkflowRun, _) => None,
    }
}

pub(super) fn object_of(invocation: &Invocation) -> Object {
    (invocation.target.service.clone(), invocation.target.key.clone().unwrap_or_default())
}

pub(super) fn decode<T: DeserializeOwned>(write: &Write) -> Checked<Option<T>> {
    let Some(value) = &write.value else { return Ok(None) };
    Ok(Some(codec::decode(value, || format!("{:?}", write.key))?))
}

pub(super) fn invocation_of(key: &[u8]) -> InvocationId {
    holiday_core::state::key::parse_invocation(key).expect("a row of an invocation")
}

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> u32 {
    let (_, number) = key.split_last_chunk::<4>().expect("a row of a journal");
    u32::from_be_bytes(*number)
}
