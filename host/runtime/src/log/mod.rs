//! The log: every event that happened to the host, in order. The seam for a cluster.
//!
//! The host is a pure function of this log; the state store only saves having to replay it from the start.
//! Whoever provides a [`Log`] keeps these rules, and `conformance` checks them:
//!
//! 1. **Order.** Records carry the sequence numbers 1, 2, 3, … without a gap.
//! 2. **Whole or not at all.** After a crash a batch is there completely or not in any part.
//! 3. **Durable on return.** A batch whose append returned `Ok` is never lost and never changes.
//! 4. **One writer.** An append names the last record its writer knows. If the log ends elsewhere, another
//!    writer has taken over: the append is refused and nothing changes.
//! 5. **Unknown after an I/O error.** The batch of an append that failed with [`AppendError::Io`], or whose
//!    future was dropped, may be in the log or not. The writer opens the log again and reads how it ends.
//! 6. **Trim forgets, it does not renumber.** Batches go oldest first, and the end of the newest always
//!    stays, so that a log still knows where it ends. Reading what was forgotten is an error, not a gap.

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(debug_assertions)]
pub(crate) mod crashing;
pub mod local;
pub mod memory;

use std::future::Future;

use holiday_core::error::ErrorCode;
use holiday_core::event::Record;
use holiday_core::id::Seq;
use holiday_core::state::{StoreError, codec};

pub use local::LocalLog;
pub use memory::MemoryLog;

/// Records in one batch. A writer with more appends them in the next one.
pub const LOG_BATCH_RECORDS_MAX: usize = 1_024;

/// Encoded bytes beyond which a batch of several records is stored in several parts. One append nevertheless,
/// but trimmed and read part by part.
pub const LOG_PART_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records after which a read stops. It ends with a whole part, so it may return up to one batch more.
pub const LOG_READ_RECORDS_MAX: usize = 1_024;

/// Encoded bytes after which a read stops. It ends with a whole part, so it may return up to one part more.
pub const LOG_READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An ordered, durable sequence of records with one writer.
pub trait Log: Send {
    /// Appends a batch and returns the seq of its last record, once it is durable.
    ///
    /// `expected` is the last record the caller knows, [`Seq::ZERO`] for an empty log; the batch is not empty
    /// and continues from there.
    fn append(
        &mut self,
        expected: Seq,
        batch: &[Record],
    ) -> impl Future<Output = Result<Seq, AppendError>> + Send;

    /// Reads the records that follow `after`, up to [`LOG_READ_RECORDS_MAX`] or [`LOG_READ_BYTES_MAX`] or so.
    /// An empty answer is the end of the log.
    fn read(&mut self, after: Seq) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send;

    /// Allows records up to and including `through` to be forgotten. Repeating it, or naming a record that
    /// is gone or not yet there, is fine.
    fn trim(&mut self, through: Seq) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Tells where the log begins and ends.
    fn extent(&mut self) -> impl Future<Output = Result<Extent, LogError>> + Send;
}

/// Where a log begins and ends: it holds the records after `trimmed` up to and including `last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The last record that was forgotten; zero if none was.
    pub trimmed: Seq,
    /// The last durable record; zero if nothing was ever appended.
    pub last: Seq,
}

/// Says why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another writer took over. What was applied after the last durable record must be dropped and rebuilt.
    #[error("the log ends at record {}, not at record {}: another holiday-host took over", found.0, expected.0)]
    Refused { expected: Seq, found: Seq },
    /// Whether the batch is in the log is unknown.
    #[error("HH0041: the log could not be written: {0}; check that the disk is writable and has space left")]
    Io(String),
}

