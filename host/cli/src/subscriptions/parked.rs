//! `subscriptions parked`: records that failed.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::key_of;
use crate::admin::{Admin, confirm};
use crate::client::Client;
use crate::deployments::{JSON, items};
use crate::failure::{Failure, Result};
use crate::output::{cell, print, print_answer, print_fields, print_table, table};

/// List, show, retry and discard records that failed
#[derive(Debug, Args)]
pub(super) struct Parked {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Show(Show),
    /// Handle parked records again, as the handler is now
    Retry(Settle),
    /// Drop parked records; those that wait for them go on
    Discard(Settle),
}

/// List parked records, the oldest first
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    /// The subscription's id (sub_…)
    id: String,

    #[command(flatten)]
    filter: Filter,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,

    /// Those after this one, as the page before says
    #[arg(long, value_name = "NUMBER")]
    cursor: Option<String>,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Show a parked record: its bytes, its headers and its error
#[derive(Debug, Args)]
struct Show {
    /// The subscription's id (sub_…)
    id: String,

    /// The record's number
    number: u64,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Args)]
struct Settle {
    /// The subscription's id (sub_…)
    id: String,

    /// The records' numbers
    #[arg(value_name = "NUMBER")]
    numbers: Vec<u64>,

    /// All parked records, or all that the filters leave
    #[arg(long, conflicts_with = "numbers")]
    all: bool,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only records of this partition
    #[arg(long)]
    partition: Option<u32>,

    /// Only records of this key
    #[arg(long)]
    key: Option<String>,

    /// Only records with this error code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

impl Parked {
    pub(super) async fn execute(self, yes: bool) -> Result<()> {
        match self.verb {
            Verb::List(it) => it.execute().await,
            Verb::Show(it) => it.execute().await,
            Verb::Retry(it) => it.execute("retry", "Retried").await,
            Verb::Discard(it) => {
                confirm(&format!("Discarding parked records of {}", it.id), yes)?;
                it.execute("discard", "Discarded").await
            }
        }
    }
}

impl Filter {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let partition = self.partition.map(|it| ("partition", it.to_string()));
        let key = self.key.clone().map(|it| ("key", it));
        let code = self.code.clone().map(|it| ("code", it));
        [partition, key, code].into_iter().flatten().collect()
    }

    fn is_empty(&self) -> bool {
        self.partition.is_none() && self.key.is_none() && self.code.is_none()
    }

    fn body(&self) -> Value {
        let mut body = json!({});
        if let Some(partition) = self.partition {
            body["partition"] = Value::from(partition);
        }
        if let Some(key) = &self.key {
            body["key"] = Value::from(key.as_str());
        }
        if let Some(code) = &self.code {
            body["code"] = Value::from(code.as_str());
        }
        body
    }
}

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let mut query = self.filter.pairs();
        query.push(("limit", self.limit.to_string()));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let request = client.request(Method::GET, &["subscriptions", &self.id, "parked"])?;
        let answer = client.json(request.query(&query)).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let row = |it: &Value| {
            vec![
                cell(&it["number"]),
                cell(&it["partition"]),
                cell(&it["offset"]),
                key_of(it),
                cell(&it["parkedAt"]),
                cell(&it["error"]["message"]),
            ]
        };
        let rows = items(&answer, "parked").iter().map(row).collect();
        let header = ["NUMBER", "PARTITION", "OFFSET", "KEY", "PARKED", "ERROR"];
        print_table(&header, rows, "There are no such parked records.");
        if let Some(cursor) = answer.get("nextCursor").filter(|it| !it.is_null()) {
            eprintln!("There may be more: --cursor {}", cell(cursor));
        }
        Ok(())
    }
}

impl Show {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let number = self.number.to_string();
        let path = ["subscriptions", &self.id, "parked", &number];
        let answer = client.json(client.request(Method::GET, &path)?).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let value = match answer["valueBase64"].as_str() {
            Some(value) => format!("base64:{value}"),
            None => cell(&answer["value"]),
        };
        print_fields(&[
            ("Number", cell(&answer["number"])),
            ("Topic", cell(&answer["topic"])),
            ("Partition", cell(&answer["partition"])),
            ("Offset", cell(&answer["offset"])),
            ("Timestamp", cell(&answer["timestamp"])),
            ("Key", key_of(&answer)),
            ("Value", value),
            ("Error", cell(&answer["error"]["message"])),
            ("Failures", cell(&answer["failures"])),
            ("Parked", cell(&answer["parkedAt"])),
            ("Invocation", cell(&answer["invocation"])),
        ]);
        let header = |it: &Value| vec![cell(&it["name"]), cell(&it["value"])];
        let headers: Vec<_> = items(&answer, "headers").iter().map(header).collect();
        if !headers.is_empty() {
            print(&format!("\nHeaders:\n{}", table(&["NAME", "VALUE"], headers)));
        }
        Ok(())
    }
}

impl Settle {
    async fn execute(self, verb: &str, done: &str) -> Result<()> {
        let client = self.admin.client()?;
        if self.numbers.is_empty() {
            if !self.all && self.filter.is_empty() {
                return Err(Failure::misuse(
                    "name the records by number, by filter, or all of them with --all",
                ));
            }
            return self.settle_all(&client, verb, done).await;
        }
        for number in &self.numbers {
            let path = ["subscriptions", &self.id, "parked", &number.to_string(), verb];
            client.json(client.request(Method::POST, &path)?).await?;
            eprintln!("{done} record {number}");
        }
        Ok(())
    }

    /// The host does a bounded number per request, and says where the next one begins.
    async fn settle_all(&self, client: &Client, verb: &str, done: &str) -> Result<()> {
        let mut count = 0;
        let mut body = match self.filter.is_empty() {
            true => json!({ "all": true }),
            false => self.filter.body(),
        };
        loop {
            let request = client.request(Method::POST, &["subscriptions", &self.id, "parked", verb])?;
            let answer = client.json(request.json(&body)).await?;
            count += answer["done"].as_u64().unwrap_or_default();
            for refused in items(&answer, "refused") {
                eprintln!("Record {}: {}", cell(&refused["number"]), cell(&refused["error"]["message"]));
            }
            match answer.get("nextCursor").filter(|it| !it.is_null()) {
                Some(cursor) => body["cursor"] = cursor.clone(),
                None => break,
            }
        }
        eprintln!("{done} {count} records");
        Ok(())
    }
}
