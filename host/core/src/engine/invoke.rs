//! How an invocation comes about: from outside, by a call or by a send.

use super::{Cx, Refusal, attach, catalog, command, lifecycle, restart, subscription};
use crate::deployment::{HandlerMode, Route, RoutedHandler, ServiceKind};
use crate::effect::Effect;
use crate::event::{Event, Invoke};
use crate::id::{AwakeableId, DeploymentId, EntryIndex, InvocationId, Seed};
use crate::invocation::{Asker, Caller, Header, Invocation, Lifecycle, Scheduled, Status};
use crate::journal::{Call, Send};
use crate::limits;
use crate::policy::Policy;
use crate::state::key::Timer;
use crate::state::{Kv, State, StoreError};
use crate::target::Target;
use crate::value::{self, Failure, Outcome, Payload};

pub(super) type Admission = Result<Result<(), Refusal>, StoreError>;

/// Checks an event from outside before it becomes a record: a refused one changes nothing.
pub fn admit<K: Kv>(state: &State<K>, event: &Event) -> Admission {
    match event {
        Event::Invoke(it) => admit_invoke(state, it),
        Event::Deploy(deployment) => catalog::check(state, deployment),
        Event::CompleteAwakeable { id, .. } => admit_awakeable(state, id),
        Event::Signal { invocation, name, .. } => admit_signal(state, invocation, name),
        Event::Cancel { invocation } => admit_in(state, invocation, "cancelled", |_| true),
        Event::Kill { invocation } => admit_in(state, invocation, "killed", |_| true),
        Event::Pause { invocation } => admit_in(state, invocation, "paused", |status| match status {
            Status::Running | Status::Suspended(_) | Status::BackingOff(_) => true,
            Status::Scheduled(_) | Status::Inboxed(_) | Status::Paused(_) => false,
        }),
        Event::Resume { invocation, deployment } => admit_resume(state, invocation, deployment.as_ref()),
        Event::Purge { invocation } => admit_completed(state, invocation, "purged"),
        Event::RestartAsNew(it) => restart::admit(state, it),
        Event::ReplaceState(it) => command::state::admit_replace(state, it),
        Event::Remove { deployment, .. } => catalog::check_removal(state, deployment),
        Event::Subscribe(it) => subscription::admit_subscribe(state, it),
        Event::Steer { subscription, steering } => {
            subscription::admit_steering(state, subscription, steering)
        }
        Event::RetryParked { subscription, number, value } => {
            subscription::admit_retry(state, subscription, *number, value)
        }
        Event::DiscardParked { subscription, number } => {
            subscription::admit_discard(state, subscription, *number)
        }
        Event::Configure(_)
        | Event::Commands(_)
        | Event::RunCompleted(_)
        | Event::RunFailed(_)
        | Event::RunAbandoned(_)
        | Event::Suspend(_)
        | Event::End(_)
        | Event::Fail(_)
        | Event::Wake
        | Event::Assign(_)
        | Event::Take(_)
        | Event::Halt { .. }
        | Event::Advance { .. } => Ok(Ok(())),
    }
}

/// Like [`admit`], for a caller who wants this invocation's own outcome: the run of a workflow id that has
/// started is not its own.
pub fn admit_call<K: Kv>(state: &State<K>, invoke: &Invoke) -> Admission {
    if let Err(refusal) = admit_invoke(state, invoke)? {
        return Ok(Err(refusal));
    }
    let (Ok(handler), Some(id)) = (resolve(state, &invoke.target)?, &invoke.target.key) else {
        return Ok(Ok(()));
    };
    match (handler.mode, state.workflow_run(&invoke.target.service, id)?) {
        (HandlerMode::WorkflowRun, Some(invocation)) => {
            Ok(Err(Refusal::WorkflowStarted { target: invoke.target.clone(), invocation }))
        }
        (HandlerMode::WorkflowRun | HandlerMode::Exclusive | HandlerMode::Shared, _) => Ok(Ok(())),
    }
}

