//! What any provider of a [`Log`] must pass: the rules of the port, each as a story.

use bytes::Bytes;
use holiday_core::event::{Event, Record};
use holiday_core::id::{AwakeableId, EntryIndex, InvocationId, Seq};
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;

use super::{
    AppendError, Extent, LOG_BATCH_RECORDS_MAX, LOG_PART_BYTES_MAX, LOG_READ_BYTES_MAX, LOG_READ_RECORDS_MAX,
    Log, LogError,
};

/// Runs the suite. `create` makes a new, empty log, as something that opens it: again after each time the
/// handle was dropped.
pub(crate) async fn check<L: Log, O: Fn() -> L>(create: impl Fn() -> O) {
    an_empty_log_ends_at_zero(create()).await;
    what_was_appended_is_read_in_order(create()).await;
    what_was_appended_is_there_after_reopening(create()).await;
    a_read_may_begin_within_a_batch(create()).await;
    a_read_is_bounded_and_goes_on_where_it_stopped(create()).await;
    a_read_is_bounded_in_bytes(create()).await;
    a_stale_writer_is_refused(create()).await;
    a_writer_that_skips_ahead_is_refused(create()).await;
    a_trim_forgets_whole_batches(create()).await;
    a_trim_keeps_the_newest_batch(create()).await;
    a_large_batch_is_whole(create()).await;
    a_trimmed_log_goes_on(create()).await;
}

/// The records after `after`, `count` of them.
pub(crate) fn records(after: u64, count: usize) -> Vec<Record> {
    (after + 1..).take(count).map(record).collect()
}

/// The same, each with a value of `size` bytes.
pub(crate) fn large_records(after: u64, count: usize, size: usize) -> Vec<Record> {
    let id = AwakeableId { invocation: InvocationId::from_bytes([1; 24]), index: EntryIndex(0) };
    let value = Bytes::from(vec![7; size]);
    let event = || Event::CompleteAwakeable { id, outcome: Outcome::Success(value.clone()) };
    records(after, count).into_iter().map(|record| Record { event: event(), ..record }).collect()
}

/// The records after `after` up to and including `last`.
fn between(after: u64, last: u64) -> Vec<Record> {
    (after + 1..=last).map(record).collect()
}

fn record(seq: u64) -> Record {
    let invocation = InvocationId::from_bytes([seq.to_be_bytes()[7]; 24]);
    let event = if seq.is_multiple_of(2) { Event::Wake } else { Event::Cancel { invocation } };
    Record { seq: Seq(seq), at: Timestamp::from_millis(1_000 + seq), event }
}

async fn an_empty_log_ends_at_zero<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    assert_eq!(log.extent().await, Ok(Extent::default()));
    assert_eq!(log.read(Seq::ZERO).await, Ok(vec![]));
    assert_eq!(log.trim(Seq(5)).await, Ok(()));
    assert_eq!(log.extent().await, Ok(Extent::default()));
}

async fn what_was_appended_is_read_in_order<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    assert_eq!(log.append(Seq::ZERO, &records(0, 3)).await, Ok(Seq(3)));
    assert_eq!(log.append(Seq(3), &records(3, 1)).await, Ok(Seq(4)));
    assert_eq!(log.read(Seq::ZERO).await, Ok(records(0, 4)));
    assert_eq!(log.read(Seq(4)).await, Ok(vec![]));
    assert_eq!(log.extent().await, Ok(Extent { trimmed: Seq::ZERO, last: Seq(4) }));
}

async fn what_was_appended_is_there_after_reopening<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    for batch in 0..5 {
        log.append(Seq(batch * 3), &records(batch * 3, 3)).await.expect("continues the log");
        drop(log);
        log = open();
    }
    assert_eq!(log.read(Seq::ZERO).await, Ok(records(0, 15)));
    assert_eq!(log.append(Seq(15), &records(15, 1)).await, Ok(Seq(16)));
}

async fn a_read_may_begin_within_a_batch<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    log.append(Seq::ZERO, &records(0, 4)).await.expect("continues the log");
    log.append(Seq(4), &records(4, 4)).await.expect("continues the log");
    for after in 0..8 {
        assert_eq!(log.read(Seq(after)).await, Ok(between(after, 8)), "after {after}");
    }
}

