//! Which attempts run, and which wait for a place.
//!
//! Invariant: at most `running_max` attempts hold an instance. The queue is not bounded by itself: it holds
//! ids of invocations that are stored anyway.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use holiday_core::attempt::News;
use holiday_core::id::{AttemptId, EntryIndex, InvocationId, Position};
use holiday_core::journal::NotificationEntry;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::notice::About;
use super::writer::Release;

#[derive(Debug)]
pub(super) struct Attempts {
    running_max: usize,
    running: HashMap<InvocationId, Running>,
    ready: VecDeque<AttemptId>,
}

#[derive(Debug)]
struct Running {
    number: u32,
    about: Arc<About>,
    /// Dropping it stops the attempt.
    news: UnboundedSender<News>,
}

impl Attempts {
    pub(super) fn new(running_max: usize) -> Self {
        Attempts { running_max, running: HashMap::new(), ready: VecDeque::new() }
    }

    /// Lets an attempt start when there is a place.
    pub(super) fn queue(&mut self, attempt: AttemptId) {
        self.ready.push_back(attempt);
    }

    /// The next attempt that may start now.
    pub(super) fn next_ready(&mut self) -> Option<AttemptId> {
        match self.running.len() < self.running_max {
            true => self.ready.pop_front(),
            false => None,
        }
    }

    /// Whether attempts wait because others hold all places.
    pub(super) fn is_crowded(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// Gives an attempt its place, and what it listens to.
    pub(super) fn started(&mut self, attempt: AttemptId, about: Arc<About>) -> UnboundedReceiver<News> {
        let (news, listener) = unbounded_channel();
        self.running.insert(attempt.invocation, Running { number: attempt.number, about, news });
        listener
    }

    /// What is known of the invocation of an attempt that runs.
    pub(super) fn about(&self, invocation: &InvocationId) -> Option<&Arc<About>> {
        self.running.get(invocation).map(|running| &running.about)
    }

    pub(super) fn is_running(&self, attempt: AttemptId) -> bool {
        self.sender(attempt).is_some()
    }

    /// Takes the place back; whatever still executes is stopped.
    pub(super) fn ended(&mut self, attempt: AttemptId) {
        if self.is_running(attempt) {
            self.running.remove(&attempt.invocation);
        }
    }

    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.ready.clear();
    }

    /// Tells a running attempt what was added to its journal. One that has not started yet will load it.
    pub(super) fn notify(&self, attempt: AttemptId, position: Position, entry: NotificationEntry) {
        if let Some(sender) = self.sender(attempt) {
            // An attempt that has just gone away does not need to know.
            drop(sender.send(News::Notified { position, entry }));
        }
    }

    /// The permit to enter a step, to be released when its cause is durable.
    pub(super) fn permit(&self, attempt: AttemptId, run: EntryIndex) -> Option<Release> {
        let sender = self.sender(attempt)?.clone();
        Some(Box::new(move || drop(sender.send(News::MayEnter(run)))))
    }

    fn sender(&self, attempt: AttemptId) -> Option<&UnboundedSender<News>> {
        let running = self.running.get(&attempt.invocation)?;
        (running.number == attempt.number).then_some(&running.news)
    }
}
