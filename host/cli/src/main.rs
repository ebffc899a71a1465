//! `holiday-host`: durable execution for WebAssembly components.

mod admin;
mod bench;
mod build;
mod call;
mod client;
mod completions;
mod config;
mod deployments;
mod dev;
mod explain;
mod failure;
mod guests;
#[cfg(test)]
mod help;
mod hosting;
mod invocations;
mod logging;
mod output;
mod pretty;
mod serve;
mod services;
mod state;
mod subscriptions;
mod try_it;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::failure::Result;

/// Durable execution for WebAssembly components
#[derive(Debug, Parser)]
#[command(name = "holiday-host", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Do what destroys without asking
    #[arg(short, long, global = true)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Dev(dev::Dev),
    Build(build::Build),
    Call(call::Call),
    #[command(visible_alias = "dp")]
    Deployments(deployments::Deployments),
    #[command(visible_alias = "svc")]
    Services(services::Services),
    #[command(visible_alias = "inv")]
    Invocations(invocations::Invocations),
    #[command(visible_alias = "kv")]
    State(state::State),
    #[command(visible_alias = "sub")]
    Subscriptions(subscriptions::Subscriptions),
    Config(config::Config),
    Bench(bench::Bench),
    Explain(explain::Explain),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(dispatch(cli));
    // A guest that is still compiling must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn dispatch(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(it) => it.execute().await,
        Command::Dev(it) => it.execute().await,
        Command::Build(it) => it.execute().await,
        Command::Call(it) => it.execute().await,
        Command::Deployments(it) => it.execute(cli.yes).await,
        Command::Services(it) => it.execute().await,
        Command::Invocations(it) => it.execute(cli.yes).await,
        Command::State(it) => it.execute(cli.yes).await,
        Command::Subscriptions(it) => it.execute(cli.yes).await,
        Command::Config(it) => it.execute(),
        Command::Bench(it) => it.execute().await,
        Command::Explain(it) => it.execute(),
        Command::Completions(it) => it.execute(),
    }
}
