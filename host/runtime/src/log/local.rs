//! The log of a single host: one redb file, one durable transaction per batch.
//!
//! The table `log` holds one row per batch, or a few for a large one, under the seq of the row's *last*
//! record. So the end of the log is the last key, the first row with anything after `n` is the first key
//! above `n`, and what a trim may drop are the keys up to its argument: none of the three has to decode a row.
//!
//! Invariant: the rows are one sequence without a gap, which every read checks again.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use holiday_core::event::Record;
use holiday_core::id::Seq;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition};

use super::{AppendError, Extent, LOG_READ_BYTES_MAX, LOG_READ_RECORDS_MAX, Log, LogError};

/// The rows: the seq of the last record, and the records.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// The log in a file of its own, which no other process has open.
#[derive(Debug)]
pub struct LocalLog {
    db: Database,
}

impl LocalLog {
    /// Opens the log in a database file, which may be new.
    pub fn new(db: Database) -> Result<Self, LogError> {
        let transaction = db.begin_write().map_err(io)?;
        transaction.open_table(LOG).map_err(io)?;
        transaction.commit().map_err(io)?;
        Ok(LocalLog { db })
    }

    /// Tells where the log begins and ends, before there is a runtime to await on.
    pub(crate) fn extent_now(&self) -> Result<Extent, LogError> {
        extent(&self.db)
    }

    /// Runs `work` on the calling thread, which it blocks: whoever writes a log gives it a thread of its own,
    /// and a change of threads would cost as much as a tenth of an fsync.
    ///
    /// redb asserts what it reads, so a damaged page may end `work` in a panic.
    fn guarded<T>(&self, work: impl FnOnce(&Database) -> T) -> Result<T, LogError> {
        catch_unwind(AssertUnwindSafe(|| work(&self.db))).map_err(|panic| {
            let reason = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let reason = reason.or_else(|| panic.downcast_ref::<String>().cloned());
            LogError::Damaged(reason.unwrap_or_else(|| "it made redb panic".to_owned()))
        })
    }
}

