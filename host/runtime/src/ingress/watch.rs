//! What is noted of each request: how many there are, how long they take, how they end.

use std::time::Instant;

use axum::response::Response;

use super::error::Error;
use super::path::{Route, Wait};
use crate::metrics::Metrics;
use crate::metrics::label::{Asked, Door};

/// A request under way. One that is dropped before its answer was lost by its client.
#[derive(Debug)]
pub(super) struct Watch {
    metrics: Metrics,
    since: Instant,
    asked: Asked,
    status: Option<u16>,
}

impl Watch {
    pub(super) fn start(metrics: Metrics) -> Self {
        Watch { metrics, since: Instant::now(), asked: Asked::NOTHING, status: None }
    }

    /// Notes what the request asks for.
    pub(super) fn asks(&mut self, asked: Asked) {
        self.asked = asked;
    }

    pub(super) fn refused(&self, error: &Error) {
        self.metrics.request_refused(Door::Ingress, error.code());
    }

    pub(super) fn answered(mut self, response: &Response) {
        self.status = Some(response.status().as_u16());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.metrics.request_answered(Door::Ingress, self.status);
        self.metrics.ingress_took(self.asked, self.since.elapsed());
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
