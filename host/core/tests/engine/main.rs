//! The engine, script in and transcript out.
//!
//! A script is a list of lines; each becomes one record. The transcript repeats each line, then says which
//! effects it had and whose status it changed. Invocations are named by the script (`a`), and what command 2
//! of `a` calls or sends is `a.2`, as is the awakeable of that command.
//!
//! | line | record |
//! |---|---|
//! | `deploy v2` | a deployment (`v1` is there from the start; see [`catalog`]) |
//! | `invoke a cart/ann/add [key K] [after MS] [keep MS]` | an invocation from outside; `call` wants its own outcome |
//! | `a asks call echo/hi [key K], send echo/hi [after MS] [key K], sleep MS, run NAME [retry MAX MS], awakeable, complete b.0 OUTCOME, cancel b, get K, set K V, clear K, clear-all, keys` | commands of `a`'s current attempt |
//! | `a completes 0 OUTCOME` · `a fails 0 MESSAGE` | the outcome of a step |
//! | `a suspends 0 1 [having N]` | it waits for these commands, having received N notifications (all, if not said) |
//! | `a ends OUTCOME` · `a breaks MESSAGE` | the attempt ends, or fails |
//! | `complete a.0 OUTCOME` | an awakeable is completed from outside |
//! | `cancel a` · `kill a` · `pause a` · `resume a [v2]` · `purge a` | an operator |
//! | `pass MS` | time passes; due timers fire |
//! | `journal a` · `recover` · `load a` · `state cart/ann` | no record: prints what is stored |
//!
//! An outcome is a text, or `!CODE message`. `a#1` instead of `a` lets an earlier attempt speak.
//!
//! Every script is also an audit of the rows; see [`audit`].

mod audit;
mod catalog;
#[path = "../common/script.rs"]
mod script;
mod transcript;
mod world;

mod awakeables;
mod calls;
mod cancelling;
mod compensating;
mod deployments;
mod killing;
mod limits;
mod names;
mod objects;
mod operators;
mod recovery;
mod retention;
mod retries;
mod runs;

use expect_test::Expect;

use world::World;

/// Plays the script and compares its transcript; then ends everything and looks for rows left behind.
fn check(script: &str, expected: Expect) {
    let mut world = World::new();
    let transcript: String =
        script.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| world.play(line)).collect();
    expected.assert_eq(&transcript);
    world.end_everything();
}
