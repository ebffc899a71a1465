//! The bounds of subscriptions: what is beyond them stays in the topic, is refused, or waits for another step.

use holiday_core::effect::Effect;
use holiday_core::engine::{self, Refusal};
use holiday_core::event::{Event, Record, Steering};
use holiday_core::id::SubscriptionId;
use holiday_core::invocation::Status;
use holiday_core::limits;
use holiday_core::state::memory::MemoryKv;
use holiday_core::state::{Lock, State};
use holiday_core::subscription::{
    Offset, Partition, PauseReason, Progress, Subscription, SubscriptionStatus,
};
use holiday_core::time::Timestamp;
use holiday_core::value::Payload;

use crate::script::Words;
use crate::world::World;

const PARTITION: Partition = Partition(0);

#[test]
fn beyond_as_many_unfinished_records_the_next_ones_stay_in_the_topic() {
    let mut it = Subject::of("cart/add");
    it.change(|progress| {
        progress.running = limits::RECORDS_UNFINISHED_MAX / 2;
        progress.waiting = limits::RECORDS_UNFINISHED_MAX - progress.running - 2;
    });
    it.play("take s:0 0:ann=a 1:ann=b 2:ann=c 3:bob=d next 9");
    assert_eq!(it.position(), Offset(2), "one runs, one waits, and that is all");
    it.change(|progress| progress.waiting -= 1);
    it.play("take s:0 2:ann=c 3:bob=d next 9");
    assert_eq!(it.position(), Offset(3), "one more has room");
    it.change(|progress| progress.running -= 1);
    it.play("take s:0 3:bob=d next 9");
    assert_eq!(it.position(), Offset(9), "the last of a batch takes the gap behind it along");
}

#[test]
fn beyond_as_many_waiting_bytes_the_next_records_stay_in_the_topic() {
    let mut it = Subject::of("cart/add");
    it.change(|progress| progress.waiting_bytes = limits::RECORDS_WAITING_BYTES_MAX - 1);
    it.play("take s:0 0:ann=a 1:ann=b 2:ann=c");
    assert_eq!(it.position(), Offset(2), "the one that goes beyond is the last");
    it.play("take s:0 2:bob=c");
    assert_eq!(it.position(), Offset(2), "also for keys that are free");
}

#[test]
fn the_reader_of_a_key_has_the_same_bound() {
    let mut it = Subject::of("cart/add");
    it.play("take s:0 0:ann=a 1:ann=b 2:ann=c");
    it.play("seek s:0 to 0 key ann");
    it.change(|progress| progress.waiting = limits::RECORDS_UNFINISHED_MAX - progress.running - 1);
    it.play("take s:0 0:ann=a 1:ann=b 2:ann=c of ann");
    let seeks = it.world.state.key_seeks(&it.id).expect("memory does not fail");
    assert_eq!((seeks[0].1.next, seeks[0].1.until), (Offset(1), Offset(3)));
}

#[test]
fn beyond_as_many_parked_records_the_subscription_pauses() {
    let mut it = Subject::of("cart/add");
    it.change(|progress| progress.parked = limits::PARKED_MAX - 2);
    it.play("take s:0 0:ann=!a 1:ann=!b 2:ann=!c next 9");
    assert_eq!(it.position(), Offset(2), "nothing is taken that could not be parked");
    it.is_full();
}

#[test]
fn beyond_as_many_parked_bytes_the_subscription_pauses() {
    let mut it = Subject::of("cart/add");
    it.change(|progress| progress.parked_bytes = limits::PARKED_BYTES_MAX - 18);
    it.play("take s:0 0:ann=!a 1:ann=!b 2:ann=!c");
    assert_eq!(it.position(), Offset(2));
    it.is_full();
}

/// Those that run when it pauses may still fail, and are parked.
#[test]
fn a_record_that_runs_is_parked_also_beyond_the_bound() {
    let mut it = Subject::of("cart/add");
    it.play("take s:0 0:ann=a 1:bob=b");
    it.change(|progress| progress.parked = limits::PARKED_MAX - 1);
    it.play("s:0:0 ends !500 no");
    it.play("s:0:1 ends !500 no");
    assert_eq!(it.progress().parked, limits::PARKED_MAX + 1);
    it.is_full();
}

#[test]
fn a_subscription_too_many_is_refused() {
    let mut it = Subject::of("cart/add");
    let subscription = it.world.state.subscription(&it.id).expect("memory does not fail").expect("made");
    for number in 1..limits::SUBSCRIPTIONS_MAX {
        let number = u8::try_from(number).expect("a small bound");
        assert_eq!(it.subscribe(number, subscription.clone()), Ok(()));
    }
    let refused = it.subscribe(200, subscription.clone());
    assert_eq!(refused, Err(Refusal::TooManySubscriptions { limit: limits::SUBSCRIPTIONS_MAX }));
    it.play("delete s");
    it.play("advance s");
    assert_eq!(it.subscribe(200, subscription), Ok(()), "one that is deleted makes room");
}

