//! Plays the lines of a script against one engine, and says what came of each.

use std::collections::{BTreeMap, BTreeSet};

use holiday_core::effect::Effect;
use holiday_core::engine::{self, Refusal};
use holiday_core::event::{
    Commands, Configure, End, Event, Fail, Invoke, Record, ReplaceState, RestartAsNew, RunAbandoned,
    RunCompleted, RunFailed, Steering, Suspend,
};
use holiday_core::id::{AttemptId, AwakeableId, EntryIndex, InvocationId, Position, Seed, SubscriptionId};
use holiday_core::journal::{Call, Command, Named, Send};
use holiday_core::policy::{Layer, Options, Policies, RetryOptions, ServicePolicies};
use holiday_core::retry::Exhausted;
use holiday_core::state::State;
use holiday_core::state::memory::MemoryKv;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Payload;

use crate::script::Words;
use crate::{audit, catalog, subscription_audit};

const A_YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

pub(crate) struct World {
    pub(crate) state: State<MemoryKv>,
    now: Timestamp,
    pub(crate) names: BTreeMap<InvocationId, String>,
    ids: BTreeMap<String, InvocationId>,
    pub(crate) subscriptions: BTreeMap<String, SubscriptionId>,
    /// The subscriptions that the driver is to advance.
    advancing: BTreeSet<SubscriptionId>,
}

impl World {
    pub(crate) fn new() -> Self {
        let state = State::new(MemoryKv::new());
        let mut world = World {
            state,
            now: Timestamp::ZERO,
            names: BTreeMap::new(),
            ids: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            advancing: BTreeSet::new(),
        };
        world.record(Event::Deploy(catalog::deployment("v1")));
        world
    }

    /// Plays one line and returns its part of the transcript.
    pub(crate) fn play(&mut self, line: &str) -> String {
        let mut words = Words::of(line);
        let before = self.lifecycles();
        let first = words.word();
        if let Some(said) = self.print_of_subscription(first, words.clone()) {
            return format!("{line}\n{said}");
        }
        let mut said = match first {
            "journal" => self.print_journal(words.word()),
            "state" => self.print_state(words),
            "version" => self.print_version(words),
            "recover" => self.print_all(&engine::recover(&self.state).expect("memory does not fail")),
            "load" => self.print_load(words.word()),
            "pass" => self.pass(words.number()),
            "call" => {
                let event = self.invoke(words);
                let Event::Invoke(invoke) = &event else { unreachable!("just made") };
                let admission = engine::admit_call(&self.state, invoke);
                self.submit(event, admission.expect("memory does not fail"))
            }
            _ => {
                let event = match self.event_of_subscription(first, words.clone()) {
                    Some(event) => event,
                    None => self.event(first, words),
                };
                let admission = engine::admit(&self.state, &event).expect("memory does not fail");
                self.submit(event, admission)
            }
        };
        said.push_str(&self.print_changes(&before));
        format!("{line}\n{said}")
    }

    fn submit(&mut self, event: Event, admission: Result<(), Refusal>) -> String {
        match admission {
            Ok(()) => {
                let effects = self.record(event);
                self.print_all(&effects)
            }
            Err(refusal) => {
                let said = format!("    refused: {} {}: {refusal}\n", refusal.status(), refusal.code());
                self.with_names(said)
            }
        }
    }

    /// Applies one record, twice: two applications of one log give the same.
    fn record(&mut self, event: Event) -> Vec<Effect> {
        let seq = self.state.applied().expect("memory does not fail").next();
        let record = Record { seq, at: self.now, event };
        let mut replica = State::new(self.state.kv().clone());
        let effects = engine::apply(&mut self.state, &record).expect("memory does not fail");
        let again = engine::apply(&mut replica, &record).expect("memory does not fail");
        assert_eq!(effects, again, "two applications of one record have the same effects");
        assert_eq!(self.state.kv(), replica.kv(), "two applications of one record write the same");
        audit::check_rows(&self.state);
        subscription_audit::check_rows(&self.state);
        subscription_audit::check_steps(&self.state, &mut self.advancing, &record.event, &effects);
        self.name_invocations_of_records();
        effects
    }

    /// Lets time pass, waking the host whenever a timer is due.
    fn pass(&mut self, millis: u64) -> String {
        let end = self.now.plus_millis(millis);
        let mut said = String::new();
        while let Some(due) = engine::next_wakeup(&self.state).expect("memory does not fail")
            && due <= end
        {
            self.now = self.now.max(due);
            let effects = self.record(Event::Wake);
            said.push_str(&self.print_all(&effects));
        }
        self.now = end;
        said
    }

