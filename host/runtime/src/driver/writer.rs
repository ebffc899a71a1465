//! The log writer: one thread that makes records durable and then lets out what waited for them.
//!
//! Invariant: a release runs only after every record that was handed over with it, or before it, is durable.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use holiday_core::event::Record;
use holiday_core::id::Seq;

use super::handle::{Handle, Request};
use super::observer::Notice;
use crate::log::{AppendError, LOG_BATCH_RECORDS_MAX, Log};
use crate::metrics::Metrics;

/// Batches that wait for the writer; the driver waits beyond that.
pub(super) const BATCHES_WAITING_MAX: usize = 64;

/// How long records wait for company while nothing waits for them. What they caused inside the host goes ahead
/// meanwhile; the first thing that wants to leave it has them written at once.
const COMPANY_MAX: Duration = Duration::from_millis(5);

/// Something that leaves the host: a reply, an answer, the permit to enter a step.
pub(super) type Release = Box<dyn FnOnce() + Send>;

/// How far the log is durable, for those who wait on other threads.
#[derive(Debug)]
pub(super) struct Durable {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug)]
struct Progress {
    through: Seq,
    has_stopped: bool,
}

impl Durable {
    /// Waits until the log is durable through `seq`; `false` if that will never be.
    pub(super) fn wait_for(&self, seq: Seq) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = self.changed.wait_while(progress, |it| it.through < seq && !it.has_stopped);
        progress.unwrap_or_else(PoisonError::into_inner).through >= seq
    }

    fn advance(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

enum Order {
    Append { records: Vec<Record>, releases: Vec<Release>, notices: Vec<Notice> },
    Trim(Seq),
}

/// The driver's end of the log writer.
pub(super) struct Writer<L> {
    orders: SyncSender<Order>,
    durable: Arc<Durable>,
    thread: JoinHandle<L>,
}

impl<L> fmt::Debug for Writer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("durable", &self.durable).finish_non_exhaustive()
    }
}

impl<L: Log + 'static> Writer<L> {
    /// Starts a writer for a log that ends with record `last`.
    pub(super) fn start(
        log: L,
        last: Seq,
        handle: &Handle,
        metrics: &Metrics,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let (orders, received) = mpsc::sync_channel(BATCHES_WAITING_MAX);
        let durable = Arc::new(Durable {
            progress: Mutex::new(Progress { through: last, has_stopped: false }),
            changed: Condvar::new(),
        });
        let work = Work {
            log,
            last,
            durable: Arc::clone(&durable),
            metrics: metrics.clone(),
            driver: handle.requests.clone(),
            runtime,
        };
        let thread = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || work.run(&received))
            .expect("the operating system gives one more thread");
        Writer { orders, durable, thread }
    }

    /// Has records made durable, then `releases` run and `notices` told. Waits while too many batches are on their way.
    pub(super) fn append(&self, records: Vec<Record>, releases: Vec<Release>, notices: Vec<Notice>) {
        // A writer that has stopped has told the driver why; what waits for it will never be released.
        drop(self.orders.send(Order::Append { records, releases, notices }));
    }

    /// Lets the log forget what a checkpoint contains.
    pub(super) fn trim(&self, through: Seq) {
        drop(self.orders.send(Order::Trim(through)));
    }

    pub(super) fn durable(&self) -> Arc<Durable> {
        Arc::clone(&self.durable)
    }

    /// Waits until all orders are done, and gives the log back.
    pub(super) fn join(self) -> L {
        drop(self.orders);
        match self.thread.join() {
            Ok(log) => log,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// What the thread works with.
struct Work<L> {
    log: L,
    last: Seq,
    durable: Arc<Durable>,
    metrics: Metrics,
    driver: Sender<Request>,
    runtime: tokio::runtime::Handle,
}

impl<L: Log> Work<L> {
    fn run(mut self, orders: &Receiver<Order>) -> L {
        while let Some(group) = Group::next(orders) {
            if let Err(error) = self.append(group.records) {
                drop(self.driver.send(Request::LogStopped(error)));
                break;
            }
            group.releases.into_iter().for_each(|release| release());
            group.notices.iter().for_each(|notice| notice.tell(&self.metrics));
            if let Some(through) = group.trim {
                self.trim(through);
            }
        }
        self.durable.advance(|it| it.has_stopped = true);
        self.log
    }

    fn append(&mut self, records: Vec<Record>) -> Result<(), AppendError> {
        for batch in records.chunks(LOG_BATCH_RECORDS_MAX) {
            let since = Instant::now();
            self.last = self.runtime.block_on(self.log.append(self.last, batch))?;
            self.count(batch.len(), since.elapsed());
            let through = self.last;
            self.durable.advance(|it| it.through = through);
        }
        Ok(())
    }

    fn count(&self, records: usize, took: Duration) {
        self.metrics.log_commits.inc();
        self.metrics.log_records.inc_by(records as u64);
        self.metrics.log_batch.observe(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
        self.metrics.log_commit_duration.observe(took.as_secs_f64());
    }

    /// Forgetting only saves space: if it fails, the next checkpoint tries again.
    fn trim(&mut self, through: Seq) {
        if let Err(error) = self.runtime.block_on(self.log.trim(through)) {
            tracing::warn!(%error, "the log could not be trimmed");
        }
    }
}

/// The orders that one commit covers.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    releases: Vec<Release>,
    notices: Vec<Notice>,
    trim: Option<Seq>,
}

impl Group {
    /// Waits for an order and takes those that come with it, up to a full batch.
    fn next(orders: &Receiver<Order>) -> Option<Group> {
        let mut group = Group::default();
        group.add(orders.recv().ok()?);
        let since = Instant::now();
        while group.records.len() < LOG_BATCH_RECORDS_MAX / 2
            && let Some(order) = group.wait_for_company(orders, since)
        {
            group.add(order);
        }
        Some(group)
    }

    /// Takes an order that is there already; if nothing waits for this commit, also one that comes soon.
    fn wait_for_company(&self, orders: &Receiver<Order>, since: Instant) -> Option<Order> {
        if !self.releases.is_empty() || self.trim.is_some() {
            return orders.try_recv().ok();
        }
        orders.recv_timeout(COMPANY_MAX.saturating_sub(since.elapsed())).ok()
    }

    fn add(&mut self, order: Order) {
        match order {
            Order::Append { mut records, mut releases, mut notices } => {
                self.records.append(&mut records);
                self.releases.append(&mut releases);
                self.notices.append(&mut notices);
            }
            Order::Trim(through) => self.trim = Some(through),
        }
    }
}
