//! The lane of a key: its records follow each other.

use super::parking::{self, Failed};
use super::{Cx, Open};
use crate::deployment::ServiceKind;
use crate::engine::Refusal;
use crate::engine::invoke::{self, Submission, Submitted};
use crate::error::ErrorCode;
use crate::id::InvocationId;
use crate::invocation::{Caller, Invocation};
use crate::limits;
use crate::state::key::Family;
use crate::state::{Kv, StoreError};
use crate::subscription::{Lane, LaneId, RecordOrigin, SourceRecord, Verdict, WaitingRecord};
use crate::target::Target;
use crate::value::{self, Failure, Outcome, Payload};

/// Handles a record at once, or puts it at the end of its lane.
pub(super) fn offer<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    record: WaitingRecord,
) -> Result<(), StoreError> {
    let Some(id) = record.origin.lane else { return begin(cx, open, None, record).map(drop) };
    let key = record.record.key.clone().expect("a record with a lane has a key");
    let mut lane = cx.state.lane(&open.id, &id)?.unwrap_or_else(|| Lane::new(key));
    // A parked record goes before those that wait for it.
    let is_awaited = lane.blocked_by.is_some() && lane.blocked_by == record.origin.parked;
    if is_awaited && lane.is_paused {
        push_first(cx, open, id, &mut lane, &record)?;
    } else if is_awaited || lane.is_idle() {
        begin(cx, open, Some(&mut lane), record)?;
        go_on(cx, open, id, &mut lane)?;
    } else {
        push(cx, open, id, &mut lane, &record)?;
    }
    save(cx, open, id, lane)
}

/// The next record of a lane begins, if it may.
pub(super) fn advance<K: Kv>(cx: &mut Cx<'_, K>, open: &mut Open, id: LaneId) -> Result<(), StoreError> {
    let Some(mut lane) = cx.state.lane(&open.id, &id)? else { return Ok(()) };
    go_on(cx, open, id, &mut lane)?;
    save(cx, open, id, lane)
}

/// The invocation of a record has ended: the next record of its lane begins. `input` is what the invocation began with.
pub(in crate::engine) fn ended<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
    origin: &RecordOrigin,
    outcome: &Outcome,
    input: Option<Payload>,
) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, &origin.subscription)? else { return Ok(()) };
    open.progress.running -= 1;
    let mut lane = match &origin.lane {
        Some(lane) => Some(cx.state.lane(&open.id, lane)?.expect("a busy lane has its row")),
        None => None,
    };
    if let Some(lane) = &mut lane {
        assert_eq!(lane.busy, Some(*id), "one record of a lane is handled at a time");
        lane.busy = None;
    }
    match outcome {
        Outcome::Success(_) => succeeded(&mut open, lane.as_mut(), origin),
        Outcome::Failure(failure) => {
            let failed = Failed {
                key: lane.as_ref().map(|lane| lane.key.clone()),
                headers: invocation.headers.clone(),
                value: input,
                failure: failure.clone(),
                invocation: Some(*id),
            };
            parking::fail(cx, &mut open, lane.as_mut(), origin, failed)?;
        }
    }
    if let (Some(id), Some(mut lane)) = (origin.lane, lane) {
        go_on(cx, &mut open, id, &mut lane)?;
        save(cx, &mut open, id, lane)?;
    }
    open.save(cx)
}

/// Begins records until one of them runs, as far as the step reaches.
pub(super) fn go_on<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    id: LaneId,
    lane: &mut Lane,
) -> Result<(), StoreError> {
    while lane.is_free() && lane.waiting > 0 && open.progress.is_active() && open.budget > 0 {
        let first = cx.state.first_waiting_record(&open.id, &id, lane.first_ticket)?;
        let (ticket, record) = first.expect("as many rows as are counted");
        cx.state.delete_waiting_record(&open.id, &id, ticket)?;
        lane.first_ticket = ticket + 1;
        lane.waiting -= 1;
        open.progress.waiting -= 1;
        open.progress.waiting_bytes -= record.record.len();
        begin(cx, open, Some(lane), record)?;
    }
    Ok(())
}

fn push<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    id: LaneId,
    lane: &mut Lane,
    record: &WaitingRecord,
) -> Result<(), StoreError> {
    let ticket = lane.next_ticket;
    lane.next_ticket += 1;
    put(cx, open, id, lane, ticket, record)
}

/// The record that the others of a paused key wait for takes its place before them.
fn push_first<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    id: LaneId,
    lane: &mut Lane,
    record: &WaitingRecord,
) -> Result<(), StoreError> {
    lane.blocked_by = None;
    lane.first_ticket =
        lane.first_ticket.checked_sub(1).expect("kept free for one record, which the key waits for");
    put(cx, open, id, lane, lane.first_ticket, record)
}

fn put<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    id: LaneId,
    lane: &mut Lane,
    ticket: u64,
    record: &WaitingRecord,
) -> Result<(), StoreError> {
    cx.state.put_waiting_record(&open.id, &id, ticket, record)?;
    lane.waiting += 1;
    open.progress.waiting += 1;
    open.progress.waiting_bytes += record.record.len();
    Ok(())
}

