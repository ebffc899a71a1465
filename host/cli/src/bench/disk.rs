//! How fast the disk makes things durable, with nothing of the host in the way.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use holiday_core::error::ErrorCode;
use redb::{Database, TableDefinition};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

const APPEND: [u8; 4096] = [0x5a; 4096];
const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) fdatasync_per_sec: f64,
    pub(super) redb_commits_per_sec: f64,
}

impl Disk {
    pub(super) fn mean(&self, other: &Disk) -> Disk {
        Disk {
            fdatasync_per_sec: f64::midpoint(self.fdatasync_per_sec, other.fdatasync_per_sec),
            redb_commits_per_sec: f64::midpoint(self.redb_commits_per_sec, other.redb_commits_per_sec),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "fdatasync_per_sec": self.fdatasync_per_sec,
            "redb_commits_per_sec": self.redb_commits_per_sec,
        })
    }
}

/// Measures on the file system of `dir`.
pub(super) async fn measure(dir: &Path, duration: Duration) -> Result<Disk> {
    let dir = dir.to_owned();
    let measured = tokio::task::spawn_blocking(move || {
        Ok(Disk {
            fdatasync_per_sec: fdatasync_per_sec(&dir, duration)?,
            redb_commits_per_sec: redb_commits_per_sec(&dir, duration).map_err(|error| failed(&error))?,
        })
    });
    measured.await.map_err(|error| failed(&error))?
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(ErrorCode::StorageFailed, format!("cannot measure the disk: {error}"))
}

fn fdatasync_per_sec(dir: &Path, duration: Duration) -> Result<f64> {
    let path = dir.join("fdatasync");
    let mut file = File::create(&path).map_err(|error| Failure::file("create", &path, &error))?;
    let rate = per_sec(duration, |_| {
        file.write_all(&APPEND)?;
        file.sync_data()
    });
    let rate = rate.map_err(|error| Failure::file("write", &path, &error))?;
    std::fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
    Ok(rate)
}

fn redb_commits_per_sec(dir: &Path, duration: Duration) -> std::result::Result<f64, redb::Error> {
    let path = dir.join("redb");
    let database = Database::create(&path)?;
    let rate = per_sec(duration, |row| {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?.insert(row, &APPEND[..64])?;
        transaction.commit()?;
        Ok::<(), redb::Error>(())
    })?;
    drop(database);
    std::fs::remove_file(&path)?;
    Ok(rate)
}

/// Repeats `commit` for a while; it gets the number of the repetition.
fn per_sec<E>(
    duration: Duration,
    mut commit: impl FnMut(u64) -> std::result::Result<(), E>,
) -> std::result::Result<f64, E> {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < duration {
        commit(count)?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
