//! Who outside waits for what. Nothing of it is stored: a caller whose connection is lost asks again.

use std::collections::HashMap;

use holiday_core::id::InvocationId;
use holiday_core::value::Outcome;
use tokio::sync::oneshot;

use super::handle::{Accepted, Reply};
use super::writer::Release;

#[derive(Debug, Default)]
pub(super) struct Replies {
    submitted: HashMap<InvocationId, Submission>,
    waiting: HashMap<InvocationId, Vec<Waiting>>,
}

#[derive(Debug)]
struct Submission {
    accepted: Reply<Accepted>,
    outcome: Option<oneshot::Sender<Outcome>>,
}

#[derive(Debug)]
enum Waiting {
    Called(oneshot::Sender<Outcome>),
    Attached(Reply<Outcome>),
}

impl Waiting {
    fn is_gone(&self) -> bool {
        match self {
            Waiting::Called(sender) => sender.is_closed(),
            Waiting::Attached(sender) => sender.is_closed(),
        }
    }

    fn tell(self, outcome: Outcome) {
        match self {
            Waiting::Called(sender) => drop(sender.send(outcome)),
            Waiting::Attached(sender) => drop(sender.send(Ok(outcome))),
        }
    }
}

impl Replies {
    /// Somebody submits an invocation, and wants to know its outcome if there is a second sender.
    pub(super) fn expect(
        &mut self,
        submitted: InvocationId,
        accepted: Reply<Accepted>,
        outcome: Option<oneshot::Sender<Outcome>>,
    ) {
        self.submitted.insert(submitted, Submission { accepted, outcome });
    }

    /// Somebody wants to know the outcome of an invocation that has not ended.
    pub(super) fn attach(&mut self, invocation: InvocationId, outcome: Reply<Outcome>) {
        self.wait(invocation, Waiting::Attached(outcome));
    }

    pub(super) fn accepted(&mut self, submitted: InvocationId, accepted: Accepted) -> Option<Release> {
        let submission = self.submitted.remove(&submitted)?;
        match submission.outcome {
            // Nobody outside hears of this one before its outcome, and that is durable then.
            Some(outcome) => {
                self.wait(accepted.invocation, Waiting::Called(outcome));
                drop(submission.accepted.send(Ok(accepted)));
                None
            }
            None => Some(Box::new(move || drop(submission.accepted.send(Ok(accepted))))),
        }
    }

    pub(super) fn answer(&mut self, invocation: InvocationId, outcome: &Outcome) -> Option<Release> {
        let waiting = self.waiting.remove(&invocation)?;
        let outcome = outcome.clone();
        Some(Box::new(move || waiting.into_iter().for_each(|it| it.tell(outcome.clone()))))
    }

    /// Whoever has gone away in the meantime makes room: one that asks again and again leaves nothing behind.
    fn wait(&mut self, invocation: InvocationId, waiting: Waiting) {
        let all = self.waiting.entry(invocation).or_default();
        all.retain(|it| !it.is_gone());
        all.push(waiting);
    }
}
