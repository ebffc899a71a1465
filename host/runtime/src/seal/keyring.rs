//! The keys of one data directory: `seal.key`, those of the configuration, and `seal.ids`, which says what they have
//! sealed.
//!
//! `seal.key` is drawn when a directory has no key, and is read as long as it is there: as the key to seal with, or, if the
//! configuration names another, as an older one. `seal.ids` has a line for each key that anything was sealed with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use holiday_core::error::ErrorCode;
use tracing::warn;

use super::key::{Key, KeyId, NotAKey};
use crate::durable;
use crate::unique::NoRandomness;

const KEY_FILE: &str = "seal.key";
const IDS_FILE: &str = "seal.ids";

const IDS_HEAD: &str = "# Keys that texts in this directory were sealed with. The host does not start without them; \
                        to give up what one has sealed, remove its line.\n";

/// Only whoever the host runs as may read a key.
const PRIVATE: u32 = 0o600;

/// The keys that an operator has named.
#[derive(Clone, Debug, Default)]
pub struct SealKeys {
    /// The one to seal with; without it, that in the data directory.
    pub current: Option<Key>,
    /// Those that were used before.
    pub old: Vec<Key>,
}

/// Why there are no keys to seal and to reveal with. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the data in {} was sealed with key {id}, which the host was not given; give it that key again, as seal-key or \
         among seal-keys-old",
        dir.display()
    )]
    Missing { id: KeyId, dir: PathBuf },
    #[error("{} is damaged: {reason}; restore it from a backup", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} cannot be used: {error}; make it readable and writable for the host", path.display())]
    Unusable { path: PathBuf, error: io::Error },
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl OpenError {
    pub fn code(&self) -> ErrorCode {
        match self {
            OpenError::Missing { .. } => ErrorCode::SealKeyMissing,
            OpenError::Damaged { .. } => ErrorCode::CorruptData,
            OpenError::Unusable { .. } => ErrorCode::StorageFailed,
            OpenError::NoRandomness(_) => ErrorCode::Internal,
        }
    }
}

#[derive(Debug)]
pub(super) struct Keyring {
    current: KeyId,
    keys: BTreeMap<KeyId, Key>,
    /// What is in `seal.ids`; `None` where nothing is kept.
    noted: Option<Noted>,
}

#[derive(Debug)]
struct Noted {
    path: PathBuf,
    ids: Mutex<BTreeSet<KeyId>>,
}

impl Keyring {
    pub(super) fn open(dir: &Path, keys: SealKeys) -> Result<Self, OpenError> {
        let (key_path, ids_path) = (dir.join(KEY_FILE), dir.join(IDS_FILE));
        let ids = read_ids(&ids_path)?;
        let own = read_key(&key_path)?;
        let given = keys.current.iter().chain(&own).chain(&keys.old).cloned();
        let mut keys_by_id: BTreeMap<KeyId, Key> = given.map(|key| (key.id(), key)).collect();
        if let Some(id) = ids.iter().find(|id| !keys_by_id.contains_key(id)) {
            return Err(OpenError::Missing { id: *id, dir: dir.to_owned() });
        }
        let current = match keys.current.or(own) {
            Some(key) => key,
            None => draw(&key_path)?,
        };
        let id = current.id();
        keys_by_id.insert(id, current);
        Ok(Keyring {
            current: id,
            keys: keys_by_id,
            noted: Some(Noted { path: ids_path, ids: Mutex::new(ids) }),
        })
    }

    pub(super) fn in_memory(key: Key) -> Self {
        Keyring { current: key.id(), keys: BTreeMap::from([(key.id(), key)]), noted: None }
    }

    /// The key to seal with, once it is durable that it is used.
    pub(super) fn current(&self) -> Result<&Key, OpenError> {
        if let Some(noted) = &self.noted {
            noted.note(self.current)?;
        }
        Ok(&self.keys[&self.current])
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }
}

impl Noted {
    /// Adds a line, once in the life of a key: whoever seals with it for the first time waits for the disk.
    fn note(&self, id: KeyId) -> Result<(), OpenError> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.contains(&id) {
            return Ok(());
        }
        let lines: String = ids.iter().chain([&id]).map(|id| format!("{id}\n")).collect();
        durable::write(&self.path, &[IDS_HEAD.as_bytes(), lines.as_bytes()], PRIVATE)
            .map_err(unusable(&self.path))?;
        ids.insert(id);
        Ok(())
    }
}

/// Draws a key and writes it down.
fn draw(path: &Path) -> Result<Key, OpenError> {
    let key = Key::draw()?;
    durable::write(path, &[key.hex().as_bytes(), b"\n"], PRIVATE).map_err(unusable(path))?;
    Ok(key)
}

fn read_key(path: &Path) -> Result<Option<Key>, OpenError> {
    let Some(text) = read(path)? else { return Ok(None) };
    if is_open_to_others(path) {
        warn!(
            "{} can be read by others than the user of the host; make it private: chmod 600",
            path.display()
        );
    }
    let damaged = |error: NotAKey| OpenError::Damaged { path: path.to_owned(), reason: error.to_string() };
    text.parse().map(Some).map_err(damaged)
}

/// Whether the file lets anybody but its owner do anything with it.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

fn read_ids(path: &Path) -> Result<BTreeSet<KeyId>, OpenError> {
    let text = read(path)?.unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let damaged = |line: &str| OpenError::Damaged {
        path: path.to_owned(),
        reason: format!("'{line}' is not the id of a key, which has 16 hexadecimal digits"),
    };
    lines.map(|line| KeyId::parse(line).ok_or_else(|| damaged(line))).collect()
}

