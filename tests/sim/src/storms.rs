//! A trip that is cancelled, killed or late after each of its records in turn, and crashed at each moment that follows.
//!
//! However far it had come: whoever was stopped in time has not succeeded, wherever in the tree of calls the order was
//! given; it says why it has failed; what was done is compensated, exactly that, unless it was killed; no key stays held,
//! and the next trip of the same name goes through.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use holiday_core::event::{Configure, Event};
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::invocation::Lifecycle;
use holiday_core::journal::Command;
use holiday_core::policy::{Layer, Options, Policies, ServicePolicies};
use holiday_core::state::key::Family;
use holiday_core::target::Target;
use holiday_core::value::{Failure, Outcome};

use crate::dice::Dice;
use crate::drain;
use crate::host::Host;
use crate::programs;
use crate::requests::Request;
use crate::violation::{Checked, Violation, check};

const PATIENCE_MS: u64 = 3_600_000;

/// Longer than anything takes that nobody stops.
const TIMEOUT_MS: u64 = 600_000;

/// How somebody is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Cancel,
    Kill,
    /// Its time is over.
    TimeOut,
}

impl How {
    /// What it is told.
    fn failure(self) -> Failure {
        match self {
            How::Cancel => Failure::cancelled(),
            How::Kill => Failure::killed(),
            How::TimeOut => Failure::timed_out(TIMEOUT_MS),
        }
    }
}

/// What is stopped, and how.
pub struct Stopped {
    pub name: String,
    target: Target,
    run_type: &'static str,
    how: How,
}

impl std::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// The trip itself, or who has it reserved; stopped on its way there or on its way back.
pub fn all() -> Vec<Stopped> {
    let (trip, agency) = (Target::service("trips", "reserve"), Target::service("agency", "book"));
    let mut all = Vec::new();
    for (verb, how) in [("cancel", How::Cancel), ("kill", How::Kill), ("time out", How::TimeOut)] {
        for (what, target) in [("trip", &trip), ("agency", &agency)] {
            for run_type in ["", "failNotification"] {
                let name = format!("{verb} {what} {run_type}").trim_end().to_owned();
                all.push(Stopped { name, target: target.clone(), run_type, how });
            }
        }
    }
    all
}

/// Where something went wrong: the record after which it was stopped, and the moment of the crash, if there was one.
#[derive(Debug)]
pub struct Failed {
    pub at: Option<u64>,
    pub moment: Option<u64>,
    pub violation: Violation,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    pub records: u64,
    pub crashes: u64,
}

/// Stops it after each record, and crashes that at every `stride`th moment.
pub fn run(stopped: &Stopped, stride: usize) -> Result<Tried, Failed> {
    let calm = attempt(stopped, None, None)?;
    let mut tried = Tried { records: calm.records, crashes: 0 };
    for (at, offset) in (1..=calm.records).zip((0..stride).cycle()) {
        let undisturbed = attempt(stopped, Some(at), None)?;
        for moment in undisturbed.moments.skip(offset).step_by(stride) {
            attempt(stopped, Some(at), Some(moment))?;
            tried.crashes += 1;
        }
    }
    Ok(tried)
}

/// The transcript of one that is stopped after a record, and crashed at one moment.
pub fn transcript(stopped: &Stopped, failed: &Failed) -> Vec<String> {
    let mut host = host(true, failed.moment);
    let end = play(&mut host, stopped, failed.at);
    host.transcript.lines.extend(end.err().map(|violation| violation.to_string()));
    host.transcript.lines
}

fn attempt(stopped: &Stopped, at: Option<u64>, moment: Option<u64>) -> Result<Played, Failed> {
    play(&mut host(false, moment), stopped, at).map_err(|violation| Failed { at, moment, violation })
}

fn host(is_transcript_wanted: bool, crash: Option<u64>) -> Host {
    let mut host = Host::new(is_transcript_wanted);
    host.checkpoint_every = 3;
    host.crash_countdown = crash;
    host
}

/// An invocation is stopped once so many records are applied, and again if that was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    at: u64,
    invocation: InvocationId,
    how: How,
    /// The moment in which that happened last.
    struck_at: Option<u64>,
    /// Whether the trip still had something to wait for then.
    is_in_time: bool,
}

