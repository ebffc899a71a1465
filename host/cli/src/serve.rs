//! `serve`: a host in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Result;
use crate::hosting::{self, Hosting, StopSignals};

/// Run the host
///
/// Everything that was registered before is served again; the components named here are added. What was
/// under way when the host stopped goes on where it was. SIGTERM and SIGINT stop the host gracefully, a
/// second one at once.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Components to register before the host says that it is ready
    #[arg(value_name = "COMPONENT.wasm")]
    components: Vec<PathBuf>,

    #[command(flatten)]
    hosting: Hosting,
}

impl Serve {
    pub(crate) async fn execute(self) -> Result<()> {
        let mut signals = StopSignals::listen()?;
        let host = self.hosting.start().await?;
        let Some(host) = hosting::bring_up(host, &self.components, &mut signals).await? else {
            return Ok(());
        };
        tokio::select! {
            error = host.stopped() => return Err(error.into()),
            () = signals.next() => {}
        }
        hosting::stop(host, &mut signals).await;
        Ok(())
    }
}
