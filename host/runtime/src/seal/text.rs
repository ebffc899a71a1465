//! The form of a sealed text: `sealed:v1:` and, in base64url, the id of its key, a nonce, and the text as
//! XChaCha20-Poly1305 encrypts it.
//!
//! A nonce has 24 bytes from the operating system, so that none comes twice. What a text is for is authenticated with it:
//! a ciphertext made for another purpose, or moved to another key, does not open.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use holiday_core::error::ErrorCode;

use super::key::{Key, KeyId};
use crate::unique::NoRandomness;

const PREFIX: &str = "sealed:v1:";

/// How the texts of all versions begin, before the number of the version.
pub(super) const PREFIX_OF_ALL: &str = "sealed:v";

/// What a text is sealed for.
const PURPOSE: &[u8] = b"holiday-host: sealed input field, version 1";

const NONCE_LEN: usize = 24;

/// Why a text was not revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    #[error(
        "HH0082: the text was sealed with key {0}, which the host was not given; start the host with that key as \
         seal-key or among seal-keys-old, and resume the invocation"
    )]
    KeyMissing(KeyId),
    #[error("HH0083: the sealed text is broken: {0}")]
    Broken(&'static str),
}

impl RevealError {
    /// The code that the message begins with.
    pub fn code(&self) -> ErrorCode {
        match self {
            RevealError::KeyMissing(_) => ErrorCode::SealKeyMissing,
            RevealError::Broken(_) => ErrorCode::SealBroken,
        }
    }
}

pub(super) fn seal(key: &Key, plain: &str) -> Result<String, NoRandomness> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce)?;
    let id = key.id();
    let payload = Payload { msg: plain.as_bytes(), aad: &purpose(id) };
    let sealed = cipher(key).encrypt(XNonce::from_slice(&nonce), payload);
    let sealed = sealed.expect("only a text of more than 256 GiB cannot be encrypted");
    let bytes = [&id.0[..], &nonce, &sealed].concat();
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

pub(super) fn reveal<'k>(
    find: impl FnOnce(KeyId) -> Option<&'k Key>,
    text: &str,
) -> Result<String, RevealError> {
    let Some(encoded) = text.strip_prefix(PREFIX) else { return of_another_form(text) };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded);
    let bytes = bytes.map_err(|_| RevealError::Broken("it is not base64url to its end"))?;
    let too_short = RevealError::Broken("it is too short");
    let (id, rest) = bytes.split_first_chunk::<{ KeyId::LEN }>().ok_or(too_short)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(too_short)?;
    let id = KeyId(*id);
    let key = find(id).ok_or(RevealError::KeyMissing(id))?;
    let payload = Payload { msg: sealed, aad: &purpose(id) };
    let changed = RevealError::Broken("it was changed after it was sealed");
    let plain = cipher(key).decrypt(XNonce::from_slice(nonce), payload).map_err(|_| changed)?;
    String::from_utf8(plain).map_err(|_| changed)
}

/// A text that nobody has sealed is its own plain text: what one handler sends another does not pass the ingress, and
/// what was accepted before its field was marked is in clear text already.
fn of_another_form(text: &str) -> Result<String, RevealError> {
    match looks_sealed(text) {
        true => Err(RevealError::Broken("it has a form that this version of the host does not know")),
        false => Ok(text.to_owned()),
    }
}

