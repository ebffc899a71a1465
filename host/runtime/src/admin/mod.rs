//! The door for operators: register deployments, see and steer invocations, look at state and mend it.
//!
//! What is read here, or changed, is durable when the answer comes. Every listing
//! goes to the driver in portions of at most [`QUERY_ROWS_MAX`] rows, so that operators who look do not
//! hold up those who call.

mod deployments;
mod error;
mod health;
mod invocation;
mod invocations;
mod journal;
mod listing;
mod model;
mod openapi;
mod origin;
mod request;
mod resume;
mod services;
mod state;
mod steer;
mod subscriptions;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, patch, post};
use bytes::Bytes;
use futures::future::BoxFuture;
use holiday_core::deployment::Deployment;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::SubscriptionId;
use holiday_core::state::StoreError;
use holiday_core::subscription::{self, ParkedRecord, Partition, Sink, Verdict};
use http::{Method, Uri};
use tokio::sync::{Mutex, Semaphore};

use crate::driver::{Handle, HostState, Rehearsal};
use crate::events::{EventsError, LiveSubscription, Resolved, SeekTo};
use crate::metrics::Metrics;
use crate::metrics::label::Door;
use crate::nearest::nearest;
use error::Error;
use subscriptions::{parked, settle};

/// Rows of the state that one query reads; the driver does nothing else meanwhile.
pub const QUERY_ROWS_MAX: usize = 500;

/// Invocations that one page of a listing has.
pub const PAGE_MAX: usize = 1_000;

/// Rows that are looked at for one page; a page that is not full by then ends all the same, with a cursor.
pub const PAGE_ROWS_MAX: usize = 100_000;

/// Journal entries that one page has.
pub const JOURNAL_PAGE_MAX: u32 = 1_000;

/// Bytes of a payload that are shown in a journal; of a larger one only the size is.
pub const PAYLOAD_SHOWN_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the options that one request sets; more are refused with 413.
pub const OPTIONS_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a state that an operator puts in place of another; more are refused with 413.
pub const STATE_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How often a state that has changed meanwhile is compared anew before an operator is told so.
pub const STATE_ROUNDS_MAX: u32 = 5;

/// Open commands of an invocation that are shown, and others that wait for it.
pub const OPEN_SHOWN_MAX: usize = 100;

/// Journals that are replayed on another component at the same time; more wait.
pub const REHEARSALS_MAX: usize = 2;

/// How often a journal that has grown meanwhile is replayed before an operator is told to try again.
pub const REHEARSAL_ROUNDS_MAX: u32 = 5;

/// Components that are taken in at the same time; more wait.
pub const UPLOADS_MAX: usize = 2;

/// How long a component may take to arrive; then it is refused with 408.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// Bytes of the notes of an operator that are kept with a deployment; more are refused with 413.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a request that creates or changes a subscription, or settles its parked records; more are refused with 413.
pub const SUBSCRIPTION_BODY_BYTES_MAX: usize = 128 * 1024;

/// Keys of a subscription that are paused or blocked, and shown; the description says if there are more.
pub const HELD_KEYS_SHOWN_MAX: usize = 100;

/// Bytes of parked records that one query reads; the driver does nothing else meanwhile.
pub const PARKED_QUERY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Parked records that one request retries or discards; the answer says where the next request goes on.
pub const PARKED_PER_REQUEST_MAX: usize = 1_000;

/// What the admin door needs of the rest of the host.
#[derive(Clone, Debug)]
pub struct AdminPorts {
    pub registrar: Arc<dyn Registrar>,
    pub rehearsal: Arc<dyn Rehearsal>,
    pub topics: Arc<dyn Topics>,
    /// Bytes of a component; a larger one is refused with 413.
    pub component_bytes_max: usize,
    /// How long a component may take to arrive.
    pub upload_timeout: Duration,
    /// Rows that are looked at for one page of a listing.
    pub page_rows_max: usize,
    /// The version of the host.
    pub version: &'static str,
    /// Where callers are served, for those who read what they can ask.
    pub ingress_url: String,
    pub metrics: Metrics,
    /// Whether the door is open to this machine only.
    pub is_local: bool,
}

/// Knows the configured clusters and the readers of topics.
pub trait Topics: fmt::Debug + Send + Sync + 'static {
    /// Refuses a source whose cluster is not configured.
    fn check_source(&self, source: &subscription::Source) -> Result<(), EventsError>;

    /// Refuses settings of a subscription that the client library does not take, with the reason.
    fn check_options<'a>(
        &'a self,
        source: &'a subscription::Source,
        client: BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Returns what the reader of a subscription knows now; `None` before it has begun.
    fn live(&self, id: &SubscriptionId) -> Option<LiveSubscription>;

    /// Asks the broker where a seek of these partitions goes.
    fn resolve<'a>(
        &'a self,
        source: &'a subscription::Source,
        partitions: Vec<Partition>,
        to: SeekTo,
    ) -> BoxFuture<'a, Result<Vec<Resolved>, EventsError>>;

    /// Holds the value of a parked record against the handler as it is now.
    fn verdict<'a>(&'a self, sink: &'a Sink, parked: &'a ParkedRecord) -> BoxFuture<'a, Verdict>;
}

