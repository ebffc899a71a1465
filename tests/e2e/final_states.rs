//! What sagas end in, step by step, as docs/sagas.md has it: observed after crashes, and written by the tests.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::harness::workspace;

const PAGE: &str = "docs/sagas.md";

/// How a saga has ended in which one step failed, or none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FinalState {
    /// The step that fails, or what else makes this story another one.
    pub(crate) fails: String,
    /// The compensations in order.
    pub(crate) undone: Vec<String>,
    /// What the caller is told.
    pub(crate) answer: String,
    /// What is left in the world and in the state.
    pub(crate) left: String,
}

/// A saga's rows, each with how many places there were to crash.
pub(crate) struct Table {
    saga: &'static str,
    rows: Vec<(FinalState, usize)>,
}

impl Table {
    pub(crate) fn of(saga: &'static str) -> Table {
        Table { saga, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, (row, crashes): (FinalState, usize)) {
        self.rows.push((row, crashes));
    }

    /// Prints the table, and compares it with the page; `UPDATE_EXPECT=1` has it written there.
    pub(crate) fn check(&self) {
        let mut report =
            format!("{}: the final states, the same after a crash in place of every record\n", self.saga);
        for (row, crashes) in &self.rows {
            let undone = list(&row.undone);
            writeln!(report, "  {} -> {undone} -> {} ({crashes} crashes)", row.fails, row.left)
                .expect("a string");
        }
        // Also where the test harness keeps what a test prints to itself.
        std::io::stderr().write_all(report.as_bytes()).expect("standard error is there");
        let page = workspace().join(PAGE);
        let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("sagas.lock")).expect("a file");
        lock.lock().expect("a file lock");
        let text = std::fs::read_to_string(&page).unwrap_or_else(|why| panic!("{PAGE}: {why}"));
        let (before, rest) = cut(&text, &format!("<!-- {} -->\n", self.saga));
        let (found, after) = cut(rest, "<!-- end -->\n");
        let found = found.strip_suffix("<!-- end -->\n").expect("it was cut behind it");
        let observed = self.markdown();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let updated = format!("{before}{observed}<!-- end -->\n{after}");
            std::fs::write(&page, updated).expect("the page can be written");
        } else {
            assert_eq!(
                found, observed,
                "{PAGE} has another table for {}; UPDATE_EXPECT=1 writes it",
                self.saga
            );
        }
    }

    fn markdown(&self) -> String {
        let mut text =
            "\n| Fails | Compensations, in order | The caller is told | What is left |\n|---|---|---|---|\n"
                .to_owned();
        for (FinalState { fails, undone, answer, left }, _) in &self.rows {
            writeln!(text, "| {fails} | {} | {answer} | {left} |", list(undone)).expect("a string");
        }
        text.push('\n');
        text
    }
}

/// Cuts a text behind a mark.
fn cut<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    let at = text.find(mark).unwrap_or_else(|| panic!("{PAGE} has no '{}'", mark.trim_end()));
    text.split_at(at + mark.len())
}

fn list(undone: &[String]) -> String {
    if undone.is_empty() { "none".to_owned() } else { undone.join(", ") }
}
