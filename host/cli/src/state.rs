//! `state`: what an object or a workflow remembers.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::admin::Admin;
use crate::deployments::JSON;
use crate::failure::Result;
use crate::output::{print, print_fields, print_json, print_table};

/// Read the state of an object or a workflow
#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Get(Get),
}

/// Print all values of one key
#[derive(Debug, Args)]
struct Get {
    /// The object or the workflow
    service: String,

    /// The object key or workflow id
    key: String,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl State {
    pub(crate) async fn execute(self) -> Result<()> {
        let Verb::Get(get) = self.verb;
        let client = get.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["state", &get.service, &get.key])).await?;
        if get.json {
            print_json(&answer);
            return Ok(());
        }
        print("State:");
        print_fields(&[("Service", get.service), ("Key", get.key)]);
        print("");
        print_table(&["KEY", "VALUE"], rows(&answer), "No values.");
        Ok(())
    }
}

fn rows(answer: &Value) -> Vec<Vec<String>> {
    let Some(values) = answer["state"].as_object() else { return Vec::new() };
    values.iter().map(|(key, value)| vec![key.clone(), value.to_string()]).collect()
}
