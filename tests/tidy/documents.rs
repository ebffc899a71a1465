//! Rules about documents: what they say is true, and what they link to is there.

use std::path::{Component, Path, PathBuf};

use crate::tree::{File, Finding, Tree};

/// The heading under which the README has the command that passes all tests.
const TESTS_MARK: &str = "passes all tests";

pub(crate) fn keys_on_disk_are_unique_and_described(tree: &Tree) -> Vec<Finding> {
    let file = tree.file("host/core/src/state/key.rs");
    let families = families(file);
    assert!(families.len() > 5, "the families are read from the enum in {}", file.path);
    let mut findings = Vec::new();
    for (index, (at, name, number)) in families.iter().enumerate() {
        if families[..index].iter().any(|(_, _, other)| other == number) {
            findings.push(
                file.find(*at, format!("family {number} is taken; give {name} a number that was never used")),
            );
        }
        let row = format!("//! | {number} {} |", words(name));
        if !file.text.lines().any(|line| line.starts_with(&row)) {
            findings.push(
                file.find(*at, format!("add a row '{row} … | … |' to the table at the top of the file")),
            );
        }
    }
    let rows = file
        .text
        .lines()
        .filter(|line| line.starts_with("//! | ") && line.as_bytes().get(6).is_some_and(u8::is_ascii_digit));
    if rows.count() != families.len() {
        findings.push(
            file.find(
                1,
                "the table has a row that is no family; a retired number stays in the enum's comment",
            ),
        );
    }
    findings
}

/// The variants of `Family`: line, name and number.
fn families(file: &File) -> Vec<(usize, String, u32)> {
    let from_enum = file.lines().skip_while(|(_, line)| !line.contains("pub enum Family"));
    let variants = from_enum.skip(1).take_while(|(_, line)| *line != "}");
    variants
        .filter_map(|(at, line)| {
            let (name, number) = line.trim().trim_end_matches(',').split_once(" = ")?;
            Some((at, name.to_owned(), number.parse().ok()?))
        })
        .collect()
}

/// `ObjectState` as `object state`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

pub(crate) fn readme_and_ci_run_the_same_tests(tree: &Tree) -> Vec<Finding> {
    let (readme, ci) = (tree.file("README.md"), tree.file(".ci/run"));
    let command = readme
        .lines()
        .skip_while(|(_, line)| !line.contains(TESTS_MARK))
        .find_map(|(at, line)| line.trim().starts_with("cargo ").then(|| (at, line.trim())));
    let Some((at, command)) = command else {
        return vec![readme.find(1, format!("show the command that '{TESTS_MARK}' on a line of its own"))];
    };
    let is_run = ci.lines().any(|(_, line)| line.trim() == command);
    let message = format!("'{command}' is not a line of .ci/run; what a newcomer is told is what must pass");
    if is_run { Vec::new() } else { vec![readme.find(at, message)] }
}

pub(crate) fn the_changelog_has_this_version(tree: &Tree) -> Vec<Finding> {
    let changelog = tree.file("CHANGELOG.md");
    let version = concat!("## [", env!("CARGO_PKG_VERSION"), "]");
    let has = |heading: &str| changelog.text.lines().any(|line| line.starts_with(heading));
    match has(version) || has("## [Unreleased]") {
        true => Vec::new(),
        false => vec![changelog.find(1, format!("add a section '{version}' or '## [Unreleased]'"))],
    }
}

pub(crate) fn links_resolve(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path.ends_with(".md")) {
        for (at, target) in file.lines().flat_map(|(at, line)| targets(line).map(move |target| (at, target)))
        {
            let path = target.split('#').next().unwrap_or_default();
            let is_local = !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            if is_local && !tree.exists(&resolve(&file.path, path)) {
                findings
                    .push(file.find(at, format!("there is no '{path}'; correct the link or add the file")));
            }
        }
    }
    findings
}

/// What stands in the parentheses of `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// A link in `document` as a path from the root.
fn resolve(document: &str, link: &str) -> PathBuf {
    let mut path = Path::new(document).parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

pub(crate) fn decisions_say_context_choice_and_cost(tree: &Tree) -> Vec<Finding> {
    let decisions: Vec<&File> = tree.files().filter(|file| file.path.starts_with("docs/adr/")).collect();
    let mut findings = Vec::new();
    for (index, file) in decisions.iter().enumerate() {
        let name = file.path.trim_start_matches("docs/adr/");
        let number = format!("{:03}", index + 1);
        if !name.starts_with(&format!("{number}-")) || !file.text.starts_with(&format!("# {number}: ")) {
            findings.push(file.find(
                1,
                format!(
                    "decisions are numbered without gaps: this one is {number}, in its name and its title"
                ),
            ));
        }
        for section in ["## Context", "## Choice", "## Cost"] {
            if !file.text.lines().any(|line| line == section) {
                findings.push(
                    file.find(
                        1,
                        format!("add the section '{section}'; a decision without it cannot be judged"),
                    ),
                );
            }
        }
    }
    findings
}
