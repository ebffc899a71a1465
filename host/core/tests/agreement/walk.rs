//! One walk: an engine, one invocation with its attempt, and its callees.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holiday_core::attempt::{Attempt, Blocked, News, Op, RunOutcome, Step};
use holiday_core::deployment::{Deployment, Handler, HandlerMode, Service, ServiceKind};
use holiday_core::effect::Effect;
use holiday_core::engine;
use holiday_core::event::{End, Event, Fail, Invoke, Record};
use holiday_core::id::{
    AttemptId, AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, Position, Seed,
};
use holiday_core::invocation::OpenCommand;
use holiday_core::journal::{Call, Notification};
use holiday_core::limits;
use holiday_core::policy::Options;
use holiday_core::state::State;
use holiday_core::state::memory::MemoryKv;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Answer, Failure, Outcome, Payload};

/// Turns in which anything may happen.
const FREE_TURNS: u64 = 60;

/// Turns after that, without breaks, in which everything has to end.
const LAST_TURNS: u64 = 3_000;

/// Attempts that may begin with the same journal: one broken, one that passes a step over, and one that executes it.
const STARTS_MAX: u32 = 3;

const STORE: &str = "memory does not fail";

/// What the handler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Call,
    ShieldedCall,
    Sleep,
    Run,
    /// Asks for so much that the attempt hands a batch over without being asked to.
    Fill,
    /// Waits for the first answer of all that is pending.
    WaitForOne,
    WaitForAll,
}

/// The handler and its attempt.
struct Running {
    attempt: Attempt,
    news: VecDeque<News>,
    /// What the attempt has said and the engine has not heard, with all that the handler was told by then.
    said: VecDeque<(Event, Vec<String>)>,
    told: Vec<String>,
    next: usize,
    /// Steps wait for their permit, everything else for an answer.
    pending: Vec<EntryIndex>,
    awaits_permit: Option<EntryIndex>,
    /// It was told that it is cancelled, and compensates by a call.
    compensation: Option<EntryIndex>,
    is_aware: bool,
    blocked: Option<Blocked>,
    has_ended: bool,
}

pub(crate) struct Walk {
    dice: Dice,
    state: State<MemoryKv>,
    now: Timestamp,
    id: InvocationId,
    program: Vec<Deed>,
    /// When its time is over, if ever.
    timeout_ms: Option<u64>,
    running: Option<Running>,
    to_start: Option<AttemptId>,
    callees: BTreeSet<AttemptId>,
    /// The calls that the handler made knowing that it is cancelled.
    knowing_calls: BTreeSet<EntryIndex>,
    /// The callees that somebody else has cancelled.
    meddled: BTreeSet<InvocationId>,
    /// How long the journal was when the last attempt started, and how often its steps had failed.
    begun_with: [u32; 3],
    /// Attempts that have started with that.
    starts: u32,
    /// The longest sequence of what a handler was told that the journal depends on.
    fixed: Vec<String>,
    is_cancelled: bool,
    may_break: bool,
}

type Checked<T = ()> = Result<T, String>;