/// Says why the log could not be read or trimmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// What is stored with this record cannot be read, or does not follow what is before it.
    #[error("HH0009: the log is corrupt at record {}: {reason}", seq.0)]
    Corrupt { seq: Seq, reason: String },
    /// What is stored with this record was written by a newer version.
    #[error("HH0011: record {} of the log has version {found}, this binary reads up to {supported}; use the newer binary", seq.0)]
    NewerVersion { seq: Seq, found: u8, supported: u8 },
    /// The records asked for were forgotten, so the state that asks cannot be brought up to date.
    #[error(
        "HH0009: the log begins after record {}, but the state ends at record {}: the records between are gone",
        trimmed.0, after.0
    )]
    Trimmed { after: Seq, trimmed: Seq },
    /// The file itself is damaged, wherever its records are.
    #[error("HH0009: log.redb is damaged: {0}")]
    Damaged(String),
    /// Reading or trimming failed; the log may be sound.
    #[error("HH0041: the log failed: {0}")]
    Io(String),
}

impl LogError {
    /// Returns the code the message begins with.
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::Corrupt { .. } | LogError::Trimmed { .. } | LogError::Damaged(_) => {
                ErrorCode::CorruptData
            }
            LogError::NewerVersion { .. } => ErrorCode::NewerData,
            LogError::Io(_) => ErrorCode::StorageFailed,
        }
    }
}

/// Asserts what every writer owes: a batch that is not empty, within its bound, and continues the log.
fn assert_continues(expected: Seq, batch: &[Record]) {
    assert!(!batch.is_empty(), "a batch has at least one record");
    assert!(batch.len() <= LOG_BATCH_RECORDS_MAX, "a batch of {} records is too large", batch.len());
    assert!(is_contiguous(expected, batch), "a batch continues after record {}", expected.0);
}

fn is_contiguous(after: Seq, records: &[Record]) -> bool {
    records.iter().zip(after.0 + 1..).all(|(record, seq)| record.seq.0 == seq)
}

/// Encodes a batch, in parts if it is large. Each part comes with the seq of its last record.
fn encode_batch(batch: &[Record]) -> Vec<(Seq, Vec<u8>)> {
    let bytes = codec::encode(&batch);
    match batch {
        [.., last] if batch.len() == 1 || bytes.len() <= LOG_PART_BYTES_MAX => vec![(last.seq, bytes)],
        _ => {
            let (first_half, second_half) = batch.split_at(batch.len() / 2);
            let mut parts = encode_batch(first_half);
            parts.append(&mut encode_batch(second_half));
            parts
        }
    }
}

/// Decodes the part that ends with record `last`, and checks that it is one.
fn decode_part(last: Seq, bytes: &[u8]) -> Result<Vec<Record>, LogError> {
    let corrupt = |reason: String| LogError::Corrupt { seq: last, reason };
    let batch: Vec<Record> = codec::decode(bytes, String::new).map_err(|error| match error {
        StoreError::Corrupt { reason, .. } => corrupt(reason),
        StoreError::NewerVersion { found, supported, .. } => {
            LogError::NewerVersion { seq: last, found, supported }
        }
        StoreError::Io(reason) => LogError::Io(reason),
    })?;
    let before = u64::try_from(batch.len()).ok().and_then(|len| last.0.checked_sub(len)).map(Seq);
    match before {
        _ if batch.is_empty() => Err(corrupt("it has no records".to_owned())),
        Some(before) if is_contiguous(before, &batch) => Ok(batch),
        _ => Err(corrupt("its records have other sequence numbers".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_beyond_the_bound_has_several_parts() {
        let beside_the_values = codec::encode(&conformance::large_records(0, 4, 0).as_slice()).len();
        // The length of each value takes four bytes in place of one.
        let value = (LOG_PART_BYTES_MAX - beside_the_values) / 4 - 4;
        for (value, parts) in [(value, 1), (value + 16, 2)] {
            let batch = conformance::large_records(0, 4, value);
            let found = encode_batch(&batch);
            assert_eq!(found.len(), parts, "{value}");
            assert!(found.iter().all(|(_, bytes)| bytes.len() <= LOG_PART_BYTES_MAX), "{value}");
            let decoded = found.iter().map(|(last, bytes)| decode_part(*last, bytes).expect("it is one"));
            assert!(decoded.flatten().eq(batch), "the records come back as they were");
        }
    }
}
