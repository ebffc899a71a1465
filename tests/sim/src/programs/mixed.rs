//! A handler that does a bit of everything, in an order drawn from its input.
//!
//! It is a saga: what it books is taken back, in reverse, when it ends in a terminal error.

use holiday_core::id::{AwakeableId, EntryIndex};
use holiday_core::journal::Named;
use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::target::Target;
use holiday_core::value::{Failure, Outcome, Payload};

use super::approvals::approver;
use super::counter;
use crate::dice::Dice;
use crate::guest::{Answer, Guest, Pending, is_cancelled};
use crate::world::Deed;

/// Input: `seed depth`.
pub(super) async fn go(guest: &Guest) -> Answer {
    let mut numbers = guest.input.split(' ').map(|text| text.parse().unwrap_or(0));
    let (seed, depth) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut it = Mixed { guest, dice: Dice::new(seed), depth, known: 0, bookings: Vec::new() };
    let steps = 1 + it.dice.below(6);
    let mut result = Ok(());
    for step in 0..steps {
        it.state().await;
        result = it.step(step).await;
        if result.is_err() {
            break;
        }
    }
    match result {
        Ok(()) => Ok(Payload::from(format!("{:x}", it.known))),
        Err(failure) => {
            it.compensate().await;
            Err(failure)
        }
    }
}

/// Completes an awakeable. Input: `awakeable-id value`.
pub(super) async fn resolve(guest: &Guest) -> Answer {
    let (id, value) = guest.input.split_once(' ').unwrap_or((&guest.input, ""));
    let id: AwakeableId = id.parse().map_err(|_| Failure::new(400, "not an awakeable"))?;
    guest.complete_awakeable(id, Outcome::success(value.to_owned())).await;
    Ok(Payload::new())
}

struct Mixed<'a> {
    guest: &'a Guest,
    dice: Dice,
    /// How many levels of handlers may be called from here.
    depth: u64,
    /// Follows from all answers so far, and goes into what is asked next: a changed answer is noticed.
    known: u64,
    bookings: Vec<(String, bool)>,
}

