//! `config`: what a host would be started with, and where that is said.

use clap::Args;
use holiday_runtime::config::Entry;
use serde_json::json;

use crate::failure::Result;
use crate::hosting::Hosting;
use crate::output::{cell, print_json, print_table};

/// Show the configuration in force, with the source of each value
///
/// Reads what `serve` would read, complains as it would, and starts nothing. Secrets are named, not read.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(flatten)]
    hosting: Hosting,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(crate) fn execute(self) -> Result<()> {
        let entries = self.hosting.load()?.entries();
        match self.json {
            true => print_json(&json!({ "config": entries })),
            false => {
                print_table(
                    &["KEY", "VALUE", "SOURCE"],
                    entries.into_iter().map(row).collect(),
                    "Nothing is set.",
                );
            }
        }
        Ok(())
    }
}

fn row(entry: Entry) -> Vec<String> {
    let value = match entry.value.as_array() {
        Some(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        None => cell(&entry.value),
    };
    vec![entry.key, value, entry.source]
}