/// An invocation from outside begins, or joins the one that has its name.
pub(super) fn from_outside<K: Kv>(cx: &mut Cx<'_, K>, it: &Invoke) -> Result<(), StoreError> {
    let submission = Submission {
        id: it.id,
        target: &it.target,
        input: &it.input,
        headers: &it.headers,
        idempotency_key: it.idempotency_key.as_deref(),
        seed: it.seed,
        delay_ms: it.delay_ms,
        retention_ms: it.retention_ms,
        caller: Caller::Ingress,
    };
    let submitted = it.id;
    match submit(cx, submission)? {
        Submitted::Begun => {
            cx.effects.push(Effect::Accepted { submitted, invocation: submitted, previously: false });
        }
        Submitted::Joined(invocation) => {
            cx.effects.push(Effect::Accepted { submitted, invocation, previously: true });
            if let Some(completed) = cx.state.completed(&invocation)? {
                cx.effects.push(Effect::Answer { invocation, outcome: completed.outcome });
            }
        }
        // `admit` has refused it before; a record that slipped through is answered all the same.
        Submitted::Refused(refusal) => {
            cx.effects.push(Effect::Accepted { submitted, invocation: submitted, previously: false });
            cx.effects.push(Effect::Answer { invocation: submitted, outcome: failure(&refusal) });
        }
    }
    Ok(())
}

/// Command `index` of `caller` calls: its answer is the callee's outcome.
pub(super) fn call<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    asker: Asker,
    index: EntryIndex,
    call: &Call,
) -> Result<(), StoreError> {
    call_as(cx, caller, asker, index, call, asker.seed.child_id(index, &call.target))
}

/// Like [`call`], for a callee that has another id than the one by which its caller knows it.
pub(super) fn call_as<K: Kv>(
    cx: &mut Cx<'_, K>,
    caller: InvocationId,
    asker: Asker,
    index: EntryIndex,
    call: &Call,
    id: InvocationId,
) -> Result<(), StoreError> {
    let known_as = asker.seed.child_id(index, &call.target);
    let submission = Submission {
        id,
        target: &call.target,
        input: &call.input,
        headers: &call.headers,
        idempotency_key: call.idempotency_key.as_deref(),
        seed: asker.seed.child(index),
        delay_ms: None,
        retention_ms: 0,
        caller: Caller::Call { invocation: caller, command: index },
    };
    match submit(cx, submission)? {
        Submitted::Begun if id == known_as => Ok(()),
        Submitted::Begun => name_also(cx, &known_as, &id),
        Submitted::Joined(invocation) => {
            name_also(cx, &known_as, &invocation)?;
            attach::join(cx, caller, index, &invocation)
        }
        Submitted::Refused(refusal) => attach::answer(cx, &caller, index, failure(&refusal)),
    }
}

/// Command `index` of `sender` sends one-way. One that cannot be delivered is dropped, as a send has no answer;
/// the sender's journal shows it.
pub(super) fn send<K: Kv>(
    cx: &mut Cx<'_, K>,
    sender: InvocationId,
    asker: Asker,
    index: EntryIndex,
    send: &Send,
) -> Result<(), StoreError> {
    let id = asker.seed.child_id(index, &send.target);
    let submission = Submission {
        id,
        target: &send.target,
        input: &send.input,
        headers: &send.headers,
        idempotency_key: send.idempotency_key.as_deref(),
        seed: asker.seed.child(index),
        delay_ms: send.delay_ms,
        retention_ms: limits::SEND_RETENTION_MS,
        caller: Caller::Send { invocation: sender },
    };
    match submit(cx, submission)? {
        Submitted::Joined(invocation) => name_also(cx, &id, &invocation),
        Submitted::Begun | Submitted::Refused(_) => Ok(()),
    }
}

/// Has `alias`, which a handler was given at once, lead to the invocation that stands for it, unless that has as many
/// others as it may.
fn name_also<K: Kv>(cx: &mut Cx<'_, K>, alias: &InvocationId, id: &InvocationId) -> Result<(), StoreError> {
    if let Some(mut lifecycle) = cx.state.lifecycle(id)? {
        if lifecycle.aliases >= limits::ALIASES_MAX {
            return Ok(());
        }
        lifecycle.aliases += 1;
        cx.state.put_lifecycle(id, &lifecycle)?;
        return cx.state.put_alias(alias, id);
    }
    let mut completed = cx.state.completed(id)?.expect("a name belongs to a live or completed invocation");
    if completed.aliases >= limits::ALIASES_MAX {
        return Ok(());
    }
    completed.aliases += 1;
    cx.state.put_completed(id, &completed)?;
    cx.state.put_alias(alias, id)
}

