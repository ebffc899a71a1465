//! What must hold of the rows after every record, and of those that are left at the end.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::id::{EntryIndex, InvocationId, Position};
use holiday_core::invocation::{Lifecycle, OpenCommand, RunRetry, Status};
use holiday_core::state::key::{self, Family, Timer};
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{Kv as _, Lock, State, codec};
use holiday_core::time::Timestamp;

/// Every row has its reason in a lifecycle or a completed invocation, and every reason its row.
pub(crate) fn check_rows(state: &State<MemoryKv>) {
    let lifecycles: BTreeMap<_, _> = state.lifecycles().expect("memory does not fail").into_iter().collect();
    let mut timers = BTreeSet::new();
    let mut journals = BTreeSet::new();
    for (id, lifecycle) in &lifecycles {
        timers.extend(timers_of(lifecycle).into_iter().map(|(due, timer)| (due, *id, timer)));
        journals.extend((0..lifecycle.commands).map(|index| key::command(id, EntryIndex(index))));
        journals.extend((0..lifecycle.notifications).map(|at| key::notification(id, Position(at))));
        assert!(
            state.invocation(id).expect("memory does not fail").is_some(),
            "a lifecycle has its invocation"
        );
        assert!(state.input(id).expect("memory does not fail").is_some(), "a lifecycle has its input");
    }
    for id in ids(state, Family::Completed) {
        let completed = state.completed(&id).expect("memory does not fail").expect("just found");
        assert!(!lifecycles.contains_key(&id), "what is completed has no lifecycle");
        assert!(completed.is_named || completed.journal.is_some(), "what is completed is kept for a reason");
        if completed.is_named {
            timers.insert((completed.expires_at, id, Timer::Expire));
        }
        let input = state.input(&id).expect("memory does not fail");
        assert_eq!(input.is_some(), completed.journal.is_some(), "an input is kept with its journal");
        if let Some(journal) = completed.journal {
            timers.insert((journal.expires_at, id, Timer::ExpireJournal));
            journals.extend((0..journal.commands).map(|index| key::command(&id, EntryIndex(index))));
            journals.extend((0..journal.notifications).map(|at| key::notification(&id, Position(at))));
        }
    }
    let stored: BTreeSet<_> =
        keys(state, Family::Timer).iter().map(|key| key::parse_timer(key).expect("a timer's key")).collect();
    assert_eq!(stored, timers, "the timers are those that something waits for");
    let stored: BTreeSet<_> =
        keys(state, Family::Command).into_iter().chain(keys(state, Family::Notification)).collect();
    assert_eq!(stored, journals, "the journals are as long as they are said to be");
    for id in ids(state, Family::Invocation).iter().chain(&ids(state, Family::Input)) {
        let completed = state.completed(id).expect("memory does not fail");
        assert!(lifecycles.contains_key(id) || completed.is_some(), "{id} left rows behind");
    }
    check_locks(state, &lifecycles);
    check_names(state);
    check_waiting(state, &lifecycles);
}

/// The timers that a lifecycle gives reason for.
fn timers_of(lifecycle: &Lifecycle) -> Vec<(Timestamp, Timer)> {
    let mut timers = Vec::new();
    for (index, open) in &lifecycle.open {
        match open {
            OpenCommand::Sleep { due } => timers.push((*due, Timer::Sleep(*index))),
            OpenCommand::Call { .. }
            | OpenCommand::Joined { .. }
            | OpenCommand::Run { .. }
            | OpenCommand::Awakeable
            | OpenCommand::Signal
            | OpenCommand::Promise => {}
            // That of a restarted invocation is asked when it begins.
            OpenCommand::Question => assert!(
                matches!(lifecycle.status, Status::Inboxed(_)),
                "a question is answered in the record that asks it"
            ),
        }
    }
    for (run, failing) in &lifecycle.failing_runs {
        match failing.retry {
            RunRetry::At(due) => timers.push((due, Timer::Run(*run))),
            RunRetry::Due | RunRetry::Exhausted => {}
        }
    }
    timers.extend(lifecycle.times_out_at.map(|due| (due, Timer::Timeout)));
    match &lifecycle.status {
        Status::Scheduled(it) => timers.push((it.starts_at, Timer::Start)),
        Status::BackingOff(it) => timers.push((it.until, Timer::Attempt)),
        Status::Inboxed(_) | Status::Running | Status::Suspended(_) | Status::Paused(_) => {}
    }
    timers
}

/// Every lock has a living holder, and as many wait in its inbox as it says.
fn check_locks(state: &State<MemoryKv>, lifecycles: &BTreeMap<InvocationId, Lifecycle>) {
    let mut waiting = 0;
    for (row, value) in state.kv().rows().filter(|(row, _)| row[0] == Family::Lock as u8) {
        let lock: Lock = codec::decode(value, || format!("{row:?}")).expect("a lock");
        assert!(lifecycles.contains_key(&lock.holder), "{} holds a key but has ended", lock.holder);
        waiting += lock.waiting;
    }
    assert_eq!(keys(state, Family::Inbox).len() as u64, waiting, "as many wait as the locks say");
    let inboxed = lifecycles.values().filter(|it| matches!(it.status, Status::Inboxed(_))).count();
    assert_eq!(inboxed as u64, waiting, "who waits in line has a ticket");
}

