//! The client of Restate for its ingress, as npm has it, works here unmodified.
//!
//! Needs `node` and `npm`. Where they are missing, or npm cannot fetch the client and nobody insists (`CI=true`), the
//! test says so and is skipped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Setup, TestHost, output, workspace};
use crate::skipping::{is_insisted, is_there, say_skipped};

/// What the script checks, in its order.
const CHECKS: [&str; 16] = [
    "a call",
    "a call without input and output",
    "a call to an object, whose key may be anything",
    "a call with headers",
    "a call by name",
    "a send",
    "a delayed send",
    "one idempotency key twice",
    "the result of a send",
    "a workflow from its submission to its output",
    "the output of a workflow that never was",
    "an awakeable that is resolved",
    "an awakeable that is rejected",
    "errors",
    "a failure of the handler is not retried",
    "a client that goes away",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_restate_works_unmodified() {
    let Some((folder, _lock)) = tokio::task::block_in_place(install) else { return };
    let host = TestHost::start(Setup::guests(&["probe"])).await;
    let mut node = Command::new("node");
    node.arg("restate.mjs").current_dir(folder);
    node.env("INGRESS", format!("http://{}", host.ingress_address()));
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        node.env_remove(name);
    }
    let ran = output(node).await;
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let results: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let failed: Vec<&Value> = results.iter().filter(|result| result["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{err}");
    let checks: Vec<&str> = results.iter().filter_map(|result| result["check"].as_str()).collect();
    assert_eq!(checks, CHECKS, "{err}");
}

/// Fetches the client as the lock file has it, and returns the folder to run the script in, which is the caller's for as
/// long as it has the lock.
fn install() -> Option<(PathBuf, File)> {
    if !is_there("node") || !is_there("npm") {
        say_skipped("node and npm are needed to run the client of Restate; install them and test again");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(&folder).expect("the target directory can be written");
    let lock = File::create(folder.join(".lock")).expect("the target directory can be written");
    lock.lock().expect("a file lock");
    for name in ["package.json", "package-lock.json", "restate.mjs"] {
        let source = workspace().join("tests/e2e/clients").join(name);
        std::fs::copy(source, folder.join(name)).expect("the target directory can be written");
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    let installed = npm.stdin(Stdio::null()).output().expect("npm starts");
    if installed.status.success() {
        return Some((folder, lock));
    }
    let why = String::from_utf8_lossy(&installed.stderr);
    assert!(!is_insisted(), "npm ci failed: {why}");
    say_skipped(&format!("npm could not fetch the client of Restate: {why}"));
    None
}