pub(super) struct Submission<'a> {
    pub(super) id: InvocationId,
    pub(super) target: &'a Target,
    pub(super) input: &'a Payload,
    pub(super) headers: &'a [Header],
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) seed: Seed,
    pub(super) delay_ms: Option<u64>,
    pub(super) retention_ms: u64,
    pub(super) caller: Caller,
}

pub(super) enum Submitted {
    Begun,
    /// An earlier one stands for it: it has the same idempotency key, or runs the same workflow id.
    Joined(InvocationId),
    Refused(Refusal),
}

pub(super) fn submit<K: Kv>(cx: &mut Cx<'_, K>, it: Submission<'_>) -> Result<Submitted, StoreError> {
    let handler = match resolve(cx.state, it.target)? {
        Ok(handler) => handler,
        Err(refusal) => return Ok(Submitted::Refused(refusal)),
    };
    if let Some(key) = it.idempotency_key
        && let Err(refusal) = Refusal::check_length("the idempotency key", key)
    {
        return Ok(Submitted::Refused(refusal));
    }
    let earlier = earlier(cx.state, &handler, it.target, it.idempotency_key)?;
    if let Some(refusal) = waits_for_itself(cx, &it, &handler, earlier)? {
        return Ok(Submitted::Refused(refusal));
    }
    if let Some(earlier) = earlier {
        return Ok(Submitted::Joined(earlier));
    }
    let invocation = Invocation {
        target: it.target.clone(),
        kind: handler.kind,
        mode: handler.mode,
        headers: it.headers.to_vec(),
        idempotency_key: it.idempotency_key.map(str::to_owned),
        seed: it.seed,
        caller: it.caller,
        created_at: cx.at,
        retention_ms: retention_ms(&handler, it.idempotency_key, it.retention_ms),
        policy: handler.policy,
        lineage: Vec::new(),
    };
    cx.state.put_invocation(&it.id, &invocation)?;
    cx.state.put_input(&it.id, it.input.clone())?;
    claim_names(cx, &it.id, &invocation)?;
    match it.delay_ms {
        Some(delay_ms) => {
            let starts_at = cx.at.plus_millis(delay_ms);
            cx.state.put_timer(starts_at, &it.id, Timer::Start)?;
            let lifecycle = Lifecycle::new(Status::Scheduled(Scheduled { starts_at }));
            cx.state.put_lifecycle(&it.id, &lifecycle)?;
        }
        None => lifecycle::enter(cx, &it.id, &invocation, Lifecycle::new(Status::Running))?,
    }
    Ok(Submitted::Begun)
}

/// Refuses a call whose caller would wait for itself: by the invocation that it would join, or by the key that it would
/// stand in line for.
fn waits_for_itself<K: Kv>(
    cx: &Cx<'_, K>,
    it: &Submission<'_>,
    handler: &Routed,
    earlier: Option<InvocationId>,
) -> Result<Option<Refusal>, StoreError> {
    let Caller::Call { invocation: caller, .. } = it.caller else { return Ok(None) };
    let holder = || match (handler.mode, &it.target.key) {
        (HandlerMode::Exclusive, Some(key)) => cx.state.lock(&it.target.service, key),
        (HandlerMode::Exclusive | HandlerMode::Shared | HandlerMode::WorkflowRun, _) => Ok(None),
    };
    let awaited = match earlier {
        Some(earlier) => Some(earlier),
        None => holder()?.map(|lock| lock.holder),
    };
    let Some(awaited) = awaited else { return Ok(None) };
    attach::refuse_circle(cx, &caller, &awaited, format!("the call to {}", it.target))
}

/// The invocation that has the name this one would get.
fn earlier<K: Kv>(
    state: &State<K>,
    handler: &Routed,
    target: &Target,
    idempotency_key: Option<&str>,
) -> Result<Option<InvocationId>, StoreError> {
    match (handler.mode, &target.key, idempotency_key) {
        (HandlerMode::WorkflowRun, Some(id), _) => state.workflow_run(&target.service, id),
        (_, _, Some(key)) => state.by_idempotency_key(target, key),
        (_, _, None) => Ok(None),
    }
}

