//! `invocations describe`: how far one invocation has got, what it waits for, and its journal.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::status;
use crate::admin::Admin;
use crate::deployments::{JSON, items};
use crate::failure::Result;
use crate::output::{cell, print, print_fields, print_table};
use crate::pretty::pretty;
use crate::services::flatten;

/// Show one invocation: how far it has got, what it waits for, and its journal
#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The invocation's id (inv_…)
    id: String,

    /// Show the journal from this command on
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    from: u32,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Describe {
    pub(super) async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let invocation = client.json(client.request(Method::GET, &["invocations", &self.id])?).await?;
        let journal = client.request(Method::GET, &["invocations", &self.id, "journal"])?;
        let journal = client.json(journal.query(&[("from", self.from)])).await?;
        if self.json {
            let both = format!(r#"{{"invocation":{},"journal":{}}}"#, invocation.text, journal.text);
            print(&pretty(&both));
            return Ok(());
        }
        print_invocation(&invocation);
        print_open(&invocation);
        print("");
        let rows = items(&journal, "entries").iter().map(entry_row).collect();
        print_table(&["INDEX", "AT", "COMMAND", "ANSWER"], rows, none(&invocation, &journal));
        if let Some(next) = journal["nextFrom"].as_u64() {
            eprintln!("The journal goes on: --from {next}");
        }
        Ok(())
    }
}

/// What concerns the invocation in its status; what does not is absent.
fn print_invocation(invocation: &Value) {
    let field = |name: &str| cell(&invocation[name]);
    print_fields(&[
        ("Id", field("id")),
        ("Target", field("target")),
        ("Status", status(invocation)),
        ("Reason", field("reason")),
        ("Last failure", last_failure(&invocation["lastFailure"])),
        ("Failing steps", failing_steps(invocation)),
        ("Next attempt", field("nextAttemptAt")),
        ("Starts", field("startsAt")),
        ("Times out", field("timesOutAt")),
        ("Cancellation", cancellation(&invocation["cancellation"])),
        ("Attempt", field("attempt")),
        ("Deployment", field("deployment")),
        ("Invoked by", field("invokedBy")),
        ("Record", record(&invocation["record"])),
        ("Joined by", joined_by(invocation)),
        ("Idempotency key", field("idempotencyKey")),
        ("Signals", signals(&invocation["signals"])),
        ("Restarted from", field("restartedFrom")),
        ("Restarted as", field("restartedAs")),
        ("Created", field("createdAt")),
        ("Completed", field("completedAt")),
        ("Kept until", field("expiresAt")),
        ("Journal", journal(&invocation["journal"])),
        ("Policy", policy(&invocation["policy"])),
        ("Input", invocation.get("input").map_or_else(String::new, Value::to_string)),
        ("Outcome", answer(invocation)),
    ]);
}

/// The record that a subscription made the invocation of.
fn record(record: &Value) -> String {
    let part = |name: &str| cell(&record[name]);
    match record["subscription"].as_str() {
        Some(id) => {
            format!("{} partition {} offset {}, by {id}", part("topic"), part("partition"), part("offset"))
        }
        None => String::new(),
    }
}

fn print_open(invocation: &Value) {
    let open = items(invocation, "open");
    if open.is_empty() {
        return;
    }
    print("");
    let row = |it: &Value| vec![cell(&it["index"]), cell(&it["command"]), waits_for(it)];
    print_table(&["INDEX", "COMMAND", "WAITS FOR"], open.iter().map(row).collect(), "");
    if let Some(count) = invocation["openCount"].as_u64() {
        eprintln!("These are {} of {count}.", open.len());
    }
}

/// What would answer a command.
fn waits_for(open: &Value) -> String {
    let field = |name: &str| cell(&open[name]);
    match open["waitsFor"].as_str() {
        Some("invocation") => format!("{} ({})", field("id"), field("status")),
        Some("time") => field("due"),
        Some("step") if open["retryAt"].is_string() => format!("its execution at {}", field("retryAt")),
        Some("step") => "its execution".to_owned(),
        Some("awakeable") => field("id"),
        Some("signal") => format!("signal '{}'", field("name")),
        Some("promise") => format!("promise '{}'", field("name")),
        _ => "the host".to_owned(),
    }
}

fn last_failure(failure: &Value) -> String {
    match failure["message"].as_str() {
        Some(message) => format!("{message} ({} in a row)", failure["count"]),
        None => String::new(),
    }
}

fn failing_steps(invocation: &Value) -> String {
    let step = |it: &Value| {
        format!("{}: {} times, last with: {}", it["index"], it["failures"], cell(&it["lastMessage"]))
    };
    items(invocation, "failingRuns").iter().map(step).collect::<Vec<_>>().join("\n")
}

fn cancellation(cancellation: &Value) -> String {
    match (cancellation["reason"].as_str(), cancellation["isTold"].as_bool()) {
        (Some(reason), Some(true)) => format!("{reason}; the handler has been told"),
        (Some(reason), _) => format!("{reason}; the handler is told when its calls have ended"),
        (None, _) => String::new(),
    }
}

fn joined_by(invocation: &Value) -> String {
    let command = |it: &Value| format!("{} (command {})", cell(&it["invocation"]), it["index"]);
    items(invocation, "joinedBy").iter().map(command).collect::<Vec<_>>().join("\n")
}

fn signals(signals: &Value) -> String {
    match signals.is_object() {
        true => format!("{} sent, {} not waited for yet", signals["sent"], signals["kept"]),
        false => String::new(),
    }
}

fn journal(journal: &Value) -> String {
    let length = || format!("{} commands, {} answers", journal["commands"], journal["notifications"]);
    match (journal.is_object(), journal["expiresAt"].as_str()) {
        (true, Some(until)) => format!("{}, kept until {until}", length()),
        (true, None) => length(),
        (false, _) => String::new(),
    }
}

fn policy(policy: &Value) -> String {
    let mut options = Vec::new();
    flatten("", policy, &mut options);
    let options = options.iter().filter(|(_, value)| !value.is_empty());
    options.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n")
}

/// Why there is no journal to show.
fn none(invocation: &Value, journal: &Value) -> &'static str {
    match (invocation["journal"].is_object(), journal["commands"].as_u64()) {
        (false, _) => "Its journal is not kept.",
        (true, Some(0)) => "Its journal is empty.",
        (true, _) => "Its journal does not go that far.",
    }
}

fn entry_row(entry: &Value) -> Vec<String> {
    vec![cell(&entry["index"]), cell(&entry["at"]), cell(&entry["command"]), answer(&entry["completion"])]
}

/// How the world answered a command, if it has; or how an invocation ended.
fn answer(completion: &Value) -> String {
    match (completion["outcome"].get("success"), completion["outcome"].get("failure")) {
        (Some(value), _) => value.to_string(),
        (_, Some(failure)) => format!("failed: {}", cell(&failure["message"])),
        _ => String::new(),
    }
}
