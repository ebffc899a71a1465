//! The reference: follows the durable log record by record and checks what each one did.
//!
//! It applies every durable record to a state of its own, the second application of the log. From the
//! rows that were written it draws its own, simpler picture: who was created, who holds which key, what was
//! answered, what the objects must hold. What the engine did has to agree with it.

mod answers;
mod records;
mod rows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holiday_core::deployment::HandlerMode;
use holiday_core::effect::Effect;
use holiday_core::engine;
use holiday_core::event::{Commands, Event, Record};
use holiday_core::id::{AttemptId, DeploymentId, EntryIndex, InvocationId};
use holiday_core::invocation::{Caller, Completed, Invocation, Lifecycle, Status};
use holiday_core::journal::{Command, CommandEntry, Notification};
use holiday_core::limits;
use holiday_core::state::State;
use holiday_core::state::key::{Family, Timer, parse_timer};
use holiday_core::state::memory::MemoryKv;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Outcome, Payload};

use crate::heirs::Heirs;
use crate::models::{self, Promises, Signals, texts};
use crate::violation::{Checked, Violation, check};
use crate::watch::{WatchedKv, Write};

pub(crate) use records::Reading;
use records::Records;
pub(crate) use rows::speaker;
use rows::*;

/// A service and a key.
pub(crate) type Object = (String, String);

pub(crate) struct Audit {
    state: State<WatchedKv>,
    pub(crate) created: BTreeMap<InvocationId, Invocation>,
    pub(crate) ended: BTreeMap<InvocationId, Ended>,
    /// Those whose outcome is no longer kept.
    pub(crate) forgotten: BTreeSet<InvocationId>,
    pub(crate) inputs: BTreeMap<InvocationId, Payload>,
    completed: BTreeMap<InvocationId, Completed>,
    lifecycles: BTreeMap<InvocationId, Lifecycle>,
    commands: BTreeMap<(InvocationId, EntryIndex), CommandEntry>,
    answered: BTreeMap<(InvocationId, EntryIndex), Outcome>,
    /// Exclusive invocations that have come and not begun, in order of arrival.
    lines: BTreeMap<Object, VecDeque<InvocationId>>,
    holders: BTreeMap<Object, InvocationId>,
    pub(crate) objects: BTreeMap<Object, BTreeMap<String, Payload>>,
    /// How many invocations of `counter/add` have written.
    pub(crate) adds: BTreeMap<Object, u64>,
    pinned: BTreeMap<InvocationId, DeploymentId>,
    timers: BTreeMap<InvocationId, BTreeSet<Vec<u8>>>,
    now: Timestamp,
    /// Whom the event of the record at hand names, by whatever id.
    subject: Option<InvocationId>,
    /// Steps that their handlers have given up.
    pub(crate) given_up: BTreeSet<(InvocationId, EntryIndex)>,
    pub(crate) heirs: Heirs,
    /// Those that no name leads to any more.
    nameless: BTreeSet<InvocationId>,
    signals: Signals,
    pub(crate) promises: Promises,
    pub(crate) records: Records,
    /// The answers of the record at hand.
    answers: BTreeMap<(InvocationId, EntryIndex), Outcome>,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What its handler returned; `None` if it was ended from outside.
    pub(crate) returned: Option<Outcome>,
    pub(crate) was_killed: bool,
    pub(crate) at: Timestamp,
}

impl Audit {
    pub(crate) fn new() -> Self {
        Audit {
            state: State::new(WatchedKv::default()),
            created: BTreeMap::new(),
            ended: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            inputs: BTreeMap::new(),
            completed: BTreeMap::new(),
            lifecycles: BTreeMap::new(),
            commands: BTreeMap::new(),
            answered: BTreeMap::new(),
            lines: BTreeMap::new(),
            holders: BTreeMap::new(),
            objects: BTreeMap::new(),
            adds: BTreeMap::new(),
            pinned: BTreeMap::new(),
            timers: BTreeMap::new(),
            now: Timestamp::ZERO,
            subject: None,
            given_up: BTreeSet::new(),
            heirs: Heirs::default(),
            nameless: BTreeSet::new(),
            signals: Signals::default(),
            promises: Promises::default(),
            records: Records::default(),
            answers: BTreeMap::new(),
        }
    }

