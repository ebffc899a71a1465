//! Versions of the state of an object, by which an operator says what a change was made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::value::Payload;

/// A short name for one state of an object: the first bytes of a hash of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion([u8; 8]);

impl StateVersion {
    pub(super) fn of(values: &[(String, Payload)]) -> Self {
        let mut hash = Sha256::new();
        for part in values.iter().flat_map(|(name, value)| [name.as_bytes(), &value[..]]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut version = [0; 8];
        version.copy_from_slice(&hash.finalize()[..8]);
        StateVersion(version)
    }
}

impl fmt::Display for StateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for StateVersion {
    type Err = MalformedVersion;

    fn from_str(text: &str) -> Result<Self, MalformedVersion> {
        let malformed = || MalformedVersion { text: text.to_owned() };
        let is_right = text.len() == 16 && text.bytes().all(|it| it.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_right).ok_or_else(malformed)?;
        Ok(StateVersion(number.to_be_bytes()))
    }
}

/// Says why a text is not a version of a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not the version of a state: it should be 16 hexadecimal digits, as the state itself shows it"
)]
pub struct MalformedVersion {
    pub text: String,
}
