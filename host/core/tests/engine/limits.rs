//! Bounds: what is beyond them is refused or waits, and nothing else suffers.

use expect_test::expect;
use holiday_core::engine::{self, Refusal};
use holiday_core::event::{Event, Invoke, Record};
use holiday_core::id::{InvocationId, Seed, Seq};
use holiday_core::limits;
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{Lock, State};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Payload;

use crate::catalog;
use crate::world::World;

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
    let full =
        Lock { holder: id(0), next_ticket: limits::INBOX_MAX, first_ticket: 0, waiting: limits::INBOX_MAX };
    let accepted = Invoke { idempotency_key: Some("k".to_owned()), ..invoke(1) };
    apply(&mut state, Event::Invoke(accepted.clone()));
    state.put_lock("cart", "ann", &full).expect("memory does not fail");
    let admit = |invoke| engine::admit(&state, &Event::Invoke(invoke)).expect("memory does not fail");

    assert!(matches!(admit(invoke(2)), Err(Refusal::InboxFull { .. })));
    assert_eq!(admit(Invoke { id: id(3), ..accepted }), Ok(()), "it joins, and takes no place");
    let elsewhere = Invoke { target: Target::keyed("cart", "bob", "add"), ..invoke(4) };
    assert_eq!(admit(elsewhere), Ok(()));
}

#[test]
fn an_input_is_bounded() {
    let state = state_with_a_catalog();
    let large = Invoke { input: Payload::from(vec![0; limits::PAYLOAD_BYTES_MAX + 1]), ..invoke(1) };
    let refused = engine::admit(&state, &Event::Invoke(large)).expect("memory does not fail");
    assert!(matches!(refused, Err(Refusal::InputTooLarge { .. })));
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

fn state_with_a_catalog() -> State<MemoryKv> {
    let mut state = State::new(MemoryKv::new());
    apply(&mut state, Event::Deploy(catalog::deployment("v1")));
    state
}

fn apply(state: &mut State<MemoryKv>, event: Event) {
    let seq: Seq = state.applied().expect("memory does not fail").next();
    engine::apply(state, &Record { seq, at: Timestamp::ZERO, event }).expect("memory does not fail");
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
