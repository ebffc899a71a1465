//! Writing the state down beside the running driver.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use holiday_core::id::Seq;
use holiday_core::state::StoreError;
use prometheus_client::metrics::histogram::Histogram;

use super::handle::Request;
use super::writer::Durable;
use crate::store::{Checkpoint, Written};

/// The latest checkpoint, which may be under way.
#[derive(Debug, Default)]
pub(super) struct Checkpointer {
    through: Seq,
    under_way: Option<JoinHandle<Finished>>,
}

/// How a checkpoint ended.
#[derive(Debug)]
pub(super) enum Finished {
    Written(Written),
    /// The log stopped before it was durable through the last record of the checkpoint.
    GivenUp,
    Failed(StoreError),
}

impl Checkpointer {
    /// Notes that the state on disk contains the records up to `applied`.
    pub(super) fn begin_after(&mut self, applied: Seq) {
        self.through = applied;
    }

    /// How many records the latest checkpoint does not contain.
    pub(super) fn records_since(&self, last: Seq) -> u64 {
        last.0 - self.through.0
    }

    /// The last record of the latest checkpoint.
    pub(super) fn through(&self) -> Seq {
        self.through
    }

    /// Writes a frozen layer, which contains the records up to `through`, once those are durable.
    pub(super) fn start(
        &mut self,
        frozen: Checkpoint,
        through: Seq,
        durable: Arc<Durable>,
        duration: Histogram,
        driver: Sender<Request>,
    ) {
        assert!(self.under_way.is_none(), "one checkpoint at a time");
        self.through = through;
        let write = move || {
            let finished = match durable.wait_for(through) {
                false => Finished::GivenUp,
                true => {
                    let since = Instant::now();
                    let written = frozen.write();
                    duration.observe(since.elapsed().as_secs_f64());
                    written.map_or_else(Finished::Failed, Finished::Written)
                }
            };
            drop(driver.send(Request::Checkpointed));
            finished
        };
        let thread = thread::Builder::new().name("checkpoint".to_owned()).spawn(write);
        self.under_way = Some(thread.expect("the operating system gives one more thread"));
    }

    /// Waits for the checkpoint under way, if there is one.
    pub(super) fn wait(&mut self) -> Option<Finished> {
        match self.under_way.take()?.join() {
            Ok(finished) => Some(finished),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
