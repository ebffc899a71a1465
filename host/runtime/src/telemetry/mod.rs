//! Spans for OpenTelemetry, when there is a collector to send them to.
//!
//! ```text
//! ingress, driver, attempts ──Span──▶ Tracer ──queue──▶ Export ──OTLP over HTTP──▶ collector
//! ```
//!
//! Invariants: without a collector nothing is done at all; whatever the collector does, invocations go on as they
//! would without it.

mod context;
mod export;
mod trace;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holiday_core::error::ErrorCode;
use holiday_core::id::InvocationId;
use holiday_core::invocation::Header;
use holiday_core::time::Timestamp;
use http::Uri;
use http::uri::Scheme;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt as _, TraceId};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{
    Config as SdkConfig, IdGenerator as _, RandomIdGenerator, SamplingDecision, ShouldSample, SpanData,
    SpanEvents, SpanLinks,
};
use serde::{Deserialize, Serialize};

pub use context::{TRACEPARENT, TRACESTATE, TraceContext};
use export::Queue;
pub use export::{Export, SPANS_PER_REQUEST_MAX, SPANS_QUEUED_MAX};
pub use trace::{EntryTrace, InvocationTrace};

use crate::metrics::Metrics;

/// What is left to send when the host stops gets this long.
pub const FLUSH_GRACE: Duration = Duration::from_secs(3);

/// Bytes of a text in a span; the rest is cut off.
pub const SPAN_TEXT_BYTES_MAX: usize = 1_024;

/// What is added to the URL of a collector that has no path.
pub(crate) const TRACES_PATH: &str = "/v1/traces";

/// Which traces are recorded.
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Who wrote the spans, as they say.
const SCOPE: &str = "holiday-host";

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct TelemetryConfig {
    /// The URL that spans are posted to; `/v1/traces` is added where it has no path. Without it there are no spans.
    pub otlp_endpoint: Option<String>,
    /// How the host is called in traces.
    pub service_name: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig { otlp_endpoint: None, service_name: "holiday-host".to_owned() }
    }
}

/// Why spans cannot be sent as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    #[error("spans cannot be sent to '{endpoint}': {reason}; name a URL such as http://localhost:4318")]
    Endpoint { endpoint: String, reason: &'static str },
    #[error(
        "{variable} is '{protocol}', but this host sends spans with http/protobuf only; unset it, and name the \
         collector's port for OTLP over HTTP, which usually is 4318"
    )]
    Protocol { variable: &'static str, protocol: String },
    #[error("{variable} is '{value}', but should be {expected}; correct it, or unset it")]
    Sampler { variable: &'static str, value: String, expected: &'static str },
    #[error("spans cannot be sent: {0}; see the variables that begin with OTEL_EXPORTER_OTLP")]
    Exporter(String),
}

impl TelemetryError {
    pub fn code(&self) -> ErrorCode {
        ErrorCode::BadTelemetry
    }
}

/// Makes the tracer, and the task that sends what it is told; without an endpoint there is nothing to send.
pub fn start(
    config: &TelemetryConfig,
    metrics: &Metrics,
) -> Result<(Tracer, Option<Export>), TelemetryError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok((Tracer::default(), None)) };
    let variable = |name: &str| std::env::var(name).ok();
    check_protocol(variable)?;
    check_sampler(variable)?;
    let (queue, export) = export::queue(&url(endpoint)?, config.service_name.clone(), metrics)?;
    Ok((Tracer::new(queue), Some(export)))
}

/// Completes the URL of a collector, or says what is wrong with it.
fn url(endpoint: &str) -> Result<String, TelemetryError> {
    let wrong = |reason| TelemetryError::Endpoint { endpoint: endpoint.to_owned(), reason };
    let uri: Uri = endpoint.parse().map_err(|_| wrong("it is not a URL"))?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            return Err(wrong(
                "this host has no TLS for it; send spans to a collector nearby, which can have it",
            ));
        }
        Some(_) | None => return Err(wrong("it does not begin with http://")),
    }
    match uri.path() {
        "/" if uri.query().is_none() => Ok(format!("{}{TRACES_PATH}", endpoint.trim_end_matches('/'))),
        _ => Ok(endpoint.to_owned()),
    }
}

