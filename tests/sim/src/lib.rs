//! The seeded simulation of the whole core: both state machines under crashes, delays, repetitions and
//! operators, with fake time, checked against a reference.
//!
//! - [`seed`] runs everything at once, in an order drawn from one number; the same number gives the same run.
//! - [`every_crash`] runs fixed scenarios and crashes them at each moment in turn.
//! - [`storms`] cancels a trip, kills it and lets its time be over after each of its records, and crashes that at each
//!   moment as well.
//! - [`meta`] checks the simulation itself: one seed twice is one run.
//!
//! | Guarantee | Checks |
//! |---|---|
//! | acknowledged is never lost, and ends | `acknowledged-is-never-lost`, `acknowledged-runs-to-an-end`, `acknowledgement-never-changes`, `answer-never-changes`, `answer-is-the-outcome`, `caller-gets-the-outcome` |
//! | a journaled result never changes | `result-never-changes`, `handlers-replay`, `answered-once`, `command-is-recorded-once` |
//! | once in the journal | `effects-follow-durable-commands`, `sends-happen-once`, `adds-exactly-once`, `state-equals-model`, `invocation-is-created-once`, `timer-is-never-early`, `given-up-is-not-executed` |
//! | handlers find each other | `promise-never-changes`, `one-signal-one-wait`, `attached-get-the-outcome`, `another-id-leads-on`, `nobody-waits-in-a-circle`, `private-is-private` |
//! | a restarted handler sees what was seen | `restart-sees-the-same` |
//! | one exclusive handler per key, in order | `one-exclusive-per-key`, `order-of-arrival`, `stale-attempt-is-ignored`, `attempts-count-up`, `effects-are-current` |
//! | a workflow, and a name, once | `one-name-one-invocation`, `retention-is-kept` |
//! | compensations | `compensations-match-effects`, `compensations-run-in-reverse`, `compensation-is-never-dropped`, `cancellation-is-agreed-on`, `cancellation-says-why`, `stopping-reaches-callees` |
//! | one component from beginning to end | `deployment-is-pinned`, `component-is-there` |
//! | each record of a topic once, in order per key | `record-is-taken-once`, `record-is-in-one-place`, `no-record-is-lost`, `no-record-is-skipped`, `record-is-the-input`, `position-moves-with-its-records`, `taken-is-durable`, `one-record-per-key`, `order-per-key`, `keys-go-side-by-side`, `lanes-do-not-stall`, `topics-are-read`, `paused-is-paused`, `halted-is-halted`, `deleted-is-deleted`, `counts-agree` |
//! | a function of the log | `two-applications-are-equal`, `recovery-equals-replay`, `crash-changes-nothing`, `one-seed-one-run`, `no-row-leaks`, `comes-to-rest`, `core-does-not-panic` |
//!
//! What is simulated is what surrounds the core: the driver, the log, the instances, the world outside. What
//! is real is the core. A check that fails has a name; a fixed bug leaves its seed in `seeds.txt`.

mod audit;
mod chaos;
mod dice;
mod drain;
pub mod every_crash;
mod guest;
mod heirs;
mod host;
mod instance;
mod models;
mod operators;
mod oracle;
mod programs;
mod reader;
mod requests;
pub mod storms;
mod subscriptions;
mod topics;
mod transcript;
mod violation;
mod waits;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chaos::Chaos;
use holiday_core::state::memory::MemoryKv;
pub use violation::Violation;

/// What one seed came to.
#[derive(Debug)]
pub struct Run {
    pub seed: u64,
    pub result: Result<(), Violation>,
    /// Empty unless asked for.
    pub transcript: Vec<String>,
    pub records: u64,
    pub crashes: u64,
    rows: MemoryKv,
}

/// The parts of the simulation that a seed may use. The set has grown; with more parts, an old seed is another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// Requests, and what they call.
    Calls,
    /// Subscriptions, too.
    All,
}

/// Runs one seed; a panic of the core is a failed check like any other.
pub fn seed(seed: u64, vocabulary: Vocabulary, is_transcript_wanted: bool) -> Run {
    let mut chaos = Chaos::new(seed, vocabulary, is_transcript_wanted);
    let result = catch_unwind(AssertUnwindSafe(|| chaos.run()))
        .unwrap_or_else(|panic| Err(Violation::new("core-does-not-panic", message_of(&*panic))));
    if let (true, Err(violation)) = (is_transcript_wanted, &result) {
        chaos.host.transcript.push(&format!("FAILED {violation}"));
    }
    let transcript = std::mem::take(&mut chaos.host.transcript.lines);
    let (records, crashes) = (chaos.host.applied().0, chaos.host.crashes);
    let (result, rows) = match result {
        Ok(rows) => (Ok(()), rows),
        Err(violation) => (Err(violation), MemoryKv::new()),
    };
    Run { seed, result, transcript, records, crashes, rows }
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub records: u64,
    pub crashes: u64,
    /// In the order of their seeds.
    pub failed: Vec<(u64, Violation)>,
}

/// Runs seeds on all processors.
pub fn seeds(seeds: impl Iterator<Item = (u64, Vocabulary)>) -> Summary {
    let seeds: Vec<_> = seeds.collect();
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((seed, vocabulary)) = usize::try_from(next.fetch_add(1, Ordering::Relaxed))
                    .ok()
                    .and_then(|index| seeds.get(index))
                {
                    let run = self::seed(*seed, *vocabulary, false);
                    let mut summary = summary.lock().expect("nobody panics while holding it");
                    summary.records += run.records;
                    summary.crashes += run.crashes;
                    summary.failed.extend(run.result.err().map(|violation| (*seed, violation)));
                }
            });
        }
    });
    let mut summary = summary.into_inner().expect("nobody panics while holding it");
    summary.failed.sort_by_key(|(seed, _)| *seed);
    summary
}

/// Runs one seed twice and compares all that was said, and every byte that is stored.
pub fn meta(number: u64) -> Result<(), Violation> {
    let run = || seed(number, Vocabulary::All, true);
    let (one, other) = (run(), run());
    let differs = one.transcript.iter().zip(&other.transcript).position(|(a, b)| a != b);
    violation::check!(
        "one-seed-one-run",
        differs.is_none() && one.transcript.len() == other.transcript.len(),
        "seed {number}: the transcripts differ from line {differs:?} on"
    );
    violation::check!("one-seed-one-run", one.rows == other.rows, "seed {number}: the stored rows differ");
    Ok(())
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "a panic without words".to_owned(),
    }
}
