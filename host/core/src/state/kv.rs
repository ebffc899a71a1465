//! The whole storage port of the core: four methods over ordered bytes.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

/// An ordered map from bytes to bytes. Changes are visible to the next call; durability is the
/// driver's concern.
pub trait Kv {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    fn put(&mut self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError>;

    /// Removes a key; one that is absent already is fine.
    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError>;

    /// Visits the keys from `range.start` up to but not including `range.end`, in order, until `visit` breaks.
    fn scan(&self, range: Range<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// Receives one key and value of a scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Says why state could not be read or written. The host stops on it: replay is cheap, wrong state is not.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("HH0009: the value of key {key} is corrupt: {reason}")]
    Corrupt { key: String, reason: String },
    #[error(
        "HH0011: the value of key {key} has version {found}, this binary reads up to {supported}; use the newer binary"
    )]
    NewerVersion { key: String, found: u8, supported: u8 },
    #[error("HH0041: the store failed: {0}")]
    Io(String),
}
