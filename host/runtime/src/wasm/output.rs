//! A guest's standard output and error, as log lines of its invocation.
//!
//! What is printed in replay was printed by an earlier attempt and is not logged again. Lines of standard
//! error are remembered even then: the last of them explain a trap.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use holiday_core::id::AttemptId;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi_io::bytes::Bytes;

use super::limits;
use super::mirror::Mirror;
use crate::chronicle::{self, Subject};

/// Added to a line that was cut.
const CUT_MARK: &str = " … (cut)";

/// One of the two streams of one guest. Clones write to the same stream.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: &'static str,
    /// `None` while a component describes itself: what it prints then is nobody's.
    writer: Option<Writer>,
    mirror: Arc<Mirror>,
    lines: Mutex<Lines>,
}

/// Whose lines they are.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) attempt: AttemptId,
    /// `<service>/<handler>`.
    pub(super) method: Arc<str>,
}

#[derive(Debug, Default)]
struct Lines {
    /// The line that has not ended yet.
    partial: Vec<u8>,
    is_cut: bool,
    /// The latest lines; only of standard error.
    kept: VecDeque<String>,
}

impl Output {
    pub(super) fn stdout(writer: Option<Writer>, mirror: Arc<Mirror>) -> Self {
        Output::new("stdout", writer, mirror)
    }

    pub(super) fn stderr(writer: Option<Writer>, mirror: Arc<Mirror>) -> Self {
        Output::new("stderr", writer, mirror)
    }

    fn new(stream: &'static str, writer: Option<Writer>, mirror: Arc<Mirror>) -> Self {
        Output(Arc::new(Shared { stream, writer, mirror, lines: Mutex::default() }))
    }

    /// Logs every line that ends in `bytes` and keeps the rest.
    fn write(&self, bytes: &[u8]) {
        let mut lines = self.lines();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    lines.extend(end);
                    self.end_line(&mut lines);
                }
                None => lines.extend(piece),
            }
        }
    }

    /// Logs the last line, should it not have ended.
    pub(super) fn finish(&self) {
        let mut lines = self.lines();
        if !lines.partial.is_empty() {
            self.end_line(&mut lines);
        }
    }

    /// What the guest printed last: the message of a panic with the place it names, or else one line.
    pub(super) fn last_words(&self) -> Option<String> {
        let lines = self.lines();
        let said: Vec<&str> = lines
            .kept
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty() && !line.starts_with("note: "))
            .collect();
        match said.iter().rposition(|line| line.contains("panicked at")) {
            Some(panic) => Some(said[panic..].join(" ")),
            None => said.last().map(|line| (*line).to_owned()),
        }
    }

    fn end_line(&self, lines: &mut Lines) {
        let line = lines.take();
        if let Some(writer) = self.0.writer.as_ref().filter(|_| !self.0.mirror.is_replaying()) {
            let subject = Subject { method: &writer.method, invocation: writer.attempt.invocation };
            chronicle::printed(subject, writer.attempt.number, self.0.stream, &line);
        }
        if self.0.stream == "stderr" {
            lines.keep(line);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn extend(&mut self, bytes: &[u8]) {
        let room = limits::LINE_BYTES_MAX - self.partial.len();
        self.is_cut |= bytes.len() > room;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        let mut line = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_owned();
        if self.is_cut {
            line.push_str(CUT_MARK);
        }
        self.partial.clear();
        self.is_cut = false;
        line
    }

    fn keep(&mut self, line: String) {
        if self.kept.len() == limits::STDERR_LINES_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Output::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::LINE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        let output = Output::stderr(None, Arc::default());
        output.write(text.as_bytes());
        output.finish();
        output.last_words()
    }

    #[test]
    fn the_last_words_are_the_last_line() {
        assert_eq!(said(""), None);
        assert_eq!(said("one\ntwo"), Some("two".to_owned()));
        assert_eq!(said("one\n\n"), Some("one".to_owned()));
    }

    #[test]
    fn a_panic_is_told_with_its_place() {
        let text = "before\nthread '<unnamed>' panicked at src/lib.rs:7:5:\nboom\n\
                    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(said(text), Some("thread '<unnamed>' panicked at src/lib.rs:7:5: boom".to_owned()));
    }

    #[test]
    fn a_trap_is_explained_by_the_latest_lines() {
        let after_a_panic = |lines: usize| {
            said(&format!("panicked at src/lib.rs:7:5:\n{}", "more\n".repeat(lines))).expect("it was said")
        };
        assert!(after_a_panic(limits::STDERR_LINES_KEPT - 1).starts_with("panicked at"));
        assert_eq!(after_a_panic(limits::STDERR_LINES_KEPT), "more");
    }

    #[test]
    fn a_long_line_is_cut() {
        let whole = "x".repeat(limits::LINE_BYTES_MAX);
        assert_eq!(said(&whole), Some(whole));
        let line = said(&"x".repeat(limits::LINE_BYTES_MAX + 1)).expect("it was said");
        assert_eq!(line.len(), limits::LINE_BYTES_MAX + CUT_MARK.len());
        assert_eq!(
            said(&format!("{}\nshort", "x".repeat(limits::LINE_BYTES_MAX + 1))),
            Some("short".to_owned())
        );
    }
}
