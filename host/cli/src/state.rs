//! `state`: what an object or a workflow remembers.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use holiday_core::error::ErrorCode;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admin::{Admin, confirm};
use crate::client::Client;
use crate::deployments::JSON;
use crate::failure::{Failure, Result};
use crate::output::{print, print_fields, print_table};
use crate::pretty::pretty;

/// How often one value is set anew when others change the state at the same time.
const PUT_ROUNDS_MAX: u32 = 5;

/// Read and change the state of an object or a workflow
///
/// A handler that runs would overwrite a change: while one does, it is refused. One that waits, or is paused, reads again only
/// what it has not read yet.
#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Get(Get),
    Put(Put),
    Clear(Clear),
    Edit(Edit),
}

/// Which state is meant.
#[derive(Debug, Args)]
struct Object {
    /// The object or the workflow
    service: String,

    /// The object key or workflow id
    key: String,
}

/// Print all values of one key
#[derive(Debug, Args)]
struct Get {
    #[command(flatten)]
    object: Object,

    #[arg(long, help = JSON)]
    json: bool,

    #[command(flatten)]
    admin: Admin,
}

/// Set one value; or with --file, put a whole state in place of the one before
#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    object: Object,

    /// The name of the value
    #[arg(requires = "value", required_unless_present = "file")]
    name: Option<String>,

    /// The value, as JSON
    #[arg(value_name = "JSON")]
    value: Option<String>,

    /// A file with all values as one JSON object; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,

    /// Put the file only in place of the state of this version
    #[arg(long, requires = "file")]
    version: Option<String>,

    #[command(flatten)]
    admin: Admin,
}

/// Remove all values of one key
#[derive(Debug, Args)]
struct Clear {
    #[command(flatten)]
    object: Object,

    /// Clear only the state of this version
    #[arg(long)]
    version: Option<String>,

    #[command(flatten)]
    admin: Admin,
}

/// Change a state in your editor
///
/// The editor is that of VISUAL or EDITOR. If the state changes while you write, yours is not taken, and kept in a file.
#[derive(Debug, Args)]
struct Edit {
    #[command(flatten)]
    object: Object,

    #[command(flatten)]
    admin: Admin,
}

/// Values by their names, each as it was written.
type Values = BTreeMap<String, Box<RawValue>>;

#[derive(Debug, Serialize, Deserialize)]
struct ObjectState {
    version: String,
    state: Values,
}

impl State {
    /// `yes`: what destroys was confirmed on the command line.
    pub(crate) async fn execute(self, yes: bool) -> Result<()> {
        match self.verb {
            Verb::Get(it) => it.execute().await,
            Verb::Put(it) => {
                if it.file.is_some() {
                    let Object { service, key } = &it.object;
                    confirm(&format!("Replacing the whole state of {service}/{key}"), yes)?;
                }
                it.execute().await
            }
            Verb::Clear(it) => {
                confirm(&format!("Clearing the state of {}/{}", it.object.service, it.object.key), yes)?;
                it.execute().await
            }
            Verb::Edit(it) => it.execute().await,
        }
    }
}

impl Object {
    fn path(&self) -> [&str; 3] {
        ["state", &self.service, &self.key]
    }

    async fn get(&self, client: &Client) -> Result<ObjectState> {
        client.read(client.request(Method::GET, &self.path())?).await
    }

    /// Replaces the state; with a version, only that one. Returns the new version.
    async fn put<S: Serialize>(&self, client: &Client, state: &S, version: Option<&str>) -> Result<String> {
        #[derive(Serialize)]
        struct Replacement<'a, S> {
            state: &'a S,
            #[serde(skip_serializing_if = "Option::is_none")]
            version: Option<&'a str>,
        }

        let request = client.request(Method::PUT, &self.path())?.json(&Replacement { state, version });
        let stored: ObjectState = client.read(request).await?;
        Ok(stored.version)
    }

    fn stored(&self, version: &str) {
        eprintln!("Stored the state of {}/{}, now version {version}", self.service, self.key);
    }
}

impl Get {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        if self.json {
            let shown: Box<RawValue> = client.read(client.request(Method::GET, &self.object.path())?).await?;
            print(&pretty(shown.get()));
            return Ok(());
        }
        let ObjectState { state, .. } = self.object.get(&client).await?;
        print("State:");
        print_fields(&[("Service", self.object.service), ("Key", self.object.key)]);
        print("");
        let rows = state.into_iter().map(|(name, value)| vec![name, pretty(value.get())]).collect();
        print_table(&["KEY", "VALUE"], rows, "No values.");
        Ok(())
    }
}

