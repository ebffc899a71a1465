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
//! | `a asks call echo/hi [key K] [shielded yes], send echo/hi [after MS] [key K], sleep MS, run NAME [retry MAX MS], awakeable, complete b.0 OUTCOME, signal NAME, send-signal b NAME OUTCOME, promise NAME, peek NAME, resolve NAME OUTCOME, attach WHOM, output WHOM, cancel b, get K, set K V, clear K, clear-all, keys` | commands of `a`'s current attempt, told of its cancellation if that is notified; `WHOM` is `b`, `echo/hi key K` or `trip/t1` |
//! | `a asks-unaware …` · `a asks-told N …` | the same, told of none, or told at this position |
//! | `a completes 0 OUTCOME` · `a fails 0 MESSAGE` · `a abandons 0` | the outcome of a step, or none |
//! | `a suspends 0 1 [having N]` | it waits for these commands, having received N notifications (all, if not said) |
//! | `a ends OUTCOME` · `a breaks MESSAGE` | the attempt ends, or fails |
//! | `complete a.0 OUTCOME` · `signal a NAME OUTCOME` | an awakeable is completed, or a signal sent, from outside |
//! | `cancel a` · `kill a` · `pause a` · `resume a [v2]` · `purge a` · `restart a as b [keeping N]` | an operator |
//! | `replace cart/ann K=V … [version V]` · `remove v1 [by force]` | an operator |
//! | `configure operator cart/add [timeout MS] [journal MS] [names MS] [workflow MS] [attempts N] [then fail] [private yes]` | a layer of policies, of `host`, a service or a handler |
//! | `pass MS` | time passes; due timers fire |
//! | `subscribe s cart/add [on-failure park/skip/pause] [order continue/wait]` · `assign s PARTITION:OFFSET …` | a subscription, and where it begins |
//! | `take s:PARTITION OFFSET:KEY=VALUE … [from OFFSET] [next OFFSET] [gen N] [of KEY]` | records were read, from the position if not said; the key `-` is none, `^` in one no UTF-8; `!VALUE` is no input, `?VALUE` not kept either |
//! | `halt s:PARTITION recreated OFFSET, ahead NEXT END, behind NEXT BEGIN [gen N]` · `advance s` | the reader cannot go on; the driver takes another step |
//! | `pause s [key K]` · `resume s [key K]` · `seek s:PARTITION to OFFSET [key K]` · `retry s N [with VALUE]` · `discard s N` · `delete s [by force]` | an operator |
//! | `progress s` · `positions s` · `lanes s` · `parked s` | no record: prints what is stored |
//! | `journal a` · `recover` · `load a` · `state cart/ann` · `version cart/ann` | no record: prints what is stored |
//!
//! The invocation of a record is called `s:PARTITION:OFFSET`, with `@N` behind it after the seek of generation N, and `~N`
//! after N failures.
//!
//! An outcome is a text, or `!CODE message`. `a#1` instead of `a` lets an earlier attempt speak.
//!
//! Every script is also an audit of the rows; see [`audit`].

mod audit;
mod catalog;
#[path = "../common/script.rs"]
mod script;
mod subscription_audit;
mod topics;
mod transcript;
mod world;

mod attaching;
mod awakeables;
mod calls;
mod cancelling;
mod carrying_out_again;
mod catching_up;
mod circles;
mod compensating;
mod deployments;
mod kept_journals;
mod killing;
mod limits;
mod names;
mod objects;
mod operators;
mod policies;
mod promises;
mod recovery;
mod removing;
mod replacing;
mod restarting;
mod retention;
mod retries;
mod runs;
mod signals;
mod subscriptions_blocked;
mod subscriptions_ends;
mod subscriptions_failing;
mod subscriptions_key_seeks;
mod subscriptions_limits;
mod subscriptions_operators;
mod subscriptions_order;
mod subscriptions_parked;
mod subscriptions_refused;
mod subscriptions_seeking;
mod subscriptions_steering;
mod subscriptions_taking;
mod subscriptions_unusable;
mod timeouts;

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
