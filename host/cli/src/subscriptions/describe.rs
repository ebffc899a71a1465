//! `subscriptions describe`: how far a subscription has read, and what it holds.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::key_of;
use crate::admin::Admin;
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::output::{cell, print, print_answer, print_fields, table};

/// Show one subscription: its positions and lag, and the records that wait or are parked
#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The subscription's id (sub_…)
    id: String,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Describe {
    pub(super) async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["subscriptions", &self.id])?).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        print_fields(&fields(&answer));
        section("Partitions", &PARTITION, items(&answer, "partitions").iter().map(partition).collect());
        section("Held keys", &HELD_KEY, items(&answer, "heldKeys").iter().map(held_key).collect());
        section(
            "Keys that are read again",
            &KEY_SEEK,
            items(&answer, "keySeeks").iter().map(key_seek).collect(),
        );
        Ok(())
    }
}

fn fields(it: &Value) -> Vec<(&'static str, String)> {
    let with_reason = |state: &Value, reason: &Value| match reason.as_str() {
        Some(reason) => format!("{}: {reason}", cell(state)),
        None => cell(state),
    };
    let options = it["options"].as_object().into_iter().flatten();
    let options: Vec<String> = options.map(|(name, value)| format!("{name}={}", cell(value))).collect();
    let counts = &it["counts"];
    vec![
        ("Subscription", cell(&it["id"])),
        ("Source", cell(&it["source"])),
        ("Sink", cell(&it["sink"])),
        ("Options", options.join("\n")),
        ("Created", cell(&it["createdAt"])),
        ("Status", with_reason(&it["status"], &it["reason"])),
        ("Reader", with_reason(&it["reader"]["state"], &it["reader"]["reason"])),
        ("Lag", cell(&it["lag"])),
        ("Taken", cell(&counts["taken"])),
        ("Succeeded", cell(&counts["succeeded"])),
        ("Failed", cell(&counts["failed"])),
        ("Skipped", cell(&counts["skipped"])),
        ("Passed over", cell(&counts["passedOver"])),
        ("Discarded", cell(&counts["discarded"])),
        ("Running", cell(&it["running"])),
        ("Waiting", cell(&it["waiting"])),
        ("Parked", cell(&it["parked"])),
    ]
}

const PARTITION: [&str; 5] = ["PARTITION", "POSITION", "END", "LAG", "STATE"];

fn partition(it: &Value) -> Vec<String> {
    let state = match (&it["halted"], &it["isHeldBack"]) {
        (Value::String(reason), _) => format!("halted: {reason}"),
        (_, Value::Bool(true)) => "held back: the subscription holds as many records as it may".to_owned(),
        _ => String::new(),
    };
    vec![cell(&it["partition"]), cell(&it["position"]), cell(&it["end"]), cell(&it["lag"]), state]
}

const HELD_KEY: [&str; 3] = ["KEY", "WAITING", "REASON"];

fn held_key(it: &Value) -> Vec<String> {
    let reason = match (&it["isPaused"], &it["blockedBy"]) {
        (Value::Bool(true), Value::Null) => "paused".to_owned(),
        (Value::Bool(true), parked) => format!("paused, and waits for parked record {parked}"),
        (_, parked) => format!("waits for parked record {parked}"),
    };
    vec![key_of(it), cell(&it["waiting"]), reason]
}

const KEY_SEEK: [&str; 4] = ["KEY", "PARTITION", "POSITION", "UNTIL"];

fn key_seek(it: &Value) -> Vec<String> {
    vec![key_of(it), cell(&it["partition"]), cell(&it["position"]), cell(&it["until"])]
}

fn section(title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        print(&format!("\n{title}:\n{}", table(header, rows)));
    }
}