impl Put {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let version = match (&self.name, &self.value, &self.file) {
            (Some(name), Some(value), _) => set(&client, &self.object, name, value).await?,
            (_, _, Some(file)) => {
                let state = read_values(&read_file(file)?)?;
                self.object.put(&client, &state, self.version.as_deref()).await?
            }
            (_, _, None) => return Err(Failure::misuse("name a value, or give all with --file")),
        };
        self.object.stored(&version);
        Ok(())
    }
}

/// Sets one value and leaves the others as they are, also when somebody else changes them at the same time.
async fn set(client: &Client, object: &Object, name: &str, value: &str) -> Result<String> {
    let value: Box<RawValue> = serde_json::from_str(value).map_err(|error| {
        Failure::misuse(format!("'{value}' is no JSON: {error}; a text is \"in quotes\""))
    })?;
    let mut rounds = 0;
    loop {
        rounds += 1;
        let ObjectState { version, mut state } = object.get(client).await?;
        state.insert(name.to_owned(), value.clone());
        match object.put(client, &state, Some(&version)).await {
            Err(failure) if failure.code == ErrorCode::StateChanged && rounds < PUT_ROUNDS_MAX => {}
            stored => return stored,
        }
    }
}

fn read_file(path: &Path) -> Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Looks only whether it is JSON; the host says what else is wrong with it, such as a name that is there twice.
fn read_values(text: &str) -> Result<Box<RawValue>> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("that is no JSON object with a value for each name: {error}");
        Failure::new(ErrorCode::MalformedBody, message)
    })
}

impl Clear {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let version = self.version.map(|version| [("version", version)]);
        client.send(client.request(Method::DELETE, &self.object.path())?.query(&version)).await?;
        eprintln!("Cleared the state of {}/{}", self.object.service, self.object.key);
        Ok(())
    }
}

impl Edit {
    async fn execute(self) -> Result<()> {
        let client = self.admin.client()?;
        let before = self.object.get(&client).await?;
        let text = pretty(&serde_json::to_string(&before.state).expect("texts can be written")) + "\n";
        // The file goes only when what is written in it is stored.
        let draft = draft(&text)?;
        match self.edit(&client, &before.version, &text, &draft).await {
            Ok(()) => Ok(std::fs::remove_file(&draft)?),
            Err(failure) => Err(failure.and(format!("what you wrote is in {}", draft.display()))),
        }
    }

    async fn edit(&self, client: &Client, version: &str, before: &str, draft: &Path) -> Result<()> {
        edit::edit_file(draft).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Failure::new(ErrorCode::ToolMissing, format!("no editor: {error}; set EDITOR to one"))
            }
            _ => Failure::file("edit", draft, &error),
        })?;
        let after = read_file(draft)?;
        if after == before {
            eprintln!("Nothing was changed.");
            return Ok(());
        }
        let stored = self.object.put(client, &read_values(&after)?, Some(version)).await?;
        self.object.stored(&stored);
        Ok(())
    }
}

/// A file for an editor.
fn draft(text: &str) -> Result<PathBuf> {
    let mut file = tempfile::Builder::new().prefix("state-").suffix(".json").tempfile()?;
    file.write_all(text.as_bytes())?;
    let (_, path) = file.keep().map_err(|error| error.error)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::client::parse_url;

    /// A host whose state has always changed since it was read; counts how often somebody has tried.
    fn busy_host() -> (Client, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = BufReader::new(connection.expect("a client"));
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    connection.read_line(&mut head).expect("a request");
                }
                let (status, body) = match head.starts_with("GET ") {
                    true => ("200 OK", r#"{"version": "0000000000000001", "state": {}}"#),
                    false => {
                        ("409 Conflict", r#"{"code": 409, "error_code": "HH0069", "message": "it changed"}"#)
                    }
                };
                counted.fetch_add(u32::from(status.starts_with("409")), Ordering::Relaxed);
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                connection.get_mut().write_all((head + body).as_bytes()).expect("the client listens");
            }
        });
        (Client::new(&parse_url(&url).expect("a URL")).expect("a client"), tries)
    }

    #[tokio::test]
    async fn one_value_is_tried_so_many_times() {
        let (client, tries) = busy_host();
        let object = Object { service: "cart".to_owned(), key: "ann".to_owned() };
        let failure = set(&client, &object, "items", "1").await.expect_err("it always changes");
        assert_eq!((failure.code, tries.load(Ordering::Relaxed)), (ErrorCode::StateChanged, PUT_ROUNDS_MAX));
    }
}
