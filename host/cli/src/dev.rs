//! `dev`: build, serve, and put each change of the sources into service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holiday_core::error::ErrorCode;
use holiday_runtime::host::Host;
use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::build::Build;
use crate::failure::{Failure, Result};
use crate::guests;
use crate::hosting::{self, Hosting, StopSignals};

/// An editor writes a file in several steps; a build starts when it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(200);

/// Build guests, serve them, and swap them when their sources change
///
/// New invocations go to the new component; those under way finish on the one they began on. A build that
/// fails leaves the old one in service.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    build: Build,

    #[command(flatten)]
    hosting: Hosting,
}

impl Dev {
    pub(crate) async fn execute(self) -> Result<()> {
        let mut signals = StopSignals::listen()?;
        let components = self.build.build().await?;
        let mut changes = Changes::watch(&self.sources().await?)?;
        let host = self.hosting.start().await?;
        let Some(host) = hosting::bring_up(host, &components, &mut signals).await? else { return Ok(()) };
        eprintln!("Watching the sources.");
        loop {
            tokio::select! {
                error = host.stopped() => return Err(error.into()),
                () = signals.next() => break,
                () = changes.next() => {}
            }
            tokio::select! {
                () = self.swap(&host) => {}
                () = signals.next() => break,
            }
        }
        hosting::stop(host, &mut signals).await;
        Ok(())
    }

    /// Builds again and registers what came out; what fails is said and changes nothing.
    async fn swap(&self, host: &Host) {
        eprintln!("The sources have changed: building.");
        let swapped = match self.build.build().await {
            Ok(components) => hosting::register(host, &components).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = swapped {
            eprintln!("{failure}\nThe component that was in service stays in service.");
        }
    }

    async fn sources(&self) -> Result<BTreeSet<PathBuf>> {
        let mut sources = BTreeSet::new();
        for dir in &self.build.dirs {
            for workspace in guests::find(dir).await? {
                sources.extend(workspace.sources);
            }
        }
        Ok(sources)
    }
}

/// Changes of source files, several in quick succession taken as one.
struct Changes {
    changed: mpsc::Receiver<()>,
    /// Dropping it ends the watch.
    _watcher: RecommendedWatcher,
}

impl Changes {
    fn watch(folders: &BTreeSet<PathBuf>) -> Result<Self> {
        // One that is waiting says as much as many.
        let (sender, changed) = mpsc::channel(1);
        let on_event = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if is_change(&event) => drop(sender.try_send(())),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "watching the sources failed"),
        };
        let mut watcher = notify::recommended_watcher(on_event).map_err(|error| watch_failed(&error))?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::Recursive).map_err(|error| watch_failed(&error))?;
        }
        Ok(Changes { changed, _watcher: watcher })
    }

    async fn next(&mut self) {
        if self.changed.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(QUIET, self.changed.recv()).await.is_ok_and(|event| event.is_some()) {}
    }
}

fn watch_failed(error: &notify::Error) -> Failure {
    Failure::new(ErrorCode::FileUnreadable, format!("cannot watch the sources: {error}"))
}

fn is_change(event: &notify::Event) -> bool {
    let is_write = match event.kind {
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
        EventKind::Access(_) | EventKind::Any | EventKind::Other => false,
    };
    is_write && event.paths.iter().any(|path| is_source(path))
}

/// What a build reads: not what it writes, and not what editors leave beside it.
fn is_source(path: &Path) -> bool {
    let is_output =
        path.components().any(|part| part.as_os_str() == "target" || part.as_os_str() == ".holiday");
    let extension = path.extension().and_then(|it| it.to_str());
    !is_output && extension.is_some_and(|it| matches!(it, "rs" | "toml" | "wit" | "json" | "md" | "txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_does_not_cause_another() {
        for source in ["/w/guests/trips/src/lib.rs", "/w/guests/trips/Cargo.toml", "/w/wit/holiday.wit"] {
            assert!(is_source(Path::new(source)), "{source}");
        }
        for other in ["/w/target/x/out.rs", "/w/guests/trips.wasm", "/w/src/.lib.rs.swp", "/w/Cargo.lock"] {
            assert!(!is_source(Path::new(other)), "{other}");
        }
    }
}
