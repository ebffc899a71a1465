//! Bounds: what is too large is refused, and a replay of what was not is never refused.

use holiday_core::attempt::{Attempt, AttemptError, Blocked, News, Op, RunOutcome, Start, Step};
use holiday_core::deployment::{HandlerMode, ServiceKind};
use holiday_core::event::Event;
use holiday_core::id::{EntryIndex, InvocationId, Position};
use holiday_core::journal::{Call, Command, CommandEntry, Notification, NotificationEntry, Send};
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

fn wait(on: &[u32]) -> Op {
    Op::Wait { on: on.iter().copied().map(EntryIndex).collect(), io: false }
}

fn answer(position: u32, command: u32, value: Payload) -> News {
    let notification =
        Notification::Completed { command: EntryIndex(command), outcome: Outcome::Success(value) };
    News::Notified {
        position: Position(position),
        entry: NotificationEntry { at: Timestamp::ZERO, notification },
    }
}

/// The error code of a refused operation.
fn refusal<T: std::fmt::Debug>(result: Result<T, AttemptError>) -> String {
    result.expect_err("it is beyond a limit").to_string()[..6].to_owned()
}

#[test]
fn a_journal_has_a_greatest_number_of_commands() {
    let cancel = || Op::Cancel { invocation: InvocationId::from_bytes([3; 24]) };
    let command = Command::Cancel { invocation: InvocationId::from_bytes([3; 24]) };
    let almost_full =
        vec![CommandEntry { at: Timestamp::ZERO, command }; limits::JOURNAL_COMMANDS_MAX as usize - 1];
    let mut attempt = Attempt::new(Start { commands: almost_full.clone(), ..start() });
    for _ in &almost_full {
        attempt.step(cancel()).expect("it is in the journal");
    }
    attempt.step(cancel()).expect("it is the last that fits");
    assert_eq!(refusal(attempt.step(cancel())), "HH0014");
}

#[test]
fn a_journal_has_a_greatest_size() {
    let size = Command::SetState { key: "a".to_owned(), value: bytes(10) }.size() as u64;
    let mut attempt = Attempt::new(Start { journal_bytes: limits::JOURNAL_BYTES_MAX - size, ..start() });
    attempt.step(set("a", 10)).expect("it just fits");
    assert_eq!(refusal(attempt.step(Op::ClearAllState)), "HH0014");
}

/// What the world answers is never lost: it is the next command that is refused.
#[test]
fn answers_count_for_the_size_of_a_journal() {
    let almost_full = limits::JOURNAL_BYTES_MAX - 1_000;
    let mut attempt = Attempt::new(Start { journal_bytes: almost_full, ..start() });
    attempt.step(Op::Awakeable).expect("it fits");
    attempt.notify(answer(0, 0, bytes(1_000)));
    assert_eq!(attempt.step(wait(&[0])), Ok(Step::Ready(EntryIndex(0))));
    attempt.step(Op::Take(EntryIndex(0))).expect("it was told");
    assert_eq!(refusal(attempt.step(Op::ClearAllState)), "HH0014");
    attempt.end(Outcome::done()).expect("whoever needs nothing more may end");
}

#[test]
fn payloads_are_bounded_wherever_they_come_from() {
    let large = || bytes(limits::PAYLOAD_BYTES_MAX + 1);
    let mut attempt = Attempt::new(start());
    assert_eq!(refusal(attempt.step(set("a", limits::PAYLOAD_BYTES_MAX + 1))), "HH0013");
    assert_eq!(refusal(attempt.end(Outcome::Success(large()))), "HH0013");
    let (run, outcome) = (EntryIndex(0), RunOutcome::Success(large()));
    attempt.step(Op::Run { name: "download".to_owned(), retry: None }).expect("nothing is large");
    attempt.notify(News::MayEnter(run));
    assert_eq!(attempt.step(Op::EnterRun(run)), Ok(Step::Execute(run)));
    assert_eq!(refusal(attempt.step(Op::FinishRun { run, outcome })), "HH0013");
    let (invocation, name) = (start().attempt.invocation, "go".to_owned());
    let signal = Op::SendSignal { invocation, name, outcome: Outcome::Success(large()) };
    assert_eq!(refusal(attempt.step(signal)), "HH0013");
}

