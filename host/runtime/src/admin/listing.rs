//! Rows of the state in portions that do not hold up the driver.

use std::fmt::Display;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use holiday_core::id::InvocationId;
use holiday_core::state::key;
use holiday_core::state::{Kv, State, StoreError, codec};
use serde::de::DeserializeOwned;

use super::QUERY_ROWS_MAX;

/// Rows that are still to be read.
#[derive(Clone, Debug)]
pub(super) struct Rows(Range<Vec<u8>>);

/// What one query has read.
#[derive(Debug)]
pub(super) struct Portion<T, Id = InvocationId> {
    pub(super) found: Vec<(Id, T)>,
    pub(super) rest: Rows,
}

impl Rows {
    pub(super) fn of(range: Range<Vec<u8>>) -> Self {
        Rows(range)
    }

    /// Leaves out the rows up to and including `id`.
    pub(super) fn after(self, row: Vec<u8>) -> Self {
        Rows(successor(row).max(self.0.start)..self.0.end)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.start >= self.0.end
    }
}

/// Reads up to [`QUERY_ROWS_MAX`] rows whose keys have an invocation id.
pub(super) fn read<T: DeserializeOwned, K: Kv>(
    state: &State<K>,
    rows: Rows,
) -> Result<Portion<T>, StoreError> {
    read_by(state, rows, "invocation", key::parse_invocation)
}

/// Reads up to [`QUERY_ROWS_MAX`] rows of a kind of things; `id_of` reads their ids from the keys of the rows.
pub(super) fn read_by<Id: Display, T: DeserializeOwned, K: Kv>(
    state: &State<K>,
    rows: Rows,
    kind: &str,
    id_of: impl Fn(&[u8]) -> Option<Id>,
) -> Result<Portion<T, Id>, StoreError> {
    let Rows(Range { start, end }) = rows;
    let mut read: Vec<(Vec<u8>, Bytes)> = Vec::new();
    state.kv().scan(&start[..]..&end[..], &mut |key, value| {
        read.push((key.to_vec(), Bytes::copy_from_slice(value)));
        match read.len() < QUERY_ROWS_MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    let rest = match read.last() {
        Some((last, _)) if read.len() == QUERY_ROWS_MAX => successor(last.clone())..end,
        _ => end.clone()..end,
    };
    let found = read.into_iter().filter_map(|(row, value)| {
        let id = id_of(&row)?;
        Some(codec::decode(&value, || format!("of {kind} {id}")).map(|value| (id, value)))
    });
    Ok(Portion { found: found.collect::<Result<_, _>>()?, rest: Rows(rest) })
}

/// The first key after `key`.
fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