/// Reads a file, if it is there.
fn read(path: &Path) -> Result<Option<String>, OpenError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path)(error)),
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |error| OpenError::Unusable { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::super::{RevealError, Sealer};
    use super::*;

    fn key() -> Key {
        Key::draw().expect("random numbers")
    }

    fn open(dir: &TempDir, current: Option<&Key>, old: &[&Key]) -> Result<Sealer, OpenError> {
        let old = old.iter().map(|it| (*it).clone()).collect();
        Sealer::open(dir.path(), SealKeys { current: current.cloned(), old })
    }

    fn seal(sealer: &Sealer, plain: &str) -> String {
        sealer.seal(plain).expect("it is sealed")
    }

    fn check_missing(opened: Result<Sealer, OpenError>, key: &Key, dir: &TempDir) {
        let error = opened.expect_err("the key is missing");
        assert_eq!(error.code(), ErrorCode::SealKeyMissing);
        let message = error.to_string().replace(dir.path().to_str().expect("utf-8"), "<dir>");
        let expected = format!(
            "the data in <dir> was sealed with key {}, which the host was not given; give it that key again, as \
             seal-key or among seal-keys-old",
            key.id()
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn a_key_is_drawn_once_and_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let sealed = seal(&open(&dir, None, &[]).expect("draws a key"), "secret");
        assert_eq!(open(&dir, None, &[]).expect("the same key").reveal(&sealed).as_deref(), Ok("secret"));
        for name in [KEY_FILE, IDS_FILE] {
            let mode = fs::metadata(dir.path().join(name)).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let path = dir.path().join(KEY_FILE);
        assert!(!is_open_to_others(&path));
        for mode in [0o640, 0o604, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
            assert!(is_open_to_others(&path), "{mode:o}");
        }
        open(&dir, None, &[]).expect("the key is used all the same");
    }

    #[test]
    fn a_key_of_the_configuration_is_written_nowhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = key();
        let sealed = seal(&open(&dir, Some(&key), &[]).expect("a key"), "secret");
        assert!(!dir.path().join(KEY_FILE).exists());
        let ids = fs::read_to_string(dir.path().join(IDS_FILE)).expect("its id is noted");
        assert_eq!(ids, format!("{IDS_HEAD}{}\n", key.id()));
        let opened = open(&dir, Some(&key), &[]).expect("the same key");
        assert_eq!(opened.reveal(&sealed).as_deref(), Ok("secret"));
    }

    #[test]
    fn an_older_key_reveals_what_it_has_sealed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (first, second) = (key(), key());
        let sealed = seal(&open(&dir, Some(&first), &[]).expect("a key"), "secret");
        check_missing(open(&dir, Some(&second), &[]), &first, &dir);
        check_missing(open(&dir, None, &[]), &first, &dir);
        assert!(!dir.path().join(KEY_FILE).exists(), "nothing was changed");
        let both = open(&dir, Some(&second), &[&first]).expect("both keys");
        assert_eq!(both.reveal(&sealed).as_deref(), Ok("secret"));
        let newer = seal(&both, "secret");
        check_missing(open(&dir, Some(&first), &[]), &second, &dir);
        let back = open(&dir, Some(&first), &[&second]).expect("both keys");
        assert_eq!(back.reveal(&newer).as_deref(), Ok("secret"));
    }

    #[test]
    fn the_key_of_the_directory_becomes_an_older_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let sealed = seal(&open(&dir, None, &[]).expect("draws a key"), "secret");
        let key = key();
        let moved = open(&dir, Some(&key), &[]).expect("both keys");
        assert_eq!(moved.reveal(&sealed).as_deref(), Ok("secret"));
        let own = read_key(&dir.path().join(KEY_FILE)).expect("readable").expect("it is there");
        fs::remove_file(dir.path().join(KEY_FILE)).expect("removed");
        check_missing(open(&dir, Some(&key), &[]), &own, &dir);
    }

    #[test]
    fn a_key_that_has_sealed_nothing_is_not_missed() {
        let dir = tempfile::tempdir().expect("a directory");
        open(&dir, None, &[]).expect("draws a key");
        fs::remove_file(dir.path().join(KEY_FILE)).expect("removed");
        open(&dir, Some(&key()), &[]).expect("nothing was sealed with the other one");
    }

    #[test]
    fn what_is_given_up_is_not_missed_at_the_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let (lost, new) = (key(), key());
        let sealed = seal(&open(&dir, Some(&lost), &[]).expect("a key"), "secret");
        fs::write(dir.path().join(IDS_FILE), "# nothing is left\n\n").expect("written");
        let sealer = open(&dir, Some(&new), &[]).expect("it is given up");
        assert_eq!(sealer.reveal(&sealed), Err(RevealError::KeyMissing(lost.id())));
    }

    #[test]
    fn damaged_files_are_refused() {
        for (name, content, reason) in [
            (KEY_FILE, "", NotAKey.to_string()),
            (KEY_FILE, "0123", NotAKey.to_string()),
            (IDS_FILE, "key", "'key' is not the id of a key, which has 16 hexadecimal digits".to_owned()),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            fs::write(dir.path().join(name), content).expect("written");
            let error = open(&dir, None, &[]).expect_err("it is damaged");
            assert_eq!(error.code(), ErrorCode::CorruptData);
            assert!(error.to_string().contains(&reason), "{error}");
            assert_eq!(
                fs::read_to_string(dir.path().join(name)).expect("read"),
                content,
                "nothing was changed"
            );
        }
    }
}
