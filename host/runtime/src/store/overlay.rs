//! The state in three layers: `active` takes changes, `frozen` is being written down, `base` is on disk.
//!
//! ```text
//! put, delete ──▶ active ──freeze──▶ frozen ──write, checkpointed──▶ base
//! get, scan   ◀── the uppermost layer that has a slot for the key
//! ```
//!
//! Invariant: a tombstone stands only where a layer below has the key. So a row that is put and deleted
//! while its layer is active leaves nothing behind, neither in memory nor for the disk.
//!
//! What counts as "below" is one ordered map, frozen over base, and it changes at two moments. A freeze
//! leaves the active layer empty, so no slot is there to become wrong. Writing frozen down moves rows within
//! the map without changing it. Hence a slot once right stays right, and a delete needs only one look below.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;
use std::{fmt, iter};

use ::redb::Database;
use bytes::Bytes;
use holiday_core::state::kv::Visit;
use holiday_core::state::{Kv, StoreError};

use super::ROW_OVERHEAD_BYTES;
use super::redb::{self, Base};

/// The rows of the state, the latest in memory.
#[derive(Debug)]
pub struct Overlay {
    active: Layer,
    frozen: Option<Arc<Layer>>,
    base: Base,
}

impl Overlay {
    /// Opens the state in a database file, which may be new.
    pub fn new(db: Database) -> Result<Self, StoreError> {
        Ok(Overlay { active: Layer::default(), frozen: None, base: Base::new(db)? })
    }

    /// Returns how many rows changed since the last freeze.
    pub fn active_rows(&self) -> usize {
        self.active.rows.len()
    }

    /// Returns about how much memory the rows changed since the last freeze take.
    pub fn active_bytes(&self) -> usize {
        self.active.bytes
    }

    /// Takes the active layer for a checkpoint and begins a new one; `None` if nothing changed, or if the
    /// checkpoint before is not finished.
    ///
    /// Takes no time to speak of: rows are neither copied nor written here.
    pub fn freeze(&mut self) -> Option<Checkpoint> {
        if self.frozen.is_some() || self.active.rows.is_empty() {
            return None;
        }
        let layer = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(Arc::clone(&layer));
        Some(Checkpoint { layer, db: self.base.db() })
    }

    /// Lets go of the frozen layer, now that it is on disk.
    ///
    /// The last reference to its rows is in `written`. Dropping that takes a while for many rows, and is
    /// better done on the thread that wrote them.
    pub fn checkpointed(&mut self, written: &Written) -> Result<(), StoreError> {
        let frozen = self.frozen.as_ref().expect("a checkpoint comes from a freeze and is in flight until now");
        assert!(Arc::ptr_eq(frozen, &written.layer), "a checkpoint comes back to the overlay it was taken from");
        self.base.refresh()?;
        self.frozen = None;
        Ok(())
    }

    /// Drops every change since the last checkpoint, for a host that lost its log to another one.
    ///
    /// A checkpoint in flight must be waited for first: whether its rows are on disk decides what the rows
    /// applied next belong on.
    pub fn revert(&mut self) -> Result<(), StoreError> {
        assert!(self.frozen.is_none(), "the checkpoint in flight is waited for before a revert");
        self.active = Layer::default();
        self.base.refresh()
    }

    fn exists_below(&self, key: &[u8]) -> Result<bool, StoreError> {
        match self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key)) {
            Some(Slot::Put(_)) => Ok(true),
            Some(Slot::Tombstone) => Ok(false),
            None => self.base.contains(key),
        }
    }
}

