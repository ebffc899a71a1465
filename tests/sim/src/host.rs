//! The simulated host: state, a log with a volatile tail, checkpoints, instances, and what is on its way.
//!
//! Invariants, the same as the real driver's:
//!
//! - A record is applied and appended before anything follows from it.
//! - What [`holds`] says is let out only when the log is durable up to its cause.
//! - A checkpoint is never ahead of the durable log.
//! - After a crash or a refused append nothing is left but the checkpoint and the durable log.

use std::collections::{BTreeMap, VecDeque};

use holiday_core::attempt::News;
use holiday_core::deployment::Deployment;
use holiday_core::effect::Effect;
use holiday_core::engine;
use holiday_core::event::{Event, Record};
use holiday_core::id::{AttemptId, EntryIndex, InvocationId, Seq, SubscriptionId};
use holiday_core::invocation::Caller;
use holiday_core::journal::Command;
use holiday_core::state::State;
use holiday_core::state::memory::MemoryKv;
use holiday_core::subscription::SubscriptionStatus;
use holiday_core::time::Timestamp;

use crate::audit::Audit;
use crate::instance::{Instance, Turn};
use crate::reader::Readers;
use crate::storms::Storm;
use crate::transcript::{self, Transcript};
use crate::violation::{Checked, Violation, check};
use crate::world::{Site, World};

/// Whether an effect waits until its cause is durable.
fn holds(effect: &Effect) -> bool {
    effect.leaves_the_host()
}

/// A place where a crash is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeAppend,
    Applied,
    BeforeEffect,
    Executed,
    Synced,
}

/// An event of an attempt on its way to the driver, with what its handler had seen by then.
pub(crate) struct Letter {
    pub(crate) event: Event,
    seen: Vec<u64>,
}

pub(crate) struct Host {
    pub(crate) state: State<MemoryKv>,
    checkpoint: MemoryKv,
    /// Durable records behind the checkpoint.
    log: Vec<Record>,
    /// Applied records that a crash loses.
    pub(crate) tail: Vec<Record>,
    pub(crate) durable: Seq,
    /// Records that another host has appended behind ours.
    foreign: Vec<Record>,
    held: Vec<(Seq, Effect)>,
    /// What the handlers that ended had seen, by the record of their end.
    ends: BTreeMap<Seq, (InvocationId, Vec<u64>)>,
    pub(crate) starts: Vec<AttemptId>,
    pub(crate) stops: Vec<AttemptId>,
    pub(crate) instances: BTreeMap<AttemptId, Instance>,
    pub(crate) letters: BTreeMap<AttemptId, VecDeque<Letter>>,
    /// The subscriptions that have more to do.
    pub(crate) advancing: VecDeque<SubscriptionId>,
    pub(crate) readers: Readers,
    pub(crate) world: World,
    pub(crate) audit: Audit,
    pub(crate) now: Timestamp,
    pub(crate) transcript: Transcript,
    /// Called at each moment; true crashes the host there.
    pub(crate) crash_countdown: Option<u64>,
    pub(crate) moments: u64,
    pub(crate) crashes: u64,
    /// Writes a checkpoint at every so many syncs; 0: only when asked to.
    pub(crate) checkpoint_every: u64,
    syncs: u64,
    /// Whether what was on its way when a crash came may arrive after it, and what was done be done again.
    pub(crate) repeats: bool,
    pub(crate) letters_of_the_dead: Vec<Event>,
    /// What was carried out since the process began; it may be carried out again.
    pub(crate) released: Vec<Effect>,
    /// How an operator stops somebody.
    pub(crate) storm: Option<Storm>,
}

macro_rules! note {
    ($host:expr, $($line:tt)+) => {
        if $host.transcript.is_wanted {
            let line = format!("{:>8} {:>4}/{:<4} {}", $host.now.as_millis(), $host.durable.0, $host.applied().0,
                format_args!($($line)+));
            $host.transcript.push(&line);
        }
    };
}
pub(crate) use note;

impl Host {
    pub(crate) fn new(is_transcript_wanted: bool) -> Self {
        Host {
            state: State::new(MemoryKv::new()),
            checkpoint: MemoryKv::new(),
            log: Vec::new(),
            tail: Vec::new(),
            durable: Seq::ZERO,
            foreign: Vec::new(),
            held: Vec::new(),
            ends: BTreeMap::new(),
            starts: Vec::new(),
            stops: Vec::new(),
            instances: BTreeMap::new(),
            letters: BTreeMap::new(),
            advancing: VecDeque::new(),
            readers: Readers::default(),
            world: World::default(),
            audit: Audit::new(),
            now: Timestamp::from_millis(1_000),
            transcript: Transcript::new(is_transcript_wanted),
            crash_countdown: None,
            moments: 0,
            crashes: 0,
            checkpoint_every: 0,
            syncs: 0,
            repeats: false,
            letters_of_the_dead: Vec::new(),
            released: Vec::new(),
            storm: None,
        }
    }

