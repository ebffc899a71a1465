//! What operators and others outside do to invocations while everything goes on.

use std::collections::BTreeMap;

use holiday_core::event::{Configure, Event, ReplaceState, RestartAsNew};
use holiday_core::id::{DeploymentId, InvocationId, Seed};
use holiday_core::journal::Command;
use holiday_core::policy::{Layer, Options, Policies, RetryOptions, ServicePolicies};
use holiday_core::retry::Exhausted;
use holiday_core::state::StateVersion;
use holiday_core::value::{Failure, Outcome, Payload};

use crate::dice::Dice;
use crate::host::Host;
use crate::programs;
use crate::violation::Checked;

/// Draws what somebody does to one invocation or another; `None` if there is nothing to do it to.
pub(crate) fn draw(host: &Host, dice: &mut Dice) -> Checked<Option<Event>> {
    match dice.below(20) {
        0..11 => to_an_invocation(host, dice),
        11..14 => restart(host, dice).map(Some),
        14 => replace_state(host, dice).map(Some),
        15 => remove(host, dice),
        16 | 17 => Ok(Some(Event::Configure(configure(dice)))),
        _ => signal(host, dice),
    }
}

fn to_an_invocation(host: &Host, dice: &mut Dice) -> Checked<Option<Event>> {
    let Some(invocation) = pick_invocation(host, dice)? else { return Ok(None) };
    Ok(Some(match dice.below(10) {
        0..4 => Event::Cancel { invocation },
        4 => Event::Kill { invocation },
        5..7 => Event::Pause { invocation },
        7..9 => Event::Resume { invocation, deployment: pick_deployment(host, dice)? },
        _ => Event::Purge { invocation },
    }))
}

/// One that lives, or any that ever did; also by another id.
pub(crate) fn pick_invocation(host: &Host, dice: &mut Dice) -> Checked<Option<InvocationId>> {
    if dice.chance(60) {
        let lifecycles = host.state.lifecycles()?;
        return Ok((!lifecycles.is_empty()).then(|| dice.pick(&lifecycles).0));
    }
    let known: Vec<_> = match dice.chance(20) {
        true => host.audit.other_ids(),
        false => host.audit.created.keys().copied().collect(),
    };
    Ok((!known.is_empty()).then(|| *dice.pick(&known)))
}

fn pick_deployment(host: &Host, dice: &mut Dice) -> Checked<Option<DeploymentId>> {
    let deployments = host.state.deployments()?;
    Ok((dice.chance(30) && !deployments.is_empty()).then(|| dice.pick(&deployments).id))
}

/// From the beginning, or from any place in its journal.
fn restart(host: &Host, dice: &mut Dice) -> Checked<Event> {
    let kept: Vec<_> = host.audit.kept_journals().collect();
    let (from, has) = match kept.is_empty() {
        true => (InvocationId::from_bytes(dice.bytes()), 0),
        false => *dice.pick(&kept),
    };
    let target = host.audit.created.get(&from).map(|it| it.target.clone());
    let id = match &target {
        Some(target) => InvocationId::new(target, dice.bytes()),
        None => InvocationId::from_bytes(dice.bytes()),
    };
    // A counter that has kept what it once read would write what was added since away.
    let is_counter = target.is_some_and(|target| target.service == "counter");
    let commands = match is_counter || dice.chance(30) {
        true => 0,
        false => u32::try_from(dice.below(u64::from(has) + 2)).expect("a short journal"),
    };
    Ok(Event::RestartAsNew(RestartAsNew { from, id, seed: Seed(dice.bytes()), commands }))
}

/// Not that of the counters, whose sums are known.
fn replace_state(host: &Host, dice: &mut Dice) -> Checked<Event> {
    let (service, key) = *dice.pick(&[("box", "b0"), ("box", "b1"), ("workflow", "w0"), ("mixed", "m0")]);
    let values: BTreeMap<_, _> = (0..dice.below(3))
        .map(|number| (format!("s{number}"), Payload::from(dice.number().to_string())))
        .collect();
    let expected: Option<StateVersion> = match dice.below(3) {
        0 => None,
        1 => Some(host.state.state_version(service, key)?),
        _ => "00112233445566ff".parse().ok(),
    };
    let (service, key) = (service.to_owned(), key.to_owned());
    Ok(Event::ReplaceState(ReplaceState { service, key, values, expected }))
}

fn remove(host: &Host, dice: &mut Dice) -> Checked<Option<Event>> {
    let deployments = host.state.deployments()?;
    let force = dice.chance(30);
    Ok((!deployments.is_empty()).then(|| Event::Remove { deployment: dice.pick(&deployments).id, force }))
}

/// A layer of policies that says a little, or nothing again.
fn configure(dice: &mut Dice) -> Configure {
    let options = Options {
        timeout_ms: dice.chance(30).then(|| dice.below(1_000)),
        journal_retention_ms: dice.chance(30).then(|| dice.below(5_000)),
        workflow_retention_ms: dice.chance(30).then(|| dice.below(5_000)),
        idempotency_retention_ms: dice.chance(30).then(|| dice.below(5_000)),
        private: dice.chance(10).then_some(true),
        retry: RetryOptions {
            max_attempts: dice.chance(40).then(|| 1 + u32::try_from(dice.below(4)).expect("small")),
            then: dice.chance(40).then_some(Exhausted::Fail),
            ..RetryOptions::default()
        },
        ..Options::default()
    };
    let layer = *dice.pick(&Layer::ALL);
    let service = *dice.pick(&["mixed", "box", "workflow", "approvals", "trips", "post"]);
    let of_service = ServicePolicies { service: options.clone(), handlers: BTreeMap::new() };
    let policies = match dice.below(4) {
        0 => Policies::default(),
        1 => Policies { host: options, ..Policies::default() },
        _ => Policies { services: [(service.to_owned(), of_service)].into(), ..Policies::default() },
    };
    Configure { layer, policies }
}

/// To one that waits for it, or to any.
fn signal(host: &Host, dice: &mut Dice) -> Checked<Option<Event>> {
    let mut awaited = Vec::new();
    for (id, lifecycle) in host.state.lifecycles()? {
        for index in lifecycle.open.keys() {
            if let Some(Command::Signal { name }) = host.state.command(&id, *index)?.map(|it| it.command) {
                awaited.push((id, name));
            }
        }
    }
    let (invocation, name) = match (awaited.is_empty() || dice.chance(30), pick_invocation(host, dice)?) {
        (true, None) => return Ok(None),
        (true, Some(invocation)) => (invocation, (*dice.pick(&["go", "stop", "s0", "s1"])).to_owned()),
        (false, _) => dice.pick(&awaited).clone(),
    };
    let outcome = match dice.chance(10) {
        true => Failure::new(500, format!("no {}", dice.number())).into(),
        false => Outcome::success(format!("signal {}", dice.number())),
    };
    Ok(Some(Event::Signal { invocation, name, outcome }))
}

/// One more version, or one that was there before.
pub(crate) fn deployment(host: &Host, dice: &mut Dice, latest: u8) -> holiday_core::deployment::Deployment {
    let version = match dice.chance(30) {
        true => 1 + u8::try_from(dice.below(u64::from(latest))).expect("a version"),
        false => latest,
    };
    programs::deployment(version, host.now)
}
