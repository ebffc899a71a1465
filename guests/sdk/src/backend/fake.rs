//! A host for native unit tests: a script says what the world answers, a trace tells what was asked.
//!
//! The script is the journal's notifications in order, as `wait` promises them: of what is listed it
//! reports the earliest one that it has not reported yet. A script reads
//! `sleep 10 | call a/b: 7 | call c/d: ! 500 sold out | output inv_1: ? | io page | cancel`, one entry per notification;
//! `?` is no outcome yet, and `cancel 504 too late` a cancellation with that failure. The trace has one line per command
//! and per wait.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::context::{
    CallOptions, Exhausted, Info, Keyed, Named, RetryPolicy, RunOutcome, SendOptions, Workflow,
};
use crate::bindings::types::{Answer, Failure, Header, Outcome, Target};

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

#[derive(Debug, Default)]
struct Host {
    journal: Vec<Notification>,
    trace: Vec<String>,
    state: BTreeMap<String, Vec<u8>>,
    awakeables: u8,
    /// Steps whose closures are being executed.
    executing: u8,
}

#[derive(Clone, Debug)]
struct Notification {
    of: Of,
    reported: bool,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "a script makes them"))]
enum Of {
    Operation(String, Answer),
    Io(String),
    Cancellation(Failure),
}

#[derive(Debug)]
pub(crate) struct Pending {
    name: String,
}

#[derive(Debug)]
pub(crate) struct RunToken {
    name: String,
}

impl Drop for RunToken {
    fn drop(&mut self) {
        host(|host| host.executing -= 1);
    }
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
    Cancelled(Failure),
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
                Of::Cancellation(failure) => Some(Ready::Cancelled(failure.clone())),
            };
            if ready.is_some() {
                it.reported = true;
                return ready;
            }
        }
        None
    }
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
                Notification { of: Of::Operation(_, answer), reported: true } => answer.clone(),
                it => panic!("{it:?} was taken before wait had reported it"),
            }
        })
    }
}

pub(crate) fn call(to: &Target, input: &[u8], options: &CallOptions) -> CallHandle {
    let name = format!("call {}", text(to));
    let mut asked = format!("{name}{}", carried(input, options.idempotency_key.as_deref(), &options.headers));
    if options.shielded {
        asked.push_str(" shielded");
    }
    host(|host| host.asked(asked));
    CallHandle { invocation_id: format!("inv_{}", to.handler), result: Pending { name } }
}

pub(crate) fn send(to: &Target, input: &[u8], options: &SendOptions) -> String {
    let delay = options.delay_ms.map(|ms| format!(" in {ms}")).unwrap_or_default();
    let carried = carried(input, options.idempotency_key.as_deref(), &options.headers);
    host(|host| host.asked(format!("send {}{carried}{delay}", text(to))));
    format!("inv_{}", to.handler)
}

/// What a call or a send takes along, as far as it is not empty.
fn carried(input: &[u8], idempotency_key: Option<&str>, headers: &[Header]) -> String {
    let mut carried = match input {
        b"" | b"null" => String::new(),
        input => format!(" {}", String::from_utf8_lossy(input)),
    };
    if let Some(key) = idempotency_key {
        carried.push_str(&format!(" key {key}"));
    }
    for Header { name, value } in headers {
        carried.push_str(&format!(" {name}={value}"));
    }
    carried
}

pub(crate) fn sleep(duration_ms: u64, name: Option<&str>) -> Pending {
    command(match name {
        Some(name) => format!("sleep {name} {duration_ms}"),
        None => format!("sleep {duration_ms}"),
    })
}

pub(crate) fn run(name: &str, retry: Option<RetryPolicy>) -> RunStep {
    let name = format!("run {name}");
    let policy = retry.map(|retry| format!(" {}", policy(&retry))).unwrap_or_default();
    host(|host| {
        host.asked(format!("{name}{policy}"));
        match host.position(&name) {
            Some(_) => RunStep::Replayed(Pending { name }),
            None => {
                host.executing += 1;
                RunStep::Execute(RunToken { name })
            }
        }
    })
}

fn policy(retry: &RetryPolicy) -> String {
    let then = match retry.then {
        Exhausted::Fail => "fail",
        Exhausted::Pause => "pause",
    };
    let RetryPolicy { initial_interval_ms, factor, max_interval_ms, max_attempts, max_duration_ms, .. } =
        retry;
    format!(
        "every {initial_interval_ms} x {factor} to {max_interval_ms}, {max_attempts:?} in {max_duration_ms:?}, {then}"
    )
}