/// Whether a text begins as sealed ones do, in this version of the host or in another.
pub(crate) fn looks_sealed(text: &str) -> bool {
    let version = text.strip_prefix(PREFIX_OF_ALL).and_then(|rest| rest.split_once(':'));
    let is_version = |it: &str| !it.is_empty() && it.bytes().all(|digit| digit.is_ascii_digit());
    version.is_some_and(|(version, _)| is_version(version))
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

fn purpose(id: KeyId) -> Vec<u8> {
    [PURPOSE, &id.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "4111 1111 1111 1111";

    fn key() -> Key {
        Key::draw().expect("random numbers")
    }

    fn open(key: &Key, text: &str) -> Result<String, RevealError> {
        reveal(|id| (id == key.id()).then_some(key), text)
    }

    #[test]
    fn what_was_sealed_is_revealed() {
        let key = key();
        for plain in [CARD, "", "é\n\"", "sealed:v1:", &"x".repeat(100_000)] {
            let sealed = seal(&key, plain).expect("random numbers");
            assert!(sealed.starts_with("sealed:v1:"), "{sealed}");
            assert_eq!(open(&key, &sealed).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn a_text_is_another_one_each_time_it_is_sealed() {
        let key = key();
        let (once, twice) = (seal(&key, CARD).expect("sealed"), seal(&key, CARD).expect("sealed"));
        assert_ne!(once, twice);
        assert!(!once.contains("4111"));
        let again = seal(&key, &once).expect("sealed");
        assert_eq!(open(&key, &again).as_deref(), Ok(once.as_str()), "one layer comes off");
    }

    #[test]
    fn a_changed_text_is_broken() {
        let key = key();
        let sealed = seal(&key, CARD).expect("sealed");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed[PREFIX.len()..]).expect("base64url");
        for at in KeyId::LEN..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(&changed));
            let broken = RevealError::Broken("it was changed after it was sealed");
            assert_eq!(open(&key, &changed), Err(broken), "byte {at}");
        }
        for end in PREFIX.len()..sealed.len() {
            assert!(matches!(open(&key, &sealed[..end]), Err(RevealError::Broken(_))), "cut at {end}");
        }
        for wrong in [format!("{sealed}A"), format!("{sealed}="), sealed.to_uppercase().to_lowercase()] {
            assert!(open(&key, &wrong).is_err(), "{wrong}");
        }
        let newer = RevealError::Broken("it has a form that this version of the host does not know");
        assert_eq!(open(&key, "sealed:v2:AAAA"), Err(newer));
    }

    /// What was sealed once opens as long as there is data with it.
    #[test]
    fn the_form_stays_as_it_is() {
        let key: Key = "07".repeat(32).parse().expect("a key");
        assert_eq!(key.id().to_string(), "549ee2560adfc851");
        let sealed = "sealed:v1:VJ7iVgrfyFEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhecJpq02i\
                      1qlBTnsHbX04-dbucJb6x7FUiqdxaWwrPtRLpjzw";
        assert_eq!(open(&key, sealed).as_deref(), Ok(CARD));
    }

    #[test]
    fn what_was_sealed_for_another_purpose_does_not_open() {
        let key = key();
        let (nonce, id) = ([7; NONCE_LEN], key.id());
        let with = |purpose: &[u8]| {
            let payload = Payload { msg: CARD.as_bytes(), aad: purpose };
            let sealed = cipher(&key).encrypt(XNonce::from_slice(&nonce), payload).expect("it is short");
            format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode([&id.0[..], &nonce, &sealed].concat()))
        };
        assert_eq!(open(&key, &with(&purpose(id))).as_deref(), Ok(CARD));
        let another = [&PURPOSE.to_ascii_uppercase(), &id.0[..]].concat();
        for purpose in [PURPOSE, &another, b""] {
            let broken = RevealError::Broken("it was changed after it was sealed");
            assert_eq!(open(&key, &with(purpose)), Err(broken));
        }
    }

    #[test]
    fn another_key_is_told_by_its_id() {
        let (key, other) = (key(), key());
        let sealed = seal(&key, CARD).expect("sealed");
        assert_eq!(open(&other, &sealed), Err(RevealError::KeyMissing(key.id())));
        let opened_with_another = reveal(|_| Some(&other), &sealed);
        assert_eq!(opened_with_another, Err(RevealError::Broken("it was changed after it was sealed")));
    }

    #[test]
    fn a_text_that_was_not_sealed_is_its_own() {
        for plain in [CARD, "", "sealed", "sealed:", "sealed:very tight", "SEALED:V1:AAAA"] {
            assert_eq!(open(&key(), plain).as_deref(), Ok(plain));
        }
    }
}
