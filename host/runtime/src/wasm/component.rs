//! The components of all deployments: kept on disk, compiled once, and ready to be instantiated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use holiday_core::deployment::Service;
use holiday_core::id::{DeploymentId, Digest};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tracing::{debug, warn};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::bindings::GuestPre;
use super::config::WasmConfig;
use super::engine::{self, EngineError};
use super::error::ComponentError;
use super::files::Files;
use super::sandbox::{self, Sandbox};
use super::{compile, discovery};
use crate::metrics;

/// The directory of the components, within the data directory.
const DIRECTORY: &str = "components";

/// A component that was found good, and is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub digest: Digest,
    pub services: Vec<Service>,
}

/// What is being done with a component that is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Translating it into machine code; the longest one.
    Compiling,
    /// Asking it for its services.
    Describing,
    /// Writing it down.
    Keeping,
}

/// A compiled component that can be instantiated.
pub struct Guest {
    pub(super) pre: GuestPre<Sandbox>,
}

/// Why the components cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Component(#[from] ComponentError),
}

impl OpenError {
    pub fn code(&self) -> holiday_core::error::ErrorCode {
        match self {
            OpenError::Engine(error) => error.code(),
            OpenError::Component(error) => error.code(),
        }
    }
}

pub struct Components {
    pub(super) config: WasmConfig,
    engine: Engine,
    linker: Linker<Sandbox>,
    files: Files,
    /// One permit per instance there may be.
    instances: Semaphore,
    loaded: Mutex<Loaded>,
    /// Held while one is loaded, so that it is compiled once however many attempts want it.
    loading: tokio::sync::Mutex<()>,
}

/// The right to one instance; dropping it gives it back.
pub(super) struct Instance<'a> {
    _permit: SemaphorePermit<'a>,
    in_use: &'a Gauge,
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        self.in_use.dec();
    }
}

#[derive(Default)]
struct Loaded {
    guests: BTreeMap<DeploymentId, (Arc<Guest>, u64)>,
    /// Counts uses, to tell which was used least recently.
    uses: u64,
}

impl Components {
    /// Opens the components kept in a data directory.
    pub fn open(data_dir: &Path, config: WasmConfig) -> Result<Self, OpenError> {
        let engine = engine::start(&config)?;
        let mut linker = Linker::new(&engine);
        sandbox::add_to_linker(&mut linker)
            .map_err(|error| ComponentError::Internal(format!("{error:#}")))?;
        let files = Files::open(data_dir.join(DIRECTORY), compile::fingerprint(&engine))?;
        Ok(Components {
            instances: Semaphore::new(config.instances_max as usize),
            config,
            engine,
            linker,
            files,
            loaded: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
        })
    }

    /// Bytes of a component; a larger one is refused.
    pub fn component_bytes_max(&self) -> usize {
        self.config.component_bytes_max
    }

    /// Checks a component, asks it for its services and keeps it; it is durable when this returns.
    ///
    /// A component that is refused leaves nothing behind.
    pub async fn prepare(
        self: &Arc<Self>,
        bytes: Bytes,
        name: Option<&str>,
        progress: impl Fn(Stage),
    ) -> Result<Prepared, ComponentError> {
        let (guest, prepared) = self.compile_and_describe(&bytes, name, &progress).await?;
        progress(Stage::Keeping);
        let (components, kept, digest) = (Arc::clone(self), Arc::clone(&guest), prepared.digest);
        blocking(move || {
            components.files.keep(&digest, &bytes)?;
            components.keep_code(&digest, kept.pre.instance_pre().component());
            Ok(())
        })
        .await?;
        self.hold(DeploymentId::of(&digest), guest);
        Ok(prepared)
    }

    /// Checks a component and asks it for its services, and keeps nothing.
    pub async fn examine(
        self: &Arc<Self>,
        bytes: Bytes,
        name: Option<&str>,
        progress: impl Fn(Stage),
    ) -> Result<Prepared, ComponentError> {
        let (_, prepared) = self.compile_and_describe(&bytes, name, &progress).await?;
        Ok(prepared)
    }

    async fn compile_and_describe(
        self: &Arc<Self>,
        bytes: &Bytes,
        name: Option<&str>,
        progress: &impl Fn(Stage),
    ) -> Result<(Arc<Guest>, Prepared), ComponentError> {
        compile::check_kind(bytes, self.config.component_bytes_max)?;
        let digest = Digest::of(bytes);
        let loaded = self.loaded().get(DeploymentId::of(&digest));
        let guest = match loaded {
            Some(guest) => guest,
            None => {
                progress(Stage::Compiling);
                let (components, bytes) = (Arc::clone(self), bytes.clone());
                blocking(move || components.read_or_compile(&digest, || Ok(bytes))).await?
            }
        };
        progress(Stage::Describing);
        let _instance = self.instance().await?;
        let services = discovery::describe(&guest.pre, &self.config, name).await?;
        Ok((guest, Prepared { digest, services }))
    }

