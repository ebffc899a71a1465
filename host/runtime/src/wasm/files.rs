//! The components on disk: `<digest>.wasm`, and beside it `<digest>.<engine>.cwasm`, its machine code.
//!
//! Invariants:
//!
//! - A component's file is durable before anybody is told that it is kept, and has the digest of its name.
//! - Machine code is executed only as this host wrote it: the SHA-256 at the end of the file must fit. The
//!   file may be lost at any time; it is made again from the component.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use holiday_core::id::{DeploymentId, Digest};
use sha2::{Digest as _, Sha256};

use super::error::ComponentError;
use crate::durable;

/// Bytes of the SHA-256 that ends a file of machine code.
const CHECKSUM_BYTES: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Names the engine, its version and its settings: machine code of another one is of no use.
    engine: String,
}

/// A component as it was found.
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) path: PathBuf,
}

impl Files {
    pub(super) fn open(dir: PathBuf, engine: String) -> Result<Self, ComponentError> {
        fs::create_dir_all(&dir).map_err(storage(&dir, "created"))?;
        Ok(Files { dir, engine })
    }

    /// Keeps the bytes of a component; they are durable when it returns.
    pub(super) fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ComponentError> {
        let path = self.dir.join(format!("{}.wasm", hex(digest)));
        if fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        durable::write(&path, &[bytes], durable::USUAL).map_err(storage(&path, "written"))
    }

    /// Finds the component of a deployment, whose id is the beginning of the digest.
    pub(super) fn find(&self, deployment: DeploymentId) -> Result<Found, ComponentError> {
        for entry in fs::read_dir(&self.dir).map_err(storage(&self.dir, "read"))? {
            let path = entry.map_err(storage(&self.dir, "read"))?.path();
            if let Some(digest) = digest_of(&path).filter(|digest| DeploymentId::of(digest) == deployment) {
                return Ok(Found { digest, path });
            }
        }
        Err(ComponentError::Missing { deployment, path: self.dir.clone() })
    }

    /// The deployments whose components are kept.
    pub(super) fn deployments(&self) -> Result<BTreeSet<DeploymentId>, ComponentError> {
        let mut deployments = BTreeSet::new();
        for entry in fs::read_dir(&self.dir).map_err(storage(&self.dir, "read"))? {
            let path = entry.map_err(storage(&self.dir, "read"))?.path();
            deployments.extend(digest_of(&path).map(|digest| DeploymentId::of(&digest)));
        }
        Ok(deployments)
    }

    /// Removes what a crash has left: files that were being written, and machine code without its component.
    pub(super) fn tidy(&self) -> Result<(), ComponentError> {
        let read = |error| storage(&self.dir, "read")(error);
        let paths = fs::read_dir(&self.dir).map_err(read)?.map(|entry| entry.map(|it| it.path()));
        for path in paths.collect::<io::Result<Vec<_>>>().map_err(read)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_code = name.ends_with(".cwasm");
            let component = name.split_once('.').map(|(digest, _)| self.dir.join(format!("{digest}.wasm")));
            let is_orphan = is_code && component.is_some_and(|component| !component.exists());
            if name.ends_with(durable::TEMPORARY) || is_orphan {
                fs::remove_file(&path).map_err(storage(&path, "removed"))?;
            }
        }
        Ok(())
    }

    /// Removes a component and its machine code; one that is gone already is none the less gone.
    pub(super) fn remove(&self, deployment: DeploymentId) -> Result<(), ComponentError> {
        let found = match self.find(deployment) {
            Err(ComponentError::Missing { .. }) => return Ok(()),
            found => found?,
        };
        for path in self.codes(&found.digest).chain([found.path]) {
            fs::remove_file(&path).map_err(storage(&path, "removed"))?;
        }
        Ok(())
    }

    /// Reads a component and checks that its bytes are those it was accepted with.
    pub(super) fn read(&self, found: &Found) -> Result<Vec<u8>, ComponentError> {
        let bytes = fs::read(&found.path).map_err(storage(&found.path, "read"))?;
        match Digest::of(&bytes) == found.digest {
            true => Ok(bytes),
            false => Err(ComponentError::Corrupt {
                deployment: DeploymentId::of(&found.digest),
                path: found.path.clone(),
            }),
        }
    }

    /// Keeps the machine code of a component, in place of what other engines left.
    pub(super) fn keep_code(&self, digest: &Digest, code: &[u8]) -> Result<(), ComponentError> {
        let path = self.code_path(digest);
        for stale in self.codes(digest).filter(|other| *other != path) {
            fs::remove_file(&stale).map_err(storage(&stale, "removed"))?;
        }
        durable::write(&path, &[code, &Sha256::digest(code)], durable::USUAL)
            .map_err(storage(&path, "written"))
    }

    /// Reads the machine code of a component, if it is there and whole.
    pub(super) fn read_code(&self, digest: &Digest) -> Option<Vec<u8>> {
        let mut code = fs::read(self.code_path(digest)).ok()?;
        let checksum = code.split_off(code.len().checked_sub(CHECKSUM_BYTES)?);
        (Sha256::digest(&code)[..] == checksum[..]).then_some(code)
    }

    fn code_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{}.{}.cwasm", hex(digest), self.engine))
    }

    /// The files of machine code of a component, whatever engine they are for.
    fn codes(&self, digest: &Digest) -> impl Iterator<Item = PathBuf> {
        let prefix = hex(digest);
        fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path()).filter(
            move |path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with(&prefix) && name.ends_with(".cwasm")
            },
        )
    }
}

