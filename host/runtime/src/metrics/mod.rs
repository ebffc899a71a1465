//! What the host counts, for `GET /metrics` of the admin door.
//!
//! [`All::register`] is the one place that names every metric, with its unit, its labels and its help;
//! `docs/observability.md` lists them, and a test compares the two. `host.rs` gives each adapter a [`Metrics`], and
//! each touches only what is its own.
//!
//! Invariant: labels have few values, which the host knows beforehand: the services of the catalog, error codes, and
//! the words of [`label`]. Never a key, an id or a path.

mod catalog;
pub mod label;
mod subscriptions;

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holiday_core::error::ErrorCode;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use catalog::{Catalog, Described, Durations};
use label::{
    Asked, Build, Completion, Door, DoorStatus, Execution, Failed, Fetch, File, Outcome, Refused, Service,
    Services, Standing, Status, Step,
};
pub(crate) use subscriptions::Subscriptions;

/// Where the buckets of batches end, in records.
const BATCHES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The files whose sizes are shown.
const DATA_FILES: [&str; 2] = ["log.redb", "state.redb"];

/// What is counted, and the way to read it all. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    all: All,
    registry: Registry,
    described: Vec<Described>,
    data_dir: Option<PathBuf>,
}

/// Every metric of the host. Those with labels have functions.
#[derive(Debug)]
pub struct All {
    requests: Family<DoorStatus, Counter>,
    requests_refused: Family<Refused, Counter>,
    ingress_duration: Family<Asked, Histogram, Durations>,
    pub ingress_requests_in_flight: Gauge,
    pub ingress_body_in_flight: Gauge,

    invocations_accepted: Family<Service, Counter>,
    invocations_completed: Family<Completion, Counter>,
    invocations: Family<Standing, Gauge>,
    services: Services,

    pub attempts_started: Counter,
    pub attempts_replayed: Counter,
    pub attempts_suspended: Counter,
    attempts_failed: Family<Failed, Counter>,
    pub attempts_running: Gauge,
    pub attempts_waiting: Gauge,
    run_steps: Family<Execution, Counter>,
    pub timer_lag: Histogram,

    pub(crate) subscriptions: Subscriptions,

    pub log_commits: Counter,
    pub log_records: Counter,
    pub log_batch: Histogram,
    pub log_commit_duration: Histogram,
    pub checkpoints: Counter,
    pub checkpoint_duration: Histogram,
    pub state_overlay: Gauge,
    data_file: Family<File, Gauge>,

    pub wasm_instances: Gauge,
    pub components_loaded: Gauge,
    pub component_compile_duration: Histogram,
    guest_http_requests: Family<Fetch, Counter>,

    pub spans_sent: Counter,
    pub spans_lost: Counter,
}

