//! Records are taken from a partition: the position moves in the log record that begins what they become.

use super::lane;
use super::{Cx, Open};
use crate::event::{Assign, Take};
use crate::id::SubscriptionId;
use crate::limits;
use crate::state::{Kv, StoreError};
use crate::subscription::{
    Halt, KeySeek, LaneId, Mark, Offset, Partition, Position, Progress, RecordOrigin, SourceRecord,
    WaitingRecord,
};

/// Gives positions to partitions that have none.
pub(in crate::engine) fn assign<K: Kv>(cx: &mut Cx<'_, K>, it: &Assign) -> Result<(), StoreError> {
    let Some(open) = Open::load(cx, &it.subscription)? else { return Ok(()) };
    for (partition, next) in &it.positions {
        if cx.state.position(&open.id, *partition)?.is_none() {
            let position = Position { next: *next, generation: 0, last: None, halted: None };
            cx.state.put_position(&open.id, *partition, &position)?;
        }
    }
    Ok(())
}

/// A partition is not read any more until a seek says where to go on.
pub(in crate::engine) fn halt<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &SubscriptionId,
    partition: Partition,
    generation: u32,
    halt: &Halt,
) -> Result<(), StoreError> {
    let Some(mut position) = cx.state.position(id, partition)? else { return Ok(()) };
    // Otherwise the partition has been read on since: its extent was looked up before that.
    let is_so = match halt {
        Halt::Recreated { .. } => true,
        Halt::Ahead { next, end } => position.next == *next && next > end,
        Halt::Behind { next, begin } => position.next == *next && next < begin,
    };
    if position.generation != generation || position.halted.is_some() || !is_so {
        return Ok(());
    }
    position.halted = Some(halt.clone());
    cx.state.put_position(id, partition, &position)
}

/// Takes records: each becomes an invocation, waits for its key, or fails. Records that were taken before change
/// nothing. Where no more can be held, the rest stays in the topic, and the position with it.
pub(in crate::engine) fn take<K: Kv>(cx: &mut Cx<'_, K>, it: &Take) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, &it.subscription)? else { return Ok(()) };
    match &it.of_key {
        None => take_from_partition(cx, &mut open, it)?,
        Some(key) => take_of_key(cx, &mut open, it, &LaneId::of(key))?,
    }
    open.save(cx)
}

fn take_from_partition<K: Kv>(cx: &mut Cx<'_, K>, open: &mut Open, it: &Take) -> Result<(), StoreError> {
    let Some(mut position) = cx.state.position(&open.id, it.partition)? else { return Ok(()) };
    // What a reader has read from behind the position would leave a gap.
    if position.generation != it.generation || position.halted.is_some() || it.from > position.next {
        return Ok(());
    }
    let mut has_taken_all = true;
    for record in &it.records {
        if record.offset < position.next {
            match position.last {
                Some(last) if last.offset == record.offset && last.digest != record.digest => {
                    position.halted = Some(Halt::Recreated { offset: record.offset });
                }
                Some(_) | None => continue,
            }
        }
        if position.halted.is_some() || !may_take(&open.progress) {
            has_taken_all = false;
            break;
        }
        take_one(cx, open, it, position.generation, record)?;
        position.next = record.offset.next();
        position.last = Some(Mark { offset: record.offset, digest: record.digest });
    }
    if has_taken_all {
        position.next = position.next.max(it.next);
    }
    end_met_seeks(cx, open, it.partition, position.next)?;
    cx.state.put_position(&open.id, it.partition, &position)
}

/// Ends the seeks of keys that were sent ahead to where the partition is now: they follow it again.
fn end_met_seeks<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    partition: Partition,
    next: Offset,
) -> Result<(), StoreError> {
    if open.progress.key_seeks == 0 {
        return Ok(());
    }
    for (of, seek) in cx.state.key_seeks(&open.id)? {
        if of == partition && !seek.is_reading() && seek.next <= next {
            end_key_seek(cx, open, partition, &LaneId::of(&seek.key))?;
        }
    }
    Ok(())
}

fn may_take(progress: &Progress) -> bool {
    progress.is_active() && progress.has_room()
}

