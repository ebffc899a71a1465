//! The way of spans to a collector: a bounded queue, and a task that empties it in batches.
//!
//! Invariant: whoever emits a span never waits. What the queue has no room for, and what the collector does not take,
//! is lost and counted.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::TelemetryError;
use crate::metrics::Metrics;

/// Spans that wait to be sent; more are lost.
pub const SPANS_QUEUED_MAX: usize = 8_192;

/// Spans in one request to the collector.
pub const SPANS_PER_REQUEST_MAX: usize = 512;

/// How long a span waits for company.
const SPAN_DELAY_MAX: Duration = Duration::from_millis(500);

/// How often it is mentioned in the log that spans are lost.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// The end of the queue that spans go in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    metrics: Metrics,
}

impl Queue {
    pub(super) fn push(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.metrics.spans_lost.inc();
        }
    }
}

/// The task that sends spans. It ends soon after it was told to, when nobody emits any more.
#[derive(Debug)]
pub struct Export {
    spans: Receiver<SpanData>,
    exporter: opentelemetry_otlp::SpanExporter,
    metrics: Metrics,
    told: Told,
}

/// When a loss was last mentioned in the log, and how many spans were lost by then.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    lost: u64,
}

pub(super) fn queue(
    endpoint: &str,
    service_name: String,
    metrics: &Metrics,
) -> Result<(Queue, Export), TelemetryError> {
    // Headers and timeout are those of the standard variables.
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build();
    let mut exporter = exporter.map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    exporter
        .set_resource(&Resource::builder().with_service_name(service_name).with_attribute(version).build());
    let (sender, spans) = channel(SPANS_QUEUED_MAX);
    let queue = Queue { spans: sender, metrics: metrics.clone() };
    Ok((queue, Export { spans, exporter, metrics: metrics.clone(), told: Told::default() }))
}

impl Export {
    /// Sends spans until `stops` says so.
    pub async fn run(mut self, mut stops: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(SPANS_PER_REQUEST_MAX);
        loop {
            let has_stopped = tokio::select! {
                biased;
                // It is also time to go when nobody is left who could say so.
                _ = stops.wait_for(|stops| *stops) => true,
                () = fill(&mut self.spans, &mut batch) => false,
            };
            if has_stopped {
                break;
            }
            self.send(&mut batch).await;
        }
        // Attempts that are dropped where they are end a little later.
        loop {
            if batch.len() == SPANS_PER_REQUEST_MAX {
                self.send(&mut batch).await;
            }
            let room = SPANS_PER_REQUEST_MAX - batch.len();
            match timeout(SPAN_DELAY_MAX, self.spans.recv_many(&mut batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        self.send(&mut batch).await;
    }

    async fn send(&mut self, batch: &mut Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let spans = batch.len() as u64;
        let batch = std::mem::replace(batch, Vec::with_capacity(SPANS_PER_REQUEST_MAX));
        match self.exporter.export(batch).await {
            Ok(()) => {
                self.metrics.spans_sent.inc_by(spans);
                self.tell_of_loss(None);
            }
            Err(error) => {
                self.metrics.spans_lost.inc_by(spans);
                self.tell_of_loss(Some(&error));
            }
        }
    }

    /// Says that spans were lost: just now, with this error, or before, when the queue was full.
    fn tell_of_loss(&mut self, error: Option<&dyn std::error::Error>) {
        let lost = self.metrics.spans_lost.get();
        if !self.told.is_due(lost, Instant::now()) {
            return;
        }
        match error {
            Some(error) => {
                tracing::warn!(%error, lost, "the collector does not take spans; they are lost, and nothing else is");
            }
            None => tracing::warn!(
                lost,
                "the collector takes spans too slowly; those that the queue had no room for are lost, and nothing else is"
            ),
        }
    }
}

impl Told {
    /// Whether this loss is to be mentioned now; then it counts as mentioned.
    fn is_due(&mut self, lost: u64, now: Instant) -> bool {
        let was_long_ago = self.at.is_none_or(|at| now.duration_since(at) >= COMPLAINT_INTERVAL);
        let is_due = lost > self.lost && was_long_ago;
        if is_due {
            *self = Told { at: Some(now), lost };
        }
        is_due
    }
}

/// Waits for a span, and a moment for more. What was taken is in `batch` also when this is given up.
async fn fill(spans: &mut Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if batch.is_empty() {
        match spans.recv().await {
            Some(span) => batch.push(span),
            None => return std::future::pending().await,
        }
    }
    let until = Instant::now() + SPAN_DELAY_MAX;
    while batch.len() < SPANS_PER_REQUEST_MAX {
        match timeout_at(until, spans.recv()).await {
            Ok(Some(span)) => batch.push(span),
            Ok(None) | Err(_) => return,
        }
    }
}

/// A queue that nobody empties but the test.
#[cfg(test)]
pub(super) fn recording() -> (Queue, Receiver<SpanData>) {
    let (spans, received) = channel(SPANS_QUEUED_MAX);
    (Queue { spans, metrics: Metrics::default() }, received)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn span() -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "a span".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn what_the_queue_has_no_room_for_is_counted() {
        let (queue, mut spans) = recording();
        for _ in 0..SPANS_QUEUED_MAX + 3 {
            queue.push(span());
        }
        assert_eq!(queue.metrics.spans_lost.get(), 3);
        spans.try_recv().expect("the first one");
        queue.push(span());
        assert_eq!(queue.metrics.spans_lost.get(), 3, "there was room again");
    }

    #[test]
    fn a_loss_is_mentioned_when_it_grows_and_not_too_often() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert!(!told.is_due(0, now), "nothing is lost");
        assert!(told.is_due(1, now));
        assert!(!told.is_due(2, now + COMPLAINT_INTERVAL - Duration::from_nanos(1)));
        assert!(!told.is_due(1, now + COMPLAINT_INTERVAL), "that has been said");
        assert!(told.is_due(2, now + COMPLAINT_INTERVAL));
    }

    /// The URL of a collector that takes whatever comes in one request.
    async fn collector() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 64 * 1024];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it is read");
            drop(stream.read(&mut request).await);
        });
        format!("http://{address}/v1/traces")
    }

    #[tokio::test]
    async fn spans_that_end_a_little_after_the_stop_are_sent() {
        let metrics = Metrics::default();
        let (queue, export) = queue(&collector().await, "s".to_owned(), &metrics).expect("it can be sent to");
        let (stopping, stops) = watch::channel(false);
        let task = tokio::spawn(export.run(stops));
        stopping.send_replace(true);
        // The task hears it.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        queue.push(span());
        drop(queue);
        task.await.expect("it ends when nobody can emit any more");
        assert_eq!((metrics.spans_sent.get(), metrics.spans_lost.get()), (1, 0));
    }

    #[tokio::test]
    async fn spans_gather_until_they_are_many_or_one_is_old() {
        let (queue, mut spans) = recording();
        let mut batch = Vec::new();
        for _ in 0..SPANS_PER_REQUEST_MAX + 1 {
            queue.push(span());
        }
        fill(&mut spans, &mut batch).await;
        assert_eq!(batch.len(), SPANS_PER_REQUEST_MAX);
        batch.clear();
        let began = Instant::now();
        fill(&mut spans, &mut batch).await;
        assert_eq!(batch.len(), 1);
        assert!(began.elapsed() >= SPAN_DELAY_MAX, "it waited for company");
    }
}
