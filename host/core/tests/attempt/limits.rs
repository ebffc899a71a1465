//! Bounds: what is too large is refused, and a replay of what was not is never refused.

use holiday_core::attempt::{Attempt, AttemptError, Op, RunOutcome, Start, Step};
use holiday_core::deployment::{HandlerMode, ServiceKind};
use holiday_core::event::Event;
use holiday_core::id::EntryIndex;
use holiday_core::journal::{Command, CommandEntry};
use holiday_core::limits;
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Outcome, Payload};

use crate::recorder;

fn start() -> Start {
    recorder::start(&Target::keyed("cart", "ann", "add"), ServiceKind::Object, HandlerMode::Exclusive)
}

fn bytes(size: usize) -> Payload {
    Payload::from(vec![0; size])
}

fn set(key: &str, size: usize) -> Op {
    Op::SetState { key: key.to_owned(), value: bytes(size) }
}

/// The error code of a refused operation.
fn refusal<T: std::fmt::Debug>(result: Result<T, AttemptError>) -> String {
    result.expect_err("it is beyond a limit").to_string()[..6].to_owned()
}

#[test]
fn a_journal_has_a_greatest_number_of_commands() {
    let entry = CommandEntry { at: Timestamp::ZERO, command: Command::Awakeable };
    let almost_full = vec![entry; limits::JOURNAL_COMMANDS_MAX as usize - 1];
    let mut attempt = Attempt::new(Start { commands: almost_full.clone(), ..start() });
    for _ in &almost_full {
        attempt.step(Op::Awakeable).expect("it is in the journal");
    }
    attempt.step(Op::Awakeable).expect("it is the last that fits");
    assert_eq!(refusal(attempt.step(Op::Awakeable)), "HH0014");
}

#[test]
fn a_journal_has_a_greatest_size() {
    let mut attempt = Attempt::new(Start { journal_bytes: limits::JOURNAL_BYTES_MAX - 100, ..start() });
    attempt.step(set("a", 10)).expect("it fits");
    assert_eq!(refusal(attempt.step(set("a", 100))), "HH0014");
}

#[test]
fn payloads_are_bounded_wherever_they_come_from() {
    let large = || bytes(limits::PAYLOAD_BYTES_MAX + 1);
    let mut attempt = Attempt::new(start());
    assert_eq!(refusal(attempt.step(set("a", limits::PAYLOAD_BYTES_MAX + 1))), "HH0013");
    assert_eq!(refusal(attempt.end(Outcome::Success(large()))), "HH0013");
    let (run, outcome) = (EntryIndex(0), RunOutcome::Success(large()));
    attempt.step(Op::Run { name: "download".to_owned(), retry: None }).expect("nothing is large");
    attempt.notify(holiday_core::attempt::News::MayEnter(run));
    assert_eq!(attempt.step(Op::EnterRun(run)), Ok(Step::Execute(run)));
    assert_eq!(refusal(attempt.step(Op::FinishRun { run, outcome })), "HH0013");
}

#[test]
fn the_state_of_a_key_is_bounded_and_a_value_that_is_replaced_makes_room() {
    let mut attempt = Attempt::new(start());
    attempt.step(set("a", 7 << 20)).expect("7 of 16 MiB");
    attempt.step(set("b", 7 << 20)).expect("14 of 16 MiB");
    assert_eq!(refusal(attempt.step(set("c", 7 << 20))), "HH0013");
    attempt.step(set("b", 8 << 20)).expect("15 of 16 MiB");
}

/// The state that an attempt begins with has the writes of the journal in it: they must not count twice.
#[test]
fn a_replay_of_a_full_state_is_not_refused() {
    let mut first = Attempt::new(start());
    first.step(set("a", 8 << 20)).expect("8 of 16 MiB");
    first.step(set("b", 7 << 20)).expect("15 of 16 MiB");
    first.suspend(Vec::new());
    let Some(Event::Commands(written)) = first.poll_event() else { panic!("the writes are recorded") };
    let commands =
        written.commands.into_iter().map(|command| CommandEntry { at: Timestamp::ZERO, command }).collect();
    let state = [("a".to_owned(), bytes(8 << 20)), ("b".to_owned(), bytes(7 << 20))].into();
    let mut second = Attempt::new(Start { commands, state, ..start() });
    second.step(set("a", 8 << 20)).expect("it was written");
    second.step(set("b", 7 << 20)).expect("it was written");
    assert_eq!(refusal(second.step(set("c", 2 << 20))), "HH0013");
}

#[test]
fn a_batch_of_commands_is_bounded() {
    let mut attempt = Attempt::new(start());
    for _ in 0..limits::COMMANDS_PER_EVENT_MAX {
        assert_eq!(attempt.poll_event(), None);
        attempt.step(Op::Awakeable).expect("nothing is large");
    }
    let Some(Event::Commands(batch)) = attempt.poll_event() else { panic!("the batch is full") };
    assert_eq!(batch.commands.len(), limits::COMMANDS_PER_EVENT_MAX);
}
