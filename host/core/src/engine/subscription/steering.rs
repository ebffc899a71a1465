//! Operators create subscriptions and change them.

use super::{Cx, Open, lane, parking, take};
use crate::effect::Effect;
use crate::engine::Refusal;
use crate::engine::invoke::Admission;
use crate::event::{Steering, Subscribe};
use crate::id::SubscriptionId;
use crate::limits;
use crate::state::{Kv, State, StoreError};
use crate::subscription::{
    Lane, LaneId, PauseReason, Progress, SubscriptionOptions, SubscriptionStatus, Verdict,
};
use crate::target::Target;
use crate::value::Payload;

/// A subscription begins to exist; it reads when its partitions have positions.
pub(in crate::engine) fn subscribe<K: Kv>(cx: &mut Cx<'_, K>, it: &Subscribe) -> Result<(), StoreError> {
    cx.state.put_subscription(&it.id, &it.subscription)?;
    cx.state.put_progress(&it.id, &Progress::new())
}

pub(in crate::engine) fn steer<K: Kv>(
    cx: &mut Cx<'_, K>,
    id: &SubscriptionId,
    steering: &Steering,
) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, id)? else { return Ok(()) };
    match steering {
        Steering::Pause => open.progress.status = SubscriptionStatus::Paused(PauseReason::Operator),
        Steering::Resume => open.progress.status = SubscriptionStatus::Active,
        Steering::Delete { .. } => {
            open.progress.status = SubscriptionStatus::Deleting;
            cx.effects.push(Effect::Advance(*id));
        }
        Steering::PauseKey { key } => set_paused(cx, &mut open, key, true)?,
        Steering::ResumeKey { key } => set_paused(cx, &mut open, key, false)?,
        Steering::Seek { partition, next } => take::seek(cx, &mut open, *partition, *next)?,
        Steering::SeekKey { key, partition, next } => {
            take::seek_key(cx, &mut open, key, *partition, *next)?;
        }
    }
    open.save(cx)
}

fn set_paused<K: Kv>(
    cx: &mut Cx<'_, K>,
    open: &mut Open,
    key: &Payload,
    is_paused: bool,
) -> Result<(), StoreError> {
    let id = LaneId::of(key);
    let mut lane = cx.state.lane(&open.id, &id)?.unwrap_or_else(|| Lane::new(key.clone()));
    match (lane.is_paused, is_paused) {
        (false, true) => open.progress.paused_keys += 1,
        (true, false) => open.progress.paused_keys -= 1,
        (true, true) | (false, false) => {}
    }
    lane.is_paused = is_paused;
    lane::go_on(cx, open, id, &mut lane)?;
    lane::save(cx, open, id, lane)
}

/// Refuses a subscription that could never work, or one too many.
pub(in crate::engine) fn admit_subscribe<K: Kv>(state: &State<K>, it: &Subscribe) -> Admission {
    let sink = &it.subscription.sink;
    if let Err(refusal) = check_options(&it.subscription.options) {
        return Ok(Err(refusal));
    }
    let Some(revision) = state.revision(&sink.service)? else {
        return Ok(Err(Refusal::UnknownService { service: sink.service.clone(), nearest: None }));
    };
    let Some(handler) = revision.service.handler(&sink.handler) else {
        let (service, handler) = (sink.service.clone(), sink.handler.clone());
        return Ok(Err(Refusal::UnknownHandler { service, handler, nearest: None }));
    };
    if handler.input.is_none() {
        return Ok(Err(Refusal::SinkTakesNothing { sink: sink.clone() }));
    }
    let route = state.route(&sink.service)?.expect("made with every revision");
    if route.handlers.get(&sink.handler).is_some_and(|handler| handler.policy.private) {
        let target = Target::service(&sink.service, &sink.handler);
        return Ok(Err(Refusal::PrivateHandler { target }));
    }
    match state.subscriptions()?.len() < limits::SUBSCRIPTIONS_MAX {
        true => Ok(Ok(())),
        false => Ok(Err(Refusal::TooManySubscriptions { limit: limits::SUBSCRIPTIONS_MAX })),
    }
}

fn check_options(options: &SubscriptionOptions) -> Result<(), Refusal> {
    let client = options.client.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let size = client + options.group_id.len();
    let limit = limits::SUBSCRIPTION_OPTIONS_BYTES_MAX;
    match size <= limit {
        true => Ok(()),
        false => Err(Refusal::OptionsTooLarge { size, limit }),
    }
}

