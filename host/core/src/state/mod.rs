//! The state of all invocations, as rows of a [`Kv`].
//!
//! This is the only place that turns rows into types and back. It decides nothing: what may follow what is
//! the engine's concern.

pub mod codec;
pub mod key;
pub mod kv;
pub mod memory;
mod names;
mod subscriptions;
mod version;
mod waiting;

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use kv::{Kv, StoreError};
pub use version::{MalformedVersion, StateVersion};

use crate::deployment::{Deployment, Revision, Route};
use crate::id::{DeploymentId, EntryIndex, InvocationId, Position, Seq};
use crate::invocation::{Completed, Invocation, Lifecycle};
use crate::journal::{CommandEntry, NotificationEntry};
use crate::policy::{Layer, Policies};
use crate::time::Timestamp;
use crate::value::Payload;
use key::{Family, Timer};

/// Who holds the key of an object, and how many wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub holder: InvocationId,
    /// The ticket the next one in line gets.
    pub next_ticket: u64,
    /// No ticket before this one waits any more: finding the first in line need not step over them.
    pub first_ticket: u64,
    pub waiting: u64,
}

/// Typed access to the rows.
#[derive(Clone, Debug)]
pub struct State<K> {
    kv: K,
    /// No timer is due before this. Only spares the scan what was fired already.
    timer_floor: Timestamp,
    /// The deployments that drain, once they were looked for. Only spares each completion a read.
    draining: Option<BTreeSet<DeploymentId>>,
}

impl<K: Kv> State<K> {
    pub fn new(kv: K) -> Self {
        State { kv, timer_floor: Timestamp::ZERO, draining: None }
    }

    pub fn kv(&self) -> &K {
        &self.kv
    }

    pub fn kv_mut(&mut self) -> &mut K {
        &mut self.kv
    }

    pub fn into_kv(self) -> K {
        self.kv
    }

    // The log

    /// The last record these rows contain.
    pub fn applied(&self) -> Result<Seq, StoreError> {
        match self.kv.get(&key::applied())? {
            None => Ok(Seq::ZERO),
            Some(bytes) => <[u8; 8]>::try_from(&bytes[..])
                .map(|bytes| Seq(u64::from_be_bytes(bytes)))
                .map_err(|_| corrupt(&key::applied(), "it is not 8 bytes long")),
        }
    }

    pub fn set_applied(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.kv.put(key::applied(), Bytes::copy_from_slice(&key::encode_seq(seq)))
    }

    // The catalog

    pub fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, StoreError> {
        self.read(&key::deployment(id))
    }

