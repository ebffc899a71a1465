//! Runs a host without faults until it comes to rest, and to its end.

use holiday_core::attempt::Blocked;
use holiday_core::engine;
use holiday_core::event::Event;
use holiday_core::id::AttemptId;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;

use crate::host::{Host, note};
use crate::oracle;
use crate::violation::{Checked, Violation};

/// Turns after which a host that is still busy is said never to come to rest.
const TURNS_MAX: u64 = 200_000;

/// How far ahead timers are waited for; retention ends later.
const PATIENCE_MS: u64 = 6 * 3_600_000;

const LONG_AFTER_MS: u64 = 72 * 3_600_000;

/// Goes on until nothing happens without an operator; then lets one repair the world and resume what is
/// paused; then waits until everything is forgotten.
pub(crate) fn to_the_end(host: &mut Host) -> Checked {
    to_rest(host, PATIENCE_MS)?;
    oracle::at_rest(host)?;
    host.world.is_repaired = true;
    for _ in 0..20 {
        let lifecycles = host.state.lifecycles()?;
        if lifecycles.is_empty() {
            break;
        }
        note!(host, "an operator resumes what is paused");
        for (invocation, _) in lifecycles {
            host.submit(Event::Resume { invocation, deployment: None })?;
        }
        to_rest(host, PATIENCE_MS)?;
    }
    oracle::at_end(host)?;
    host.now = host.now.plus_millis(LONG_AFTER_MS);
    to_rest(host, LONG_AFTER_MS)?;
    oracle::when_forgotten(host)
}

/// Goes on until nothing happens any more.
pub(crate) fn to_rest(host: &mut Host, patience_ms: u64) -> Checked {
    let until = host.now.plus_millis(patience_ms);
    for _ in 0..TURNS_MAX {
        if !turn(host, until)? {
            return Ok(());
        }
    }
    Err(Violation::new("comes-to-rest", format!("still busy after {TURNS_MAX} turns")))
}

/// Does one thing, in a fixed order of urgency; false if there is nothing to do.
pub(crate) fn turn(host: &mut Host, until: Timestamp) -> Checked<bool> {
    if let Some(attempt) = host.stops.pop() {
        host.stop(attempt);
    } else if let Some(attempt) = host.letters.keys().next().copied() {
        host.take_letter(attempt)?;
    } else if !host.starts.is_empty() {
        let attempt = host.starts.remove(0);
        host.start(attempt)?;
    } else if let Some(attempt) = find(host, |host, attempt| !host.instances[attempt].news.is_empty()) {
        host.hear(attempt)?;
    } else if let Some(attempt) = find(host, |host, attempt| !host.instances[attempt].is_stuck()) {
        advance(host, attempt, false, 0)?;
    } else if !host.is_durable() {
        host.sync(usize::MAX)?;
    } else if let Some(attempt) = find(host, |host, attempt| host.instances[attempt].waits_on().is_some()) {
        host.suspend(attempt)?;
    } else if let Some(due) = engine::next_wakeup(&host.state)?.filter(|due| *due <= until) {
        host.now = host.now.max(due);
        host.append(Event::Wake)?;
    } else {
        return complete_an_awakeable(host);
    }
    Ok(true)
}

/// Lets an instance go on: its handler, a closure, or the input of one; `choice` says which.
pub(crate) fn advance(host: &mut Host, attempt: AttemptId, mishap: bool, choice: usize) -> Checked {
    let Some(instance) = host.instances.get_mut(&attempt) else { return Ok(()) };
    if instance.blocked() == Some(Blocked::OnIo) {
        let executing = instance.executing();
        if let Some(run) = executing.get(choice % executing.len().max(1)) {
            instance.io(*run);
        }
        return Ok(());
    }
    match instance.executes() {
        Some(_) => host.execute(attempt, mishap),
        None => host.go(attempt),
    }
}

fn find(host: &Host, is_right: impl Fn(&Host, &AttemptId) -> bool) -> Option<AttemptId> {
    host.instances.keys().find(|attempt| is_right(host, attempt)).copied()
}

/// Somebody outside completes what was published to them.
fn complete_an_awakeable(host: &mut Host) -> Checked<bool> {
    let Some(id) = host.world.published.pop() else { return Ok(false) };
    host.submit(Event::CompleteAwakeable { id, outcome: Outcome::success("at last") })?;
    Ok(true)
}