    pub(crate) fn rows(&self) -> &MemoryKv {
        self.state.kv().rows()
    }

    pub(crate) fn state(&self) -> &State<WatchedKv> {
        &self.state
    }

    /// The ids that handlers got for what joined another invocation, or was restarted as another.
    pub(crate) fn other_ids(&self) -> Vec<InvocationId> {
        let rows = self.state.kv().rows().rows().filter(|(row, _)| row[0] == Family::Alias as u8);
        rows.map(|(row, _)| invocation_of(row)).collect()
    }

    /// The commands of an invocation, in order.
    pub(crate) fn journal(&self, id: &InvocationId) -> impl Iterator<Item = (EntryIndex, &Command)> {
        let all = self.commands.range((*id, EntryIndex(0))..=(*id, EntryIndex(u32::MAX)));
        all.map(|((_, index), entry)| (*index, &entry.command))
    }

    pub(crate) fn answer(&self, id: &InvocationId, index: EntryIndex) -> Option<&Outcome> {
        self.answered.get(&(*id, index))
    }

    /// The journals of those that have ended, with their length.
    pub(crate) fn kept_journals(&self) -> impl Iterator<Item = (InvocationId, u32)> {
        self.completed.iter().filter_map(|(id, it)| Some((*id, it.journal.as_ref()?.commands)))
    }

    /// Whether the command of this step is durable, under this name.
    pub(crate) fn has_run(&self, attempt: AttemptId, run: EntryIndex) -> bool {
        self.commands
            .get(&(attempt.invocation, run))
            .is_some_and(|entry| matches!(entry.command, Command::Run { .. }))
    }

    /// Applies one more durable record.
    pub(crate) fn follow(&mut self, record: &Record) -> Checked {
        check!("time-is-monotonic", record.at >= self.now, "{} comes after {}", record.at, self.now);
        self.now = record.at;
        let speaker = speaker(&record.event);
        let is_stale = speaker.is_some_and(|attempt| !self.is_current(attempt));
        self.subject = subject(&record.event).map(|id| self.state.resolve(id)).transpose()?;
        let sendings = if is_stale { Vec::new() } else { models::sendings(&self.state, record)? };
        self.answers.clear();
        self.see_given_up(&record.event);
        if let (Event::Commands(it), false) = (&record.event, is_stale) {
            self.check_told(it)?;
        }
        let effects = engine::apply(&mut self.state, record)?;
        let writes = self.state.kv_mut().take_writes();
        if is_stale {
            let changed = writes.iter().any(|write| write.key[0] != Family::Applied as u8);
            check!(
                "stale-attempt-is-ignored",
                !changed && effects.is_empty(),
                "an event of {} changed something, though it is not the current attempt",
                speaker.expect("it is stale")
            );
        }
        for write in &writes {
            self.see(record, write)?;
        }
        self.check_timers(&writes)?;
        self.records.follow(&self.state, record, &writes, &effects)?;
        self.signals.check(sendings, &self.answers)?;
        if !is_stale && let Event::Commands(it) = &record.event {
            for (index, command) in (it.first.0..).map(EntryIndex).zip(&it.commands) {
                self.model(it.attempt.invocation, index, command)?;
            }
        }
        if let Event::ReplaceState(it) = &record.event {
            self.objects.insert((it.service.clone(), it.key.clone()), it.values.clone());
        }
        effects.iter().try_for_each(|effect| self.see_effect(effect, &effects))
    }

    /// What tells a handler of its cancellation: the notification of it, or a call that it has interrupted.
    fn check_told(&self, it: &Commands) -> Checked {
        let Some(told) = it.told_cancelled else { return Ok(()) };
        let entry = self.state.notification(&it.attempt.invocation, told)?;
        let notification = entry.map(|it| it.notification);
        check!(
            "cancellation-is-agreed-on",
            matches!(notification, Some(Notification::Cancelled { .. } | Notification::Interrupted { .. })),
            "{} was told of its cancellation by {notification:?}",
            it.attempt
        );
        Ok(())
    }