/// Stops somebody, if it is time for that; true if it was.
pub(crate) fn strike(host: &mut Host) -> Checked<bool> {
    let Some(storm) = host.storm else { return Ok(false) };
    let Some(lifecycle) = host.state.lifecycle(&storm.invocation)? else { return Ok(false) };
    if lifecycle.cancellation.is_some() {
        return Ok(false);
    }
    let strikes = storm.at <= host.applied().0;
    let is_in_time = strikes && has_more_to_do(host, &lifecycle)?;
    host.storm = Some(Storm { struck_at: strikes.then_some(host.moments), is_in_time, ..storm });
    if !strikes {
        return Ok(false);
    }
    match storm.how {
        How::Cancel => host.submit(Event::Cancel { invocation: storm.invocation }),
        How::Kill => host.submit(Event::Kill { invocation: storm.invocation }),
        How::TimeOut => {
            host.now = host.now.max(lifecycle.times_out_at.expect("it has begun, and has a timeout"));
            host.submit(Event::Wake)
        }
    }
}

/// Whether the trip has not begun, or waits for something that is to come; `root` is it, or who has it reserved.
fn has_more_to_do(host: &Host, root: &Lifecycle) -> Checked<bool> {
    for (id, lifecycle) in host.state.lifecycles()? {
        if host.state.invocation(&id)?.is_some_and(|it| it.target.service == "trips") {
            let last = lifecycle.commands.checked_sub(1).map(EntryIndex);
            let last = last.map_or(Ok(None), |last| host.state.command(&id, last))?;
            let is_at_last = last.is_some_and(|it| matches!(it.command, Command::Run { .. }));
            return Ok(!(is_at_last && lifecycle.open.is_empty()));
        }
    }
    Ok(root.commands == 0)
}

/// How many records a trip took, and the moments from when it was stopped until nothing went on any more.
struct Played {
    records: u64,
    moments: RangeInclusive<u64>,
}

/// Plays a trip that is stopped after a record, and then, if nothing crashed, another one.
fn play(host: &mut Host, stopped: &Stopped, at: Option<u64>) -> Checked<Played> {
    let mut dice = Dice::new(1);
    while host.state.deployments()?.is_empty() {
        host.deploy(programs::deployment(1, host.now))?;
        host.sync(usize::MAX)?;
    }
    while host.state.policies(Layer::Operator)? == Policies::default() {
        host.submit(Event::Configure(limit_time(&stopped.target)))?;
        host.sync(usize::MAX)?;
    }
    let mut first = Request::new(stopped.target.clone(), format!("foo {}", stopped.run_type)).named("first");
    let invocation = submit(host, &mut first, &mut dice)?;
    let how = stopped.how;
    host.storm = at.map(|at| Storm { at, invocation, how, struck_at: None, is_in_time: false });
    drain::to_rest(host, PATIENCE_MS)?;
    let (records, rests_at) = (host.applied().0, host.moments);
    let struck_at = host.storm.and_then(|it| it.struck_at).unwrap_or(rests_at);
    nothing_is_left(host)?;
    stopped_in_time(host)?;
    if stopped.how != How::Kill {
        says_why(host, stopped, invocation)?;
        compensations(host)?;
    }
    drain::to_the_end(host)?;
    if host.crashes == 0 {
        another(host, &mut dice)?;
    }
    Ok(Played { records, moments: struck_at + 1..=rests_at })
}

fn limit_time(target: &Target) -> Configure {
    let options = Options { timeout_ms: Some(TIMEOUT_MS), ..Options::default() };
    let of_service = ServicePolicies { service: options, handlers: BTreeMap::new() };
    let policies =
        Policies { services: [(target.service.clone(), of_service)].into(), ..Policies::default() };
    Configure { layer: Layer::Operator, policies }
}

/// The next trip of the same name goes through.
fn another(host: &mut Host, dice: &mut Dice) -> Checked {
    let mut second = Request::new(Target::service("trips", "reserve"), "foo").named("second");
    let second = submit(host, &mut second, dice)?;
    drain::to_rest(host, PATIENCE_MS)?;
    host.attach(second)?;
    let answer = host.world.answers.get(&second);
    check!(
        "acknowledged-runs-to-an-end",
        answer == Some(&Outcome::success("success foo")),
        "the trip after the one that was stopped ended with {answer:?}"
    );
    Ok(())
}

