//! The rows of the state, watched for what becomes of invocations.
//!
//! The engine says what is to be done, not what has changed. That shows in the rows it writes, whatever way it took:
//! a lifecycle row comes with an invocation, says where it stands, and goes with its end. Watching costs one more look
//! at a row that was just read.
//!
//! Invariant: the gauge of a status is the number of lifecycle rows that have it.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use holiday_core::id::InvocationId;
use holiday_core::state::key::{self, Family};
use holiday_core::state::kv::Visit;
use holiday_core::state::{Kv, StoreError, codec};
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Metrics;
use crate::metrics::label::Status;
use crate::store::Overlay;

/// The state's rows, and what changed in them since it was last asked.
#[derive(Debug)]
pub struct Watched {
    rows: Overlay,
    gauges: [Gauge; Status::ALL.len()],
    changes: Changes,
}

/// What one record changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) all: Vec<Change>,
    /// The rows of invocations that are forgotten.
    forgotten: Vec<(InvocationId, Bytes)>,
}

/// An invocation goes from one status to another; `None` stands before its beginning and after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) invocation: InvocationId,
    pub(super) from: Option<Status>,
    pub(super) to: Option<Status>,
}

impl Watched {
    pub(super) fn new(rows: Overlay, metrics: &Metrics) -> Self {
        Watched {
            rows,
            gauges: Status::ALL.map(|status| metrics.invocations(status)),
            changes: Changes::default(),
        }
    }

    pub(super) fn rows(&self) -> &Overlay {
        &self.rows
    }

    /// For what changes where rows are, not which there are.
    pub(super) fn rows_mut(&mut self) -> &mut Overlay {
        &mut self.rows
    }

    /// Counts all invocations anew, and forgets what has changed.
    pub(super) fn recount(&mut self) -> Result<(), StoreError> {
        let mut counts = [0; Status::ALL.len()];
        let Range { start, end } = key::family(Family::Lifecycle);
        self.rows.scan(&start[..]..&end[..], &mut |_, row| {
            if let Some(status) = status(row) {
                counts[status as usize] += 1;
            }
            ControlFlow::Continue(())
        })?;
        for (gauge, count) in self.gauges.iter().zip(counts) {
            gauge.set(count);
        }
        self.changes = Changes::default();
        Ok(())
    }

    /// What has changed since this was last asked.
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn note(&mut self, invocation: InvocationId, from: Option<Status>, to: Option<Status>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.gauges[from as usize].dec();
        }
        if let Some(to) = to {
            self.gauges[to as usize].inc();
        }
        self.changes.all.push(Change { invocation, from, to });
    }

    fn status_of(&self, key: &[u8]) -> Result<Option<Status>, StoreError> {
        Ok(self.rows.get(key)?.and_then(|row| status(&row)))
    }
}

impl Changes {
    /// The row of an invocation that this record has removed.
    pub(super) fn forgotten(&self, invocation: &InvocationId) -> Option<&Bytes> {
        self.forgotten.iter().find(|(id, _)| id == invocation).map(|(_, row)| row)
    }
}

impl Kv for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.rows.get(key)
    }

    fn put(&mut self, key: Vec<u8>, value: Bytes) -> Result<(), StoreError> {
        if let Some(invocation) = of_family(Family::Lifecycle, &key) {
            let from = self.status_of(&key)?;
            self.note(invocation, from, status(&value));
        }
        self.rows.put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if let Some(invocation) = of_family(Family::Lifecycle, key) {
            let from = self.status_of(key)?;
            self.note(invocation, from, None);
        } else if let Some(invocation) = of_family(Family::Invocation, key) {
            let row = self.rows.get(key)?;
            self.changes.forgotten.extend(row.map(|row| (invocation, row)));
        }
        self.rows.delete(key)
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.rows.scan(range, visit)
    }
}

/// The invocation of a key of this family.
fn of_family(family: Family, key: &[u8]) -> Option<InvocationId> {
    if key.first() == Some(&(family as u8)) { key::parse_invocation(key) } else { None }
}

