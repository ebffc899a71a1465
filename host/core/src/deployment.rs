//! Deployments: immutable components and the services they export.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, Digest};
use crate::policy::{Options, Policy};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceKind {
    /// No key, no state; any number of invocations at a time.
    Service,
    /// Keyed, with state; one exclusive handler at a time per key.
    Object,
    /// Keyed, with state; its run handler starts once per workflow id.
    Workflow,
}

impl ServiceKind {
    pub fn is_keyed(self) -> bool {
        match self {
            ServiceKind::Service => false,
            ServiceKind::Object | ServiceKind::Workflow => true,
        }
    }
}

/// How invocations of a handler share their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandlerMode {
    /// Service: unrestricted. Object: holds the key's lock and may write its state.
    Exclusive,
    /// Runs beside whoever holds the key; reads state, does not write it.
    Shared,
    /// A workflow's main handler: starts once per workflow id and may write its state.
    WorkflowRun,
}

/// One side of a handler: what it takes or what it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    pub content_type: String,
    /// A JSON Schema document.
    pub schema: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handler {
    pub name: String,
    pub mode: HandlerMode,
    /// `None`: the handler takes no body.
    pub input: Option<Media>,
    /// `None`: the handler answers with an empty body.
    pub output: Option<Media>,
    pub documentation: Option<String>,
    /// As its author set them; [`Route`] has those in force.
    pub options: Options,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub kind: ServiceKind,
    pub handlers: Vec<Handler>,
    pub documentation: Option<String>,
    /// As their author set them, for all handlers.
    pub options: Options,
}

impl Service {
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.name == name)
    }
}

/// A component that the host has accepted and keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub digest: Digest,
    /// The file it came from, for people.
    pub origin: String,
    pub services: Vec<Service>,
    pub registered_at: Timestamp,
    /// Notes of whoever registered it.
    pub metadata: BTreeMap<String, String>,
}

impl Deployment {
    /// The name by which the configuration knows the component.
    pub fn name(&self) -> Option<&str> {
        component_name(&self.origin, &self.metadata)
    }
}

/// Where a component came from that has no file.
pub const UPLOAD: &str = "an upload";

/// What a component is called: what the note `name` says, or else its file without the extension.
pub fn component_name<'a>(origin: &'a str, notes: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let of_file = || Path::new(origin).file_stem()?.to_str();
    let has_file = origin != UPLOAD;
    notes.get("name").map(String::as_str).or_else(|| has_file.then(of_file).flatten())
}

/// The latest revision of a service: where its new invocations go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub deployment: DeploymentId,
    /// Counted from 1, one more with each deployment that exports the service.
    pub number: u32,
    pub service: Service,
}

/// Where new invocations of a service go, with the policies in force: all that an acceptance has to read.
///
/// Made anew with every deployment and every change of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub kind: ServiceKind,
    pub deployment: DeploymentId,
    pub handlers: BTreeMap<String, RoutedHandler>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutedHandler {
    pub mode: HandlerMode,
    pub policy: Policy,
}
