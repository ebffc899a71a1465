//! `deployments`: components that the host has accepted and keeps.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::admin::{Admin, confirm};
use crate::failure::{Failure, Result};
use crate::hosting::parse_pair;
use crate::output::{cell, print, print_answer, print_fields, print_table};

/// Register, list, describe and remove deployments
#[derive(Debug, Args)]
pub(crate) struct Deployments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Register(Register),
    List(List),
    Describe(Describe),
    Remove(Remove),
}

/// Make a component the latest revision of its services
///
/// Registering the same bytes again changes nothing.
#[derive(Debug, Args)]
#[command(visible_alias = "add")]
struct Register {
    #[arg(value_name = "COMPONENT.wasm", required = true)]
    components: Vec<PathBuf>,

    /// What the configuration calls the component, if not as its file without the extension
    #[arg(long)]
    name: Option<String>,

    /// Register it although its services lose handlers that callers may rely on
    #[arg(long)]
    force: bool,

    /// Say what would be registered, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// A note for those who look at it later; can be given many times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// List all deployments
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Show one deployment with its services
#[derive(Debug, Args)]
struct Describe {
    /// The deployment's id (dp_…)
    id: String,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Take deployments away: their services take no new calls
///
/// Invocations that began on it finish on it, and then it is freed. If it is the latest of a service, that service is gone
/// until a component that has it is registered again.
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
struct Remove {
    /// The deployments' ids (dp_…)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Free it at once, and pause its invocations
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    admin: Admin,
}

pub(crate) const JSON: &str = "Print the host's answer as JSON";

impl Deployments {
    /// `yes`: what destroys was confirmed on the command line.
    pub(crate) async fn execute(self, yes: bool) -> Result<()> {
        match self.verb {
            Verb::Register(it) => it.execute().await,
            Verb::List(it) => it.execute().await,
            Verb::Describe(it) => it.execute().await,
            Verb::Remove(it) => {
                confirm(&format!("Removing {}", it.ids.join(", ")), yes)?;
                it.execute().await
            }
        }
    }
}

impl Register {
    async fn execute(self) -> Result<()> {
        if self.name.is_some() && self.components.len() > 1 {
            return Err(Failure::misuse("--name is for one component; register them one by one"));
        }
        let client = self.admin.client()?;
        for path in &self.components {
            let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
            eprintln!("Registering {} …", path.display());
            let query = self.query(path);
            let request = client.request(Method::POST, &["deployments"])?.query(&query);
            let request = request.header(CONTENT_TYPE, "application/wasm").body(bytes);
            let answer = client.json(request).await?;
            if self.json {
                print_answer(&answer);
            } else {
                print_table(
                    &["DEPLOYMENT", "SERVICE", "REVISION"],
                    service_rows(&answer),
                    "It has no services.",
                );
            }
        }
        Ok(())
    }
}

impl Register {
    fn query(&self, path: &Path) -> Vec<(&str, String)> {
        let mut query = vec![("force", self.force.to_string()), ("dry_run", self.dry_run.to_string())];
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        query.extend(self.name.as_deref().or(stem).map(|name| ("name", name.to_owned())));
        if !self.metadata.is_empty() {
            let notes = self.metadata.iter().map(|(name, value)| (name.clone(), value.as_str()));
            query.push(("metadata", Value::from_iter(notes).to_string()));
        }
        query
    }
}

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["deployments"])?).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let row = |deployment: &Value| {
            let state = if is_draining(deployment) { "draining" } else { "active" };
            service_rows(deployment).into_iter().map(move |row| [row, vec![state.to_owned()]].concat())
        };
        let rows = items(&answer, "deployments").iter().flat_map(row).collect();
        print_table(&["DEPLOYMENT", "SERVICE", "REVISION", "STATE"], rows, "There are no deployments.");
        Ok(())
    }
}

impl Describe {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["deployments", &self.id])?).await?;
        if self.json {
            print_answer(&answer);
            return Ok(());
        }
        let field = |name: &str| cell(&answer[name]);
        print_fields(&[
            ("Id", field("id")),
            ("Name", field("name")),
            ("Digest", field("digest")),
            ("Origin", field("uri")),
            ("Registered", field("createdAt")),
            ("Notes", pairs(&answer["metadata"], "\n")),
            ("State", if is_draining(&answer) { "draining" } else { "active" }.to_owned()),
            ("In flight", in_flight(&answer)),
        ]);
        print("");
        let rows = items(&answer, "services").iter().map(service_fields).collect();
        print_table(&["SERVICE", "REVISION", "KIND", "HANDLERS"], rows, "It has no services.");
        Ok(())
    }
}

impl Remove {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let force = [("force", self.force)];
        for id in &self.ids {
            let answer =
                client.json(client.request(Method::DELETE, &["deployments", id])?.query(&force)).await?;
            match answer["isFreed"].as_bool() {
                Some(true) => eprintln!("Removed {id}"),
                _ => eprintln!("Draining {id}: {} invocations have to end first", answer["inFlight"]),
            }
        }
        Ok(())
    }
}

fn is_draining(deployment: &Value) -> bool {
    deployment["isDraining"].as_bool() == Some(true)
}

/// How many invocations have not ended, and what they do.
fn in_flight(deployment: &Value) -> String {
    match pairs(&deployment["inFlightByStatus"], ", ") {
        by_status if by_status.is_empty() => cell(&deployment["inFlight"]),
        by_status => format!("{} ({by_status})", deployment["inFlight"]),
    }
}

/// The members of an object, such as `running 2`.
fn pairs(object: &Value, separator: &str) -> String {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} {}", cell(value))).collect::<Vec<_>>().join(separator)
}

/// The list in an answer, be it the answer itself or its field `name`.
pub(crate) fn items<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer.as_array().or_else(|| answer[name].as_array()).map_or(&[], Vec::as_slice)
}

fn service_rows(deployment: &Value) -> Vec<Vec<String>> {
    let row =
        |service: &Value| vec![cell(&deployment["id"]), cell(&service["name"]), cell(&service["revision"])];
    items(deployment, "services").iter().map(row).collect()
}

fn service_fields(service: &Value) -> Vec<String> {
    vec![cell(&service["name"]), cell(&service["revision"]), kind(service), handler_names(service)]
}

/// The kind of a service in the words of this project.
pub(crate) fn kind(service: &Value) -> String {
    match service["ty"].as_str() {
        Some("Service") => "service".to_owned(),
        Some("VirtualObject") => "object".to_owned(),
        Some("Workflow") => "workflow".to_owned(),
        _ => cell(&service["ty"]),
    }
}

pub(crate) fn handler_names(service: &Value) -> String {
    let name = |handler: &Value| cell(handler.get("name").unwrap_or(handler));
    items(service, "handlers").iter().map(name).collect::<Vec<_>>().join(", ")
}
