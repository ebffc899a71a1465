//! Guest crates: which packages under a folder become components, and what their sources are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use holiday_core::error::ErrorCode;
use serde::Deserialize;
use tokio::process::Command;

use crate::build::tool_missing;
use crate::failure::{Failure, Result};

/// The guests of one cargo workspace.
#[derive(Debug, PartialEq)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target_directory: PathBuf,
    pub(crate) profile: &'static str,
    pub(crate) guests: Vec<Guest>,
    /// Folders whose files the guests are made of.
    pub(crate) sources: BTreeSet<PathBuf>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Guest {
    pub(crate) package: String,
    /// The name of the `cdylib` target.
    pub(crate) target: String,
}

/// What `cargo metadata` says, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

/// Finds the guests under `dir`. There is at least one, or it is an error.
pub(crate) async fn find(dir: &Path) -> Result<Vec<Workspace>> {
    let dir = dir.canonicalize().map_err(|error| Failure::file("read", dir, &error))?;
    let mut workspaces: Vec<Workspace> = Vec::new();
    for manifest in manifests(&dir)? {
        let metadata = metadata(&manifest).await?;
        if workspaces.iter().any(|known| known.root == metadata.workspace_root) {
            continue;
        }
        let has_guest_profile = has_guest_profile(&metadata.workspace_root)?;
        workspaces.extend(workspace(metadata, &dir, has_guest_profile));
    }
    if workspaces.is_empty() {
        return Err(Failure::new(
            ErrorCode::BuildFailed,
            format!(
                "there is no guest crate in {}: a guest's Cargo.toml has `crate-type = [\"cdylib\"]` and \
                 depends on holiday-sdk",
                dir.display()
            ),
        ));
    }
    Ok(workspaces)
}

/// The manifest of `dir`, or those of the folders in it.
fn manifests(dir: &Path) -> Result<Vec<PathBuf>> {
    let own = dir.join("Cargo.toml");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file("read", dir, &error))?;
    let mut manifests: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("Cargo.toml")))
        .filter(|manifest| manifest.is_file())
        .collect();
    manifests.sort();
    Ok(manifests)
}

async fn metadata(manifest: &Path) -> Result<Metadata> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .await
        .map_err(|error| tool_missing("cargo", &error))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(
            ErrorCode::BuildFailed,
            format!("cargo cannot read {}: {}", manifest.display(), why.trim()),
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::new(ErrorCode::BuildFailed, format!("cannot understand `cargo metadata`: {error}"))
    })
}

fn has_guest_profile(root: &Path) -> Result<bool> {
    let manifest = root.join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).map_err(|error| Failure::file("read", &manifest, &error))?;
    let manifest: toml::Table = toml::from_str(&text).map_err(|error| {
        Failure::new(ErrorCode::BuildFailed, format!("cannot read {}: {error}", manifest.display()))
    })?;
    Ok(manifest.get("profile").is_some_and(|profiles| profiles.get("guest").is_some()))
}

/// Keeps the guests that lie under `dir`; `None` if there are none.
fn workspace(metadata: Metadata, dir: &Path, has_guest_profile: bool) -> Option<Workspace> {
    let guests: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| package.manifest_path.starts_with(dir) && package.guest().is_some())
        .collect();
    if guests.is_empty() {
        return None;
    }
    let mut sources = BTreeSet::new();
    for guest in &guests {
        add_sources(guest, &metadata.packages, &mut sources);
    }
    Some(Workspace {
        guests: guests.iter().filter_map(|package| package.guest()).collect(),
        profile: if has_guest_profile { "guest" } else { "release" },
        sources,
        root: metadata.workspace_root,
        target_directory: metadata.target_directory,
    })
}

impl Package {
    fn guest(&self) -> Option<Guest> {
        let target = self.targets.iter().find(|target| target.crate_types.iter().any(|it| it == "cdylib"))?;
        let uses_sdk = self.dependencies.iter().any(|dependency| dependency.name == "holiday-sdk");
        uses_sdk.then(|| Guest { package: self.name.clone(), target: target.name.clone() })
    }

    fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// Adds the folder of a package and those of the packages it depends on by path.
fn add_sources(package: &Package, packages: &[Package], sources: &mut BTreeSet<PathBuf>) {
    if !sources.insert(package.dir().to_owned()) {
        return;
    }
    for path in package.dependencies.iter().filter_map(|dependency| dependency.path.as_ref()) {
        match packages.iter().find(|other| other.dir() == path) {
            Some(dependency) => add_sources(dependency, packages, sources),
            None => drop(sources.insert(path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(dir: &str, expected: Expect) {
        let metadata = r#"{
            "packages": [
                {"name": "trips", "manifest_path": "/w/guests/trips/Cargo.toml",
                 "targets": [{"name": "my_trips", "crate_types": ["cdylib"]}],
                 "dependencies": [{"name": "holiday-sdk", "path": "/w/sdk"}, {"name": "serde", "path": null}]},
                {"name": "holiday-sdk", "manifest_path": "/w/sdk/Cargo.toml",
                 "targets": [{"name": "holiday_sdk", "crate_types": ["lib"]}],
                 "dependencies": [{"name": "macros", "path": "/w/sdk/macros"}]},
                {"name": "other", "manifest_path": "/w/other/Cargo.toml",
                 "targets": [{"name": "other", "crate_types": ["cdylib"]}], "dependencies": []}
            ],
            "workspace_root": "/w", "target_directory": "/w/target"
        }"#;
        let metadata = serde_json::from_str(metadata).expect("well-formed");
        let found = workspace(metadata, Path::new(dir), true);
        let text = found.map(|it| {
            format!("{} {:?} from {:?}", it.profile, it.guests, it.sources.iter().collect::<Vec<_>>())
        });
        expected.assert_eq(&text.unwrap_or_else(|| "nothing".to_owned()));
    }

    #[test]
    fn a_guest_is_a_cdylib_that_uses_the_sdk() {
        check(
            "/w",
            expect![[
                r#"guest [Guest { package: "trips", target: "my_trips" }] from ["/w/guests/trips", "/w/sdk", "/w/sdk/macros"]"#
            ]],
        );
        check(
            "/w/guests",
            expect![[
                r#"guest [Guest { package: "trips", target: "my_trips" }] from ["/w/guests/trips", "/w/sdk", "/w/sdk/macros"]"#
            ]],
        );
        check("/w/other", expect!["nothing"]);
    }
}