#[test]
fn a_payload_may_be_as_large_as_the_bound() {
    let mut attempt = Attempt::new(start());
    attempt.step(set("a", limits::PAYLOAD_BYTES_MAX)).expect("it just fits");
    attempt.end(Outcome::Success(bytes(limits::PAYLOAD_BYTES_MAX))).expect("it just fits");
}

/// A value that is replaced makes room.
#[test]
fn the_state_of_a_key_is_bounded() {
    let half = limits::OBJECT_STATE_BYTES_MAX / 2 - "a".len();
    let mut attempt = Attempt::new(start());
    attempt.step(set("a", half)).expect("it is half of it");
    attempt.step(set("b", half)).expect("it is the other half");
    assert_eq!(refusal(attempt.step(set("c", 0))), "HH0013");
    attempt.step(set("b", half - 1)).expect("less than before");
    attempt.step(set("c", 0)).expect("the name alone just fits");
}

/// The state that an attempt begins with has the writes of the journal in it: they must not count twice.
#[test]
fn a_replay_of_a_full_state_is_not_refused() {
    let half = limits::OBJECT_STATE_BYTES_MAX / 2 - "a".len();
    let mut first = Attempt::new(start());
    first.step(set("a", half)).expect("it is half of it");
    first.step(set("b", half)).expect("it is the other half");
    first.suspend(Vec::new());
    let Some(Event::Commands(written)) = first.poll_event() else { panic!("the writes are recorded") };
    let commands =
        written.commands.into_iter().map(|command| CommandEntry { at: Timestamp::ZERO, command }).collect();
    let state = [("a".to_owned(), bytes(half)), ("b".to_owned(), bytes(half))].into();
    let mut second = Attempt::new(Start { commands, state, ..start() });
    second.step(set("a", half)).expect("it was written");
    second.step(set("b", half)).expect("it was written");
    assert_eq!(refusal(second.step(set("c", 0))), "HH0013");
}

#[test]
fn headers_are_bounded() {
    let target = || Target::service("echo", "hi");
    let headers = |size: usize| vec![("x-tenant".to_owned(), "t".repeat(size - "x-tenant".len()))];
    let call = |size| {
        let (input, headers) = (Payload::new(), headers(size));
        Op::Call(Call { target: target(), input, headers, idempotency_key: None, shielded: false })
    };
    let send = |size| {
        let (input, headers) = (Payload::new(), headers(size));
        Op::Send(Send { target: target(), input, headers, idempotency_key: None, delay_ms: None })
    };
    let mut attempt = Attempt::new(start());
    for with_headers in [&call as &dyn Fn(usize) -> Op, &send] {
        attempt.step(with_headers(limits::HEADER_BYTES_MAX)).expect("they just fit");
        assert_eq!(refusal(attempt.step(with_headers(limits::HEADER_BYTES_MAX + 1))), "HH0013");
    }
}

#[test]
fn names_are_bounded() {
    let named: [fn(String) -> Op; 7] = [
        |name| Op::Run { name, retry: None },
        |name| Op::Sleep { duration_ms: 1, name: Some(name) },
        |name| Op::Signal { name },
        |name| Op::PromiseGet { name },
        |name| Op::PromisePeek { name },
        |name| Op::PromiseComplete { name, outcome: Outcome::done() },
        |key| Op::SetState { key, value: Payload::new() },
    ];
    let mut attempt = Attempt::new(Start { kind: ServiceKind::Workflow, ..start() });
    for op in named {
        attempt.step(op("n".repeat(limits::KEY_BYTES_MAX))).expect("it just fits");
        assert_eq!(refusal(attempt.step(op("n".repeat(limits::KEY_BYTES_MAX + 1)))), "HH0003");
    }
}

