//! Records that fail: parked, skipped, or a reason to pause.

use super::{Cx, Open, lane};
use crate::effect::Effect;
use crate::id::{InvocationId, SubscriptionId};
use crate::invocation::Header;
use crate::limits;
use crate::state::{Kv, StoreError};
use crate::subscription::{
    Lane, OnFailure, OrderOnFailure, ParkedRecord, PauseReason, Progress, RecordOrigin, SourceRecord,
    SubscriptionStatus, Verdict, WaitingRecord,
};
use crate::value::{Failure, Payload};

/// The parts of a record that failed.
pub(super) struct Failed {
    pub(super) key: Option<Payload>,
    pub(super) headers: Vec<Header>,
    pub(super) value: Option<Payload>,
    pub(super) failure: Failure,
    pub(super) invocation: Option<InvocationId>,
}

/// Does with a failed record what the policy says.
pub(super) fn fail<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    lane: Option<&mut Lane>,
    origin: &RecordOrigin,
    failed: Failed,
) -> Result<(), StoreError> {
    open.progress.counts.failed += 1;
    let failure = failed.failure.clone();
    let parked = match open.subscription.options.on_failure {
        OnFailure::Skip => {
            open.progress.counts.skipped += 1;
            None
        }
        OnFailure::Park => Some(park(cx, open, lane, origin, failed)?),
        OnFailure::Pause => {
            let number = park(cx, open, lane, origin, failed)?;
            pause(&mut open.progress, PauseReason::Failed(number));
            Some(number)
        }
    };
    if is_full(&open.progress) {
        pause(&mut open.progress, PauseReason::ParkedFull);
    }
    cx.effects.push(Effect::RecordFailed { origin: *origin, parked, failure });
    Ok(())
}

/// Keeps a record with its error; returns its number, which is the one it had before if it was parked before.
fn park<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    lane: Option<&mut Lane>,
    origin: &RecordOrigin,
    failed: Failed,
) -> Result<u64, StoreError> {
    let number = origin.parked.unwrap_or(open.progress.next_parked);
    open.progress.next_parked = open.progress.next_parked.max(number + 1);
    let record = ParkedRecord {
        origin: RecordOrigin { failures: origin.failures + 1, parked: Some(number), ..*origin },
        topic: open.subscription.source.topic.clone(),
        key: failed.key,
        headers: failed.headers,
        value: failed.value,
        failure: failed.failure,
        invocation: failed.invocation,
        parked_at: cx.at,
    };
    open.progress.parked += 1;
    open.progress.parked_bytes += record.len();
    cx.state.put_parked(&open.id, number, &record)?;
    if let (Some(lane), OrderOnFailure::Wait) = (lane, open.subscription.options.order_on_failure) {
        lane.blocked_by.get_or_insert(number);
    }
    Ok(number)
}

fn pause(progress: &mut Progress, reason: PauseReason) {
    if progress.is_active() {
        progress.status = SubscriptionStatus::Paused(reason);
    }
}

/// True if no further record may be parked.
pub(super) fn is_full(progress: &Progress) -> bool {
    progress.parked >= limits::PARKED_MAX || progress.parked_bytes >= limits::PARKED_BYTES_MAX
}

/// A parked record is handled again: at once if its key is free, or else after those that wait.
pub(in crate::engine) fn retry<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &SubscriptionId,
    number: u64,
    value: &Verdict,
) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, id)? else { return Ok(()) };
    let Some(parked) = take_parked(cx, &mut open, number)? else { return Ok(()) };
    let record = SourceRecord {
        offset: parked.origin.offset,
        timestamp: parked.origin.timestamp,
        key: parked.key,
        headers: parked.headers,
        value: value.clone(),
        digest: 0,
    };
    lane::offer(cx, &mut open, WaitingRecord { origin: parked.origin, record })?;
    open.save(cx)
}

/// A parked record is dropped; those that wait for it go on.
pub(in crate::engine) fn discard<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &SubscriptionId,
    number: u64,
) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, id)? else { return Ok(()) };
    let Some(parked) = take_parked(cx, &mut open, number)? else { return Ok(()) };
    open.progress.counts.discarded += 1;
    if let Some(id) = parked.origin.lane
        && let Some(mut lane) = cx.state.lane(&open.id, &id)?
        && lane.blocked_by == Some(number)
    {
        lane.blocked_by = None;
        lane::go_on(cx, &mut open, id, &mut lane)?;
        lane::save(cx, &mut open, id, lane)?;
    }
    open.save(cx)
}

fn take_parked<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    number: u64,
) -> Result<Option<ParkedRecord>, StoreError> {
    let Some(parked) = cx.state.parked(&open.id, number)? else { return Ok(None) };
    cx.state.delete_parked(&open.id, number)?;
    open.progress.parked -= 1;
    open.progress.parked_bytes -= parked.len();
    Ok(Some(parked))
}
