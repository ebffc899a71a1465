//! One instance of a guest: polls its handler and answers it through its attempt.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use holiday_core::attempt::{Attempt, AttemptError, Blocked, News, Op, RunOutcome, Start, Step};
use holiday_core::event::Event;
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::value::Outcome;

use crate::guest::{Ask, Guest, Mailbox, Reply};
use crate::programs;
use crate::world::Deed;

type Handler = Pin<Box<dyn Future<Output = Outcome>>>;

pub(crate) struct Instance {
    pub(crate) attempt: Attempt,
    /// What the engine has said and the attempt has not heard yet, in order.
    pub(crate) news: VecDeque<News>,
    /// Hashes of everything the handler was told, in order.
    pub(crate) seen: Vec<u64>,
    /// How much it had seen when it entered each step.
    entered: BTreeMap<EntryIndex, usize>,
    mail: Mailbox,
    handler: Handler,
    state: Condition,
    /// How many commands it has asked for.
    commands: u32,
    kept: Option<Kept>,
    /// Whether a wait has told it that it is cancelled, since this was looked at last.
    was_told_cancelled: bool,
}

/// What a restarted invocation has kept of another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) from: InvocationId,
    commands: u32,
    /// How much it had seen when it asked for the last of them.
    pub(crate) seen: Option<usize>,
}

fn kept(start: &Start) -> Option<Kept> {
    let latest = start.lineage.last()?;
    Some(Kept { from: latest.invocation, commands: latest.commands, seen: None })
}

#[derive(Clone, Debug)]
enum Condition {
    /// The handler can be polled.
    Runnable,
    AwaitsPermit(EntryIndex),
    Waits {
        on: Vec<EntryIndex>,
        executing: Vec<EntryIndex>,
        blocked: Blocked,
    },
    /// A closure is about to return.
    Executes {
        run: EntryIndex,
        deed: Deed,
    },
    Over,
}

/// What one turn of an instance came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Went,
    Stuck,
    Ended,
    Broken(AttemptError),
}

impl Instance {
    pub(crate) fn new(start: Start) -> Self {
        let mail = Mailbox::default();
        let (target, input, kept) = (start.target.clone(), start.input.clone(), kept(&start));
        let attempt = Attempt::new(start);
        let guest = Guest::new(mail.clone(), target, &input, &attempt);
        let seed = attempt.random_seed();
        let handler = programs::handler(guest);
        let mut instance = Instance {
            attempt,
            news: VecDeque::new(),
            seen: Vec::new(),
            entered: BTreeMap::new(),
            mail,
            handler,
            state: Condition::Runnable,
            commands: 0,
            kept,
            was_told_cancelled: false,
        };
        instance.see(&(seed, instance.attempt.invocation()));
        instance
    }

    /// Whether it gets no further without news.
    pub(crate) fn is_stuck(&self) -> bool {
        match &self.state {
            Condition::Runnable | Condition::Executes { .. } => false,
            Condition::AwaitsPermit(_) | Condition::Over => true,
            Condition::Waits { blocked, .. } => *blocked != Blocked::OnIo,
        }
    }

    /// How it waits, if it waits.
    pub(crate) fn blocked(&self) -> Option<Blocked> {
        match &self.state {
            Condition::Waits { blocked, .. } => Some(*blocked),
            Condition::Runnable
            | Condition::AwaitsPermit(_)
            | Condition::Executes { .. }
            | Condition::Over => None,
        }
    }

    /// The commands it waits for, if it waits for nothing else.
    pub(crate) fn waits_on(&self) -> Option<Vec<EntryIndex>> {
        match &self.state {
            Condition::Waits { on, executing, .. } if executing.is_empty() => Some(on.clone()),
            Condition::Waits { .. }
            | Condition::Runnable
            | Condition::AwaitsPermit(_)
            | Condition::Executes { .. }
            | Condition::Over => None,
        }
    }

    /// The closure that is to be executed next.
    pub(crate) fn executes(&self) -> Option<(EntryIndex, Deed)> {
        match &self.state {
            Condition::Executes { run, deed } => Some((*run, deed.clone())),
            Condition::Runnable | Condition::AwaitsPermit(_) | Condition::Waits { .. } | Condition::Over => {
                None
            }
        }
    }

    /// What the handler had seen when it entered a step: all that its closure can depend on.
    pub(crate) fn entered_with(&self, run: EntryIndex) -> Vec<u64> {
        self.entered.get(&run).map_or_else(Vec::new, |count| self.seen[..*count].to_vec())
    }

    /// The closure has returned.
    pub(crate) fn executed(&mut self, outcome: RunOutcome) {
        self.reply(Reply::Closure(outcome));
    }

    /// Closures of which any can go on.
    pub(crate) fn executing(&self) -> Vec<EntryIndex> {
        match &self.state {
            Condition::Waits { executing, .. } => executing.clone(),
            Condition::Runnable
            | Condition::AwaitsPermit(_)
            | Condition::Executes { .. }
            | Condition::Over => Vec::new(),
        }
    }

