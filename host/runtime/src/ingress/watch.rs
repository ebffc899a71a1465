//! What is noted of each request: how many there are, how long they take, how they end; and their spans.

use std::time::{Instant, SystemTime};

use axum::extract::Request;
use axum::response::Response;
use holiday_core::event::Invoke;
use http::Method;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};

use super::INVOCATION_ID;
use super::error::Error;
use super::path::{Route, Wait};
use crate::chronicle;
use crate::clock;
use crate::metrics::Metrics;
use crate::metrics::label::{Asked, Door};
use crate::telemetry::{self, EntryTrace, Span, TraceContext, Tracer};

/// A request under way. One that is dropped before its answer was lost by its client.
#[derive(Debug)]
pub(super) struct Watch {
    metrics: Metrics,
    since: Instant,
    asked: Asked,
    status: Option<u16>,
    /// `None` if nobody is told of spans.
    span: Option<RequestSpan>,
}

#[derive(Debug)]
struct RequestSpan {
    tracer: Tracer,
    began_at: SystemTime,
    http_method: Method,
    /// The caller's span.
    outside: Option<TraceContext>,
    /// Where the invocation comes in that is asked for, and its `<service>/<handler>`.
    entry: Option<(EntryTrace, String)>,
    /// The invocation that was answered for.
    invocation: Option<String>,
}

impl Watch {
    pub(super) fn start(metrics: &Metrics, tracer: &Tracer, request: &Request) -> Self {
        let span = tracer.is_on().then(|| RequestSpan::begin(tracer, request));
        Watch { metrics: metrics.clone(), since: Instant::now(), asked: Asked::NOTHING, status: None, span }
    }

    /// Notes what the request asks for.
    pub(super) fn asks(&mut self, asked: Asked) {
        self.asked = asked;
    }

    /// Notes that the request brings in an invocation.
    pub(super) fn brings_in(&mut self, invoke: &Invoke) {
        if let Some(span) = &mut self.span {
            let method = chronicle::method_of(&invoke.target);
            span.entry = span.tracer.entry(&invoke.id, &invoke.headers).map(|entry| (entry, method));
        }
    }

    pub(super) fn refused(&self, error: &Error) {
        self.metrics.request_refused(Door::Ingress, error.code());
    }

    pub(super) fn answered(mut self, response: &Response) {
        self.status = Some(response.status().as_u16());
        if let Some(span) = &mut self.span {
            let id = response.headers().get(INVOCATION_ID).and_then(|id| id.to_str().ok());
            span.invocation = id.map(str::to_owned);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.metrics.request_answered(Door::Ingress, self.status);
        self.metrics.ingress_took(self.asked, self.since.elapsed());
        if let Some(span) = self.span.take().filter(|_| self.asked != Asked::HEALTH) {
            span.end(self.asked, self.status);
        }
    }
}

impl RequestSpan {
    fn begin(tracer: &Tracer, request: &Request) -> Self {
        let headers = request.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        RequestSpan {
            tracer: tracer.clone(),
            began_at: clock::system_time(),
            http_method: request.method().clone(),
            outside: TraceContext::of_headers(headers),
            entry: None,
            invocation: None,
        }
    }

    fn end(self, asked: Asked, status: Option<u16>) {
        let mut attributes = vec![telemetry::text("http.request.method", self.http_method.as_str())];
        attributes.extend(status.map(|it| KeyValue::new("http.response.status_code", i64::from(it))));
        attributes.extend(self.invocation.map(|id| telemetry::invocation(&id)));
        let (trace, name) = match self.entry {
            Some((entry, method)) => {
                attributes.push(telemetry::method(&method));
                (Some(entry), format!("{} {method}", asked.name()))
            }
            None => (self.tracer.request(self.outside), asked.name().to_owned()),
        };
        let Some(EntryTrace { context, parent }) = trace else { return };
        self.tracer.emit(Span {
            context,
            parent,
            kind: SpanKind::Server,
            name: name.into(),
            start: self.began_at,
            end: clock::system_time(),
            attributes,
            status: match status {
                Some(status @ 500..) => telemetry::failed(&status.to_string()),
                Some(_) | None => Status::Unset,
            },
        });
    }
}

/// What a path asks for; a call until it turns out to be one-way.
pub(super) fn asked(route: &Route<'_>) -> Asked {
    match route {
        Route::Invoke(_) => Asked::CALL,
        Route::Outcome(_, Wait::Attach) | Route::OutcomeOfBody(Wait::Attach) => Asked::ATTACH,
        Route::Outcome(_, Wait::Output) | Route::OutcomeOfBody(Wait::Output) => Asked::OUTPUT,
        Route::Lookup => Asked::LOOKUP,
        Route::Awakeable { .. } => Asked::AWAKEABLE,
        Route::Signal { .. } => Asked::SIGNAL,
        Route::Health => Asked::HEALTH,
    }
}
