//! The pure core of holiday-host: two state machines and the port they store through.
//!
//! > A handler is a pure function of its journal. The host is a pure function of its log.
//!
//! - [`attempt::Attempt`] replays one journal and says what one handler may see next.
//! - [`engine::apply`] replays one log and holds the state of all invocations.
//!
//! Both take events and give effects. Invariant: nothing here does I/O, reads a clock, draws random
//! numbers, awaits or spawns. Time is an argument (`Record::at`), acting is a returned [`effect::Effect`],
//! waiting is a timer row, and randomness arrives inside events.

pub mod attempt;
pub mod deployment;
pub mod effect;
pub mod engine;
pub mod error;
pub mod event;
pub mod id;
pub mod invocation;
pub mod journal;
pub mod limits;
pub mod policy;
pub mod retry;
pub mod state;
pub mod subscription;
pub mod target;
pub mod time;
pub mod value;
