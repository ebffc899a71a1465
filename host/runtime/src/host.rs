//! The composition root: the only file that names every adapter, and the one that spawns tasks.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holiday_core::error::ErrorCode;
use holiday_core::event::Configure;
use holiday_core::id::SubscriptionId;
use holiday_core::policy::{Layer, Policies};
use holiday_core::subscription::{ParkedRecord, Partition, Sink, Source, Verdict};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;

use crate::admin::{self, AdminPorts};
use crate::config::{Config, ConfigError, Limits};
use crate::door::{self, DoorConfig};
use crate::driver::{
    self, Catalog, DriverConfig, DriverError, Handle, HandleError, HostState, Rehearsal, Running,
};
use crate::events::{self, ClusterConfig, Events, EventsError, LiveSubscription, Resolved, SeekTo, Unfit};
use crate::ingress::{self, IngressConfig, Inputs};
use crate::metrics::Metrics;
use crate::registrar::Registrar;
use crate::registrar::Terms;
pub use crate::registrar::{Change, Progress, Registered};
use crate::seal::{self, Sealer};
use crate::secret::Secret;
use crate::store::{DataDir, OpenError};
use crate::takeover::Loss;
use crate::telemetry::{self, Export, FLUSH_GRACE, TelemetryError};
use crate::wasm::{
    self, AllowedHosts, ComponentError, Components, GuestConfig, MalformedHost, WasmConfig, WasmInvoker,
};

/// Requests that are being answered when the host stops get this long; then they are told to come again.
pub const REQUEST_GRACE: Duration = Duration::from_secs(3);

