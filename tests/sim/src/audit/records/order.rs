//! The line of each key: its records are handled one at a time, in the order in which they came.

use std::collections::BTreeMap;

use holiday_core::event::{Event, Record, Steering};
use holiday_core::id::InvocationId;
use holiday_core::subscription::{
    LaneId, OnFailure, OrderOnFailure, RecordOrigin, SubscriptionOptions, SubscriptionStatus,
};

use super::changes::Change;
use super::{Reading, reading_of};
use crate::violation::{Checked, check};

#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The place of each reading in the order of arrival, and the line of its key.
    arrivals: BTreeMap<Reading, (usize, Option<LaneId>)>,
    lines: BTreeMap<LaneId, Line>,
}

#[derive(Debug, Default)]
struct Line {
    runs: Option<InvocationId>,
    waiting: usize,
    /// The latest arrival that was handled.
    last: Option<usize>,
    /// The failed record that the others wait for.
    blocked_by: Option<Reading>,
    is_paused: bool,
}

/// The records of one line that one record of the log handled.
#[derive(Debug, Default)]
struct Step {
    begun: Vec<(InvocationId, RecordOrigin)>,
    failed_at_once: Vec<RecordOrigin>,
}

impl Lines {
    /// Returns true if nothing holds up the next record of a key.
    pub(super) fn is_free(&self, lane: &LaneId) -> bool {
        self.lines.get(lane).is_none_or(|it| it.runs.is_none() && it.blocked_by.is_none() && !it.is_paused)
    }

    /// How many keys have a record that runs.
    pub(super) fn running(&self) -> u64 {
        self.lines.values().filter(|line| line.runs.is_some()).count() as u64
    }

    /// `new` are the readings that were taken, and `done` those that are done with.
    pub(super) fn follow(
        &mut self,
        options: &SubscriptionOptions,
        status: &SubscriptionStatus,
        record: &Record,
        change: &Change,
        new: &BTreeMap<Reading, Option<LaneId>>,
        done: &[Reading],
    ) -> Checked {
        for (reading, lane) in new {
            self.arrivals.insert(*reading, (self.arrivals.len(), *lane));
        }
        self.steer(&record.event);
        for (id, ended) in &change.ended {
            self.end(id, &ended.origin)?;
        }
        for line in self.lines.values_mut() {
            line.blocked_by = line.blocked_by.filter(|reading| !done.contains(reading));
        }
        for (lane, step) in self.steps(change) {
            let is_retry = matches!(record.event, Event::RetryParked { .. });
            check!(
                "paused-is-paused",
                *status == SubscriptionStatus::Active || is_retry,
                "{step:?} by {:?}, though the subscription is {status:?}",
                record.event
            );
            let arrival = |origin: &RecordOrigin| Some(self.arrivals.get(&reading_of(origin))?.0);
            let line = self.lines.entry(lane).or_default();
            line.check(options, record, &step)?;
            line.advance(&step, arrival)?;
        }
        self.block(options, change);
        self.wait(change, new)
    }

    /// The line of a record, by its key.
    fn lane_of(&self, origin: &RecordOrigin) -> Option<LaneId> {
        self.arrivals.get(&reading_of(origin))?.1
    }

    fn steps(&self, change: &Change) -> BTreeMap<LaneId, Step> {
        let mut steps: BTreeMap<LaneId, Step> = BTreeMap::new();
        for (id, origin) in &change.begun {
            if let Some(lane) = self.lane_of(origin) {
                steps.entry(lane).or_default().begun.push((*id, *origin));
            }
        }
        for origin in change.failed_at_once() {
            if let Some(lane) = self.lane_of(origin) {
                steps.entry(lane).or_default().failed_at_once.push(*origin);
            }
        }
        steps
    }

    /// An operator has paused a key, or resumed it.
    fn steer(&mut self, event: &Event) {
        match event {
            Event::Steer { steering: Steering::PauseKey { key }, .. } => {
                self.lines.entry(LaneId::of(key)).or_default().is_paused = true;
            }
            Event::Steer { steering: Steering::ResumeKey { key }, .. } => {
                self.lines.entry(LaneId::of(key)).or_default().is_paused = false;
            }
            _ => {}
        }
    }

