//! An OpenTelemetry collector that keeps the spans it is sent, and the `traceparent` of every other request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// How long a test waits for spans; those of a host that works are there in a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A span as it arrived; ids are hexadecimal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// What sent it.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if it has none.
    pub(crate) parent: String,
    pub(crate) trace_state: String,
    pub(crate) duration: Duration,
    pub(crate) is_error: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

pub(crate) struct Collector {
    address: SocketAddr,
    seen: Arc<Seen>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    spans: Mutex<Vec<Span>>,
    traceparents: Mutex<Vec<String>>,
    /// What should not have come, for the test to fail with.
    wrong: Mutex<Vec<String>>,
}

impl Seen {
    fn complain(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Collector {
    pub(crate) async fn start() -> Collector {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&seen)));
        Collector { address, seen, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace, in the order of their arrival.
    #[track_caller]
    pub(crate) fn spans(&self, trace: &str) -> Vec<Span> {
        let wrong = self.seen.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(wrong.is_empty(), "{wrong:#?}");
        let spans = self.seen.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// The same, once these have arrived, by their names; one that stands there twice, twice.
    pub(crate) async fn spans_with(&self, trace: &str, names: &[&str]) -> Vec<Span> {
        let until = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans(trace);
            let are_there = |name: &&str| {
                let wanted = names.iter().filter(|it| *it == name).count();
                spans.iter().filter(|span| span.name == **name).count() >= wanted
            };
            if names.iter().all(are_there) {
                return spans;
            }
            assert!(Instant::now() < until, "{names:?} were to come, and there came {spans:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What requests for other paths than that for spans said in `traceparent`; empty if nothing.
    pub(crate) fn traceparents(&self) -> Vec<String> {
        self.seen.traceparents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        if !peer.ip().is_loopback() {
            seen.complain(format!("tests stay on this machine, and {peer} came"));
        }
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
        tokio::spawn(async move {
            // A host that was killed leaves its connections broken.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/v1/traces" {
        let parent = request.headers().get("traceparent").and_then(|it| it.to_str().ok());
        let mut traceparents = seen.traceparents.lock().unwrap_or_else(PoisonError::into_inner);
        traceparents.push(parent.unwrap_or_default().to_owned());
        return Ok(hyper::Response::new(Full::from("hello")));
    }
    let content_type = request.headers().get("content-type").cloned();
    if content_type.as_ref().is_none_or(|it| it != "application/x-protobuf") {
        seen.complain(format!("spans came as {content_type:?}"));
    }
    // A host that was killed leaves its request unfinished.
    if let Ok(body) = request.into_body().collect().await {
        match read(body.to_bytes()) {
            Ok(spans) => seen.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans),
            Err(wrong) => seen.complain(wrong),
        }
    }
    Ok(hyper::Response::new(Full::default()))
}

fn read(body: Bytes) -> Result<Vec<Span>, String> {
    let sent = ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string())?;
    let mut read = Vec::new();
    for sent in sent.resource_spans {
        let attributes = attributes(sent.resource.unwrap_or_default().attributes);
        let service = attributes.get("service.name").ok_or("spans do not say who sends them")?;
        let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        for span in spans {
            read.push(Span::read(service, span)?);
        }
    }
    Ok(read)
}

impl Span {
    fn read(service: &str, it: v1::Span) -> Result<Self, String> {
        let duration_ns = it.end_time_unix_nano.checked_sub(it.start_time_unix_nano);
        let duration_ns = duration_ns.ok_or_else(|| format!("it ends before it begins: {it:?}"))?;
        Ok(Span {
            service: service.to_owned(),
            name: it.name,
            trace: hex(&it.trace_id),
            id: hex(&it.span_id),
            parent: hex(&it.parent_span_id),
            trace_state: it.trace_state,
            duration: Duration::from_nanos(duration_ns),
            is_error: it.status.is_some_and(|status| status.code() == v1::status::StatusCode::Error),
            attributes: attributes(it.attributes),
        })
    }
}

fn attributes(sent: Vec<KeyValue>) -> BTreeMap<String, String> {
    sent.into_iter().map(|it| (it.key, it.value.map(show).unwrap_or_default())).collect()
}

fn show(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