    pub(crate) fn applied(&self) -> Seq {
        self.state.applied().unwrap_or_default()
    }

    // The driver

    /// A component is registered: its bytes first.
    pub(crate) fn deploy(&mut self, deployment: Deployment) -> Checked {
        self.world.components.insert(deployment.id);
        self.submit(Event::Deploy(deployment)).map(drop)
    }

    /// Records an event and lets out what follows from it, as far as it may go.
    pub(crate) fn append(&mut self, event: Event) -> Checked {
        self.append_letter(Letter { event, seen: Vec::new() })
    }

    /// Like [`Host::append`], for something from outside that may be refused.
    pub(crate) fn submit(&mut self, event: Event) -> Checked<bool> {
        match engine::admit(&self.state, &event)? {
            Ok(()) => self.append(event).map(|()| true),
            Err(refusal) => {
                note!(self, "refused: {refusal}");
                Ok(false)
            }
        }
    }

    fn append_letter(&mut self, letter: Letter) -> Checked {
        if self.crashes_at(Moment::BeforeAppend)? {
            return Ok(());
        }
        let record = Record { seq: self.applied().next(), at: self.now, event: letter.event };
        let effects = engine::apply(&mut self.state, &record)?;
        self.christen(&record)?;
        note!(self, "{}", transcript::event(&record.event));
        if let Event::End(it) = &record.event {
            self.ends.insert(record.seq, (it.attempt.invocation, letter.seen));
        }
        let cause = record.seq;
        self.tail.push(record);
        if self.crashes_at(Moment::Applied)? {
            return Ok(());
        }
        for effect in effects {
            note!(self, "    {}", transcript::effect(&effect));
            if self.crashes_at(Moment::BeforeEffect)? {
                return Ok(());
            }
            self.let_out(cause, effect)?;
        }
        self.check_advancing()
    }

