//! Every bound has a name in the source and a line, with its true value, in `docs/limits.md`; and a test names it that
//! reaches it and goes beyond.
//!
//! A bound is a constant that is a number or a duration, and that
//!
//! - stands in a file named `limits.rs`, or
//! - has `MAX` or `GRACE` in its name, or
//! - is visible outside its module and ends in `_BYTES`, `_MS`, `_RECORDS` or `_TIMEOUT`.

use std::collections::BTreeMap;

use crate::sources;
use crate::tree::{File, Finding, Tree};

const FOLDERS: &[&str] = &["host/core/src/", "host/runtime/src/", "host/cli/src/", "guests/sdk/src/"];

/// What no test can meet, and why. Their lines say that they are sizes.
const SIZES: [(&str, &str); 7] = [
    ("FIBER_STACK_BYTES", "the wasm stack, which a test meets, ends first"),
    ("MEMORY_KEEP_RESIDENT_BYTES", "a guest cannot tell memory that was reset from memory that is new"),
    ("TABLE_KEEP_RESIDENT_BYTES", "the same"),
    ("STATE_CACHE_BYTES", "what is not in the cache is read from the disk, and is the same"),
    ("LOG_CACHE_BYTES", "the same"),
    ("FETCHED_AHEAD_BYTES_MAX", "librdkafka keeps to it"),
    ("VERIFIED_AT_OPEN_BYTES_MAX", "a file of that size takes long to write; a test says a smaller one"),
];

/// How the line of a size begins, after its value.
const SIZE_MARKS: [&str; 2] = ["A size, not a bound", "The same"];

const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("", 1),
];

struct Bound<'a> {
    file: &'a File,
    line: usize,
    name: &'a str,
    /// What is assigned to it, as written.
    expression: &'a str,
}

/// A row of the document.
struct Row {
    line: usize,
    name: String,
    value: String,
    beyond: String,
}

pub(crate) fn bounds_are_documented(tree: &Tree) -> Vec<Finding> {
    let constants: Vec<Bound<'_>> = tree.rust(FOLDERS).flat_map(constants).collect();
    let bounds: Vec<&Bound<'_>> = constants.iter().filter(|it| is_bound(it)).collect();
    assert!(bounds.len() > 20, "the bounds are read from the sources");
    let document = tree.file("docs/limits.md");
    let rows: Vec<Row> = document.lines().filter_map(row).collect();
    // One that only repeats another by its own name says nothing about the value.
    let is_source = |it: &&Bound<'_>| name_of(it.expression).is_none_or(|name| name != it.name);
    let sources = constants.iter().filter(is_source);
    let values: BTreeMap<&str, &str> = sources.map(|it| (it.name, it.expression)).collect();
    let mut findings = Vec::new();
    for bound in &bounds {
        match rows.iter().find(|row| row.name == bound.name) {
            None => findings.push(bound.file.find(
                bound.line,
                format!("give {} a line in docs/limits.md: its default, and what happens beyond", bound.name),
            )),
            Some(row) => {
                let (is, says) = (evaluate(bound.expression, &values), parse(&row.value));
                if is.is_none() || is != says {
                    let message = format!(
                        "{} is '{}' in {}; write that",
                        bound.name, bound.expression, bound.file.path
                    );
                    findings.push(document.find(row.line, message));
                }
            }
        }
    }
    for row in rows.iter().filter(|row| !bounds.iter().any(|bound| bound.name == row.name)) {
        findings.push(
            document
                .find(row.line, format!("there is no bound {} in the sources; remove the line", row.name)),
        );
    }
    findings
}

/// A new bound without a test is found by its name, so tests name the constant rather than repeat its value.
pub(crate) fn bounds_are_met(tree: &Tree) -> Vec<Finding> {
    let document = tree.file("docs/limits.md");
    let tests: Vec<&str> = tree
        .rust(&["host/", "guests/", "tests/"])
        .filter(|file| !file.path.starts_with("tests/tidy/"))
        .flat_map(|file| file.tests().map(|(_, text)| text))
        .collect();
    let rows: Vec<Row> = document.lines().filter_map(row).collect();
    let mut findings = Vec::new();
    for row in &rows {
        let is_met = tests.iter().any(|line| sources::has_word(line, &row.name));
        let size = SIZES.iter().find(|(name, _)| *name == row.name);
        let message = match (is_met, size) {
            (true, Some(_)) => {
                format!("a test names {}; take it off SIZES in tests/tidy/bounds.rs", row.name)
            }
            (false, None) => format!("no test names {}; write one that reaches it and goes beyond", row.name),
            (false, Some((_, why))) if !SIZE_MARKS.iter().any(|mark| row.beyond.starts_with(mark)) => {
                format!("say that {} is '{}', since no test can meet it: {why}", row.name, SIZE_MARKS[0])
            }
            (true, None) | (false, Some(_)) => continue,
        };
        findings.push(document.find(row.line, message));
    }
    for (name, _) in SIZES.iter().filter(|(name, _)| !rows.iter().any(|row| row.name == *name)) {
        findings.push(document.find(1, format!("there is no line for {name}; take it off SIZES")));
    }
    findings
}

