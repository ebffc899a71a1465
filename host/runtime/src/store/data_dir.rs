//! The data directory: the log, the state made of it, and the lock that keeps them one host's own.
//!
//! Nothing in it changes before all of it was found to be sound: this binary knows the formats, the checksums
//! hold, and the two files belong to one history. Each file is opened in rehearsal for that, and for good
//! only then.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use holiday_core::error::ErrorCode;
use holiday_core::id::Seq;
use holiday_core::state::State;

use super::data_file::DataFile;
use super::{LOG_CACHE_BYTES, Overlay, STATE_CACHE_BYTES, VERIFIED_AT_OPEN_BYTES_MAX};
use crate::durable::sync_dir;
use crate::log::{Extent, LocalLog};

/// An open data directory.
#[derive(Debug)]
pub struct DataDir {
    /// `log.redb`.
    pub log: LocalLog,
    /// `state.redb`, and what will be written there.
    pub state: Overlay,
    /// Held until the other two are closed.
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
        let file = |name, cache_bytes| {
            let verified_bytes_max = VERIFIED_AT_OPEN_BYTES_MAX;
            DataFile { path: dir.join(name), cache_bytes, verified_bytes_max }
        };
        let (log, state) = (file("log.redb", LOG_CACHE_BYTES), file("state.redb", STATE_CACHE_BYTES));
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
        return Err(format!(
            "the state ends at record {}, but the log begins after {}",
            applied.0, log.trimmed.0
        ));
    }
    Ok(())
}

