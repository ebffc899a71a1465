//! The host dies in place of every record of a story, and the story ends the same each time.
//!
//! A story is told again and again. The first time, the host is killed when it is about to write the first record of it,
//! the next time at the second one, and so on, until the story ends before the host dies. Each record of all its
//! invocations is a place to die, so no entry of any journal is left out.

use std::future::Future;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::harness::{PATIENCE, Setup, TestHost};
use crate::http::{Answer, Door};

/// The order to die that builds for development take.
const ORDERS: &str = "CRASH_ORDERS";

/// What is done with a host that dies at every record.
pub(crate) struct Crashes {
    host: TestHost,
    folder: TempDir,
    tellings: usize,
}

impl Crashes {
    /// Starts a host that can be ordered to die.
    pub(crate) async fn start(setup: Setup) -> Crashes {
        let folder = TempDir::new().expect("a temporary directory");
        let orders = folder.path().join("orders");
        let setup = setup.variable(ORDERS, orders.to_str().expect("a path of the test's own"));
        Crashes { host: TestHost::start(setup).await, folder, tellings: 0 }
    }

    /// The door for operators, which is the same however often the host dies.
    pub(crate) fn admin(&self) -> Door {
        self.host.admin()
    }

    /// Tells a story undisturbed, then with a crash in place of each of its records; returns how many these are.
    ///
    /// `tell` gets the number of the telling, to make keys and ids of its own, and asks until it is answered:
    /// [`call`], [`Door::attach`]. `observe` says how it has ended, without anything that
    /// is another each time; it must be the same after each crash.
    pub(crate) async fn at_every_record<F, Observed>(
        &mut self,
        tell: impl Fn(Door, usize) -> F,
        observe: impl AsyncFn(&TestHost, usize, Answer) -> Observed,
    ) -> (Observed, usize)
    where
        F: Future<Output = Answer> + Send + 'static,
        Observed: PartialEq + std::fmt::Debug,
    {
        self.tellings += 1;
        let answer = tell(self.host.ingress(), self.tellings).await;
        let undisturbed = observe(&self.host, self.tellings, answer).await;
        for n in 1.. {
            self.tellings += 1;
            order(self.folder.path(), n);
            let told = tokio::time::timeout(PATIENCE, tell(self.host.ingress(), self.tellings));
            let telling = tokio::spawn(async move { told.await.expect("the story ends") });
            let has_died = self.dies_during(&telling).await;
            if has_died {
                self.host.start_again().await;
            } else {
                // It may have taken the order, and something that comes later is not part of the story.
                self.host.kill_and_start_again().await;
            }
            let answer = telling.await.expect("the story does not panic");
            let observed = observe(&self.host, self.tellings, answer).await;
            assert_eq!(
                observed, undisturbed,
                "with a crash in place of record {n}, in telling {}",
                self.tellings
            );
            if !has_died {
                assert!(n > 1, "the host takes no orders to die; only builds with debug assertions do");
                return (undisturbed, n - 1);
            }
        }
        unreachable!("a story has an end")
    }

    /// Waits until the host has died, or the story has ended before.
    async fn dies_during(&mut self, telling: &JoinHandle<Answer>) -> bool {
        loop {
            let is_told = telling.is_finished();
            if self.host.has_died() {
                return true;
            }
            if is_told {
                return false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}

/// Calls a handler until it answers, under one idempotency key however often the host dies.
pub(crate) async fn call(door: Door, path: String, key: String, body: Value) -> Answer {
    door.insist(|| door.request(Method::POST, &path).header("idempotency-key", &key).json(&body)).await
}

/// Has the host die when it is about to write the `n`-th record from now on.
fn order(folder: &Path, n: usize) {
    // Moved into its place, so that it is never read by half.
    let draft = folder.join("draft");
    std::fs::write(&draft, n.to_string()).expect("a temporary file");
    std::fs::rename(draft, folder.join("orders")).expect("a temporary file");
}