/// Takes components in.
pub trait Registrar: fmt::Debug + Send + Sync + 'static {
    /// Compiles a component, keeps it, and makes it the latest revision of its services.
    fn register(
        &self,
        source: Source,
        options: RegisterOptions,
    ) -> BoxFuture<'_, Result<Registered, RegisterError>>;
}

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Bytes(Bytes),
    /// A file that the host can read.
    File(PathBuf),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterOptions {
    /// Take it although callers of its services lose handlers that they rely on.
    pub force: bool,
    /// Check it and say what would be registered, but change nothing.
    pub dry_run: bool,
    /// Notes of the operator, for a component that is new.
    pub metadata: BTreeMap<String, String>,
}

/// A component that is registered, or would be.
#[derive(Clone, Debug)]
pub struct Registered {
    pub deployment: Deployment,
    /// It was not there before.
    pub is_new: bool,
}

/// Why a component was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegisterError {
    /// An HTTP status.
    pub status: u16,
    pub code: ErrorCode,
    pub message: String,
}

/// Builds the router that serves operators.
pub fn router(handle: Handle, ports: AdminPorts) -> Router {
    let (metrics, is_local) = (ports.metrics.clone(), ports.is_local);
    let admin = Admin {
        handle,
        ports,
        uploads: Semaphore::new(UPLOADS_MAX),
        rehearsals: Semaphore::new(REHEARSALS_MAX),
        configuring: Mutex::default(),
    };
    Router::new()
        .route("/health", get(health::health))
        .route("/version", get(health::version))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::of_admin))
        .route("/deployments", get(deployments::list).post(deployments::register))
        .route("/deployments/{id}", get(deployments::describe).delete(deployments::remove))
        .route("/endpoints", get(deployments::list_endpoints).post(deployments::register))
        .route("/endpoints/{id}", get(deployments::describe_endpoint).delete(deployments::remove))
        .route("/services", get(services::list))
        .route("/services/openapi", get(openapi::of_services))
        .route("/services/{service}", get(services::describe).patch(services::configure))
        .route("/services/{service}/openapi", get(openapi::of_service))
        .route("/services/{service}/handlers", get(services::handlers))
        .route("/services/{service}/handlers/{handler}", get(services::handler))
        .route("/invocations", get(invocations::list))
        .route("/invocations/{id}", get(invocation::describe))
        .route("/invocations/{id}/journal", get(journal::read))
        .route("/invocations/{id}/{verb}", patch(steer::operate))
        .route("/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route(
            "/subscriptions/{id}",
            get(subscriptions::describe).patch(subscriptions::change).delete(subscriptions::remove),
        )
        .route("/subscriptions/{id}/parked", get(parked::list))
        .route("/subscriptions/{id}/parked/retry", post(settle::retry_some))
        .route("/subscriptions/{id}/parked/discard", post(settle::discard_some))
        .route("/subscriptions/{id}/parked/{number}", get(parked::describe))
        .route("/subscriptions/{id}/parked/{number}/retry", post(settle::retry))
        .route("/subscriptions/{id}/parked/{number}/discard", post(settle::discard))
        .route("/services/{service}/state", post(state::modify))
        .route("/state/{service}/{key}", get(state::read).put(state::write).delete(state::clear))
        .fallback(nothing)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(is_local, origin::check))
        .layer(middleware::from_fn_with_state(metrics, count))
        .with_state(Arc::new(admin))
}

type Shared = State<Arc<Admin>>;

/// What all requests share.
#[derive(Debug)]
struct Admin {
    handle: Handle,
    ports: AdminPorts,
    uploads: Semaphore,
    rehearsals: Semaphore,
    /// Held from reading the policies of operators until the changed ones are in force, so that none is lost.
    configuring: Mutex<()>,
}

impl Admin {
    /// Reads the state; `read` looks at no more than [`QUERY_ROWS_MAX`] rows or so.
    async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&HostState) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.handle.query(read).await??)
    }

    /// Says which service may be meant instead.
    fn unknown_service(&self, service: &str) -> Error {
        let catalog = self.handle.catalog();
        let nearest = nearest(catalog.revisions.keys().map(String::as_str), service).map(str::to_owned);
        Refusal::UnknownService { service: service.to_owned(), nearest }.into()
    }
}

/// Counts requests by how they end.
async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    metrics.request_answered(Door::Admin, Some(response.status().as_u16()));
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        metrics.request_refused(Door::Admin, *code);
    }
    response
}

async fn nothing(uri: Uri) -> Error {
    Error::not_found(ErrorCode::UnknownPath, format!("there is nothing at '{}'", uri.path()))
}

/// The router adds which methods are allowed.
async fn method_not_allowed(method: Method, uri: Uri) -> Error {
    let message = format!("{} does not take {method}", uri.path());
    Error::new(http::StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message)
}