    fn see_given_up(&mut self, event: &Event) {
        if let Event::RunAbandoned(it) = event {
            let lifecycle = self.lifecycles.get(&it.attempt.invocation);
            if self.is_current(it.attempt) && lifecycle.is_some_and(|life| life.open.contains_key(&it.run)) {
                self.given_up.insert((it.attempt.invocation, it.run));
            }
        }
    }

    fn see_timer(&mut self, write: &Write) {
        let (_, id, _) = parse_timer(&write.key).expect("a row of a timer");
        let timers = self.timers.entry(id).or_default();
        match write.value {
            Some(_) => timers.insert(write.key.clone()),
            None => timers.remove(&write.key),
        };
    }

    /// An invocation that ended leaves no timer but the one that has it forgotten.
    fn check_timers(&self, writes: &[Write]) -> Checked {
        for write in writes.iter().filter(|it| it.key[0] == Family::Lifecycle as u8 && it.value.is_none()) {
            let id = invocation_of(&write.key);
            let timers = self.timers.get(&id).into_iter().flatten().filter_map(|key| parse_timer(key));
            for (_, _, timer) in timers {
                check!(
                    "no-row-leaks",
                    matches!(timer, Timer::Expire | Timer::ExpireJournal),
                    "{id} has ended but has a timer for {timer:?}"
                );
            }
        }
        Ok(())
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        let lifecycle = self.lifecycles.get(&attempt.invocation);
        lifecycle.is_some_and(|it| it.current_attempt(attempt.invocation) == Some(attempt))
    }

    fn see(&mut self, record: &Record, write: &Write) -> Checked {
        let family = write.key[0];
        if family == Family::Invocation as u8 {
            let id = invocation_of(&write.key);
            match decode(write)? {
                Some(invocation) => self.see_creation(record, id, invocation)?,
                None => drop(self.forgotten.insert(id)),
            }
        } else if family == Family::Lifecycle as u8 {
            let id = invocation_of(&write.key);
            match decode(write)? {
                Some(lifecycle) => self.see_lifecycle(record, id, lifecycle)?,
                None => self.see_end(record, id)?,
            }
        } else if family == Family::Completed as u8 {
            self.see_completed(record, invocation_of(&write.key), decode(write)?)?;
        } else if family == Family::Input as u8 {
            if let Some(input) = &write.value {
                self.inputs.insert(invocation_of(&write.key), input.clone());
            }
        } else if family == Family::Command as u8 {
            if let Some(entry) = decode::<CommandEntry>(write)? {
                let place = (invocation_of(&write.key), EntryIndex(number_of(&write.key)));
                self.see_command(record, place, entry)?;
            }
        } else if family == Family::Promise as u8 {
            let [service, id, name] = <[String; 3]>::try_from(texts(&write.key)).expect("a row of a promise");
            self.promises.see((service, id, name), decode(write)?)?;
        } else if family == Family::Workflow as u8 {
            // What a workflow has stored is of no use without its id.
            if write.value.is_none() {
                let [service, id] =
                    <[String; 2]>::try_from(texts(&write.key)).expect("a row of a workflow id");
                self.objects.entry((service, id)).or_default().clear();
            }
        } else if family == Family::Timer as u8 {
            self.see_timer(write);
        } else if family == Family::Notification as u8
            && let Some(entry) = decode(write)?
        {
            self.see_notification(record, invocation_of(&write.key), entry)?;
        }
        Ok(())
    }

    fn see_command(
        &mut self,
        record: &Record,
        place: (InvocationId, EntryIndex),
        entry: CommandEntry,
    ) -> Checked {
        if let Command::Signal { name } = &entry.command {
            self.signals.wait(place, name);
        }
        if let Event::RestartAsNew(it) = &record.event {
            check!(
                "restart-sees-the-same",
                self.subject.is_some_and(|from| self.commands.get(&(from, place.1)) == Some(&entry)),
                "command {} of {} is not that of {}",
                place.1.0,
                place.0,
                it.from
            );
            if let Some(invocation) = self.created.get(&place.0) {
                self.heirs.keep(place.1, invocation, &entry.command);
            }
        }
        let before = self.commands.insert(place, entry);
        check!("command-is-recorded-once", before.is_none(), "{} command {}", place.0, place.1.0);
        Ok(())
    }