/// Writes a lane, or deletes it where nothing needs it, and keeps its marks.
pub(super) fn save<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    id: LaneId,
    mut lane: Lane,
) -> Result<(), StoreError> {
    let is_stalled = lane.is_free() && lane.waiting > 0;
    if is_stalled != lane.is_stalled {
        mark(cx, open, Family::StalledLane, id, is_stalled)?;
        match is_stalled {
            true => open.progress.stalled += 1,
            false => open.progress.stalled -= 1,
        }
        lane.is_stalled = is_stalled;
    }
    let is_held = lane.is_paused || lane.blocked_by.is_some();
    if is_held != lane.is_held {
        mark(cx, open, Family::HeldLane, id, is_held)?;
        lane.is_held = is_held;
    }
    match lane.is_idle() {
        true => cx.state.delete_lane(&open.id, &id),
        false => cx.state.put_lane(&open.id, &id, &lane),
    }
}

fn mark<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &Open,
    family: Family,
    id: LaneId,
    is_marked: bool,
) -> Result<(), StoreError> {
    match is_marked {
        true => cx.state.mark_lane(family, &open.id, &id),
        false => cx.state.unmark_lane(family, &open.id, &id),
    }
}

/// Makes an invocation of a record; one that cannot become an invocation fails.
fn begin<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    lane: Option<&mut Lane>,
    WaitingRecord { origin, record }: WaitingRecord,
) -> Result<(), StoreError> {
    open.budget = open.budget.saturating_sub(1);
    let failed = |value, failure| Failed {
        key: record.key.clone(),
        headers: record.headers.clone(),
        value,
        failure,
        invocation: None,
    };
    let input = match &record.value {
        Verdict::Input(input) => input,
        Verdict::Unusable { value, failure } => {
            return parking::fail(cx, open, lane, &origin, failed(value.clone(), failure.clone()));
        }
    };
    match submit(cx, open, &origin, &record, input)? {
        Ok(Some(id)) => {
            open.progress.running += 1;
            if let Some(lane) = lane {
                let before = lane.busy.replace(id);
                assert_eq!(before, None, "one record of a lane is handled at a time");
            }
            Ok(())
        }
        Ok(None) => {
            succeeded(open, lane, &origin);
            Ok(())
        }
        Err(failure) => parking::fail(cx, open, lane, &origin, failed(Some(input.clone()), failure)),
    }
}

/// The invocation that has begun; `None` if the record joined the run of its workflow id.
type Begun = Result<Option<InvocationId>, Failure>;

fn submit<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &Open,
    origin: &RecordOrigin,
    record: &SourceRecord,
    input: &Payload,
) -> Result<Begun, StoreError> {
    let target = match target(cx, open, record.key.as_ref())? {
        Ok(target) => target,
        Err(failure) => return Ok(Err(failure)),
    };
    let (seed, unique) = open.subscription.seed.for_record(origin);
    let id = InvocationId::new(&target, unique);
    let submission = Submission {
        id,
        target: &target,
        input,
        headers: &record.headers,
        idempotency_key: None,
        seed,
        delay_ms: None,
        retention_ms: 0,
        caller: Caller::Record(*origin),
    };
    Ok(match invoke::submit(cx, submission)? {
        Submitted::Begun => Ok(Some(id)),
        Submitted::Joined(_) => Ok(None),
        Submitted::Refused(refusal) => Err(invoke::refused(&refusal)),
    })
}

/// Addresses the handler: the key of the record is that of the object or workflow.
fn target<K: Kv>(
    cx: &Cx<'_, K>,
    open: &Open,
    key: Option<&Payload>,
) -> Result<Result<Target, Failure>, StoreError> {
    let sink = &open.subscription.sink;
    let Some(route) = cx.state.route(&sink.service)? else {
        let refusal = Refusal::UnknownService { service: sink.service.clone(), nearest: None };
        return Ok(Err(invoke::refused(&refusal)));
    };
    // It was not when the subscription was created.
    if route.handlers.get(&sink.handler).is_some_and(|handler| handler.policy.private) {
        let target = Target::service(&sink.service, &sink.handler);
        return Ok(Err(invoke::refused(&Refusal::PrivateHandler { target })));
    }
    Ok(match route.kind {
        ServiceKind::Service => Ok(Target::service(&sink.service, &sink.handler)),
        ServiceKind::Object | ServiceKind::Workflow => {
            text_key(key).map(|key| Target::keyed(&sink.service, key, &sink.handler))
        }
    })
}

fn text_key(key: Option<&Payload>) -> Result<&str, Failure> {
    let unusable =
        |reason: String| Failure::new(400, value::cut(format!("{}: {reason}", ErrorCode::RecordUnusable)));
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
        unusable("the record has no key, and the service is keyed; produce records with keys".to_owned())
    })?;
    if key.len() > limits::KEY_BYTES_MAX {
        let limit = limits::KEY_BYTES_MAX;
        return Err(unusable(format!(
            "the key has {} bytes, more than the {limit} that are allowed",
            key.len()
        )));
    }
    str::from_utf8(key).map_err(|error| {
        unusable(format!(
            "the key '{}' is not UTF-8 from byte {} on; object keys are text",
            key.escape_ascii(),
            error.valid_up_to()
        ))
    })
}

fn succeeded(open: &mut Open, lane: Option<&mut Lane>, origin: &RecordOrigin) {
    open.progress.counts.succeeded += 1;
    if let Some(lane) = lane.filter(|lane| lane.blocked_by.is_some() && lane.blocked_by == origin.parked) {
        lane.blocked_by = None;
    }
}