impl All {
    fn register(it: &mut Catalog) -> All {
        All {
            requests: it.add(
                "requests",
                None,
                &["door", "status"],
                "Requests, by the class of the answer's status; of `gone` the client left before",
            ),
            requests_refused: it.add(
                "requests_refused",
                None,
                &["door", "code"],
                "Requests that the host answered with an error of its own, by error code",
            ),
            ingress_duration: it.add_durations(
                "ingress_request_duration",
                &["kind"],
                "From a caller's request to its answer; a call waits for its outcome",
            ),
            ingress_requests_in_flight: it.add(
                "ingress_requests_in_flight",
                None,
                &[],
                "Requests of callers that are being served, those that wait included",
            ),
            ingress_body_in_flight: it.add(
                "ingress_body_in_flight",
                Some(Unit::Bytes),
                &[],
                "Bodies of callers that are being read",
            ),

            invocations_accepted: it.add(
                "invocations_accepted",
                None,
                &["service"],
                "Invocations that began, asked for from outside or by other handlers",
            ),
            invocations_completed: it.add(
                "invocations_completed",
                None,
                &["service", "outcome"],
                "Invocations that ended, once that is durable",
            ),
            invocations: it.add(
                "invocations",
                None,
                &["status"],
                "Invocations that have not ended, by where they stand",
            ),
            services: Services::default(),

            attempts_started: it.add("attempts_started", None, &[], "Attempts that got a place to run"),
            attempts_replayed: it.add(
                "attempts_replayed",
                None,
                &[],
                "Attempts among them that began with a journal, and replayed it",
            ),
            attempts_suspended: it.add(
                "attempts_suspended",
                None,
                &[],
                "Attempts that gave their instance back to wait without it",
            ),
            attempts_failed: it.add(
                "attempts_failed",
                None,
                &["code"],
                "Attempts that failed, by error code",
            ),
            attempts_running: it.add("attempts_running", None, &[], "Attempts that have a place now"),
            attempts_waiting: it.add(
                "attempts_waiting",
                None,
                &[],
                "Attempts that wait because others have all places",
            ),
            run_steps: it.add(
                "run_steps",
                None,
                &["outcome"],
                "Executions of run steps; of `retry` the step failed and may be executed again",
            ),
            timer_lag: it.add_duration("timer_lag", "How much later than due timers fired"),

            subscriptions: Subscriptions::register(it),

            log_commits: it.add("log_commits", None, &[], "Durable commits of the log"),
            log_records: it.add("log_records", None, &[], "Records made durable"),
            log_batch: it.add_histogram("log_batch_records", "Records in one commit of the log", &BATCHES),
            log_commit_duration: it
                .add_duration("log_commit_duration", "How long one commit of the log takes"),
            checkpoints: it.add("checkpoints", None, &[], "Checkpoints of the state"),
            checkpoint_duration: it.add_duration(
                "checkpoint_duration",
                "How long writing one checkpoint takes, beside everything else",
            ),
            state_overlay: it.add(
                "state_overlay",
                Some(Unit::Bytes),
                &[],
                "Changed rows in memory that no checkpoint has taken up yet",
            ),
            data_file: it.add(
                "data_file",
                Some(Unit::Bytes),
                &["file"],
                "Size of the files of log and state",
            ),

            wasm_instances: it.add("wasm_instances", None, &[], "Instances of components in use"),
            components_loaded: it.add(
                "components_loaded",
                None,
                &[],
                "Components whose machine code is in memory",
            ),
            component_compile_duration: it
                .add_duration("component_compile_duration", "How long compiling one component takes"),
            guest_http_requests: it.add(
                "guest_http_requests",
                None,
                &["outcome"],
                "HTTP requests of guests: answered, failed, or refused by the rules of the host",
            ),

            spans_sent: it.add(
                "spans_sent",
                None,
                &[],
                "Spans that the collector took; those that it rejected one by one are among them",
            ),
            spans_lost: it.add(
                "spans_lost",
                None,
                &[],
                "Spans that were dropped: the queue was full, or the collector did not take them",
            ),
        }
    }

    /// Notes that a request was answered; without a status its client went away before.
    pub fn request_answered(&self, door: Door, status: Option<u16>) {
        self.requests.get_or_create(&DoorStatus::new(door, status)).inc();
    }

    pub fn request_refused(&self, door: Door, code: ErrorCode) {
        self.requests_refused.get_or_create(&Refused::new(door, code)).inc();
    }

    pub fn ingress_took(&self, asked: Asked, duration: Duration) {
        self.ingress_duration.get_or_create(&asked).observe(duration.as_secs_f64());
    }

    pub fn invocation_accepted(&self, service: &str) {
        let service = self.services.label(service);
        self.invocations_accepted.get_or_create(&Service { service }).inc();
    }

    pub fn invocation_completed(&self, service: &str, outcome: Outcome) {
        let service = self.services.label(service);
        self.invocations_completed.get_or_create(&Completion::new(service, outcome)).inc();
    }

    /// How many invocations stand there now.
    pub fn invocations(&self, status: Status) -> Gauge {
        self.invocations.get_or_create_owned(&Standing::new(status))
    }

    /// Notes that an attempt failed; the message begins with a code if the host knows one.
    pub fn attempt_failed(&self, message: &str) {
        self.attempts_failed.get_or_create(&Failed::new(ErrorCode::of_message(message))).inc();
    }

    pub fn step_executed(&self, outcome: Step) {
        self.run_steps.get_or_create(&Execution::new(outcome)).inc();
    }

    pub fn guest_request(&self, fetch: Fetch) {
        self.guest_http_requests.get_or_create(&fetch).inc();
    }

    fn measure_files(&self, data_dir: &Path) {
        for file in DATA_FILES {
            let bytes = std::fs::metadata(data_dir.join(file)).map_or(0, |it| it.len());
            self.data_file.get_or_create(&File { file }).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

impl Metrics {
    /// Metrics of a host with its data in this directory.
    pub fn new(data_dir: PathBuf) -> Self {
        Metrics::of(Some(data_dir))
    }

    fn of(data_dir: Option<PathBuf>) -> Self {
        let mut catalog = Catalog::default();
        let all = All::register(&mut catalog);
        let help = "Always 1; the label says which version of the host this is";
        catalog.add_info(
            "build",
            &["version"],
            help,
            Info::new(Build { version: env!("CARGO_PKG_VERSION") }),
        );
        let (registry, described) = catalog.finish();
        Metrics(Arc::new(Inner { all, registry, described, data_dir }))
    }

    /// Writes all metrics in the text format of OpenMetrics, which Prometheus reads.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        if let Some(data_dir) = &self.0.data_dir {
            self.measure_files(data_dir);
        }
        let mut written = String::new();
        text::encode(&mut written, &self.0.registry)?;
        Ok(written)
    }
}

impl Default for Metrics {
    /// Metrics of a host without files.
    fn default() -> Self {
        Metrics::of(None)
    }
}

impl Deref for Metrics {
    type Target = All;