pub(super) fn claim_names<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &InvocationId,
    invocation: &Invocation,
) -> Result<(), StoreError> {
    let target = &invocation.target;
    if let (HandlerMode::WorkflowRun, Some(workflow)) = (invocation.mode, &target.key) {
        return cx.state.put_workflow_run(&target.service, workflow, id);
    }
    match &invocation.idempotency_key {
        Some(key) => cx.state.put_idempotency_key(target, key, id),
        None => Ok(()),
    }
}

fn retention_ms(handler: &Routed, idempotency_key: Option<&str>, otherwise: u64) -> u64 {
    match (handler.mode, idempotency_key) {
        (HandlerMode::WorkflowRun, _) => handler.policy.workflow_retention_ms,
        (HandlerMode::Exclusive | HandlerMode::Shared, Some(_)) => handler.policy.idempotency_retention_ms,
        (HandlerMode::Exclusive | HandlerMode::Shared, None) => otherwise,
    }
}

/// Finds the handler that a target names, or says what is wrong with it.
pub(super) fn resolve<K: Kv>(
    state: &State<K>,
    target: &Target,
) -> Result<Result<Routed, Refusal>, StoreError> {
    let Some(Route { kind, deployment, mut handlers }) = state.route(&target.service)? else {
        return Ok(Err(Refusal::UnknownService { service: target.service.clone(), nearest: None }));
    };
    let Some(RoutedHandler { mode, policy }) = handlers.remove(&target.handler) else {
        let (service, handler) = (target.service.clone(), target.handler.clone());
        return Ok(Err(Refusal::UnknownHandler { service, handler, nearest: None }));
    };
    Ok(check_key(kind, target).map(|()| Routed { kind, mode, policy, deployment }))
}

/// A handler that a target names.
pub(super) struct Routed {
    kind: ServiceKind,
    pub(super) mode: HandlerMode,
    policy: Policy,
    pub(super) deployment: DeploymentId,
}

fn check_key(kind: ServiceKind, target: &Target) -> Result<(), Refusal> {
    let (service, handler) = (target.service.clone(), target.handler.clone());
    match (kind.is_keyed(), &target.key) {
        (true, None) => Err(Refusal::KeyMissing { service, handler }),
        (false, Some(key)) => Err(Refusal::KeyUnexpected { service, key: key.clone(), handler }),
        (true, Some(key)) => Refusal::check_length("the key", key),
        (false, None) => Ok(()),
    }
}

fn admit_invoke<K: Kv>(state: &State<K>, it: &Invoke) -> Admission {
    let handler = match resolve(state, &it.target)? {
        Ok(handler) => handler,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if handler.policy.private {
        return Ok(Err(Refusal::PrivateHandler { target: it.target.clone() }));
    }
    let (size, limit) = (it.input.len(), limits::PAYLOAD_BYTES_MAX);
    if size > limit {
        return Ok(Err(Refusal::InputTooLarge { size, limit }));
    }
    match (handler.mode, &it.idempotency_key) {
        (HandlerMode::WorkflowRun, Some(_)) => {
            return Ok(Err(Refusal::IdempotencyKeyOnWorkflow { target: it.target.clone() }));
        }
        (_, Some(key)) => {
            if let Err(refusal) = Refusal::check_length("the idempotency key", key) {
                return Ok(Err(refusal));
            }
        }
        (_, None) => {}
    }
    match earlier(state, &handler, &it.target, it.idempotency_key.as_deref())? {
        Some(_) => Ok(Ok(())),
        None => admit_to_inbox(state, &handler, &it.target),
    }
}

pub(super) fn admit_to_inbox<K: Kv>(state: &State<K>, handler: &Routed, target: &Target) -> Admission {
    let (HandlerMode::Exclusive, Some(key)) = (handler.mode, &target.key) else { return Ok(Ok(())) };
    match state.lock(&target.service, key)? {
        Some(lock) if lock.waiting >= limits::INBOX_MAX => {
            Ok(Err(Refusal::InboxFull { target: target.clone(), waiting: lock.waiting }))
        }
        Some(_) | None => Ok(Ok(())),
    }
}

fn admit_resume<K: Kv>(state: &State<K>, id: &InvocationId, onto: Option<&DeploymentId>) -> Admission {
    let admitted = admit_in(state, id, "resumed", |status| match status {
        Status::Paused(_) | Status::BackingOff(_) => true,
        Status::Scheduled(_) | Status::Inboxed(_) | Status::Running | Status::Suspended(_) => false,
    })?;
    let id = state.resolve(id)?;
    let (Ok(()), Some(lifecycle)) = (&admitted, state.lifecycle(&id)?) else { return Ok(admitted) };
    match (onto, lifecycle.deployment) {
        (Some(onto), is_on) => admit_onto(state, &id, onto, is_on),
        (None, Some(is_on)) if state.deployment(&is_on)?.is_none() => {
            Ok(Err(Refusal::DeploymentRemoved { invocation: id, deployment: is_on }))
        }
        (None, Some(_)) => Ok(Ok(())),
        // It has not begun, and will on the latest.
        (None, None) => {
            let service = state.invocation(&id)?.expect("stored with the lifecycle").target.service;
            Ok(match state.route(&service)? {
                Some(_) => Ok(()),
                None => Err(Refusal::UnknownService { service, nearest: None }),
            })
        }
    }
}

/// A deployment that takes over has to have the handler, and to stay.
fn admit_onto<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    deployment: &DeploymentId,
    is_on: Option<DeploymentId>,
) -> Admission {
    let Some(deployed) = state.deployment(deployment)? else {
        return Ok(Err(Refusal::UnknownDeployment(*deployment)));
    };
    if is_on != Some(*deployment) && state.draining(deployment)?.is_some() {
        return Ok(Err(Refusal::Draining(*deployment)));
    }
    let invocation = state.invocation(id)?.expect("stored with the lifecycle");
    let target = &invocation.target;
    let service = deployed.services.iter().find(|service| service.name == target.service);
    let handler = service.and_then(|service| service.handler(&target.handler));
    Ok(match handler {
        Some(handler) if handler.mode == invocation.mode => Ok(()),
        Some(_) | None => {
            Err(Refusal::HandlerNotDeployed { deployment: *deployment, target: target.clone() })
        }
    })
}

