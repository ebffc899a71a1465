//! The names of invocations, beside their ids: idempotency keys, workflow ids, and other ids.

use bytes::Bytes;

use super::{Kv, State, StoreError, corrupt, key};
use crate::id::InvocationId;
use crate::target::Target;

impl<K: Kv> State<K> {
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

    // Other ids for an invocation

    /// The id under which an invocation is stored: `id` itself, or what it stands for.
    pub fn resolve(&self, id: &InvocationId) -> Result<InvocationId, StoreError> {
        match self.kv.get(&key::invocation(id))? {
            Some(_) => Ok(*id),
            None => Ok(self.read(&key::alias(id))?.unwrap_or(*id)),
        }
    }

    /// The invocation that goes on with the journal of another one: the latest that was restarted from it, keeping
    /// commands. For most it is the invocation itself.
    pub fn heir(&self, id: &InvocationId) -> Result<InvocationId, StoreError> {
        let mut heir = self.resolve(id)?;
        while let Some(restarted_as) = self.completed(&heir)?.and_then(|it| it.restarted_as) {
            heir = restarted_as;
        }
        Ok(heir)
    }

    /// Has `alias` lead to an invocation, and no longer to another one.
    pub fn put_alias(&mut self, alias: &InvocationId, id: &InvocationId) -> Result<(), StoreError> {
        if let Some(before) = self.read::<InvocationId>(&key::alias(alias))? {
            self.kv.delete(&key::alias_of(&before, alias))?;
        }
        self.kv.put(key::alias_of(id, alias), Bytes::new())?;
        self.write(key::alias(alias), id)
    }

    pub fn delete_aliases(&mut self, id: &InvocationId) -> Result<(), StoreError> {
        for row in self.keys(&key::aliases_of(id))? {
            let alias = key::parse_alias_of(&row).ok_or_else(|| corrupt(&row, "its key has no other id"))?;
            self.kv.delete(&key::alias(&alias))?;
            self.kv.delete(&row)?;
        }
        Ok(())
    }
}
