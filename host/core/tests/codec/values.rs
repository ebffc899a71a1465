//! One value of every stored type, in all its variants. What a fixture was written from never changes.

use std::collections::BTreeMap;

use holiday_core::deployment::{
    Deployment, Handler, HandlerMode, Media, Revision, Route, RoutedHandler, Service, ServiceKind,
};
use holiday_core::event::{
    Commands, Configure, End, Event, Fail, Invoke, Record, ReplaceState, RestartAsNew, RunAbandoned,
    RunCompleted, RunFailed, Suspend,
};
use holiday_core::id::{
    AttemptId, AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, Position, Seed, Seq,
};
use holiday_core::invocation::{
    Ancestor, BackingOff, Caller, Cancellation, Completed, FailingRun, Failures, Inboxed, Invocation,
    KeptJournal, Lifecycle, OpenCommand, Paused, RunRetry, Scheduled, Status, Suspended,
};
use holiday_core::journal::{Call, Command, CommandEntry, Named, Notification, NotificationEntry, Send};
use holiday_core::policy::{Layer, Options, Policies, Policy, RetryOptions, ServicePolicies};
use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::state::{Lock, StateVersion};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome, Payload};

use crate::subscriptions;

/// A millisecond of 2026: nine bytes as a fixed number, six as a variable one.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_780_000_000_123);

pub(crate) fn records() -> Vec<Record> {
    let attempt = AttemptId { invocation: invocation_id(), number: 3 };
    let invocation = invocation_id();
    let events = [
        Event::Deploy(deployment()),
        Event::Configure(Configure { layer: Layer::Operator, policies: policies() }),
        Event::Invoke(Invoke {
            id: invocation,
            target: target(),
            input: payload(),
            headers: headers(),
            idempotency_key: Some("order-7".to_owned()),
            seed: Seed([5; 32]),
            delay_ms: Some(1_500),
            retention_ms: 3_600_000,
        }),
        Event::Commands(Commands {
            attempt,
            first: EntryIndex(300),
            commands: commands(),
            told_cancelled: Some(Position(300)),
        }),
        Event::RunCompleted(RunCompleted {
            attempt,
            run: EntryIndex(4),
            outcome: Outcome::Success(payload()),
        }),
        Event::RunFailed(RunFailed { attempt, run: EntryIndex(4), message: "no answer".to_owned() }),
        Event::RunAbandoned(RunAbandoned { attempt, run: EntryIndex(4) }),
        Event::Suspend(Suspend { attempt, on: vec![EntryIndex(4), EntryIndex(300)], received: 2 }),
        Event::End(End { attempt, outcome: failure() }),
        Event::Fail(Fail { attempt, message: "HH0022: the component trapped".to_owned() }),
        Event::CompleteAwakeable { id: awakeable(), outcome: failure() },
        Event::Signal { invocation, name: "approved".to_owned(), outcome: failure() },
        Event::Cancel { invocation },
        Event::Kill { invocation },
        Event::Pause { invocation },
        Event::Resume { invocation, deployment: Some(deployment().id) },
        Event::Purge { invocation },
        Event::RestartAsNew(RestartAsNew {
            from: invocation,
            id: InvocationId::from_bytes([8; 24]),
            seed: Seed([6; 32]),
            commands: 300,
        }),
        Event::ReplaceState(ReplaceState {
            service: "cart".to_owned(),
            key: "änn".to_owned(),
            values: [("apples".to_owned(), payload())].into(),
            expected: Some(state_version()),
        }),
        Event::Remove { deployment: deployment().id, force: true },
        Event::Wake,
    ]
    .into_iter()
    .chain(subscriptions::events());
    (1_000_000..).zip(events).map(|(seq, event)| Record { seq: Seq(seq), at: AT, event }).collect()
}

/// Names the fixture of a record; a new event asks for its own here, and in [`records`].
pub(crate) fn name_of_event(record: &Record) -> &'static str {
    match record.event {
        Event::Deploy(_) => "deploy",
        Event::Configure(_) => "configure",
        Event::Invoke(_) => "invoke",
        Event::Commands(_) => "commands",
        Event::RunCompleted(_) => "run-completed",
        Event::RunFailed(_) => "run-failed",
        Event::RunAbandoned(_) => "run-abandoned",
        Event::Suspend(_) => "suspend",
        Event::End(_) => "end",
        Event::Fail(_) => "fail",
        Event::CompleteAwakeable { .. } => "complete-awakeable",
        Event::Signal { .. } => "signal",
        Event::Cancel { .. } => "cancel",
        Event::Kill { .. } => "kill",
        Event::Pause { .. } => "pause",
        Event::Resume { .. } => "resume",
        Event::Purge { .. } => "purge",
        Event::RestartAsNew(_) => "restart-as-new",
        Event::ReplaceState(_) => "replace-state",
        Event::Remove { .. } => "remove",
        Event::Wake => "wake",
        Event::Subscribe(_)
        | Event::Steer { .. }
        | Event::Assign(_)
        | Event::Take(_)
        | Event::Halt { .. }
        | Event::RetryParked { .. }
        | Event::DiscardParked { .. }
        | Event::Advance { .. } => subscriptions::name_of_event(&record.event),
    }
}

