//! Who waits for whom when nothing happens any more: every way has to lead to somebody who waits for an operator.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::id::InvocationId;
use holiday_core::invocation::{Lifecycle, OpenCommand, Status};

use crate::host::Host;
use crate::violation::Checked;

pub(crate) struct Waits {
    lifecycles: BTreeMap<InvocationId, Lifecycle>,
    holders: BTreeMap<InvocationId, InvocationId>,
}

impl Waits {
    pub(crate) fn of(host: &Host) -> Checked<Self> {
        let lifecycles: BTreeMap<_, _> = host.state.lifecycles()?.into_iter().collect();
        let mut holders = BTreeMap::new();
        for (id, lifecycle) in &lifecycles {
            let (Status::Inboxed(_), Some(invocation)) = (&lifecycle.status, host.state.invocation(id)?)
            else {
                continue;
            };
            let key = invocation.target.key.as_deref().unwrap_or("");
            if let Some(lock) = host.state.lock(&invocation.target.service, key)? {
                holders.insert(*id, lock.holder);
            }
        }
        Ok(Waits { lifecycles, holders })
    }

    pub(crate) fn leads_to_an_operator(&self, id: &InvocationId) -> bool {
        let is_paused = |id: &InvocationId| {
            self.lifecycles.get(id).is_some_and(|it| matches!(it.status, Status::Paused(_)))
        };
        self.all_from(id).iter().any(is_paused)
    }

    /// All that an invocation waits for, itself included.
    pub(crate) fn ends_of(&self, id: &InvocationId) -> Vec<InvocationId> {
        self.all_from(id).into_iter().collect()
    }

    fn all_from(&self, id: &InvocationId) -> BTreeSet<InvocationId> {
        let mut all = BTreeSet::from([*id]);
        let mut found = vec![*id];
        while let Some(id) = found.pop() {
            for next in self.awaited(&id) {
                if all.insert(next) {
                    found.push(next);
                }
            }
        }
        all
    }

    fn awaited(&self, id: &InvocationId) -> Vec<InvocationId> {
        let open = self.lifecycles.get(id).into_iter().flat_map(|it| it.open.values());
        let called = open.filter_map(|open| match open {
            OpenCommand::Call { callee, .. } => Some(*callee),
            OpenCommand::Joined { invocation } => Some(*invocation),
            _ => None,
        });
        called.chain(self.holders.get(id).copied()).collect()
    }
}