    fn deref(&self) -> &All {
        &self.0.all
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("metrics", &self.0.described.len()).finish_non_exhaustive()
    }
}

/// A number of things as a gauge shows it.
pub fn amount(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use holiday_core::id::SubscriptionId;
    use holiday_core::subscription::{Partition, Progress};

    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/observability.md");

    fn row(it: &Described) -> String {
        let labels: Vec<String> = it.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        format!("| `{}` | {} | {labels} | {} |", it.name, it.kind, it.help)
    }

    #[test]
    fn the_document_lists_every_metric_and_no_other() {
        let metrics = Metrics::default();
        let rows: Vec<String> = metrics.0.described.iter().map(row).collect();
        let missing: Vec<&String> =
            rows.iter().filter(|row| !DOCUMENT.lines().any(|line| line == *row)).collect();
        assert!(missing.is_empty(), "docs/observability.md lacks:\n{missing:#?}");
        let mut listed = DOCUMENT.lines().filter(|line| line.starts_with("| `holiday_"));
        assert_eq!(listed.find(|line| !rows.iter().any(|row| row == line)), None, "there is no such metric");
    }

    #[test]
    fn names_and_labels_are_those_of_the_description() {
        let metrics = Metrics::new(PathBuf::from("nowhere"));
        metrics.request_answered(Door::Ingress, Some(200));
        metrics.request_refused(Door::Admin, ErrorCode::NotReady);
        metrics.ingress_took(Asked::CALL, Duration::from_millis(2));
        metrics.invocation_accepted("trips");
        metrics.invocation_completed("say \"hi\"", Outcome::Killed);
        metrics.invocations(Status::BackingOff).inc();
        metrics.attempt_failed("HH0023: it spun");
        metrics.attempt_failed("no code");
        metrics.step_executed(Step::Retry);
        metrics.guest_request(Fetch::REFUSED);
        let subscription = SubscriptionId::from_bytes([1; 16]);
        metrics.subscriptions.reading(&subscription, true);
        metrics.subscriptions.progress(&subscription, &Progress { parked: 2, ..Progress::new() });
        metrics.subscriptions.lag(&subscription, Partition(3), 5);
        let written = metrics.encode().expect("it can be written");
        for it in &metrics.0.described {
            assert!(written.lines().any(|line| line.starts_with(&it.name)), "{} is not shown", it.name);
        }
        let mut labelled: Vec<&str> =
            written.lines().filter(|line| line.contains('{') && !line.contains("_bucket")).collect();
        labelled.sort_unstable();
        expect![[r#"
            holiday_attempts_failed_total{code="HH0023"} 1
            holiday_attempts_failed_total{code="none"} 1
            holiday_build_info{version="0.1.0"} 1
            holiday_data_file_bytes{file="log.redb"} 0
            holiday_data_file_bytes{file="state.redb"} 0
            holiday_guest_http_requests_total{outcome="refused"} 1
            holiday_ingress_request_duration_seconds_count{kind="call"} 1
            holiday_ingress_request_duration_seconds_sum{kind="call"} 0.002
            holiday_invocations_accepted_total{service="trips"} 1
            holiday_invocations_completed_total{service="say \"hi\"",outcome="killed"} 1
            holiday_invocations{status="backing-off"} 1
            holiday_requests_refused_total{door="admin",code="HH0019"} 1
            holiday_requests_total{door="ingress",status="2xx"} 1
            holiday_run_steps_total{outcome="retry"} 1
            holiday_subscription_lag_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",partition="3"} 5
            holiday_subscription_reading{subscription="sub_8C2kCzsB2fJy9MiZos1mS"} 1
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="discarded"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="failed"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="parked"} 2
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="passed-over"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="running"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="skipped"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="succeeded"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="taken"} 0
            holiday_subscription_records{subscription="sub_8C2kCzsB2fJy9MiZos1mS",fate="waiting"} 0"#]]
        .assert_eq(&labelled.join("\n"));
    }
}
