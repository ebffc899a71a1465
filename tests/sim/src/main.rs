//! Runs the simulation from the command line.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use holiday_sim::{Vocabulary, every_crash, storms};

/// The seeded simulation of the core of holiday-host.
#[derive(Debug, Parser)]
#[command(name = "holiday-sim")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one seed twice: the transcripts and the stored bytes have to be equal.
    Meta {
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Debug, Args)]
struct What {
    /// Run this seed only.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Leave subscriptions out, as seeds of before had none.
    #[arg(long)]
    calls: bool,
    /// Run so many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of the seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Crash the fixed scenarios at every moment.
    #[arg(long)]
    every_crash: bool,
    /// Print the transcript of the seed also if nothing fails.
    #[arg(long)]
    transcript: bool,
}

/// Seeds that run if nothing else is asked for.
const SEEDS: u64 = 200;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic is reported as a failed check, with its message.
    std::panic::set_hook(Box::new(|_| {}));
    let vocabulary = if cli.what.calls { Vocabulary::Calls } else { Vocabulary::All };
    let holds = match (cli.command, &cli.what) {
        (Some(Command::Meta { seed }), _) => meta(seed),
        (None, What { seed: Some(seed), transcript, .. }) => one(*seed, vocabulary, *transcript),
        (None, What { every_crash: true, seeds: None, .. }) => crashes(),
        (None, What { every_crash: true, seeds: Some(count), from, .. }) => {
            crashes() && many(*from, *count, vocabulary)
        }
        (None, What { seeds, from, .. }) => many(*from, seeds.unwrap_or(SEEDS), vocabulary),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64, vocabulary: Vocabulary, is_transcript_wanted: bool) -> bool {
    let run = holiday_sim::seed(seed, vocabulary, true);
    if is_transcript_wanted || run.result.is_err() {
        run.transcript.iter().for_each(|line| println!("{line}"));
    }
    match &run.result {
        Ok(()) => println!("seed {seed} holds: {} records, {} crashes", run.records, run.crashes),
        Err(violation) => println!("seed {seed} FAILED {violation}"),
    }
    run.result.is_ok()
}

fn many(from: u64, count: u64, vocabulary: Vocabulary) -> bool {
    let began = Instant::now();
    let summary = holiday_sim::seeds((from..from + count).map(|seed| (seed, vocabulary)));
    if let Some((seed, _)) = summary.failed.first() {
        one(*seed, vocabulary, true);
        println!();
    }
    for (seed, violation) in &summary.failed {
        println!("seed {seed} FAILED {violation}");
    }
    println!(
        "{} of {count} seeds hold: {} records, {} crashes, {:.1} s",
        count - summary.failed.len() as u64,
        summary.records,
        summary.crashes,
        began.elapsed().as_secs_f64()
    );
    summary.failed.is_empty()
}

fn crashes() -> bool {
    every_crash() && every_storm()
}

fn every_storm() -> bool {
    for stopped in storms::all() {
        match storms::run(&stopped, 1) {
            Ok(tried) => println!(
                "'{}' holds, after each of {} records, in {} crashes",
                stopped.name, tried.records, tried.crashes
            ),
            Err(failed) => {
                storms::transcript(&stopped, &failed).iter().for_each(|line| println!("{line}"));
                println!(
                    "'{}' FAILED, stopped after record {}, crashed at moment {}: {}",
                    stopped.name,
                    failed.at.unwrap_or(0),
                    failed.moment.unwrap_or(0),
                    failed.violation
                );
                return false;
            }
        }
    }
    true
}

fn every_crash() -> bool {
    for scenario in every_crash::scenarios() {
        match every_crash::run(&scenario) {
            Ok(moments) => println!("'{}' holds, crashed at each of {moments} moments", scenario.name),
            Err(failed) => {
                let moment = failed.moment.unwrap_or(0);
                every_crash::transcript(&scenario, moment).iter().for_each(|line| println!("{line}"));
                println!("'{}' FAILED, crashed at moment {moment}: {}", scenario.name, failed.violation);
                return false;
            }
        }
    }
    true
}

fn meta(seed: u64) -> bool {
    match holiday_sim::meta(seed) {
        Ok(()) => println!("seed {seed} is one run"),
        Err(violation) => {
            println!("FAILED {violation}");
            return false;
        }
    }
    true
}
