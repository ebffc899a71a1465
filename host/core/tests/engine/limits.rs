//! Bounds: what is beyond them is refused or waits, and nothing else suffers.

use expect_test::expect;
use holiday_core::engine::{self, Refusal};
use holiday_core::error::ErrorCode;
use holiday_core::event::{Commands, End, Event, Invoke, Record, ReplaceState, RestartAsNew};
use holiday_core::id::{AttemptId, EntryIndex, InvocationId, Position, Seed, Seq};
use holiday_core::invocation::{OpenCommand, Status};
use holiday_core::journal::{Call, Command, Named, Notification, Send};
use holiday_core::limits;
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{Lock, State};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome, Payload};

use crate::catalog;
use crate::script::Words;
use crate::world::World;

#[test]
fn a_key_may_be_as_long_as_the_bound() {
    let mut state = state_with_a_catalog();
    let key = "k".repeat(limits::KEY_BYTES_MAX);
    let target = Target::keyed("cart", &key, "add");
    let keyed = Invoke { target, idempotency_key: Some(key.clone()), ..invoke(1) };
    assert_eq!(admit(&state, keyed), Ok(()));
    apply(&mut state, Event::Invoke(invoke(2)));
    assert_eq!(admit_event(&state, &signal(2, key)), Ok(()));
    let refused = admit_event(&state, &signal(2, "k".repeat(limits::KEY_BYTES_MAX + 1)));
    assert!(matches!(refused, Err(Refusal::KeyTooLong { .. })), "{refused:?}");
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let key = "k".repeat(limits::KEY_BYTES_MAX + 1);
    let script = [
        format!("invoke a echo/hi key {key}"),
        format!("invoke a cart/{key}/add"),
        "invoke b echo/hi".to_owned(),
        format!("b asks call echo/hi key {key}, send echo/hi key {key}, call cart/{key}/add"),
        "b ends done".to_owned(),
    ];
    let mut world = World::new();
    let transcript: String = script.iter().map(|line| world.play(line)).collect();
    expect![[r#"
        invoke a echo/hi key LONG
            refused: 400 HH0003: the idempotency key has 4097 bytes, more than the 4096 that are allowed
        invoke a cart/LONG/add
            refused: 400 HH0003: the key has 4097 bytes, more than the 4096 that are allowed
        invoke b echo/hi
            start b#1
            accept b
            b is running
        b asks call echo/hi key LONG, send echo/hi key LONG, call cart/LONG/add
            tell b#1 at 0: 0 is complete: !400 HH0003: the idempotency key has 4097 bytes, more than the 4096 that are allowed
            tell b#1 at 1: 2 is complete: !400 HH0003: the key has 4097 bytes, more than the 4096 that are allowed
        b ends done
            answer b: done
            b has ended
    "#]].assert_eq(&transcript.replace(&key, "LONG"));
    world.end_everything();
}

#[test]
fn an_inbox_is_full_for_those_from_outside_who_have_not_come_before() {
    let mut state = state_with_a_catalog();
    let accepted = Invoke { idempotency_key: Some("k".to_owned()), ..invoke(1) };
    apply(&mut state, Event::Invoke(accepted.clone()));
    let waiting = |waiting| Lock { holder: id(0), next_ticket: waiting, first_ticket: 0, waiting };
    state.put_lock("cart", "ann", &waiting(limits::INBOX_MAX - 1)).expect("memory does not fail");
    assert_eq!(admit(&state, invoke(2)), Ok(()), "it is the last that fits");
    state.put_lock("cart", "ann", &waiting(limits::INBOX_MAX)).expect("memory does not fail");

    let refused = admit(&state, invoke(2)).expect_err("the inbox is full");
    assert_eq!((refused.status(), refused.code()), (429, ErrorCode::Overloaded));
    assert_eq!(admit(&state, Invoke { id: id(3), ..accepted }), Ok(()), "it joins, and takes no place");
    let elsewhere = Invoke { target: Target::keyed("cart", "bob", "add"), ..invoke(4) };
    assert_eq!(admit(&state, elsewhere), Ok(()));
}

#[test]
fn what_handlers_call_and_send_is_queued_beyond_a_full_inbox() {
    let mut state = state_with_a_catalog();
    let caller = begin(&mut state, 1);
    let full =
        Lock { holder: id(0), next_ticket: limits::INBOX_MAX, first_ticket: 0, waiting: limits::INBOX_MAX };
    state.put_lock("cart", "ann", &full).expect("memory does not fail");
    ask(&mut state, caller, vec![call("cart/ann/add"), send("cart/ann/add")]);
    for callee in [child(&state, caller, 0), child(&state, caller, 1)] {
        let lifecycle = state.lifecycle(&callee).expect("memory does not fail").expect("it was let in");
        assert!(matches!(lifecycle.status, Status::Inboxed(_)), "{:?}", lifecycle.status);
    }
}

#[test]
fn an_input_is_bounded() {
    let state = state_with_a_catalog();
    let with = |size| Invoke { input: Payload::from(vec![0; size]), ..invoke(1) };
    assert_eq!(admit(&state, with(limits::PAYLOAD_BYTES_MAX)), Ok(()));
    let refused = admit(&state, with(limits::PAYLOAD_BYTES_MAX + 1)).expect_err("it is too large");
    assert_eq!((refused.status(), refused.code()), (413, ErrorCode::PayloadTooLarge));
}

#[test]
fn state_that_an_operator_writes_is_bounded() {
    let state = state_with_a_catalog();
    let replace = |name: String, size| {
        let values = [(name, Payload::from(vec![0; size]))].into();
        let (service, key) = ("cart".to_owned(), "ann".to_owned());
        let replacement = ReplaceState { service, key, values, expected: None };
        admit_event(&state, &Event::ReplaceState(replacement))
    };
    let all_but_the_name = limits::OBJECT_STATE_BYTES_MAX - "a".len();
    assert_eq!(replace("a".to_owned(), all_but_the_name), Ok(()));
    let refused = replace("a".to_owned(), all_but_the_name + 1).expect_err("it is too large");
    assert_eq!((refused.status(), refused.code()), (413, ErrorCode::PayloadTooLarge));
    assert_eq!(replace("n".repeat(limits::KEY_BYTES_MAX), 0), Ok(()));
    let refused = replace("n".repeat(limits::KEY_BYTES_MAX + 1), 0).expect_err("it is too long");
    assert_eq!((refused.status(), refused.code()), (400, ErrorCode::MalformedPath));
}

#[test]
fn signals_that_nobody_waits_for_are_bounded() {
    let mut state = state_with_a_catalog();
    let (slow, sender) = (begin(&mut state, 1), begin(&mut state, 2));
    for _ in 0..limits::SIGNALS_KEPT_MAX {
        assert_eq!(admit_event(&state, &signal(1, "go")), Ok(()));
        apply(&mut state, signal(1, "go"));
    }
    let refused = admit_event(&state, &signal(1, "go")).expect_err("as many are kept as may be");
    assert_eq!((refused.status(), refused.code()), (429, ErrorCode::SignalsFull));
    let (invocation, name) = (slow, "go".to_owned());
    ask(&mut state, sender, vec![Command::SendSignal { invocation, name, outcome: Outcome::done() }]);
    assert_eq!(answer_of(&state, sender), (429, "HH0066".to_owned()));
    ask(&mut state, slow, vec![Command::Signal { name: "go".to_owned() }]);
    assert_eq!(admit_event(&state, &signal(1, "go")), Ok(()), "one that was taken makes room");
}

#[test]
fn handlers_that_wait_for_one_invocation_are_bounded() {
    let mut state = state_with_a_catalog();
    let awaited = begin(&mut state, 1);
    let mut lifecycle = state.lifecycle(&awaited).expect("memory does not fail").expect("it runs");
    lifecycle.joined = u32::try_from(limits::JOINED_MAX - 1).expect("a number of invocations");
    state.put_lifecycle(&awaited, &lifecycle).expect("memory does not fail");
    let (last, late) = (begin(&mut state, 2), begin(&mut state, 3));
    ask(&mut state, last, vec![Command::Attach { to: Named::Id(awaited) }]);
    let waits = state.lifecycle(&last).expect("memory does not fail").expect("it runs");
    assert_eq!(
        waits.open.get(&EntryIndex(0)),
        Some(&OpenCommand::Joined { invocation: awaited }),
        "it is the last that fits"
    );
    ask(&mut state, late, vec![Command::Attach { to: Named::Id(awaited) }]);
    assert_eq!(answer_of(&state, late), (429, "HH0028".to_owned()));
}

/// The circle of a handler that calls the next one, and so on, until one calls the first.
#[test]
fn a_circle_is_found_up_to_a_length() {
    for (length, is_found) in [(limits::WAIT_CHAIN_MAX, true), (limits::WAIT_CHAIN_MAX + 1, false)] {
        let mut state = state_with_a_catalog();
        let target = Target::keyed("cart", "0", "add");
        apply(&mut state, Event::Invoke(Invoke { target, ..invoke(1) }));
        let mut last = id(1);
        for number in 1..length {
            ask(&mut state, last, vec![call(&format!("cart/{number}/add"))]);
            last = child(&state, last, 0);
        }
        ask(&mut state, last, vec![call("cart/0/add")]);
        let waits = state.lifecycle(&last).expect("memory does not fail").expect("it runs");
        assert_eq!(waits.open.is_empty(), is_found, "{length}");
        if is_found {
            assert_eq!(answer_of(&state, last), (409, "HH0064".to_owned()));
        }
    }
}

/// What a handler asks for is in the message, and may be as long as its journal.
#[test]
fn the_message_of_a_refusal_is_cut() {
    let mut state = state_with_a_catalog();
    let caller = begin(&mut state, 1);
    ask(&mut state, caller, vec![call(&format!("{}/hi", "s".repeat(limits::MESSAGE_BYTES_MAX)))]);
    let Outcome::Failure(failure) = last_answer(&state, caller) else { panic!("there is no such service") };
    assert!(failure.message.starts_with("HH0001: there is no service 'sss"), "{}", failure.message);
    assert_eq!(failure.message.len(), limits::MESSAGE_BYTES_MAX);
}

#[test]
fn names_are_free_again_when_their_time_is_over() {
    let mut state = state_with_a_catalog();
    let keyed = Invoke { idempotency_key: Some("k".to_owned()), ..invoke(1) };
    let target = Target::keyed("trip", "t1", "run");
    let workflow = Invoke { target: target.clone(), ..invoke(2) };
    for invoke in [keyed.clone(), workflow] {
        apply(&mut state, Event::Invoke(invoke.clone()));
        end(&mut state, invoke.id, Outcome::done());
    }
    let names = |state: &State<MemoryKv>| {
        let keyed = state.by_idempotency_key(&keyed.target, "k").expect("memory does not fail");
        (keyed, state.workflow_run("trip", "t1").expect("memory does not fail"))
    };
    pass_until(&mut state, limits::RETENTION_MS - 1);
    assert_eq!(names(&state), (Some(id(1)), Some(id(2))));
    pass_until(&mut state, limits::RETENTION_MS);
    assert_eq!(names(&state), (None, None));
}

#[test]
fn the_journal_of_a_failed_invocation_is_forgotten_when_its_time_is_over() {
    let mut state = state_with_a_catalog();
    let failed = begin(&mut state, 1);
    ask(&mut state, failed, vec![Command::Awakeable]);
    end(&mut state, failed, Failure::new(500, "no").into());
    let kept = |state: &State<MemoryKv>| {
        let command = state.command(&failed, EntryIndex(0)).expect("memory does not fail");
        command.is_some() && state.input(&failed).expect("memory does not fail").is_some()
    };
    pass_until(&mut state, limits::FAILED_JOURNAL_RETENTION_MS - 1);
    assert!(kept(&state));
    pass_until(&mut state, limits::FAILED_JOURNAL_RETENTION_MS);
    assert!(!kept(&state));
}

/// A restarted invocation has no name but its id; whoever restarted it finds its outcome as long as that of a send.
#[test]
fn the_outcome_of_a_restarted_invocation_is_kept_like_that_of_a_send() {
    let mut state = state_with_a_catalog();
    let failed = begin(&mut state, 1);
    end(&mut state, failed, Failure::new(500, "no").into());
    let restart = RestartAsNew { from: failed, id: id(2), seed: Seed([2; 32]), commands: 0 };
    apply(&mut state, Event::RestartAsNew(restart));
    end(&mut state, id(2), Outcome::done());
    pass_until(&mut state, limits::SEND_RETENTION_MS - 1);
    assert!(state.completed(&id(2)).expect("memory does not fail").is_some());
    pass_until(&mut state, limits::SEND_RETENTION_MS);
    assert!(state.completed(&id(2)).expect("memory does not fail").is_none());
}

#[test]
fn one_wake_fires_a_bounded_number_of_timers() {
    let mut state = state_with_a_catalog();
    for number in 0..=limits::TIMERS_PER_WAKE_MAX {
        let number = u32::try_from(number).expect("a small bound");
        apply(&mut state, Event::Invoke(Invoke { delay_ms: Some(0), ..invoke(number) }));
    }
    apply(&mut state, Event::Wake);
    let left = engine::next_wakeup(&state).expect("memory does not fail");
    assert_eq!(left, Some(Timestamp::ZERO), "the driver wakes again for the rest");
    apply(&mut state, Event::Wake);
    assert_eq!(engine::next_wakeup(&state).expect("memory does not fail"), None);
}

/// The call that gets one more answers all the same; the id that its handler got leads nowhere.
#[test]
fn other_ids_of_an_invocation_are_bounded() {
    let mut world = World::new();
    world.play("invoke a echo/hi key k");
    let id = world.id("a");
    let mut lifecycle = world.state.lifecycle(&id).expect("memory does not fail").expect("it runs");
    lifecycle.aliases = limits::ALIASES_MAX - 1;
    world.state.put_lifecycle(&id, &lifecycle).expect("memory does not fail");
    let transcript: String = [
        "invoke b echo/hi",
        "b asks call echo/hi key k, call echo/hi key k",
        "invoke c echo/hi",
        "c asks output b.0, output b.1",
        "a ends hello",
        "invoke d echo/hi",
        "d asks call echo/hi key k",
    ]
    .iter()
    .map(|line| world.play(line))
    .collect();
    expect![[r#"
        invoke b echo/hi
            start b#1
            accept b
            b is running
        b asks call echo/hi key k, call echo/hi key k
        invoke c echo/hi
            start c#1
            accept c
            c is running
        c asks output b.0, output b.1
            tell c#1 at 0: 0 is not ready
            tell c#1 at 1: 1 is complete: !404 HH0018: nothing is known of b.1: it never was, or its retention has ended
        a ends hello
            tell b#1 at 0: 0 is complete: hello
            tell b#1 at 1: 1 is complete: hello
            answer a: hello
            a has ended
        invoke d echo/hi
            start d#1
            accept d
            d is running
        d asks call echo/hi key k
            tell d#1 at 0: 0 is complete: hello
    "#]].assert_eq(&transcript);
    world.end_everything();
}

fn state_with_a_catalog() -> State<MemoryKv> {
    let mut state = State::new(MemoryKv::new());
    apply(&mut state, Event::Deploy(catalog::deployment("v1")));
    state
}

fn apply(state: &mut State<MemoryKv>, event: Event) {
    apply_at(state, Timestamp::ZERO, event);
}

fn apply_at(state: &mut State<MemoryKv>, at: Timestamp, event: Event) {
    let seq: Seq = state.applied().expect("memory does not fail").next();
    engine::apply(state, &Record { seq, at, event }).expect("memory does not fail");
}

fn admit(state: &State<MemoryKv>, invoke: Invoke) -> Result<(), Refusal> {
    admit_event(state, &Event::Invoke(invoke))
}

fn admit_event(state: &State<MemoryKv>, event: &Event) -> Result<(), Refusal> {
    engine::admit(state, event).expect("memory does not fail")
}

/// Fires the timers that are due at `millis`, and no others.
fn pass_until(state: &mut State<MemoryKv>, millis: u64) {
    let now = Timestamp::from_millis(millis);
    while engine::next_wakeup(state).expect("memory does not fail").is_some_and(|due| due <= now) {
        apply_at(state, now, Event::Wake);
    }
}

/// Begins an invocation of a handler that holds no key.
fn begin(state: &mut State<MemoryKv>, number: u32) -> InvocationId {
    let target = Target::service("echo", "hi");
    apply(
        state,
        Event::Invoke(Invoke { target, seed: Seed([number.to_be_bytes()[3]; 32]), ..invoke(number) }),
    );
    id(number)
}

/// Records what the current attempt of an invocation asks for.
fn ask(state: &mut State<MemoryKv>, id: InvocationId, commands: Vec<Command>) {
    let (attempt, first) = current(state, id);
    apply(state, Event::Commands(Commands { attempt, first, commands, told_cancelled: None }));
}

fn end(state: &mut State<MemoryKv>, id: InvocationId, outcome: Outcome) {
    let (attempt, _) = current(state, id);
    apply(state, Event::End(End { attempt, outcome }));
}

/// The attempt that runs, and the index of its next command.
fn current(state: &State<MemoryKv>, id: InvocationId) -> (AttemptId, EntryIndex) {
    let lifecycle = state.lifecycle(&id).expect("memory does not fail").expect("it has not ended");
    (AttemptId { invocation: id, number: lifecycle.attempt }, EntryIndex(lifecycle.commands))
}

/// What command `index` of an invocation has called or sent.
fn child(state: &State<MemoryKv>, id: InvocationId, index: u32) -> InvocationId {
    let entry = state.command(&id, EntryIndex(index)).expect("memory does not fail").expect("it is there");
    let target = match &entry.command {
        Command::Call(it) => &it.target,
        Command::Send(it) => &it.target,
        other => panic!("{other} begins nothing"),
    };
    let invocation = state.invocation(&id).expect("memory does not fail").expect("it has not ended");
    invocation.child_id(id, EntryIndex(index), target)
}

/// The latest answer that an invocation got, which is a failure: its status and its code.
fn answer_of(state: &State<MemoryKv>, id: InvocationId) -> (u16, String) {
    match last_answer(state, id) {
        Outcome::Failure(it) => (it.code, it.message[..6].to_owned()),
        Outcome::Success(_) => panic!("it got what it asked for"),
    }
}

fn last_answer(state: &State<MemoryKv>, id: InvocationId) -> Outcome {
    let lifecycle = state.lifecycle(&id).expect("memory does not fail").expect("it has not ended");
    let last = Position(lifecycle.notifications.checked_sub(1).expect("it got an answer"));
    let entry = state.notification(&id, last).expect("memory does not fail").expect("as many as are counted");
    match entry.notification {
        Notification::Completed { outcome, .. } => outcome,
        other => panic!("{other:?} is no answer"),
    }
}

fn call(target: &str) -> Command {
    let (target, input, headers) = (read_target(target), Payload::new(), Vec::new());
    Command::Call(Call { target, input, headers, idempotency_key: None, shielded: false })
}

fn send(target: &str) -> Command {
    let (target, input, headers) = (read_target(target), Payload::new(), Vec::new());
    Command::Send(Send { target, input, headers, idempotency_key: None, delay_ms: None })
}

fn read_target(text: &str) -> Target {
    Words::of(text).target()
}

fn signal(number: u32, name: impl Into<String>) -> Event {
    Event::Signal { invocation: id(number), name: name.into(), outcome: Outcome::done() }
}

fn id(number: u32) -> InvocationId {
    let mut unique = [0; 16];
    unique[..4].copy_from_slice(&number.to_be_bytes());
    InvocationId::new(&Target::keyed("cart", "ann", "add"), unique)
}

fn invoke(number: u32) -> Invoke {
    Invoke {
        id: id(number),
        target: Target::keyed("cart", "ann", "add"),
        input: Payload::new(),
        headers: Vec::new(),
        idempotency_key: None,
        seed: Seed([0; 32]),
        delay_ms: None,
        retention_ms: 0,
    }
}
