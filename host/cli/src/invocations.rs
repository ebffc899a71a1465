//! `invocations`: durable calls, running and ended.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::admin::{Admin, confirm};
use crate::client::Client;
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::output::{cell, print, print_fields, print_json, print_table};

/// List, describe and steer invocations
#[derive(Debug, Args)]
pub(crate) struct Invocations {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Describe(Describe),
    /// Ask an invocation to stop: what it awaits fails with 409, and it compensates
    Cancel(Steer),
    /// End an invocation at once, without compensation
    Kill(Steer),
    /// Stop an invocation's attempts until it is resumed
    Pause(Steer),
    Resume(Resume),
    /// Forget an invocation that has ended
    Purge(Steer),
}

/// List invocations
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    /// Only those of this service
    #[arg(long)]
    service: Option<String>,

    /// Only those of this handler
    #[arg(long)]
    handler: Option<String>,

    /// Only those of this object key or workflow id
    #[arg(long)]
    key: Option<String>,

    /// Only those with this status, such as running, suspended or paused
    #[arg(long)]
    status: Option<String>,

    /// Only those pinned to this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Show one invocation with its journal
#[derive(Debug, Args)]
struct Describe {
    /// The invocation's id (inv_…)
    id: String,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Args)]
struct Steer {
    /// The invocations' ids (inv_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    #[command(flatten)]
    admin: Admin,
}

/// Let a paused invocation go on
#[derive(Debug, Args)]
struct Resume {
    /// The invocations' ids (inv_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Go on with another component: latest, keep, or a deployment's id
    #[arg(long, value_name = "ID", default_value = "keep")]
    deployment: String,

    #[command(flatten)]
    admin: Admin,
}

impl Invocations {
    /// `yes`: what destroys was confirmed on the command line.
    pub(crate) async fn execute(self, yes: bool) -> Result<()> {
        match self.verb {
            Verb::List(it) => it.execute().await,
            Verb::Describe(it) => it.execute().await,
            Verb::Cancel(it) => it.execute("cancel", "Cancelled").await,
            Verb::Kill(it) => {
                confirm(&format!("Killing {}", it.ids.join(", ")), yes)?;
                it.execute("kill", "Killed").await
            }
            Verb::Pause(it) => it.execute("pause", "Paused").await,
            Verb::Resume(it) => it.execute().await,
            Verb::Purge(it) => {
                confirm(&format!("Purging {}", it.ids.join(", ")), yes)?;
                it.execute("purge", "Purged").await
            }
        }
    }
}

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let filters = [
            ("service", self.service),
            ("handler", self.handler),
            ("key", self.key),
            ("status", self.status),
            ("deployment", self.deployment),
            ("limit", Some(self.limit.to_string())),
        ];
        let given: Vec<_> =
            filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
        let answer = client.json(client.request(Method::GET, &["invocations"]).query(&given)).await?;
        if self.json {
            print_json(&answer);
            return Ok(());
        }
        let row = |it: &Value| {
            vec![cell(&it["id"]), cell(&it["target"]), cell(&it["status"]), cell(&it["createdAt"])]
        };
        let rows = items(&answer, "invocations").iter().map(row).collect();
        print_table(&["INVOCATION", "TARGET", "STATUS", "CREATED"], rows, "There are no such invocations.");
        Ok(())
    }
}

impl Describe {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let invocation = client.json(client.request(Method::GET, &["invocations", &self.id])).await?;
        let journal = client.json(client.request(Method::GET, &["invocations", &self.id, "journal"])).await?;
        if self.json {
            print_json(&serde_json::json!({ "invocation": invocation, "journal": journal }));
            return Ok(());
        }
        print_invocation(&invocation);
        print("");
        let rows = items(&journal, "entries").iter().map(entry_row).collect();
        print_table(&["INDEX", "AT", "COMMAND", "ANSWER"], rows, "Its journal is empty.");
        Ok(())
    }
}

/// What concerns the invocation in its status; what does not is absent.
fn print_invocation(invocation: &Value) {
    let field = |name: &str| cell(&invocation[name]);
    let failure = &invocation["lastFailure"];
    let last_failure = match failure["message"].as_str() {
        Some(message) => format!("{message} ({} in a row)", failure["count"]),
        None => String::new(),
    };
    print_fields(&[
        ("Id", field("id")),
        ("Target", field("target")),
        ("Status", field("status")),
        ("Reason", field("reason")),
        ("Last failure", last_failure),
        ("Failing steps", field("failingRuns")),
        ("Next attempt", field("nextAttemptAt")),
        ("Starts", field("startsAt")),
        ("Attempt", field("attempt")),
        ("Deployment", field("deployment")),
        ("Invoked by", field("invokedBy")),
        ("Idempotency key", field("idempotencyKey")),
        ("Created", field("createdAt")),
        ("Completed", field("completedAt")),
        ("Kept until", field("expiresAt")),
        ("Input", invocation.get("input").map_or_else(String::new, Value::to_string)),
        ("Outcome", answer(invocation)),
    ]);
}

fn entry_row(entry: &Value) -> Vec<String> {
    vec![cell(&entry["index"]), cell(&entry["at"]), cell(&entry["command"]), answer(&entry["completion"])]
}

/// How the world answered a command, if it has.
fn answer(completion: &Value) -> String {
    match (completion["outcome"].get("success"), completion["outcome"].get("failure")) {
        (Some(value), _) => value.to_string(),
        (_, Some(failure)) => format!("failed: {}", cell(&failure["message"])),
        _ => String::new(),
    }
}

impl Steer {
    async fn execute(self, verb: &str, done: &str) -> Result<()> {
        let client = self.admin.client()?;
        for id in &self.ids {
            steer(&client, id, verb, &[]).await?;
            eprintln!("{done} {id}");
        }
        Ok(())
    }
}

impl Resume {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        for id in &self.ids {
            steer(&client, id, "resume", &[("deployment", &self.deployment)]).await?;
            eprintln!("Resumed {id}");
        }
        Ok(())
    }
}

async fn steer(client: &Client, id: &str, verb: &str, query: &[(&str, &str)]) -> Result<()> {
    let request = client.request(Method::PATCH, &["invocations", id, verb]).query(query);
    client.send(request).await.map(drop)
}