fn admit_signal<K: Kv>(state: &State<K>, id: &InvocationId, name: &str) -> Admission {
    if let Err(refusal) = Refusal::check_length("the name of the signal", name) {
        return Ok(Err(refusal));
    }
    let id = state.heir(id)?;
    Ok(match state.lifecycle(&id)? {
        Some(it) if it.signals_kept >= limits::SIGNALS_KEPT_MAX => {
            Err(Refusal::SignalsFull { invocation: id, kept: it.signals_kept })
        }
        Some(_) => Ok(()),
        None if state.completed(&id)?.is_some() => Err(wrong_status(&id, "completed", "signalled")),
        None => Err(Refusal::UnknownInvocation(id)),
    })
}

fn admit_awakeable<K: Kv>(state: &State<K>, id: &AwakeableId) -> Admission {
    let waiting = command::awakeable::waiting(state, id)?;
    Ok(waiting.map(drop).ok_or(Refusal::UnknownAwakeable(*id)))
}

fn admit_in<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    verb: &'static str,
    is_right: impl FnOnce(&Status) -> bool,
) -> Admission {
    let id = state.resolve(id)?;
    Ok(match state.lifecycle(&id)? {
        Some(lifecycle) if is_right(&lifecycle.status) => Ok(()),
        Some(lifecycle) => Err(wrong_status(&id, lifecycle.status.name(), verb)),
        None if state.completed(&id)?.is_some() => Err(wrong_status(&id, "completed", verb)),
        None => Err(Refusal::UnknownInvocation(id)),
    })
}

fn admit_completed<K: Kv>(state: &State<K>, id: &InvocationId, verb: &'static str) -> Admission {
    let id = state.resolve(id)?;
    Ok(match state.lifecycle(&id)? {
        Some(lifecycle) => Err(wrong_status(&id, lifecycle.status.name(), verb)),
        None if state.completed(&id)?.is_some() => Ok(()),
        None => Err(Refusal::UnknownInvocation(id)),
    })
}

pub(super) fn wrong_status(id: &InvocationId, status: &'static str, verb: &'static str) -> Refusal {
    Refusal::WrongStatus { invocation: *id, status, verb }
}

/// The terminal error a calling handler gets instead of the refusal an outside caller would.
pub(super) fn failure(refusal: &Refusal) -> Outcome {
    Outcome::Failure(refused(refusal))
}

/// A refusal as a failure.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let message = value::cut(format!("{}: {refusal}", refusal.code()));
    Failure::new(refusal.status(), message)
}
