//! One database file of the data directory: how it is created, examined and opened.
//!
//! A file appears under its name when it is complete. So an existing one that cannot be read is damaged, and
//! never half created.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use holiday_core::state::StoreError;
use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};

use super::OpenError;
use super::rehearsal::Rehearsal;
use crate::durable::sync_dir;
use crate::log::LogError;

/// The format of `log.redb` and `state.redb`: which tables they have and what is in them. Values carry a
/// version of their own.
const FORMAT_VERSION: u32 = 1;

/// What a file says about itself, in every format.
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const FORMAT_VERSION_KEY: &str = "format_version";

/// One database file of the directory.
#[derive(Debug)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    pub(super) cache_bytes: usize,
    /// Size up to which its checksums are verified whenever it is opened.
    pub(super) verified_bytes_max: u64,
}

impl DataFile {
    /// Opens the file in rehearsal, if it exists, and makes sure that it is one that this binary knows.
    pub(super) fn rehearse(&self) -> Result<Option<Database>, OpenError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::unusable(&self.path, &error)),
        };
        self.guard(|| {
            let len = file.metadata()?.len();
            if len == 0 {
                return Err(Fault::Damaged("it is empty".to_owned()));
            }
            let rehearsal = Rehearsal::new(file, len);
            let mut db =
                Database::builder().set_cache_size(self.cache_bytes).create_with_backend(rehearsal)?;
            // False means that it was repaired: by going back to an older state, or by guessing.
            if len <= self.verified_bytes_max && !db.check_integrity()? {
                return Err(Fault::Damaged("its checksums do not match its content".to_owned()));
            }
            check_format(&db)?;
            Ok(Some(db))
        })
    }

    /// Looks into a rehearsed file. One that does not exist yet is empty.
    pub(super) fn inspect<T: Default>(
        &self,
        db: Option<Database>,
        look: impl FnOnce(Database) -> Result<T, Fault>,
    ) -> Result<T, OpenError> {
        db.map_or(Ok(T::default()), |db| self.guard(|| look(db)))
    }

    /// Opens the file for good.
    pub(super) fn open_or_create(&self) -> Result<Database, Fault> {
        if !self.path.exists() {
            self.create()?;
        }
        Ok(Database::builder().set_cache_size(self.cache_bytes).open(&self.path)?)
    }

    /// Creates the file under another name, and renames it when it is complete.
    fn create(&self) -> Result<(), Fault> {
        let unfinished = self.path.with_extension("redb.new");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let db = Database::create(&unfinished)?;
        write_format(&db, FORMAT_VERSION)?;
        drop(db);
        fs::rename(&unfinished, &self.path)?;
        self.path.parent().map_or(Ok(()), sync_dir)?;
        Ok(())
    }

    /// Runs `work` and says which file its fault is about.
    ///
    /// A panic is a fault as well: redb trusts some of what it reads before it verifies anything, such as
    /// table names and its record of free pages. The panic drops the database, so nobody sees it half open.
    pub(super) fn guard<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, OpenError> {
        let fault = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault,
            Err(panic) => Fault::Damaged(text_of(panic.as_ref())),
        };
        let file = self.path.clone();
        Err(match fault {
            Fault::Damaged(reason) => OpenError::Damaged { file, reason },
            Fault::Newer { found, supported } => OpenError::Newer { file, found, supported },
            Fault::InUse => OpenError::InUse { dir: file.parent().unwrap_or(&file).to_owned() },
            Fault::Unusable(reason) => OpenError::Unusable { path: file, reason },
        })
    }
}

fn check_format(db: &Database) -> Result<(), Fault> {
    let transaction = db.begin_read().map_err(redb::Error::from)?;
    let found = match transaction.open_table(META) {
        Ok(meta) => meta.get(FORMAT_VERSION_KEY)?.map(|version| version.value()),
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => None,
    };
    match found {
        Some(FORMAT_VERSION) => Ok(()),
        Some(found) if found > FORMAT_VERSION => Err(Fault::Newer { found, supported: FORMAT_VERSION }),
        Some(found) => Err(Fault::Damaged(format!("format {found} was never written"))),
        None => Err(Fault::Damaged("it has no format version".to_owned())),
    }
}

/// Notes the format in a file.
pub(super) fn write_format(db: &Database, version: u32) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    transaction.open_table(META)?.insert(FORMAT_VERSION_KEY, version)?;
    Ok(transaction.commit()?)
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be read").to_owned()
}

/// What is wrong with a file, whichever it is.
#[derive(Debug)]
pub(super) enum Fault {
    Damaged(String),
    Newer { found: u32, supported: u32 },
    InUse,
    Unusable(String),
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::DatabaseAlreadyOpen => Fault::InUse,
            error => Fault::Damaged(error.to_string()),
        }
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A file that is too short, and one that does not begin as redb's do.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Fault::Damaged(error.to_string()),
            _ => Fault::Unusable(error.to_string()),
        }
    }
}

impl From<LogError> for Fault {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Corrupt { seq, reason } => Fault::Damaged(format!("record {}: {reason}", seq.0)),
            LogError::Damaged(reason) => Fault::Damaged(reason),
            LogError::NewerVersion { found, supported, .. } => Fault::newer_value(found, supported),
            LogError::Trimmed { .. } => Fault::Damaged(error.to_string()),
            LogError::Io(reason) => Fault::Unusable(reason),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { key, reason } => Fault::Damaged(format!("key {key}: {reason}")),
            StoreError::NewerVersion { found, supported, .. } => Fault::newer_value(found, supported),
            StoreError::Io(reason) => Fault::Unusable(reason),
        }
    }
}

impl Fault {
    fn newer_value(found: u8, supported: u8) -> Self {
        Fault::Newer { found: found.into(), supported: supported.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

    #[test]
    fn the_checksums_of_a_large_file_are_not_verified_at_each_start() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("state.redb");
        let file =
            |verified_bytes_max| DataFile { path: path.clone(), cache_bytes: 1 << 20, verified_bytes_max };
        let db = file(0).open_or_create().expect("creates it");
        let transaction = db.begin_write().expect("begins");
        let value = [b'v'; 1_000];
        transaction.open_table(ROWS).expect("opens").insert(1, value.as_slice()).expect("inserts");
        transaction.commit().expect("commits");
        drop(db);
        let mut content = fs::read(&path).expect("reads");
        let at = content.windows(value.len()).position(|part| part == value).expect("the value is there");
        content[at] ^= 1;
        fs::write(&path, &content).expect("writes");

        let len = content.len() as u64;
        assert!(
            matches!(file(len).rehearse(), Err(OpenError::Damaged { .. })),
            "it is as large as the bound"
        );
        assert!(file(len - 1).rehearse().is_ok_and(|db| db.is_some()), "it is larger");
    }
}
