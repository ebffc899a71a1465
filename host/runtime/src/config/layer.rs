//! Where values come from: a file, variables of the environment, flags. Each is one layer with its name.

use std::fmt;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::entry::{Node, leaves};
use super::error::ConfigError;
use super::kafka::{CLUSTERS, flatten_settings};
use super::{CONFIG_BYTES_MAX, Config, shown_defaults};
use crate::nearest::nearest;

/// How the variables begin that configure hosts.
pub(super) const PREFIX: &str = "HOLIDAY_";

/// Such variables set what all components see: `HOLIDAY_ENV_REGION` is `env.REGION`.
const ENV_PREFIX: &str = "HOLIDAY_ENV_";

/// Variables whose names do not follow from their keys: older ones, and those that commands would take for
/// the address of a host.
const NAMED: [(&str, &str); 3] = [
    ("ingress.bind-address", "HOLIDAY_INGRESS_ADDR"),
    ("admin", "HOLIDAY_ADMIN_ADDR"),
    ("log.filter", "HOLIDAY_LOG"),
];

/// Variables that begin so and are no keys.
const OTHERS: [&str; 3] = ["HOLIDAY_ADMIN", "HOLIDAY_CONFIG", "HOLIDAY_INGRESS"];

/// What a variable holds a secret for.
const SEAL_KEY: [&str; 1] = ["seal-key"];

/// A table that may be an address alone.
const INGRESS: &str = CLUSTERS[0];

/// A variable that differs by so few letters from one that exists is a mistake.
const TYPING_ERRORS: usize = 2;

/// Values of one source.
#[derive(Clone)]
pub(super) struct Layer {
    source: String,
    values: Dict,
}

/// A value from the command line.
#[derive(Clone)]
pub struct Flag {
    /// As it is written, such as `--ingress`.
    name: &'static str,
    key: Vec<String>,
    value: FlagValue,
}

#[derive(Clone)]
pub(super) enum FlagValue {
    Text(String),
    List(Vec<String>),
}

impl Layer {
    /// Makes a layer of values, each in the one way that layers are laid over each other in.
    fn new(source: String, mut values: Dict) -> Self {
        if let Some(ingress) = values.get_mut(INGRESS) {
            if !matches!(ingress, Value::Dict(..)) {
                let address = std::mem::replace(ingress, false.into());
                *ingress = Dict::from([("bind-address".to_owned(), address)]).into();
            }
            if let Value::Dict(_, members) = ingress {
                members.get_mut(CLUSTERS[1]).into_iter().for_each(flatten_settings);
            }
        }
        Layer { source, values }
    }

    pub(super) fn of_defaults(config: &Config) -> Self {
        let values = Value::serialize(config).ok().and_then(Value::into_dict);
        Layer {
            source: "default".to_owned(),
            values: values.expect("a configuration is a table of plain values"),
        }
    }

    pub(super) fn of_file(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path, CONFIG_BYTES_MAX)?;
        let values = toml::from_str(&text).map_err(|error| {
            // The error would show the line; there may be something in it that should not be shown.
            let end = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::NotToml { path: path.to_owned(), line, reason: error.message().to_owned() }
        })?;
        Ok(Layer::new(path.display().to_string(), values))
    }

    /// One layer per variable, so that each value names its own.
    pub(super) fn of_variables(variables: &[(String, String)]) -> Result<Vec<Self>, ConfigError> {
        let defaults = Value::serialize(shown_defaults()).expect("a configuration is plain values");
        let keys = leaves(&defaults);
        let mut layers = Vec::new();
        for (name, text) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let key = keys.iter().find(|node| variable_of(&node.path) == *name);
            let (path, value) = match (key, name.strip_prefix(ENV_PREFIX)) {
                // It holds the key, and the configuration has only where it is.
                (Some(Node { path, .. }), _) if *path == SEAL_KEY => {
                    (path.clone(), nested(&owned(&["secret-env"]), name.as_str().into()).into())
                }
                (Some(Node { path, value }), _) => (path.clone(), value_of(text, value)),
                (None, Some(name)) if !name.is_empty() => {
                    (vec!["env".to_owned(), name.to_owned()], Value::from(text.as_str()))
                }
                (None, _) => {
                    check_unknown(name, &keys)?;
                    continue;
                }
            };
            layers.push(Layer::new(name.clone(), nested(&path, value)));
        }
        Ok(layers)
    }

    /// One value.
    pub(super) fn of_value(source: &str, key: &[&str], value: impl Into<Value>) -> Self {
        Layer::new(source.to_owned(), nested(&owned(key), value.into()))
    }

    pub(super) fn of_flag(flag: &Flag) -> Self {
        let value = match &flag.value {
            FlagValue::Text(text) => Value::from(text.as_str()),
            FlagValue::List(texts) => Value::from(texts.clone()),
        };
        Layer::new(flag.name.to_owned(), nested(&flag.key, value))
    }
}

