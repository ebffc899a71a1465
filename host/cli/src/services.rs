//! `services`: what can be invoked now.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::admin::Admin;
use crate::deployments::{JSON, handler_names, items, kind};
use crate::failure::Result;
use crate::output::{cell, print_json, print_table};

/// List services
#[derive(Debug, Args)]
pub(crate) struct Services {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
}

/// List all services with their latest revision
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Services {
    pub(crate) async fn execute(self) -> Result<()> {
        let Verb::List(list) = self.verb;
        let client = list.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["services"])).await?;
        if list.json {
            print_json(&answer);
            return Ok(());
        }
        let row = |service: &Value| {
            vec![
                cell(&service["name"]),
                kind(service),
                cell(&service["revision"]),
                cell(&service["deployment"]),
                handler_names(service),
            ]
        };
        let rows = items(&answer, "services").iter().map(row).collect();
        let header = ["SERVICE", "KIND", "REVISION", "DEPLOYMENT", "HANDLERS"];
        print_table(&header, rows, "There are no services.");
        Ok(())
    }
}