    /// Ends whatever is left, and checks that it left nothing behind.
    pub(crate) fn end_everything(&mut self) {
        for subscription in self.subscriptions.values().copied().collect::<Vec<_>>() {
            self.record(Event::Steer { subscription, steering: Steering::Delete { force: true } });
            while self.state.progress(&subscription).expect("memory does not fail").is_some() {
                self.record(Event::Advance { subscription });
            }
        }
        for (invocation, _) in self.state.lifecycles().expect("memory does not fail") {
            self.record(Event::Kill { invocation });
        }
        audit::check_ended(&self.state);
        self.pass(A_YEAR_MS);
        audit::check_forgotten(&self.state);
    }

    // Events

    pub(crate) fn event(&mut self, first: &str, mut words: Words<'_>) -> Event {
        match first {
            "deploy" => Event::Deploy(catalog::deployment(words.word())),
            "invoke" => self.invoke(words),
            "complete" => {
                let id = self.awakeable(words.word());
                Event::CompleteAwakeable { id, outcome: words.outcome() }
            }
            "signal" => Event::Signal {
                invocation: self.id(words.word()),
                name: words.word().to_owned(),
                outcome: words.outcome(),
            },
            "cancel" => Event::Cancel { invocation: self.id(words.word()) },
            "kill" => Event::Kill { invocation: self.id(words.word()) },
            "pause" => Event::Pause { invocation: self.id(words.word()) },
            "resume" => {
                let invocation = self.id(words.word());
                Event::Resume { invocation, deployment: words.next().map(catalog::id) }
            }
            "purge" => Event::Purge { invocation: self.id(words.word()) },
            "restart" => self.restart(words),
            "replace" => self.replace(words),
            "remove" => {
                let deployment = catalog::id(words.word());
                Event::Remove { deployment, force: words.option("by").is_some() }
            }
            "configure" => Event::Configure(configure(words)),
            speaker => self.said_by(speaker, words),
        }
    }

    fn invoke(&mut self, mut words: Words<'_>) -> Event {
        let name = words.word();
        let target = words.target();
        let id = self.fresh(name, &target);
        Event::Invoke(Invoke {
            id,
            target,
            input: Payload::from(name.to_owned()),
            headers: Vec::new(),
            idempotency_key: words.option("key").map(str::to_owned),
            seed: seed(name),
            delay_ms: words.number_option("after"),
            retention_ms: words.number_option("keep").unwrap_or(0),
        })
    }

    /// A restarted invocation; what its handler asked for before keeps the names it had.
    fn restart(&mut self, mut words: Words<'_>) -> Event {
        let from = self.id(words.word());
        let name = words.option("as").expect("a restarted invocation has a name of its own");
        let commands = words.number_option("keeping").and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
        let resolved = self.state.resolve(&from).expect("memory does not fail");
        let old = self.state.invocation(&resolved).expect("memory does not fail");
        let target = old.map_or_else(|| Target::service("echo", "hi"), |it| it.target);
        let id = self.fresh(name, &target);
        for index in (0..commands).map(EntryIndex) {
            let entry = self.state.command(&resolved, index).expect("memory does not fail");
            if let Some(Command::Call(call)) = entry.map(|it| it.command) {
                self.name(seed(name).child_id(index, &call.target), format!("{name}.{}", index.0));
            }
        }
        Event::RestartAsNew(RestartAsNew { from, id, seed: seed(name), commands })
    }

    fn replace(&mut self, mut words: Words<'_>) -> Event {
        let (service, key) = words.word().split_once('/').expect("service/key");
        let expected = words.option("version").map(|it| it.parse().expect("16 hexadecimal digits"));
        let value = |text: &str| {
            let (name, value) = text.split_once('=').expect("name=value");
            (name.to_owned(), Payload::from(value.to_owned()))
        };
        let values = std::iter::from_fn(|| words.next()).map(value).collect();
        Event::ReplaceState(ReplaceState {
            service: service.to_owned(),
            key: key.to_owned(),
            values,
            expected,
        })
    }

