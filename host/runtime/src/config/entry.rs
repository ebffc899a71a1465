//! A configuration as people see it: each key with its value and its source.

use figment::Figment;
use figment::value::{Dict, Tag, Value};
use serde::Serialize;
use serde_json::json;

use super::{figment, shown_defaults};
use crate::complaint::key;

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// As TOML writes it, such as `limits.body`.
    pub key: String,
    /// As it was written; `null` if it is not set and has no default. A secret is named, not shown.
    pub value: serde_json::Value,
    /// A file, a variable, a flag, or `default`.
    pub source: String,
}

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
}

/// All keys that have a fixed name, with their defaults.
pub fn keys() -> Vec<Entry> {
    entries(&figment(&shown_defaults(), &[]))
}

pub(super) fn entries(figment: &Figment) -> Vec<Entry> {
    let nodes = leaves(&values(figment));
    let entry = |node: Node| Entry {
        key: key(&node.path),
        value: shown(&node.value),
        source: source(figment, node.value.tag()),
    };
    nodes.into_iter().map(entry).collect()
}

/// The value of a key; parts of the path may count the members of a list.
pub(super) fn find(figment: &Figment, path: &[String]) -> Option<Value> {
    path.iter().try_fold(values(figment), |value, part| match value {
        Value::Dict(_, mut members) => members.remove(part),
        Value::Array(_, members) => members.into_iter().nth(part.parse().ok()?),
        _ => None,
    })
}

fn values(figment: &Figment) -> Value {
    figment.extract::<Dict>().expect("every layer is a table").into()
}

pub(super) fn source(figment: &Figment, tag: Tag) -> String {
    figment.get_metadata(tag).map_or_else(|| "default".to_owned(), |metadata| metadata.name.to_string())
}

/// All values that are not tables of other values.
pub(super) fn leaves(value: &Value) -> Vec<Node> {
    let mut nodes = Vec::new();
    collect(&mut Vec::new(), value, &mut nodes);
    nodes
}

fn collect(path: &mut Vec<String>, value: &Value, nodes: &mut Vec<Node>) {
    match value {
        Value::Dict(_, members) if secret(value).is_none() => {
            for (name, value) in members {
                path.push(name.clone());
                collect(path, value, nodes);
                path.pop();
            }
        }
        Value::Array(_, members) if !members.is_empty() && members.iter().all(is_table) => {
            for (index, value) in members.iter().enumerate() {
                path.push(index.to_string());
                collect(path, value, nodes);
                path.pop();
            }
        }
        other => nodes.push(Node { path: path.clone(), value: other.clone() }),
    }
}

fn shown(value: &Value) -> serde_json::Value {
    match secret(value) {
        Some((kind, reference)) => json!(format!("<secret from {kind} {reference}>")),
        None => match value {
            Value::Array(_, members) => members.iter().map(shown).collect(),
            other => json!(other),
        },
    }
}

/// Returns true for a table that is no reference to a secret.
fn is_table(value: &Value) -> bool {
    matches!(value, Value::Dict(..)) && secret(value).is_none()
}

/// Returns true for a table that is a reference to a secret, or was meant to be one.
pub(super) fn looks_like_secret(members: &Dict) -> bool {
    members.keys().any(|name| name.starts_with("secret-"))
}

/// Whether the value is a reference to a secret: to what, and its name.
fn secret(value: &Value) -> Option<(&'static str, &str)> {
    let members = value.as_dict()?;
    let named = |name: &str| members.get(name).and_then(Value::as_str);
    match (named("secret-env"), named("secret-file")) {
        (Some(variable), None) => Some(("env", variable)),
        (None, Some(file)) => Some(("file", file)),
        _ => None,
    }
}