    /// A closure gets its input or output.
    pub(crate) fn io(&mut self, run: EntryIndex) {
        self.reply(Reply::Io(run));
    }

    /// Hears the next news, and asks again for what it waits for.
    pub(crate) fn hear(&mut self) -> Turn {
        let Some(news) = self.news.pop_front() else { return Turn::Stuck };
        self.attempt.notify(news);
        match self.state.clone() {
            Condition::AwaitsPermit(run) => self.step(Op::EnterRun(run)),
            Condition::Waits { on, executing, .. } => self.wait(on, executing),
            Condition::Runnable | Condition::Executes { .. } | Condition::Over => Turn::Went,
        }
    }

    /// Lets the handler run up to its next question, and answers that.
    pub(crate) fn go(&mut self) -> Turn {
        let Condition::Runnable = self.state else { return Turn::Stuck };
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(outcome) = self.handler.as_mut().poll(&mut context) {
            self.state = Condition::Over;
            return match self.attempt.end(outcome) {
                Ok(()) => Turn::Ended,
                Err(error) => Turn::Broken(error),
            };
        }
        let ask = self.mail.borrow_mut().take_ask().expect("a pending handler has asked for something");
        match ask {
            Ask::Host(op) => self.step(op),
            Ask::Wait { on, executing } => self.wait(on, executing),
            Ask::Closure { run, deed } => {
                self.state = Condition::Executes { run, deed };
                Turn::Went
            }
        }
    }

    /// The next event for the log.
    pub(crate) fn event(&mut self) -> Option<Event> {
        self.attempt.poll_event()
    }

    pub(crate) fn take_told_cancelled(&mut self) -> bool {
        std::mem::take(&mut self.was_told_cancelled)
    }

    /// All that a restarted handler has seen of what the other one had: the same, if that came so far.
    pub(crate) fn seen_of_kept(&self) -> Option<(InvocationId, &[u64])> {
        let kept = self.kept?;
        Some((kept.from, &self.seen[..kept.seen?]))
    }

    /// Counts a command before it is asked for.
    fn count(&mut self, op: &Op) {
        let is_command = match op {
            Op::EnterRun(_) | Op::FinishRun { .. } | Op::AbandonRun(_) | Op::Wait { .. } | Op::Take(_) => {
                false
            }
            Op::Call(_)
            | Op::Send(_)
            | Op::Sleep { .. }
            | Op::Run { .. }
            | Op::Awakeable
            | Op::CompleteAwakeable { .. }
            | Op::Signal { .. }
            | Op::SendSignal { .. }
            | Op::PromiseGet { .. }
            | Op::PromisePeek { .. }
            | Op::PromiseComplete { .. }
            | Op::Attach { .. }
            | Op::Output { .. }
            | Op::Cancel { .. }
            | Op::GetState { .. }
            | Op::SetState { .. }
            | Op::ClearState { .. }
            | Op::ClearAllState
            | Op::StateKeys => true,
        };
        self.commands += u32::from(is_command);
        if let Some(kept) = self.kept.as_mut().filter(|it| is_command && it.commands == self.commands) {
            kept.seen = Some(self.seen.len());
        }
    }

    fn step(&mut self, op: Op) -> Turn {
        self.count(&op);
        let is_of_execution = matches!(op, Op::FinishRun { .. } | Op::AbandonRun(_));
        match self.attempt.step(op) {
            Err(error) => Turn::Broken(error),
            Ok(Step::AwaitPermit(run)) => {
                self.state = Condition::AwaitsPermit(run);
                Turn::Went
            }
            Ok(step) => {
                match &step {
                    // Only in the attempt that executes the step.
                    _ if is_of_execution => {}
                    // Whether a step is executed or replayed, its handler cannot tell.
                    Step::Execute(run) | Step::Replayed(run) => {
                        self.entered.insert(*run, self.seen.len());
                        self.see(&("run", run));
                    }
                    other => self.see(&format!("{other:?}")),
                }
                self.reply(Reply::Step(step));
                Turn::Went
            }
        }
    }

    fn wait(&mut self, on: Vec<EntryIndex>, executing: Vec<EntryIndex>) -> Turn {
        match self.attempt.step(Op::Wait { on: on.clone(), io: !executing.is_empty() }) {
            Err(error) => Turn::Broken(error),
            Ok(Step::Blocked(blocked)) => {
                self.state = Condition::Waits { on, executing, blocked };
                Turn::Stuck
            }
            Ok(step) => {
                self.was_told_cancelled |= matches!(step, Step::Cancelled(_));
                self.see(&format!("{step:?} at {}", self.attempt.now()));
                self.reply(Reply::Step(step));
                Turn::Went
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        self.mail.borrow_mut().answer(reply);
        self.state = Condition::Runnable;
    }

    fn see(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.seen.push(hasher.finish());
    }
}