    fn see_creation(&mut self, record: &Record, id: InvocationId, invocation: Invocation) -> Checked {
        check!(
            "private-is-private",
            !(matches!(invocation.caller, Caller::Ingress | Caller::Record(_))
                && invocation.policy.private
                && !matches!(record.event, Event::RestartAsNew(_))),
            "{id} ({}) was begun from outside, and is private",
            invocation.target
        );
        if let Event::RestartAsNew(_) = &record.event {
            self.heirs.add(id, &invocation);
            // Only a workflow id leads to it, and no longer to the one before it.
            self.nameless.extend(match invocation.mode {
                HandlerMode::WorkflowRun => self.subject,
                HandlerMode::Exclusive | HandlerMode::Shared => Some(id),
            });
        }
        check!(
            "sends-happen-once",
            self.is_asked_for(record, id, &invocation),
            "{id} ({}) began, but record {} does not ask for it",
            invocation.target,
            record.seq.0
        );
        if let Some(name) = name_of(&invocation) {
            let twin = self.created.iter().find(|(other, it)| {
                name_of(it) == Some(name)
                    && !self.forgotten.contains(*other)
                    && !self.nameless.contains(*other)
            });
            check!(
                "one-name-one-invocation",
                twin.is_none() || self.nameless.contains(&id),
                "{} was begun as {id} though {:?} has its name",
                invocation.target,
                twin.map(|(id, _)| id)
            );
        }
        let target = invocation.target.clone();
        let before = self.created.insert(id, invocation);
        check!("invocation-is-created-once", before.is_none(), "{id} ({target}) was created again");
        Ok(())
    }

    /// Whether a record asks for this very invocation.
    fn is_asked_for(&self, record: &Record, id: InvocationId, invocation: &Invocation) -> bool {
        if self.heirs.is_owed(&id) || self.records.is_asked_for(id, invocation) {
            return true;
        }
        match &record.event {
            Event::Invoke(it) => it.id == id,
            Event::RestartAsNew(it) => it.id == id,
            Event::Commands(it) => {
                let Some(caller) = self.created.get(&it.attempt.invocation) else { return false };
                (it.first.0..).map(EntryIndex).zip(&it.commands).any(|(index, command)| match command {
                    Command::Call(call) => caller.child_id(it.attempt.invocation, index, &call.target) == id,
                    Command::Send(send) => caller.child_id(it.attempt.invocation, index, &send.target) == id,
                    _ => false,
                })
            }
            _ => false,
        }
    }

    /// An outcome is kept as long as was promised.
    fn see_completed(&mut self, record: &Record, id: InvocationId, completed: Option<Completed>) -> Checked {
        match completed {
            Some(completed) => {
                let kept = completed.expires_at.millis_since(completed.completed_at);
                let promised = self.created.get(&id).map_or(0, |it| it.retention_ms);
                check!(
                    "retention-is-kept",
                    kept == promised,
                    "{id} is kept for {kept} ms, not {promised} ms"
                );
                self.check_journal(record, &id, &completed)?;
                if !completed.is_named {
                    self.nameless.insert(id);
                }
                self.completed.insert(id, completed);
            }
            None => {
                let completed = self.completed.remove(&id);
                let is_due = completed.is_some_and(|it| {
                    let journal = it.journal.map_or(record.at, |journal| journal.expires_at);
                    record.at >= it.expires_at && record.at >= journal
                });
                let is_purged = matches!(&record.event, Event::Purge { .. }) && self.subject == Some(id);
                check!("retention-is-kept", is_due || is_purged, "{id} was forgotten too early");
            }
        }
        Ok(())
    }