impl Flag {
    pub fn text(name: &'static str, key: &[&str], text: impl Into<String>) -> Self {
        Flag { name, key: owned(key), value: FlagValue::Text(text.into()) }
    }

    pub fn list(name: &'static str, key: &[&str], texts: &[String]) -> Self {
        Flag { name, key: owned(key), value: FlagValue::List(texts.to_vec()) }
    }
}

fn owned(key: &[&str]) -> Vec<String> {
    key.iter().map(|part| (*part).to_owned()).collect()
}

/// The variable that sets a key: `limits.body` is set by `HOLIDAY_LIMITS_BODY`.
pub fn variable_of(key: &[String]) -> String {
    let key = key.join(".");
    match NAMED.iter().find(|(named, _)| *named == key) {
        Some((_, variable)) => (*variable).to_owned(),
        None => format!("{PREFIX}{}", key.to_uppercase().replace(['.', '-'], "_")),
    }
}

/// Refuses a variable that looks as if it should be a key. Others are somebody else's.
fn check_unknown(name: &str, keys: &[Node]) -> Result<(), ConfigError> {
    if OTHERS.contains(&name) {
        return Ok(());
    }
    let known: Vec<String> = keys.iter().map(|node| variable_of(&node.path)).collect();
    let sections = keys.iter().filter(|node| node.path.len() > 1).map(|node| variable_of(&node.path[..1]));
    let is_in_section = sections.map(|section| section + "_").any(|section| name.starts_with(&section));
    let is_mistyped = known.iter().any(|it| strsim::osa_distance(it, name) <= TYPING_ERRORS);
    match is_in_section || is_mistyped {
        true => Err(ConfigError::UnknownVariable {
            name: name.to_owned(),
            nearest: nearest(known.iter().map(String::as_str), name).map(str::to_owned),
        }),
        false => Ok(()),
    }
}

/// Reads what is text in a variable as something of the same kind as the default.
fn value_of(text: &str, default: &Value) -> Value {
    match default {
        Value::Bool(..) => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        Value::Num(..) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => number.into(),
            (Err(_), Ok(number)) => number.into(),
            (Err(_), Err(_)) => text.into(),
        },
        Value::Array(..) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect::<Vec<_>>().into()
        }
        Value::String(..) | Value::Char(..) | Value::Empty(..) | Value::Dict(..) => text.into(),
    }
}

/// A table with one value, at the end of the path.
fn nested(path: &[String], value: Value) -> Dict {
    let (first, rest) = path.split_first().expect("a key has a name");
    let value = match rest {
        [] => value,
        rest => nested(rest, value).into(),
    };
    Dict::from([(first.clone(), value)])
}

/// Reads a file that must not be larger than `max`.
pub(super) fn read(path: &Path, max: usize) -> Result<String, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > max as u64 {
        return Err(ConfigError::TooLarge { path: path.to_owned(), size, max });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Without the values: there may be something among them that should not be shown.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// Addresses as text.
pub(super) mod address {
    use std::net::SocketAddr;

    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::config) fn serialize<S: Serializer>(
        address: &SocketAddr,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(address)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
        let text = String::deserialize(from)?;
        let expected = &"an address and port such as '127.0.0.1:8080' or '[::1]:8080'";
        text.parse().map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), expected))
    }
}
