//! The engine and the attempt, each by its own rule, have to agree on what a handler is told of its cancellation.
//!
//! Random walks: a handler calls, sleeps, executes steps and waits; meanwhile it is cancelled or its time is over, its
//! events and its news are on their way, its callees end, its attempt breaks or suspends. Whatever the order:
//!
//! - a cancellation that the attempt tells is the one that is in force for the engine;
//! - what a handler was told before it asked for a recorded command, it is told again in every replay;
//! - all calls that are not shielded and that it made without knowing are cancelled;
//! - one of them that ends as it was asked to tells it why; one that was cancelled by others, or says the same by
//!   itself, tells nothing;
//! - it comes to its end, and has been told once if it was cancelled before its last wait.

mod walk;

/// Enough that each of the rules, taken away, is missed.
const WALKS: u64 = 1_500;

#[test]
fn the_engine_and_the_attempt_agree() {
    for seed in 0..WALKS {
        if let Err(disagreement) = walk::Walk::new(seed).run() {
            panic!("walk {seed}: {disagreement}");
        }
    }
}