    /// A journal is kept as long as its policy, or what is usual, says; and no longer.
    fn check_journal(&self, record: &Record, id: &InvocationId, completed: &Completed) -> Checked {
        let policy = self.created.get(id).and_then(|it| it.policy.journal_retention_ms);
        let usual = match completed.outcome {
            Outcome::Success(_) => 0,
            Outcome::Failure(_) => limits::FAILED_JOURNAL_RETENTION_MS,
        };
        let until = completed.completed_at.plus_millis(policy.unwrap_or(usual));
        let is_right = match &completed.journal {
            Some(journal) => journal.expires_at == until,
            None => record.at >= until,
        };
        check!(
            "retention-is-kept",
            is_right,
            "the journal of {id} is to be kept until {until}: {completed:?}"
        );
        Ok(())
    }

    fn see_lifecycle(&mut self, record: &Record, id: InvocationId, lifecycle: Lifecycle) -> Checked {
        let Some(invocation) = self.created.get(&id).cloned() else {
            return Err(Violation::new(
                "invocation-is-created-once",
                format!("{id} has a life but no birth"),
            ));
        };
        let before = self.lifecycles.insert(id, lifecycle.clone());
        self.check_times(record, &id, &invocation, before.as_ref(), &lifecycle)?;
        if let Event::Resume { deployment: Some(deployment), .. } = &record.event
            && self.subject == Some(id)
        {
            self.pinned.insert(id, *deployment);
        }
        if let Some(deployment) = lifecycle.deployment {
            let pinned = *self.pinned.entry(id).or_insert(deployment);
            check!(
                "deployment-is-pinned",
                pinned == deployment,
                "{id} began on {pinned} and goes on on {deployment}"
            );
        }
        let Some(object) = exclusive_object(&invocation) else { return Ok(()) };
        let was_waiting = before.as_ref().is_some_and(|it| !matches!(it.status, Status::Scheduled(_)));
        if !was_waiting && !matches!(lifecycle.status, Status::Scheduled(_)) {
            self.lines.entry(object.clone()).or_default().push_back(id);
        }
        if lifecycle.attempt == 0 {
            return Ok(());
        }
        if before.is_none_or(|it| it.attempt == 0) {
            let first = self.lines.entry(object.clone()).or_default().pop_front();
            check!(
                "order-of-arrival",
                first == Some(id),
                "{id} began on {}/{}, but {first:?} had come before",
                object.0,
                object.1
            );
        }
        let holder = *self.holders.entry(object).or_insert(id);
        check!(
            "one-exclusive-per-key",
            holder == id,
            "{id} ({}) is {} while {holder} holds the key",
            invocation.target,
            lifecycle.status.name()
        );
        Ok(())
    }

    /// Nothing that waits for time to pass goes on before it has.
    fn check_times(
        &self,
        record: &Record,
        id: &InvocationId,
        invocation: &Invocation,
        before: Option<&Lifecycle>,
        after: &Lifecycle,
    ) -> Checked {
        if let Some(before) = before {
            check!(
                "attempts-count-up",
                after.attempt == before.attempt || after.attempt == before.attempt + 1,
                "{id} went from attempt {} to {}",
                before.attempt,
                after.attempt
            );
        }
        let is_over = !matches!(after.status, Status::Scheduled(_) | Status::BackingOff(_));
        match before.map(|it| &it.status) {
            Some(Status::Scheduled(it)) if is_over => {
                check!(
                    "timer-is-never-early",
                    record.at >= it.starts_at,
                    "{id} began before {}",
                    it.starts_at
                );
            }
            // A timeout ends a back-off.
            Some(Status::BackingOff(it))
                if is_over && matches!(record.event, Event::Wake) && after.cancellation.is_none() =>
            {
                check!("timer-is-never-early", record.at >= it.until, "{id} was tried before {}", it.until);
            }
            _ => {}
        }
        if let (Some(timeout_ms), true) =
            (invocation.policy.timeout_ms, after.attempt == 1 && before.is_none_or(|it| it.attempt == 0))
        {
            let due = record.at.plus_millis(timeout_ms);
            check!(
                "timer-is-never-early",
                after.times_out_at == Some(due),
                "the time of {id} is over at {:?}, not {due}",
                after.times_out_at
            );
        }
        if let (None, Status::Scheduled(it), Event::Invoke(invoke)) = (before, &after.status, &record.event) {
            let due = invocation.created_at.plus_millis(invoke.delay_ms.unwrap_or(0));
            check!(
                "timer-is-never-early",
                it.starts_at == due,
                "{id} is to start at {} not {due}",
                it.starts_at
            );
        }
        Ok(())
    }