    pub fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        self.write(key::deployment(&deployment.id), deployment)
    }

    pub fn deployments(&self) -> Result<Vec<Deployment>, StoreError> {
        self.read_all(&key::family(Family::Deployment))
    }

    pub fn revision(&self, service: &str) -> Result<Option<Revision>, StoreError> {
        self.read(&key::revision(service))
    }

    pub fn put_revision(&mut self, revision: &Revision) -> Result<(), StoreError> {
        self.write(key::revision(&revision.service.name), revision)
    }

    pub fn delete_deployment(&mut self, id: &DeploymentId) -> Result<(), StoreError> {
        self.kv.delete(&key::deployment(id))
    }

    /// How many invocations are left on a deployment that drains: no new one goes there, and it is freed when the last
    /// has ended. `None` if it does not drain.
    pub fn draining(&self, id: &DeploymentId) -> Result<Option<u64>, StoreError> {
        match &self.draining {
            Some(known) if !known.contains(id) => Ok(None),
            Some(_) | None => self.read(&key::draining(id)),
        }
    }

    pub fn put_draining(&mut self, id: &DeploymentId, left: u64) -> Result<(), StoreError> {
        if let Some(known) = &mut self.draining {
            known.insert(*id);
        }
        self.write(key::draining(id), &left)
    }

    pub fn delete_draining(&mut self, id: &DeploymentId) -> Result<(), StoreError> {
        self.kv.delete(&key::draining(id))
    }

    /// Remembers which deployments drain.
    pub(crate) fn look_for_draining(&mut self) -> Result<(), StoreError> {
        if self.draining.is_none() {
            let rows = self.keys(&key::family(Family::Draining))?;
            let ids = rows.iter().map(|row| {
                key::parse_deployment(row).ok_or_else(|| corrupt(row, "its key has no deployment id"))
            });
            self.draining = Some(ids.collect::<Result<_, _>>()?);
        }
        Ok(())
    }

    pub fn delete_revision(&mut self, service: &str) -> Result<(), StoreError> {
        self.kv.delete(&key::revision(service))?;
        self.kv.delete(&key::route(service))
    }

    pub fn revisions(&self) -> Result<Vec<Revision>, StoreError> {
        self.read_all(&key::family(Family::Revision))
    }

    pub fn route(&self, service: &str) -> Result<Option<Route>, StoreError> {
        self.read(&key::route(service))
    }

    pub fn put_route(&mut self, service: &str, route: &Route) -> Result<(), StoreError> {
        self.write(key::route(service), route)
    }

    /// One layer of policies; an empty one if it was never set.
    pub fn policies(&self, layer: Layer) -> Result<Policies, StoreError> {
        Ok(self.read(&key::policies(layer))?.unwrap_or_default())
    }

    pub fn put_policies(&mut self, layer: Layer, policies: &Policies) -> Result<(), StoreError> {
        self.write(key::policies(layer), policies)
    }

    // Invocations

    pub fn invocation(&self, id: &InvocationId) -> Result<Option<Invocation>, StoreError> {
        self.read(&key::invocation(id))
    }

    pub fn put_invocation(&mut self, id: &InvocationId, invocation: &Invocation) -> Result<(), StoreError> {
        self.write(key::invocation(id), invocation)
    }

    pub fn delete_invocation(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        self.kv.delete(&key::invocation(id))
    }

    /// The input is a row of its own: it can be large, and the rest is read far more often.
    pub fn input(&self, id: &InvocationId) -> Result<Option<Payload>, StoreError> {
        self.kv.get(&key::input(id))
    }

    pub fn put_input(&mut self, id: &InvocationId, input: Payload) -> Result<(), StoreError> {
        self.kv.put(key::input(id), input)
    }

    pub fn delete_input(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        self.kv.delete(&key::input(id))
    }

    pub fn lifecycle(&self, id: &InvocationId) -> Result<Option<Lifecycle>, StoreError> {
        self.read(&key::lifecycle(id))
    }

    pub fn put_lifecycle(&mut self, id: &InvocationId, lifecycle: &Lifecycle) -> Result<(), StoreError> {
        self.write(key::lifecycle(id), lifecycle)
    }

    pub fn delete_lifecycle(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        self.kv.delete(&key::lifecycle(id))
    }

    /// All invocations that have not ended, in the order of their ids.
    pub fn lifecycles(&self) -> Result<Vec<(InvocationId, Lifecycle)>, StoreError> {
        let mut found = Vec::new();
        self.read_each(&key::family(Family::Lifecycle), |key, lifecycle| {
            let id =
                key::parse_invocation(key).ok_or_else(|| corrupt(key, "its key has no invocation id"))?;
            found.push((id, lifecycle));
            Ok(())
        })?;
        Ok(found)
    }

    pub fn completed(&self, id: &InvocationId) -> Result<Option<Completed>, StoreError> {
        self.read(&key::completed(id))
    }

    pub fn put_completed(&mut self, id: &InvocationId, completed: &Completed) -> Result<(), StoreError> {
        self.write(key::completed(id), completed)
    }

    pub fn delete_completed(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        self.kv.delete(&key::completed(id))
    }

    // Journals

    pub fn command(&self, id: &InvocationId, index: EntryIndex) -> Result<Option<CommandEntry>, StoreError> {
        self.read(&key::command(id, index))
    }

    pub fn put_command(
        &mut self,
        id: &InvocationId,
        index: EntryIndex,
        entry: &CommandEntry,
    ) -> Result<(), StoreError> {
        self.write(key::command(id, index), entry)
    }

    pub fn notification(
        &self,
        id: &InvocationId,
        position: Position,
    ) -> Result<Option<NotificationEntry>, StoreError> {
        self.read(&key::notification(id, position))
    }

    pub fn put_notification(
        &mut self,
        id: &InvocationId,
        position: Position,
        entry: &NotificationEntry,
    ) -> Result<(), StoreError> {
        self.write(key::notification(id, position), entry)
    }

    pub fn delete_journal(
        &mut self,
        id: &InvocationId,
        commands: u32,
        notifications: u32,
    ) -> Result<(), StoreError> {
        for index in 0..commands {
            self.kv.delete(&key::command(id, EntryIndex(index)))?;
        }
        for position in 0..notifications {
            self.kv.delete(&key::notification(id, Position(position)))?;
        }
        Ok(())
    }

    // Objects

    pub fn lock(&self, service: &str, key: &str) -> Result<Option<Lock>, StoreError> {
        self.read(&key::lock(service, key))
    }

    pub fn put_lock(&mut self, service: &str, key: &str, lock: &Lock) -> Result<(), StoreError> {
        self.write(key::lock(service, key), lock)
    }

    pub fn delete_lock(&mut self, service: &str, key: &str) -> Result<(), StoreError> {
        self.kv.delete(&key::lock(service, key))
    }

    pub fn put_inbox(
        &mut self,
        service: &str,
        key: &str,
        ticket: u64,
        id: &InvocationId,
    ) -> Result<(), StoreError> {
        self.write(key::inbox(service, key, ticket), id)
    }

    pub fn delete_inbox(&mut self, service: &str, key: &str, ticket: u64) -> Result<(), StoreError> {
        self.kv.delete(&key::inbox(service, key, ticket))
    }

    /// The first in line for a key, from ticket `from` on.
    pub fn first_in_inbox(
        &self,
        service: &str,
        key: &str,
        from: u64,
    ) -> Result<Option<InvocationId>, StoreError> {
        let all = key::inbox_of(service, key);
        self.read_first(&(key::inbox(service, key, from)..all.end))
    }

    /// The first `limit` in line for a key.
    pub fn inbox(&self, service: &str, key: &str, limit: usize) -> Result<Vec<InvocationId>, StoreError> {
        let mut waiting = Vec::new();
        let mut result = Ok(());
        self.scan(&key::inbox_of(service, key), &mut |row, value| {
            match codec::decode(value, || name_of(row)) {
                Ok(id) => waiting.push(id),
                Err(error) => result = Err(error),
            }
            match waiting.len() < limit && result.is_ok() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        result.map(|()| waiting)
    }

    pub fn object_value(&self, service: &str, key: &str, name: &str) -> Result<Option<Payload>, StoreError> {
        self.kv.get(&key::object_state(service, key, name))
    }

    pub fn put_object_value(
        &mut self,
        service: &str,
        key: &str,
        name: &str,
        value: Payload,
    ) -> Result<(), StoreError> {
        self.kv.put(key::object_state(service, key, name), value)
    }

    pub fn delete_object_value(&mut self, service: &str, key: &str, name: &str) -> Result<(), StoreError> {
        self.kv.delete(&key::object_state(service, key, name))
    }

    /// All values of one object; shorter names first, then in the order of the alphabet.
    pub fn object_state(&self, service: &str, key: &str) -> Result<Vec<(String, Payload)>, StoreError> {
        let mut values = Vec::new();
        let mut broken = None;
        self.scan(&key::object_state_of(service, key), &mut |row, value| {
            match key::state_key_of(row, service, key) {
                Some(name) => values.push((name, Bytes::copy_from_slice(value))),
                None => broken = Some(corrupt(row, "its key has no state key")),
            }
            ControlFlow::Continue(())
        })?;
        broken.map_or(Ok(values), Err)
    }

    /// What the state of an object is now, in short: another state has another version.
    pub fn state_version(&self, service: &str, key: &str) -> Result<StateVersion, StoreError> {
        Ok(StateVersion::of(&self.object_state(service, key)?))
    }

    // Timers

    pub fn put_timer(&mut self, due: Timestamp, id: &InvocationId, timer: Timer) -> Result<(), StoreError> {
        self.timer_floor = self.timer_floor.min(due);
        self.kv.put(key::timer(due, id, timer), Bytes::new())
    }

    /// Takes a timer out; false if it was not there.
    pub(crate) fn take_timer(
        &mut self,
        due: Timestamp,
        id: &InvocationId,
        timer: Timer,
    ) -> Result<bool, StoreError> {
        self.take(&key::timer(due, id, timer))
    }

    pub fn delete_timer(
        &mut self,
        due: Timestamp,
        id: &InvocationId,
        timer: Timer,
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::timer(due, id, timer))
    }

    /// The first `limit` timers due up to `through`, in order.
    pub fn timers_due(
        &self,
        through: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, InvocationId, Timer)>, StoreError> {
        let mut due = Vec::new();
        let mut broken = None;
        self.scan(&key::timers_due(self.timer_floor, through), &mut |row, _| {
            match key::parse_timer(row) {
                Some(timer) => due.push(timer),
                None => broken = Some(corrupt(row, "its key is not a timer")),
            }
            match due.len() < limit && broken.is_none() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        broken.map_or(Ok(due), Err)
    }

    /// When the first timer is due.
    pub fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        let end_of_time = Timestamp::from_millis(u64::MAX);
        Ok(self.timers_due(end_of_time, 1)?.first().map(|(due, ..)| *due))
    }

    /// Notes that no timer is left before `floor`.
    pub(crate) fn raise_timer_floor(&mut self, floor: Timestamp) {
        self.timer_floor = self.timer_floor.max(floor);
    }

    /// Forgets what is remembered of the rows, after they were changed from outside.
    pub fn reset_timer_floor(&mut self) {
        self.timer_floor = Timestamp::ZERO;
        self.draining = None;
    }

    // Rows

    fn keys(&self, range: &Range<Vec<u8>>) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        self.scan(range, &mut |row, _| {
            keys.push(row.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    fn some_keys(&self, range: &Range<Vec<u8>>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        if limit > 0 {
            self.scan(range, &mut |row, _| {
                keys.push(row.to_vec());
                match keys.len() < limit {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })?;
        }
        Ok(keys)
    }

    fn take(&mut self, row: &[u8]) -> Result<bool, StoreError> {
        let is_there = self.kv.get(row)?.is_some();
        if is_there {
            self.kv.delete(row)?;
        }
        Ok(is_there)
    }

    fn delete_all(&mut self, range: &Range<Vec<u8>>) -> Result<(), StoreError> {
        self.keys(range)?.iter().try_for_each(|row| self.kv.delete(row))
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.kv.get(key)?.map(|bytes| codec::decode(&bytes, || name_of(key))).transpose()
    }

    fn write<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        self.kv.put(key, codec::encode_row(value))
    }

    fn read_all<T: DeserializeOwned>(&self, range: &Range<Vec<u8>>) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.read_each(range, |_, value| {
            found.push(value);
            Ok(())
        })?;
        Ok(found)
    }

    fn read_first<T: DeserializeOwned>(&self, range: &Range<Vec<u8>>) -> Result<Option<T>, StoreError> {
        let mut first = None;
        self.scan(range, &mut |key, value| {
            first = Some(codec::decode(value, || name_of(key)));
            ControlFlow::Break(())
        })?;
        first.transpose()
    }

    fn read_each<T: DeserializeOwned>(
        &self,
        range: &Range<Vec<u8>>,
        mut visit: impl FnMut(&[u8], T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut result = Ok(());
        self.scan(range, &mut |key, value| {
            result = codec::decode(value, || name_of(key)).and_then(|value| visit(key, value));
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        result
    }

    fn scan(&self, range: &Range<Vec<u8>>, visit: &mut kv::Visit<'_>) -> Result<(), StoreError> {
        self.kv.scan(&range.start..&range.end, visit)
    }
}

fn corrupt(key: &[u8], reason: &str) -> StoreError {
    StoreError::Corrupt { key: name_of(key), reason: reason.to_owned() }
}

/// A key for people: its family number, then what is printable.
fn name_of(key: &[u8]) -> String {
    match key.split_first() {
        None => "(empty)".to_owned(),
        Some((family, rest)) => format!("{family}:{}", rest.escape_ascii()),
    }
}
