//! `deployments`: components that the host has accepted and keeps.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::admin::Admin;
use crate::failure::{Failure, Result};
use crate::output::{cell, print_fields, print_json, print_table};

/// Register, list and describe deployments
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

    /// Register it although it takes away what callers of the services rely on
    #[arg(long)]
    force: bool,

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

pub(crate) const JSON: &str = "Print the host's answer as JSON";

impl Deployments {
    pub(crate) async fn execute(self) -> Result<()> {
        match self.verb {
            Verb::Register(it) => it.execute().await,
            Verb::List(it) => it.execute().await,
            Verb::Describe(it) => it.execute().await,
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
            let mut request = client.request(Method::POST, &["deployments"]);
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(name) = self.name.as_deref().or(stem) {
                request = request.query(&[("name", name)]);
            }
            if self.force {
                request = request.query(&[("force", "true")]);
            }
            let request = request.header(CONTENT_TYPE, "application/wasm").body(bytes);
            let answer = client.json(request).await?;
            if self.json {
                print_json(&answer);
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

impl List {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["deployments"])).await?;
        if self.json {
            print_json(&answer);
            return Ok(());
        }
        let rows = items(&answer, "deployments").iter().flat_map(service_rows).collect();
        print_table(&["DEPLOYMENT", "SERVICE", "REVISION"], rows, "There are no deployments.");
        Ok(())
    }
}

impl Describe {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let answer = client.json(client.request(Method::GET, &["deployments", &self.id])).await?;
        if self.json {
            print_json(&answer);
            return Ok(());
        }
        let field = |name: &str| cell(&answer[name]);
        print_fields(&[
            ("Id", field("id")),
            ("Name", field("name")),
            ("Digest", field("digest")),
            ("Origin", field("uri")),
            ("Registered", field("createdAt")),
            ("In flight", field("inFlight")),
        ]);
        let rows = items(&answer, "services").iter().map(service_fields).collect();
        print_table(&["SERVICE", "REVISION", "KIND", "HANDLERS"], rows, "It has no services.");
        Ok(())
    }
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