fn check_protocol(variable: impl Fn(&str) -> Option<String>) -> Result<(), TelemetryError> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match variable(name).filter(|value| !value.is_empty()) {
            Some(protocol) if protocol != "http/protobuf" => {
                return Err(TelemetryError::Protocol { variable: name, protocol });
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// Refuses what would otherwise be taken for a sampler that records everything.
fn check_sampler(variable: impl Fn(&str) -> Option<String>) -> Result<(), TelemetryError> {
    let said = |name: &str| variable(name).filter(|value| !value.is_empty());
    let wrong = |variable, value, expected| Err(TelemetryError::Sampler { variable, value, expected });
    let Some(sampler) = said(SAMPLER) else { return Ok(()) };
    match (sampler.strip_prefix("parentbased_").unwrap_or(&sampler), said(SAMPLER_ARG)) {
        ("always_on" | "always_off", _) | ("traceidratio", None) => Ok(()),
        ("traceidratio", Some(ratio)) => match ratio.parse::<f64>() {
            Ok(it) if (0.0..=1.0).contains(&it) => Ok(()),
            Ok(_) | Err(_) => {
                wrong(SAMPLER_ARG, ratio, "a number from 0 to 1, the share of traces that are recorded")
            }
        },
        _ => {
            let known = "always_on, always_off, traceidratio, or one of these after parentbased_";
            wrong(SAMPLER, sampler, known)
        }
    }
}

/// Where spans are told. Cheap to clone; does nothing unless there is a collector.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

struct Shared {
    queue: Queue,
    sampler: Box<dyn ShouldSample>,
    scope: InstrumentationScope,
}

impl Tracer {
    fn new(queue: Queue) -> Self {
        // The sampler of the standard variables: by default, what the caller says, and everything without one.
        let sampler = SdkConfig::default().sampler;
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        Tracer(Some(Arc::new(Shared { queue, sampler, scope })))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The span in which an invocation comes in with these headers; `None` if nobody is told of spans.
    pub fn entry(&self, invocation: &InvocationId, headers: &[Header]) -> Option<EntryTrace> {
        let shared = self.0.as_ref()?;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let outside = TraceContext::of_headers(headers);
        Some(EntryTrace::new(invocation, outside, |trace, parent| shared.samples(trace, parent)))
    }

    /// A span below the one that a request names, which leads to no invocation.
    pub fn request(&self, outside: Option<TraceContext>) -> Option<EntryTrace> {
        let shared = self.0.as_ref()?;
        let ids = RandomIdGenerator::default();
        let trace = outside.as_ref().map_or_else(|| ids.new_trace_id(), |it| it.trace);
        let is_sampled = shared.samples(trace, outside.as_ref());
        let parent = outside.as_ref().map(|it| it.span);
        let state = outside.map(|it| it.state).unwrap_or_default();
        let context = TraceContext { trace, span: ids.new_span_id(), is_sampled, state };
        Some(EntryTrace { context, parent })
    }

    /// Has a span sent, unless its trace is not sampled.
    pub fn emit(&self, span: Span) {
        let Some(shared) = self.0.as_ref().filter(|_| span.context.is_sampled) else { return };
        shared.queue.push(SpanData {
            span_context: span.context.to_span_context(false),
            parent_span_id: span.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: span.kind == SpanKind::Server && span.parent.is_some(),
            span_kind: span.kind,
            name: span.name,
            start_time: span.start,
            end_time: span.end.max(span.start),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.status,
            instrumentation_scope: shared.scope.clone(),
        });
    }
}

impl Shared {
    fn samples(&self, trace: TraceId, parent: Option<&TraceContext>) -> bool {
        let parent = parent.map(|it| Context::new().with_remote_span_context(it.to_span_context(true)));
        let result = self.sampler.should_sample(parent.as_ref(), trace, "", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_on()).finish()
    }
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    pub context: TraceContext,
    pub parent: Option<SpanId>,
    pub kind: SpanKind,
    pub name: Cow<'static, str>,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<KeyValue>,
    pub status: Status,
}

/// A text as an attribute, cut to a bound.
pub fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, cut(value).to_owned())
}

/// A failure as the status of a span, cut to a bound.
pub fn failed(error: &str) -> Status {
    Status::error(cut(error).to_owned())
}

/// The beginning of a text, as much of it as a span takes.
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(SPAN_TEXT_BYTES_MAX)]
}

/// A time of the log as spans have it.
pub fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.as_millis())
}

/// What spans are about: a handler, as [`chronicle::method_of`](crate::chronicle::method_of) names it.
pub fn method(name: &str) -> KeyValue {
    text("holiday.method", name)
}

/// What spans are about: an invocation, by its id.
pub fn invocation(id: &impl fmt::Display) -> KeyValue {
    text("holiday.invocation.id", &id.to_string())
}

