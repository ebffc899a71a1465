//! The attempt, script in and transcript out.
//!
//! A script is what a guest asks and what the engine says, line by line; the transcript adds the answer, and
//! the events for the log.
//!
//! | line | |
//! |---|---|
//! | `of cart/ann/add [mode shared] [kind workflow]` | whose attempt it is; first line, `echo/hi` if there is none |
//! | `call echo/hi [shielded yes]`, `send echo/hi`, `sleep MS`, `run NAME [retry MAX MS]`, `awakeable`, `complete OUTCOME`, `signal NAME`, `send-signal NAME OUTCOME`, `promise NAME`, `peek NAME`, `resolve NAME OUTCOME`, `attach [WHOM]`, `output [WHOM]`, `cancel`, `get K`, `set K V`, `clear K`, `clear-all`, `keys` | commands; `WHOM` is `TARGET key K`, `SERVICE ID`, or an id |
//! | `enter 0` · `finish 0 OUTCOME` · `abandon 0` | steps; the outcome `?message` may be retried |
//! | `wait 0 1 [io yes]` · `take 0` | waiting |
//! | `end OUTCOME` · `suspend 0 1` · `fail MESSAGE` | the end of the attempt |
//! | `hear 0 OUTCOME` · `hear unready 0` · `hear cancelled since 0 [commands N] [!CODE message]` | the journal grows, and the attempt hears of it |
//! | `permit 0` | a step may be entered |
//! | `pass MS` | time passes: what is heard next stands later |
//! | `replay [postponed 0] [outliving 0] [abandoned 0] [seen N] [inheriting N] [cancellation overtaken]` | the next attempt, with the journal as it is now |
//! | `now` | prints the guest's time, and what it could know of its attempt |
//!
//! The journal consists of the commands in the events and of what was heard.

mod recorder;
#[path = "../common/script.rs"]
mod script;

mod cancellation;
mod limits;
mod operations;
mod replay;
mod state;
mod steps;
mod waiting;

use expect_test::Expect;

use recorder::Recorder;

fn check(script: &str, expected: Expect) {
    let mut recorder = Recorder::new();
    let transcript: String = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| recorder.play(line))
        .collect();
    expected.assert_eq(&transcript);
}
