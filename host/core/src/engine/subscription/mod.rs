//! Subscriptions: how the records of topics become invocations, once each and in order per key.
//!
//! - [`take`]: a batch of records moves the position of its partition, in the same log record that begins what they
//!   become.
//! - [`lane`]: the records of one key follow each other; a record begins when the one before it has ended.
//! - [`parking`]: what happens to a record that fails.
//! - [`steering`]: what operators change.
//!
//! Invariants: a record moves the position once per generation; at most one record of a lane is handled at a time; a
//! lane whose next record may begin is marked as stalled, and [`Effect::Advance`] is out for it.

mod lane;
mod parking;
mod steering;
mod take;

pub(super) use lane::ended;
pub(super) use parking::{discard, retry};
pub(super) use steering::{admit_discard, admit_retry, admit_steering, admit_subscribe, steer, subscribe};
pub(super) use take::{assign, halt, take};

use super::Cx;
use crate::effect::Effect;
use crate::id::SubscriptionId;
use crate::limits;
use crate::state::key::Family;
use crate::state::{Kv, State, StoreError};
use crate::subscription::{Progress, Subscription, SubscriptionStatus};

/// A subscription whose rows one record works on. [`Open::save`] writes its progress.
struct Open {
    id: SubscriptionId,
    subscription: Subscription,
    progress: Progress,
    /// Records that this step may still begin or park.
    budget: usize,
}

impl Open {
    /// Reads a subscription; `None` if there is none, or it is being deleted.
    fn load<K: Kv>(cx: &Cx<'_, K>, id: &SubscriptionId) -> Result<Option<Open>, StoreError> {
        let Some(subscription) = cx.state.subscription(id)? else { return Ok(None) };
        let progress = cx.state.progress(id)?.expect("stored with the subscription");
        let is_deleting = progress.status == SubscriptionStatus::Deleting;
        let budget = limits::RECORDS_PER_STEP_MAX;
        Ok((!is_deleting).then_some(Open { id: *id, subscription, progress, budget }))
    }

    /// Writes the progress, and asks for another step where lanes are left that could go on.
    fn save<K: Kv>(self, cx: &mut Cx<'_, K>) -> Result<(), StoreError> {
        cx.state.put_progress(&self.id, &self.progress)?;
        if self.progress.is_active() && self.progress.stalled > 0 {
            cx.effects.push(Effect::Advance(self.id));
        }
        Ok(())
    }
}

/// The work that was left for later goes on, a step of it.
pub(super) fn advance<K: Kv>(cx: &mut Cx<'_, K>, id: &SubscriptionId) -> Result<(), StoreError> {
    let status = cx.state.progress(id)?.map(|it| it.status);
    match status {
        Some(SubscriptionStatus::Active) => advance_lanes(cx, id),
        Some(SubscriptionStatus::Deleting) => delete_rows(cx, id),
        Some(SubscriptionStatus::Paused(_)) | None => Ok(()),
    }
}

fn advance_lanes<K: Kv>(cx: &mut Cx<'_, K>, id: &SubscriptionId) -> Result<(), StoreError> {
    let Some(mut open) = Open::load(cx, id)? else { return Ok(()) };
    let lanes = cx.state.marked_lanes(Family::StalledLane, id, limits::RECORDS_PER_STEP_MAX)?;
    // A lane whose records all fail does not keep the others waiting.
    let share = limits::RECORDS_PER_STEP_MAX / lanes.len().max(1);
    for lane in lanes {
        open.budget = share;
        lane::advance(cx, &mut open, lane)?;
    }
    open.save(cx)
}

fn delete_rows<K: Kv>(cx: &mut Cx<'_, K>, id: &SubscriptionId) -> Result<(), StoreError> {
    let found = cx.state.delete_some_of_subscription(id, limits::ROWS_PER_STEP_MAX)?;
    match found < limits::ROWS_PER_STEP_MAX {
        true => cx.state.delete_subscription(id),
        false => {
            cx.effects.push(Effect::Advance(*id));
            Ok(())
        }
    }
}

/// Asks again for the steps that a host before this one may not have taken.
pub(super) fn recover<K: Kv>(state: &State<K>) -> Result<Vec<Effect>, StoreError> {
    let mut effects = Vec::new();
    for (id, _) in state.subscriptions()? {
        let progress = state.progress(&id)?.expect("stored with the subscription");
        let has_work = match progress.status {
            SubscriptionStatus::Active => progress.stalled > 0,
            SubscriptionStatus::Deleting => true,
            SubscriptionStatus::Paused(_) => false,
        };
        effects.extend(has_work.then_some(Effect::Advance(id)));
    }
    Ok(effects)
}
