//! What is wrong with something that people wrote: which key it is, what stands there, and what should.

use figment::Error;
use figment::error::{Actual, Kind};

use crate::nearest::nearest;

/// Says in words what is wrong: `limits.body is 'x', but should be a size such as '8 MiB'`.
pub(crate) fn in_words(error: &Error) -> String {
    let key = key(&error.path);
    let is = match key.is_empty() {
        true => "it is".to_owned(),
        false => format!("{key} is"),
    };
    match &error.kind {
        Kind::UnknownField(name, known) => match nearest(known.iter().copied(), name) {
            Some(nearest) => format!("there is no key '{key}'; did you mean '{nearest}'?"),
            None => format!("there is no key '{key}'; there are {}", known.join(", ")),
        },
        Kind::UnknownVariant(is_now, known) => {
            let known: Vec<String> = known.iter().map(|it| format!("'{it}'")).collect();
            format!("{is} '{is_now}', but should be {}", known.join(" or "))
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("{is} {}, but should be {}", what_is_there(actual), what_should(expected))
        }
        Kind::MissingField(name) => format!("{is} without '{name}'; add it"),
        Kind::Message(message) if key.is_empty() => message.clone(),
        Kind::Message(message) => format!("{key}: {message}"),
        Kind::InvalidLength(..)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => format!("{key}: {}", error.kind),
    }
}

/// A key as TOML writes it: its parts with dots between them, in quotes where a part is not a plain word.
pub(crate) fn key<S: AsRef<str>>(path: &[S]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let part = |part: &str| match !part.is_empty() && part.chars().all(is_plain) {
        true => part.to_owned(),
        false => format!("{part:?}"),
    };
    path.iter().map(|it| part(it.as_ref())).collect::<Vec<_>>().join(".")
}

fn what_is_there(actual: &Actual) -> String {
    match actual {
        Actual::Str(text) => format!("'{text}'"),
        Actual::Bool(it) => it.to_string(),
        Actual::Unsigned(it) => it.to_string(),
        Actual::Signed(it) => it.to_string(),
        Actual::Float(it) => it.to_string(),
        Actual::Char(it) => format!("'{it}'"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        Actual::Unit | Actual::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// What the types of Rust are to people.
fn what_should(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        other => other,
    }
}