pub(crate) fn command_entries() -> Vec<CommandEntry> {
    commands().into_iter().map(|command| CommandEntry { at: AT, command }).collect()
}

pub(crate) fn name_of_command(entry: &CommandEntry) -> &'static str {
    match entry.command {
        Command::Call(_) => "call",
        Command::Send(_) => "send",
        Command::Sleep { .. } => "sleep",
        Command::Run { .. } => "run",
        Command::Awakeable => "awakeable",
        Command::CompleteAwakeable { .. } => "complete-awakeable",
        Command::Signal { .. } => "signal",
        Command::SendSignal { .. } => "send-signal",
        Command::PromiseGet { .. } => "promise-get",
        Command::PromisePeek { .. } => "promise-peek",
        Command::PromiseComplete { .. } => "promise-complete",
        Command::Attach { to: Named::Id(_) } => "attach-to-id",
        Command::Attach { to: Named::IdempotencyKey { .. } } => "attach-to-idempotency-key",
        Command::Attach { to: Named::Workflow { .. } } => "attach-to-workflow",
        Command::Output { .. } => "output",
        Command::Cancel { .. } => "cancel",
        Command::GetState { .. } => "get-state",
        Command::SetState { .. } => "set-state",
        Command::ClearState { .. } => "clear-state",
        Command::ClearAllState => "clear-all-state",
        Command::StateKeys { .. } => "state-keys",
    }
}

pub(crate) fn notification_entries() -> Vec<NotificationEntry> {
    vec![
        NotificationEntry {
            at: AT,
            notification: Notification::Completed { command: EntryIndex(300), outcome: failure() },
        },
        NotificationEntry { at: AT, notification: Notification::NotReady { command: EntryIndex(300) } },
        NotificationEntry {
            at: AT,
            notification: Notification::Cancelled {
                since: Position(2),
                commands: 300,
                failure: Failure::timed_out(60_000),
            },
        },
        NotificationEntry {
            at: AT,
            notification: Notification::Interrupted {
                command: EntryIndex(300),
                failure: Failure::timed_out(60_000),
            },
        },
    ]
}

pub(crate) fn name_of_notification(entry: &NotificationEntry) -> &'static str {
    match entry.notification {
        Notification::Completed { .. } => "completed",
        Notification::NotReady { .. } => "not-ready",
        Notification::Cancelled { .. } => "cancelled",
        Notification::Interrupted { .. } => "interrupted",
    }
}

/// One for each status; each has all kinds of open commands and of failing steps.
pub(crate) fn lifecycles() -> Vec<Lifecycle> {
    let statuses = [
        Status::Scheduled(Scheduled { starts_at: AT }),
        Status::Inboxed(Inboxed { ticket: 300 }),
        Status::Running,
        Status::Suspended(Suspended { on: vec![EntryIndex(0), EntryIndex(300)] }),
        Status::BackingOff(BackingOff { until: AT }),
        Status::Paused(Paused { reason: "by an operator".to_owned() }),
    ];
    statuses.into_iter().map(lifecycle).collect()
}

pub(crate) fn name_of_status(lifecycle: &Lifecycle) -> &'static str {
    lifecycle.status.name()
}

fn lifecycle(status: Status) -> Lifecycle {
    let open = [
        OpenCommand::Call { callee: invocation_id(), shielded: false },
        OpenCommand::Call { callee: invocation_id(), shielded: true },
        OpenCommand::Joined { invocation: invocation_id() },
        OpenCommand::Sleep { due: AT },
        OpenCommand::Run { outlives_cancellation: false },
        OpenCommand::Run { outlives_cancellation: true },
        OpenCommand::Awakeable,
        OpenCommand::Signal,
        OpenCommand::Promise,
        OpenCommand::Question,
    ];
    let retries = [RunRetry::At(AT), RunRetry::Due, RunRetry::Exhausted];
    Lifecycle {
        status,
        attempt: 3,
        deployment: Some(deployment().id),
        commands: 301,
        notifications: 5,
        seen: 4,
        open: (0..).map(EntryIndex).zip(open).collect(),
        cancellation: Some(Cancellation {
            failure: Failure::cancelled(),
            since: Position(2),
            notified: Some(Position(4)),
        }),
        joined: 300,
        aliases: 2,
        signals_sent: 300,
        signals_kept: 2,
        times_out_at: Some(AT),
        failing_runs: (3..).map(EntryIndex).zip(retries.map(failing_run)).collect::<BTreeMap<_, _>>(),
        failures: Some(Failures { count: 2, first_at: AT, last_message: "a bug".to_owned() }),
        journal_bytes: 70_000,
    }
}

