//! Fixed scenarios, crashed at every append, application and effect in turn.
//!
//! Wherever the crash comes, the end is the one without it: the same outcomes, the same objects, the same
//! world outside.

mod records;

use std::collections::BTreeMap;

use holiday_core::event::Event;
use holiday_core::id::InvocationId;
use holiday_core::state::key::Family;
use holiday_core::target::Target;
use holiday_core::value::{Outcome, Payload};

use crate::audit::Reading;
use crate::dice::Dice;
use crate::drain;
use crate::guest::random_name;
use crate::host::Host;
use crate::programs::{self, counter, holiday};
use crate::requests::Request;
use crate::violation::{Checked, Violation, check};
use crate::world::Booking;

/// How often callers ask again before they must have their answer.
const ROUNDS_MAX: u32 = 10;

const PATIENCE_MS: u64 = 3_600_000;

/// A named set of requests, and what an operator does about the first one whenever nothing goes on.
pub struct Scenario {
    pub name: String,
    requests: Vec<Request>,
    help: Vec<Help>,
    topic: Option<records::Topic>,
}

/// What an operator does about an invocation that keeps others from their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    Cancel,
    Kill,
    Repair,
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
        .map(|run_type| Scenario::new(format!("trip {run_type}"), vec![trip(run_type)]))
        .collect();
    for input in ["good", "bad"] {
        let request = Request::new(Target::service("mixed", "story"), input).named(input);
        scenarios.push(Scenario::new(format!("story {input}"), vec![request]));
    }
    let busy = |how: &str| Request::new(counter(0), format!("1 {how}")).named(how);
    let requests = vec![busy("sleep"), busy("run"), trip(""), busy("refuse")];
    scenarios.push(Scenario::new("busy counter", requests));
    for help in [Help::Cancel, Help::Kill, Help::Repair] {
        let requests = vec![busy("stuck"), busy("run"), busy("sleep"), busy("")];
        scenarios.push(Scenario {
            help: vec![help],
            ..Scenario::new(format!("stuck counter {help:?}"), requests)
        });
    }
    let approvals = |handler: &str, input: &str| {
        let name = format!("{handler} {input}");
        Request::new(Target::keyed("approvals", "foo", handler), input).named(name)
    };
    let run = Request::new(Target::keyed("approvals", "foo", "go"), "5000");
    let requests =
        vec![run, approvals("watch", "first"), approvals("approve", "second"), approvals("approve", "first")];
    scenarios.push(Scenario::new("approvals", requests));
    scenarios.extend(records::scenarios());
    scenarios
}

impl Scenario {
    fn new(name: impl Into<String>, requests: Vec<Request>) -> Self {
        Scenario { name: name.into(), requests, help: Vec::new(), topic: None }
    }
}

/// What people can see when everything is over.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// Without what a crash may change.
    answers: Vec<Option<Outcome>>,
    objects: BTreeMap<String, String>,
    bookings: BTreeMap<String, Booking>,
    /// The records of each key, in the order in which they were handled.
    records: BTreeMap<Option<Payload>, Vec<(Reading, u32)>>,
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
    if let Some(topic) = &scenario.topic {
        topic.begin(host)?;
    }
    let (mut help, mut steps) = (scenario.help.iter(), 0);
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
        // Those who lost their connection ask again at once.
        if !drain::to_rest_or_crash(host, PATIENCE_MS)? {
            continue;
        }
        if all_answered {
            match &scenario.topic {
                Some(topic) if topic.step(host, &mut steps)? => continue,
                Some(_) | None => break,
            }
        }
        if let Some(invocation) = accepted(host, &requests[0]).filter(|_| is_waiting(host, &requests))
            && let Some(help) = help.next()
        {
            offer(host, *help, invocation)?;
        }
    }
    let answers = requests
        .iter()
        .map(|request| answer_of(host, request).map(|it| without_chance(host, &requests, request, it)))
        .collect();
    let objects = host
        .state
        .kv()
        .rows()
        .filter(|(key, _)| key[0] == Family::ObjectState as u8)
        .map(|(key, value)| (key.escape_ascii().to_string(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let bookings = host.world.bookings.iter().map(|(what, (_, it))| (what.clone(), *it)).collect();
    let records = host.audit.records.handled();
    drain::to_the_end(host)?;
    Ok(End { answers, objects, bookings, records })
}

/// Whether all were accepted and somebody has no answer.
fn is_waiting(host: &Host, requests: &[Request]) -> bool {
    let all_accepted = requests.iter().all(|request| accepted(host, request).is_some());
    all_accepted && requests.iter().any(|request| answer_of(host, request).is_none())
}

/// Helps until it is durable.
fn offer(host: &mut Host, help: Help, invocation: InvocationId) -> Checked {
    if help == Help::Repair {
        host.world.is_repaired = true;
    }
    loop {
        let event = match help {
            Help::Cancel => Event::Cancel { invocation },
            Help::Kill => Event::Kill { invocation },
            Help::Repair => Event::Resume { invocation, deployment: None },
        };
        let crashes = host.crashes;
        host.submit(event)?;
        host.sync(usize::MAX)?;
        if host.crashes == crashes {
            return Ok(());
        }
    }
}

fn accepted(host: &Host, request: &Request) -> Option<InvocationId> {
    request.submitted.iter().find_map(|id| host.world.accepted.get(id)).copied()
}

fn answer_of(host: &Host, request: &Request) -> Option<Outcome> {
    host.world.answers.get(&accepted(host, request)?).cloned()
}

/// What a crash may change is left out: which addition to a counter came first, what the run had come to when somebody
/// began to watch it, and the random name of a handler, for which that of its request stands.
fn without_chance(host: &Host, requests: &[Request], request: &Request, outcome: Outcome) -> Outcome {
    let Outcome::Success(payload) = outcome else { return outcome };
    let text = String::from_utf8_lossy(&payload);
    match (request.target.service.as_str(), request.target.handler.as_str()) {
        ("counter", _) => Outcome::done(),
        ("approvals", "watch") => {
            let (_stage, value) = text.split_once(": ").expect("it says both");
            Outcome::success(with_labels(host, requests, value))
        }
        _ => Outcome::success(with_labels(host, requests, &text)),
    }
}

fn with_labels(host: &Host, requests: &[Request], text: &str) -> String {
    let mut text = text.to_owned();
    for request in requests {
        let Some(id) = accepted(host, request) else { continue };
        let label = request.idempotency_key.as_deref().unwrap_or(&request.target.handler);
        text = text.replace(&random_name(host.audit.created[&id].seed.for_guest()), label);
    }
    text
}
