//! The data directory: the log, the state made of it, and the lock that keeps them one host's own.
//!
//! Nothing in it changes before all of it was found to be sound: this binary knows the formats, the checksums
//! hold, and the two files belong to one history. Each file is opened in rehearsal for that, and for good
//! only then.
//!
//! A file appears under its name when it is complete. So an existing one that cannot be read is damaged, and
//! never half created.

use std::any::Any;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use holiday_core::error::ErrorCode;
use holiday_core::id::Seq;
use holiday_core::state::{State, StoreError};
use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};

use super::rehearsal::Rehearsal;
use super::{LOG_CACHE_BYTES, Overlay, STATE_CACHE_BYTES, VERIFIED_AT_OPEN_BYTES_MAX};
use crate::log::local::LocalLog;
use crate::log::{Extent, LogError};

/// The format of `log.redb` and `state.redb`: which tables they have and what is in them. Values carry a
/// version of their own.
pub const FORMAT_VERSION: u32 = 1;

/// What a file says about itself, in every format.
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const FORMAT_VERSION_KEY: &str = "format_version";

/// An open data directory.
#[derive(Debug)]
pub struct DataDir {
    pub log: LocalLog,
    pub state: Overlay,
    pub lock: DirLock,
}

/// Keeps other hosts out of the directory. To be dropped after the log and the state.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DataDir {
    /// Opens the directory, and creates what is missing: itself, an empty log, an empty state.
    ///
    /// Blocks, and takes a while for a large file that a crash left.
    pub fn open(dir: &Path) -> Result<DataDir, OpenError> {
        let lock = take(dir)?;
        let log = DataFile { path: dir.join("log.redb"), cache_bytes: LOG_CACHE_BYTES };
        let state = DataFile { path: dir.join("state.redb"), cache_bytes: STATE_CACHE_BYTES };
        check(dir, &log, &state)?;
        Ok(DataDir {
            log: log.guard(|| Ok(LocalLog::new(log.open_or_create()?)?))?,
            state: state.guard(|| Ok(Overlay::new(state.open_or_create()?)?))?,
            lock,
        })
    }
}

/// Creates the directory if need be and locks it.
fn take(dir: &Path) -> Result<DirLock, OpenError> {
    let unusable = |error: io::Error| OpenError::unusable(dir, &error);
    if !dir.exists() {
        fs::create_dir_all(dir).map_err(unusable)?;
        dir.parent().map_or(Ok(()), sync_dir).map_err(unusable)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let file = file.map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(DirLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Makes sure that both files can be used, without changing them.
fn check(dir: &Path, log: &DataFile, state: &DataFile) -> Result<(), OpenError> {
    // Both formats come before either content, which in a newer format may mean something else.
    let (log_db, state_db) = (log.rehearse()?, state.rehearse()?);
    let extent = log.inspect(log_db, |db| Ok(LocalLog::new(db)?.extent_now()?))?;
    let applied = state.inspect(state_db, |db| Ok(State::new(Overlay::new(db)?).applied()?))?;
    check_history(extent, applied).map_err(|reason| OpenError::Mismatch { dir: dir.to_owned(), reason })
}

/// Makes sure that the records which follow the state are in the log.
fn check_history(log: Extent, applied: Seq) -> Result<(), String> {
    if applied > log.last {
        return Err(format!("the state contains record {}, but the log ends at {}", applied.0, log.last.0));
    }
    if applied < log.trimmed {
        return Err(format!("the state ends at record {}, but the log begins after {}", applied.0, log.trimmed.0));
    }
    Ok(())
}

/// One database file of the directory.
#[derive(Debug)]
struct DataFile {
    path: PathBuf,
    cache_bytes: usize,
}

impl DataFile {
    /// Opens the file in rehearsal, if it exists, and makes sure that it is one that this binary knows.
    fn rehearse(&self) -> Result<Option<Database>, OpenError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::unusable(&self.path, &error)),
        };
        self.guard(|| {
            let rehearsal = Rehearsal::new(file)?;
            if rehearsal.is_empty()? {
                return Err(Fault::Damaged("it is empty".to_owned()));
            }
            let verify = rehearsal.len()? <= VERIFIED_AT_OPEN_BYTES_MAX;
            let mut db = Database::builder().set_cache_size(self.cache_bytes).create_with_backend(rehearsal)?;
            check_format(&db)?;
            // False means that it was repaired: by going back to an older state, or by guessing.
            if verify && !db.check_integrity()? {
                return Err(Fault::Damaged("its checksums do not match its content".to_owned()));
            }
            Ok(Some(db))
        })
    }

    /// Looks into a rehearsed file. One that does not exist yet is empty.
    fn inspect<T: Default>(
        &self,
        db: Option<Database>,
        look: impl FnOnce(Database) -> Result<T, Fault>,
    ) -> Result<T, OpenError> {
        db.map_or(Ok(T::default()), |db| self.guard(|| look(db)))
    }

    fn open_or_create(&self) -> Result<Database, Fault> {
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
    /// A panic is a fault as well: redb asserts what it reads from a page, and pages are only verified up to
    /// a size. The database is dropped with the panic, so nobody sees it half changed.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, OpenError> {
        let fault = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault,
            Err(panic) => Fault::Damaged(text_of(panic.as_ref())),
        };
        let file = self.path.clone();
        Err(match fault {
            Fault::Damaged(reason) => OpenError::Damaged { file, reason },
            Fault::Newer { found, supported } => OpenError::Newer { file, found, supported },
            Fault::InUse => OpenError::InUse { dir: file },
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

fn write_format(db: &Database, version: u32) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    transaction.open_table(META)?.insert(FORMAT_VERSION_KEY, version)?;
    Ok(transaction.commit()?)
}

/// Makes the names in a directory durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    // The parent of a relative path with one component is the empty path.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be read").to_owned()
}

/// What is wrong with a file, whichever it is.
#[derive(Debug)]
enum Fault {
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

/// Says why a data directory could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "HH0010: data directory {} is in use by another holiday-host; stop it or choose another --data-dir",
        dir.display()
    )]
    InUse { dir: PathBuf },
    #[error(
        "HH0011: {} was written by a newer version (format {found}, this binary knows up to {supported}); \
         nothing was changed, use the newer binary",
        file.display()
    )]
    Newer { file: PathBuf, found: u32, supported: u32 },
    #[error(
        "HH0009: {} is damaged, or not a file of holiday-host: {reason}; \
         nothing was changed, restore the directory from a backup or choose another --data-dir",
        file.display()
    )]
    Damaged { file: PathBuf, reason: String },
    #[error(
        "HH0009: log.redb and state.redb in {} do not belong together: {reason}; \
         nothing was changed, restore both from one backup or choose another --data-dir",
        dir.display()
    )]
    Mismatch { dir: PathBuf, reason: String },
    #[error(
        "HH0041: {} cannot be used: {reason}; make it writable and free some space, or choose another --data-dir",
        path.display()
    )]
    Unusable { path: PathBuf, reason: String },
}

impl OpenError {
    /// Returns the code the message begins with.
    pub fn code(&self) -> ErrorCode {
        match self {
            OpenError::InUse { .. } => ErrorCode::DataDirInUse,
            OpenError::Newer { .. } => ErrorCode::NewerData,
            OpenError::Damaged { .. } | OpenError::Mismatch { .. } => ErrorCode::CorruptData,
            OpenError::Unusable { .. } => ErrorCode::StorageFailed,
        }
    }

    fn unusable(path: &Path, error: &io::Error) -> Self {
        OpenError::Unusable { path: path.to_owned(), reason: error.to_string() }
    }
}
