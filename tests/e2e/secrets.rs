//! Looks for what must not be found.

use std::path::{Path, PathBuf};

use crate::harness::TestHost;

/// None of these texts is in a file of the host's data directory, or in what it has printed.
#[track_caller]
pub(crate) fn assert_nowhere(host: &TestHost, secrets: &[&str]) {
    let files = files_below(&host.data_dir());
    assert!(files.iter().any(|file| file.ends_with("log.redb")), "the data directory is read: {files:?}");
    let log = host.log();
    for secret in secrets {
        assert!(!secret.is_empty(), "everything holds an empty text");
        assert!(!log.contains(secret), "the log holds '{secret}'");
        for file in &files {
            let bytes = std::fs::read(file).expect("the file can be read");
            assert!(!holds(&bytes, secret), "{} holds '{secret}'", file.display());
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read to its end").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn what_is_there_is_found() {
    assert!(holds(b"\0key\x14AKIAHOLIDAYTEST00001\0", "AKIAHOLIDAYTEST00001"));
    assert!(!holds(b"\0key\x14AKIAHOLIDAYTEST0000", "AKIAHOLIDAYTEST00001"));
}