    /// Names the invocations that a record began, for the transcript.
    fn christen(&mut self, record: &Record) -> Checked {
        match &record.event {
            Event::Invoke(it) => drop(self.transcript.christen(it.id, &it.target)),
            Event::RestartAsNew(it) => {
                if let Some(invocation) = self.state.invocation(&it.id)? {
                    self.transcript.christen(it.id, &invocation.target);
                }
            }
            Event::Commands(it) if self.transcript.is_wanted => {
                let Some(caller) = self.state.invocation(&it.attempt.invocation)? else { return Ok(()) };
                for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
                    let target = match command {
                        Command::Call(call) => &call.target,
                        Command::Send(send) => &send.target,
                        _ => continue,
                    };
                    self.transcript.christen(caller.child_id(it.attempt.invocation, index, target), target);
                }
            }
            _ => self.christen_records()?,
        }
        Ok(())
    }

    /// Names the invocations that records have become.
    fn christen_records(&mut self) -> Checked {
        if !self.transcript.is_wanted {
            return Ok(());
        }
        for (id, _) in self.state.lifecycles()? {
            let Some(invocation) = self.state.invocation(&id)? else { continue };
            if let Caller::Record(origin) = &invocation.caller
                && self.transcript.christen(id, &invocation.target)
            {
                note!(self, "    record {} becomes {id}", transcript::record(origin));
            }
        }
        Ok(())
    }

    /// Takes the next event of an attempt.
    pub(crate) fn take_letter(&mut self, attempt: AttemptId) -> Checked {
        let Some(letters) = self.letters.get_mut(&attempt) else { return Ok(()) };
        let letter = letters.pop_front();
        if letters.is_empty() {
            self.letters.remove(&attempt);
        }
        letter.map_or(Ok(()), |letter| self.append_letter(letter))
    }

    fn let_out(&mut self, cause: Seq, effect: Effect) -> Checked {
        match holds(&effect) && cause > self.durable {
            true => {
                self.held.push((cause, effect));
                Ok(())
            }
            false => self.release(effect),
        }
    }

    /// Carries an effect out; it may be carried out again.
    pub(crate) fn release(&mut self, effect: Effect) -> Checked {
        if self.repeats {
            self.released.push(effect.clone());
        }
        match effect {
            Effect::StartAttempt(attempt) => self.starts.push(attempt),
            Effect::StopAttempt(attempt) => self.stops.push(attempt),
            Effect::Notify { attempt, position, entry } => {
                self.tell(attempt, News::Notified { position, entry });
            }
            Effect::EnterRun { attempt, run } => self.tell(attempt, News::MayEnter(run)),
            Effect::Accepted { submitted, invocation, .. } => {
                note!(self, "    told: {submitted} is accepted as {invocation}");
                check!(
                    "acknowledged-is-never-lost",
                    self.audit.created.contains_key(&invocation),
                    "{submitted} was accepted as {invocation}, which is not in the durable log"
                );
                self.world.accept(submitted, invocation)?;
            }
            Effect::Advance(id) if self.advancing.contains(&id) => {}
            Effect::Advance(id) => self.advancing.push_back(id),
            Effect::RecordFailed { .. } => {}
            // One that was registered again is kept.
            Effect::FreeDeployment(id) => {
                if self.state.deployment(&id)?.is_none() {
                    self.world.components.remove(&id);
                }
            }
            Effect::Answer { invocation, outcome } => {
                note!(self, "    told: {invocation} ended with {outcome}");
                check!(
                    "acknowledged-is-never-lost",
                    self.audit.ended.contains_key(&invocation),
                    "{invocation} was answered before its end was durable"
                );
                self.world.answer(invocation, &outcome)?;
            }
        }
        Ok(())
    }

    /// A subscription that has more to do takes another step; false if none has.
    pub(crate) fn advance_subscription(&mut self, index: usize) -> Checked<bool> {
        match self.advancing.remove(index) {
            Some(subscription) => self.append(Event::Advance { subscription }).map(|()| true),
            None => Ok(false),
        }
    }

    /// A caller asks for the outcome of an invocation; the state may be ahead of what is durable.
    pub(crate) fn attach(&mut self, invocation: InvocationId) -> Checked {
        let invocation = self.state.resolve(&invocation)?;
        let Some(completed) = self.state.completed(&invocation)? else { return Ok(()) };
        let cause = self.applied();
        self.let_out(cause, Effect::Answer { invocation, outcome: completed.outcome })
    }

    /// An attempt that is not loaded finds the news in its journal later.
    fn tell(&mut self, attempt: AttemptId, news: News) {
        if let Some(instance) = self.instances.get_mut(&attempt) {
            instance.news.push_back(news);
        }
    }

    // The log

    /// Makes the first `count` records of the tail durable, and lets out what waited for them.
    pub(crate) fn sync(&mut self, count: usize) -> Checked {
        if !self.foreign.is_empty() {
            note!(self, "append refused: another host was first");
            return self.rebuild();
        }
        for record in self.tail.drain(..count.min(self.tail.len())).collect::<Vec<_>>() {
            self.durable = record.seq;
            self.audit.follow(&record)?;
            self.audit.records.check_none_lost(&self.world.broker)?;
            self.log.push(record);
        }
        note!(self, "synced");
        self.syncs += 1;
        if self.checkpoint_every > 0 && self.syncs.is_multiple_of(self.checkpoint_every) {
            self.checkpoint();
        }
        let durable = self.durable;
        let due: Vec<Seq> = self.ends.range(..=durable).map(|(seq, _)| *seq).collect();
        for seq in due {
            let (invocation, seen) = self.ends.remove(&seq).expect("listed");
            let is_its_end = self.audit.ended.get(&invocation).is_some_and(|ended| ended.returned.is_some());
            if is_its_end {
                self.world.depend_on(invocation, &seen)?;
            }
        }
        if self.crashes_at(Moment::Synced)? {
            return Ok(());
        }
        let (due, held) =
            std::mem::take(&mut self.held).into_iter().partition(|(cause, _)| *cause <= durable);
        self.held = held;
        let due: Vec<(Seq, Effect)> = due;
        for (_, effect) in due {
            if self.crashes_at(Moment::BeforeEffect)? {
                return Ok(());
            }
            self.release(effect)?;
        }
        Ok(())
    }

    /// Whether all that was applied is durable, and nobody else has appended.
    pub(crate) fn is_durable(&self) -> bool {
        self.tail.is_empty() && self.foreign.is_empty()
    }

    /// Writes the state down as of the last durable record, and trims the log behind it.
    pub(crate) fn checkpoint(&mut self) {
        if self.is_durable() {
            note!(self, "checkpoint");
            self.checkpoint = self.state.kv().clone();
            self.log.clear();
        }
    }

    /// Another host takes over and appends these behind what is durable.
    pub(crate) fn append_foreign(&mut self, events: Vec<Event>) -> Checked {
        for event in events {
            let seq = Seq(self.durable.0 + self.foreign.len() as u64 + 1);
            let record = Record { seq, at: self.now, event };
            note!(self, "another host records {}: {}", seq.0, transcript::event(&record.event));
            self.audit.follow(&record)?;
            self.audit.records.check_none_lost(&self.world.broker)?;
            self.foreign.push(record);
        }
        Ok(())
    }

    fn crashes_at(&mut self, moment: Moment) -> Checked<bool> {
        self.moments += 1;
        if let Some(left) = &mut self.crash_countdown {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.crash_countdown = None;
                note!(self, "crash at {moment:?}");
                self.crash()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The process dies: all that is not durable is gone.
    pub(crate) fn crash(&mut self) -> Checked {
        self.rebuild()
    }

    fn rebuild(&mut self) -> Checked {
        note!(self, "CRASH: {} records are lost", self.tail.len());
        self.crashes += 1;
        self.tail.clear();
        self.held.clear();
        self.ends.clear();
        self.starts.clear();
        self.stops.clear();
        self.instances.clear();
        let letters = std::mem::take(&mut self.letters);
        if self.repeats {
            self.letters_of_the_dead.extend(letters.into_values().flatten().map(|letter| letter.event));
        }
        self.released.clear();
        self.advancing.clear();
        self.readers.crash(self.repeats);
        self.log.append(&mut self.foreign);
        self.state = State::new(self.checkpoint.clone());
        for record in &self.log {
            engine::apply(&mut self.state, record)?;
        }
        self.durable = self.applied();
        check!(
            "recovery-equals-replay",
            self.state.kv() == self.audit.rows(),
            "the checkpoint and the log behind it give another state than the whole log: {}",
            difference(self.state.kv(), self.audit.rows())
        );
        for effect in engine::recover(&self.state)? {
            note!(self, "    recovered: {}", transcript::effect(&effect));
            self.let_out(self.durable, effect)?;
        }
        self.check_advancing()
    }

    /// A subscription that has more to do is about to take another step.
    fn check_advancing(&self) -> Checked {
        for (id, _) in self.state.subscriptions()? {
            let progress = self.state.progress(&id)?.expect("stored with the subscription");
            let has_more_to_do = match progress.status {
                SubscriptionStatus::Active => progress.stalled > 0,
                SubscriptionStatus::Paused(_) => false,
                SubscriptionStatus::Deleting => true,
            };
            check!(
                "lanes-do-not-stall",
                !has_more_to_do || self.advancing.contains(&id),
                "{id} has more to do, and no step is asked for: {progress:?}"
            );
        }
        Ok(())
    }

    // Attempts

    /// Loads an attempt and begins its handler, unless it is stale or there already.
    pub(crate) fn start(&mut self, attempt: AttemptId) -> Checked {
        if self.instances.contains_key(&attempt) || self.letters.contains_key(&attempt) {
            return Ok(());
        }
        let Some(loaded) = engine::load(&self.state, attempt)? else { return Ok(()) };
        check!(
            "component-is-there",
            self.world.components.contains(&loaded.start.deployment),
            "{attempt} begins on {}, which was freed",
            loaded.start.deployment
        );
        note!(self, "start {attempt} {}", loaded.start.target);
        self.instances.insert(attempt, Instance::new(loaded.start));
        let cause = self.applied();
        loaded.effects.into_iter().try_for_each(|effect| self.let_out(cause, effect))
    }

    pub(crate) fn stop(&mut self, attempt: AttemptId) {
        self.instances.remove(&attempt);
    }

    /// Lets an instance hear its next news.
    pub(crate) fn hear(&mut self, attempt: AttemptId) -> Checked {
        self.turn(attempt, |instance| instance.hear())
    }

    /// Lets an instance run up to its next question.
    pub(crate) fn go(&mut self, attempt: AttemptId) -> Checked {
        self.turn(attempt, |instance| instance.go())
    }

    fn turn(&mut self, attempt: AttemptId, take_turn: impl FnOnce(&mut Instance) -> Turn) -> Checked {
        let Some(instance) = self.instances.get_mut(&attempt) else { return Ok(()) };
        let turn = take_turn(instance);
        let was_told_cancelled = instance.take_told_cancelled();
        if let Some((from, seen)) = instance.seen_of_kept() {
            self.world.check_kept(from, seen)?;
        }
        if was_told_cancelled && self.is_current(attempt)? {
            let cancellation = self.state.lifecycle(&attempt.invocation)?.and_then(|it| it.cancellation);
            check!(
                "cancellation-is-agreed-on",
                cancellation.as_ref().is_some_and(|it| it.notified.is_some()),
                "{attempt} tells its handler of a cancellation that is not in force: {cancellation:?}"
            );
        }
        match turn {
            Turn::Went | Turn::Stuck => {}
            Turn::Ended => return self.part(attempt),
            Turn::Broken(error) => {
                return Err(Violation::new(
                    "handlers-replay",
                    format!("{attempt} of {:?}: {error}", self.audit.created.get(&attempt.invocation)),
                ));
            }
        }
        self.post(attempt);
        Ok(())
    }

    /// Executes the closure that an instance is in.
    pub(crate) fn execute(&mut self, attempt: AttemptId, mishap: bool) -> Checked {
        let Some(instance) = self.instances.get_mut(&attempt) else { return Ok(()) };
        let Some((run, deed)) = instance.executes() else { return Ok(()) };
        let entered_with = instance.entered_with(run);
        let is_current = self.is_current(attempt)?;
        let site = Site { attempt, run, seen: entered_with, is_current, mishap };
        note!(self, "execute {attempt} run {} {deed:?}", run.0);
        check!(
            "given-up-is-not-executed",
            !is_current || !self.audit.given_up.contains(&(attempt.invocation, run)),
            "{attempt} executes run {} ({deed:?}), which its handler had given up",
            run.0
        );
        check!(
            "effects-follow-durable-commands",
            self.audit.has_run(attempt, run),
            "{attempt} executes run {} ({deed:?}), which no durable record knows",
            run.0
        );
        let outcome = self.world.execute(site, &deed)?;
        if self.crashes_at(Moment::Executed)? {
            return Ok(());
        }
        if let Some(instance) = self.instances.get_mut(&attempt) {
            instance.executed(outcome);
        }
        Ok(())
    }

    /// Whether an attempt may still speak for its invocation.
    pub(crate) fn is_current(&self, attempt: AttemptId) -> Checked<bool> {
        let lifecycle = self.state.lifecycle(&attempt.invocation)?;
        Ok(lifecycle.is_some_and(|it| it.current_attempt(attempt.invocation) == Some(attempt)))
    }

    /// Gives an instance back that waits for its journal.
    pub(crate) fn suspend(&mut self, attempt: AttemptId) -> Checked {
        let Some(instance) = self.instances.get_mut(&attempt) else { return Ok(()) };
        let Some(on) = instance.waits_on() else { return Ok(()) };
        instance.attempt.suspend(on);
        note!(self, "suspend {attempt}");
        self.part(attempt)
    }

    /// The instance breaks.
    pub(crate) fn trap(&mut self, attempt: AttemptId) -> Checked {
        let Some(instance) = self.instances.get_mut(&attempt) else { return Ok(()) };
        instance.attempt.fail("HH0022: trapped".to_owned());
        note!(self, "trap {attempt}");
        self.part(attempt)
    }

    fn part(&mut self, attempt: AttemptId) -> Checked {
        self.post(attempt);
        self.stop(attempt);
        Ok(())
    }

    /// Puts the events of an instance on their way to the driver.
    fn post(&mut self, attempt: AttemptId) {
        let Some(instance) = self.instances.get_mut(&attempt) else { return };
        while let Some(event) = instance.event() {
            let seen = match &event {
                Event::End(_) => instance.seen.clone(),
                _ => Vec::new(),
            };
            self.letters.entry(attempt).or_default().push_back(Letter { event, seen });
        }
    }
}

/// Names the first rows in which two stores differ.
pub(crate) fn difference(one: &MemoryKv, other: &MemoryKv) -> String {
    let only = |a: &MemoryKv, b: &MemoryKv| {
        let b: BTreeMap<_, _> = b.rows().collect();
        a.rows()
            .filter(|(key, value)| b.get(*key) != Some(value))
            .take(3)
            .map(|(key, value)| format!("{} = {}", key.escape_ascii(), value.escape_ascii()))
            .collect::<Vec<_>>()
            .join("; ")
    };
    format!("[{}] against [{}]", only(one, other), only(other, one))
}
