//! One run of everything at once: requests, faults and operators in an order drawn from the seed.

use holiday_core::engine;
use holiday_core::event::{Configure, Event};
use holiday_core::id::AttemptId;
use holiday_core::policy::{Layer, Policies};
use holiday_core::state::memory::MemoryKv;
use holiday_core::value::{Failure, Outcome};

use crate::Vocabulary;
use crate::audit::speaker;
use crate::dice::Dice;
use crate::drain;
use crate::host::{Host, note};
use crate::operators;
use crate::oracle;
use crate::programs;
use crate::requests::Request;
use crate::subscriptions::Subscriptions;
use crate::violation::Checked;

/// A seeded run.
pub(crate) struct Chaos {
    pub(crate) host: Host,
    dice: Dice,
    requests: Vec<Request>,
    /// Requests that were submitted at least once.
    begun: usize,
    steps: u64,
    /// How much goes wrong: no run has every fault often.
    faults: Faults,
    version: u8,
    subscriptions: Option<Subscriptions>,
}

/// How often each kind of fault comes, in 10,000 steps.
#[derive(Debug)]
struct Faults {
    crash: u64,
    foreign: u64,
    trap: u64,
    repeat: u64,
    operator: u64,
    mishap_percent: u64,
    /// The more, the longer records wait for their fsync.
    sync_percent: u64,
}

impl Faults {
    fn draw(dice: &mut Dice) -> Self {
        Faults {
            crash: *dice.pick(&[0, 20, 60, 200]),
            foreign: *dice.pick(&[0, 0, 20, 60]),
            trap: *dice.pick(&[0, 50, 200]),
            repeat: *dice.pick(&[0, 100, 500]),
            operator: *dice.pick(&[0, 100, 250]),
            mishap_percent: *dice.pick(&[0, 5, 20]),
            sync_percent: *dice.pick(&[2, 8, 20]),
        }
    }
}

impl Chaos {
    pub(crate) fn new(seed: u64, vocabulary: Vocabulary, is_transcript_wanted: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut host = Host::new(is_transcript_wanted);
        host.world.has_unique_results = true;
        host.repeats = true;
        let count = 4 + dice.index(10);
        let requests = (0..count).map(|number| Request::draw(&mut dice, number)).collect();
        let steps = 300 + dice.below(2_400);
        let faults = Faults::draw(&mut dice);
        let subscriptions = (vocabulary == Vocabulary::All).then(|| Subscriptions::draw(seed));
        note!(host, "seed {seed}: {count} requests, {steps} steps, {faults:?}, {subscriptions:?}");
        Chaos { host, dice, requests, begun: 0, steps, faults, version: 1, subscriptions }
    }

    /// Runs to the end and gives the final rows.
    pub(crate) fn run(&mut self) -> Checked<MemoryKv> {
        self.deploy()?;
        for _ in 0..self.steps {
            match self.dice.chance(8) {
                true => self.fault()?,
                false => self.step()?,
            }
            if let Some(subscriptions) = &mut self.subscriptions {
                subscriptions.step(&mut self.host)?;
            }
        }
        note!(self.host, "faults are over");
        self.host.crash_countdown = None;
        while self.begun < self.requests.len() {
            self.request()?;
        }
        self.settle()?;
        drain::to_the_end(&mut self.host)?;
        oracle::names(&self.host, &self.requests)?;
        Ok(self.host.state.kv().clone())
    }

    /// What waits for a deployment gets one, and whatever is refused by a policy is not any more.
    fn settle(&mut self) -> Checked {
        for layer in Layer::ALL {
            // Another host may have been first.
            self.host.sync(usize::MAX)?;
            self.host.submit(Event::Configure(Configure { layer, policies: Policies::default() }))?;
        }
        self.host.deploy(programs::deployment(self.version, self.host.now))
    }

    fn deploy(&mut self) -> Checked {
        let deployment = operators::deployment(&self.host, &mut self.dice, self.version);
        self.version += 1;
        self.host.deploy(deployment)
    }