#[test]
fn options_that_are_too_large_are_refused() {
    let mut it = Subject::of("cart/add");
    let mut subscription = it.world.state.subscription(&it.id).expect("memory does not fail").expect("made");
    let room = limits::SUBSCRIPTION_OPTIONS_BYTES_MAX - subscription.options.group_id.len() - 1;
    subscription.options.client = [("x".to_owned(), "y".repeat(room))].into();
    assert_eq!(it.subscribe(1, subscription.clone()), Ok(()));
    subscription.options.group_id.push('s');
    let refused = it.subscribe(2, subscription);
    assert!(matches!(refused, Err(Refusal::OptionsTooLarge { .. })), "{refused:?}");
}

#[test]
fn paused_keys_are_bounded() {
    let mut it = Subject::of("cart/add");
    it.change(|progress| progress.paused_keys = limits::PAUSED_KEYS_MAX - 1);
    it.play("pause s key ann");
    let refused = it.steer(Steering::PauseKey { key: Payload::from_static(b"bob") });
    assert_eq!(refused, Err(Refusal::TooManyKeys { subscription: it.id, limit: limits::PAUSED_KEYS_MAX }));
    assert_eq!(it.steer(Steering::PauseKey { key: Payload::from_static(b"ann") }), Ok(()), "it is paused");
    it.play("resume s key ann");
    assert_eq!(it.steer(Steering::PauseKey { key: Payload::from_static(b"bob") }), Ok(()));
}

#[test]
fn keys_with_positions_of_their_own_are_bounded() {
    let mut it = Subject::of("cart/add");
    it.play("take s:0 0:ann=a");
    it.change(|progress| progress.key_seeks = limits::KEY_SEEKS_MAX - 1);
    it.play("seek s:0 to 5 key ann");
    let seek =
        |key| Steering::SeekKey { key: Payload::from_static(key), partition: PARTITION, next: Offset(0) };
    let refused = it.steer(seek(b"bob"));
    assert_eq!(refused, Err(Refusal::TooManyKeys { subscription: it.id, limit: limits::KEY_SEEKS_MAX }));
    assert_eq!(it.steer(seek(b"ann")), Ok(()), "it has one already");
}

#[test]
fn a_key_that_is_too_long_is_parked_and_not_steered() {
    let long = "k".repeat(limits::KEY_BYTES_MAX + 1);
    let fits = "k".repeat(limits::KEY_BYTES_MAX);
    let mut it = Subject::of("cart/add");
    it.play(&format!("take s:0 0:{fits}=a 1:{long}=b"));
    assert_eq!((it.progress().running, it.progress().parked), (1, 1));
    let parked = it.world.state.parked(&it.id, 0).expect("memory does not fail").expect("it is parked");
    assert_eq!(parked.failure.message, "HH0087: the key has 4097 bytes, more than the 4096 that are allowed");
    let key = Payload::from(long.clone());
    for steering in [
        Steering::PauseKey { key: key.clone() },
        Steering::ResumeKey { key: key.clone() },
        Steering::SeekKey { key, partition: PARTITION, next: Offset(0) },
    ] {
        let refused = it.steer(steering);
        assert!(matches!(refused, Err(Refusal::KeyTooLong { .. })), "{refused:?}");
    }
    let mut plain = Subject::of("echo/hi");
    plain.play(&format!("take s:0 0:{long}=a"));
    assert_eq!(plain.progress().running, 1, "a plain service has no use for the key");
}

/// The key is in the message.
#[test]
fn the_message_of_an_unusable_record_is_cut() {
    let mut it = Subject::of("cart/add");
    it.play(&format!("take s:0 0:{}=a", "^".repeat(limits::KEY_BYTES_MAX)));
    let parked = it.world.state.parked(&it.id, 0).expect("memory does not fail").expect("it is parked");
    assert_eq!(parked.failure.message.len(), limits::MESSAGE_BYTES_MAX);
}

/// The inbox bound refuses callers from outside; a record is already taken.
#[test]
fn a_record_begins_beyond_a_full_inbox() {
    let mut it = Subject::of("cart/add");
    it.world.play("invoke x cart/ann/add");
    let (holder, waiting) = (it.world.id("x"), limits::INBOX_MAX);
    let full = Lock { holder, next_ticket: waiting, first_ticket: 0, waiting };
    it.world.state.put_lock("cart", "ann", &full).expect("memory does not fail");
    it.play("take s:0 0:ann=a");
    let lifecycle = it.world.state.lifecycle(&it.world.id("s:0:0")).expect("memory does not fail");
    assert!(matches!(lifecycle.map(|it| it.status), Some(Status::Inboxed(_))));
}

#[test]
fn stalled_lanes_go_on_in_bounded_steps() {
    let lanes = limits::RECORDS_PER_STEP_MAX + 6;
    let mut world = World::new();
    world.play("subscribe s cart/add");
    world.play("assign s 0:0");
    let both = |lane| format!("{}:k{lane}=a {}:k{lane}=b", 2 * lane, 2 * lane + 1);
    world.play(&format!("take s:0 {}", (0..lanes).map(both).collect::<Vec<_>>().join(" ")));
    world.play("pause s");
    (0..lanes).for_each(|lane| drop(world.play(&format!("s:0:{} ends ok", 2 * lane))));
    assert_eq!(world.play("resume s"), "resume s\n    advance s\n");
    let began = |said: String| said.matches("is running").count();
    assert_eq!(began(world.play("advance s")), limits::RECORDS_PER_STEP_MAX);
    assert_eq!(began(world.play("advance s")), 6);
    assert_eq!(began(world.play("advance s")), 0);
    world.end_everything();
}

