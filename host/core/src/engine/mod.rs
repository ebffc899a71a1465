//! The host as a pure function of its log.
//!
//! # How it is driven
//!
//! The driver owns one [`State`] and one log, and does this, in a loop:
//!
//! - checks what comes from outside with [`admit`], before it becomes a record;
//! - makes a [`Record`] of it and calls [`apply`], which changes the state and returns effects;
//! - lets effects that stay inside the host go ahead at once, and holds those that leave it until the
//!   record is durable ([`Effect::leaves_the_host`]);
//! - appends a [`Event::Wake`] when [`next_wakeup`] is due.
//!
//! After a crash it applies what the log has beyond the state, ignoring the effects, and then carries out
//! what [`recover`] says.
//!
//! # Invariants
//!
//! - State changes only inside [`apply`], only from records, in order.
//! - Two applications of one log give the same bytes.
//! - Events of any but the current attempt of a running invocation change nothing.

mod attach;
mod cancel;
mod catalog;
mod chain;
mod command;
mod completion;
mod invoke;
mod lifecycle;
mod notify;
mod object;
mod recover;
mod refusal;
mod restart;
mod subscription;
mod timer;

pub use invoke::{admit, admit_call};
pub use recover::{Loaded, load, load_for_rehearsal, recover};
pub use refusal::Refusal;
pub use timer::next_wakeup;

use crate::effect::Effect;
use crate::event::{Event, Record};
use crate::id::{AttemptId, InvocationId};
use crate::invocation::{Invocation, Lifecycle};
use crate::state::{Kv, State, StoreError};
use crate::time::Timestamp;

/// Applies one record to the state and returns what is to be done.
///
/// # Panics
///
/// If the record is not the next one: a gap in the log must stop the host.
pub fn apply<K: Kv>(state: &mut State<K>, record: &Record) -> Result<Vec<Effect>, StoreError> {
    assert_eq!(record.seq, state.applied()?.next(), "records are applied in order, without gaps");
    let mut cx = Cx { state, at: record.at, effects: Vec::new() };
    match &record.event {
        Event::Deploy(it) => catalog::deploy(&mut cx, it),
        Event::Configure(it) => catalog::configure(&mut cx, it),
        Event::Invoke(it) => invoke::from_outside(&mut cx, it),
        Event::Commands(it) => command::record(&mut cx, it),
        Event::RunCompleted(it) => command::run::complete(&mut cx, it),
        Event::RunFailed(it) => command::run::fail(&mut cx, it),
        Event::RunAbandoned(it) => command::run::abandon(&mut cx, it),
        Event::Suspend(it) => lifecycle::suspend(&mut cx, it),
        Event::End(it) => lifecycle::end(&mut cx, it),
        Event::Fail(it) => lifecycle::fail(&mut cx, it),
        Event::CompleteAwakeable { id, outcome } => command::awakeable::complete(&mut cx, id, outcome),
        Event::Signal { invocation, name, outcome } => {
            command::signal::send(&mut cx, invocation, name, outcome).map(drop)
        }
        Event::Cancel { invocation } => cancel::cancel(&mut cx, invocation),
        Event::Kill { invocation } => cancel::kill(&mut cx, invocation),
        Event::Pause { invocation } => lifecycle::pause(&mut cx, invocation, "by an operator"),
        Event::Resume { invocation, deployment } => lifecycle::resume(&mut cx, invocation, *deployment),
        Event::Purge { invocation } => completion::purge(&mut cx, invocation),
        Event::RestartAsNew(it) => restart::restart(&mut cx, it),
        Event::ReplaceState(it) => command::state::replace(&mut cx, it),
        Event::Remove { deployment, force } => catalog::remove(&mut cx, *deployment, *force),
        Event::Wake => timer::fire_due(&mut cx),
        Event::Subscribe(it) => subscription::subscribe(&mut cx, it),
        Event::Steer { subscription, steering } => subscription::steer(&mut cx, subscription, steering),
        Event::Assign(it) => subscription::assign(&mut cx, it),
        Event::Take(it) => subscription::take(&mut cx, it),
        Event::Halt { subscription, partition, generation, halt } => {
            subscription::halt(&mut cx, subscription, *partition, *generation, halt)
        }
        Event::RetryParked { subscription, number, value } => {
            subscription::retry(&mut cx, subscription, *number, value)
        }
        Event::DiscardParked { subscription, number } => {
            subscription::discard(&mut cx, subscription, *number)
        }
        Event::Advance { subscription } => subscription::advance(&mut cx, subscription),
    }?;
    let effects = cx.effects;
    state.set_applied(record.seq)?;
    Ok(effects)
}

/// What the application of one record works on.
struct Cx<'a, K> {
    state: &'a mut State<K>,
    at: Timestamp,
    effects: Vec<Effect>,
}

impl<K: Kv> Cx<'_, K> {
    /// The lifecycle of an invocation if `attempt` may speak for it; `None` for a stale attempt.
    fn current(&self, attempt: AttemptId) -> Result<Option<Lifecycle>, StoreError> {
        let lifecycle = self.state.lifecycle(&attempt.invocation)?;
        Ok(lifecycle.filter(|it| it.current_attempt(attempt.invocation) == Some(attempt)))
    }

    /// The fixed part of an invocation that is known to exist.
    fn invocation(&self, id: &InvocationId) -> Result<Invocation, StoreError> {
        let invocation = self.state.invocation(id)?;
        Ok(invocation.expect("stored with the lifecycle, and kept until after it"))
    }
}
