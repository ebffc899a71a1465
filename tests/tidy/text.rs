//! Rules about every text file.

use crate::tree::{File, Finding, Tree};

/// Texts that name where or how the project was made instead of what it is. Each is spelt in parts, so that
/// this file does not find itself.
const FOREIGN: [(&str, &str); 10] = [
    (concat!("/wo", "rk/"), "a path of one machine; write it from the root of the project"),
    (concat!("/ro", "ot/"), "a path of one machine; write it from the root of the project"),
    (concat!("/ho", "me/"), "a path of one machine; write it from the root of the project"),
    (concat!("/tm", "p/t-"), "a path of one machine; write it from the root of the project"),
    (concat!("issue", " #"), "a reader has no tracker at hand; say what it is about"),
    (concat!("ses", "sion #"), "a reader was not there; say what it is about"),
    (concat!("ses", "sion 0"), "a reader was not there; say what it is about"),
    (concat!("ses", "sion 1"), "a reader was not there; say what it is about"),
    (concat!("index.crates", ".io"), "a registry is cargo's affair"),
    (concat!("static.crates", ".io"), "a registry is cargo's affair"),
];

pub(crate) fn files_speak_of_the_project_alone(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (at, line) in file.lines() {
            let lower = line.to_lowercase();
            for (foreign, advice) in FOREIGN.iter().filter(|(foreign, _)| lower.contains(foreign)) {
                findings.push(file.find(at, format!("'{foreign}' is {advice}")));
            }
        }
    }
    findings
}

pub(crate) fn lines_end_cleanly(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| !file.path.starts_with("wit/deps/")) {
        // Of Rust, rustfmt takes care; what it leaves stands in a string.
        let is_ours = !file.path.ends_with(".rs");
        for (at, _) in file.lines().filter(|(_, line)| is_ours && line.ends_with([' ', '\t', '\r'])) {
            findings.push(file.find(at, "remove the blank at the end of the line"));
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            findings.push(file.find(last_line(file), "end the last line with a newline"));
        }
    }
    findings
}

fn last_line(file: &File) -> usize {
    file.lines().last().map_or(1, |(line, _)| line)
}
