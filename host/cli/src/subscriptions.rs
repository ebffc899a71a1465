//! `subscriptions`: topics whose records become invocations.

mod describe;
mod parked;
mod seek;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::admin::{Admin, confirm};
use crate::client::{Answer, Client};
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::hosting::parse_pair;
use crate::output::{cell, print, print_answer, print_table};

/// Create, list, describe and steer subscriptions to topics
#[derive(Debug, Args)]
pub(crate) struct Subscriptions {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Describe(describe::Describe),
    /// Stop taking records and starting invocations, of a subscription or of one key
    Pause(Steer),
    /// Let a paused subscription, or a paused key, go on
    Resume(Steer),
    Seek(seek::Seek),
    Delete(Delete),
    Parked(parked::Parked),
}

/// Create a subscription: the records of a topic become invocations of a handler
///
/// Prints the id of the subscription.
#[derive(Debug, Args)]
#[command(visible_alias = "add")]
struct Create {
    /// The topic: kafka://CLUSTER/TOPIC
    source: String,

    /// The handler: service://SERVICE/HANDLER
    sink: String,

    /// An option, such as auto.offset.reset=earliest or on-failure=pause; can be given many times
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = parse_pair)]
    options: Vec<(String, String)>,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// List all subscriptions
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Args)]
struct Steer {
    /// The subscription's id (sub_…)
    id: String,

    /// Only the records of this key
    #[arg(long)]
    key: Option<String>,

    #[command(flatten)]
    admin: Admin,
}

/// Delete subscriptions
///
/// Invocations that run go on. Records that wait or are parked would be lost: without --force, the host refuses.
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
struct Delete {
    /// The subscriptions' ids (sub_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Lose records that wait or are parked
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Subscriptions {
    /// `yes`: the command line confirms what destroys.
    pub(crate) async fn execute(self, yes: bool) -> Result<()> {
        match self.verb {
            Verb::Create(it) => it.execute().await,
            Verb::List(it) => it.execute().await,
            Verb::Describe(it) => it.execute().await,
            Verb::Pause(it) => it.execute("pause", "Paused").await,
            Verb::Resume(it) => it.execute("resume", "Resumed").await,
            Verb::Seek(it) => it.execute(yes).await,
            Verb::Delete(it) => {
                confirm(&format!("Deleting {}", it.ids.join(", ")), yes)?;
                it.execute().await
            }
            Verb::Parked(it) => it.execute(yes).await,
        }
    }
}

impl Create {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let options: Map<String, Value> =
            self.options.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let body = json!({ "source": self.source, "sink": self.sink, "options": options });
        let answer = client.json(client.request(Method::POST, &["subscriptions"])?.json(&body)).await?;
        if self.json {
            print_answer(&answer);
        } else {
            print(&cell(&answer["id"]));
        }
        Ok(())
    }
}

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["subscriptions"])?).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let row = |it: &Value| {
            vec![
                cell(&it["id"]),
                cell(&it["source"]),
                cell(&it["sink"]),
                cell(&it["status"]),
                cell(&it["reader"]["state"]),
                cell(&it["lag"]),
                cell(&it["parked"]),
            ]
        };
        let rows = items(&answer, "subscriptions").iter().map(row).collect();
        let header = ["SUBSCRIPTION", "SOURCE", "SINK", "STATUS", "READER", "LAG", "PARKED"];
        print_table(&header, rows, "There are no subscriptions.");
        Ok(())
    }
}

impl Steer {
    async fn execute(self, action: &str, done: &str) -> Result<()> {
        let client = self.admin.client()?;
        let mut body = json!({ "action": action });
        if let Some(key) = &self.key {
            body["key"] = Value::from(key.as_str());
        }
        change(&client, &self.id, &body).await?;
        match &self.key {
            Some(key) => eprintln!("{done} key '{key}' of {}", self.id),
            None => eprintln!("{done} {}", self.id),
        }
        Ok(())
    }
}

impl Delete {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        for id in &self.ids {
            let request = client.request(Method::DELETE, &["subscriptions", id])?;
            client.json(request.query(&[("force", self.force)])).await?;
            eprintln!("Deleted {id}");
        }
        Ok(())
    }
}

async fn change(client: &Client, id: &str, body: &Value) -> Result<Answer> {
    client.json(client.request(Method::PATCH, &["subscriptions", id])?.json(body)).await
}

/// A key as it is printed: one that is not text as base64.
fn key_of(it: &Value) -> String {
    match it["keyBase64"].as_str() {
        Some(key) => format!("base64:{key}"),
        None => cell(&it["key"]),
    }
}
