//! `docs/originals.md` compares the examples with what they reproduce. Its last column is ours, and is counted here, in the
//! way in which the originals were counted.
//!
//! A file counts when somebody has to write it: no pages, no tests, no lock files. A line counts when it is neither empty
//! nor a comment.

use std::fmt::Write as _;

use crate::tree::{File, Finding, Tree};

const PAGE: &str = "docs/originals.md";

/// The name in the mark of a table, and the folders that are counted for it.
type System = (&'static str, &'static [&'static str]);

const SYSTEMS: [System; 9] = [
    (
        "holiday",
        &[
            "guests/trips/",
            "guests/flights/",
            "guests/cars/",
            "guests/payments/",
            "guests/holiday-api/",
            "examples/holiday/",
        ],
    ),
    ("provisioning", &["guests/provisioning/", "examples/provisioning/"]),
    ("booking", &["guests/booking/", "examples/booking/"]),
    ("user-feed", &["guests/user-feed/", "examples/user-feed/", "examples/kafka/holiday.toml"]),
    (
        "package-tracker",
        &["guests/package-tracker/", "examples/package-tracker/", "examples/kafka/holiday.toml"],
    ),
    ("durable-promise", &["guests/durable-promise/", "examples/durable-promise/"]),
    ("fare-collection", &["guests/fare-collection/", "examples/fare-collection/"]),
    ("effects", &["guests/effects/"]),
    ("aws", &["guests/aws/"]),
];

/// Examples that are still to be written.
const TO_COME: &[&str] = &[];

/// What stands in our column for them.
const NOTHING_YET: &str = "–";

const END: &str = "<!-- end -->";

/// What begins the table of what the originals do wrong.
const DEFECTS: &str = "defects";

/// What belongs to a system.
#[derive(Default)]
struct Count {
    is_to_come: bool,
    services: usize,
    handlers: usize,
    components: usize,
    files: usize,
    code: usize,
    infrastructure: usize,
    configuration: usize,
}

enum Kind {
    Code,
    Infrastructure,
    Configuration,
}

pub(crate) fn our_numbers_are_true(tree: &Tree) -> Vec<Finding> {
    let page = tree.file(PAGE);
    let mut findings: Vec<Finding> = SYSTEMS.iter().filter_map(|it| misplaced(tree, page, it)).collect();
    let mut wrong = Vec::new();
    let mut updated = String::new();
    let mut count = None;
    for (at, line) in page.lines() {
        if let Some(name) = mark(line) {
            count = SYSTEMS.iter().find(|(it, _)| *it == name).map(|it| Count::of(tree, it));
        }
        let row = count.as_ref().and_then(|count| Some((row(line)?, count)));
        match row.map(|(row, count)| (row, count, count.said(row.label))) {
            Some((row, _, Some(ours))) if row.ours != ours => {
                wrong.push(page.find(at, format!("'{}' is {ours}; UPDATE_EXPECT=1 writes that", row.label)));
                writeln!(updated, "{} | {ours} |", row.rest).expect("a string");
                continue;
            }
            Some((row, count, None)) if row.ours == NOTHING_YET && !count.is_to_come => {
                findings.push(page.find(at, format!("'{}': say it of ours, which has come", row.label)));
            }
            Some(_) | None => {}
        }
        writeln!(updated, "{line}").expect("a string");
    }
    match std::env::var_os("UPDATE_EXPECT") {
        Some(_) if updated != page.text => tree.write(PAGE, &updated),
        Some(_) => {}
        None => findings.append(&mut wrong),
    }
    findings
}

/// What is not right about a system as a whole: it has no table, or has come already, or is not there.
fn misplaced(tree: &Tree, page: &File, (name, folders): &System) -> Option<Finding> {
    let table = page.lines().skip_while(|(_, line)| mark(line) != Some(name)).skip(1);
    let mut rows = table.take_while(|(_, line)| mark(line).is_none()).filter_map(|(_, line)| row(line));
    if !rows.any(|row| row.label == "Lines of code") {
        return Some(page.find(1, format!("add a table '<!-- {name} -->' with a row 'Lines of code'")));
    }
    let is_there = |folder: &&&str| tree.files().any(|file| file.path.starts_with(**folder));
    let advice = match TO_COME.contains(name) {
        true => folders.iter().find(is_there).map(|it| format!("{it} has come: take '{name}' off TO_COME")),
        false => folders.iter().find(|it| !is_there(it)).map(|it| format!("{it} of '{name}' is empty")),
    };
    advice.map(|advice| page.find(1, format!("{advice} (tests/tidy/originals.rs)")))
}

/// Where something that the original does wrong is said to be right, there is a test of that name.
pub(crate) fn defects_have_tests(tree: &Tree) -> Vec<Finding> {
    let page = tree.file(PAGE);
    let table = page.lines().skip_while(|(_, line)| mark(line) != Some(DEFECTS)).skip(1);
    let rows: Vec<(usize, Row<'_>)> = table
        .take_while(|(_, line)| *line != END)
        .filter_map(|(at, line)| Some((at, row(line)?)))
        .skip(1) // The heading.
        .collect();
    assert!(rows.len() > 5, "the defects are read from {PAGE}");
    let mut findings = Vec::new();
    for (at, row) in rows {
        let is_to_come = TO_COME.contains(&row.label.trim_matches('`'));
        if row.ours != NOTHING_YET || !is_to_come {
            let named = tests_in(row.ours);
            if named.is_empty() {
                findings.push(page.find(at, "name the test that shows the right behaviour, as a link"));
            }
            let missing = named.into_iter().filter(|(name, path)| !is_test_of(tree, name, path));
            findings
                .extend(missing.map(|(name, path)| page.find(at, format!("{path} has no test '{name}'"))));
        }
    }
    findings
}

/// What stands in ``[`name`](../path)``, as names and paths from the root.
fn tests_in(cell: &str) -> Vec<(&str, &str)> {
    let links = cell.split("[`").skip(1);
    links
        .filter_map(|rest| {
            let (name, rest) = rest.split_once("`](../")?;
            Some((name, rest.split_once(')')?.0))
        })
        .collect()
}

fn is_test_of(tree: &Tree, name: &str, path: &str) -> bool {
    let declaration = format!("fn {name}(");
    tree.files().any(|file| file.path == path && file.text.contains(&declaration))
}

/// The name in `<!-- name -->`.
fn mark(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// A row of a table, whose last cell is ours.
#[derive(Clone, Copy)]
struct Row<'a> {
    label: &'a str,
    /// All but the last cell.
    rest: &'a str,
    ours: &'a str,
}

/// Reads `| label | … | ours |`.
fn row(line: &str) -> Option<Row<'_>> {
    let (rest, ours) = line.strip_suffix(" |")?.rsplit_once(" | ")?;
    let label = rest.strip_prefix("| ")?.split(" | ").next()?;
    (!label.starts_with("---")).then_some(Row { label, rest, ours })
}

impl Count {
    fn of(tree: &Tree, (name, folders): &System) -> Count {
        let mut count = Count { is_to_come: TO_COME.contains(name), ..Count::default() };
        let is_counted = |file: &&File| folders.iter().any(|folder| file.path.starts_with(folder));
        for file in tree.files().filter(is_counted) {
            count.add(file);
        }
        count
    }

    /// What our column has to say in the row of this name, if it is a row that is counted.
    fn said(&self, label: &str) -> Option<String> {
        let counted = match label {
            "Services" => self.services,
            "Handlers" => self.handlers,
            "Components" => self.components,
            "Files to write" => self.files,
            "Lines of code" => self.code,
            "Lines of infrastructure" => self.infrastructure,
            "Lines of configuration" => self.configuration,
            _ => return None,
        };
        Some(match counted {
            _ if self.is_to_come => NOTHING_YET.to_owned(),
            0..1_000 => counted.to_string(),
            1_000.. => format!("{},{:03}", counted / 1_000, counted % 1_000),
        })
    }

    fn add(&mut self, file: &File) {
        let Some(kind) = kind(&file.path) else { return };
        let lines = written(file);
        self.files += usize::from(lines > 0);
        match kind {
            Kind::Code => self.code += lines,
            Kind::Infrastructure => self.infrastructure += lines,
            Kind::Configuration => self.configuration += lines,
        }
        self.components += file.lines().filter(|(_, line)| *line == "crate-type = [\"cdylib\"]").count();
        for handlers in handlers(file) {
            self.services += 1;
            self.handlers += handlers;
        }
    }
}

/// What a file is for, or `None` if nobody has to write it.
fn kind(path: &str) -> Option<Kind> {
    let (_, extension) = path.rsplit_once('.')?;
    match extension {
        "md" => None,
        "json" if path.ends_with("package-lock.json") => None,
        "rs" | "sh" | "js" | "mjs" | "ts" | "py" => Some(Kind::Code),
        "yaml" | "yml" => Some(Kind::Infrastructure),
        "toml" | "json" => Some(Kind::Configuration),
        other => panic!("{path}: say in {} how files '.{other}' are counted", file!()),
    }
}

/// How many lines of a file are neither empty nor a comment, nor for tests only.
fn written(file: &File) -> usize {
    let has_hashes = [".toml", ".yaml", ".yml", ".sh", ".py"].iter().any(|end| file.path.ends_with(end));
    let is_comment = |line: &str| has_hashes && line.starts_with('#');
    file.code().map(|(_, line)| line.trim()).filter(|line| !line.is_empty() && !is_comment(line)).count()
}

/// How many handlers each service, object or workflow of a file has. A contract alone has none.
fn handlers(file: &File) -> Vec<usize> {
    let kinds = ["service", "object", "workflow"].map(|kind| format!("#[holiday_sdk::{kind}"));
    let begins = |line: &str| kinds.iter().any(|kind| line.starts_with(kind));
    let lines: Vec<&str> = file.code().map(|(_, line)| line).collect();
    let marked = lines.iter().enumerate().filter(|(_, line)| begins(line));
    marked
        .filter_map(|(at, _)| {
            let mut rest = lines[at..].iter().skip_while(|line| !line.ends_with('{'));
            let is_implemented = rest.next()?.starts_with("impl ");
            let body = rest.take_while(|line| **line != "}");
            is_implemented.then(|| body.filter(|line| is_handler(line)).count())
        })
        .collect()
}

fn is_handler(line: &str) -> bool {
    let Some(line) = line.strip_prefix("    ") else { return false };
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("async ").unwrap_or(line).starts_with("fn ")
}