impl Walk {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let deeds = [
            Deed::Call,
            Deed::Call,
            Deed::Call,
            Deed::ShieldedCall,
            Deed::Sleep,
            Deed::Run,
            Deed::Run,
            Deed::WaitForOne,
            Deed::WaitForOne,
            Deed::WaitForAll,
        ];
        let mut program: Vec<_> = (0..2 + dice.below(8)).map(|_| *dice.pick(&deeds)).collect();
        if dice.below(40) == 0 {
            program.insert(0, Deed::Fill);
        }
        let timeout_ms = (dice.below(3) == 0).then(|| 1 + dice.below(100));
        let target = Target::service("echo", "hi");
        Walk {
            dice,
            state: State::new(MemoryKv::new()),
            now: Timestamp::ZERO,
            id: InvocationId::new(&target, [7; 16]),
            program,
            timeout_ms,
            running: None,
            to_start: None,
            callees: BTreeSet::new(),
            knowing_calls: BTreeSet::new(),
            meddled: BTreeSet::new(),
            begun_with: [0; 3],
            starts: 0,
            fixed: Vec::new(),
            is_cancelled: false,
            may_break: true,
        }
    }

    pub(crate) fn run(mut self) -> Checked {
        self.apply(Event::Deploy(deployment(self.timeout_ms)))?;
        let (id, target) = (self.id, Target::service("echo", "hi"));
        let (input, seed) = (Payload::new(), Seed([7; 32]));
        self.apply(Event::Invoke(Invoke {
            id,
            target,
            input,
            headers: Vec::new(),
            idempotency_key: None,
            seed,
            delay_ms: None,
            retention_ms: 0,
        }))?;
        for _ in 0..FREE_TURNS {
            self.turn()?;
        }
        self.may_break = false;
        for _ in 0..LAST_TURNS {
            if self.is_over() {
                return Ok(());
            }
            self.turn()?;
        }
        Err(format!("it does not come to an end: {:?} of {:?}", self.lifecycle(), self.program))
    }

    fn is_over(&self) -> bool {
        self.state.lifecycles().expect(STORE).is_empty()
    }

    fn turn(&mut self) -> Checked {
        match self.dice.below(12) {
            0..3 => self.go(),
            3..5 => self.hear_what_was_said(),
            5..7 => self.bring_news(),
            7 => self.end_a_callee(),
            8 => self.start(),
            9 => self.suspend(),
            10 => match self.dice.below(4) {
                0 => self.cancel(),
                1 => self.break_down(),
                2 => self.cancel_a_callee(),
                _ => Ok(()),
            },
            _ => self.wake(),
        }
    }

    // What happens

    fn cancel(&mut self) -> Checked {
        let event = Event::Cancel { invocation: self.id };
        match self.is_cancelled || engine::admit(&self.state, &event).expect(STORE).is_err() {
            true => Ok(()),
            false => {
                self.is_cancelled = true;
                self.apply(event)
            }
        }
    }

    /// The attempt is lost with all that it has said and that was not heard.
    fn break_down(&mut self) -> Checked {
        match self.running.take_if(|_| self.may_break) {
            None => Ok(()),
            Some(running) => {
                self.starts = 0;
                let attempt = running.attempt.id();
                self.apply(Event::Fail(Fail { attempt, message: "broken".to_owned() }))
            }
        }
    }

    fn suspend(&mut self) -> Checked {
        let can = |it: &mut Running| matches!(it.blocked, Some(Blocked::OnJournal | Blocked::OnRetry));
        let Some(running) = self.running.as_mut().filter(|it| it.awaits_permit.is_none()) else {
            return Ok(());
        };
        if can(running) {
            let on = running.compensation.map_or_else(|| running.pending.clone(), |it| vec![it]);
            running.attempt.suspend(on);
            running.blocked = None;
            running.has_ended = true;
            running.collect();
        }
        Ok(())
    }

    fn wake(&mut self) -> Checked {
        let Some(due) = engine::next_wakeup(&self.state).expect(STORE) else { return Ok(()) };
        self.now = self.now.max(due);
        self.apply(Event::Wake)
    }

    /// Somebody else does: its caller is none the wiser.
    fn cancel_a_callee(&mut self) -> Checked {
        let live: Vec<_> = self.callees.iter().copied().collect();
        if live.is_empty() || self.dice.below(4) > 0 {
            return Ok(());
        }
        let invocation = self.dice.pick(&live).invocation;
        self.meddled.insert(invocation);
        self.apply(Event::Cancel { invocation })
    }

    /// A callee that was asked to stop does so, or is done just in time. One that was not may say the same.
    fn end_a_callee(&mut self) -> Checked {
        let live: Vec<_> = self.callees.iter().copied().collect();
        if live.is_empty() {
            return Ok(());
        }
        let attempt = *self.dice.pick(&live);
        self.callees.remove(&attempt);
        let lifecycle = self.state.lifecycle(&attempt.invocation).expect(STORE);
        let is_cancelled = lifecycle.is_some_and(|it| it.cancellation.is_some());
        let stops = if is_cancelled { self.dice.below(4) > 0 } else { self.dice.below(8) == 0 };
        let outcome = match (stops, self.dice.below(4)) {
            (true, _) => Failure::cancelled().into(),
            (false, 0) => Failure::new(409, "sold out").into(),
            (false, _) => Outcome::done(),
        };
        let call = self.call_to(attempt.invocation);
        self.apply(Event::End(End { attempt, outcome }))?;
        match call.map(|(call, ends)| (call, ends && stops, self.interruption(call).is_some())) {
            Some((call, expected, is)) if is != expected => {
                Err(format!("call {} is interrupted: {is}, should be: {expected}", call.0))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The call that waits for a callee, and whether it is cancelled with the handler: one that is not shielded and was
    /// made not knowing. Those of one that knows are left out while others are being cancelled: they tell nothing new.
    fn call_to(&self, of: InvocationId) -> Option<(EntryIndex, bool)> {
        let lifecycle = self.lifecycle()?;
        let is_to = |open: &OpenCommand| matches!(open, OpenCommand::Call { callee, .. } if *callee == of);
        let (call, open) = lifecycle.open.iter().find(|(_, open)| is_to(open))?;
        let knew = self.knowing_calls.contains(call);
        let is_shielded = matches!(open, OpenCommand::Call { shielded: true, .. });
        match &lifecycle.cancellation {
            Some(it) if knew && it.notified.is_none() => None,
            cancellation => Some((*call, cancellation.is_some() && !knew && !is_shielded)),
        }
    }

    /// Why a call was interrupted, if the journal says that it was.
    fn interruption(&self, call: EntryIndex) -> Option<Failure> {
        let notifications = (0..self.lifecycle()?.notifications).map(Position);
        let mut entries = notifications.map(|it| self.state.notification(&self.id, it).expect(STORE));
        entries.find_map(|entry| match entry?.notification {
            Notification::Interrupted { command, failure } if command == call => Some(failure),
            _ => None,
        })
    }

    fn start(&mut self) -> Checked {
        let Some(attempt) = self.to_start.take() else { return Ok(()) };
        let Some(loaded) = engine::load(&self.state, attempt).expect(STORE) else { return Ok(()) };
        self.running = Some(Running::new(Attempt::new(loaded.start)));
        self.carry_out(loaded.effects);
        let lifecycle = self.lifecycle().expect("just loaded");
        let failures = lifecycle.failing_runs.values().map(|it| it.failures).sum();
        let begins_with = [lifecycle.commands, lifecycle.notifications, failures];
        self.starts = if self.begun_with == begins_with { self.starts + 1 } else { 1 };
        self.begun_with = begins_with;
        match self.starts > STARTS_MAX {
            true => Err(format!("it starts again and again: {:?}", self.program)),
            false => Ok(()),
        }
    }

    fn bring_news(&mut self) -> Checked {
        let Some(running) = &mut self.running else { return Ok(()) };
        if let Some(news) = running.news.pop_front() {
            running.attempt.notify(news);
            running.blocked = None;
        }
        Ok(())
    }

    fn hear_what_was_said(&mut self) -> Checked {
        let Some(running) = &mut self.running else { return Ok(()) };
        let Some((event, told)) = running.said.pop_front() else { return Ok(()) };
        let is_last = running.said.is_empty() && running.has_ended;
        let attempt = running.attempt.id();
        if self.is_current(attempt) {
            self.depend_on(&told)?;
        }
        if is_last {
            self.running = None;
        }
        self.apply(event)
    }

    // The engine

    fn apply(&mut self, event: Event) -> Checked {
        let seq = self.state.applied().expect(STORE).next();
        let effects = engine::apply(&mut self.state, &Record { seq, at: self.now, event }).expect(STORE);
        self.carry_out(effects);
        self.check_calls()
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::StartAttempt(attempt) if attempt.invocation == self.id => {
                    self.to_start = Some(attempt);
                }
                Effect::StartAttempt(attempt) => drop(self.callees.insert(attempt)),
                Effect::Notify { attempt, position, entry } => {
                    self.tell(attempt, News::Notified { position, entry });
                }
                Effect::EnterRun { attempt, run } => self.tell(attempt, News::MayEnter(run)),
                Effect::StopAttempt(_)
                | Effect::Accepted { .. }
                | Effect::Answer { .. }
                | Effect::FreeDeployment(_)
                | Effect::Advance(_)
                | Effect::RecordFailed { .. } => {}
            }
        }
    }

    fn tell(&mut self, attempt: AttemptId, news: News) {
        if let Some(running) = self.running.as_mut().filter(|it| it.attempt.id() == attempt) {
            running.news.push_back(news);
        }
    }

    fn lifecycle(&self) -> Option<holiday_core::invocation::Lifecycle> {
        self.state.lifecycle(&self.id).expect(STORE)
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        self.lifecycle().and_then(|it| it.current_attempt(self.id)) == Some(attempt)
    }

    /// Whatever a cancelled handler waits for by a call is cancelled as well, unless it compensates by it.
    fn check_calls(&self) -> Checked {
        let Some(lifecycle) = self.lifecycle().filter(|it| it.cancellation.is_some()) else { return Ok(()) };
        for (index, open) in &lifecycle.open {
            let OpenCommand::Call { callee: id, shielded: false } = open else { continue };
            let callee = self.state.lifecycle(id).expect(STORE).expect("it is open");
            let knew = self.knowing_calls.contains(index);
            let was_meddled_with = self.meddled.contains(id);
            if knew == callee.cancellation.is_some() && !(knew && was_meddled_with) {
                return Err(format!("call {} by one that knew: {knew}; {:?}", index.0, callee.cancellation));
            }
        }
        Ok(())
    }

    fn depend_on(&mut self, told: &[String]) -> Checked {
        check_agrees(&self.fixed, told)?;
        if told.len() > self.fixed.len() {
            self.fixed = told.to_vec();
        }
        Ok(())
    }

    // The handler

    /// Lets the handler ask its next question.
    fn go(&mut self) -> Checked {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let gone = match running.has_ended || running.blocked.is_some() {
            true => Ok(()),
            false => self.ask(&mut running),
        };
        running.collect();
        let agrees = check_agrees(&self.fixed, &running.told);
        self.running = Some(running);
        gone.and(agrees)
    }

    fn ask(&mut self, running: &mut Running) -> Checked {
        if let Some(run) = running.awaits_permit {
            return running.enter(Op::EnterRun(run));
        }
        if running.is_aware {
            return self.compensate(running);
        }
        match self.program.get(running.next).copied() {
            None => running.end(Outcome::done()),
            Some(Deed::Call) => running.call(false).map(drop),
            Some(Deed::ShieldedCall) => running.call(true).map(drop),
            Some(Deed::Sleep) => running.begin(Op::Sleep { duration_ms: 50, name: None }),
            Some(Deed::Fill) => running.fill(),
            Some(Deed::Run) => {
                running.next += 1;
                running.enter(Op::Run { name: "step".to_owned(), retry: None })
            }
            Some(Deed::WaitForOne | Deed::WaitForAll) if running.pending.is_empty() => {
                running.next += 1;
                Ok(())
            }
            Some(wait) => {
                let is_done = self.wait(running)? && wait == Deed::WaitForOne;
                running.next += usize::from(is_done || running.pending.is_empty());
                Ok(())
            }
        }
    }

    /// Calls, knowing, and waits for that only.
    fn compensate(&mut self, running: &mut Running) -> Checked {
        let Some(call) = running.compensation else {
            let call = running.call(false)?;
            self.knowing_calls.insert(call);
            running.compensation = Some(call);
            return Ok(());
        };
        match running.attempt.step(Op::Wait { on: vec![call], io: false }).map_err(text)? {
            Step::Blocked(blocked) => running.blocked = Some(blocked),
            Step::Ready(_) => {
                running.told.push("compensated".to_owned());
                return running.end(Failure::cancelled().into());
            }
            other => return Err(format!("told twice: {other:?}")),
        }
        Ok(())
    }

    /// True if something was told.
    fn wait(&mut self, running: &mut Running) -> Checked<bool> {
        let wait = Op::Wait { on: running.pending.clone(), io: false };
        match running.attempt.step(wait).map_err(text)? {
            Step::Blocked(blocked) => {
                running.blocked = Some(blocked);
                running.collect();
                let knows_all = running.said.is_empty() && running.news.is_empty();
                let in_force = self.lifecycle().and_then(|it| it.cancellation).and_then(|it| it.notified);
                if knows_all && self.is_current(running.attempt.id()) && in_force.is_some() {
                    return Err("the attempt does not tell a cancellation that is in force".to_owned());
                }
                return Ok(false);
            }
            Step::Cancelled(failure) => {
                running.told.push(format!("{failure}"));
                running.is_aware = true;
                let attempt = running.attempt.id();
                let in_force = self.lifecycle().and_then(|it| it.cancellation).and_then(|it| it.notified);
                if self.is_current(attempt) && in_force.is_none() {
                    return Err(
                        "the attempt tells a cancellation that the engine will notify anew".to_owned()
                    );
                }
            }
            Step::Ready(command) => self.take(running, command)?,
            other => return Err(format!("{other:?} is no answer to a wait")),
        }
        Ok(true)
    }

    /// A call that was interrupted tells of the cancellation, and why.
    fn take(&self, running: &mut Running, command: EntryIndex) -> Checked {
        running.pending.retain(|it| *it != command);
        let Step::Taken(answer) = running.attempt.step(Op::Take(command)).map_err(text)? else {
            return Err(format!("{command:?} was told and cannot be taken"));
        };
        running.told.push(format!("{}: {answer:?}", command.0));
        let Some(failure) = self.interruption(command) else { return Ok(()) };
        running.is_aware = true;
        let why = self.lifecycle().and_then(|it| it.cancellation).map(|it| it.failure);
        match why.as_ref() == Some(&failure) && answer == Answer::Outcome(failure.into()) {
            true => Ok(()),
            false => Err(format!("it is cancelled for {why:?}, and was told {answer:?}")),
        }
    }
}

