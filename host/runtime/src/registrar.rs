//! Takes components in, for the command line and for the admin door.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use holiday_core::deployment::{Deployment, UPLOAD, component_name};
use holiday_core::id::DeploymentId;
use tokio::sync::Mutex;

use crate::admin::{self, RegisterError, RegisterOptions, Source};
use crate::clock;
use crate::driver::{DriverError, Handle, HandleError};
use crate::host::HostError;
use crate::takeover;
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

/// A component that is registered now, or would be.
#[derive(Clone, Debug)]
pub struct Registered {
    /// As it is stored: one that was there before keeps its time, its origin and its notes.
    pub deployment: Deployment,
    pub change: Change,
}

/// What a registration changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The component was not there before.
    New,
    /// It was there, and becomes the latest revision of a service again.
    Again,
    /// It is the latest revision of all its services already.
    None,
}

/// How a component is to be registered.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Also if callers of its services lose what they rely on.
    pub force: bool,
    /// Notes of the operator.
    pub metadata: BTreeMap<String, String>,
}

/// Compiles, keeps and announces components.
#[derive(Clone, Debug)]
pub struct Registrar {
    components: Arc<Components>,
    handle: Handle,
    /// Held from comparing a component with the latest ones until it is one of them.
    deploying: Arc<Mutex<()>>,
}

