//! Rules about error codes and their help pages.

use holiday_core::error::ErrorCode;

use crate::tree::{File, Finding, Tree};

/// What every page says, in this order.
const SECTIONS: [&str; 3] = ["## What happened", "## Why", "## What to do"];

/// Less than this is a stub.
const LINES_MIN: usize = 12;

/// Codes that no code path answers with today, and why they are kept.
const RESERVED: [(ErrorCode, &str); 0] = [];

pub(crate) fn error_pages_help(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for code in ErrorCode::ALL {
        let page = tree.file(&format!("host/core/errors/{code}.md"));
        let heading = format!("# {code}: {}", code.title());
        if page.text.lines().next() != Some(heading.as_str()) {
            findings.push(page.find(1, format!("begin the page with '{heading}', as error.rs has it")));
        }
        let at = |section: &str| page.text.lines().position(|line| line == section);
        let places: Vec<Option<usize>> = SECTIONS.iter().map(|section| at(section)).collect();
        if places.contains(&None) || !places.is_sorted() {
            findings.push(
                page.find(1, format!("the page has the sections {}, in this order", SECTIONS.join(", "))),
            );
        }
        if page.text.lines().count() < LINES_MIN {
            findings.push(
                page.find(1, "say what happened, why it usually does, and what to do, with an example"),
            );
        }
    }
    findings
}

/// A code is used where its variant is named, or where a message begins with its text.
pub(crate) fn error_codes_are_used(tree: &Tree) -> Vec<Finding> {
    let sources: Vec<&File> =
        tree.rust(&["host/"]).filter(|file| file.path != "host/core/src/error.rs").collect();
    let is_used = |code: ErrorCode| {
        let (variant, message) = (format!("ErrorCode::{code:?}"), format!("{code}: "));
        sources
            .iter()
            .any(|file| file.code().any(|(_, line)| mentions(line, &variant) || line.contains(&message)))
    };
    let page = |code: ErrorCode| tree.file(&format!("host/core/errors/{code}.md"));
    let mut findings = Vec::new();
    for code in ErrorCode::ALL.iter().copied() {
        let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == code);
        match (is_used(code), reserved) {
            (true, None) => {}
            (false, Some(_)) if page(code).text.contains("reserved") => {}
            (false, Some(_)) => {
                findings.push(page(code).find(1, "say on the page that the code is reserved"))
            }
            (true, Some(_)) => findings.push(
                page(code).find(1, "the code is used now; take it off RESERVED in tests/tidy/errors.rs"),
            ),
            (false, None) => {
                findings.push(page(code).find(
                    1,
                    "nothing answers with this code; use it, or list it in RESERVED with the reason",
                ))
            }
        }
    }
    findings
}

/// Whether `variant` stands in `line` and is not the beginning of a longer one.
fn mentions(line: &str, variant: &str) -> bool {
    line.match_indices(variant)
        .any(|(at, _)| !line[at + variant.len()..].starts_with(|next: char| next.is_alphanumeric()))
}