/// Where the invocation of a lifecycle row stands: that is the row's first field.
fn status(row: &[u8]) -> Option<Status> {
    codec::decode_first(row)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};
    use holiday_core::id::EntryIndex;
    use holiday_core::invocation::{self, BackingOff, Inboxed, Lifecycle, Paused, Scheduled, Suspended};
    use holiday_core::state::State;
    use holiday_core::target::Target;
    use holiday_core::time::Timestamp;
    use redb::backends::InMemoryBackend;

    use super::*;

    fn statuses() -> [invocation::Status; 6] {
        let at = Timestamp::from_millis(7);
        [
            invocation::Status::Scheduled(Scheduled { starts_at: at }),
            invocation::Status::Inboxed(Inboxed { ticket: 9 }),
            invocation::Status::Running,
            invocation::Status::Suspended(Suspended { on: vec![EntryIndex(1)] }),
            invocation::Status::BackingOff(BackingOff { until: at }),
            invocation::Status::Paused(Paused { reason: "by an operator".to_owned() }),
        ]
    }

    fn id(unique: u8) -> InvocationId {
        InvocationId::new(&Target::service("s", "h"), [unique; 16])
    }

    fn state(metrics: &Metrics) -> State<Watched> {
        let database = redb::Database::builder().create_with_backend(InMemoryBackend::new());
        let rows = Overlay::new(database.expect("a database in memory")).expect("an empty state");
        State::new(Watched::new(rows, metrics))
    }

    fn check(state: &mut State<Watched>, metrics: &Metrics, expected: Expect) {
        let taken = state.kv_mut().take_changes();
        let name = |status: Option<Status>| status.map_or("–", Status::name);
        let mut lines: Vec<String> =
            taken.all.iter().map(|it| format!("{} → {}\n", name(it.from), name(it.to))).collect();
        let counts: BTreeMap<_, _> = Status::ALL
            .into_iter()
            .map(|status| (status.name(), metrics.invocations(status).get()))
            .collect();
        lines.push(format!("{counts:?}\n"));
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn the_status_is_read_from_the_row_as_the_core_writes_it() {
        for (status, expected) in statuses().into_iter().zip(Status::ALL) {
            let row = codec::encode(&Lifecycle::new(status.clone()));
            assert_eq!(super::status(&row), Some(expected));
            assert_eq!(status.name(), expected.name());
        }
        assert_eq!(status(b""), None);
    }

    #[test]
    fn invocations_are_counted_by_where_they_stand() {
        let metrics = Metrics::default();
        let mut state = state(&metrics);
        for (unique, status) in (1..).zip(statuses()) {
            state.put_lifecycle(&id(unique), &Lifecycle::new(status)).expect("it is stored");
        }
        check(
            &mut state,
            &metrics,
            expect![[r#"
            – → scheduled
            – → inboxed
            – → running
            – → suspended
            – → backing-off
            – → paused
            {"backing-off": 1, "inboxed": 1, "paused": 1, "running": 1, "scheduled": 1, "suspended": 1}
        "#]],
        );
        let running = Lifecycle::new(invocation::Status::Running);
        state.put_lifecycle(&id(4), &running).expect("it is stored");
        state.put_lifecycle(&id(4), &running).expect("it is stored");
        state.delete_lifecycle(&id(3)).expect("it is deleted");
        check(
            &mut state,
            &metrics,
            expect![[r#"
            suspended → running
            running → –
            {"backing-off": 1, "inboxed": 1, "paused": 1, "running": 1, "scheduled": 1, "suspended": 0}
        "#]],
        );
        state.kv_mut().recount().expect("it is readable");
        check(
            &mut state,
            &metrics,
            expect![[r#"
            {"backing-off": 1, "inboxed": 1, "paused": 1, "running": 1, "scheduled": 1, "suspended": 0}
        "#]],
        );
    }
}