impl Registrar {
    pub fn new(components: Arc<Components>, handle: Handle) -> Self {
        Registrar { components, handle, deploying: Arc::default() }
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Registers a component from a file.
    pub async fn register_file(
        &self,
        path: &Path,
        terms: Terms,
        progress: impl Fn(Progress),
    ) -> Result<Registered, HostError> {
        let bytes = read(path, self.components.component_bytes_max()).await?;
        let origin = path.display().to_string();
        self.register(bytes, origin, terms, progress).await.map_err(|error| of_file(error, path))
    }

    /// Registers a component. One that is the latest revision of all its services already changes nothing.
    pub async fn register(
        &self,
        bytes: Bytes,
        origin: String,
        terms: Terms,
        progress: impl Fn(Progress),
    ) -> Result<Registered, HostError> {
        let name = component_name(&origin, &terms.metadata);
        let prepared =
            self.components.prepare(bytes.clone(), name, |stage| progress(Progress(stage))).await?;
        let id = DeploymentId::of(&prepared.digest);
        let _turn = self.deploying.lock().await;
        let deployed = self.deploy(prepared, bytes, origin, terms).await;
        if deployed.is_err() {
            self.forget_unless_deployed(id).await;
        }
        deployed
    }

    async fn deploy(
        &self,
        prepared: Prepared,
        bytes: Bytes,
        origin: String,
        terms: Terms,
    ) -> Result<Registered, HostError> {
        let registered = self.registered(prepared, origin, terms).await?;
        if registered.change != Change::None {
            self.handle.deploy(registered.deployment.clone()).await?;
            // An earlier removal of the same component, or a refusal, may have freed it in between.
            self.components.keep(registered.deployment.digest, bytes).await?;
        }
        Ok(registered)
    }

    /// A component that was refused leaves nothing behind. If that cannot be found out, the next start does it.
    async fn forget_unless_deployed(&self, id: DeploymentId) {
        if let Ok(Ok(None)) = self.handle.query(move |state| state.deployment(&id)).await {
            self.components.free(id);
        }
    }

    /// Says what registering a component would do.
    async fn rehearse(&self, bytes: Bytes, origin: String, terms: Terms) -> Result<Registered, HostError> {
        let name = component_name(&origin, &terms.metadata);
        let prepared = self.components.examine(bytes, name, |_| {}).await?;
        let registered = self.registered(prepared, origin, terms).await?;
        self.handle.check_deployment(registered.deployment.clone()).await?;
        Ok(registered)
    }

    /// Finds what a component would change, and refuses what its callers would miss.
    async fn registered(&self, it: Prepared, origin: String, terms: Terms) -> Result<Registered, HostError> {
        let id = DeploymentId::of(&it.digest);
        let catalog = self.handle.catalog();
        if !terms.force {
            takeover::check(&it.services, &catalog)?;
        }
        let is_latest =
            |name: &str| catalog.revisions.get(name).is_some_and(|latest| latest.deployment == id);
        let is_latest_of_all = it.services.iter().all(|service| is_latest(&service.name));
        let known =
            self.handle.query(move |state| state.deployment(&id)).await?.map_err(DriverError::from)?;
        let change = match (&known, is_latest_of_all) {
            (None, _) => Change::New,
            (Some(_), false) => Change::Again,
            (Some(_), true) => Change::None,
        };
        let (digest, services, registered_at) = (it.digest, it.services, clock::now());
        let metadata = terms.metadata;
        let deployment =
            known.unwrap_or(Deployment { id, digest, origin, services, registered_at, metadata });
        Ok(Registered { deployment, change })
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
                Source::File(path) => {
                    let bytes = read(path, self.components.component_bytes_max()).await?;
                    (bytes, path.display().to_string())
                }
            };
            let terms = Terms { force: options.force, metadata: options.metadata };
            let registered = match options.dry_run {
                true => self.rehearse(bytes, origin, terms).await,
                false => Registrar::register(self, bytes, origin, terms, |_| {}).await,
            };
            let Registered { deployment, change } = registered.map_err(|error| match &source {
                Source::Bytes(_) => error,
                Source::File(path) => of_file(error, path),
            })?;
            Ok(admin::Registered { deployment, is_new: change == Change::New })
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
            HostError::Loss(_) => 409,
            HostError::Handle(HandleError::Refused(refusal)) => refusal.status(),
            HostError::Handle(HandleError::Stopped) => 503,
            HostError::DataDir(_)
            | HostError::SealKeys(_)
            | HostError::Components(_)
            | HostError::Address { .. }
            | HostError::AllowedHosts(_)
            | HostError::Config(_)
            | HostError::Telemetry(_)
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

/// Reads a component, if it is not too large.
async fn read(path: &Path, bytes_max: usize) -> Result<Bytes, HostError> {
    let file = path.to_owned();
    let read = move || -> io::Result<Result<Bytes, ComponentError>> {
        let found = std::fs::metadata(&file)?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let too_large = |bytes| Ok(Err(ComponentError::TooLarge { bytes, max: bytes_max }));
        if found.len() > bytes_max as u64 {
            return too_large(usize::try_from(found.len()).unwrap_or(usize::MAX));
        }
        // It may grow meanwhile.
        let mut bytes = Vec::new();
        File::open(&file)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        match bytes.len() <= bytes_max {
            true => Ok(Ok(bytes.into())),
            false => too_large(bytes.len()),
        }
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let read = read.map_err(|error| HostError::Unreadable { path: path.to_owned(), error })?;
    read.map_err(|error| HostError::Component { path: Some(path.to_owned()), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("trips.wasm");
        std::fs::write(&path, [0; 100]).expect("it is written");
        assert_eq!(read(&path, 100).await.expect("it just fits").len(), 100);
        let error = read(&path, 99).await.expect_err("it is larger");
        assert_eq!(error.code().as_str(), "HH0013");
        let message = error.to_string().replace(dir.path().to_str().expect("utf-8"), "<dir>");
        assert_eq!(
            message,
            "<dir>/trips.wasm: the component has 100 bytes, more than the 99 that are allowed"
        );
        assert_eq!(RegisterError::from(error).status, 413);
    }

    #[tokio::test]
    async fn only_files_are_read() {
        for path in ["/dev/zero", "/"] {
            let error = read(Path::new(path), 100).await.expect_err("it is none");
            assert!(error.to_string().contains("it is no file"), "{error}");
        }
    }
}
