//! The door for callers: invoke handlers, wait for outcomes, complete awakeables, send signals.
//!
//! ```text
//! request ─path─▶ Route ─directory─▶ Destination ─input, envelope, schema, seal─▶ Invoke ─Handle─▶ driver
//! response ◀───────────────────────────answer, error───────────────────────────────────────────────┘
//! ```
//!
//! One function takes every path, because a key may hold any character and only the service tells which
//! segment is a key. Invariant: what was refused here has changed nothing.

mod answer;
mod attach;
mod awakeable;
mod budget;
mod call;
mod completion;
mod delay;
mod directory;
mod envelope;
mod error;
#[cfg(test)]
pub(crate) mod harness;
mod headers;
mod input;
mod path;
mod record;
mod schema;
mod signal;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use holiday_core::limits::PAYLOAD_BYTES_MAX;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;

use crate::driver::Handle;
use crate::metrics::Metrics;
use crate::seal::Sealer;
use crate::telemetry::Tracer;
use budget::Budget;
use directory::{Directories, Directory};
use error::Error;
use path::Route;
pub use record::{InputRefused, Inputs};
use watch::Watch;

/// Requests that are being served at the same time, those included that wait for an outcome; the next one
/// is refused with 503.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 10_000;

/// Bytes of bodies that are being read at the same time; the body that goes beyond is refused with 503.
pub const IN_FLIGHT_BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of a body beyond the limit that are read and thrown away, so that its sender gets the answer; of a larger one
/// the connection is closed.
pub const DISCARDED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long a body may take to arrive; then the request is refused with 408.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an input that is held against its schema at once, by the thread that has read it.
pub const CHECKED_AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// Steps that this may take; an input that needs more waits for its turn with the larger ones.
pub const CHECKED_AT_ONCE_STEPS_MAX: u64 = 500_000;

/// Larger inputs that are held against their schemas at the same time; more wait.
pub const LARGE_CHECKS_MAX: usize = 4;

/// When a client that was refused because of a bound may come again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-restate-id");
const ERROR_SOURCE: HeaderName = HeaderName::from_static("x-restate-error-source");
const IDEMPOTENCY_EXPIRES: HeaderName = HeaderName::from_static("idempotency-expires");

/// The bounds of one ingress; each default is the constant of that name.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    pub in_flight_requests_max: usize,
    pub in_flight_body_bytes_max: usize,
    pub body_bytes_max: usize,
    pub body_timeout: Duration,
    pub discarded_bytes_max: usize,
    pub checked_at_once_bytes_max: usize,
    pub checked_at_once_steps_max: u64,
    pub large_checks_max: usize,
}

impl Default for IngressConfig {
    fn default() -> Self {
        IngressConfig {
            in_flight_requests_max: IN_FLIGHT_REQUESTS_MAX,
            in_flight_body_bytes_max: IN_FLIGHT_BODY_BYTES_MAX,
            body_bytes_max: PAYLOAD_BYTES_MAX,
            body_timeout: BODY_TIMEOUT,
            discarded_bytes_max: DISCARDED_BYTES_MAX,
            checked_at_once_bytes_max: CHECKED_AT_ONCE_BYTES_MAX,
            checked_at_once_steps_max: CHECKED_AT_ONCE_STEPS_MAX,
            large_checks_max: LARGE_CHECKS_MAX,
        }
    }
}

/// Builds the router that serves callers.
pub fn router(
    handle: Handle,
    config: IngressConfig,
    sealer: Sealer,
    metrics: Metrics,
    tracer: Tracer,
) -> Router {
    open(handle, config, sealer, metrics, tracer).0
}

/// Builds the router that serves callers, and the checks of inputs for other sources of invocations.
pub fn open(
    handle: Handle,
    config: IngressConfig,
    sealer: Sealer,
    metrics: Metrics,
    tracer: Tracer,
) -> (Router, Inputs) {
    let ingress = Arc::new(Ingress {
        directories: Directories::new(handle.catalog()),
        requests: Budget::new(config.in_flight_requests_max, metrics.ingress_requests_in_flight.clone()),
        body_bytes: Budget::new(config.in_flight_body_bytes_max, metrics.ingress_body_in_flight.clone()),
        checks: Semaphore::new(config.large_checks_max),
        handle,
        config,
        sealer,
        metrics,
        tracer,
    });
    let inputs = Inputs::new(Arc::clone(&ingress));
    (Router::new().fallback(serve).with_state(ingress), inputs)
}

/// What all requests share.
#[derive(Debug)]
struct Ingress {
    handle: Handle,
    config: IngressConfig,
    directories: Directories,
    requests: Budget,
    body_bytes: Budget,
    /// Turns to check large inputs.
    checks: Semaphore,
    sealer: Sealer,
    metrics: Metrics,
    tracer: Tracer,
}

impl Ingress {
    fn directory(&self) -> Arc<Directory> {
        self.directories.of(self.handle.catalog())
    }
}

async fn serve(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    let mut watch = Watch::start(&ingress.metrics, &ingress.tracer, &request);
    let response = answer(&ingress, request, &mut watch).await.unwrap_or_else(|error| {
        watch.refused(&error);
        error.into_response()
    });
    watch.answered(&response);
    response
}

async fn answer(ingress: &Ingress, request: Request, watch: &mut Watch) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let route = path::parse(parts.uri.path())?;
    watch.asks(watch::asked(&route));
    if route == Route::Health {
        require(&parts, Method::GET, "GET")?;
        return health(ingress).await;
    }
    let Some(_share) = ingress.requests.take(1) else {
        let max = ingress.config.in_flight_requests_max;
        return Err(Error::overloaded(format!("the host serves {max} requests already; try again later")));
    };
    match route {
        Route::Invoke(address) => call::invoke(ingress, &address, &parts, body, watch).await,
        Route::Outcome(named, wait) => {
            require(&parts, Method::GET, "GET")?;
            attach::outcome(ingress, named, wait, &parts).await
        }
        Route::OutcomeOfBody(wait) => {
            require(&parts, Method::POST, "POST")?;
            attach::outcome_of_body(ingress, wait, &parts, body).await
        }
        Route::Lookup => {
            require(&parts, Method::POST, "POST")?;
            attach::lookup(ingress, body).await
        }
        Route::Awakeable { id, completion } => {
            require(&parts, Method::POST, "POST")?;
            awakeable::complete(ingress, &id, completion, &parts, body).await
        }
        Route::Signal { invocation, name, completion } => {
            require(&parts, Method::POST, "POST")?;
            signal::send(ingress, &invocation, name.into_owned(), completion, &parts, body).await
        }
        Route::Health => unreachable!("answered above"),
    }
}

fn require(parts: &Parts, method: Method, allow: &'static str) -> Result<(), Error> {
    match parts.method == method {
        true => Ok(()),
        false => Err(Error::method_not_allowed(
            allow,
            format!("{} takes {allow}, not {}", parts.uri.path(), parts.method),
        )),
    }
}

/// Ready means that the driver answers.
async fn health(ingress: &Ingress) -> Result<Response, Error> {
    ingress.handle.query(|_| ()).await?;
    Ok(answer::json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
}
