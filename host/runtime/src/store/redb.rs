//! The rows on disk: a read transaction for the layers above, and the write of one layer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use holiday_core::state::StoreError;
use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

/// The rows, under the keys of `holiday_core::state::key`.
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");

/// The state file as of the last checkpoint.
///
/// Holds a read transaction open, which keeps redb from reusing the pages freed since; a refresh after each
/// checkpoint lets them go.
pub(super) struct Base {
    db: Arc<Database>,
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

/// One row of the base.
pub(super) type BaseRow = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

impl Base {
    /// Opens the rows in a database file, which may be new.
    pub(super) fn new(db: Database) -> Result<Self, StoreError> {
        let transaction = db.begin_write().map_err(failed)?;
        transaction.open_table(STATE).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(Base { rows: rows_of(&db)?, db: Arc::new(db) })
    }

    pub(super) fn db(&self) -> Arc<Database> {
        Arc::clone(&self.db)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = self.rows.get(key).map_err(failed)?;
        Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
    }

    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.rows.get(key).map_err(failed)?.is_some())
    }

    /// Iterates over the rows in `range`, in order, reading them as it goes.
    pub(super) fn scan(
        &self,
        range: Range<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<BaseRow, StoreError>>, StoreError> {
        let rows = self.rows.range::<&[u8]>(range).map_err(failed)?;
        Ok(rows.map(|row| row.map_err(failed)))
    }

    /// Lets what was written since the last refresh be seen.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        self.rows = rows_of(&self.db)?;
        Ok(())
    }
}

/// Writes rows, and deletes those without a value, in one durable transaction. Sorted rows are fastest.
///
/// With quick repair: it costs a second fsync, which nobody waits for, and saves walking through the whole
/// file when the host starts again after a crash.
pub(super) fn write<'a>(
    db: &Database,
    rows: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> Result<(), StoreError> {
    let mut transaction = db.begin_write().map_err(failed)?;
    transaction.set_quick_repair(true);
    {
        let mut table = transaction.open_table(STATE).map_err(failed)?;
        for (key, value) in rows {
            match value {
                Some(value) => table.insert(key, value).map_err(failed)?,
                None => table.remove(key).map_err(failed)?,
            };
        }
    }
    transaction.commit().map_err(failed)
}

fn rows_of(db: &Database) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, StoreError> {
    db.begin_read().map_err(failed)?.open_table(STATE).map_err(failed)
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(reason) => StoreError::Corrupt { key: "(of state.redb)".to_owned(), reason },
        error => StoreError::Io(error.to_string()),
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").finish_non_exhaustive()
    }
}
