//! A log at which the host dies on demand, for tests of what each record owes to the one before it.
//!
//! Only in builds with debug assertions. The variable [`ORDERS`] names a file; who writes a number `n` there has the
//! process killed when it is about to write the `n`-th record from then on. The records before that one are durable, it
//! and what follows are lost, and what the earlier ones have let out of the host has happened: a crash right there.

use std::path::PathBuf;
use std::process::Command;

use holiday_core::event::Record;
use holiday_core::id::Seq;

use super::{AppendError, Extent, Log, LogError};

/// The variable of the environment that names the file.
const ORDERS: &str = "CRASH_ORDERS";

/// Ends the process.
type Die = fn() -> !;

/// A log that takes orders to crash.
#[derive(Debug)]
pub(crate) struct CrashingLog<L> {
    log: L,
    orders: Option<PathBuf>,
    /// Which record from here on is not written any more, counted from 1.
    countdown: Option<usize>,
    die: Die,
}

impl<L> CrashingLog<L> {
    pub(crate) fn new(log: L) -> Self {
        let orders = std::env::var_os(ORDERS).map(PathBuf::from);
        CrashingLog { log, orders, countdown: None, die: kill }
    }

    /// Takes an order, if there is one.
    fn take_order(&mut self) {
        let Some(file) = &self.orders else { return };
        let Ok(text) = std::fs::read_to_string(file) else { return };
        let order = text.trim().parse().ok().filter(|n| *n > 0);
        self.countdown = Some(order.unwrap_or_else(|| panic!("{ORDERS} says '{text}', not which record")));
        // An order is for one crash: the next start of the host does not find it.
        std::fs::remove_file(file).expect("what can be written can be removed");
    }
}

impl<L: Log> Log for CrashingLog<L> {
    async fn append(&mut self, expected: Seq, batch: &[Record]) -> Result<Seq, AppendError> {
        self.take_order();
        match self.countdown {
            Some(n) if n <= batch.len() => {
                if n > 1 {
                    self.log.append(expected, &batch[..n - 1]).await?;
                }
                (self.die)()
            }
            Some(n) => self.countdown = Some(n - batch.len()),
            None => {}
        }
        self.log.append(expected, batch).await
    }

    async fn read(&mut self, after: Seq) -> Result<Vec<Record>, LogError> {
        self.log.read(after).await
    }

    async fn trim(&mut self, through: Seq) -> Result<(), LogError> {
        self.log.trim(through).await
    }

    async fn extent(&mut self) -> Result<Extent, LogError> {
        self.log.extent().await
    }
}

/// `kill -9`: nothing is written down, closed or flushed.
fn kill() -> ! {
    let killed = Command::new("kill").args(["-s", "KILL", &std::process::id().to_string()]).status();
    panic!("the process outlives its end: {killed:?}");
}

#[cfg(test)]
mod tests {
    use super::super::MemoryLog;
    use super::super::conformance::{self, records};
    use super::*;

    #[tokio::test]
    async fn conforms() {
        conformance::check(|| {
            let log = MemoryLog::new();
            move || CrashingLog::new(log.clone())
        })
        .await;
    }

    #[tokio::test]
    async fn it_dies_in_place_of_the_record_that_was_ordered() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (order, written) in [("1", 2), ("2", 3), ("3\n", 4), ("4", 5), ("6", 7)] {
            let file = folder.path().join("orders");
            let disk = MemoryLog::new();
            let mut log = CrashingLog {
                log: disk.clone(),
                orders: Some(file.clone()),
                countdown: None,
                die: || panic!("killed"),
            };
            log.append(Seq::ZERO, &records(0, 2)).await.expect("no order yet");
            std::fs::write(&file, order).expect("a temporary file");
            let life = tokio::spawn(async move {
                for after in [2, 5, 8] {
                    log.append(Seq(after), &records(after, 3)).await.expect("it goes on until it dies");
                }
            });
            assert!(life.await.expect_err("it dies").is_panic());
            assert_eq!(disk.clone().extent().await.map(|it| it.last), Ok(Seq(written)), "order {order}");
            assert!(!file.exists(), "the order is taken");
        }
    }
}
