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
use super::notice::Notice;
use crate::log::{AppendError, LOG_BATCH_RECORDS_MAX, Log};
use crate::metrics::Metrics;
use crate::telemetry::Tracer;

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
        metrics: Metrics,
        tracer: Tracer,
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
            metrics,
            tracer,
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
    tracer: Tracer,
    driver: Sender<Request>,
    runtime: tokio::runtime::Handle,
}

impl<L: Log> Work<L> {
    fn run(mut self, orders: &Receiver<Order>) -> L {
        while let Some(group) = Group::next(orders, COMPANY_MAX) {
            if let Err(error) = self.append(group.records) {
                drop(self.driver.send(Request::LogStopped(error)));
                break;
            }
            group.releases.into_iter().for_each(|release| release());
            group.notices.iter().for_each(|notice| notice.tell(&self.metrics, &self.tracer));
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
    fn next(orders: &Receiver<Order>, company_max: Duration) -> Option<Group> {
        let mut group = Group::default();
        group.add(orders.recv().ok()?);
        let since = Instant::now();
        while group.records.len() < LOG_BATCH_RECORDS_MAX / 2
            && let Some(order) = group.wait_for_company(orders, company_max.saturating_sub(since.elapsed()))
        {
            group.add(order);
        }
        Some(group)
    }

    /// Takes an order that is there already; if nothing waits for this commit, also one that comes soon.
    fn wait_for_company(&self, orders: &Receiver<Order>, time: Duration) -> Option<Order> {
        if !self.releases.is_empty() || self.trim.is_some() {
            return orders.try_recv().ok();
        }
        orders.recv_timeout(time).ok()
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

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::super::BATCH_RECORDS_MAX;
    use super::super::handle::Shared;
    use super::*;
    use crate::log::conformance::records;
    use crate::log::{Extent, LogError, MemoryLog};

    /// Far longer than anything here takes: a test that meets it has failed.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn append(count: usize, releases: Vec<Release>) -> Order {
        Order::Append { records: records(0, count), releases, notices: Vec::new() }
    }

    fn release() -> Vec<Release> {
        vec![Box::new(|| ())]
    }

    /// Says how many records each of the next groups has, on a thread that the test can wait for.
    fn groups(orders: Receiver<Order>, company_max: Duration) -> Receiver<usize> {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            while let Some(group) = Group::next(&orders, company_max) {
                tell.send(group.records.len()).ok();
            }
        });
        told
    }

    #[test]
    fn records_that_nobody_waits_for_are_written_in_company() {
        // Whoever sends waits until it has been taken.
        let (sender, orders) = mpsc::sync_channel(0);
        let groups = groups(orders, PATIENCE * 100);
        sender.send(append(1, Vec::new())).expect("it is taken");
        sender.send(append(2, release())).expect("the first one has waited for it");
        assert_eq!(groups.recv_timeout(PATIENCE), Ok(3), "somebody waits, so it is written at once");
    }

    #[test]
    fn records_that_get_no_company_are_written_all_the_same() {
        let (sender, orders) = mpsc::sync_channel(1);
        let groups = groups(orders, COMPANY_MAX);
        sender.send(append(1, Vec::new())).expect("it is taken");
        assert_eq!(groups.recv_timeout(PATIENCE), Ok(1));
    }

    #[test]
    fn a_group_is_no_more_than_the_log_takes_at_once() {
        let (sender, orders) = mpsc::sync_channel(3);
        for count in [BATCH_RECORDS_MAX - 1, BATCH_RECORDS_MAX, 1] {
            sender.send(append(count, release())).expect("there is room");
        }
        drop(sender);
        let groups: Vec<usize> = groups(orders, COMPANY_MAX).iter().collect();
        assert_eq!(groups, [2 * BATCH_RECORDS_MAX - 1, 1]);
        assert!(groups[0] < LOG_BATCH_RECORDS_MAX, "what is gathered is one commit");
    }

    #[test]
    fn what_is_more_than_the_log_takes_at_once_is_several_commits() {
        for (count, commits) in [(LOG_BATCH_RECORDS_MAX, 1), (LOG_BATCH_RECORDS_MAX + 1, 2)] {
            let fixture = Fixture::new();
            let writer = fixture.start(MemoryLog::new());
            writer.append(records(0, count), release(), Vec::new());
            assert!(writer.durable().wait_for(Seq(count as u64)));
            drop(writer.join());
            assert_eq!(fixture.metrics.log_commits.get(), commits);
        }
    }

    #[test]
    fn the_driver_waits_while_too_many_batches_are_on_their_way() {
        let fixture = Fixture::new();
        let (entered, has_entered) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let writer = fixture.start(Gated { log: MemoryLog::new(), entered, gate });
        let order = |seq: u64| Order::Append {
            records: records(seq - 1, 1),
            releases: release(),
            notices: Vec::new(),
        };
        writer.orders.try_send(order(1)).expect("the writer takes it");
        has_entered.recv_timeout(PATIENCE).expect("the first batch is being written");
        let most = 1 + BATCHES_WAITING_MAX as u64;
        for seq in 2..=most {
            writer.orders.try_send(order(seq)).expect("there is room");
        }
        let full = writer.orders.try_send(order(most + 1));
        assert!(matches!(full, Err(mpsc::TrySendError::Full(_))), "the driver would wait");
        drop(open);
        writer.append(records(most, 1), release(), Vec::new());
        assert!(writer.durable().wait_for(Seq(most + 1)), "it goes on when there is room");
        drop(writer.join());
    }

    /// What a writer is started with.
    struct Fixture {
        runtime: tokio::runtime::Runtime,
        handle: Handle,
        metrics: Metrics,
        _requests: Receiver<Request>,
    }

    impl Fixture {
        fn new() -> Self {
            let (requests, _requests) = mpsc::channel();
            Fixture {
                runtime: tokio::runtime::Runtime::new().expect("a runtime"),
                handle: Handle { requests, shared: Arc::new(Shared::default()), generation: 0 },
                metrics: Metrics::default(),
                _requests,
            }
        }

        fn start<L: Log + 'static>(&self, log: L) -> Writer<L> {
            let (metrics, tracer) = (self.metrics.clone(), Tracer::default());
            Writer::start(log, Seq::ZERO, &self.handle, metrics, tracer, self.runtime.handle().clone())
        }
    }

    /// A log that says when an append begins, and goes on with it when its gate is open.
    struct Gated {
        log: MemoryLog,
        entered: Sender<()>,
        gate: Receiver<()>,
    }

    impl Log for Gated {
        async fn append(&mut self, expected: Seq, batch: &[Record]) -> Result<Seq, AppendError> {
            self.entered.send(()).ok();
            // It is open when the test drops its end.
            self.gate.recv().ok();
            self.log.append(expected, batch).await
        }

        fn read(&mut self, after: Seq) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send {
            self.log.read(after)
        }

        fn trim(&mut self, through: Seq) -> impl Future<Output = Result<(), LogError>> + Send {
            self.log.trim(through)
        }

        fn extent(&mut self) -> impl Future<Output = Result<Extent, LogError>> + Send {
            self.log.extent()
        }
    }
}