impl Mixed<'_> {
    async fn step(&mut self, step: u64) -> Result<(), Failure> {
        match self.dice.below(24) {
            0 | 1 => self.book(step).await,
            2 => self.retry(step).await,
            3 => self.give_up(step).await,
            4 | 5 => {
                let input = self.amount();
                let answer = self.guest.call(counter(self.dice.below(3)), &input).await;
                self.learn(answer)
            }
            6 => self.call_child().await,
            7 => {
                let delay_ms = self.dice.chance(50).then(|| self.dice.below(200));
                let input = self.amount();
                self.guest.send(counter(self.dice.below(3)), &input, delay_ms, None).await;
                Ok(())
            }
            8 => {
                let answer = self.guest.sleep(self.dice.below(300)).await;
                self.learn(answer)
            }
            9 => self.awakeable(step).await,
            10 | 11 => self.all(step).await,
            12 | 13 => self.first(step).await,
            14 => self.cancel_child().await,
            15 => self.shielded().await,
            16 | 17 => self.signal(step).await,
            18 | 19 => self.attach().await,
            20 => self.look().await,
            21 => self.promise(step).await,
            _ => self.named().await,
        }
    }

    /// Registers the compensation first: a step that is cancelled may have happened.
    async fn book(&mut self, step: u64) -> Result<(), Failure> {
        let what = format!("{}-{step}", self.guest.name);
        self.bookings.push((what.clone(), self.dice.chance(15)));
        let name = format!("book {step} {:x}", self.known);
        let answer = self.guest.run(&name, Deed::Book { what }, None).await;
        self.learn(answer)
    }

    async fn compensate(&mut self) {
        for (what, broken) in std::mem::take(&mut self.bookings).into_iter().rev() {
            match self.dice.chance(40) {
                true => self.have_undone(&what, broken).await,
                false => super::insist(self.guest, "undo", Deed::Undo { what, broken }).await,
            }
        }
    }

    /// Compensates by a call: it must not be cancelled with its caller.
    async fn have_undone(&self, what: &str, broken: bool) {
        let input = format!("{what} {}", if broken { "broken" } else { "" });
        loop {
            let undo = Target::service("post", "undo");
            let (pending, _) = self.guest.begin_shielded_call(undo, &input).await;
            if self.guest.see_through(pending).await.is_ok() {
                return;
            }
        }
    }

    async fn retry(&mut self, step: u64) -> Result<(), Failure> {
        let deed = Deed::Value { failures: self.dice.below(4).try_into().expect("small") };
        let answer = self.guest.run(&format!("retry {step} {:x}", self.known), deed, None).await;
        self.learn(answer)
    }

    /// A step with a policy of its own, which may be exhausted; or one that is refused.
    async fn give_up(&mut self, step: u64) -> Result<(), Failure> {
        let policy = RetryPolicy {
            initial_interval_ms: 10,
            max_attempts: Some(2),
            then: Exhausted::Fail,
            ..RetryPolicy::DEFAULT
        };
        let deed = if self.dice.chance(50) { Deed::Refuse } else { Deed::Value { failures: 3 } };
        let answer = self.guest.run(&format!("try {step}"), deed, Some(policy)).await;
        match answer {
            Err(failure) if self.dice.chance(50) && !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    async fn call_child(&mut self) -> Result<(), Failure> {
        let (target, input) = self.child();
        let answer = self.guest.call(target, &input).await;
        match answer {
            // What a child refuses its parent may live with; its own cancellation it respects.
            Err(failure) if !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    async fn cancel_child(&mut self) -> Result<(), Failure> {
        let (target, input) = self.child();
        let (pending, child) = self.guest.begin_call(target, &input, None).await;
        if self.dice.chance(50) {
            self.guest.sleep(10).await?;
        }
        self.guest.cancel(child).await;
        match self.guest.finish(pending).await {
            Ok(answer) => self.learn(Ok(answer)),
            Err(_) => Ok(()),
        }
    }

    async fn shielded(&mut self) -> Result<(), Failure> {
        let (target, input) = self.child();
        let (pending, _) = self.guest.begin_shielded_call(target, &input).await;
        match self.guest.finish(pending).await {
            Err(failure) if !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    /// Has somebody send it a signal, and waits for that or another one of its name.
    async fn signal(&mut self, step: u64) -> Result<(), Failure> {
        let name = format!("s{}", step % 2);
        let delay_ms = self.dice.chance(50).then(|| self.dice.below(50));
        let input = format!("{} {name}", self.guest.id);
        self.guest.send(Target::service("post", "send"), &input, delay_ms, None).await;
        let mut several = vec![self.guest.begin_signal(&name).await];
        if self.dice.chance(30) {
            several.push(self.guest.begin_sleep(20).await);
        }
        let (_, answer) = self.guest.first(&mut several).await;
        self.learn(answer)
    }

    /// Waits for what it sent one-way, for somebody else's, or for itself, which is refused.
    async fn attach(&mut self) -> Result<(), Failure> {
        let named = self.somebody().await;
        let pending = self.guest.begin_attach(named).await;
        match self.guest.finish(pending).await {
            Err(failure) if !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    async fn look(&mut self) -> Result<(), Failure> {
        let named = self.somebody().await;
        match self.guest.output(named).await {
            Err(failure) if !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    async fn somebody(&mut self) -> Named {
        match self.dice.below(6) {
            0 | 1 => {
                let (target, input) = self.child();
                let key = self.dice.chance(40).then(|| format!("key-{}", self.dice.below(4)));
                Named::Id(self.guest.send(target, &input, None, key).await)
            }
            2 => Named::IdempotencyKey { target: counter(0), key: format!("add-{}", self.dice.below(3)) },
            3 => Named::Workflow { service: "workflow".to_owned(), id: format!("w{}", self.dice.below(2)) },
            4 => Named::Workflow { service: "approvals".to_owned(), id: format!("a{}", self.dice.below(2)) },
            _ => Named::Id(self.guest.id),
        }
    }

    /// In a workflow: has another handler complete a promise, and waits for it.
    async fn promise(&mut self, step: u64) -> Result<(), Failure> {
        if self.guest.target.service != "workflow" {
            return self.attach().await;
        }
        let name = format!("p{step}");
        let delay_ms = self.dice.chance(50).then(|| self.dice.below(50));
        let value = if self.dice.chance(20) { "!no" } else { "yes" };
        self.guest.send(approver(self.guest), &format!("{name} {value}"), delay_ms, None).await;
        let pending = self.guest.begin_promise(&name).await;
        match self.guest.finish(pending).await {
            Err(failure) if failure.code == 402 => Ok(()),
            answer => self.learn(answer),
        }
    }

    /// Invocations that have a name: whoever comes second joins.
    async fn named(&mut self) -> Result<(), Failure> {
        let answer = match self.guest.target.service.as_str() {
            "mixed" if self.dice.chance(50) => {
                let id = format!("w{}", self.dice.below(2));
                let input = format!("{} 0", self.dice.below(1_000));
                self.guest.call(Target::keyed("workflow", id, "go"), &input).await
            }
            _ => {
                let key = format!("add-{}", self.dice.below(3));
                let (pending, _) = self.guest.begin_call(counter(0), "1 sleep", Some(key)).await;
                self.guest.finish(pending).await
            }
        };
        match answer {
            Err(failure) if !is_cancelled(&failure) => Ok(()),
            answer => self.learn(answer),
        }
    }

    async fn awakeable(&mut self, step: u64) -> Result<(), Failure> {
        let (pending, id) = self.guest.begin_awakeable().await;
        if self.dice.chance(50) {
            for value in ["one", "two"] {
                let input = format!("{id} {value}");
                self.guest.send(Target::service("resolver", "resolve"), &input, None, None).await;
            }
        }
        self.guest.run(&format!("publish {step}"), Deed::Publish(id), None).await?;
        let answer = self.guest.finish(pending).await;
        self.learn(answer)
    }

    async fn all(&mut self, step: u64) -> Result<(), Failure> {
        let several = self.several(step).await;
        let answers = self.guest.all(several).await?;
        answers.into_iter().try_for_each(|answer| self.learn(answer))
    }

    async fn first(&mut self, step: u64) -> Result<(), Failure> {
        let mut several = self.several(step).await;
        let (winner, answer) = self.guest.first(&mut several).await;
        self.know(&winner.map(|EntryIndex(index)| index).unwrap_or(u32::MAX).to_be_bytes());
        self.guest.abandon(&mut several).await;
        if self.dice.chance(50) {
            let rest: Vec<_> = several.into_iter().filter(Pending::is_answered_by_others).collect();
            self.learn(answer)?;
            let answers = self.guest.all(rest).await?;
            return answers.into_iter().try_for_each(|answer| self.learn(answer));
        }
        self.learn(answer)
    }

    async fn several(&mut self, step: u64) -> Vec<Pending> {
        let mut several = Vec::new();
        for part in 0..2 + self.dice.below(3) {
            several.push(match self.dice.below(4) {
                0 => self.guest.begin_sleep(self.dice.below(200)).await,
                1 => {
                    let input = self.amount();
                    self.guest.begin_call(counter(self.dice.below(3)), &input, None).await.0
                }
                _ => {
                    let deed = Deed::Value { failures: u32::from(self.dice.chance(20)) };
                    self.guest.begin_run(&format!("part {step}.{part}"), deed, None).await
                }
            });
        }
        several
    }

    async fn state(&mut self) {
        if self.guest.target.key.is_none() {
            return;
        }
        let name = format!("s{}", self.dice.below(3));
        match self.dice.below(4) {
            0 => {
                let keys = self.guest.keys().await;
                self.know(keys.join(",").as_bytes());
            }
            1 => self.guest.clear(&name).await,
            2 => self.guest.clear_all().await,
            _ => {
                let before = self.guest.get(&name).await.unwrap_or_default();
                self.know(before.as_bytes());
                self.guest.set(&name, &format!("{:x}", self.known)).await;
            }
        }
    }

    /// Somebody to call. That may be who waits for this one: then the call is refused.
    fn child(&mut self) -> (Target, String) {
        if self.depth == 0 {
            return (counter(self.dice.below(3)), self.amount());
        }
        let input = format!("{} {}", self.dice.below(1_000_000), self.depth - 1);
        match self.dice.below(5) {
            0 | 1 => (Target::service("mixed", "go"), input),
            2 => (Target::service("hasty", "go"), input),
            3 if self.dice.chance(20) => (Target::keyed("secret", "x", "peek"), input),
            _ => (Target::keyed("box", format!("b{}", self.dice.below(2)), "go"), input),
        }
    }

    fn amount(&mut self) -> String {
        let how = *self.dice.pick(&["", "sleep", "run", "refuse"]);
        format!("{} {how}", 1 + self.dice.below(5))
    }

    fn learn(&mut self, answer: Answer) -> Result<(), Failure> {
        let payload = answer?;
        self.know(&payload);
        Ok(())
    }

    fn know(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.known = (self.known ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.known = self.known.rotate_left(5) ^ bytes.len() as u64;
    }
}

/// The input of a mixed handler.
pub(crate) fn input(dice: &mut Dice) -> String {
    format!("{} {}", dice.below(1_000_000), dice.below(3))
}
