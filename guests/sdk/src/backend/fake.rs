//! A host for native unit tests: a script says what the world answers, a trace tells what was asked.
//!
//! The script is the journal's notifications in order, as `wait` promises them: of what is listed it
//! reports the earliest one that it has not reported yet. A script reads
//! `sleep 10 | call a/b: 7 | call c/d: ! 500 sold out | io page | cancel`, one entry per notification.
//! The trace has one line per command and per wait.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::context::{CallOptions, Info, RetryPolicy, RunOutcome, SendOptions};
#[cfg(test)]
use crate::bindings::types::Failure;
use crate::bindings::types::{Answer, Outcome, Target};

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

#[derive(Debug, Default)]
struct Host {
    journal: Vec<Notification>,
    trace: Vec<String>,
    state: BTreeMap<String, Vec<u8>>,
    awakeables: u32,
}

#[derive(Clone, Debug)]
struct Notification {
    of: Of,
    reported: bool,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "a script makes them"))]
enum Of {
    Operation(String, Outcome),
    Io(String),
    Cancellation,
}

#[derive(Debug)]
pub(crate) struct Pending {
    name: String,
}

#[derive(Debug)]
pub(crate) struct RunToken {
    name: String,
}

#[derive(Debug)]
pub(crate) struct Pollable {
    name: String,
}

#[derive(Debug)]
pub(crate) enum RunStep {
    Replayed(Pending),
    Execute(RunToken),
}

#[derive(Debug)]
pub(crate) enum Ready {
    Pending(u32),
    Io(Vec<u32>),
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct CallHandle {
    pub(crate) result: Pending,
    pub(crate) invocation_id: String,
}

#[derive(Debug)]
pub(crate) struct AwakeableHandle {
    pub(crate) result: Pending,
    pub(crate) id: String,
}

/// What a handler is unwound with when it waits and the script has no answer: the attempt is over.
#[derive(Debug)]
pub(crate) struct Suspended;

impl Host {
    fn asked(&mut self, command: String) {
        self.trace.push(command);
    }

    fn position(&self, operation: &str) -> Option<usize> {
        self.journal.iter().position(|it| matches!(&it.of, Of::Operation(name, _) if name == operation))
    }