    /// Something that happens on good days, too.
    fn step(&mut self) -> Checked {
        match self.dice.below(100) {
            0..5 => self.request(),
            5..25 => match self.pick(|host| host.letters.keys().copied().collect()) {
                Some(attempt) => self.host.take_letter(attempt),
                None => Ok(()),
            },
            25..37 => {
                if self.host.starts.is_empty() {
                    return Ok(());
                }
                let index = self.dice.index(self.host.starts.len());
                let attempt = self.host.starts.swap_remove(index);
                self.host.start(attempt)
            }
            37..40 => {
                if let Some(attempt) = self.host.stops.pop() {
                    self.host.stop(attempt);
                }
                Ok(())
            }
            40..52 => match self.pick_instance(|it| !it.news.is_empty()) {
                Some(attempt) => self.host.hear(attempt),
                None => Ok(()),
            },
            52..78 => self.advance(),
            78..82 => match self.pick_instance(|it| it.waits_on().is_some()) {
                Some(attempt) => self.host.suspend(attempt),
                None => Ok(()),
            },
            82..92 => self.tick(),
            _ => match self.dice.chance(self.faults.sync_percent * 5) && !self.host.tail.is_empty() {
                true => {
                    let count = 1 + self.dice.index(self.host.tail.len());
                    self.host.sync(count)
                }
                false => Ok(()),
            },
        }
    }

    fn advance(&mut self) -> Checked {
        for _ in 0..1 + self.dice.below(8) {
            let Some(attempt) = self.pick_instance(|it| !it.is_stuck()) else { return Ok(()) };
            let mishap = self.dice.chance(self.faults.mishap_percent);
            let choice = self.dice.index(64);
            drain::advance(&mut self.host, attempt, mishap, choice)?;
        }
        Ok(())
    }

    /// Time passes: a little, or a jump; what is due is noticed now or later.
    fn tick(&mut self) -> Checked {
        let passed = match self.dice.below(60) {
            0 => self.dice.below(600_000),
            1..4 => self.dice.below(20_000),
            _ => self.dice.below(40),
        };
        self.host.now = self.host.now.plus_millis(passed);
        let is_due = engine::next_wakeup(&self.host.state)?.is_some_and(|due| due <= self.host.now);
        // A wake-up with nothing due must do no harm.
        match is_due && self.dice.chance(70) || self.dice.chance(1) {
            true => self.host.append(Event::Wake),
            false => Ok(()),
        }
    }

    /// A caller comes, or comes again because it has heard nothing, or just so.
    fn request(&mut self) -> Checked {
        let index = if self.begun < self.requests.len() && self.dice.chance(70) {
            self.begun += 1;
            self.begun - 1
        } else if self.begun > 0 {
            self.dice.index(self.begun)
        } else {
            return Ok(());
        };
        let request = &self.requests[index];
        let is_first = request.submitted.is_empty();
        let was_heard = request.submitted.iter().any(|id| self.host.world.accepted.contains_key(id));
        let asks_again = request.is_repeatable() || !was_heard && self.dice.chance(20);
        if !is_first && !asks_again {
            return self.attach(index);
        }
        let invoke = self.requests[index].submit(&mut self.dice);
        self.host.submit(Event::Invoke(invoke)).map(drop)
    }

    /// A caller asks for the outcome of what it was told is accepted.
    fn attach(&mut self, index: usize) -> Checked {
        let submitted = self.requests[index].submitted.iter();
        let accepted = submitted.filter_map(|id| self.host.world.accepted.get(id)).next().copied();
        accepted.map_or(Ok(()), |invocation| self.host.attach(invocation))
    }

    fn fault(&mut self) -> Checked {
        let mut roll = self.dice.below(800);
        let mut comes = |rate: u64| {
            let hit = roll < rate;
            roll = roll.saturating_sub(rate);
            hit
        };
        if comes(self.faults.crash) {
            // At once, or in the middle of what comes next.
            match self.dice.chance(30) {
                true => self.host.crash(),
                false => {
                    self.host.crash_countdown = Some(1 + self.dice.below(12));
                    Ok(())
                }
            }
        } else if comes(self.faults.foreign) {
            self.another_host()
        } else if comes(self.faults.trap) {
            match self.pick_instance(|_| true) {
                Some(attempt) => self.host.trap(attempt),
                None => Ok(()),
            }
        } else if comes(self.faults.repeat) {
            self.repeat()
        } else if comes(self.faults.operator) {
            self.operator()
        } else if comes(30) {
            self.host.checkpoint();
            Ok(())
        } else if comes(30) {
            self.complete_awakeable()
        } else if comes(if self.host.state.route("mixed")?.is_none() { 100 } else { 3 }) {
            self.deploy()
        } else {
            Ok(())
        }
    }

