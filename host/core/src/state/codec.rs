//! How values are written: one version byte, then the value in postcard.
//!
//! Invariant: bytes written by any released version decode for ever. A type whose encoding changes gets
//! the next version number, and a fixture of the old one joins `tests/fixtures`.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kv::StoreError;

/// The version that every stored type has today.
pub const VERSION: u8 = 1;

/// Encodes a value, version byte first.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let bytes = vec![VERSION];
    postcard::to_extend(value, bytes).expect("postcard writes every type of the core into a growing buffer")
}

/// Decodes a value; `name` says whose it is, for the error.
///
/// Bytes after the value are an error as well: a value that decodes by accident must not pass.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], name: impl Fn() -> String) -> Result<T, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { key: name(), reason };
    match bytes.split_first() {
        None => Err(corrupt("it is empty".to_owned())),
        Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(corrupt(format!("{} bytes follow the value", rest.len()))),
            Err(error) => Err(corrupt(error.to_string())),
        },
        Some((&found, _)) if found > VERSION => {
            Err(StoreError::NewerVersion { key: name(), found, supported: VERSION })
        }
        Some((&found, _)) => Err(corrupt(format!("version {found} was never written"))),
    }
}

/// Decodes the first field of a stored struct, and of that in turn the first, down to a `T`; what follows is not looked
/// at. For those who watch rows go by and need to know little of each.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, body) = bytes.split_first()? else { return None };
    postcard::take_from_bytes(body).ok().map(|(first, _)| first)
}

/// Like [`encode`], as the store takes it.
pub fn encode_row<T: Serialize>(value: &T) -> Bytes {
    Bytes::from(encode(value))
}