    fn see_end(&mut self, record: &Record, id: InvocationId) -> Checked {
        let returned = match &record.event {
            Event::End(it) if it.attempt.invocation == id => Some(it.outcome.clone()),
            _ => None,
        };
        let was_killed = matches!(record.event, Event::Kill { .. });
        let has_failed = matches!(&record.event, Event::Fail(it) if it.attempt.invocation == id);
        self.signals.forget(&id);
        let has_begun = self.lifecycles.remove(&id).is_some_and(|lifecycle| lifecycle.attempt > 0);
        check!(
            "compensation-is-never-dropped",
            !has_begun || was_killed || returned.is_some() || has_failed,
            "{id} had begun and was ended by {:?}, without a chance to compensate",
            record.event
        );
        self.ended.insert(id, Ended { returned, was_killed, at: record.at });
        if let Some(object) = self.created.get(&id).and_then(exclusive_object) {
            if let Some(line) = self.lines.get_mut(&object) {
                line.retain(|other| *other != id);
            }
            if self.holders.get(&object) == Some(&id) {
                self.holders.remove(&object);
            }
        }
        Ok(())
    }

    /// A call or send without a name begins one invocation, and it is there as soon as the command is. One with a name
    /// may have joined another one: the id that its handler got leads there.
    fn check_child(
        &self,
        parent: &InvocationId,
        index: EntryIndex,
        target: &Target,
        key: Option<&str>,
        caller: &Invocation,
    ) -> Checked {
        let child = caller.child_id(*parent, index, target);
        // It is routed when it is recorded: the service may be gone.
        let is_routed = self.state.route(&target.service)?.is_some();
        if key.is_some()
            || target.handler == "go" && (target.service == "workflow" || target.service == "approvals")
        {
            let id = self.state.resolve(&child)?;
            check!(
                "another-id-leads-on",
                !is_routed || self.created.get(&id).is_some_and(|it| it.target == *target),
                "command {} of {parent} got the id {child} for {target}, which leads to {id}",
                index.0
            );
            return Ok(());
        }
        let is_there = self.created.get(&child).is_some_and(|it| {
            it.target == *target
                && match it.caller {
                    Caller::Call { invocation, command } => invocation == *parent && command == index,
                    Caller::Send { invocation } => invocation == *parent,
                    Caller::Ingress | Caller::Record(_) => false,
                }
        });
        check!(
            "sends-happen-once",
            is_there || !is_routed,
            "command {} of {parent} did not begin {child} ({target})",
            index.0
        );
        Ok(())
    }

    /// `all` are the effects of the same record: an attempt that is started in it may be stopped in it.
    fn see_effect(&self, effect: &Effect, all: &[Effect]) -> Checked {
        match effect {
            Effect::StartAttempt(attempt) => check!(
                "effects-are-current",
                self.is_current(*attempt) || all.contains(&Effect::StopAttempt(*attempt)),
                "{attempt} is started but not current"
            ),
            Effect::Answer { invocation, outcome } => {
                let returned = self.ended.get(invocation).and_then(|ended| ended.returned.as_ref());
                check!(
                    "answer-is-the-outcome",
                    returned.is_none_or(|returned| returned == outcome),
                    "{invocation} returned {returned:?} but is answered {outcome:?}"
                );
            }
            Effect::FreeDeployment(id) => {
                let mut on_it = self.lifecycles.iter().filter(|(_, it)| it.deployment == Some(*id));
                let runs = on_it.find(|(_, it)| !matches!(it.status, Status::Paused(_)));
                check!("component-is-there", runs.is_none(), "{id} is freed, but needed by {runs:?}");
            }
            Effect::Notify { .. }
            | Effect::StopAttempt(_)
            | Effect::EnterRun { .. }
            | Effect::Accepted { .. }
            | Effect::Advance(_)
            | Effect::RecordFailed { .. } => {}
        }
        Ok(())
    }
}