    /// An effect, or an event of an attempt that is gone, comes again.
    fn repeat(&mut self) -> Checked {
        if self.dice.chance(50) {
            let Some(event) = self.pop_letter_of_the_dead() else { return Ok(()) };
            let attempt = speaker(&event).expect("from an attempt");
            return match self.host.is_current(attempt)? {
                true => Ok(()),
                false => self.host.append(event),
            };
        }
        match self.pick(|host| host.released.clone()) {
            Some(effect) => self.host.release(effect),
            None => Ok(()),
        }
    }

    fn pop_letter_of_the_dead(&mut self) -> Option<Event> {
        let letters = &mut self.host.letters_of_the_dead;
        match letters.is_empty() {
            true => None,
            false => Some(letters.swap_remove(self.dice.index(letters.len()))),
        }
    }

    fn operator(&mut self) -> Checked {
        match operators::draw(&self.host, &mut self.dice)? {
            Some(event) => self.host.submit(event).map(drop),
            None => Ok(()),
        }
    }

    /// One completion, or two that race: the second may have been let in before the first was applied.
    fn complete_awakeable(&mut self) -> Checked {
        let Some(id) = self.pick(|host| host.world.published.clone()) else { return Ok(()) };
        let value = format!("value {}", self.dice.below(1_000));
        if self.host.submit(Event::CompleteAwakeable { id, outcome: Outcome::success(value) })?
            && self.dice.chance(50)
        {
            let outcome = Outcome::Failure(Failure::new(500, "too late"));
            self.host.append(Event::CompleteAwakeable { id, outcome })?;
        }
        Ok(())
    }

    /// Another host takes the log over from the last durable record; ours notices when it appends.
    fn another_host(&mut self) -> Checked {
        let mut events = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let lifecycles = self.host.audit.state().lifecycles()?;
            let live = (!lifecycles.is_empty()).then(|| self.dice.pick(&lifecycles).clone());
            events.push(match (self.dice.below(4), live) {
                (0, Some((invocation, _))) => Event::Cancel { invocation },
                (1, Some((invocation, lifecycle))) => match lifecycle.current_attempt(invocation) {
                    Some(attempt) => Event::Fail(holiday_core::event::Fail {
                        attempt,
                        message: "HH0022: elsewhere".to_owned(),
                    }),
                    None => Event::Wake,
                },
                (2, _) => {
                    let index = self.dice.index(self.requests.len());
                    let asks = self.requests[index].is_repeatable() && index < self.begun;
                    let invoke = asks.then(|| Event::Invoke(self.requests[index].submit(&mut self.dice)));
                    let admitted = |event: &Event| engine::admit(self.host.audit.state(), event);
                    match invoke {
                        Some(event) if admitted(&event)?.is_ok() => event,
                        Some(_) | None => Event::Wake,
                    }
                }
                _ => Event::Wake,
            });
        }
        if let Some(subscriptions) = &mut self.subscriptions {
            events.extend(subscriptions.foreign(&self.host)?);
        }
        self.host.append_foreign(events)
    }

    fn pick_instance(&mut self, is_right: impl Fn(&crate::instance::Instance) -> bool) -> Option<AttemptId> {
        let found: Vec<_> =
            self.host.instances.iter().filter(|(_, it)| is_right(it)).map(|(attempt, _)| *attempt).collect();
        (!found.is_empty()).then(|| *self.dice.pick(&found))
    }

    fn pick<T: Clone>(&mut self, from: impl FnOnce(&Host) -> Vec<T>) -> Option<T> {
        let found = from(&self.host);
        (!found.is_empty()).then(|| self.dice.pick(&found).clone())
    }
}
