//! Everything that could differ between two attempts, if the host let it.

use std::collections::HashSet;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use holiday_sdk::rand_core::RngCore;
use holiday_sdk::{Context, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the attempt that returns has seen, and what the journal says that the first one to come there saw.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Samples {
    seen: Vec<Sample>,
    recorded: Vec<Sample>,
}

impl Samples {
    pub(crate) fn new() -> Self {
        Samples { seen: Vec::new(), recorded: Vec::new() }
    }

    /// Takes a sample outside of a step, and has a step record it.
    pub(crate) async fn take(&mut self, ctx: Context) -> Result<(), Error> {
        let sample = sample(ctx)?;
        self.recorded.push(ctx.run("record", async || Ok(sample.clone())).await?);
        self.seen.push(sample);
        Ok(())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Sample {
    wall_clock_ms: u64,
    monotonic_elapsed_ns: u64,
    hash_order: Vec<u32>,
    wasi_random: u64,
    sdk_random: u64,
    uuid: String,
}

fn sample(ctx: Context) -> Result<Sample, Error> {
    let started = Instant::now();
    let numbers: HashSet<String> = (0..20).map(|n| n.to_string()).collect();
    let hash_order = numbers.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::terminal(error.to_string()))?;
    Ok(Sample {
        wall_clock_ms: u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
        monotonic_elapsed_ns: u64::try_from(started.elapsed().as_nanos())?,
        hash_order,
        wasi_random: u64::from_le_bytes(bytes),
        sdk_random: ctx.random().next_u64(),
        uuid: ctx.uuid(),
    })
}