fn storage(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> ComponentError {
    move |cause| ComponentError::Storage { path: path.to_owned(), verb, cause }
}

fn hex(digest: &Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest in the name of a component's file.
fn digest_of(path: &Path) -> Option<Digest> {
    path.file_name().and_then(|name| name.to_str()?.strip_suffix(".wasm")).and_then(from_hex)
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &tempfile::TempDir) -> Files {
        Files::open(dir.path().join("components"), "engine".to_owned()).expect("a directory")
    }

    #[test]
    fn a_kept_component_is_found_by_its_deployment() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, digest) = (files(&dir), Digest::of(b"bytes"));
        files.keep(&digest, b"bytes").expect("it is written");
        files.keep(&digest, b"bytes").expect("twice is once");
        let found = files.find(DeploymentId::of(&digest)).expect("it is there");
        assert_eq!(found.digest, digest);
        assert_eq!(files.read(&found).expect("it is whole"), b"bytes");
        let missing = files.find(DeploymentId::of(&Digest::of(b"other"))).map(|found| found.digest);
        assert!(matches!(missing, Err(ComponentError::Missing { .. })));
    }

    #[test]
    fn a_changed_component_is_corrupt() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, digest) = (files(&dir), Digest::of(b"bytes"));
        files.keep(&digest, b"bytes").expect("it is written");
        let found = files.find(DeploymentId::of(&digest)).expect("it is there");
        fs::write(&found.path, b"bytez").expect("it is changed");
        assert!(matches!(files.read(&found), Err(ComponentError::Corrupt { .. })));
    }

    #[test]
    fn machine_code_that_was_changed_is_not_used() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, digest) = (files(&dir), Digest::of(b"bytes"));
        assert_eq!(files.read_code(&digest), None);
        files.keep_code(&digest, b"code").expect("it is written");
        assert_eq!(files.read_code(&digest).as_deref(), Some(&b"code"[..]));
        fs::write(files.code_path(&digest), b"other code, and nothing that fits it").expect("it is changed");
        assert_eq!(files.read_code(&digest), None);
    }

    #[test]
    fn machine_code_of_other_engines_is_dropped() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, digest) = (files(&dir), Digest::of(b"bytes"));
        let older = Files { engine: "older".to_owned(), ..files.clone() };
        older.keep_code(&digest, b"code").expect("it is written");
        files.keep_code(&digest, b"code").expect("it is written");
        assert_eq!(older.read_code(&digest), None);
    }

    fn names(files: &Files) -> BTreeSet<String> {
        let entries = fs::read_dir(&files.dir).expect("it can be read");
        entries.map(|entry| entry.expect("an entry").file_name().display().to_string()).collect()
    }

    #[test]
    fn two_may_keep_the_same_component_at_the_same_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, bytes) = (files(&dir), vec![7; 1 << 20]);
        let digest = Digest::of(&bytes);
        let keep = || {
            (0..20).try_for_each(|_| {
                files.keep(&digest, &bytes)?;
                files.keep_code(&digest, &bytes)
            })
        };
        std::thread::scope(|scope| {
            for it in [scope.spawn(keep), scope.spawn(keep), scope.spawn(keep)] {
                it.join().expect("no panic").expect("it is kept");
            }
        });
        assert!(files.read_code(&digest).is_some_and(|code| code == bytes));
        assert_eq!(names(&files).len(), 2, "nothing is left but the component and its code");
    }

    #[test]
    fn what_a_crash_has_left_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, digest) = (files(&dir), Digest::of(b"bytes"));
        files.keep(&digest, b"bytes").expect("it is written");
        files.keep_code(&digest, b"code").expect("it is written");
        let before = names(&files);
        files.keep_code(&Digest::of(b"gone"), b"code").expect("it is written");
        fs::write(files.dir.join("half.0.tmp"), b"by").expect("it is written");
        files.tidy().expect("it is tidied");
        assert_eq!(names(&files), before);
    }
}