impl Log for LocalLog {
    async fn append(&mut self, expected: Seq, batch: &[Record]) -> Result<Seq, AppendError> {
        super::assert_continues(expected, batch);
        let rows = super::encode_batch(batch);
        self.guarded(|db| append(db, expected, &rows)).map_err(|error| AppendError::Io(error.to_string()))?
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Record>, LogError> {
        self.guarded(|db| read(db, after))?
    }

    async fn trim(&mut self, through: Seq) -> Result<(), LogError> {
        self.guarded(|db| trim(db, through))?
    }

    async fn extent(&mut self) -> Result<Extent, LogError> {
        self.guarded(extent)?
    }
}

fn append(db: &Database, expected: Seq, rows: &[(Seq, Vec<u8>)]) -> Result<Seq, AppendError> {
    let failed = |error: redb::Error| AppendError::Io(error.to_string());
    let transaction = db.begin_write().map_err(|error| failed(error.into()))?;
    {
        let mut table = transaction.open_table(LOG).map_err(|error| failed(error.into()))?;
        let found = last_key(&table).map_err(|error| failed(error.into()))?;
        if found != expected {
            return Err(AppendError::Refused { expected, found });
        }
        for (last, bytes) in rows {
            table.insert(last.0, bytes.as_slice()).map_err(|error| failed(error.into()))?;
        }
    }
    transaction.commit().map_err(|error| failed(error.into()))?;
    Ok(rows.last().map_or(expected, |(last, _)| *last))
}

fn read(db: &Database, after: Seq) -> Result<Vec<Record>, LogError> {
    let table = db.begin_read().map_err(io)?.open_table(LOG).map_err(io)?;
    let mut records: Vec<Record> = Vec::new();
    let mut bytes_read = 0;
    for row in table.range(after.0.saturating_add(1)..).map_err(io)? {
        let (key, value) = row.map_err(io)?;
        let mut part = super::decode_part(Seq(key.value()), value.value())?;
        match records.last() {
            Some(previous) if previous.seq.next() != part[0].seq => {
                let reason = format!("what is before it ends with record {}", previous.seq.0);
                return Err(LogError::Corrupt { seq: part[0].seq, reason });
            }
            Some(_) => {}
            None if part[0].seq > after.next() => {
                return Err(LogError::Trimmed { after, trimmed: Seq(part[0].seq.0 - 1) });
            }
            None => part.retain(|record| record.seq > after),
        }
        bytes_read += value.value().len();
        records.append(&mut part);
        if records.len() >= LOG_READ_RECORDS_MAX || bytes_read >= LOG_READ_BYTES_MAX {
            break;
        }
    }
    Ok(records)
}

/// Forgets without an fsync: a trim that a crash undoes has only left more than was needed, and the next
/// append makes it durable along with its batch.
fn trim(db: &Database, through: Seq) -> Result<(), LogError> {
    let mut transaction = db.begin_write().map_err(io)?;
    transaction.set_durability(Durability::None).map_err(io)?;
    {
        let mut table = transaction.open_table(LOG).map_err(io)?;
        if let Some(forgotten) = forgettable(&table, through).map_err(io)? {
            table.retain_in(forgotten, |_, _| false).map_err(io)?;
        }
    }
    transaction.commit().map_err(io)
}

/// The keys up to `through`, without the newest, which tells where the log ends.
fn forgettable(table: &Table<'_, u64, &[u8]>, through: Seq) -> redb::Result<Option<RangeInclusive<u64>>> {
    let newest = last_key(table)?.0;
    Ok(newest.checked_sub(1).map(|before_newest| 0..=through.0.min(before_newest)))
}

fn extent(db: &Database) -> Result<Extent, LogError> {
    let table = db.begin_read().map_err(io)?.open_table(LOG).map_err(io)?;
    match table.first().map_err(io)? {
        None => Ok(Extent::default()),
        Some((key, value)) => {
            let oldest = super::decode_part(Seq(key.value()), value.value())?;
            Ok(Extent { trimmed: Seq(oldest[0].seq.0 - 1), last: last_key(&table).map_err(io)? })
        }
    }
}

fn last_key(table: &impl ReadableTable<u64, &'static [u8]>) -> redb::Result<Seq> {
    Ok(table.last()?.map_or(Seq::ZERO, |(key, _)| Seq(key.value())))
}

fn io(error: impl Into<redb::Error>) -> LogError {
    match error.into() {
        redb::Error::Corrupted(reason) => LogError::Damaged(reason),
        error => LogError::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn conforms() {
        conformance::check(|| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            move || open(&directory.path().join("log.redb"))
        })
        .await;
    }

    #[tokio::test]
    async fn a_row_that_is_not_one_is_reported_with_its_record() {
        let check = async |value: &[u8]| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let mut log = open(&directory.path().join("log.redb"));
            put(&log.db, 7, value);
            log.read(Seq::ZERO).await.expect_err("the value has no records").to_string()
        };
        let newer = check(&[2, 0]).await;
        assert_eq!(
            newer,
            "HH0011: record 7 of the log has version 2, this binary reads up to 1; use the newer binary"
        );
        assert_eq!(check(&[]).await, "HH0009: the log is corrupt at record 7: it is empty");
        assert_eq!(check(&[1, 0]).await, "HH0009: the log is corrupt at record 7: it has no records");
        assert_eq!(
            check(&encoded(3, 2)).await,
            "HH0009: the log is corrupt at record 7: its records have other sequence numbers"
        );
    }

    #[tokio::test]
    async fn a_gap_between_rows_is_corrupt() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut log = open(&directory.path().join("log.redb"));
        put(&log.db, 1, &encoded(0, 1));
        put(&log.db, 4, &encoded(2, 2));
        let error = log.read(Seq::ZERO).await.expect_err("record 2 is missing");
        assert_eq!(
            error.to_string(),
            "HH0009: the log is corrupt at record 3: what is before it ends with record 1"
        );
    }

    fn encoded(after: u64, count: usize) -> Vec<u8> {
        super::super::encode_batch(&conformance::records(after, count)).remove(0).1
    }

    fn open(path: &std::path::Path) -> LocalLog {
        LocalLog::new(Database::create(path).expect("opens")).expect("has its table")
    }

    fn put(db: &Database, key: u64, value: &[u8]) {
        let transaction = db.begin_write().expect("begins");
        transaction.open_table(LOG).expect("opens").insert(key, value).expect("inserts");
        transaction.commit().expect("commits");
    }
}