    /// Finds the component of a deployment, in memory or on disk.
    pub async fn load(self: &Arc<Self>, deployment: DeploymentId) -> Result<Arc<Guest>, ComponentError> {
        if let Some(guest) = self.loaded().get(deployment) {
            return Ok(guest);
        }
        let _loading = self.loading.lock().await;
        if let Some(guest) = self.loaded().get(deployment) {
            return Ok(guest);
        }
        let components = Arc::clone(self);
        let guest = blocking(move || {
            let found = components.files.find(deployment)?;
            let guest = components
                .read_or_compile(&found.digest, || components.files.read(&found).map(Bytes::from))?;
            components.keep_code(&found.digest, guest.pre.instance_pre().component());
            Ok(guest)
        })
        .await?;
        self.hold(deployment, Arc::clone(&guest));
        Ok(guest)
    }

    /// Keeps the bytes of a component, if they are not kept already.
    pub async fn keep(self: &Arc<Self>, digest: Digest, bytes: Bytes) -> Result<(), ComponentError> {
        let components = Arc::clone(self);
        blocking(move || components.files.keep(&digest, &bytes)).await
    }

    /// Forgets a component that no invocation needs any more. One that runs keeps what it has.
    pub fn free(&self, deployment: DeploymentId) {
        self.forget(deployment);
        if let Err(error) = self.files.remove(deployment) {
            warn!(%deployment, %error, "a component that is not needed any more could not be removed");
        }
    }

    fn forget(&self, deployment: DeploymentId) {
        let mut loaded = self.loaded();
        loaded.guests.remove(&deployment);
        self.config.metrics.components_loaded.set(metrics::amount(loaded.guests.len()));
    }

    /// Forgets all components but these: a crash may have left some that were never, or are no longer, deployed.
    pub fn retain(&self, deployed: &BTreeSet<DeploymentId>) -> Result<(), ComponentError> {
        let kept = self.files.deployments()?;
        kept.difference(deployed).for_each(|stale| self.free(*stale));
        self.files.tidy()
    }

    #[cfg(test)]
    pub(super) fn is_loaded(&self, deployment: DeploymentId) -> bool {
        self.loaded().guests.contains_key(&deployment)
    }

    /// Waits until there may be one more instance.
    pub(super) async fn instance(&self) -> Result<Instance<'_>, ComponentError> {
        let permit = self.instances.acquire().await;
        let permit = permit.map_err(|error| ComponentError::Internal(error.to_string()))?;
        let in_use = &self.config.metrics.wasm_instances;
        in_use.inc();
        Ok(Instance { _permit: permit, in_use })
    }

    /// Takes the machine code that is kept, or makes it. Blocks for as long as that takes.
    fn read_or_compile(
        &self,
        digest: &Digest,
        bytes: impl FnOnce() -> Result<Bytes, ComponentError>,
    ) -> Result<Arc<Guest>, ComponentError> {
        let kept = self.files.read_code(digest).and_then(|code| compile::from_code(&self.engine, &code));
        let component = match kept {
            Some(component) => component,
            None => {
                let (bytes, since) = (bytes()?, Instant::now());
                let compiled = compile::compile(&self.engine, &bytes)?;
                self.config.metrics.component_compile_duration.observe(since.elapsed().as_secs_f64());
                compiled
            }
        };
        let pre = compile::link(&self.linker, &component)?;
        debug!(%digest, "component loaded");
        Ok(Arc::new(Guest { pre }))
    }

    /// Keeps machine code for the next start. Without it that start only takes longer.
    fn keep_code(&self, digest: &Digest, component: &Component) {
        if self.files.read_code(digest).is_some() {
            return;
        }
        let code = component.serialize().map_err(|error| ComponentError::Internal(format!("{error:#}")));
        if let Err(error) = code.and_then(|code| self.files.keep_code(digest, &code)) {
            warn!(%digest, %error, "the machine code of a component could not be kept");
        }
    }

    fn hold(&self, deployment: DeploymentId, guest: Arc<Guest>) {
        let mut loaded = self.loaded();
        loaded.insert(deployment, guest, self.config.components_loaded_max);
        self.config.metrics.components_loaded.set(metrics::amount(loaded.guests.len()));
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    fn get(&mut self, deployment: DeploymentId) -> Option<Arc<Guest>> {
        self.uses += 1;
        let (guest, used) = self.guests.get_mut(&deployment)?;
        *used = self.uses;
        Some(Arc::clone(guest))
    }

    fn insert(&mut self, deployment: DeploymentId, guest: Arc<Guest>, max: usize) {
        self.uses += 1;
        self.guests.insert(deployment, (guest, self.uses));
        if self.guests.len() > max {
            let oldest = self.guests.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.guests.remove(&oldest));
        }
    }
}

/// Does work that may block, off the threads that guests run on.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ComponentError> + Send + 'static,
) -> Result<T, ComponentError> {
    spawn_blocking(work).await.map_err(|error| ComponentError::Internal(error.to_string()))?
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guest")
    }
}