async fn a_read_is_bounded_and_goes_on_where_it_stopped<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    let (batch, batches) = (LOG_BATCH_RECORDS_MAX - 1, 4);
    for after in (0..).step_by(batch).take(batches) {
        log.append(Seq(after), &records(after, batch)).await.expect("continues the log");
    }
    let mut found: Vec<Record> = Vec::new();
    loop {
        let after = found.last().map_or(Seq::ZERO, |record| record.seq);
        let more = log.read(after).await.expect("can be read");
        if more.is_empty() {
            break;
        }
        assert!(
            more.len() >= LOG_READ_RECORDS_MAX,
            "one batch is less than the bound, so another one follows"
        );
        assert_eq!(more.len(), 2 * batch, "with two batches the bound is passed");
        found.extend(more);
    }
    assert_eq!(found, records(0, batch * batches));
}

async fn a_read_is_bounded_in_bytes<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    for after in 0..3 {
        let batch = large_records(after, 1, LOG_READ_BYTES_MAX / 2);
        log.append(Seq(after), &batch).await.expect("continues the log");
    }
    assert_eq!(log.read(Seq::ZERO).await.expect("can be read").len(), 2, "two halves reach the bound");
    assert_eq!(log.read(Seq(2)).await.expect("can be read").len(), 1);
}

async fn a_stale_writer_is_refused<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    log.append(Seq::ZERO, &records(0, 2)).await.expect("continues the log");
    log.append(Seq(2), &records(2, 2)).await.expect("continues the log");
    for expected in [0, 1, 2, 3] {
        let refused = AppendError::Refused { expected: Seq(expected), found: Seq(4) };
        assert_eq!(log.append(Seq(expected), &records(expected, 3)).await, Err(refused));
    }
    assert_eq!(log.read(Seq::ZERO).await, Ok(records(0, 4)));
    assert_eq!(log.append(Seq(4), &records(4, 1)).await, Ok(Seq(5)));
}

async fn a_writer_that_skips_ahead_is_refused<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    let refused = AppendError::Refused { expected: Seq(1), found: Seq::ZERO };
    assert_eq!(log.append(Seq(1), &records(1, 1)).await, Err(refused));
    assert_eq!(log.extent().await, Ok(Extent::default()));
}

async fn a_trim_forgets_whole_batches<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    for after in [0, 3, 6] {
        log.append(Seq(after), &records(after, 3)).await.expect("continues the log");
    }
    let check = async |log: &mut L, through: u64, trimmed: u64| {
        log.trim(Seq(through)).await.expect("can be trimmed");
        let extent = log.extent().await.expect("has ends");
        assert_eq!(extent, Extent { trimmed: Seq(trimmed), last: Seq(9) }, "through {through}");
        assert_eq!(log.read(extent.trimmed).await, Ok(between(trimmed, 9)));
    };
    check(&mut log, 2, 0).await;
    check(&mut log, 3, 3).await;
    check(&mut log, 1, 3).await;
    check(&mut log, 5, 3).await;
    let gone = LogError::Trimmed { after: Seq(2), trimmed: Seq(3) };
    assert_eq!(log.read(Seq(2)).await, Err(gone));
}

async fn a_trim_keeps_the_newest_batch<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    log.append(Seq::ZERO, &records(0, 2)).await.expect("continues the log");
    log.append(Seq(2), &records(2, 2)).await.expect("continues the log");
    log.trim(Seq(100)).await.expect("can be trimmed");
    assert_eq!(log.extent().await, Ok(Extent { trimmed: Seq(2), last: Seq(4) }));
    assert_eq!(log.read(Seq(2)).await, Ok(records(2, 2)));
}

async fn a_large_batch_is_whole<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    let mut batch = large_records(0, 5, LOG_PART_BYTES_MAX / 3);
    assert_eq!(log.append(Seq::ZERO, &batch).await, Ok(Seq(5)));
    assert_eq!(log.append(Seq(5), &records(5, 1)).await, Ok(Seq(6)));
    drop(log);
    log = open();
    let mut found = Vec::new();
    while found.len() < 6 {
        let more = log.read(Seq(found.len() as u64)).await.expect("can be read");
        assert!(!more.is_empty(), "only {} records are there", found.len());
        found.extend(more);
    }
    batch.extend(records(5, 1));
    assert!(found == batch, "the records come back as they were");
}

async fn a_trimmed_log_goes_on<L: Log>(open: impl Fn() -> L) {
    let mut log = open();
    for after in 0..20 {
        log.append(Seq(after), &records(after, 1)).await.expect("continues the log");
        log.trim(Seq(after)).await.expect("can be trimmed");
        if after % 7 == 0 {
            drop(log);
            log = open();
        }
    }
    let extent = log.extent().await.expect("has ends");
    assert_eq!(extent.last, Seq(20));
    assert!(extent.trimmed < extent.last);
    assert_eq!(log.read(extent.trimmed).await, Ok(between(extent.trimmed.0, 20)));
}
