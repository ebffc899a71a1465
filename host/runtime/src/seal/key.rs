//! Keys, and what they are called without being shown.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};

use crate::unique::NoRandomness;

/// What the id of a key is a hash of, before the key itself.
const ID_PURPOSE: &[u8] = b"holiday-host: id of a seal key, version 1";

/// 256 bits. `Debug` shows the id.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; Key::LEN]);

/// The beginning of a hash of a key: it tells keys apart, and nothing about them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; KeyId::LEN]);

/// Says that a text is no key. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither 64 hexadecimal digits nor 32 bytes in base64; 'openssl rand -hex 32' makes a key")]
pub struct NotAKey;

impl Key {
    const LEN: usize = 32;

    pub fn draw() -> Result<Self, NoRandomness> {
        let mut key = Key([0; Key::LEN]);
        getrandom::fill(&mut key.0)?;
        Ok(key)
    }

    pub fn id(&self) -> KeyId {
        let hash = Sha256::new().chain_update(ID_PURPOSE).chain_update(self.0).finalize();
        let mut id = KeyId([0; KeyId::LEN]);
        id.0.copy_from_slice(&hash[..KeyId::LEN]);
        id
    }

    pub(super) fn bytes(&self) -> &[u8; Key::LEN] {
        &self.0
    }

    /// 64 hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Reads hexadecimal digits, or base64 of either alphabet, with white space around it.
impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let text = text.trim();
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let of_base64 = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
        let bytes = of_hex(text)
            .or_else(|| of_base64(&alphabet::STANDARD))
            .or_else(|| of_base64(&alphabet::URL_SAFE))
            .ok_or(NotAKey)?;
        bytes.try_into().map(Key).map_err(|_| NotAKey)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl KeyId {
    pub(super) const LEN: usize = 8;

    pub(super) fn parse(text: &str) -> Option<Self> {
        of_hex(text)?.try_into().ok().map(KeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None` for what is not hexadecimal.
fn of_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|it| it.is_ascii_hexdigit());
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    is_hex.then(|| bytes.collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key([0xfb; Key::LEN]);
        let hex = key.hex();
        let texts = [
            hex.clone(),
            hex.to_uppercase(),
            format!(" {hex}\n"),
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=".to_owned(),
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s".to_owned(),
        ];
        for text in texts {
            assert_eq!(text.parse(), Ok(key.clone()), "{text}");
        }
        for text in ["", "00", &hex[1..], &format!("{hex}00"), "a secret", "éé"] {
            assert_eq!(text.parse::<Key>(), Err(NotAKey), "{text}");
        }
    }

    #[test]
    fn keys_are_told_apart_and_not_shown() {
        let (one, other) = (Key([1; Key::LEN]), Key([2; Key::LEN]));
        assert_ne!(one.id(), other.id());
        assert_eq!(KeyId::parse(&one.id().to_string()), Some(one.id()));
        assert_eq!(KeyId::parse("01"), None);
        let shown = format!("{one:?}");
        assert_eq!(shown, format!("Key({})", one.id()));
        assert!(!one.hex().contains(&one.id().to_string()), "{shown}");
    }
}