/// Submits a request until it is there.
fn submit(host: &mut Host, request: &mut Request, dice: &mut Dice) -> Checked<InvocationId> {
    let invoke = request.submit(dice);
    let id = invoke.id;
    while host.state.invocation(&id)?.is_none() {
        host.submit(Event::Invoke(invoke.clone()))?;
        host.sync(usize::MAX)?;
    }
    Ok(id)
}

/// All have ended, and nobody holds a key or waits for one: without an operator who looks after them.
fn nothing_is_left(host: &Host) -> Checked {
    for (id, lifecycle) in host.state.lifecycles()? {
        let target = host.state.invocation(&id)?.map(|it| it.target.to_string());
        check!("acknowledged-runs-to-an-end", false, "{id} ({target:?}) is {:?}", lifecycle.status);
    }
    let of_keys = [Family::Lock, Family::Inbox].map(|it| it as u8);
    for (key, _) in host.state.kv().rows() {
        let is_held = of_keys.contains(&key[0]);
        check!("no-row-leaks", !is_held, "row {}:{} is left", key[0], key[1..].escape_ascii());
    }
    Ok(())
}

/// A trip that still had something to wait for when it, or who has it reserved, was stopped has not succeeded.
fn stopped_in_time(host: &Host) -> Checked {
    if !host.storm.is_some_and(|it| it.is_in_time) {
        return Ok(());
    }
    for (id, invocation) in host.audit.created.iter().filter(|(_, it)| it.target.service == "trips") {
        let returned = host.audit.ended.get(id).and_then(|it| it.returned.as_ref());
        check!(
            "stopping-reaches-callees",
            !matches!(returned, Some(Outcome::Success(_))),
            "{} was stopped, and has succeeded with {returned:?}",
            invocation.target
        );
    }
    Ok(())
}

/// Whoever was stopped in time, and had nothing else to fail of, ends with what it was told; unless it quotes a callee,
/// which was told that it is cancelled.
fn says_why(host: &Host, stopped: &Stopped, id: InvocationId) -> Checked {
    if !stopped.run_type.is_empty() || !host.storm.is_some_and(|it| it.is_in_time) {
        return Ok(());
    }
    let why = stopped.how.failure();
    let returned = host.audit.ended.get(&id).and_then(|it| it.returned.as_ref());
    let is_told = match returned {
        Some(Outcome::Failure(it)) if stopped.target.service == "agency" => {
            *it == why || sums_up(it, &Failure::cancelled())
        }
        Some(Outcome::Failure(it)) => sums_up(it, &why),
        // Before it has begun.
        None => stopped.how == How::Cancel,
        Some(Outcome::Success(_)) => false,
    };
    check!(
        "cancellation-says-why",
        is_told,
        "{} was stopped by {why}, and ended with {returned:?}",
        stopped.name
    );
    Ok(())
}

/// Whether this is what a trip says that has failed of `cause`.
fn sums_up(failure: &Failure, cause: &Failure) -> bool {
    failure.code == cause.code && failure.message.contains(&format!("'{}'", cause.message))
}

/// A trip that failed has cancelled what it had reserved, all of it and nothing else; one that succeeded, nothing.
fn compensations(host: &Host) -> Checked {
    for (id, invocation) in host.audit.created.iter().filter(|(_, it)| it.target.service == "trips") {
        let Some(returned) = host.audit.ended.get(id).and_then(|it| it.returned.as_ref()) else { continue };
        let (mut reserved, mut cancelled) = (Vec::new(), Vec::new());
        for (index, command) in host.audit.journal(id) {
            let Command::Call(call) = command else { continue };
            let is_done = matches!(host.audit.answer(id, index), Some(Outcome::Success(_)));
            match call.target.handler.as_str() {
                "reserve" if is_done => reserved.push(call.target.service.clone()),
                "cancel" => cancelled.push(call.target.service.clone()),
                _ => {}
            }
        }
        let expected = match returned {
            Outcome::Success(_) => Vec::new(),
            Outcome::Failure(_) => reserved.iter().rev().cloned().collect(),
        };
        check!(
            "compensations-match-effects",
            cancelled == expected,
            "{} ended with {returned}: it had reserved {reserved:?} and has cancelled {cancelled:?}",
            invocation.target
        );
    }
    Ok(())
}
