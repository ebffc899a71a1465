//! Rules about Rust sources: what may use what, and how a file is written.

use crate::tree::{File, Finding, Tree};

/// Everything that is built from this workspace.
const ALL: &[&str] = &["host/", "guests/", "tests/"];

const LINES_MAX: usize = 700;

/// What the pure core must not depend on.
const RUNTIMES: [&str; 14] = [
    "tokio",
    "async-std",
    "futures",
    "wasmtime",
    "axum",
    "hyper",
    "reqwest",
    "redb",
    "getrandom",
    "rand",
    "chrono",
    "jiff",
    "tracing",
    "holiday-runtime",
];

/// What the pure core must not mention, and what to do instead. Clippy bans the same by type; this also finds
/// what hides behind an alias or a macro.
const IMPURE: [(&str, &str); 12] = [
    ("SystemTime", "take `Record::at`"),
    ("Instant", "take `Record::at`"),
    ("HashMap", "use BTreeMap: its order is the same in every run"),
    ("HashSet", "use BTreeSet: its order is the same in every run"),
    ("std::thread", "return an `Effect`"),
    ("std::fs", "the storage port is `Kv`"),
    ("std::net", "return an `Effect`"),
    ("std::env", "take an argument"),
    ("std::process", "return an `Effect`"),
    ("async fn", "return an `Effect`; async begins at the driver's `Handle`"),
    (".await", "return an `Effect`; async begins at the driver's `Handle`"),
    ("unsafe", "the core needs none"),
];

/// Packages of the host, each of which may use only those after it.
const LAYERS: [(&str, &str); 3] =
    [("host/cli/", "holiday_cli"), ("host/runtime/", "holiday_runtime"), ("host/core/", "holiday_core")];

/// Adapters, which meet only in `host.rs`.
const ADAPTERS: [&str; 5] = ["wasm", "ingress", "admin", "log", "store"];

/// What may be used across adapters: the state store opens the log that lies beside it.
const ALLOWED_ARROWS: [(&str, &str); 1] = [("store", "log")];

pub(crate) fn the_core_names_no_runtime(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.file("host/core/Cargo.toml");
    let name = |line: &str| line.split(['.', '=', ' ']).next().unwrap_or_default().to_owned();
    let names_one = |line: &str| RUNTIMES.contains(&name(line).as_str());
    let found = manifest.lines().filter(|(_, line)| names_one(line));
    found
        .map(|(at, line)| {
            manifest.find(at, format!("the core is pure; remove '{}' and pass in what it gave", name(line)))
        })
        .collect()
}

pub(crate) fn the_core_mentions_nothing_impure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust(&["host/core/src/"]) {
        for (at, line) in file.code() {
            for (word, advice) in IMPURE.iter().filter(|(word, _)| has_word(line, word)) {
                findings.push(file.find(at, format!("the core is pure and has no '{word}'; {advice}")));
            }
        }
    }
    findings
}

pub(crate) fn packages_use_only_what_is_to_their_right(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (layer, (folder, _)) in LAYERS.iter().enumerate() {
        for file in tree.rust(&[folder]) {
            for (at, line) in file.code() {
                for (_, left) in LAYERS[..layer].iter().filter(|(_, left)| has_word(line, left)) {
                    let message =
                        format!("{folder} may not use {left}: packages use only what is to their right");
                    findings.push(file.find(at, message));
                }
            }
        }
    }
    findings
}

pub(crate) fn adapters_do_not_know_each_other(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for adapter in ADAPTERS {
        for file in tree.rust(&[&format!("host/runtime/src/{adapter}/")]) {
            for (at, line) in file.code() {
                for other in ADAPTERS.iter().filter(|other| **other != adapter) {
                    let is_used = line.contains(&format!("crate::{other}::"))
                        && !ALLOWED_ARROWS.contains(&(adapter, other));
                    if is_used {
                        let message = format!(
                            "{adapter} uses {other}; adapters meet in host.rs, go through the driver's `Handle`"
                        );
                        findings.push(file.find(at, message));
                    }
                }
            }
        }
    }
    findings
}

pub(crate) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let long = |file: &&File| file.text.lines().count() > LINES_MAX;
    let message = |file: &File| {
        format!(
            "{} lines are more than {LINES_MAX}; split it where a heading would help",
            file.text.lines().count()
        )
    };
    tree.rust(ALL).filter(long).map(|file| file.find(LINES_MAX + 1, message(file))).collect()
}

pub(crate) fn files_say_what_they_are(tree: &Tree) -> Vec<Finding> {
    let is_silent = |file: &&File| !file.text.starts_with("//! ");
    tree.rust(ALL)
        .filter(is_silent)
        .map(|file| file.find(1, "begin the file with `//! ` and one sentence that says what this is"))
        .collect()
}

pub(crate) fn nothing_is_left_undone(tree: &Tree) -> Vec<Finding> {
    // Spelt in two parts, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!("),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
    ];
    let mut findings = Vec::new();
    for file in tree.rust(ALL) {
        for (at, line) in file.lines() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                findings.push(
                    file.find(
                        at,
                        format!("'{word}' does not stay in the tree; do it, or write down a limit"),
                    ),
                );
            }
        }
    }
    findings
}

pub(crate) fn hosts_do_not_unwrap(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust(&["host/core/src/", "host/runtime/src/", "host/cli/src/"]) {
        for (at, line) in file.code().filter(|(_, line)| line.contains(".unwrap()")) {
            let advice = "say why it holds with expect(\"…\"), or return an error";
            findings.push(file.find(at, format!("{advice}: {}", line.trim())));
        }
    }
    findings
}

/// Whether `word` stands in `line` by itself, not as part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts_in_name = word.starts_with(is_name) && before.is_some_and(is_name);
        let ends_in_name = word.ends_with(is_name) && after.is_some_and(is_name);
        !starts_in_name && !ends_in_name
    })
}
