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
        let frozen =
            self.frozen.as_ref().expect("a checkpoint comes from a freeze and is in flight until now");
        assert!(
            Arc::ptr_eq(frozen, &written.layer),
            "a checkpoint comes back to the overlay it was taken from"
        );
        self.base.refresh()?;
        self.frozen = None;
        Ok(())
    }

    /// Drops every change that is not on disk, for a host that lost its log to another one. That includes the
    /// frozen layer of a checkpoint that was given up.
    ///
    /// A write under way must be waited for first, since it decides what the next rows belong on: none of the
    /// checkpoint's handles may be left.
    pub fn revert(&mut self) -> Result<(), StoreError> {
        if let Some(frozen) = &self.frozen {
            assert_eq!(Arc::strong_count(frozen), 1, "a checkpoint under way is waited for before a revert");
        }
        self.frozen = None;
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
        let mut base = self.base.scan(range.clone())?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::redb::backends::InMemoryBackend;

    use super::super::conformance::{self, Random};
    use super::*;

    #[test]
    fn conforms_over_an_empty_base() {
        conformance::check(|rows| with_rows(in_memory(), rows));
    }

    #[test]
    fn conforms_with_its_rows_in_three_layers() {
        conformance::check(|rows| {
            let mut overlay = in_memory();
            let third = |nth| rows.iter().copied().skip(nth).step_by(3).collect::<Vec<_>>();
            overlay = with_rows(overlay, &third(0));
            // Rows that the layers above delete or overwrite must not shine through.
            overlay = with_rows(overlay, &[("a", "stale"), ("b", "stale"), ("c", "stale"), ("cc", "stale")]);
            overlay = with_rows(overlay, &third(0));
            flush(&mut overlay);
            for key in ["a", "b", "c", "cc"] {
                overlay.delete(key.as_bytes()).expect("deletes");
            }
            overlay = with_rows(overlay, &third(0));
            overlay = with_rows(overlay, &third(1));
            let _in_flight = overlay.freeze();
            with_rows(overlay, &third(2))
        });
    }

    #[test]
    fn a_row_that_dies_young_leaves_nothing_behind() {
        let mut overlay = with_rows(in_memory(), &[("old", "1")]);
        flush(&mut overlay);
        overlay = with_rows(overlay, &[("young", "1"), ("young", "22")]);
        assert_eq!((overlay.active_rows(), overlay.active_bytes()), (1, 7 + ROW_OVERHEAD_BYTES));
        overlay.delete(b"young").expect("deletes");
        overlay.delete(b"never there").expect("deletes");
        assert_eq!((overlay.active_rows(), overlay.active_bytes()), (0, 0));
        assert!(overlay.freeze().is_none());
        overlay.delete(b"old").expect("deletes");
        assert_eq!((overlay.active_rows(), overlay.active_bytes()), (1, 3 + ROW_OVERHEAD_BYTES));
    }

    #[test]
    fn one_checkpoint_at_a_time_and_a_failed_one_is_written_again() {
        let mut overlay = with_rows(in_memory(), &[("a", "1")]);
        let checkpoint = overlay.freeze().expect("a row changed");
        overlay = with_rows(overlay, &[("b", "2")]);
        assert!(overlay.freeze().is_none(), "the first is in flight");
        drop(checkpoint.write().expect("writes"));
        let written = checkpoint.write().expect("writes again");
        overlay.checkpointed(&written).expect("refreshes");
        assert!(overlay.freeze().is_some());
    }

    /// Random changes, checkpoints and crashes, compared with a plain map at every step.
    #[test]
    fn behaves_like_a_map_whatever_is_written_when() {
        for seed in 0..12 {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let mut it = Model::new(&dir.path().join("state.redb"), seed);
            for _ in 0..500 {
                it.step();
            }
        }
    }

    struct Model {
        random: Random,
        overlay: Option<Overlay>,
        open: Box<dyn Fn() -> Overlay>,
        map: BTreeMap<Vec<u8>, Bytes>,
        in_flight: Option<(Checkpoint, BTreeMap<Vec<u8>, Bytes>)>,
        on_disk: BTreeMap<Vec<u8>, Bytes>,
    }

    impl Model {
        fn new(path: &Path, seed: u64) -> Self {
            let path = path.to_owned();
            let open = move || Overlay::new(Database::create(&path).expect("opens")).expect("has its table");
            Model {
                random: Random(seed),
                overlay: Some(open()),
                open: Box::new(open),
                map: BTreeMap::new(),
                in_flight: None,
                on_disk: BTreeMap::new(),
            }
        }

        fn step(&mut self) {
            let key = self.key();
            let overlay = self.overlay.as_mut().expect("open between steps");
            match self.random.below(100) {
                0..35 => {
                    let value = Bytes::from(vec![b'v'; self.random.below(40)]);
                    overlay.put(key.clone(), value.clone()).expect("puts");
                    self.map.insert(key, value);
                }
                35..65 => {
                    overlay.delete(&key).expect("deletes");
                    self.map.remove(&key);
                }
                65..80 => assert_eq!(overlay.get(&key).expect("gets"), self.map.get(&key).cloned()),
                80..92 => {
                    let (end, limit) = (self.key(), 1 + self.random.below(20));
                    self.check_scan(&key, &end, limit);
                }
                92..96 => {
                    if let Some(checkpoint) = overlay.freeze() {
                        self.in_flight = Some((checkpoint, self.map.clone()));
                    }
                }
                96..98 => self.finish_checkpoint(),
                98 => self.crash(),
                _ => {
                    self.write_or_give_up();
                    self.overlay.as_mut().expect("open").revert().expect("reverts");
                    self.map = self.on_disk.clone();
                }
            }
            self.check_invariants();
        }

        /// One of few keys, so that they meet in the layers; some are prefixes of others.
        fn key(&mut self) -> Vec<u8> {
            let len = 1 + self.random.below(3);
            (0..len).map(|_| b'a' + self.random.byte() % 4).collect()
        }

        fn check_scan(&self, start: &[u8], end: &[u8], limit: usize) {
            let mut found = Vec::new();
            let mut visit = |key: &[u8], value: &[u8]| {
                found.push((key.to_vec(), Bytes::copy_from_slice(value)));
                if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            self.overlay.as_ref().expect("open").scan(start..end, &mut visit).expect("scans");
            let expected: Vec<_> = match start < end {
                true => self.map.range(start.to_vec()..end.to_vec()).take(limit).collect(),
                false => Vec::new(),
            };
            assert_eq!(found.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>(), expected);
        }

        fn finish_checkpoint(&mut self) {
            if let Some((checkpoint, map)) = self.in_flight.take() {
                let written = checkpoint.write().expect("writes");
                self.overlay.as_mut().expect("open").checkpointed(&written).expect("refreshes");
                self.on_disk = map;
            }
        }

        /// The checkpoint in flight is written or not, and the overlay is not told.
        fn write_or_give_up(&mut self) {
            if let Some((checkpoint, map)) = self.in_flight.take()
                && self.random.below(2) == 0
            {
                checkpoint.write().expect("writes");
                self.on_disk = map;
            }
        }

        /// Everything in memory is gone.
        fn crash(&mut self) {
            self.write_or_give_up();
            self.overlay = None;
            self.overlay = Some((self.open)());
            self.map = self.on_disk.clone();
            self.check_scan(b"", b"z", usize::MAX);
        }

        fn check_invariants(&self) {
            let overlay = self.overlay.as_ref().expect("open");
            let mut bytes = 0;
            for (key, slot) in &overlay.active.rows {
                bytes += key.len() + slot.len() + ROW_OVERHEAD_BYTES;
                let exists_below = overlay.exists_below(key).expect("looks");
                assert!(exists_below || slot.value().is_some(), "a tombstone for nothing: {key:?}");
            }
            assert_eq!(bytes, overlay.active_bytes());
        }
    }

    fn in_memory() -> Overlay {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).expect("opens in memory");
        Overlay::new(db).expect("has its table")
    }

    fn with_rows(mut overlay: Overlay, rows: &[(&str, &str)]) -> Overlay {
        for (key, value) in rows {
            let value = Bytes::copy_from_slice(value.as_bytes());
            overlay.put(key.as_bytes().to_vec(), value).expect("puts");
        }
        overlay
    }

    fn flush(overlay: &mut Overlay) {
        let written = overlay.freeze().expect("a row changed").write().expect("writes");
        overlay.checkpointed(&written).expect("refreshes");
    }
}
