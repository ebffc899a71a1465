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
use tokio::time::{Instant, timeout_at};

use super::TelemetryError;
use crate::metrics::Metrics;

/// Spans that wait to be sent; more are lost.
pub const SPANS_QUEUED_MAX: usize = 8_192;

/// Spans in one request to the collector.
pub const SPANS_PER_REQUEST_MAX: usize = 512;

/// How long a span waits for company.
const SPAN_DELAY_MAX: Duration = Duration::from_millis(500);

/// How often a collector that fails is mentioned in the log.
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

/// The task that sends spans. It ends soon after it was told to, with what was queued by then.
#[derive(Debug)]
pub struct Export {
    spans: Receiver<SpanData>,
    exporter: opentelemetry_otlp::SpanExporter,
    metrics: Metrics,
    complained_at: Option<Instant>,
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
    Ok((queue, Export { spans, exporter, metrics: metrics.clone(), complained_at: None }))
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
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
            if batch.len() == SPANS_PER_REQUEST_MAX {
                self.send(&mut batch).await;
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
            Ok(()) => drop(self.metrics.spans_sent.inc_by(spans)),
            Err(error) => {
                self.metrics.spans_lost.inc_by(spans);
                self.complain(&error);
            }
        }
    }

    fn complain(&mut self, error: &dyn std::error::Error) {
        if self.complained_at.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            self.complained_at = Some(Instant::now());
            let lost = self.metrics.spans_lost.get();
            tracing::warn!(%error, lost, "the collector does not take spans; they are lost, and nothing else is");
        }
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
