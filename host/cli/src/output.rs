//! What goes to standard output: data, as tables for people or as JSON for programs.

use std::io::{ErrorKind, Write as _};

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::client::Answer;
use crate::pretty::pretty;

/// Prints one line of data. A reader that has gone away, such as `head`, ends the process quietly.
pub(crate) fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        let code = if error.kind() == ErrorKind::BrokenPipe { 0 } else { 1 };
        std::process::exit(code);
    }
}

/// Prints what the host has answered, laid out and otherwise as it is.
pub(crate) fn print_answer(answer: &Answer) {
    print(&pretty(answer.text.get()));
}

pub(crate) fn print_json(value: &Value) {
    print(&format!("{value:#}"));
}

/// Prints rows under a header; `none` instead when there are no rows.
pub(crate) fn print_table(header: &[&str], rows: Vec<Vec<String>>, none: &str) {
    if rows.is_empty() {
        eprintln!("{none}");
        return;
    }
    print(&table(header, rows));
}

/// Prints what is known of one thing, a name and a value per line.
pub(crate) fn print_fields(fields: &[(&str, String)]) {
    let mut table = bare_table();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([*name, value]);
    }
    print(&trimmed(&table));
}

pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = bare_table();
    table.set_header(header.to_vec());
    table.add_rows(rows);
    trimmed(&table)
}

/// The text of a value in a cell: strings without quotes, nothing for null.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bare_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_borders_and_no_trailing_spaces() {
        let rows = vec![vec!["trips".to_owned(), "1".to_owned()], vec!["a".to_owned(), "22".to_owned()]];
        let text = table(&["SERVICE", "REVISION"], rows);
        assert_eq!(text, " SERVICE  REVISION\n trips    1\n a        22");
    }
}
