//! Who waits for what: for signals, for promises, and for invocations that somebody else has begun.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::{Kv, State, StoreError, codec, corrupt, key, name_of};
use crate::id::{EntryIndex, InvocationId};
use crate::value::Outcome;

impl<K: Kv> State<K> {
    // Signals that nobody has waited for yet

    /// The oldest signal of a name, with its number.
    pub fn first_signal(&self, id: &InvocationId, name: &str) -> Result<Option<(u32, Outcome)>, StoreError> {
        let mut first = None;
        self.scan(&key::signals_named(id, name), &mut |row, value| {
            first =
                Some(codec::decode(value, || name_of(row)).map(|outcome| (key::last_number(row), outcome)));
            ControlFlow::Break(())
        })?;
        first.transpose()
    }

    pub fn put_signal(
        &mut self,
        id: &InvocationId,
        name: &str,
        number: u32,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        self.write(key::signal(id, name, number), outcome)
    }

    pub fn delete_signal(&mut self, id: &InvocationId, name: &str, number: u32) -> Result<(), StoreError> {
        self.kv.delete(&key::signal(id, name, number))
    }

    pub fn delete_signals(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        self.delete_all(&key::signals_to(id))
    }

    // Who waits for an invocation without having begun it

    pub fn put_joined(
        &mut self,
        awaited: &InvocationId,
        waiting: (&InvocationId, EntryIndex),
    ) -> Result<(), StoreError> {
        self.kv.put(key::joined(awaited, waiting.0, waiting.1), Bytes::new())
    }

    /// Takes one out; false if it was not there.
    pub fn take_joined(
        &mut self,
        awaited: &InvocationId,
        waiting: (&InvocationId, EntryIndex),
    ) -> Result<bool, StoreError> {
        self.take(&key::joined(awaited, waiting.0, waiting.1))
    }

    /// Takes out all commands that wait for an invocation, in the order of their invocations' ids.
    pub fn take_all_joined(
        &mut self,
        awaited: &InvocationId,
    ) -> Result<Vec<(InvocationId, EntryIndex)>, StoreError> {
        self.take_waiting(&key::joined_to(awaited))
    }

    /// Whether others than `one` have joined an invocation.
    pub fn is_joined_by_others(
        &self,
        awaited: &InvocationId,
        one: &InvocationId,
    ) -> Result<bool, StoreError> {
        let mut found = false;
        self.scan(&key::joined_to(awaited), &mut |row, _| {
            found = key::parse_waiting(row).is_some_and(|(waiting, _)| waiting != *one);
            match found {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        Ok(found)
    }

    // Promises of workflows

    pub fn promise(&self, service: &str, id: &str, name: &str) -> Result<Option<Outcome>, StoreError> {
        self.read(&key::promise(service, id, name))
    }

    pub fn put_promise(
        &mut self,
        service: &str,
        id: &str,
        name: &str,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        self.write(key::promise(service, id, name), outcome)
    }

    pub fn delete_promises(&mut self, service: &str, id: &str) -> Result<(), StoreError> {
        self.delete_all(&key::promises_of(service, id))
    }

    pub fn put_promise_waiter(
        &mut self,
        service: &str,
        id: &str,
        name: &str,
        waiting: (&InvocationId, EntryIndex),
    ) -> Result<(), StoreError> {
        self.kv.put(key::promise_waiter(service, id, name, waiting.0, waiting.1), Bytes::new())
    }

    pub fn delete_promise_waiter(
        &mut self,
        service: &str,
        id: &str,
        name: &str,
        waiting: (&InvocationId, EntryIndex),
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::promise_waiter(service, id, name, waiting.0, waiting.1))
    }

    /// Takes out the commands that wait for a promise, in the order of their invocations' ids.
    pub fn take_promise_waiters(
        &mut self,
        service: &str,
        id: &str,
        name: &str,
    ) -> Result<Vec<(InvocationId, EntryIndex)>, StoreError> {
        self.take_waiting(&key::promise_waiters(service, id, name))
    }

    /// Takes out the commands that wait for any promise of a workflow.
    pub fn take_promise_waiters_of(
        &mut self,
        service: &str,
        id: &str,
    ) -> Result<Vec<(InvocationId, EntryIndex)>, StoreError> {
        self.take_waiting(&key::promise_waiters_of(service, id))
    }

    fn take_waiting(
        &mut self,
        range: &Range<Vec<u8>>,
    ) -> Result<Vec<(InvocationId, EntryIndex)>, StoreError> {
        let rows = self.keys(range)?;
        rows.iter().try_for_each(|row| self.kv.delete(row))?;
        rows.iter()
            .map(|row| key::parse_waiting(row).ok_or_else(|| corrupt(row, "its key has no waiting command")))
            .collect()
    }
}
