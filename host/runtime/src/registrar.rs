//! Takes components in, for the command line and for the admin door.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use holiday_core::deployment::{Deployment, UPLOAD, component_name};
use holiday_core::id::DeploymentId;

use crate::admin::{self, RegisterError, RegisterOptions, Source};
use crate::clock;
use crate::driver::{Handle, HandleError};
use crate::host::HostError;
use crate::wasm::{ComponentError, Components, Prepared, Stage};

/// What happens while a component is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress(Stage);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Stage::Compiling => "compiling",
            Stage::Describing => "asking for its services",
            Stage::Keeping => "keeping it",
        })
    }
}

/// A component that is registered now.
#[derive(Clone, Debug)]
pub struct Registered {
    pub deployment: Deployment,
    /// Whether it became the latest revision of any of its services.
    pub is_new: bool,
}

/// Compiles, keeps and announces components.
#[derive(Clone, Debug)]
pub struct Registrar {
    components: Arc<Components>,
    handle: Handle,
}

impl Registrar {
    pub fn new(components: Arc<Components>, handle: Handle) -> Self {
        Registrar { components, handle }
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Registers a component from a file.
    pub async fn register_file(
        &self,
        path: &Path,
        metadata: BTreeMap<String, String>,
        progress: impl Fn(Progress),
    ) -> Result<Registered, HostError> {
        let bytes = self.read(path).await?;
        let origin = path.display().to_string();
        self.register(bytes, origin, metadata, progress).await.map_err(|error| of_file(error, path))
    }

    /// Registers a component. One that is the latest revision of all its services already changes nothing.
    pub async fn register(
        &self,
        bytes: Bytes,
        origin: String,
        metadata: BTreeMap<String, String>,
        progress: impl Fn(Progress),
    ) -> Result<Registered, HostError> {
        let name = component_name(&origin, &metadata);
        let prepared =
            self.components.prepare(bytes.clone(), name, |stage| progress(Progress(stage))).await?;
        let registered = self.registered(prepared, origin, metadata);
        if registered.is_new {
            self.handle.deploy(registered.deployment.clone()).await?;
            // An earlier removal of the same component may have freed it in between.
            self.components.keep(registered.deployment.digest, bytes).await?;
        }
        Ok(registered)
    }

    /// Says what registering a component would do.
    async fn rehearse(
        &self,
        bytes: Bytes,
        origin: String,
        metadata: BTreeMap<String, String>,
    ) -> Result<Registered, HostError> {
        let name = component_name(&origin, &metadata);
        let prepared = self.components.examine(bytes, name, |_| {}).await?;
        let registered = self.registered(prepared, origin, metadata);
        self.handle.check_deployment(registered.deployment.clone()).await?;
        Ok(registered)
    }

    fn registered(&self, it: Prepared, origin: String, metadata: BTreeMap<String, String>) -> Registered {
        let id = DeploymentId::of(&it.digest);
        let catalog = self.handle.catalog();
        let is_latest =
            |name: &str| catalog.revisions.get(name).is_some_and(|latest| latest.deployment == id);
        let is_new = !it.services.iter().all(|service| is_latest(&service.name));
        let (digest, services, registered_at) = (it.digest, it.services, clock::now());
        Registered {
            deployment: Deployment { id, digest, origin, services, registered_at, metadata },
            is_new,
        }
    }

    async fn read(&self, path: &Path) -> Result<Bytes, HostError> {
        let (file, max) = (path.to_owned(), self.components.component_bytes_max());
        let read = move || -> io::Result<Bytes> {
            let size = std::fs::metadata(&file)?.len();
            if size > max as u64 {
                let reason = format!("it has {size} bytes, more than the {max} that are allowed");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
            }
            std::fs::read(&file).map(Bytes::from)
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        read.map_err(|error| HostError::Unreadable { path: path.to_owned(), error })
    }
}

impl admin::Registrar for Registrar {
    fn register(
        &self,
        source: Source,
        options: RegisterOptions,
    ) -> BoxFuture<'_, Result<admin::Registered, RegisterError>> {
        async move {
            let (bytes, origin) = match &source {
                Source::Bytes(bytes) => (bytes.clone(), UPLOAD.to_owned()),
                Source::File(path) => (self.read(path).await?, path.display().to_string()),
            };
            let registered = match options.dry_run {
                true => self.rehearse(bytes, origin, options.metadata).await,
                false => Registrar::register(self, bytes, origin, options.metadata, |_| {}).await,
            };
            let Registered { deployment, is_new } = registered.map_err(|error| match &source {
                Source::Bytes(_) => error,
                Source::File(path) => of_file(error, path),
            })?;
            Ok(admin::Registered { deployment, is_new })
        }
        .boxed()
    }
}

impl From<ComponentError> for HostError {
    fn from(error: ComponentError) -> Self {
        HostError::Component { path: None, error }
    }
}

impl From<HostError> for RegisterError {
    fn from(error: HostError) -> Self {
        let status = match &error {
            HostError::Component { error: ComponentError::TooLarge { .. }, .. } => 413,
            HostError::Component {
                error: ComponentError::Storage { .. } | ComponentError::Internal(_),
                ..
            } => 500,
            HostError::Component { .. } | HostError::Unreadable { .. } => 400,
            HostError::Handle(HandleError::Refused(refusal)) => refusal.status(),
            HostError::Handle(HandleError::Stopped) => 503,
            HostError::DataDir(_)
            | HostError::Components(_)
            | HostError::Address { .. }
            | HostError::AllowedHosts(_)
            | HostError::Config(_)
            | HostError::Driver(_) => 500,
        };
        RegisterError { status, code: error.code(), message: error.to_string() }
    }
}

/// Says which file it was that could not be registered.
fn of_file(error: HostError, path: &Path) -> HostError {
    match error {
        HostError::Component { error, .. } => HostError::Component { path: Some(path.to_owned()), error },
        other => other,
    }
}
