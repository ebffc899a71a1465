//! Identifiers. A text id carries its kind as a prefix: `inv_…`, `dp_…`, `awk_…`.
//!
//! Invariant: text and bytes convert into each other without loss, and no other text parses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::subscription::RecordOrigin;
use crate::target::Target;

/// The position of a record in the log, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    pub const ZERO: Seq = Seq(0);

    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// The index of a command in its journal, counted from 0 in the order the handler asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryIndex(pub u32);

/// The position of a notification in its journal, counted from 0 in the order the world answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position(pub u32);

/// One durable call: 8 bytes from the hash of its target key, 16 bytes of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvocationId([u8; 24]);

impl InvocationId {
    /// Makes an id for `target`; `unique` is random, or derived from random bytes.
    ///
    /// The prefix is equal for all invocations of one object key. For a plain service it comes from
    /// `unique`, so that its invocations spread.
    pub fn new(target: &Target, unique: [u8; 16]) -> Self {
        let mut hash = Sha256::new();
        match &target.key {
            Some(key) => {
                hash.update((target.service.len() as u64).to_be_bytes());
                hash.update(target.service.as_bytes());
                hash.update(key.as_bytes());
            }
            None => hash.update(unique),
        }
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&hash.finalize()[..8]);
        bytes[8..].copy_from_slice(&unique);
        InvocationId(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        InvocationId(bytes)
    }
}

/// The SHA-256 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One immutable component: the first 16 bytes of its digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId([u8; 16]);

impl DeploymentId {
    pub fn of(digest: &Digest) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.0[..16]);
        DeploymentId(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        DeploymentId(bytes)
    }
}

/// A subscription; the bytes are random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubscriptionId([u8; 16]);

impl SubscriptionId {
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        SubscriptionId(bytes)
    }
}

/// One execution of an invocation. Events of any but the latest attempt are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub invocation: InvocationId,
    /// Counted from 1.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.invocation, self.number)
    }
}

/// An awakeable: the invocation that waits and the command that created it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AwakeableId {
    pub invocation: InvocationId,
    pub index: EntryIndex,
}

/// Says why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {kind} id: it should be '{prefix}' and {length} base58 characters or so")]
pub struct MalformedId {
    pub text: String,
    pub kind: &'static str,
    pub prefix: &'static str,
    pub length: usize,
}

macro_rules! text_id {
    ($type:ty, $prefix:literal, $kind:literal, $size:literal, $length:literal, $to:expr, $from:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let to: fn(&$type) -> [u8; $size] = $to;
                f.write_str($prefix)?;
                f.write_str(&bs58::encode(to(self)).into_string())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let from: fn([u8; $size]) -> $type = $from;
                let mut bytes = [0; $size];
                text.strip_prefix($prefix)
                    .and_then(|rest| bs58::decode(rest).onto(&mut bytes).ok())
                    .filter(|decoded| *decoded == $size)
                    .map(|_| from(bytes))
                    .ok_or_else(|| MalformedId {
                        text: text.to_owned(),
                        kind: $kind,
                        prefix: $prefix,
                        length: $length,
                    })
            }
        }
    };
}

text_id!(InvocationId, "inv_", "an invocation", 24, 32, |id| id.0, InvocationId);
text_id!(DeploymentId, "dp_", "a deployment", 16, 22, |id| id.0, DeploymentId);
text_id!(SubscriptionId, "sub_", "a subscription", 16, 22, |id| id.0, SubscriptionId);
text_id!(AwakeableId, "awk_", "an awakeable", 28, 38, awakeable_bytes, awakeable_from_bytes);

fn awakeable_bytes(id: &AwakeableId) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..24].copy_from_slice(&id.invocation.0);
    bytes[24..].copy_from_slice(&id.index.0.to_be_bytes());
    bytes
}

fn awakeable_from_bytes(bytes: [u8; 28]) -> AwakeableId {
    let mut invocation = [0; 24];
    invocation.copy_from_slice(&bytes[..24]);
    let mut index = [0; 4];
    index.copy_from_slice(&bytes[24..]);
    AwakeableId { invocation: InvocationId(invocation), index: EntryIndex(u32::from_be_bytes(index)) }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The secret of an invocation: 256 bits from the operating system, or derived from its caller's.
///
/// Everything that must be unguessable yet the same in every attempt comes from it: the guest's random
/// numbers, and the ids and seeds of what the invocation calls.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// The seed a guest sees as its source of randomness.
    pub fn for_guest(&self) -> [u8; 32] {
        self.derive(b"guest", EntryIndex(0))
    }

    /// The seed of the invocation that command `index` creates.
    pub fn child(&self, index: EntryIndex) -> Seed {
        Seed(self.derive(b"child seed", index))
    }

    /// The id of the invocation that command `index` creates.
    pub fn child_id(&self, index: EntryIndex, target: &Target) -> InvocationId {
        let mut unique = [0; 16];
        unique.copy_from_slice(&self.derive(b"child id", index)[..16]);
        InvocationId::new(target, unique)
    }

    /// The seed, and the unique part of the id, of the invocation that a record becomes: the same whenever the same
    /// reading of the record is handled for the same time.
    pub fn for_record(&self, origin: &RecordOrigin) -> (Seed, [u8; 16]) {
        let mut record = Vec::with_capacity(20);
        record.extend_from_slice(&origin.partition.0.to_be_bytes());
        record.extend_from_slice(&origin.offset.0.to_be_bytes());
        record.extend_from_slice(&origin.generation.to_be_bytes());
        record.extend_from_slice(&origin.failures.to_be_bytes());
        let seed = self.derive_from(b"record seed", &record);
        let mut unique = [0; 16];
        unique.copy_from_slice(&self.derive_from(b"record id", &record)[..16]);
        (Seed(seed), unique)
    }

    fn derive(&self, purpose: &[u8], index: EntryIndex) -> [u8; 32] {
        self.derive_from(purpose, &index.0.to_be_bytes())
    }

    fn derive_from(&self, purpose: &[u8], what: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(purpose);
        hash.update(what);
        hash.finalize().into()
    }
}

impl fmt::Debug for Seed {
    /// Hides the value: whoever knows it can predict the guest's random numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_way_through_text() {
        let invocation = InvocationId::new(&Target::keyed("cart", "ann", "add"), [7; 16]);
        let awakeable = AwakeableId { invocation, index: EntryIndex(3) };
        let deployment = DeploymentId::of(&Digest::of(b"component"));
        assert_eq!(invocation.to_string().parse(), Ok(invocation));
        assert_eq!(awakeable.to_string().parse(), Ok(awakeable));
        assert_eq!(deployment.to_string().parse(), Ok(deployment));
        let subscription = SubscriptionId::from_bytes([9; 16]);
        assert_eq!(subscription.to_string().parse(), Ok(subscription));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "inv_", "inv_0OIl", "dp_11111", "inv_111"] {
            assert!(text.parse::<InvocationId>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_key_gives_one_prefix() {
        let add = InvocationId::new(&Target::keyed("cart", "ann", "add"), [1; 16]);
        let pay = InvocationId::new(&Target::keyed("cart", "ann", "pay"), [2; 16]);
        let bob = InvocationId::new(&Target::keyed("cart", "bob", "add"), [1; 16]);
        assert_eq!(add.as_bytes()[..8], pay.as_bytes()[..8]);
        assert_ne!(add.as_bytes()[..8], bob.as_bytes()[..8]);
    }
}
