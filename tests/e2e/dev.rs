//! `dev`: a change of the source is in service a moment later, and a mistake is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Setup, TestHost, workspace};

/// With the profile of the project's own guests, so that the crates built for them serve here too.
const MANIFEST: &str = r#"
[workspace]

[package]
name = "hello"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
holiday-sdk = { path = "SDK" }

[profile.guest]
inherits = "release"
debug = false
lto = true
opt-level = "s"
codegen-units = 1
strip = "debuginfo"
panic = "abort"
"#;

/// A guest of one handler that answers with `ANSWER`.
const SOURCE: &str = r#"
use holiday_sdk::{Context, Error};

holiday_sdk::export!(Hello);

struct Hello;

#[holiday_sdk::service]
impl Hello {
    async fn greet(_: Context) -> Result<String, Error> {
        Ok(ANSWER.into())
    }
}
"#;

fn write_source(folder: &Path, answer: &str) {
    std::fs::write(folder.join("src/lib.rs"), SOURCE.replace("ANSWER", answer)).expect("a source file");
}

/// A crate as a newcomer has it, with the versions of this workspace.
fn new_guest(folder: &Path) {
    let sdk: PathBuf = workspace().canonicalize().expect("it exists").join("guests/sdk");
    let manifest = MANIFEST.replace("SDK", sdk.to_str().expect("a path"));
    std::fs::create_dir(folder.join("src")).expect("a folder");
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
    write_source(folder, r#""one""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_swapped_in_and_a_mistake_is_not() {
    let folder = TempDir::new().expect("a temporary directory");
    new_guest(folder.path());
    let host = TestHost::start(Setup { dev: Some(folder.path().to_owned()), ..Setup::default() }).await;
    answers(&host, "one").await;

    write_source(folder.path(), r#""two""#);
    answers(&host, "two").await;

    write_source(folder.path(), "3");
    says(&host, "error[HH0043]: ").await;
    says(&host, "stays in service").await;
    answers(&host, "two").await;

    write_source(folder.path(), r#""four""#);
    answers(&host, "four").await;
}

/// Waits until the handler answers with this text.
async fn answers(host: &TestHost, text: &str) {
    while host.ingress().post_empty("/Hello/greet").await.ok() != json!(text) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the host has said this.
async fn says(host: &TestHost, text: &str) {
    while !host.log().contains(text) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