    fn wait(&mut self, durable: &[&Pending], io: &[&Pollable]) -> Option<Ready> {
        for it in self.journal.iter_mut().filter(|it| !it.reported) {
            let ready = match &it.of {
                Of::Operation(name, _) => {
                    index(durable.iter().position(|it| it.name == *name)).map(Ready::Pending)
                }
                Of::Io(name) => {
                    index(io.iter().position(|it| it.name == *name)).map(|at| Ready::Io(vec![at]))
                }
                Of::Cancellation => Some(Ready::Cancelled(cancelled())),
            };
            if ready.is_some() {
                it.reported = true;
                return ready;
            }
        }
        None
    }
}

fn cancelled() -> Failure {
    Failure { code: 409, message: "cancelled".to_owned() }
}

fn index(position: Option<usize>) -> Option<u32> {
    position.map(|at| u32::try_from(at).expect("a test waits for few things"))
}

fn host<R>(f: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with_borrow_mut(f)
}

fn text(target: &Target) -> String {
    let Target { service, key, handler } = target;
    match key {
        Some(key) => format!("{service}/{key}/{handler}"),
        None => format!("{service}/{handler}"),
    }
}

/// Issues a command whose notification goes by the same name.
fn command(name: String) -> Pending {
    host(|host| host.asked(name.clone()));
    Pending { name }
}

impl Pending {
    pub(crate) fn take(this: Self) -> Answer {
        host(|host| {
            let at = host.position(&this.name).expect("wait has reported it");
            match &host.journal[at] {
                Notification { of: Of::Operation(_, outcome), reported: true } => match outcome.clone() {
                    Outcome::Success(value) => Answer::Success(value),
                    Outcome::Failure(failure) => Answer::Failure(failure),
                },
                it => panic!("{it:?} was taken before wait had reported it"),
            }
        })
    }
}

pub(crate) fn call(to: &Target, _input: &[u8], _options: &CallOptions) -> CallHandle {
    let name = format!("call {}", text(to));
    CallHandle { invocation_id: format!("inv_{}", to.handler), result: command(name) }
}

pub(crate) fn send(to: &Target, _input: &[u8], options: &SendOptions) -> String {
    let delay = options.delay_ms.map(|ms| format!(" in {ms}")).unwrap_or_default();
    host(|host| host.asked(format!("send {}{delay}", text(to))));
    format!("inv_{}", to.handler)
}

pub(crate) fn sleep(duration_ms: u64, _name: Option<&str>) -> Pending {
    command(format!("sleep {duration_ms}"))
}

pub(crate) fn run(name: &str, _retry: Option<RetryPolicy>) -> RunStep {
    let name = format!("run {name}");
    host(|host| {
        host.asked(name.clone());
        match host.position(&name) {
            Some(_) => RunStep::Replayed(Pending { name }),
            None => RunStep::Execute(RunToken { name }),
        }
    })
}

/// Records the outcome ahead of all that the script has for later; a retryable one is left unanswered.
pub(crate) fn finish_run(token: RunToken, outcome: &RunOutcome) -> Pending {
    let name = token.name;
    let outcome = match outcome {
        RunOutcome::Success(value) => Some(Outcome::Success(value.clone())),
        RunOutcome::Terminal(failure) => Some(Outcome::Failure(failure.clone())),
        RunOutcome::Retryable(_) => None,
    };
    if let Some(outcome) = outcome {
        let of = Of::Operation(name.clone(), outcome);
        host(|host| {
            let now = host.journal.iter().rposition(|it| it.reported).map_or(0, |last| last + 1);
            host.journal.insert(now, Notification { of, reported: false });
        });
    }
    Pending { name }
}

pub(crate) fn awakeable() -> AwakeableHandle {
    let id = host(|host| {
        host.awakeables += 1;
        format!("awk_{}", host.awakeables)
    });
    AwakeableHandle { result: command(id.clone()), id }
}

pub(crate) fn complete_awakeable(id: &str, _outcome: &Outcome) {
    host(|host| host.asked(format!("complete {id}")));
}

pub(crate) fn cancel(invocation_id: &str) {
    host(|host| host.asked(format!("cancel {invocation_id}")));
}

pub(crate) fn get_state(key: &str) -> Option<Vec<u8>> {
    host(|host| host.state.get(key).cloned())
}

pub(crate) fn set_state(key: &str, value: &[u8]) {
    host(|host| host.state.insert(key.into(), value.into()));
}

pub(crate) fn clear_state(key: &str) {
    host(|host| host.state.remove(key));
}

pub(crate) fn clear_all_state() {
    host(|host| host.state.clear());
}

pub(crate) fn state_keys() -> Vec<String> {
    host(|host| host.state.keys().cloned().collect())
}

pub(crate) fn random_seed() -> Vec<u8> {
    vec![7; 32]
}

pub(crate) fn invocation_info() -> Info {
    let target = Target { service: "test".into(), key: Some("key".into()), handler: "test".into() };
    Info {
        invocation_id: "inv_test".into(),
        target,
        headers: vec![],
        idempotency_key: None,
        created_at_ms: 0,
    }
}

pub(crate) fn wait(durable: &[&Pending], io: &[&Pollable]) -> Ready {
    let names = durable.iter().map(|it| it.name.as_str()).chain(io.iter().map(|it| it.name.as_str()));
    let names = names.collect::<Vec<_>>().join(", ");
    let ready = host(|host| {
        let ready = host.wait(durable, io);
        let reported = match &ready {
            Some(Ready::Pending(at)) => &durable[*at as usize].name,
            Some(Ready::Io(at)) => &io[at[0] as usize].name,
            Some(Ready::Cancelled(_)) => "cancelled",
            None => "nothing",
        };
        host.asked(format!("wait [{names}] -> {reported}"));
        ready
    });
    ready.unwrap_or_else(|| std::panic::resume_unwind(Box::new(Suspended)))
}

#[cfg(test)]
impl Pollable {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }
}

/// Begins a test with this script as the journal.
#[cfg(test)]
pub(crate) fn begin(script: &str) {
    let journal = script.split(" | ").filter(|entry| !entry.is_empty()).map(parse).collect();
    host(|host| *host = Host { journal, ..Host::default() });
}

/// Begins another attempt on the same journal.
#[cfg(test)]
pub(crate) fn begin_replay() {
    host(|host| {
        let mut journal = std::mem::take(&mut host.journal);
        journal.retain(|it| !matches!(it.of, Of::Io(_)));
        journal.iter_mut().for_each(|it| it.reported = false);
        *host = Host { journal, ..Host::default() };
    });
}

/// Ends an attempt and gives its trace.
#[cfg(test)]
pub(crate) fn trace() -> Vec<String> {
    host(|host| std::mem::take(&mut host.trace))
}

#[cfg(test)]
fn parse(entry: &str) -> Notification {
    let of = match entry.split_once(": ") {
        _ if entry == "cancel" => Of::Cancellation,
        Some((name, failure)) if failure.starts_with("! ") => {
            let (code, message) = failure[2..].split_once(' ').expect("a failure is `! code message`");
            let code = code.parse().expect("the code is a number");
            Of::Operation(name.into(), Outcome::Failure(Failure { code, message: message.into() }))
        }
        Some((name, value)) => Of::Operation(name.into(), Outcome::Success(value.into())),
        None => match entry.strip_prefix("io ") {
            Some(name) => Of::Io(name.into()),
            None => Of::Operation(entry.into(), Outcome::Success(Vec::new())),
        },
    };
    Notification { of, reported: false }
}
