//! The state store in memory: for the simulation and for tests.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::kv::{Kv, StoreError, Visit};

/// A sorted map. A clone is a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryKv {
    rows: BTreeMap<Vec<u8>, Bytes>,
}

impl MemoryKv {
    pub fn new() -> Self {
        MemoryKv::default()
    }

    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &Bytes)> {
        self.rows.iter().map(|(key, value)| (key.as_slice(), value))
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn put(&mut self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError> {
        self.rows.insert(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.rows.remove(key);
        Ok(())
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (from, to) = (range.start.to_vec(), range.end.to_vec());
        if from >= to {
            return Ok(());
        }
        for (key, value) in self.rows.range(from..to) {
            if let ControlFlow::Break(()) = visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}