/// Why the host cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    DataDir(#[from] OpenError),
    #[error(transparent)]
    SealKeys(#[from] seal::OpenError),
    #[error(transparent)]
    Components(#[from] wasm::OpenError),
    #[error("{}{error}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Component { path: Option<PathBuf>, error: ComponentError },
    #[error("{path} cannot be read: {error}; check the path and its permissions")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "the {door} cannot listen on {address}: {error}; stop what uses it, or choose another address with --{door}"
    )]
    Address { door: &'static str, address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    AllowedHosts(#[from] MalformedHost),
    #[error(transparent)]
    Loss(#[from] Loss),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error(transparent)]
    Handle(#[from] HandleError),
}

impl HostError {
    pub fn code(&self) -> ErrorCode {
        match self {
            HostError::DataDir(error) => error.code(),
            HostError::SealKeys(error) => error.code(),
            HostError::Components(error) => error.code(),
            HostError::Component { error, .. } => error.code(),
            HostError::Unreadable { .. } => ErrorCode::FileUnreadable,
            HostError::Address { .. } => ErrorCode::AddressInUse,
            HostError::Config(error) => error.code(),
            HostError::AllowedHosts(error) => error.code(),
            HostError::Loss(_) => ErrorCode::HandlerLost,
            HostError::Telemetry(error) => error.code(),
            HostError::Driver(error) => {
                ErrorCode::of_message(&error.to_string()).unwrap_or(ErrorCode::Internal)
            }
            HostError::Handle(error) => error.code(),
        }
    }
}

/// What the host has done since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub durable_commits: u64,
    pub durable_records: u64,
    pub checkpoints: u64,
    /// Attempts that hold an instance now.
    pub running_attempts: u64,
}

/// A host that serves.
#[derive(Debug)]
pub struct Host {
    registrar: Registrar,
    events: Events,
    metrics: Metrics,
    ended: Mutex<Option<oneshot::Receiver<Result<(), DriverError>>>>,
    doors: Vec<JoinHandle<()>>,
    stopping: watch::Sender<bool>,
    export: Option<SpanExport>,
    ingress_addr: SocketAddr,
    admin_addr: SocketAddr,
    config: Config,
    // Dropped last: nobody else may open the directory before everything else has gone.
    _lock: crate::store::data_dir::DirLock,
}

impl Host {
    /// Opens the data directory, recovers what is in it, and opens both doors.
    pub async fn start(config: Config) -> Result<Host, HostError> {
        let metrics = Metrics::new(config.data_dir.clone());
        let seal_keys = config.seal_keys()?;
        let clusters = kafka_clusters(&config).await?;
        let wasm_config = wasm_config(&config, metrics.clone())?;
        let (tracer, export) = telemetry::start(&config.telemetry, &metrics)?;
        let (ingress_listener, ingress_addr) = bind("ingress", config.ingress.bind_address).await?;
        let (admin_listener, admin_addr) = bind("admin", config.admin).await?;
        let data_dir = config.data_dir.clone();
        let DataDir { log, state, lock } = blocking(move || DataDir::open(&data_dir)).await?;
        #[cfg(debug_assertions)]
        let log = crate::log::crashing::CrashingLog::new(log);
        let data_dir = config.data_dir.clone();
        let sealer = blocking(move || Sealer::open(&data_dir, seal_keys)).await?;
        let wasm_config = WasmConfig { sealer: sealer.clone(), ..wasm_config };
        let components = Arc::new(Components::open(&config.data_dir, wasm_config)?);
        let runtime = tokio::runtime::Handle::current();
        let invoker = Arc::new(WasmInvoker::new(Arc::clone(&components), tracer.clone(), runtime.clone()));
        let rehearsal: Arc<dyn Rehearsal> = Arc::<WasmInvoker>::clone(&invoker);
        let driver_config =
            DriverConfig::new(config.limits.instances as usize, metrics.clone(), tracer.clone());
        let Running { handle, ended } =
            blocking(move || driver::start(log, state, invoker, driver_config, runtime)).await?;
        if let Err(error) = settle(&handle, &components, config.policies.policies()).await {
            // Until the driver has ended, nobody else may open the directory.
            handle.shut_down();
            drop(ended.await);
            return Err(error);
        }
        let (stopping, stops) = watch::channel(false);
        let registrar = Registrar::new(components, handle.clone());
        let ingress_config = ingress_config(&config.limits);
        let (callers, inputs) =
            ingress::open(handle.clone(), ingress_config, sealer, metrics.clone(), tracer);
        let events = Events::start(handle.clone(), clusters, Arc::new(inputs), metrics.clone());
        let ports = AdminPorts {
            registrar: Arc::new(registrar.clone()),
            rehearsal,
            topics: Arc::new(events.clone()),
            component_bytes_max: config.limits.component.0,
            upload_timeout: admin::UPLOAD_TIMEOUT,
            page_rows_max: admin::PAGE_ROWS_MAX,
            version: env!("CARGO_PKG_VERSION"),
            ingress_url: url(ingress_addr),
            is_local: admin_addr.ip().is_loopback(),
            metrics: metrics.clone(),
        };
        let door = DoorConfig { connections_max: config.limits.connections, ..DoorConfig::default() };
        let doors = vec![
            open(ingress_listener, callers, door.clone(), stops.clone()),
            open(admin_listener, admin::router(handle, ports), door, stops),
        ];
        let ended = Mutex::new(Some(ended));
        let export = export.map(SpanExport::start);
        Ok(Host {
            registrar,
            events,
            metrics,
            ended,
            doors,
            stopping,
            export,
            ingress_addr,
            admin_addr,
            config,
            _lock: lock,
        })
    }

    pub fn ingress_addr(&self) -> SocketAddr {
        self.ingress_addr
    }

    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The services that can be invoked now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.registrar.handle().catalog()
    }

    /// Says which names in the configuration nothing goes by.
    pub fn strangers(&self) -> Vec<String> {
        self.config.strangers(&self.catalog())
    }

    /// Compiles a component, keeps it, and makes it the latest revision of its services, whatever they were before.
    pub async fn register(&self, path: &Path, progress: impl Fn(Progress)) -> Result<Registered, HostError> {
        let terms = Terms { force: true, ..Terms::default() };
        self.registrar.register_file(path, terms, progress).await
    }

    pub fn statistics(&self) -> Statistics {
        let metrics = &self.metrics;
        Statistics {
            durable_commits: metrics.log_commits.get(),
            durable_records: metrics.log_records.get(),
            checkpoints: metrics.checkpoints.get(),
            running_attempts: metrics.attempts_running.get().unsigned_abs(),
        }
    }

    /// Returns when the host has stopped by itself, which it does only if it cannot go on.
    pub async fn stopped(&self) -> HostError {
        let mut ended = self.ended.lock().await;
        let Some(receiver) = ended.as_mut() else { return HandleError::Stopped.into() };
        let end = receiver.await;
        *ended = None;
        match end {
            Ok(Ok(())) => HandleError::Stopped.into(),
            Ok(Err(error)) => error.into(),
            Err(_) => DriverError::Panicked.into(),
        }
    }

    /// Takes no new requests, answers those under way for a while, writes everything down and stops.
    ///
    /// What runs is dropped where it is, and goes on after the next start.
    pub async fn shutdown(self) {
        self.stopping.send_replace(true);
        self.events.stop();
        let mut doors = futures::future::join_all(self.doors);
        let has_answered_all = tokio::time::timeout(REQUEST_GRACE, &mut doors).await.is_ok();
        self.registrar.handle().shut_down();
        if let Some(ended) = self.ended.into_inner() {
            drop(ended.await);
        }
        if !has_answered_all {
            // Those that still waited have been told to come again by now.
            drop(tokio::time::timeout(REQUEST_GRACE, doors).await);
        }
        if let Some(export) = self.export {
            export.flush().await;
        }
    }
}

/// The task that sends spans.
#[derive(Debug)]
struct SpanExport {
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl SpanExport {
    fn start(export: Export) -> Self {
        let (stopping, stops) = watch::channel(false);
        SpanExport { stopping, task: tokio::spawn(export.run(stops)) }
    }

    /// Has what is left sent, unless that takes too long.
    async fn flush(mut self) {
        self.stopping.send_replace(true);
        if tokio::time::timeout(FLUSH_GRACE, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("not all spans were sent: the collector does not answer");
        }
    }
}

impl events::Inputs for Inputs {
    fn bytes_max(&self) -> usize {
        Inputs::bytes_max(self)
    }