/// Handles a record, unless its key has a position of its own.
fn take_one<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    it: &Take,
    generation: u32,
    record: &SourceRecord,
) -> Result<(), StoreError> {
    if open.progress.key_seeks > 0
        && let Some(lane) = record.key.as_ref().map(|key| LaneId::of(key))
        && let Some(mut seek) = cx.state.key_seek(&open.id, it.partition, &lane)?
    {
        if record.offset < seek.next {
            open.progress.counts.passed_over += 1;
            return Ok(());
        }
        if seek.is_reading() {
            // The reader of the key comes to it.
            seek.until = record.offset.next();
            return cx.state.put_key_seek(&open.id, it.partition, &lane, &seek);
        }
    }
    handle(cx, open, it.partition, generation, record)
}

fn handle<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    partition: Partition,
    generation: u32,
    record: &SourceRecord,
) -> Result<(), StoreError> {
    open.progress.counts.taken += 1;
    let origin = RecordOrigin {
        subscription: open.id,
        partition,
        offset: record.offset,
        timestamp: record.timestamp,
        lane: record.key.as_ref().map(|key| LaneId::of(key)),
        generation,
        failures: 0,
        parked: None,
    };
    // An event is bounded by its records, and a lane that fails on and on by its steps.
    open.budget = limits::RECORDS_PER_STEP_MAX;
    lane::offer(cx, open, WaitingRecord { origin, record: record.clone() })
}

/// Takes records of a key that is read from a position of its own.
fn take_of_key<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    it: &Take,
    lane: &LaneId,
) -> Result<(), StoreError> {
    let Some(mut seek) = cx.state.key_seek(&open.id, it.partition, lane)? else { return Ok(()) };
    let position = cx.state.position(&open.id, it.partition)?.expect("a key is sought where there is one");
    if seek.generation != it.generation || position.halted.is_some() || it.from > seek.next {
        return Ok(());
    }
    let mut has_taken_all = true;
    for record in &it.records {
        if record.offset < seek.next || record.offset >= seek.until || record.key.as_ref() != Some(&seek.key)
        {
            continue;
        }
        if !may_take(&open.progress) {
            has_taken_all = false;
            break;
        }
        handle(cx, open, it.partition, seek.generation, record)?;
        seek.next = record.offset.next();
    }
    if has_taken_all {
        seek.next = seek.next.max(it.next).min(seek.until);
    }
    match seek.is_reading() {
        true => cx.state.put_key_seek(&open.id, it.partition, lane, &seek),
        false => end_key_seek(cx, open, it.partition, lane),
    }
}

pub(super) fn end_key_seek<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    partition: Partition,
    lane: &LaneId,
) -> Result<(), StoreError> {
    open.progress.key_seeks -= 1;
    cx.state.delete_key_seek(&open.id, partition, lane)
}

/// Has the records of a key read again from `next` on, or passed over up to there.
pub(super) fn seek_key<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    key: &bytes::Bytes,
    partition: Partition,
    next: Offset,
) -> Result<(), StoreError> {
    let Some(position) = cx.state.position(&open.id, partition)? else { return Ok(()) };
    let lane = LaneId::of(key);
    if cx.state.key_seek(&open.id, partition, &lane)?.is_none() {
        open.progress.key_seeks += 1;
    }
    if next == position.next {
        return end_key_seek(cx, open, partition, &lane);
    }
    let generation = next_generation(&mut open.progress);
    let seek = KeySeek { key: key.clone(), generation, next, until: position.next.max(next) };
    cx.state.put_key_seek(&open.id, partition, &lane, &seek)
}

/// Has a partition read from `next` on. Keys that were read from positions of their own follow it.
pub(super) fn seek<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    partition: Partition,
    next: Offset,
) -> Result<(), StoreError> {
    if cx.state.position(&open.id, partition)?.is_none() {
        return Ok(());
    }
    for (of, key_seek) in cx.state.key_seeks(&open.id)? {
        if of == partition {
            end_key_seek(cx, open, partition, &LaneId::of(&key_seek.key))?;
        }
    }
    let generation = next_generation(&mut open.progress);
    let position = Position { next, generation, last: None, halted: None };
    cx.state.put_position(&open.id, partition, &position)
}

fn next_generation(progress: &mut Progress) -> u32 {
    let generation = progress.next_generation;
    progress.next_generation += 1;
    generation
}
