//! `build`: guest crates to components.
//!
//! A guest is a package with a `cdylib` target that depends on `holiday-sdk`. Cargo builds it, and what
//! cargo says is shown as it is.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use holiday_core::error::ErrorCode;
use tokio::process::Command;

use crate::failure::{Failure, Result};
use crate::guests::{self, Guest, Workspace};
use crate::output;

const TARGET: &str = "wasm32-wasip2";

/// Build guest crates to components
///
/// Finds the crates under each DIR that depend on holiday-sdk and have a cdylib target, compiles them for
/// wasm32-wasip2 (with the profile `guest` where the workspace has one, else `release`) and copies each
/// component to DIR/guests/NAME.wasm, or DIR/NAME.wasm where there is no folder `guests`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Build {
    /// Where to look for guest crates: a crate, a workspace, or a folder of crates
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dirs: Vec<PathBuf>,

    /// Put all components here instead
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
}

impl Build {
    pub(crate) async fn execute(self) -> Result<()> {
        for component in self.build().await? {
            output::print(&component.display().to_string());
        }
        Ok(())
    }

    /// Builds everything once and returns the components.
    pub(crate) async fn build(&self) -> Result<Vec<PathBuf>> {
        require_target().await?;
        let mut components = Vec::new();
        for dir in &self.dirs {
            for workspace in guests::find(dir).await? {
                build_workspace(&workspace).await?;
                let out_dir = self.out_dir.clone().unwrap_or_else(|| default_out_dir(dir));
                for guest in &workspace.guests {
                    components.push(copy(&built(&workspace, guest), &out_dir, guest)?);
                }
            }
        }
        Ok(components)
    }
}

fn default_out_dir(dir: &Path) -> PathBuf {
    let guests = dir.join("guests");
    if guests.is_dir() { guests } else { dir.to_owned() }
}

async fn build_workspace(workspace: &Workspace) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.arg("build").arg("--manifest-path").arg(workspace.root.join("Cargo.toml"));
    cargo.args(["--target", TARGET, "--profile", workspace.profile]);
    for guest in &workspace.guests {
        cargo.args(["--package", &guest.package]);
    }
    // Standard output is for the components' paths.
    let status = cargo.stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true).status().await;
    let status = status.map_err(|error| tool_missing("cargo", &error))?;
    if status.success() {
        return Ok(());
    }
    let names: Vec<&str> = workspace.guests.iter().map(|guest| guest.package.as_str()).collect();
    Err(Failure::new(
        ErrorCode::BuildFailed,
        format!("cargo could not build {} ({status}); its messages are above", names.join(", ")),
    ))
}

/// Where cargo leaves the component.
fn built(workspace: &Workspace, guest: &Guest) -> PathBuf {
    let file = format!("{}.wasm", guest.target.replace('-', "_"));
    workspace.target_directory.join(TARGET).join(workspace.profile).join(file)
}

/// Copies whole or not at all, so that a host that reads the file now gets the old or the new one.
fn copy(from: &Path, out_dir: &Path, guest: &Guest) -> Result<PathBuf> {
    let to = out_dir.join(format!("{}.wasm", guest.package));
    let partial = out_dir.join(format!(".{}.wasm.partial", guest.package));
    std::fs::create_dir_all(out_dir).map_err(|error| Failure::file("create", out_dir, &error))?;
    std::fs::copy(from, &partial).map_err(|error| Failure::file("copy", from, &error))?;
    std::fs::rename(&partial, &to).map_err(|error| Failure::file("write", &to, &error))?;
    Ok(to)
}

/// Makes sure that rustc can compile for the target of components.
async fn require_target() -> Result<()> {
    let libdir = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().await;
    let libdir = libdir.map_err(|error| tool_missing("rustc", &error))?;
    if libdir.status.success() && Path::new(String::from_utf8_lossy(&libdir.stdout).trim()).is_dir() {
        return Ok(());
    }
    eprintln!("The target {TARGET} is not installed: adding it with rustup.");
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdout(std::io::stderr())
        .status()
        .await
        .map_err(|error| {
            Failure::new(
                ErrorCode::ToolMissing,
                format!(
                    "rustc has no target {TARGET}, and rustup, which could add it, cannot be started \
                     ({error}); install rustup from https://rustup.rs or the target from your distribution"
                ),
            )
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::ToolMissing,
        format!("`rustup target add {TARGET}` failed ({status}); its messages are above"),
    ))
}

pub(crate) fn tool_missing(tool: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        ErrorCode::ToolMissing,
        format!("{tool} cannot be started ({error}); install Rust from https://rustup.rs"),
    )
}