#[test]
fn messages_are_cut() {
    let message = |event| match event {
        Some(Event::Fail(it)) => it.message,
        Some(Event::RunFailed(it)) => it.message,
        other => panic!("{other:?} has no message"),
    };
    for (size, kept) in [(limits::MESSAGE_BYTES_MAX, true), (limits::MESSAGE_BYTES_MAX + 1, false)] {
        let long = "é".repeat(size / 2) + if size % 2 == 0 { "" } else { "!" };
        let mut attempt = Attempt::new(start());
        attempt.step(Op::Run { name: "step".to_owned(), retry: None }).expect("nothing is long");
        attempt.notify(News::MayEnter(EntryIndex(0)));
        attempt.step(Op::EnterRun(EntryIndex(0))).expect("it may be entered");
        let (run, outcome) = (EntryIndex(0), RunOutcome::Retryable(long.clone()));
        attempt.step(Op::FinishRun { run, outcome }).expect("a message is cut, not refused");
        attempt.fail(long.clone());
        attempt.poll_event().expect("the command");
        for said in [message(attempt.poll_event()), message(attempt.poll_event())] {
            assert_eq!(said == long, kept, "{size}");
            assert!(kept || said.ends_with("… (cut)"), "{size}");
            assert!(said.len() <= limits::MESSAGE_BYTES_MAX, "{size}");
        }
    }
}

#[test]
fn operations_without_an_answer_are_bounded() {
    let mut attempt = Attempt::new(start());
    for _ in 0..limits::PENDING_MAX {
        attempt.step(Op::Awakeable).expect("it fits");
    }
    assert_eq!(refusal(attempt.step(Op::Awakeable)), "HH0079");
    attempt.step(Op::ClearAllState).expect("it waits for nothing");
    attempt.notify(answer(0, 7, Payload::new()));
    attempt.step(Op::Awakeable).expect("an answer makes room");
    assert_eq!(refusal(attempt.step(Op::Awakeable)), "HH0079");
}

#[test]
fn a_step_that_was_given_up_makes_room() {
    let entry = CommandEntry { at: Timestamp::ZERO, command: Command::Awakeable };
    let commands = vec![entry; limits::PENDING_MAX - 1];
    let mut attempt = Attempt::new(Start { commands: commands.clone(), ..start() });
    for _ in &commands {
        attempt.step(Op::Awakeable).expect("it is in the journal");
    }
    attempt.step(Op::Run { name: "charge".to_owned(), retry: None }).expect("it is the last that fits");
    assert_eq!(refusal(attempt.step(Op::Awakeable)), "HH0079");
    let run = EntryIndex(u32::try_from(commands.len()).expect("a number of commands"));
    attempt.step(Op::AbandonRun(run)).expect("it is not being executed");
    attempt.step(Op::Awakeable).expect("nobody waits for the step");
}

#[test]
fn a_replay_of_many_open_operations_is_not_refused() {
    let entry = CommandEntry { at: Timestamp::ZERO, command: Command::Awakeable };
    let commands = vec![entry; limits::PENDING_MAX];
    let mut attempt = Attempt::new(Start { commands: commands.clone(), ..start() });
    for _ in &commands {
        attempt.step(Op::Awakeable).expect("it is in the journal");
    }
    assert_eq!(refusal(attempt.step(Op::Awakeable)), "HH0079");
}

#[test]
fn a_wait_lists_no_more_than_a_journal_may_have() {
    let mut attempt = Attempt::new(start());
    attempt.step(Op::Awakeable).expect("it fits");
    let many = |count| Op::Wait { on: vec![EntryIndex(0); count], io: false };
    let most = limits::JOURNAL_COMMANDS_MAX as usize;
    assert_eq!(attempt.step(many(most)), Ok(Step::Blocked(Blocked::OnJournal)));
    assert_eq!(refusal(attempt.step(many(most + 1))), "HH0040");
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