/// A queue that takes everything is bounded by those who put something in; the document says by whom.
pub(crate) fn queues_are_explained(tree: &Tree) -> Vec<Finding> {
    let document = tree.file("docs/limits.md");
    let is_endless = |line: &str| line.contains("unbounded_channel()") || line.contains("mpsc::channel()");
    let mut findings = Vec::new();
    for file in tree.rust(&["host/"]).filter(|file| !document.text.contains(&file.path)) {
        for (at, _) in file.code().filter(|(_, line)| is_endless(line)) {
            let message =
                format!("bound the queue, or link {} in docs/limits.md and say what bounds it", file.path);
            findings.push(file.find(at, message));
        }
    }
    findings
}

/// The constants of a file, tests aside: `const NAME: TYPE = EXPRESSION;` on one line.
fn constants(file: &File) -> impl Iterator<Item = Bound<'_>> {
    file.code().filter_map(move |(line, text)| {
        let (_, declaration) = text.trim().split_once("const ")?;
        let (name, rest) = declaration.split_once(": ")?;
        let (kind, expression) = rest.trim_end_matches(';').split_once(" = ")?;
        let is_amount = ["u8", "u16", "u32", "u64", "usize", "Duration"].contains(&kind);
        is_amount.then_some(Bound { file, line, name, expression })
    })
}

fn is_bound(constant: &Bound<'_>) -> bool {
    let declared = constant.file.lines().nth(constant.line - 1).map_or("", |(_, text)| text);
    let is_visible = declared.trim_start().starts_with("pub");
    let is_amount = ["_BYTES", "_MS", "_RECORDS", "_TIMEOUT"].iter().any(|end| constant.name.ends_with(end));
    let parts: Vec<&str> = constant.name.split('_').collect();
    constant.file.path.ends_with("/limits.rs")
        || parts.contains(&"MAX")
        || parts.contains(&"GRACE")
        || is_visible && is_amount
}

/// Reads ``| `NAME` | value | … |``.
fn row((line, text): (usize, &str)) -> Option<Row> {
    let mut cells = text.strip_prefix("| `")?.split(" | ");
    let name = cells.next()?.strip_suffix('`')?.to_owned();
    let (value, beyond) = (cells.next()?.to_owned(), cells.next()?.to_owned());
    Some(Row { line, name, value, beyond })
}

/// Computes products and quotients of numbers, of durations in milliseconds, and of other constants.
fn evaluate(expression: &str, values: &BTreeMap<&str, &str>) -> Option<u64> {
    if let Some((left, right)) = expression.rsplit_once(" / ") {
        return evaluate(left, values)?.checked_div(evaluate(right, values)?);
    }
    if let Some((left, right)) = expression.rsplit_once(" * ") {
        return evaluate(left, values)?.checked_mul(evaluate(right, values)?);
    }
    let duration = |unit: &str| expression.strip_prefix(unit)?.strip_suffix(')');
    if let Some(seconds) = duration("Duration::from_secs(") {
        return evaluate(seconds, values)?.checked_mul(1_000);
    }
    if let Some(millis) = duration("Duration::from_millis(") {
        return evaluate(millis, values);
    }
    let number = expression.replace('_', "").parse().ok();
    number.or_else(|| evaluate(values.get(name_of(expression)?)?, values))
}

/// The constant that an expression such as `limits::NAME as u64` is.
fn name_of(expression: &str) -> Option<&str> {
    expression.split(" as ").next()?.rsplit("::").next()
}

/// Reads `8 MiB`, `24 h` or `100,000`; durations become milliseconds.
fn parse(value: &str) -> Option<u64> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.replace(',', "").parse::<u64>().ok()?.checked_mul(*factor)
}