fn failing_run(retry: RunRetry) -> FailingRun {
    FailingRun { failures: 2, first_at: AT, last_message: "no answer".to_owned(), retry }
}

/// One for each caller, and one for each handler mode.
pub(crate) fn invocations() -> Vec<Invocation> {
    let callers = [
        (Caller::Ingress, HandlerMode::Exclusive),
        (Caller::Call { invocation: invocation_id(), command: EntryIndex(7) }, HandlerMode::Shared),
        (Caller::Send { invocation: invocation_id() }, HandlerMode::WorkflowRun),
        (Caller::Record(subscriptions::origin()), HandlerMode::WorkflowRun),
    ];
    let invocation = |(caller, mode)| Invocation {
        target: target(),
        kind: ServiceKind::Workflow,
        mode,
        headers: headers(),
        idempotency_key: Some("order-7".to_owned()),
        seed: Seed([5; 32]),
        caller,
        created_at: AT,
        retention_ms: 86_400_000,
        policy: policy(),
        lineage: vec![Ancestor {
            invocation: InvocationId::from_bytes([8; 24]),
            seed: Seed([6; 32]),
            created_at: AT,
            commands: 300,
        }],
    };
    callers.map(invocation).into()
}

pub(crate) fn name_of_caller(invocation: &Invocation) -> &'static str {
    match invocation.caller {
        Caller::Ingress => "by-ingress",
        Caller::Call { .. } => "by-call",
        Caller::Send { .. } => "by-send",
        Caller::Record(_) => "by-record",
    }
}

pub(crate) fn deployment() -> Deployment {
    let digest = Digest([9; 32]);
    Deployment {
        id: DeploymentId::of(&digest),
        digest,
        origin: "trips.wasm".to_owned(),
        services: vec![
            service("echo", ServiceKind::Service),
            service("cart", ServiceKind::Object),
            service("trip", ServiceKind::Workflow),
        ],
        registered_at: AT,
        metadata: [("team".to_owned(), "travel".to_owned())].into(),
    }
}

pub(crate) fn revision() -> Revision {
    Revision { deployment: deployment().id, number: 3, service: service("cart", ServiceKind::Object) }
}

fn service(name: &str, kind: ServiceKind) -> Service {
    let media = Media { content_type: "application/json".to_owned(), schema: Some("{}".to_owned()) };
    let modes = [HandlerMode::Exclusive, HandlerMode::Shared, HandlerMode::WorkflowRun];
    let handler = |mode| Handler {
        name: format!("{mode:?}"),
        mode,
        input: Some(media.clone()),
        output: None,
        documentation: Some("does it".to_owned()),
        options: options(),
    };
    Service {
        name: name.to_owned(),
        kind,
        handlers: modes.map(handler).into(),
        documentation: None,
        options: options(),
    }
}

pub(crate) fn completed() -> Vec<Completed> {
    let journal = KeptJournal { commands: 301, notifications: 5, expires_at: AT.plus_millis(2_000) };
    let kept = Completed {
        outcome: failure(),
        completed_at: AT,
        expires_at: AT.plus_millis(1_000),
        is_named: true,
        deployment: Some(deployment().id),
        attempts: 3,
        journal: Some(journal),
        aliases: 300,
        restarted_as: Some(InvocationId::from_bytes([8; 24])),
    };
    let plain = Completed {
        outcome: Outcome::Success(payload()),
        deployment: None,
        journal: None,
        restarted_as: None,
        ..kept.clone()
    };
    vec![plain, kept]
}

pub(crate) fn name_of_outcome(completed: &Completed) -> &'static str {
    kind_of_outcome(&completed.outcome)
}

/// As promises and signals are stored.
pub(crate) fn outcomes() -> Vec<Outcome> {
    vec![Outcome::Success(payload()), failure()]
}

pub(crate) fn kind_of_outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success(_) => "success",
        Outcome::Failure(_) => "failure",
    }
}