impl Kv for Overlay {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let in_frozen = || self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key));
        match self.active.rows.get(key).or_else(in_frozen) {
            Some(Slot::Put(value)) => Ok(Some(value.clone())),
            Some(Slot::Tombstone) => Ok(None),
            None => self.base.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError> {
        self.active.insert(key, Slot::Put(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        match self.active.rows.get(key) {
            Some(Slot::Tombstone) => {}
            _ if self.exists_below(key)? => self.active.insert(key.to_vec(), Slot::Tombstone),
            _ => self.active.remove(key),
        }
        Ok(())
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if range.start >= range.end {
            return Ok(());
        }
        let upper = self.active.range(&range);
        let lower = self.frozen.iter().flat_map(|frozen| frozen.range(&range));
        let mut slots = merge(upper, lower).peekable();
        let mut base = self.base.scan(range)?;
        let mut row = base.next().transpose()?;
        loop {
            let order = match (slots.peek(), &row) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, _)), Some((base_key, _))) => key.as_slice().cmp(base_key.value()),
            };
            let flow = match (order, &row) {
                (Ordering::Greater, Some((key, value))) => visit(key.value(), value.value()),
                _ => match slots.next() {
                    Some((key, Slot::Put(value))) => visit(key, value),
                    Some((_, Slot::Tombstone)) | None => ControlFlow::Continue(()),
                },
            };
            if flow.is_break() {
                return Ok(());
            }
            if order != Ordering::Less {
                row = base.next().transpose()?;
            }
        }
    }
}

/// A frozen layer on its way to disk. It may travel to another thread.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    layer: Arc<Layer>,
    db: Arc<Database>,
}

impl Checkpoint {
    /// Writes the layer down as one durable transaction, and waits for it. After an error nothing has
    /// changed on disk, or all of it has; writing again is fine.
    ///
    /// Only to be called once the log is durable up to the last record applied before the freeze.
    pub fn write(&self) -> Result<Written, StoreError> {
        redb::write(&self.db, self.layer.rows.iter().map(|(key, slot)| (key.as_slice(), slot.value())))?;
        Ok(Written { layer: Arc::clone(&self.layer) })
    }
}

/// Proof that a checkpoint is on disk.
#[derive(Debug)]
pub struct Written {
    layer: Arc<Layer>,
}

/// Changed rows in memory.
#[derive(Default)]
struct Layer {
    rows: BTreeMap<Vec<u8>, Slot>,
    bytes: usize,
}

/// What a layer says about a key.
#[derive(Debug)]
enum Slot {
    Put(Bytes),
    /// The key exists below and is deleted here.
    Tombstone,
}

impl Slot {
    fn value(&self) -> Option<&[u8]> {
        match self {
            Slot::Put(value) => Some(value),
            Slot::Tombstone => None,
        }
    }

    fn len(&self) -> usize {
        self.value().map_or(0, <[u8]>::len)
    }
}

impl Layer {
    fn insert(&mut self, key: Vec<u8>, slot: Slot) {
        self.bytes += slot.len();
        match self.rows.entry(key) {
            btree_map::Entry::Vacant(entry) => {
                self.bytes += entry.key().len() + ROW_OVERHEAD_BYTES;
                entry.insert(slot);
            }
            btree_map::Entry::Occupied(mut entry) => self.bytes -= entry.insert(slot).len(),
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.rows.remove(key) {
            self.bytes -= key.len() + slot.len() + ROW_OVERHEAD_BYTES;
        }
    }

    fn range(&self, range: &Range<&[u8]>) -> btree_map::Range<'_, Vec<u8>, Slot> {
        self.rows.range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)))
    }
}

impl fmt::Debug for Layer {
    /// Counts the rows: they may be many, and are nobody's business in a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("rows", &self.rows.len()).field("bytes", &self.bytes).finish()
    }
}

type KeyedSlot<'a> = (&'a Vec<u8>, &'a Slot);

/// Merges two layers in the order of their keys; where both have a key, the upper one has the say.
fn merge<'a>(
    upper: impl Iterator<Item = KeyedSlot<'a>>,
    lower: impl Iterator<Item = KeyedSlot<'a>>,
) -> impl Iterator<Item = KeyedSlot<'a>> {
    let (mut upper, mut lower) = (upper.peekable(), lower.peekable());
    iter::from_fn(move || {
        let order = match (upper.peek(), lower.peek()) {
            (Some((upper, _)), Some((lower, _))) => upper.cmp(lower),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => upper.next(),
            Ordering::Greater => lower.next(),
            Ordering::Equal => {
                lower.next();
                upper.next()
            }
        }
    })
}
