//! `subscriptions seek`: where a subscription reads on.

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::change;
use crate::admin::{Admin, confirm};
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::output::{cell, print_answer, print_table};

/// Read on from another place: repeat records, or skip some
///
/// Records that are taken already run to their end. Prints, for each partition, how many records the seek repeats or
/// skips.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("to").required(true))]
pub(super) struct Seek {
    /// The subscription's id (sub_…)
    id: String,

    /// Read on with the record at this offset
    #[arg(long, value_name = "OFFSET", group = "to")]
    to_offset: Option<u64>,

    /// Read on with the first record of this time or later (RFC 3339)
    #[arg(long, value_name = "TIME", group = "to")]
    to_time: Option<String>,

    /// Read on with the first record that the topic has
    #[arg(long, group = "to")]
    to_earliest: bool,

    /// Read on behind the last record
    #[arg(long, group = "to")]
    to_latest: bool,

    /// Only this partition
    #[arg(long)]
    partition: Option<u32>,

    /// Only the records of this key
    #[arg(long)]
    key: Option<String>,

    /// Say how many records that repeats or skips, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Seek {
    pub(super) async fn execute(self, yes: bool) -> Result<()> {
        if !self.dry_run {
            confirm(&format!("Seeking {}", self.id), yes)?;
        }
        let client = self.admin.client()?;
        let answer = change(&client, &self.id, &self.body()).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let row = |it: &Value| {
            vec![
                cell(&it["partition"]),
                cell(&it["from"]),
                cell(&it["to"]),
                cell(&it["repeated"]),
                cell(&it["passedOver"]),
            ]
        };
        let rows = items(&answer, "partitions").iter().map(row).collect();
        let header = ["PARTITION", "FROM", "TO", "REPEATS AT MOST", "SKIPS AT MOST"];
        print_table(&header, rows, "The subscription reads no partition yet.");
        Ok(())
    }

    fn body(&self) -> Value {
        let to = match (self.to_offset, &self.to_time) {
            (Some(offset), _) => json!({ "offset": offset }),
            (None, Some(time)) => json!({ "timestamp": time }),
            (None, None) if self.to_latest => json!("latest"),
            (None, None) => json!("earliest"),
        };
        let mut body = json!({ "action": "seek", "to": to, "dry_run": self.dry_run });
        if let Some(partition) = self.partition {
            body["partition"] = Value::from(partition);
        }
        if let Some(key) = &self.key {
            body["key"] = Value::from(key.as_str());
        }
        body
    }
}