pub(crate) fn lock() -> Lock {
    Lock { holder: invocation_id(), next_ticket: 300, first_ticket: 298, waiting: 2 }
}

pub(crate) fn invocation_id() -> InvocationId {
    InvocationId::from_bytes(std::array::from_fn(|at| u8::try_from(at * 10).expect("24 bytes")))
}

fn commands() -> Vec<Command> {
    let (input, idempotency_key) = (payload(), Some("order-7".to_owned()));
    vec![
        Command::Call(Call {
            target: target(),
            input: input.clone(),
            headers: headers(),
            idempotency_key: idempotency_key.clone(),
            shielded: true,
        }),
        Command::Send(Send {
            target: Target::service("echo", "hi"),
            input,
            headers: headers(),
            idempotency_key,
            delay_ms: Some(300),
        }),
        Command::Sleep { duration_ms: 60_000, name: Some("nap".to_owned()) },
        Command::Run { name: "charge".to_owned(), retry: Some(retry()) },
        Command::Awakeable,
        Command::CompleteAwakeable { id: awakeable(), outcome: failure() },
        Command::Signal { name: "approved".to_owned() },
        Command::SendSignal { invocation: invocation_id(), name: "approved".to_owned(), outcome: failure() },
        Command::PromiseGet { name: "paid".to_owned() },
        Command::PromisePeek { name: "paid".to_owned() },
        Command::PromiseComplete { name: "paid".to_owned(), outcome: failure() },
        Command::Attach { to: Named::Id(invocation_id()) },
        Command::Attach { to: Named::IdempotencyKey { target: target(), key: "order-7".to_owned() } },
        Command::Attach { to: Named::Workflow { service: "trip".to_owned(), id: "änn".to_owned() } },
        Command::Output { of: Named::Id(invocation_id()) },
        Command::Cancel { invocation: invocation_id() },
        Command::GetState { key: "apples".to_owned(), value: Some(payload()) },
        Command::SetState { key: "apples".to_owned(), value: payload() },
        Command::ClearState { key: "apples".to_owned() },
        Command::ClearAllState,
        Command::StateKeys { keys: vec!["apples".to_owned(), "pears".to_owned()] },
    ]
}

fn state_version() -> StateVersion {
    "00ff00ff00ff00ff".parse().expect("16 hexadecimal digits")
}

fn target() -> Target {
    Target::keyed("cart", "änn", "add")
}

pub(crate) fn headers() -> Vec<(String, String)> {
    vec![("traceparent".to_owned(), "00-1-2-01".to_owned())]
}

pub(crate) fn payload() -> Payload {
    Payload::from_static(b"{\"flight\":\"LH7\"}\x00\xff")
}

fn failure() -> Outcome {
    Failure::new(409, "sold out").into()
}

fn awakeable() -> AwakeableId {
    AwakeableId { invocation: invocation_id(), index: EntryIndex(300) }
}

fn retry() -> RetryPolicy {
    RetryPolicy {
        initial_interval_ms: 100,
        factor: 1.5,
        max_interval_ms: 20_000,
        max_attempts: Some(20),
        max_duration_ms: Some(3_600_000),
        then: Exhausted::Fail,
    }
}

fn options() -> Options {
    Options {
        retry: RetryOptions {
            initial_interval_ms: Some(100),
            factor: Some(1.5),
            max_interval_ms: Some(20_000),
            max_attempts: Some(0),
            max_duration_ms: Some(0),
            then: Some(Exhausted::Fail),
        },
        idempotency_retention_ms: Some(50),
        workflow_retention_ms: Some(60),
        journal_retention_ms: Some(70),
        timeout_ms: Some(80),
        cpu_ms: Some(90),
        private: Some(true),
        keep_headers: Some(vec!["authorization".to_owned()]),
    }
}

fn policy() -> Policy {
    Policy {
        retry: retry(),
        idempotency_retention_ms: 50,
        workflow_retention_ms: 60,
        journal_retention_ms: Some(70),
        timeout_ms: Some(80),
        cpu_ms: Some(90),
        private: true,
        keep_headers: vec!["authorization".to_owned()],
    }
}

pub(crate) fn route() -> Route {
    let handler = RoutedHandler { mode: HandlerMode::Shared, policy: policy() };
    Route {
        kind: ServiceKind::Object,
        deployment: deployment().id,
        handlers: [("look".to_owned(), handler)].into(),
    }
}

pub(crate) fn policies() -> Policies {
    let of_service =
        ServicePolicies { service: options(), handlers: [("look".to_owned(), options())].into() };
    Policies { host: options(), services: [("cart".to_owned(), of_service)].into() }
}