impl Running {
    fn new(attempt: Attempt) -> Self {
        Running {
            attempt,
            news: VecDeque::new(),
            said: VecDeque::new(),
            told: Vec::new(),
            next: 0,
            pending: Vec::new(),
            awaits_permit: None,
            compensation: None,
            is_aware: false,
            blocked: None,
            has_ended: false,
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.attempt.poll_event() {
            self.said.push_back((event, self.told.clone()));
        }
    }

    fn call(&mut self, shielded: bool) -> Checked<EntryIndex> {
        let call = Call {
            target: Target::service("echo", "callee"),
            input: Payload::new(),
            headers: Vec::new(),
            idempotency_key: None,
            shielded,
        };
        self.next += 1;
        match self.attempt.step(Op::Call(call)).map_err(text)? {
            Step::Called { command, .. } => {
                self.pending.push(command);
                Ok(command)
            }
            other => Err(format!("{other:?} is no answer to a call")),
        }
    }

    fn begin(&mut self, op: Op) -> Checked {
        self.next += 1;
        match self.attempt.step(op).map_err(text)? {
            Step::Pending(command) => {
                self.pending.push(command);
                Ok(())
            }
            other => Err(format!("{other:?} is no pending operation")),
        }
    }

    fn fill(&mut self) -> Checked {
        self.next += 1;
        let nobody = InvocationId::from_bytes([1; 24]);
        for _ in 0..limits::COMMANDS_PER_EVENT_MAX - 2 {
            let id = AwakeableId { invocation: nobody, index: EntryIndex(0) };
            self.attempt.step(Op::CompleteAwakeable { id, outcome: Outcome::done() }).map_err(text)?;
        }
        Ok(())
    }

    /// Executes a step if it may.
    fn enter(&mut self, op: Op) -> Checked {
        self.awaits_permit = None;
        let step = self.attempt.step(op).map_err(text)?;
        match step {
            Step::AwaitPermit(run) => {
                self.awaits_permit = Some(run);
                self.blocked = Some(Blocked::OnIo);
            }
            Step::Replayed(run) => self.pending.push(run),
            Step::Execute(run) => {
                let outcome = match self.attempt.id().number % 3 {
                    0 => RunOutcome::Retryable("later".to_owned()),
                    _ => RunOutcome::Success(Payload::new()),
                };
                self.attempt.step(Op::FinishRun { run, outcome }).map_err(text)?;
                self.pending.push(run);
            }
            other => return Err(format!("{other:?} is no answer to a step")),
        }
        Ok(())
    }

    fn end(&mut self, outcome: Outcome) -> Checked {
        self.has_ended = true;
        self.attempt.end(outcome).map_err(text)
    }
}

fn check_agrees(fixed: &[String], told: &[String]) -> Checked {
    let common = fixed.len().min(told.len());
    match fixed[..common] == told[..common] {
        true => Ok(()),
        false => Err(format!("a handler was told {fixed:?}, and now {told:?}")),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn deployment(timeout_ms: Option<u64>) -> Deployment {
    let digest = Digest::of(b"v1");
    let handler = |name: &str, timeout_ms| Handler {
        name: name.to_owned(),
        mode: HandlerMode::Exclusive,
        input: None,
        output: None,
        documentation: None,
        options: Options { timeout_ms, ..Options::default() },
    };
    let service = Service {
        name: "echo".to_owned(),
        kind: ServiceKind::Service,
        handlers: vec![handler("hi", timeout_ms), handler("callee", None)],
        documentation: None,
        options: Options::default(),
    };
    Deployment {
        id: DeploymentId::of(&digest),
        digest,
        origin: "v1.wasm".to_owned(),
        services: vec![service],
        registered_at: Timestamp::ZERO,
        metadata: BTreeMap::new(),
    }
}

/// xorshift64: the same walks in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).expect("below a length")]
    }
}
