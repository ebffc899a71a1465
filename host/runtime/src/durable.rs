//! Files that are there whole after a crash, or as they were before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of a file ends that is being written.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Who may read and write a file unless something else is said; what the process takes from that is not given.
pub(crate) const USUAL: u32 = 0o666;

/// Writes a file of these parts. When this returns, the content and the name are durable.
pub(crate) fn write(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    // Two may write the same file at the same time.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let temporary = path.with_extension(format!("{}{TEMPORARY}", WRITTEN.fetch_add(1, Ordering::Relaxed)));
    // What a crash has left may be open to more people than this file should be.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = create(&temporary, mode)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // The parent of a relative path with one component is the empty path.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}
