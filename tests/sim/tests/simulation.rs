//! The simulation as a test: some seeds, those that once failed, every crash, and the simulation itself.

use holiday_sim::{Vocabulary, every_crash, storms};

/// Enough to find what is broken plainly; `holiday-sim --seeds` runs more.
const SEEDS: u64 = 200;

/// How far apart the moments are at which a stopped trip is crashed.
const STRIDE: usize = 40;

fn check(seeds: impl Iterator<Item = (u64, Vocabulary)>) {
    let failed = holiday_sim::seeds(seeds).failed;
    if let Some((seed, violation)) = failed.first() {
        panic!("{violation}\nsee: cargo run -p holiday-sim -- --seed {seed}");
    }
}

#[test]
fn seeds_hold() {
    check((0..SEEDS).map(|seed| (seed, Vocabulary::All)));
}

#[test]
fn seeds_that_once_failed_hold() {
    let lines = include_str!("../seeds.txt").lines();
    check(lines.filter_map(seed_of));
}

/// Reads `NUMBER # why`, or `NUMBER calls # why` for one that had no subscriptions.
fn seed_of(line: &str) -> Option<(u64, Vocabulary)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let number = words.next()?.parse().expect("seeds.txt has a number on each line");
    let vocabulary = match words.next() {
        Some("calls") => Vocabulary::Calls,
        Some(other) => panic!("'{other}' is no vocabulary"),
        None => Vocabulary::All,
    };
    Some((number, vocabulary))
}

#[test]
fn a_crash_at_any_moment_changes_nothing() {
    for scenario in every_crash::scenarios() {
        if let Err(failed) = every_crash::run(&scenario) {
            panic!("'{}' crashed at moment {:?}: {}", scenario.name, failed.moment, failed.violation);
        }
    }
}

/// Not at every moment: `holiday-sim --every-crash` does that.
#[test]
fn a_trip_that_is_stopped_anywhere_is_compensated() {
    for stopped in storms::all() {
        if let Err(failed) = storms::run(&stopped, STRIDE) {
            let (at, moment) = (failed.at, failed.moment);
            panic!("'{}' stopped at {at:?}, crashed at {moment:?}: {}", stopped.name, failed.violation);
        }
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2, 3] {
        holiday_sim::meta(seed).expect("the same seed gives the same run");
    }
}
