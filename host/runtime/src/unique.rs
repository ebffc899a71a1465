//! What nobody else can know or have: the id and the seed of a new invocation or subscription.

use holiday_core::id::{InvocationId, Seed, SubscriptionId};
use holiday_core::target::Target;

/// Fresh from the operating system's random source, for one invocation or subscription.
#[derive(Debug)]
pub struct Unique {
    id: [u8; 16],
    seed: Seed,
}

/// Says why there is no new invocation.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

impl Unique {
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut unique = Unique { id: [0; 16], seed: Seed([0; 32]) };
        getrandom::fill(&mut unique.id)?;
        getrandom::fill(&mut unique.seed.0)?;
        Ok(unique)
    }

    pub fn id(&self, target: &Target) -> InvocationId {
        InvocationId::new(target, self.id)
    }

    pub fn subscription_id(&self) -> SubscriptionId {
        SubscriptionId::from_bytes(self.id)
    }

    pub fn seed(&self) -> Seed {
        self.seed
    }
}