    fn said_by(&mut self, speaker: &str, mut words: Words<'_>) -> Event {
        let attempt = self.attempt(speaker);
        let lifecycle = self.state.lifecycle(&attempt.invocation).expect("memory does not fail");
        match words.word() {
            "asks" => {
                let (first, cancellation) = lifecycle.map_or((0, None), |it| (it.commands, it.cancellation));
                let notified = cancellation.and_then(|it| it.notified);
                Event::Commands(self.commands(attempt, first, notified, &words.rest()))
            }
            "asks-unaware" => {
                let first = lifecycle.map_or(0, |it| it.commands);
                Event::Commands(self.commands(attempt, first, None, &words.rest()))
            }
            "asks-told" => {
                let told = Position(words.number());
                let first = lifecycle.map_or(0, |it| it.commands);
                Event::Commands(self.commands(attempt, first, Some(told), &words.rest()))
            }
            "completes" => {
                let run = EntryIndex(words.number());
                Event::RunCompleted(RunCompleted { attempt, run, outcome: words.outcome() })
            }
            "fails" => {
                let run = EntryIndex(words.number());
                Event::RunFailed(RunFailed { attempt, run, message: words.rest() })
            }
            "abandons" => Event::RunAbandoned(RunAbandoned { attempt, run: EntryIndex(words.number()) }),
            "suspends" => {
                let on = words.numbers("having").into_iter().map(EntryIndex).collect();
                let all = lifecycle.map_or(0, |it| it.notifications);
                let having = words.number_option("having").and_then(|it| u32::try_from(it).ok());
                Event::Suspend(Suspend { attempt, on, received: having.unwrap_or(all) })
            }
            "ends" => Event::End(End { attempt, outcome: words.outcome() }),
            "breaks" => Event::Fail(Fail { attempt, message: words.rest() }),
            other => panic!("an attempt does not '{other}'"),
        }
    }

    fn commands(
        &mut self,
        attempt: AttemptId,
        first: u32,
        told_cancelled: Option<Position>,
        list: &str,
    ) -> Commands {
        let mut commands = Vec::new();
        for (index, asked) in (first..).zip(list.split(',')) {
            commands.push(self.command(attempt.invocation, EntryIndex(index), Words::of(asked)));
        }
        Commands { attempt, first: EntryIndex(first), commands, told_cancelled }
    }

    fn command(&mut self, id: InvocationId, index: EntryIndex, mut words: Words<'_>) -> Command {
        let input = Payload::from_static(b"input");
        let headers = Vec::new();
        match words.word() {
            "call" => {
                let target = words.target();
                self.name_child(id, index, &target);
                let idempotency_key = words.option("key").map(str::to_owned);
                let shielded = words.option("shielded").is_some();
                Command::Call(Call { target, input, headers, idempotency_key, shielded })
            }
            "send" => {
                let target = words.target();
                self.name_child(id, index, &target);
                let idempotency_key = words.option("key").map(str::to_owned);
                let delay_ms = words.number_option("after");
                Command::Send(Send { target, input, headers, idempotency_key, delay_ms })
            }
            "sleep" => Command::Sleep { duration_ms: words.number(), name: None },
            "run" => Command::Run { name: words.word().to_owned(), retry: words.retry() },
            "awakeable" => Command::Awakeable,
            "complete" => {
                let id = self.awakeable(words.word());
                Command::CompleteAwakeable { id, outcome: words.outcome() }
            }
            "signal" => Command::Signal { name: words.word().to_owned() },
            "send-signal" => Command::SendSignal {
                invocation: self.id(words.word()),
                name: words.word().to_owned(),
                outcome: words.outcome(),
            },
            "promise" => Command::PromiseGet { name: words.word().to_owned() },
            "peek" => Command::PromisePeek { name: words.word().to_owned() },
            "resolve" => Command::PromiseComplete { name: words.word().to_owned(), outcome: words.outcome() },
            "attach" => Command::Attach { to: self.named(words) },
            "output" => Command::Output { of: self.named(words) },
            "cancel" => Command::Cancel { invocation: self.id(words.word()) },
            "get" => Command::GetState { key: words.word().to_owned(), value: None },
            "set" => {
                let key = words.word().to_owned();
                Command::SetState { key, value: Payload::from(words.rest()) }
            }
            "clear" => Command::ClearState { key: words.word().to_owned() },
            "clear-all" => Command::ClearAllState,
            "keys" => Command::StateKeys { keys: Vec::new() },
            other => panic!("'{other}' is not a command"),
        }
    }

    /// An invocation by its name here, by `key K` and its target, or by `SERVICE/ID` of its workflow.
    fn named(&self, mut words: Words<'_>) -> Named {
        match words.option("key") {
            Some(key) => Named::IdempotencyKey { target: words.target(), key: key.to_owned() },
            None => match words.word() {
                name if name.contains('/') => {
                    let (service, id) = name.split_once('/').expect("just found");
                    Named::Workflow { service: service.to_owned(), id: id.to_owned() }
                }
                name => Named::Id(self.id(name)),
            },
        }
    }