pub(in crate::engine) fn admit_steering<K: Kv>(
    state: &State<K>,
    id: &SubscriptionId,
    steering: &Steering,
) -> Admission {
    let progress = match known(state, id)? {
        Ok(progress) => progress,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match steering {
        Steering::Pause => Ok(Ok(())),
        Steering::Resume if parking::is_full(&progress) => {
            Ok(Err(Refusal::ParkedFull { subscription: *id, parked: progress.parked }))
        }
        Steering::Resume => Ok(Ok(())),
        Steering::Delete { force } => {
            let (waiting, parked) = (progress.waiting, progress.parked);
            Ok(match *force || waiting + parked == 0 {
                true => Ok(()),
                false => Err(Refusal::SubscriptionHolds { subscription: *id, waiting, parked }),
            })
        }
        Steering::PauseKey { key } => admit_pause_key(state, id, &progress, key),
        Steering::ResumeKey { key } => Ok(check_key(key)),
        Steering::Seek { partition, .. } => {
            let position = state.position(id, *partition)?;
            Ok(position
                .map(drop)
                .ok_or(Refusal::UnknownPartition { subscription: *id, partition: *partition }))
        }
        Steering::SeekKey { key, partition, .. } => {
            if let Err(refusal) = check_key(key) {
                return Ok(Err(refusal));
            }
            if state.position(id, *partition)?.is_none() {
                return Ok(Err(Refusal::UnknownPartition { subscription: *id, partition: *partition }));
            }
            let is_there = state.key_seek(id, *partition, &LaneId::of(key))?.is_some();
            Ok(match is_there || progress.key_seeks < limits::KEY_SEEKS_MAX {
                true => Ok(()),
                false => Err(Refusal::TooManyKeys { subscription: *id, limit: limits::KEY_SEEKS_MAX }),
            })
        }
    }
}

fn admit_pause_key<K: Kv>(
    state: &State<K>,
    id: &SubscriptionId,
    progress: &Progress,
    key: &Payload,
) -> Admission {
    if let Err(refusal) = check_key(key) {
        return Ok(Err(refusal));
    }
    let is_paused = state.lane(id, &LaneId::of(key))?.is_some_and(|lane| lane.is_paused);
    Ok(match is_paused || progress.paused_keys < limits::PAUSED_KEYS_MAX {
        true => Ok(()),
        false => Err(Refusal::TooManyKeys { subscription: *id, limit: limits::PAUSED_KEYS_MAX }),
    })
}

fn check_key(key: &Payload) -> Result<(), Refusal> {
    let (size, limit) = (key.len(), limits::KEY_BYTES_MAX);
    match size <= limit {
        true => Ok(()),
        false => Err(Refusal::KeyTooLong { what: "the key", size, limit }),
    }
}

/// Refuses to handle a record again that is not parked, or whose value was not kept.
pub(in crate::engine) fn admit_retry<K: Kv>(
    state: &State<K>,
    id: &SubscriptionId,
    number: u64,
    value: &Verdict,
) -> Admission {
    if let Err(refusal) = known(state, id)? {
        return Ok(Err(refusal));
    }
    let Some(parked) = state.parked(id, number)? else {
        return Ok(Err(Refusal::UnknownParked { subscription: *id, number }));
    };
    Ok(match (value, parked.value) {
        (Verdict::Unusable { failure, .. }, _) => {
            Err(Refusal::StillUnusable { number, code: failure.code, message: failure.message.clone() })
        }
        (Verdict::Input(_), None) => Err(Refusal::ValueNotKept { number }),
        (Verdict::Input(_), Some(_)) => Ok(()),
    })
}

pub(in crate::engine) fn admit_discard<K: Kv>(
    state: &State<K>,
    id: &SubscriptionId,
    number: u64,
) -> Admission {
    if let Err(refusal) = known(state, id)? {
        return Ok(Err(refusal));
    }
    let parked = state.parked(id, number)?;
    Ok(parked.map(drop).ok_or(Refusal::UnknownParked { subscription: *id, number }))
}

fn known<K: Kv>(state: &State<K>, id: &SubscriptionId) -> Result<Result<Progress, Refusal>, StoreError> {
    let progress = state.progress(id)?.filter(|it| it.status != SubscriptionStatus::Deleting);
    Ok(progress.ok_or(Refusal::UnknownSubscription(*id)))
}