/// Records the outcome ahead of all that the script has for later; a retryable one is left unanswered.
pub(crate) fn finish_run(token: RunToken, outcome: &RunOutcome) -> Pending {
    let name = token.name.clone();
    drop(token);
    let answer = match outcome {
        RunOutcome::Success(value) => Some(Answer::Success(value.clone())),
        RunOutcome::Terminal(failure) => Some(Answer::Failure(failure.clone())),
        RunOutcome::Retryable(_) => None,
    };
    if let Some(answer) = answer {
        let of = Of::Operation(name.clone(), answer);
        host(|host| {
            let now = host.journal.iter().rposition(|it| it.reported).map_or(0, |last| last + 1);
            host.journal.insert(now, Notification { of, reported: false });
        });
    }
    Pending { name }
}

pub(crate) fn awakeable() -> AwakeableHandle {
    let number = host(|host| {
        host.awakeables += 1;
        host.awakeables
    });
    let id = format!("awk_{}", bs58::encode([number; 28]).into_string());
    AwakeableHandle { result: command(format!("awakeable {number}")), id }
}

pub(crate) fn complete_awakeable(id: &str, outcome: &Outcome) {
    host(|host| host.asked(format!("complete {id} with {}", result(outcome))));
}

pub(crate) fn signal(name: &str) -> Pending {
    command(format!("signal {name}"))
}

pub(crate) fn send_signal(invocation_id: &str, name: &str, outcome: &Outcome) -> Pending {
    answered(format!("signal {name} to {invocation_id}"), outcome)
}

pub(crate) fn promise_get(name: &str) -> Pending {
    command(format!("get {name}"))
}

pub(crate) fn promise_peek(name: &str) -> Pending {
    command(format!("peek {name}"))
}

pub(crate) fn promise_complete(name: &str, outcome: &Outcome) -> Pending {
    answered(format!("complete {name}"), outcome)
}

pub(crate) fn attach(to: &Named) -> Pending {
    command(format!("attach {}", named(to)))
}

pub(crate) fn output(of: &Named) -> Pending {
    command(format!("output {}", named(of)))
}

/// Issues a command that carries an outcome to others, and is answered itself.
fn answered(name: String, outcome: &Outcome) -> Pending {
    host(|host| host.asked(format!("{name} with {}", result(outcome))));
    Pending { name }
}

fn result(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(value) => String::from_utf8_lossy(value).into_owned(),
        Outcome::Failure(Failure { code, message }) => format!("! {code} {message}"),
    }
}

fn named(named: &Named) -> String {
    match named {
        Named::Id(id) => id.clone(),
        Named::IdempotencyKey(Keyed { target, idempotency_key }) => {
            format!("{} key {idempotency_key}", text(target))
        }
        Named::Workflow(Workflow { name, key }) => format!("workflow {name}/{key}"),
    }
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

/// `sealed:v1:` and the plain text, here; one that is `broken` was changed.
pub(crate) fn reveal(text: &str) -> Result<String, Failure> {
    let failed = |message: &str| Err(Failure { code: 500, message: message.into() });
    match text.strip_prefix("sealed:v1:") {
        _ if host(|host| host.executing) == 0 => failed("HH0081: outside"),
        Some("broken") => failed("HH0083: broken"),
        plain => Ok(plain.unwrap_or(text).into()),
    }
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
        _ if entry == "cancel" => Of::Cancellation(Failure { code: 409, message: "cancelled".into() }),
        _ if entry.starts_with("cancel ") => Of::Cancellation(failure(&entry["cancel ".len()..])),
        Some((name, "?")) => Of::Operation(name.into(), Answer::NotReady),
        Some((name, answer)) => Of::Operation(
            name.into(),
            match answer.strip_prefix("! ") {
                Some(text) => Answer::Failure(failure(text)),
                None => Answer::Success(answer.into()),
            },
        ),
        None => match entry.strip_prefix("io ") {
            Some(name) => Of::Io(name.into()),
            None => Of::Operation(entry.into(), Answer::Success(Vec::new())),
        },
    };
    Notification { of, reported: false }
}

#[cfg(test)]
fn failure(text: &str) -> Failure {
    let (code, message) = text.split_once(' ').expect("a failure is `code message`");
    Failure { code: code.parse().expect("the code is a number"), message: message.into() }
}
