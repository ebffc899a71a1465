//! Invocations that were restarted as others, and what these may begin anew.

use std::collections::BTreeSet;

use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::invocation::Invocation;
use holiday_core::journal::Command;

use crate::guest::random_name;

#[derive(Debug, Default)]
pub(crate) struct Heirs {
    heirs: BTreeSet<InvocationId>,
    /// The random names that more than one of them goes by.
    names: BTreeSet<String>,
    /// The callees that an heir may begin, as its journal has no answer of those of the other one.
    owed: BTreeSet<InvocationId>,
}

impl Heirs {
    pub(crate) fn add(&mut self, id: InvocationId, invocation: &Invocation) {
        self.heirs.insert(id);
        if let Some(origin) = invocation.lineage.first() {
            self.names.insert(random_name(origin.seed.for_guest()));
        }
    }

    /// An heir has kept a command; what it calls may begin once more.
    pub(crate) fn keep(&mut self, index: EntryIndex, invocation: &Invocation, command: &Command) {
        if let Command::Call(call) = command {
            self.owed.insert(invocation.seed.child_id(index, &call.target));
        }
    }

    pub(crate) fn is_heir(&self, id: &InvocationId) -> bool {
        self.heirs.contains(id)
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(crate) fn is_owed(&self, callee: &InvocationId) -> bool {
        self.owed.contains(callee)
    }
}
