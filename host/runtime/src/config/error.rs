//! Why a configuration cannot be used: what is wrong, where it was said, what it should be.

use std::io;
use std::path::PathBuf;

use figment::error::{Actual, Kind};
use figment::value::Value;
use figment::{Error, Figment};
use holiday_core::error::ErrorCode;

use super::check::{Misfit, OTLP_ENDPOINT};
use super::entry;
use super::kafka::CLUSTERS;
use crate::complaint;
use crate::events;
use crate::seal::NotAKey;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {error}; check the path and its permissions")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} has {size} bytes, more than the {max} that are allowed")]
    TooLarge { path: PathBuf, size: u64, max: usize },
    #[error("{path}: line {line} is not TOML: {reason}")]
    NotToml { path: PathBuf, line: usize, reason: String },
    #[error("the variable {name} is not UTF-8; set it to text, or unset it")]
    NotUnicode { name: String },
    #[error("there is no variable {name}; {}", suggestion(nearest.as_deref()))]
    UnknownVariable { name: String, nearest: Option<String> },
    /// `wrong` names the key.
    #[error("{origin}: {wrong}")]
    Invalid { origin: String, wrong: String },
    #[error("{key} is a secret, and {what}; give the host {reference}, or take {key} out")]
    MissingSecret { key: String, reference: String, what: String },
    #[error("{key} refers to {reference}, but {wrong}")]
    NotAKey { key: String, reference: String, wrong: NotAKey },
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "unset it, or see docs/configuration.md for those there are".to_owned(),
    }
}

impl ConfigError {
    pub fn code(&self) -> ErrorCode {
        match self {
            ConfigError::Unreadable { .. } => ErrorCode::FileUnreadable,
            ConfigError::MissingSecret { .. } => ErrorCode::MissingSecret,
            ConfigError::TooLarge { .. }
            | ConfigError::NotToml { .. }
            | ConfigError::NotUnicode { .. }
            | ConfigError::UnknownVariable { .. }
            | ConfigError::Invalid { .. }
            | ConfigError::NotAKey { .. } => ErrorCode::BadConfig,
        }
    }
}

/// A value that is not what its key takes, or a key that does not exist.
pub(super) fn of_value(mut error: Error) -> ConfigError {
    if is_secret(&error.path) {
        hide(&mut error.kind);
    }
    let origin = error.metadata.as_ref().map_or_else(|| "default".to_owned(), |it| it.name.to_string());
    ConfigError::Invalid { origin, wrong: complaint::in_words(&error) }
}

/// A value that is of the right kind, and out of bounds.
pub(super) fn of_misfit(figment: &Figment, misfit: &Misfit) -> ConfigError {
    let value = entry::find(figment, &misfit.path);
    let origin = value.as_ref().map_or_else(|| "default".to_owned(), |it| entry::source(figment, it.tag()));
    let is = match value {
        Some(value) if !is_secret(&misfit.path) && !may_have_password(&misfit.path, &value) => {
            let json = serde_json::json!(value);
            json.as_str().map_or_else(|| json.to_string(), |text| format!("'{text}'"))
        }
        _ => "something else".to_owned(),
    };
    let wrong = format!("{} is {is}, but should be {}", complaint::key(&misfit.path), misfit.expected);
    ConfigError::Invalid { origin, wrong }
}

/// A Kafka cluster that librdkafka does not take. `reason` has no value of a setting in it that is a secret.
pub(super) fn of_cluster(figment: &Figment, index: usize, reason: &str) -> ConfigError {
    let path = CLUSTERS.map(str::to_owned).into_iter().chain([index.to_string()]).collect::<Vec<_>>();
    let value = entry::find(figment, &path);
    let origin = value.as_ref().map_or_else(|| "default".to_owned(), |it| entry::source(figment, it.tag()));
    ConfigError::Invalid { origin, wrong: format!("{}: {reason}", complaint::key(&path)) }
}

/// What guests get may be a secret, even where it should not stand; and so may what stands in place of a key.
fn is_secret(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["env" | "seal-key" | "seal-keys-old", ..] | ["components", _, "env", ..] => true,
        [first, second, _, setting, ..] if [*first, *second] == CLUSTERS => events::is_secret(setting),
        _ => false,
    }
}

/// A URL may have a user and a password, also one that is malformed.
fn may_have_password(path: &[String], value: &Value) -> bool {
    path == OTLP_ENDPOINT && value.as_str().is_some_and(|text| text.contains('@'))
}

fn hide(kind: &mut Kind) {
    match kind {
        Kind::InvalidType(actual, _) | Kind::InvalidValue(actual, _) => {
            *actual = Actual::Other("something else".to_owned());
        }
        Kind::Message(_)
        | Kind::InvalidLength(..)
        | Kind::UnknownVariant(..)
        | Kind::UnknownField(..)
        | Kind::MissingField(_)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => {}
    }
}