/// Records that fail at once are as much work as those that run.
#[test]
fn a_lane_of_failing_records_goes_on_in_bounded_steps() {
    let poison = 2 * limits::RECORDS_PER_STEP_MAX + 6;
    let mut world = World::new();
    world.play("subscribe s cart/add on-failure skip");
    world.play("assign s 0:0");
    let all: Vec<_> = (1..=poison).map(|offset| format!("{offset}:ann=!x")).collect();
    world.play(&format!("take s:0 0:ann=a {} {}:ann=z", all.join(" "), poison + 1));
    let failed = |said: &str| said.matches("is skipped").count();
    let said = world.play("s:0:0 ends ok");
    assert_eq!(failed(&said), limits::RECORDS_PER_STEP_MAX);
    assert!(said.contains("advance s"), "{said}");
    assert_eq!(failed(&world.play("advance s")), limits::RECORDS_PER_STEP_MAX);
    let said = world.play("advance s");
    assert_eq!(failed(&said), 6);
    assert!(said.contains(&format!("start s:0:{}#1", poison + 1)), "{said}");
    world.end_everything();
}

#[test]
fn the_rows_of_a_deleted_subscription_go_in_bounded_steps() {
    let waiting = limits::ROWS_PER_STEP_MAX + 5;
    let mut it = Subject::of("cart/add");
    for offset in 0..=waiting {
        it.play(&format!("take s:0 {offset}:ann=a"));
    }
    it.play("delete s by force");
    // A position and a lane are among them.
    it.play("advance s");
    assert_eq!(it.progress().status, SubscriptionStatus::Deleting);
    let effects = engine::recover(&it.world.state).expect("memory does not fail");
    assert!(effects.contains(&Effect::Advance(it.id)), "a host that begins here goes on");
    it.play("take s:0 0:ann=a");
    it.play("advance s");
    assert!(it.world.state.progress(&it.id).expect("memory does not fail").is_none());
    it.world.end_everything();
}

/// A subscription in a world whose counts are set to what would take long to reach.
struct Subject {
    world: World,
    id: SubscriptionId,
}

impl Subject {
    fn of(sink: &str) -> Self {
        let mut world = World::new();
        world.play(&format!("subscribe s {sink}"));
        world.play("assign s 0:0");
        let id = world.subscriptions["s"];
        Subject { world, id }
    }

    /// Plays a line without the audit, which would find that the counts are not those of the rows.
    fn play(&mut self, line: &str) {
        let mut words = Words::of(line);
        let event = match self.world.event_of_subscription(words.word(), words.clone()) {
            Some(event) => event,
            None => self.world.event(line.split(' ').next().expect("a word"), words),
        };
        self.apply(event);
    }

    fn apply(&mut self, event: Event) {
        let state: &mut State<MemoryKv> = &mut self.world.state;
        let seq = state.applied().expect("memory does not fail").next();
        let record = Record { seq, at: Timestamp::ZERO, event };
        engine::apply(state, &record).expect("memory does not fail");
        self.world.name_invocations_of_records();
    }

    fn admit(&self, event: &Event) -> Result<(), Refusal> {
        engine::admit(&self.world.state, event).expect("memory does not fail")
    }

    fn steer(&mut self, steering: Steering) -> Result<(), Refusal> {
        self.admit(&Event::Steer { subscription: self.id, steering })
    }

    fn subscribe(&mut self, number: u8, subscription: Subscription) -> Result<(), Refusal> {
        let id = SubscriptionId::from_bytes([number; 16]);
        let event = Event::Subscribe(holiday_core::event::Subscribe { id, subscription });
        self.admit(&event)?;
        self.apply(event);
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.world.state.progress(&self.id).expect("memory does not fail").expect("it is there")
    }

    fn change(&mut self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress();
        change(&mut progress);
        self.world.state.put_progress(&self.id, &progress).expect("memory does not fail");
    }

    fn position(&self) -> Offset {
        let position = self.world.state.position(&self.id, PARTITION).expect("memory does not fail");
        position.expect("it is assigned").next
    }

    /// It has paused, says why, and goes on when there is room again.
    fn is_full(&mut self) {
        let full = SubscriptionStatus::Paused(PauseReason::ParkedFull);
        assert_eq!(self.progress().status, full);
        let parked = self.progress().parked;
        assert_eq!(self.steer(Steering::Resume), Err(Refusal::ParkedFull { subscription: self.id, parked }));
        self.play("pause s");
        let refused = self.steer(Steering::Resume);
        assert!(
            matches!(refused, Err(Refusal::ParkedFull { .. })),
            "also if an operator paused it: {refused:?}"
        );
        self.play("discard s 0");
        self.play("discard s 1");
        assert_eq!(self.steer(Steering::Resume), Ok(()));
    }
}
