//! Fixed scenarios, crashed at every append, application and effect in turn.
//!
//! Wherever the crash comes, the end is the one without it: the same outcomes, the same objects, the same
//! world outside.

use std::collections::BTreeMap;

use holiday_core::event::Event;
use holiday_core::id::InvocationId;
use holiday_core::state::key::Family;
use holiday_core::target::Target;
use holiday_core::value::Outcome;

use crate::dice::Dice;
use crate::drain;
use crate::host::Host;
use crate::programs::{self, counter, holiday};
use crate::requests::Request;
use crate::violation::{Checked, Violation, check};
use crate::world::Booking;

/// How often callers ask again before they must have their answer.
const ROUNDS_MAX: u32 = 10;

const PATIENCE_MS: u64 = 3_600_000;

/// A named set of requests.
pub struct Scenario {
    pub name: String,
    requests: Vec<Request>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// The holiday trip in each of its run types, and a mixture.
pub fn scenarios() -> Vec<Scenario> {
    let trip = |run_type: &str| {
        let target = Target::service("trips", "reserve");
        Request::new(target, format!("foo {run_type}")).named("foo")
    };
    let mut scenarios: Vec<_> = holiday::RUN_TYPES
        .iter()
        .map(|run_type| Scenario { name: format!("trip {run_type}"), requests: vec![trip(run_type)] })
        .collect();
    for input in ["good", "bad"] {
        let request = Request::new(Target::service("mixed", "story"), input).named(input);
        scenarios.push(Scenario { name: format!("story {input}"), requests: vec![request] });
    }
    let busy = |how: &str| Request::new(counter(0), format!("1 {how}")).named(how);
    let requests = vec![busy("sleep"), busy("run"), trip(""), busy("refuse")];
    scenarios.push(Scenario { name: "busy counter".to_owned(), requests });
    scenarios
}

/// What people can see when everything is over.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// Whether a later addition or an earlier one came first, a crash may change: what they answer is left out.
    answers: Vec<Option<Outcome>>,
    objects: BTreeMap<String, String>,
    bookings: BTreeMap<String, Booking>,
}

/// Which crash changed something; no moment: the run without one has failed.
#[derive(Debug)]
pub struct Failed {
    pub moment: Option<u64>,
    pub violation: Violation,
}

/// Runs the scenario without a crash, then crashes it at each moment; gives the number of moments.
pub fn run(scenario: &Scenario) -> Result<u64, Failed> {
    let mut calm = host(false);
    let expected = play(&mut calm, scenario).map_err(|violation| Failed { moment: None, violation })?;
    for moment in 1..=calm.moments {
        crash_at(scenario, moment, &expected)
            .map_err(|violation| Failed { moment: Some(moment), violation })?;
    }
    Ok(calm.moments)
}

fn crash_at(scenario: &Scenario, moment: u64, expected: &End) -> Checked {
    let mut host = host(false);
    host.crash_countdown = Some(moment);
    let actual = play(&mut host, scenario)?;
    check!(
        "crash-changes-nothing",
        actual == *expected,
        "it ended with {actual:#?} instead of {expected:#?}"
    );
    Ok(())
}

/// The transcript of the scenario, crashed at one moment.
pub fn transcript(scenario: &Scenario, moment: u64) -> Vec<String> {
    let mut host = host(true);
    host.crash_countdown = (moment > 0).then_some(moment);
    let end = play(&mut host, scenario);
    host.transcript.lines.extend(end.err().map(|violation| violation.to_string()));
    host.transcript.lines
}

/// Checkpoints now and then, so that recovery begins with some and replays the rest.
fn host(is_transcript_wanted: bool) -> Host {
    let mut host = Host::new(is_transcript_wanted);
    host.checkpoint_every = 3;
    host
}

fn play(host: &mut Host, scenario: &Scenario) -> Checked<End> {
    let mut dice = Dice::new(1);
    let mut requests = scenario.requests.clone();
    while host.state.deployments()?.is_empty() {
        host.deploy(programs::deployment(1, host.now))?;
        host.sync(usize::MAX)?;
    }
    for _ in 0..ROUNDS_MAX {
        let mut all_answered = true;
        for request in &mut requests {
            all_answered &= answer_of(host, request).is_some();
            match accepted(host, request) {
                Some(invocation) => host.attach(invocation)?,
                None => {
                    let invoke = request.submit(&mut dice);
                    host.submit(Event::Invoke(invoke))?;
                }
            }
        }
        drain::to_rest(host, PATIENCE_MS)?;
        if all_answered {
            break;
        }
    }
    let answers = requests
        .iter()
        .map(|request| answer_of(host, request).map(|it| without_count(request, it)))
        .collect();
    let objects = host
        .state
        .kv()
        .rows()
        .filter(|(key, _)| key[0] == Family::ObjectState as u8)
        .map(|(key, value)| (key.escape_ascii().to_string(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let bookings = host.world.bookings.iter().map(|(what, (_, it))| (what.clone(), *it)).collect();
    drain::to_the_end(host)?;
    Ok(End { answers, objects, bookings })
}

fn accepted(host: &Host, request: &Request) -> Option<InvocationId> {
    request.submitted.iter().find_map(|id| host.world.accepted.get(id)).copied()
}

fn answer_of(host: &Host, request: &Request) -> Option<Outcome> {
    host.world.answers.get(&accepted(host, request)?).cloned()
}

fn without_count(request: &Request, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Success(_) if request.target.service == "counter" => Outcome::done(),
        outcome => outcome,
    }
}
