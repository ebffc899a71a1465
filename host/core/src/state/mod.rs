//! The state of all invocations, as rows of a [`Kv`].
//!
//! This is the only place that turns rows into types and back. It decides nothing: what may follow what is
//! the engine's concern.

pub mod codec;
pub mod key;
pub mod kv;
pub mod memory;

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use kv::{Kv, StoreError};

use crate::deployment::{Deployment, Revision, Route};
use crate::id::{DeploymentId, EntryIndex, InvocationId, Position, Seq};
use crate::invocation::{Completed, Invocation, Lifecycle};
use crate::journal::{CommandEntry, NotificationEntry};
use crate::policy::{Layer, Policies};
use crate::target::Target;
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
}

impl<K: Kv> State<K> {
    pub fn new(kv: K) -> Self {
        State { kv, timer_floor: Timestamp::ZERO }
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

    pub fn delete_journal(&mut self, id: &InvocationId, lifecycle: &Lifecycle) -> Result<(), StoreError> {
        for index in 0..lifecycle.commands {
            self.kv.delete(&key::command(id, EntryIndex(index)))?;
        }
        for position in 0..lifecycle.notifications {
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

    // Timers

    pub fn put_timer(&mut self, due: Timestamp, id: &InvocationId, timer: Timer) -> Result<(), StoreError> {
        self.timer_floor = self.timer_floor.min(due);
        self.kv.put(key::timer(due, id, timer), Bytes::new())
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

    /// Forgets what is known of timers, after the rows were changed from outside.
    pub fn reset_timer_floor(&mut self) {
        self.timer_floor = Timestamp::ZERO;
    }

    // Names for invocations

    pub fn by_idempotency_key(
        &self,
        target: &Target,
        idempotency_key: &str,
    ) -> Result<Option<InvocationId>, StoreError> {
        self.read(&key::idempotency(target, idempotency_key))
    }

    pub fn put_idempotency_key(
        &mut self,
        target: &Target,
        idempotency_key: &str,
        id: &InvocationId,
    ) -> Result<(), StoreError> {
        self.write(key::idempotency(target, idempotency_key), id)
    }

    pub fn delete_idempotency_key(
        &mut self,
        target: &Target,
        idempotency_key: &str,
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::idempotency(target, idempotency_key))
    }

    pub fn workflow_run(&self, service: &str, id: &str) -> Result<Option<InvocationId>, StoreError> {
        self.read(&key::workflow(service, id))
    }

    pub fn put_workflow_run(
        &mut self,
        service: &str,
        id: &str,
        run: &InvocationId,
    ) -> Result<(), StoreError> {
        self.write(key::workflow(service, id), run)
    }

    pub fn delete_workflow_run(&mut self, service: &str, id: &str) -> Result<(), StoreError> {
        self.kv.delete(&key::workflow(service, id))
    }

    // Rows

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
