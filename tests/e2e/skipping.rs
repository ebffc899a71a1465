//! What tests say that cannot run here.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Says it also where the test harness keeps what a test prints to itself.
pub(crate) fn say_skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error is there");
}

/// Whether somebody insists that all tests run.
pub(crate) fn is_insisted() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

pub(crate) fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