    fn end(&mut self, id: &InvocationId, origin: &RecordOrigin) -> Checked {
        let Some(lane) = self.lane_of(origin) else { return Ok(()) };
        let runs = self.lines.entry(lane).or_default().runs.take();
        check!("one-record-per-key", runs == Some(*id), "{id} has ended, while {runs:?} ran for its key");
        Ok(())
    }

    /// Keys of which a record was parked wait for it, if that is the policy.
    fn block(&mut self, options: &SubscriptionOptions, change: &Change) {
        for parked in change.parked_in.values() {
            if let (Some(lane), OrderOnFailure::Wait) =
                (self.lane_of(&parked.origin), options.order_on_failure)
            {
                self.lines.entry(lane).or_default().blocked_by = Some(reading_of(&parked.origin));
            }
        }
        // A retried record that waits in a paused line is the first there, and blocks it no more.
        for waits in change.waiting_in.values().filter(|it| it.origin.failures > 0) {
            let Some(lane) = self.lane_of(&waits.origin) else { continue };
            let line = self.lines.entry(lane).or_default();
            line.blocked_by = line.blocked_by.filter(|reading| *reading != reading_of(&waits.origin));
        }
    }

    /// A record waits only where its key has a reason to: it goes beside those of other keys.
    fn wait(&mut self, change: &Change, new: &BTreeMap<Reading, Option<LaneId>>) -> Checked {
        for (lane, _) in &change.waiting_out {
            self.lines.entry(*lane).or_default().waiting -= 1;
        }
        for ((lane, _), waits) in &change.waiting_in {
            let is_free = self.is_free(lane);
            let line = self.lines.entry(*lane).or_default();
            let reading = reading_of(&waits.origin);
            check!(
                "keys-go-side-by-side",
                !is_free || line.waiting > 0 || !new.contains_key(&reading),
                "{reading:?} waits, and nothing of its key is before it"
            );
            line.waiting += 1;
        }
        Ok(())
    }
}

impl Line {
    fn check(&self, options: &SubscriptionOptions, record: &Record, step: &Step) -> Checked {
        check!(
            "one-record-per-key",
            self.runs.is_none() && step.begun.len() <= 1,
            "{step:?} by {:?}, while {:?} runs for the key",
            record.event,
            self.runs
        );
        check!(
            "paused-is-paused",
            !self.is_paused,
            "{step:?} by {:?}, though the key is paused",
            record.event
        );
        if options.order_on_failure == OrderOnFailure::Wait && options.on_failure != OnFailure::Skip {
            let all = step.begun.iter().map(|(_, origin)| origin).chain(&step.failed_at_once);
            let others = all.filter(|origin| Some(reading_of(origin)) != self.blocked_by).count();
            let may_go_on = if self.blocked_by.is_none() { 1 } else { 0 };
            check!(
                "order-per-key",
                others <= may_go_on,
                "{step:?} by {:?}, though the key waits for {:?}",
                record.event,
                self.blocked_by
            );
        }
        Ok(())
    }

    /// Those that were not parked before are handled in the order of their arrival.
    fn advance(&mut self, step: &Step, arrival: impl Fn(&RecordOrigin) -> Option<usize>) -> Checked {
        let mut first_times: Vec<&RecordOrigin> = step.failed_at_once.iter().collect();
        first_times.extend(step.begun.iter().map(|(_, origin)| origin));
        for origin in first_times.into_iter().filter(|origin| origin.failures == 0) {
            let arrival = arrival(origin);
            check!(
                "order-per-key",
                arrival.is_some() && arrival > self.last,
                "{:?} came as {arrival:?}, and {:?} of its key was handled before",
                reading_of(origin),
                self.last
            );
            self.last = arrival;
        }
        self.runs = step.begun.first().map(|(id, _)| *id);
        Ok(())
    }
}