    // Names

    /// An id for an invocation that the script names.
    fn fresh(&mut self, name: &str, target: &Target) -> InvocationId {
        let unique: [u8; 16] = std::array::from_fn(|at| name.as_bytes().get(at).copied().unwrap_or(0));
        let id = InvocationId::new(target, unique);
        self.name(id, name.to_owned());
        id
    }

    pub(crate) fn name(&mut self, id: InvocationId, name: String) {
        self.ids.insert(name.clone(), id);
        self.names.insert(id, name);
    }

    fn name_child(&mut self, parent: InvocationId, index: EntryIndex, target: &Target) {
        // A stale attempt may speak for an invocation that is gone; what it asks for begins nothing.
        let Ok(Some(invocation)) = self.state.invocation(&parent) else { return };
        let name = format!("{}.{}", self.names[&parent], index.0);
        self.name(invocation.child_id(parent, index, target), name);
    }

    pub(crate) fn id(&self, name: &str) -> InvocationId {
        *self.ids.get(name).unwrap_or_else(|| panic!("'{name}' was never invoked"))
    }

    pub(crate) fn attempt(&self, speaker: &str) -> AttemptId {
        match speaker.split_once('#') {
            Some((name, number)) => {
                AttemptId { invocation: self.id(name), number: number.parse().expect("an attempt's number") }
            }
            None => {
                let invocation = self.id(speaker);
                let lifecycle = self.state.lifecycle(&invocation).expect("memory does not fail");
                AttemptId { invocation, number: lifecycle.map_or(1, |it| it.attempt) }
            }
        }
    }

    fn awakeable(&self, name: &str) -> AwakeableId {
        let (invocation, index) = name.rsplit_once('.').expect("an awakeable is called a.0");
        AwakeableId { invocation: self.id(invocation), index: EntryIndex(index.parse().expect("an index")) }
    }

    pub(crate) fn attempt_name(&self, attempt: AttemptId) -> String {
        format!("{}#{}", self.names[&attempt.invocation], attempt.number)
    }

    /// Puts names in place of the ids in a text, which would differ in every transcript.
    pub(crate) fn with_names(&self, text: String) -> String {
        let text = self.names.iter().fold(text, |text, (id, name)| text.replace(&id.to_string(), name));
        let subscriptions = self.subscriptions.iter();
        subscriptions.fold(text, |text, (name, id)| text.replace(&id.to_string(), name))
    }
}

pub(crate) fn seed(name: &str) -> Seed {
    Seed(std::array::from_fn(|at| name.as_bytes().get(at).copied().unwrap_or(0)))
}

/// `LAYER SCOPE OPTION VALUE …`: a layer that says only this; of the host, `SERVICE` or `SERVICE/HANDLER`.
fn configure(mut words: Words<'_>) -> Configure {
    let layer = match words.word() {
        "config" => Layer::Config,
        "operator" => Layer::Operator,
        other => panic!("'{other}' is not a layer"),
    };
    let scope = words.word();
    let options = options(words);
    let policies = match scope.split_once('/') {
        Some((service, handler)) => {
            let handlers = [(handler.to_owned(), options)].into();
            of_service(service, ServicePolicies { handlers, ..ServicePolicies::default() })
        }
        None if scope == "host" => Policies { host: options, ..Policies::default() },
        None => of_service(scope, ServicePolicies { service: options, ..ServicePolicies::default() }),
    };
    Configure { layer, policies }
}

fn of_service(service: &str, policies: ServicePolicies) -> Policies {
    Policies { services: [(service.to_owned(), policies)].into(), ..Policies::default() }
}

fn options(mut words: Words<'_>) -> Options {
    let max_attempts = words.number_option("attempts").and_then(|it| u32::try_from(it).ok());
    let then = words.option("then").map(|it| match it {
        "fail" => Exhausted::Fail,
        "pause" => Exhausted::Pause,
        other => panic!("'{other}' follows no retries"),
    });
    let options = Options {
        retry: RetryOptions { max_attempts, then, ..RetryOptions::default() },
        timeout_ms: words.number_option("timeout"),
        journal_retention_ms: words.number_option("journal"),
        workflow_retention_ms: words.number_option("workflow"),
        idempotency_retention_ms: words.number_option("names"),
        private: words.option("private").map(|it| it == "yes"),
        ..Options::default()
    };
    assert_eq!(words.next(), None, "an option that scripts do not know");
    options
}
