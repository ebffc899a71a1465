//! `invocations`: durable calls, running and ended.

mod describe;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::admin::{Admin, confirm};
use crate::client::{Answer, Client};
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::output::{cell, print, print_answer, print_table};

/// List, describe and steer invocations
#[derive(Debug, Args)]
pub(crate) struct Invocations {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Describe(describe::Describe),
    /// Ask an invocation to stop: what it awaits fails with 409, and it compensates
    Cancel(Steer),
    /// End an invocation at once, without compensation
    Kill(Steer),
    /// Stop an invocation's attempts until it is resumed
    Pause(Steer),
    Resume(Resume),
    /// Forget an invocation that has ended
    Purge(Steer),
    RestartAsNew(RestartAsNew),
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

    /// Only those with this status: scheduled, inboxed, running, suspended, backing-off, paused or completed
    #[arg(long)]
    status: Option<String>,

    /// Only those pinned to this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,

    /// Only those that this subscription made of records
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,

    /// Those after this one, as the page before has said
    #[arg(long, value_name = "ID")]
    cursor: Option<String>,

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
///
/// Before it goes on with another component, the host runs that one's handler on its journal: one that asks for
/// something else is refused, and the invocation stays as it is.
#[derive(Debug, Args)]
struct Resume {
    /// The invocations' ids (inv_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Go on with another component: latest, keep, or a deployment's id
    #[arg(long, value_name = "ID", default_value = "keep")]
    deployment: String,

    /// Do not compare its journal with what the other component asks for
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Execute an invocation that has ended again, as another one
///
/// Of a failed one, input and journal are kept for a day; of a successful one if its policy says so
/// (journal-retention). Prints the id of the new invocation.
#[derive(Debug, Args)]
struct RestartAsNew {
    /// The invocations' ids (inv_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Begin with so many commands of its journal and their answers, and execute what comes after them
    #[arg(long, visible_alias = "from", value_name = "COUNT", default_value_t = 0)]
    keep: u32,

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
            Verb::RestartAsNew(it) => it.execute().await,
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
            ("subscription", self.subscription),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor),
        ];
        let given: Vec<_> =
            filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
        let answer = client.json(client.request(Method::GET, &["invocations"])?.query(&given)).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let row = |it: &Value| vec![cell(&it["id"]), cell(&it["target"]), status(it), cell(&it["createdAt"])];
        let rows = items(&answer, "invocations").iter().map(row).collect();
        print_table(&["INVOCATION", "TARGET", "STATUS", "CREATED"], rows, "There are no such invocations.");
        if let Some(cursor) = answer["nextCursor"].as_str() {
            eprintln!("There may be more: --cursor {cursor}");
        }
        Ok(())
    }
}

/// The status, and how an invocation that is completed ended.
fn status(invocation: &Value) -> String {
    match invocation["result"].as_str() {
        Some(result) => format!("{} ({result})", cell(&invocation["status"])),
        None => cell(&invocation["status"]),
    }
}

impl Steer {
    async fn execute(self, verb: &str, done: &str) -> Result<()> {
        let client = self.admin.client()?;
        for id in &self.ids {
            let answer = steer(&client, id, verb, &[]).await?;
            eprintln!("{done} {}", cell(&answer["id"]));
        }
        Ok(())
    }
}

impl Resume {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let (deployment, force) = (self.deployment, self.force.to_string());
        for id in &self.ids {
            let query = [("deployment", deployment.as_str()), ("force", &force)];
            let answer = steer(&client, id, "resume", &query).await?;
            eprintln!("Resumed {}", cell(&answer["id"]));
        }
        Ok(())
    }
}

impl RestartAsNew {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let keep = self.keep.to_string();
        for id in &self.ids {
            let answer = steer(&client, id, "restart-as-new", &[("keep", &keep)]).await?;
            eprintln!("Restarted {} as", cell(&answer["id"]));
            print(&cell(&answer["newInvocationId"]));
        }
        Ok(())
    }
}

async fn steer(client: &Client, id: &str, verb: &str, query: &[(&str, &str)]) -> Result<Answer> {
    client.json(client.request(Method::PATCH, &["invocations", id, verb])?.query(query)).await
}