/// Every name leads to an invocation that is there, and every other id of one is known with it.
fn check_names(state: &State<MemoryKv>) {
    let is_there = |id: &InvocationId| state.invocation(id).expect("memory does not fail").is_some();
    for family in [Family::Idempotency, Family::Workflow, Family::Alias] {
        for (row, value) in state.kv().rows().filter(|(row, _)| row[0] == family as u8) {
            let id: InvocationId = codec::decode(value, || format!("{row:?}")).expect("an id");
            assert!(is_there(&id), "{family:?} {row:?} leads nowhere");
        }
    }
    for alias in ids(state, Family::Alias) {
        let row = state.kv().get(&key::alias(&alias)).expect("memory does not fail").expect("just found");
        let id: InvocationId = codec::decode(&row, || alias.to_string()).expect("an id");
        let row = key::alias_of(&id, &alias);
        assert!(keys(state, Family::AliasOf).contains(&row), "{alias} is not known with {id}");
        let lifecycle = state.lifecycle(&id).expect("memory does not fail");
        let completed = state.completed(&id).expect("memory does not fail");
        let says_so =
            lifecycle.is_some_and(|it| it.aliases > 0) || completed.is_some_and(|it| it.aliases > 0);
        assert!(says_so, "{id} does not say that it has other ids");
    }
    assert_eq!(keys(state, Family::Alias).len(), keys(state, Family::AliasOf).len(), "both ways are known");
}

/// What waits for signals and promises, and what is kept of them, is known on both sides.
fn check_waiting(state: &State<MemoryKv>, lifecycles: &BTreeMap<InvocationId, Lifecycle>) {
    let mut waiting = BTreeSet::new();
    let (joined, signals) = (keys(state, Family::Joined), keys(state, Family::Signal));
    for (id, lifecycle) in lifecycles {
        let kept = signals.iter().filter(|row| row[1..25] == id.as_bytes()[..]).count();
        assert_eq!(kept, lifecycle.signals_kept as usize, "{id} has kept as many signals as it says");
        let open = lifecycle.open.iter().filter(|(_, open)| **open == OpenCommand::Promise);
        waiting.extend(open.map(|(index, _)| (*id, *index)));
        let to_it: Vec<_> = joined.iter().filter(|row| row[1..25] == id.as_bytes()[..]).collect();
        assert_eq!(to_it.len(), lifecycle.joined as usize, "{id} was joined as often as it says");
        for (who, index) in to_it.iter().filter_map(|row| key::parse_waiting(row)) {
            let open = lifecycles.get(&who).and_then(|it| it.open.get(&index));
            assert_eq!(open, Some(&OpenCommand::Joined { invocation: *id }), "{who} waits for {id}");
        }
    }
    for id in ids(state, Family::Joined) {
        assert!(lifecycles.contains_key(&id), "{id} has ended, and others are said to wait for it");
    }
    for id in ids(state, Family::Signal) {
        assert!(lifecycles.contains_key(&id), "{id} has ended, and its signals are kept");
    }
    let stored: BTreeSet<_> = keys(state, Family::PromiseWaiter)
        .iter()
        .map(|row| key::parse_waiting(row).expect("ends with a command"))
        .collect();
    assert_eq!(stored, waiting, "those who wait for promises are known");
}

/// After all invocations have ended only the catalog, objects and outcomes with their names are left.
pub(crate) fn check_ended(state: &State<MemoryKv>) {
    for family in [
        Family::Lifecycle,
        Family::Lock,
        Family::Inbox,
        Family::Signal,
        Family::PromiseWaiter,
        Family::Joined,
    ] {
        assert_eq!(keys(state, family).len(), 0, "{family:?} rows are left behind");
    }
    let completed = ids(state, Family::Completed);
    assert_eq!(ids(state, Family::Invocation), completed, "invocations stay as long as their outcomes");
    let names = keys(state, Family::Idempotency).len() + keys(state, Family::Workflow).len();
    assert!(names <= completed.len(), "every name belongs to an outcome");
}

/// After all retention is over only the catalog and objects are left.
pub(crate) fn check_forgotten(state: &State<MemoryKv>) {
    let catalog = [Family::Deployment, Family::Revision, Family::Route, Family::Policies];
    let kept = [&catalog[..], &[Family::Applied, Family::ObjectState]].concat();
    let left: Vec<_> =
        state.kv().rows().filter(|(row, _)| kept.iter().all(|family| row[0] != *family as u8)).collect();
    assert!(left.is_empty(), "rows are left behind: {left:?}");
}

pub(crate) fn keys(state: &State<MemoryKv>, family: Family) -> Vec<Vec<u8>> {
    state.kv().rows().filter(|(row, _)| row[0] == family as u8).map(|(row, _)| row.to_vec()).collect()
}

fn ids(state: &State<MemoryKv>, family: Family) -> BTreeSet<InvocationId> {
    keys(state, family).iter().map(|row| key::parse_invocation(row).expect("begins with an id")).collect()
}