/// Says why a data directory could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "HH0010: data directory {} is in use by another holiday-host; stop it or choose another --data-dir",
        dir.display()
    )]
    InUse { dir: PathBuf },
    /// Of this file alone or of a value in it.
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
    /// Each file is sound, but records between them are missing.
    #[error(
        "HH0009: log.redb and state.redb in {} do not belong together: {reason}; \
         nothing was changed, restore both from one backup or choose another --data-dir",
        dir.display()
    )]
    Mismatch { dir: PathBuf, reason: String },
    /// Not writable, no space left, or another I/O error.
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

    pub(super) fn unusable(path: &Path, error: &io::Error) -> Self {
        OpenError::Unusable { path: path.to_owned(), reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use bytes::Bytes;
    use holiday_core::event::{Event, Record};
    use holiday_core::state::{Kv, key};
    use holiday_core::time::Timestamp;
    use redb::Database;

    use super::super::conformance::Random;
    use super::super::data_file::write_format;
    use super::*;
    use crate::log::Log;

    const FILES: [&str; 2] = ["log.redb", "state.redb"];
    const FILLED: u64 = 60;

    #[tokio::test]
    async fn what_was_stored_is_there_when_opened_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut data = DataDir::open(&dir.path().join("data")).expect("creates it");
        fill(&mut data, 5).await;
        drop(data);
        let mut data = DataDir::open(&dir.path().join("data")).expect("opens it");
        assert_eq!(data.log.extent().await, Ok(Extent { trimmed: Seq::ZERO, last: Seq(5) }));
        assert_eq!(State::new(data.state).applied().expect("reads"), Seq(5));
    }

    #[test]
    fn a_directory_has_one_host() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = DataDir::open(dir.path()).expect("creates it");
        check_refused(
            dir.path(),
            "HH0010: data directory <dir> is in use by another holiday-host; stop it or choose another --data-dir",
        );
        drop(data);
        DataDir::open(dir.path()).expect("the first has let go");
    }

    #[test]
    fn a_newer_format_is_refused_in_either_file() {
        for name in FILES {
            let dir = tempfile::tempdir().expect("a temporary directory");
            drop(DataDir::open(dir.path()).expect("creates it"));
            write_format(&Database::open(dir.path().join(name)).expect("opens"), 7).expect("writes");
            check_refused(
                dir.path(),
                &format!(
                    "HH0011: <dir>/{name} was written by a newer version (format 7, this binary knows up to 1); \
                     nothing was changed, use the newer binary"
                ),
            );
        }
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_refused() {
        let check = |content: &[u8], reason: &str| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            fs::write(dir.path().join("state.redb"), content).expect("writes");
            check_refused(
                dir.path(),
                &format!(
                    "HH0009: <dir>/state.redb is damaged, or not a file of holiday-host: {reason}; \
                     nothing was changed, restore the directory from a backup or choose another --data-dir"
                ),
            );
        };
        check(b"", "it is empty");
        check(b"SQLite format 3", "Not a redb database: magic number mismatch");
        check(&[0; 10_000], "Not a redb database: magic number mismatch");
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        drop(Database::create(dir.path().join("log.redb")).expect("creates"));
        check_refused(
            dir.path(),
            "HH0009: <dir>/log.redb is damaged, or not a file of holiday-host: it has no format version; \
             nothing was changed, restore the directory from a backup or choose another --data-dir",
        );
    }

    #[tokio::test]
    async fn files_of_two_histories_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut data = DataDir::open(dir.path()).expect("creates it");
        fill(&mut data, 5).await;
        data.log.trim(Seq(3)).await.expect("trims");
        drop(data);
        let state = fs::read(dir.path().join("state.redb")).expect("reads");
        fs::remove_file(dir.path().join("state.redb")).expect("removes");
        let check = |reason: &str| {
            check_refused(
                dir.path(),
                &format!(
                    "HH0009: log.redb and state.redb in <dir> do not belong together: {reason}; \
                     nothing was changed, restore both from one backup or choose another --data-dir"
                ),
            );
        };
        check("the state ends at record 0, but the log begins after 3");
        fs::write(dir.path().join("state.redb"), state).expect("writes");
        fs::remove_file(dir.path().join("log.redb")).expect("removes");
        check("the state contains record 5, but the log ends at 0");
    }

    #[tokio::test]
    async fn a_lost_state_file_is_made_again_from_a_whole_log() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut data = DataDir::open(dir.path()).expect("creates it");
        fill(&mut data, 5).await;
        drop(data);
        fs::remove_file(dir.path().join("state.redb")).expect("removes");
        let data = DataDir::open(dir.path()).expect("the log has all records");
        assert_eq!(State::new(data.state).applied().expect("reads"), Seq::ZERO);
    }

    #[test]
    fn what_an_interrupted_creation_left_is_no_obstacle() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("log.redb.new"), [0; 5_000]).expect("writes");
        DataDir::open(dir.path()).expect("starts over");
        assert!(!dir.path().join("log.redb.new").exists());
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("file"), "").expect("writes");
        let path = dir.path().join("file/data");
        let error = DataDir::open(&path).expect_err("a file has no directories in it");
        assert_eq!(error.code(), ErrorCode::StorageFailed);
        assert!(error.to_string().contains(path.to_str().expect("utf-8")), "{error}");
    }

    #[tokio::test]
    async fn what_was_acknowledged_survives_a_kill() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (killed, _) = files_killed_and_closed(dir.path()).await;
        let dir = directory_of(&killed);
        check_filled(DataDir::open(dir.path()).expect("redb repairs it")).await;
    }

    /// Damage is found, or is where nothing is stored; and it is never a panic.
    #[tokio::test]
    async fn a_damaged_file_is_refused_unchanged_or_has_lost_nothing() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (killed, closed) = files_killed_and_closed(dir.path()).await;
        let mut random = Random(1);
        let mut refused = 0;
        for files in [killed, closed].iter().cycle().take(60) {
            let mut files = files.clone();
            damage(&mut files[random.below(2)], &mut random);
            let dir = directory_of(&files);
            match DataDir::open(dir.path()) {
                Ok(data) => check_filled(data).await,
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.code(), ErrorCode::CorruptData, "{error}");
                    assert!(read_files(dir.path()) == files, "something was changed");
                }
            }
        }
        assert!(refused > 20, "only {refused} were noticed");
    }

    /// A filled directory: its files as a kill leaves them, and after an orderly end.
    async fn files_killed_and_closed(dir: &Path) -> ([Vec<u8>; 2], [Vec<u8>; 2]) {
        let mut data = DataDir::open(dir).expect("creates it");
        fill(&mut data, FILLED).await;
        let killed = read_files(dir);
        drop(data);
        (killed, read_files(dir))
    }

    fn read_files(dir: &Path) -> [Vec<u8>; 2] {
        FILES.map(|name| fs::read(dir.join(name)).expect("reads"))
    }

    fn directory_of(files: &[Vec<u8>; 2]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in FILES.iter().zip(files) {
            fs::write(dir.path().join(name), content).expect("writes");
        }
        dir
    }

    fn damage(file: &mut Vec<u8>, random: &mut Random) {
        // Most of a small file is empty, and nothing can break there.
        let at =
            (0..).map(|_| random.below(file.len())).find(|at| file[*at] != 0).expect("a header at least");
        match random.below(4) {
            0 => file.truncate(at),
            1 => file[at] ^= 1 << random.below(8),
            // The beginning holds the headers, where one bit means most.
            2 => file[at % 512] ^= 1 << random.below(8),
            _ => file[at..].iter_mut().take(64).for_each(|byte| *byte = random.byte()),
        }
    }

    async fn fill(data: &mut DataDir, records: u64) {
        for seq in 1..=records {
            let record = Record { seq: Seq(seq), at: Timestamp::from_millis(seq), event: Event::Wake };
            data.log.append(Seq(seq - 1), &[record]).await.expect("appends");
            data.state.put(seq.to_be_bytes().to_vec(), Bytes::from(vec![b'v'; 100])).expect("puts");
        }
        data.state.put(key::applied(), Bytes::copy_from_slice(&key::encode_seq(Seq(records)))).expect("puts");
        let written = data.state.freeze().expect("rows changed").write().expect("writes");
        data.state.checkpointed(&written).expect("refreshes");
    }

    async fn check_filled(mut data: DataDir) {
        assert_eq!(data.log.read(Seq::ZERO).await.expect("reads").len() as u64, FILLED);
        let mut rows = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            rows += 1;
            ControlFlow::Continue(())
        };
        data.state.scan(&[0; 8]..&[0, 0, 0, 0, 1], &mut visit).expect("scans");
        assert_eq!(rows, FILLED);
    }

    /// Opens a directory that must be refused: with this message, and unchanged.
    fn check_refused(dir: &Path, message: &str) {
        let files = || {
            let entries = fs::read_dir(dir).expect("reads").map(|entry| entry.expect("reads").path());
            let mut files: Vec<_> = entries.filter(|path| !path.ends_with("lock")).collect();
            files.sort();
            files.into_iter().map(|path| (fs::read(&path).expect("reads"), path)).collect::<Vec<_>>()
        };
        let before = files();
        let error = DataDir::open(dir).expect_err("must be refused").to_string();
        assert_eq!(error.replace(dir.to_str().expect("utf-8"), "<dir>"), message);
        assert!(files() == before, "something was changed");
    }
}
