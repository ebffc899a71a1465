//! A log in memory, for tests: it survives the crashes they stage, and fails when they ask it to.

use std::sync::{Arc, Mutex, MutexGuard};

use holiday_core::event::Record;
use holiday_core::id::Seq;

use super::{AppendError, Extent, LOG_READ_BYTES_MAX, LOG_READ_RECORDS_MAX, Log, LogError};

/// A handle on a log in memory. A clone is another handle on the same log, as after a crash: what was
/// appended is there, what was not is lost.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    disk: Arc<Mutex<Disk>>,
}

/// How the next append ends. The ones after it succeed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextAppend {
    /// As it should.
    #[default]
    Succeeds,
    /// As if another writer had taken over. Nothing is written.
    IsRefused,
    /// I/O error; the batch is lost.
    FailsUnwritten,
    /// I/O error; the batch is in the log nevertheless.
    FailsWritten,
}

#[derive(Debug, Default)]
struct Disk {
    trimmed: Seq,
    /// Encoded as on a real disk, so that what cannot be written or read back shows in tests.
    parts: Vec<(Seq, Vec<u8>)>,
    next_append: NextAppend,
}

impl MemoryLog {
    /// Creates an empty log.
    pub fn new() -> Self {
        MemoryLog::default()
    }

    /// Decides how the next append ends.
    pub fn set_next_append(&self, next: NextAppend) {
        self.disk().next_append = next;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no holder of this lock panics while the disk is half written")
    }
}

impl Log for MemoryLog {
    async fn append(&mut self, expected: Seq, batch: &[Record]) -> Result<Seq, AppendError> {
        super::assert_continues(expected, batch);
        let parts = super::encode_batch(batch);
        let mut disk = self.disk();
        let found = disk.last();
        if found != expected {
            return Err(AppendError::Refused { expected, found });
        }
        let last = Seq(expected.0 + batch.len() as u64);
        match std::mem::take(&mut disk.next_append) {
            NextAppend::Succeeds => {
                disk.parts.extend(parts);
                Ok(last)
            }
            NextAppend::IsRefused => Err(AppendError::Refused { expected, found: last }),
            NextAppend::FailsUnwritten => Err(AppendError::Io("a test lost the batch".to_owned())),
            NextAppend::FailsWritten => {
                disk.parts.extend(parts);
                Err(AppendError::Io("a test lost the answer".to_owned()))
            }
        }
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Record>, LogError> {
        let disk = self.disk();
        if after < disk.trimmed {
            return Err(LogError::Trimmed { after, trimmed: disk.trimmed });
        }
        let mut records = Vec::new();
        let mut bytes_read = 0;
        for (last, bytes) in disk.parts.iter().filter(|(last, _)| *last > after) {
            records.extend(super::decode_part(*last, bytes)?.into_iter().filter(|it| it.seq > after));
            bytes_read += bytes.len();
            if records.len() >= LOG_READ_RECORDS_MAX || bytes_read >= LOG_READ_BYTES_MAX {
                break;
            }
        }
        Ok(records)
    }

    async fn trim(&mut self, through: Seq) -> Result<(), LogError> {
        let mut disk = self.disk();
        let all_but_newest = disk.parts.len().saturating_sub(1);
        let forgotten = disk.parts[..all_but_newest].partition_point(|(last, _)| *last <= through);
        disk.trimmed = disk.parts[..forgotten].last().map_or(disk.trimmed, |(last, _)| *last);
        disk.parts.drain(..forgotten);
        Ok(())
    }

    async fn extent(&mut self) -> Result<Extent, LogError> {
        let disk = self.disk();
        Ok(Extent { trimmed: disk.trimmed, last: disk.last() })
    }
}

impl Disk {
    fn last(&self) -> Seq {
        self.parts.last().map_or(Seq::ZERO, |(last, _)| *last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, records};
    use super::*;

    #[tokio::test]
    async fn conforms() {
        conformance::check(|| {
            let log = MemoryLog::new();
            move || log.clone()
        })
        .await;
    }

    #[tokio::test]
    async fn an_append_ends_as_the_test_decides() {
        let check = async |next: NextAppend, last: u64| {
            let mut log = MemoryLog::new();
            log.set_next_append(next);
            let answer = log.append(Seq::ZERO, &records(0, 2)).await;
            assert_eq!(answer.is_ok(), next == NextAppend::Succeeds, "{next:?}");
            assert_eq!(
                log.clone().extent().await,
                Ok(Extent { trimmed: Seq::ZERO, last: Seq(last) }),
                "{next:?}"
            );
            log.append(Seq(last), &records(last, 1)).await.expect("the append after it succeeds");
        };
        check(NextAppend::Succeeds, 2).await;
        check(NextAppend::IsRefused, 0).await;
        check(NextAppend::FailsUnwritten, 0).await;
        check(NextAppend::FailsWritten, 2).await;
    }
}
