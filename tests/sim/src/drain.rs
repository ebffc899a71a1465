//! Runs a host without faults until it comes to rest, and to its end.

use std::collections::BTreeSet;

use holiday_core::attempt::Blocked;
use holiday_core::engine;
use holiday_core::event::Event;
use holiday_core::id::{AttemptId, AwakeableId, EntryIndex, InvocationId};
use holiday_core::invocation::{Asker, OpenCommand, Status, asker};
use holiday_core::journal::Command;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;

use crate::dice::Dice;
use crate::host::{Host, note};
use crate::oracle;
use crate::requests::Request;
use crate::storms;
use crate::subscriptions;
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
            resume(host, invocation)?;
        }
        to_rest(host, PATIENCE_MS)?;
    }
    oracle::at_end(host)?;
    // A crash may lose the order once.
    for _ in 0..2 {
        subscriptions::delete_all(host)?;
        to_rest(host, PATIENCE_MS)?;
    }
    host.now = host.now.plus_millis(LONG_AFTER_MS);
    to_rest(host, LONG_AFTER_MS)?;
    run_promised_workflows(host)?;
    oracle::when_forgotten(host)
}

/// A promise that was completed, and state that an operator wrote, for a workflow that has not begun stays until its run
/// has ended.
fn run_promised_workflows(host: &mut Host) -> Checked {
    let promised = host.audit.promises.names().map(|(service, id, _)| (service.clone(), id.clone()));
    let written = host
        .audit
        .objects
        .iter()
        .filter(|((service, _), values)| service == "workflow" && !values.is_empty());
    let promised: BTreeSet<_> = promised.chain(written.map(|(object, _)| object.clone())).collect();
    let mut dice = Dice::new(host.applied().0);
    for (service, id) in promised {
        let run = Request::new(Target::keyed(service, id, "go"), "1 0").submit(&mut dice);
        host.submit(Event::Invoke(run))?;
    }
    to_rest(host, PATIENCE_MS)?;
    host.now = host.now.plus_millis(LONG_AFTER_MS);
    to_rest(host, LONG_AFTER_MS)
}

/// On the deployment that it began on; if that was removed, on the latest.
fn resume(host: &mut Host, invocation: InvocationId) -> Checked {
    if host.submit(Event::Resume { invocation, deployment: None })? {
        return Ok(());
    }
    let target = host.state.invocation(&invocation)?.map(|it| it.target);
    let Some(target) = target else { return Ok(()) };
    if let Some(route) = host.state.route(&target.service)? {
        host.submit(Event::Resume { invocation, deployment: Some(route.deployment) })?;
    }
    Ok(())
}

/// Goes on until nothing happens any more.
pub(crate) fn to_rest(host: &mut Host, patience_ms: u64) -> Checked {
    while !to_rest_or_crash(host, patience_ms)? {}
    Ok(())
}

/// Goes on until nothing happens any more, or the host has crashed; true if it rests.
pub(crate) fn to_rest_or_crash(host: &mut Host, patience_ms: u64) -> Checked<bool> {
    let (until, crashes) = (host.now.plus_millis(patience_ms), host.crashes);
    for _ in 0..TURNS_MAX {
        if !turn(host, until)? {
            return Ok(true);
        }
        if host.crashes > crashes {
            return Ok(false);
        }
    }
    Err(Violation::new("comes-to-rest", format!("still busy after {TURNS_MAX} turns")))
}

/// Does one thing, in a fixed order of urgency; false if there is nothing to do.
pub(crate) fn turn(host: &mut Host, until: Timestamp) -> Checked<bool> {
    if storms::strike(host)? {
        return Ok(true);
    }
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
    } else if subscriptions::turn(host)? {
    } else if let Some(attempt) = find(host, |host, attempt| host.instances[attempt].waits_on().is_some()) {
        host.suspend(attempt)?;
    } else if let Some(due) = engine::next_wakeup(&host.state)?.filter(|due| *due <= until) {
        host.now = host.now.max(due);
        host.append(Event::Wake)?;
    } else {
        return Ok(help(host)? || subscriptions::help(host)?);
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

/// Somebody outside completes what was published to them, or gives a handler what it waits for.
fn help(host: &mut Host) -> Checked<bool> {
    if let Some(id) = host.world.published.pop() {
        host.submit(Event::CompleteAwakeable { id, outcome: Outcome::success("at last") })?;
        return Ok(true);
    }
    for (id, lifecycle) in host.state.lifecycles()? {
        let Status::Suspended(waits) = &lifecycle.status else { continue };
        for index in &waits.on {
            if let Some(open) = lifecycle.open.get(index)
                && let Some(event) = helping(host, id, *index, open)?
            {
                return host.submit(event);
            }
        }
    }
    Ok(false)
}

/// What answers a command that waits for somebody outside.
fn helping(host: &Host, id: InvocationId, index: EntryIndex, open: &OpenCommand) -> Checked<Option<Event>> {
    let invocation = host.state.invocation(&id)?.expect("it is live");
    let entry = host.state.command(&id, index)?.expect("it is open");
    Ok(match (open, entry.command) {
        (OpenCommand::Signal, Command::Signal { name }) => {
            Some(Event::Signal { invocation: id, name, outcome: Outcome::success("at last") })
        }
        (OpenCommand::Awakeable, Command::Awakeable) => {
            let own = Asker { invocation: id, seed: invocation.seed };
            let creator = asker(own, &invocation.lineage, index).invocation;
            let id = AwakeableId { invocation: creator, index };
            Some(Event::CompleteAwakeable { id, outcome: Outcome::success("at last") })
        }
        (OpenCommand::Promise, Command::PromiseGet { name }) => {
            let target = Target { handler: "approve".to_owned(), ..invocation.target };
            let mut dice = Dice::new(host.applied().0);
            Some(Event::Invoke(Request::new(target, format!("{name} at last")).submit(&mut dice)))
        }
        _ => None,
    })
}
