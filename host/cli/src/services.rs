//! `services`: what can be invoked now, how, and under which policies.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use crate::admin::Admin;
use crate::client::Answer;
use crate::deployments::{JSON, handler_names, items, kind};
use crate::failure::{Failure, Result};
use crate::output::{cell, print, print_answer, print_fields, print_table};

/// List, describe and configure services
#[derive(Debug, Args)]
pub(crate) struct Services {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Describe(Describe),
    Configure(Configure),
    Openapi(Openapi),
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

/// Show one service with its handlers and the policies in force
#[derive(Debug, Args)]
struct Describe {
    /// The service's name
    name: String,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Print what callers can ask of a service, or of all, as an OpenAPI document
///
/// The paths are those of the ingress. Handlers that are private are left out. What operators can ask of the
/// admin door, it says itself at `/openapi.json`.
#[derive(Debug, Args)]
struct Openapi {
    /// The service's name; all of them if it is left out
    name: Option<String>,

    #[command(flatten)]
    admin: Admin,
}

/// Change options of a service or a handler, in place of what its author and the host's configuration say
///
/// New invocations are under the changed options at once, and after each start. Those that were accepted
/// before keep what they began with. Options are those of `policies` in `holiday.toml`, such as
/// `--set timeout=30s --set retry.max-attempts=5`.
#[derive(Debug, Args)]
struct Configure {
    /// The service's name
    name: String,

    /// Only for this handler
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,

    /// An option to set; can be given many times
    #[arg(long, value_name = "OPTION=VALUE", required_unless_present = "unset")]
    set: Vec<String>,

    /// An option about which author and configuration decide again; can be given many times
    #[arg(long, value_name = "OPTION")]
    unset: Vec<String>,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

impl Services {
    pub(crate) async fn execute(self) -> Result<()> {
        match self.verb {
            Verb::List(it) => it.execute().await,
            Verb::Describe(it) => it.execute().await,
            Verb::Configure(it) => it.execute().await,
            Verb::Openapi(it) => it.execute().await,
        }
    }
}

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["services"])?).await?;
        if self.json {
            print_answer(&answer);
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

impl Describe {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["services", &self.name])?).await?;
        show(&answer, self.json);
        Ok(())
    }
}

impl Openapi {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let path = match &self.name {
            Some(name) => vec!["services", name.as_str(), "openapi"],
            None => vec!["services", "openapi"],
        };
        print_answer(&client.json(client.request(Method::GET, &path)?).await?);
        Ok(())
    }
}

impl Configure {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let mut patch = self.patch()?;
        if let Some(handler) = self.handler {
            patch = Value::from_iter([("handlers", Value::from_iter([(handler, patch)]))]);
        }
        let request = client.request(Method::PATCH, &["services", &self.name])?.json(&patch);
        show(&client.json(request).await?, self.json);
        Ok(())
    }

    fn patch(&self) -> Result<Value> {
        let mut patch = Map::new();
        for assignment in &self.set {
            let Some((option, value)) = assignment.split_once('=') else {
                return Err(Failure::misuse(format!("'{assignment}' is not OPTION=VALUE")));
            };
            put(&mut patch, option, value_of(option, value))?;
        }
        for option in &self.unset {
            put(&mut patch, option, Value::Null)?;
        }
        Ok(Value::Object(patch))
    }
}

/// Puts a value where `retry.max-attempts` says, unless something was said of it already.
fn put(patch: &mut Map<String, Value>, option: &str, value: Value) -> Result<()> {
    let (at, rest) = match option.split_once('.') {
        None => (option, None),
        Some((table, rest)) => (table, Some(rest)),
    };
    match (patch.get_mut(at), rest) {
        (None, None) => drop(patch.insert(at.to_owned(), value)),
        (None, Some(rest)) => {
            let mut members = Map::new();
            put(&mut members, rest, value)?;
            patch.insert(at.to_owned(), Value::Object(members));
        }
        (Some(Value::Object(members)), Some(rest)) => put(members, rest, value)?,
        (Some(_), _) => {
            return Err(Failure::misuse(format!("'{at}' is set or unset twice; say what it is to be once")));
        }
    }
    Ok(())
}

/// Numbers, `true` and `false` as what they are, a list with commas between its members, all else as text.
fn value_of(option: &str, text: &str) -> Value {
    match option {
        "keep-headers" => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn show(service: &Answer, json: bool) {
    if json {
        return print_answer(service);
    }
    let field = |name: &str| cell(&service[name]);
    print_fields(&[
        ("Name", field("name")),
        ("Kind", kind(service)),
        ("Revision", field("revision")),
        ("Deployment", field("deployment")),
        ("About", field("documentation")),
    ]);
    let handlers = items(service, "handlers");
    let row = |handler: &Value| vec![cell(&handler["name"]), cell(&handler["ty"]).to_lowercase()];
    print("");
    print_table(&["HANDLER", "MODE"], handlers.iter().map(row).collect(), "It has no handlers.");
    for (policy, handlers) in by_policy(handlers) {
        print(&format!("\nPolicy of {}:", handlers.join(", ")));
        let fields: Vec<(&str, String)> =
            policy.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        print_fields(&fields);
    }
}

/// Handlers often have one policy: it is shown once.
fn by_policy(handlers: &[Value]) -> BTreeMap<Vec<(String, String)>, Vec<String>> {
    let mut policies: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for handler in handlers {
        let mut options = Vec::new();
        flatten("", &handler["policy"], &mut options);
        policies.entry(options).or_default().push(cell(&handler["name"]));
    }
    policies
}

/// Lists the options of a policy by their names, such as `retry.max-attempts`.
pub(crate) fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(&format!("{prefix}{name}."), value, into);
            }
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(cell).collect();
            into.push((prefix.trim_end_matches('.').to_owned(), values.join(", ")));
        }
        other => into.push((prefix.trim_end_matches('.').to_owned(), cell(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_become_a_patch() {
        let mut patch = Map::new();
        for (option, text) in [
            ("timeout", "30s"),
            ("private", "true"),
            ("retry.max-attempts", "5"),
            ("retry.then", "fail"),
            ("keep-headers", "authorization, cookie"),
        ] {
            put(&mut patch, option, value_of(option, text)).expect("each is said once");
        }
        put(&mut patch, "retry.factor", Value::Null).expect("it is said once");
        let expected = serde_json::json!({
            "timeout": "30s",
            "private": true,
            "retry": {"max-attempts": 5, "then": "fail", "factor": null},
            "keep-headers": ["authorization", "cookie"],
        });
        assert_eq!(Value::Object(patch), expected);
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        for (one, other) in [("retry", "retry.factor"), ("retry.factor", "retry"), ("timeout", "timeout")] {
            let mut patch = Map::new();
            put(&mut patch, one, Value::Null).expect("it is said once");
            put(&mut patch, other, 5.into()).expect_err("it contradicts the other");
        }
    }
}
