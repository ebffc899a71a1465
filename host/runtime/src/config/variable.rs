//! Variables that guests see: a text, or a reference to a secret.
//!
//! A secret is read when the host starts and given to guests only: it is in no log, no journal, no answer
//! and no error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Config;
use super::error::ConfigError;
use super::layer::read;
use crate::complaint;
use crate::seal::{Key, SealKeys};
use crate::secret::Secret;

/// Bytes of a file with a secret; a larger one is refused.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// The value of a variable.
#[derive(Clone, PartialEq, Eq)]
pub enum Variable {
    Text(String),
    /// A variable of the host's own environment.
    SecretEnv(String),
    /// A file, without the end of its last line.
    SecretFile(PathBuf),
}

impl Config {
    /// What the guests of a component see as their environment, with secrets in it: its own variables over
    /// those of all components.
    pub(crate) fn env(&self, component: Option<&str>) -> Result<Vec<(String, Secret)>, ConfigError> {
        let common = self.env.iter().map(|(name, value)| (name, (vec!["env", name], value)));
        let mut variables: BTreeMap<_, _> = common.collect();
        if let Some((component, own)) = component.and_then(|name| self.components.get_key_value(name)) {
            let own = own.env.iter();
            variables
                .extend(own.map(|(name, value)| (name, (vec!["components", component, "env", name], value))));
        }
        let secret = |(name, (path, value)): (&String, (Vec<&str>, &Variable))| {
            Ok((name.clone(), value.resolve(|| complaint::key(&path))?))
        };
        variables.into_iter().map(secret).collect()
    }
}

impl Config {
    /// The keys to seal and reveal with.
    pub(crate) fn seal_keys(&self) -> Result<SealKeys, ConfigError> {
        let current = self.seal_key.as_ref().map(|key| seal_key(&["seal-key"], key)).transpose()?;
        let old = self.seal_keys_old.iter().enumerate();
        let old = old.map(|(index, key)| seal_key(&["seal-keys-old", &index.to_string()], key));
        Ok(SealKeys { current, old: old.collect::<Result<_, _>>()? })
    }
}

fn seal_key(path: &[&str], variable: &Variable) -> Result<Key, ConfigError> {
    let key = || complaint::key(path);
    let secret = variable.resolve(key)?;
    secret.expose().parse().map_err(|wrong| ConfigError::NotAKey {
        key: key(),
        reference: variable.reference(),
        wrong,
    })
}

impl Variable {
    pub(super) fn resolve(&self, key: impl Fn() -> String) -> Result<Secret, ConfigError> {
        let read = match self {
            Variable::Text(text) => return Ok(Secret::new(text.as_str())),
            Variable::SecretEnv(name) => of_env(name),
            Variable::SecretFile(path) => of_file(path),
        };
        match read {
            Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
            Ok(_) => Err(missing(key(), self.reference(), "is empty")),
            Err(what) => Err(missing(key(), self.reference(), &what)),
        }
    }

    /// What it refers to, in words.
    fn reference(&self) -> String {
        match self {
            Variable::Text(_) => "a text".to_owned(),
            Variable::SecretEnv(name) => format!("the variable {name}"),
            Variable::SecretFile(path) => format!("the file {}", path.display()),
        }
    }
}

fn missing(key: String, reference: String, what: &str) -> ConfigError {
    ConfigError::MissingSecret { key, what: format!("{reference} {what}"), reference }
}

fn of_env(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(text) => Ok(text),
        Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8".to_owned()),
    }
}

fn of_file(path: &Path) -> Result<String, String> {
    let text = read(path, SECRET_BYTES_MAX).map_err(|error| match error {
        ConfigError::Unreadable { error, .. } => format!("cannot be read: {error}"),
        _ => format!("has more than the {SECRET_BYTES_MAX} bytes that are allowed"),
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variable::Text(_) => f.write_str("<hidden>"),
            Variable::SecretEnv(name) => write!(f, "<secret from env {name}>"),
            Variable::SecretFile(path) => write!(f, "<secret from file {}>", path.display()),
        }
    }
}

/// A reference as a table with one member.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reference = match self.clone() {
            Variable::Text(text) => return serializer.serialize_str(&text),
            Variable::SecretEnv(name) => Reference { secret_env: Some(name), ..Reference::default() },
            Variable::SecretFile(path) => Reference { secret_file: Some(path), ..Reference::default() },
        };
        reference.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VariableVisitor)
    }
}

struct VariableVisitor;

impl<'de> Visitor<'de> for VariableVisitor {
    type Value = Variable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { secret-env = \"NAME\" } or { secret-file = \"PATH\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Variable, E> {
        Ok(Variable::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Variable, A::Error> {
        match Reference::deserialize(MapAccessDeserializer::new(members))? {
            Reference { secret_env: Some(name), secret_file: None } => Ok(Variable::SecretEnv(name)),
            Reference { secret_env: None, secret_file: Some(path) } => Ok(Variable::SecretFile(path)),
            _ => Err(A::Error::custom("a secret has either 'secret-env' or 'secret-file'")),
        }
    }
}
