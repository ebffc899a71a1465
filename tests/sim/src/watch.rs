//! A store that remembers which rows were written since it was last asked.

use std::mem::take;
use std::ops::Range;

use bytes::Bytes;
use holiday_core::state::kv::Visit;
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{Kv, StoreError};

#[derive(Debug, Default)]
pub(crate) struct WatchedKv {
    rows: MemoryKv,
    writes: Vec<Write>,
}

/// One row written, or deleted if `value` is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Bytes>,
}

impl WatchedKv {
    pub(crate) fn rows(&self) -> &MemoryKv {
        &self.rows
    }

    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        take(&mut self.writes)
    }
}

impl Kv for WatchedKv {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.rows.get(key)
    }

    fn put(&mut self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError> {
        self.writes.push(Write { key: key.clone(), value: Some(value.clone()) });
        self.rows.put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if self.rows.get(key)?.is_some() {
            self.writes.push(Write { key: key.to_vec(), value: None });
        }
        self.rows.delete(key)
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.rows.scan(range, visit)
    }
}