    fn admit<'a>(
        &'a self,
        sink: &'a Sink,
        content_type: Option<&'a str>,
        value: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, Unfit>> + Send + 'a>> {
        Box::pin(async move {
            let admitted = Inputs::admit(self, &sink.service, &sink.handler, content_type, value).await;
            admitted.map_err(|refused| Unfit {
                failure: events::failure(refused.status, refused.code, &refused.message),
                is_secret: refused.is_secret,
            })
        })
    }
}

impl admin::Topics for Events {
    fn check_source(&self, source: &Source) -> Result<(), EventsError> {
        Events::check_source(self, source)
    }

    fn check_options<'a>(
        &'a self,
        source: &'a Source,
        client: BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Events::check_options(self, source, client).boxed()
    }

    fn live(&self, id: &SubscriptionId) -> Option<LiveSubscription> {
        Events::live(self, id)
    }

    fn resolve<'a>(
        &'a self,
        source: &'a Source,
        partitions: Vec<Partition>,
        to: SeekTo,
    ) -> BoxFuture<'a, Result<Vec<Resolved>, EventsError>> {
        Events::resolve(self, source, partitions, to).boxed()
    }

    fn verdict<'a>(&'a self, sink: &'a Sink, parked: &'a ParkedRecord) -> BoxFuture<'a, Verdict> {
        Events::verdict(self, sink, parked).boxed()
    }
}

/// Brings what the last start left in line with the state and the configuration, before anybody is let in.
async fn settle(handle: &Handle, components: &Components, policies: Policies) -> Result<(), HostError> {
    let deployed = handle.query(HostState::deployments).await?.map_err(DriverError::from)?;
    components
        .retain(&deployed.iter().map(|deployment| deployment.id).collect())
        .map_err(wasm::OpenError::from)?;
    put_policies_in_force(handle, policies).await
}

/// Makes the policies of the configuration those of its layer, if they are not already.
async fn put_policies_in_force(handle: &Handle, policies: Policies) -> Result<(), HostError> {
    let stored = handle.query(|state| state.policies(Layer::Config)).await?.map_err(DriverError::from)?;
    if stored == policies {
        return Ok(());
    }
    Ok(handle.configure(Configure { layer: Layer::Config, policies }).await?)
}

fn ingress_config(limits: &Limits) -> IngressConfig {
    IngressConfig {
        in_flight_requests_max: limits.in_flight_requests,
        in_flight_body_bytes_max: limits.in_flight_body.0,
        body_bytes_max: limits.body.0,
        body_timeout: limits.body_timeout.duration(),
        ..IngressConfig::default()
    }
}

/// Reads the secrets of the Kafka clusters, and refuses settings that the client library does not take.
async fn kafka_clusters(config: &Config) -> Result<Vec<ClusterConfig>, HostError> {
    let clusters = config.kafka_clusters()?;
    blocking(move || {
        for cluster in &clusters {
            events::check_settings(cluster).map_err(|reason| ConfigError::Invalid {
                origin: format!("Kafka cluster '{}'", cluster.name),
                wrong: reason,
            })?;
        }
        Ok(clusters)
    })
    .await
}

fn wasm_config(config: &Config, metrics: Metrics) -> Result<WasmConfig, HostError> {
    let Limits { instances, guest_memory, cpu, idle_keep, component, components_loaded, .. } = config.limits;
    let guest = guest_config(config.env(None)?, config.allow_hosts.iter())?;
    let mut components = BTreeMap::new();
    for (name, own) in &config.components {
        let hosts = config.allow_hosts.iter().chain(&own.allow_hosts);
        components.insert(name.clone(), guest_config(config.env(Some(name))?, hosts)?);
    }
    Ok(WasmConfig {
        instances_max: instances,
        memory_bytes_max: guest_memory.0,
        cpu_budget_ms: cpu.0,
        idle_keep_ms: idle_keep.0,
        component_bytes_max: component.0,
        components_loaded_max: components_loaded,
        guest,
        components,
        metrics,
        ..WasmConfig::default()
    })
}

fn guest_config<'a>(
    env: Vec<(String, Secret)>,
    hosts: impl Iterator<Item = &'a String>,
) -> Result<GuestConfig, HostError> {
    Ok(GuestConfig { env, allowed_hosts: AllowedHosts::parse(hosts)? })
}

/// Where those on this machine reach a door.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

async fn bind(door: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), HostError> {
    let failed = |error| HostError::Address { door, address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves a door until the host stops.
fn open(
    listener: TcpListener,
    router: Router,
    config: DoorConfig,
    stops: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(door::serve(listener, router, config, stops))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_collector_that_does_not_answer_is_left() {
        let began = Instant::now();
        let (stopping, _stops) = watch::channel(false);
        let (goes_on, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _goes_on = goes_on;
            std::future::pending().await
        });
        SpanExport { stopping, task }.flush().await;
        assert!(began.elapsed() >= FLUSH_GRACE);
        ended.await.expect_err("it was told nothing, and is gone");
    }
}
