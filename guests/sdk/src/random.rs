//! Random numbers that are the same in every attempt.

use std::cell::RefCell;
use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::{backend, operations};

/// The seed is the invocation's own, and the host derives numbers from it too: this stream is ours.
const STREAM: u64 = u64::from_be_bytes(*b"sdk/rand");

thread_local! {
    static GENERATOR: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// A source of random numbers for handlers, made by [`Context::random`](crate::Context::random).
///
/// It is drawn from the invocation's seed: unguessable outside, the same in every attempt. It is the
/// [`rand_core::RngCore`] of rand 0.9, so all of that crate works on it.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error};
/// use holiday_sdk::rand_core::RngCore;
///
/// async fn dice(ctx: Context) -> Result<u32, Error> {
///     Ok(ctx.random().next_u32() % 6 + 1)
/// }
/// ```
pub struct Random(());

impl Random {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Draws a version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.fill_bytes(&mut bytes);
        uuid_text(bytes)
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        with_generator(RngCore::next_u32)
    }

    fn next_u64(&mut self) -> u64 {
        with_generator(RngCore::next_u64)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        with_generator(|generator| generator.fill_bytes(bytes));
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

fn with_generator<R>(draw: impl FnOnce(&mut ChaCha20Rng) -> R) -> R {
    operations::assert_outside_run("a random number");
    GENERATOR.with_borrow_mut(|generator| draw(generator.get_or_insert_with(seeded)))
}

fn seeded() -> ChaCha20Rng {
    let seed = backend::random_seed().try_into().expect("the host gives a seed of 32 bytes");
    let mut generator = ChaCha20Rng::from_seed(seed);
    generator.set_stream(STREAM);
    generator
}

/// Writes 128 random bits as a version 4 UUID.
fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_its_version_and_variant() {
        assert_eq!(uuid_text([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid_text([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn the_numbers_follow_from_the_seed() {
        assert_eq!(
            Random::new().uuid(),
            std::thread::spawn(|| Random::new().uuid()).join().expect("it drew")
        );
    }
}
