//! What `serve` and `dev` share: a host in this process, the components it gets, and its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holiday_core::deployment::{Revision, ServiceKind};
use holiday_runtime::config::{Flag, Loaded, Sources};
use holiday_runtime::events;
use holiday_runtime::host::{Change, Host};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Result;
use crate::logging;
use crate::output;
use crate::try_it;

/// How long running attempts get to reach a point where they can be continued from.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How a host is set up: flags go before variables, and those before the configuration file.
///
/// `holiday-host config` shows what comes of them; `docs/configuration.md` lists what can be set.
#[derive(Clone, Debug, Args)]
pub(crate) struct Hosting {
    /// The configuration file; without this option `holiday.toml`, if it is there
    #[arg(long, value_name = "FILE", env = "HOLIDAY_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,

    /// Where the log, the state and the components are kept; `.holiday/data` unless configured
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,

    /// The address for callers; `127.0.0.1:8080` unless configured
    #[arg(long, value_name = "ADDR")]
    ingress: Option<String>,

    /// The address for operators, who may do everything; `127.0.0.1:9070` unless configured
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,

    /// A variable that all guests see as their configuration; can be given many times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    env: Vec<(String, String)>,

    /// A host that run steps may send HTTP requests to; can be given many times, in place of `allow-hosts`
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_host: Vec<String>,

    /// How log lines are written to standard error
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,

    /// Which log lines are written, such as `info` or `warn,holiday_runtime=debug`
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// Reads NAME=VALUE; the command line parser calls it.
pub(crate) fn parse_pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

impl Hosting {
    /// Starts logging and the host.
    pub(crate) async fn start(&self) -> Result<Host> {
        let loaded = self.load()?;
        logging::start(&loaded)?;
        Ok(Host::start(loaded.config).await?)
    }

    /// Reads all that is configured, and checks it.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let sources = Sources { file: self.config.clone(), flags: self.flags(), ..Sources::default() };
        let loaded = sources.with_environment()?.load()?;
        logging::filter(&loaded)?;
        loaded.check_clusters(events::check_each_setting)?;
        Ok(loaded)
    }

    fn flags(&self) -> Vec<Flag> {
        let texts = [
            ("--data-dir", ["data-dir"].as_slice(), &self.data_dir),
            ("--ingress", &["ingress", "bind-address"], &self.ingress),
            ("--admin", &["admin"], &self.admin),
            ("--log-format", &["log", "format"], &self.log_format),
            ("--log", &["log", "filter"], &self.log),
        ];
        let texts =
            texts.into_iter().filter_map(|(name, key, text)| Some(Flag::text(name, key, text.as_ref()?)));
        let env = self.env.iter().map(|(name, value)| Flag::text("--env", &["env", name], value));
        let hosts = (!self.allow_host.is_empty())
            .then(|| Flag::list("--allow-host", &["allow-hosts"], &self.allow_host));
        texts.chain(env).chain(hosts).collect()
    }
}

/// Compiles and registers components, and shows how that goes.
pub(crate) async fn register(host: &Host, components: &[PathBuf]) -> Result<()> {
    for path in components {
        let bar = progress_bar(path);
        let registered = host.register(path, |progress| bar.show(&progress.to_string())).await;
        bar.clear();
        let registered = registered?;
        let services: Vec<&str> =
            registered.deployment.services.iter().map(|service| service.name.as_str()).collect();
        let how = match registered.change {
            Change::New => "Registered",
            Change::Again => "Registered again",
            Change::None => "Unchanged",
        };
        eprintln!("{how} {} as {}: {}", path.display(), registered.deployment.id, services.join(", "));
    }
    Ok(())
}

/// Registers components and says what can be called; `None` if it was told to stop before.
pub(crate) async fn bring_up(
    host: Host,
    components: &[PathBuf],
    signals: &mut StopSignals,
) -> Result<Option<Host>> {
    let registered = tokio::select! {
        registered = register(&host, components) => Some(registered),
        () = signals.next() => None,
    };
    match registered {
        Some(Ok(())) => {
            print_welcome(&host);
            Ok(Some(host))
        }
        Some(Err(failure)) => {
            host.shutdown().await;
            Err(failure)
        }
        None => {
            stop(host, signals).await;
            Ok(None)
        }
    }
}

/// A spinner on a terminal, plain lines elsewhere.
struct Steps {
    bar: ProgressBar,
    name: String,
}

fn progress_bar(path: &Path) -> Steps {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |it| it.display().to_string());
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(100));
    Steps { bar, name }
}

impl Steps {
    fn show(&self, step: &str) {
        if self.bar.is_hidden() {
            eprintln!("{}: {step}", self.name);
        } else {
            self.bar.set_message(format!("{}: {step}", self.name));
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Prints what can be called now, and a command that does it.
fn print_welcome(host: &Host) {
    let catalog = host.catalog();
    let rows = catalog.revisions.values().map(service_row).collect();
    output::print_table(
        &["SERVICE", "KIND", "REVISION", "DEPLOYMENT", "HANDLERS"],
        rows,
        "There are no services yet; add some with `holiday-host deployments register COMPONENT.wasm`.",
    );
    for stranger in host.strangers() {
        eprintln!("Note: {stranger}");
    }
    output::print(&format!("\nIngress  http://{}", host.ingress_addr()));
    output::print(&format!("Admin    http://{}", host.admin_addr()));
    if let Some(command) = try_it::command(catalog.revisions.values(), host.ingress_addr()) {
        output::print(&format!("Try      {command}"));
    }
}

fn service_row(revision: &Revision) -> Vec<String> {
    let service = &revision.service;
    let handlers: Vec<&str> = service.handlers.iter().map(|handler| handler.name.as_str()).collect();
    vec![
        service.name.clone(),
        kind(service.kind).to_owned(),
        revision.number.to_string(),
        revision.deployment.to_string(),
        handlers.join(", "),
    ]
}

fn kind(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Service => "service",
        ServiceKind::Object => "object",
        ServiceKind::Workflow => "workflow",
    }
}

/// The signals that ask the process to stop.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(StopSignals { terminate, interrupt })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Stops the host: running attempts get a bounded time, a second signal stops at once.
pub(crate) async fn stop(host: Host, signals: &mut StopSignals) {
    eprintln!("Stopping; what is under way continues after the next start. Once more to stop at once.");
    if let Some(why) = left(host.shutdown(), signals.next(), STOP_GRACE).await {
        eprintln!("{why}");
    }
}

/// Waits until the host has stopped, or says why the process leaves before.
async fn left(
    stopped: impl Future<Output = ()>,
    again: impl Future<Output = ()>,
    grace: Duration,
) -> Option<String> {
    tokio::select! {
        stopped = tokio::time::timeout(grace, stopped) => {
            stopped.is_err().then(|| format!("Not everything has stopped in {grace:?}; leaving it."))
        }
        () = again => Some("Stopping at once.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use holiday_runtime::host::REQUEST_GRACE;

    use super::*;

    #[tokio::test]
    async fn the_process_leaves_what_does_not_stop() {
        assert!(STOP_GRACE > 2 * REQUEST_GRACE, "the host may take the time it has for requests");
        assert_eq!(left(ready(()), pending(), Duration::ZERO).await, None);
        let late = left(pending(), pending(), Duration::from_millis(1)).await;
        assert_eq!(late.as_deref(), Some("Not everything has stopped in 1ms; leaving it."));
        let hurried = left(pending(), ready(()), STOP_GRACE).await;
        assert_eq!(hurried.as_deref(), Some("Stopping at once."));
    }
}
