//! WASI as a function of the journal: frozen clocks, seeded randomness, no files, no sockets.
//!
//! - Both clocks stand at the last journal entry the guest was told, inside a `run` closure too.
//! - Random numbers come from the invocation's seed, which the guest can also read as it is. The streams
//!   here are the host's own: nothing the SDK draws from the same seed is equal to them.
//! - There are no preopened directories, no arguments, no sockets; standard input is empty. The environment
//!   is what the operator configured.
//! - To wait for time to pass (`thread::sleep`, a timeout) is possible inside `run`, where it takes real time
//!   and can serve as the timeout of a request. Elsewhere it is refused: it would keep the instance and be
//!   lost in a crash, which `ctx.sleep` is not.

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, async_trait};

use super::config::GuestConfig;
use super::limits;
use super::mirror::Mirror;
use super::output::Output;
use super::sandbox::Sandbox;
use super::stop::Stop;

/// The streams of random numbers the host draws from an invocation's seed.
const RANDOM_STREAM: u64 = u64::from_be_bytes(*b"wasi/rnd");
const INSECURE_STREAM: u64 = u64::from_be_bytes(*b"wasi/ins");
const INSECURE_SEED_STREAM: u64 = u64::from_be_bytes(*b"wasi/sed");

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Makes the WASI side of one sandbox.
pub(super) fn context(
    config: &GuestConfig,
    seed: [u8; 32],
    mirror: &Arc<Mirror>,
    stdout: Output,
    stderr: Output,
) -> WasiCtx {
    let mut insecure_seed = [0; 16];
    random(seed, INSECURE_SEED_STREAM).fill_bytes(&mut insecure_seed);
    let mut builder = WasiCtxBuilder::new();
    for (name, value) in &config.env {
        builder.env(name, value.expose());
    }
    builder
        .stdout(stdout)
        .stderr(stderr)
        .wall_clock(JournalClock(Arc::clone(mirror)))
        .monotonic_clock(JournalClock(Arc::clone(mirror)))
        .secure_random(random(seed, RANDOM_STREAM))
        .insecure_random(random(seed, INSECURE_STREAM))
        .insecure_random_seed(u128::from_le_bytes(insecure_seed))
        .max_random_size(limits::RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Gives WASI to components, with the monotonic clock replaced.
pub(super) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<Sandbox, Clock>(linker, Sandbox::clock)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn random(seed: [u8; 32], stream: u64) -> ChaCha20Rng {
    let mut random = ChaCha20Rng::from_seed(seed);
    random.set_stream(stream);
    random
}

/// Reads as the time of the last journal entry the guest was told.
struct JournalClock(Arc<Mirror>);

impl HostWallClock for JournalClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms())
    }
}

impl HostMonotonicClock for JournalClock {
    fn resolution(&self) -> u64 {
        NANOS_PER_MILLI
    }

    fn now(&self) -> u64 {
        self.0.now_ms().saturating_mul(NANOS_PER_MILLI)
    }
}

struct Clock;

impl HasData for Clock {
    type Data<'a> = ClockView<'a>;
}

pub(super) struct ClockView<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) table: &'a mut ResourceTable,
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.mirror.now_ms().saturating_mul(NANOS_PER_MILLI))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(NANOS_PER_MILLI)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.now()?;
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        if nanos > 0 && !self.mirror.is_executing_a_run() {
            return Err(Stop::misuse(
                "the handler waits for time to pass outside run(...), which a crash would undo; use the sleep \
                 of its context, which is durable",
            ));
        }
        let timer = self.table.push(Timer(tokio::time::Instant::now() + Duration::from_nanos(nanos)))?;
        wasmtime_wasi::p2::subscribe(self.table, timer)
    }
}

struct Timer(tokio::time::Instant);

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        tokio::time::sleep_until(self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_differ_and_repeat() {
        let draw = |stream| random([7; 32], stream).next_u64();
        assert_eq!(draw(RANDOM_STREAM), draw(RANDOM_STREAM));
        assert_ne!(draw(RANDOM_STREAM), draw(INSECURE_STREAM));
        assert_ne!(draw(RANDOM_STREAM), draw(INSECURE_SEED_STREAM));
        assert_ne!(draw(RANDOM_STREAM), draw(0));
    }
}