#[cfg(test)]
impl Tracer {
    /// A tracer, and the spans it was told.
    pub(crate) fn recording() -> (Self, tokio::sync::mpsc::Receiver<SpanData>) {
        let (queue, spans) = export::recording();
        (Tracer::new(queue), spans)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use holiday_core::target::Target;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";

    fn check_url(endpoint: &str, expected: Expect) {
        let url = url(endpoint);
        expected.assert_eq(&url.unwrap_or_else(|error| error.to_string()));
    }

    #[test]
    fn urls_are_completed_or_refused() {
        check_url("http://localhost:4318", expect!["http://localhost:4318/v1/traces"]);
        check_url("http://localhost:4318/", expect!["http://localhost:4318/v1/traces"]);
        check_url("http://localhost:4318/spans", expect!["http://localhost:4318/spans"]);
        check_url(
            "https://c.example",
            expect![
                "spans cannot be sent to 'https://c.example': this host has no TLS for it; send spans to a collector nearby, which can have it; name a URL such as http://localhost:4318"
            ],
        );
        check_url(
            "localhost:4318",
            expect![
                "spans cannot be sent to 'localhost:4318': it does not begin with http://; name a URL such as http://localhost:4318"
            ],
        );
        check_url(
            "not a url",
            expect![
                "spans cannot be sent to 'not a url': it is not a URL; name a URL such as http://localhost:4318"
            ],
        );
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused() {
        let check = |name: &'static str, value: &'static str| {
            check_protocol(|it| (it == name).then(|| value.to_owned())).map_err(|error| error.code())
        };
        assert_eq!(check("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), Err(ErrorCode::BadTelemetry));
        assert_eq!(check("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"), Err(ErrorCode::BadTelemetry));
        assert_eq!(check("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), Ok(()));
        assert_eq!(check("OTEL_EXPORTER_OTLP_PROTOCOL", ""), Ok(()));
    }

    #[test]
    fn a_sampler_that_is_not_known_is_refused() {
        let check = |sampler: &str, ratio: Option<&str>| {
            let variable = |name: &str| match name {
                SAMPLER => Some(sampler.to_owned()),
                SAMPLER_ARG => ratio.map(str::to_owned),
                _ => None,
            };
            check_sampler(variable).map_err(|error| error.to_string())
        };
        for sampler in ["", "always_on", "parentbased_always_off", "traceidratio", "parentbased_traceidratio"]
        {
            for ratio in [None, Some(""), Some("0"), Some("0.25"), Some("1")] {
                assert_eq!(check(sampler, ratio), Ok(()), "{sampler} {ratio:?}");
            }
        }
        assert_eq!(check("always_on", Some("what it does not look at")), Ok(()));
        for ratio in ["1.1", "-0.1", "10%", "NaN", " 0.5"] {
            assert!(check("traceidratio", Some(ratio)).is_err(), "{ratio}");
        }
        let refused = [check("paretnbased_always_on", None), check("parentbased_traceidratio", Some("10%"))];
        expect![[r#"
            OTEL_TRACES_SAMPLER is 'paretnbased_always_on', but should be always_on, always_off, traceidratio, or one of these after parentbased_; correct it, or unset it
            OTEL_TRACES_SAMPLER_ARG is '10%', but should be a number from 0 to 1, the share of traces that are recorded; correct it, or unset it"#]]
        .assert_eq(&refused.map(|it| it.expect_err("it is refused")).join("\n"));
    }

    fn emitted(tracer: &Tracer, headers: &[Header]) -> EntryTrace {
        let id = InvocationId::new(&Target::service("s", "h"), [1; 16]);
        let entry = tracer.entry(&id, headers).expect("it is on");
        tracer.emit(Span {
            context: entry.context.clone(),
            parent: entry.parent,
            kind: SpanKind::Server,
            name: "a span".into(),
            start: UNIX_EPOCH + Duration::from_secs(2),
            end: UNIX_EPOCH + Duration::from_secs(1),
            attributes: Vec::new(),
            status: Status::Unset,
        });
        entry
    }

    fn traceparent(flags: &str) -> Vec<Header> {
        vec![(TRACEPARENT.to_owned(), format!("{PARENT}{flags}"))]
    }

    #[test]
    fn what_the_parent_samples_is_sent() {
        let (tracer, mut spans) = Tracer::recording();
        assert!(!emitted(&tracer, &traceparent("00")).context.is_sampled);
        assert!(spans.try_recv().is_err(), "its caller does not record it");

        let entry = emitted(&tracer, &traceparent("01"));
        let span = spans.try_recv().expect("its caller records it");
        assert_eq!(span.span_context.trace_id(), entry.context.trace);
        assert_eq!(span.span_context.span_id(), entry.context.span);
        assert_eq!(Some(span.parent_span_id), entry.parent);
        assert!(span.parent_span_is_remote);
        assert_eq!(span.end_time, span.start_time, "a clock that was set back does not make a span negative");

        emitted(&tracer, &[]);
        let span = spans.try_recv().expect("nobody says that it should not be");
        assert_eq!(span.parent_span_id, SpanId::INVALID);
    }

    #[test]
    fn without_a_collector_there_is_no_trace() {
        let tracer = Tracer::default();
        let id = InvocationId::new(&Target::service("s", "h"), [1; 16]);
        assert_eq!(tracer.entry(&id, &traceparent("01")), None);
        assert_eq!(tracer.request(None), None);
    }

    #[test]
    fn texts_are_cut_at_the_border_of_a_character() {
        let long = "é".repeat(SPAN_TEXT_BYTES_MAX);
        assert_eq!(cut(&long).len(), SPAN_TEXT_BYTES_MAX);
        assert_eq!(cut(&format!("a{long}")).len(), SPAN_TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
