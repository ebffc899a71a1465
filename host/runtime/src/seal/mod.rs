//! Sealed texts: what callers send in fields that a handler's schema marks, so that it never stands in clear text in a
//! record, a journal, a state or an answer.
//!
//! ```text
//! caller ─"4111…"─▶ ingress ─seal─▶ "sealed:v1:…" in input, journal, state, calls ─▶ step of a handler ─reveal─▶ "4111…"
//! ```
//!
//! Invariants:
//!
//! - A key is durable before anything is sealed with it, and so is its id in `seal.ids`: a host that lacks a key which
//!   its data needs does not start.
//! - Only the host writes what looks sealed: a caller who sends such a text where nothing is sealed is refused, because
//!   a handler may hand it to `reveal`.
//! - Nothing here shows a key or a plain text: not an error, not `Debug`.

mod key;
mod keyring;
mod looking;
mod text;

use std::path::Path;
use std::sync::Arc;

pub use key::{Key, KeyId, NotAKey};
pub use keyring::{OpenError, SealKeys};
pub(crate) use looking::{looking_sealed, looks_sealed};
pub use text::RevealError;

use crate::unique::NoRandomness;
use keyring::Keyring;

/// Why a text could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error(transparent)]
    Keyring(#[from] OpenError),
}

/// Seals texts and reveals them.
#[derive(Clone, Debug)]
pub struct Sealer {
    keyring: Arc<Keyring>,
}

impl Sealer {
    /// Takes the keys of a data directory, and draws one if there is none.
    ///
    /// Blocks. The caller has the directory for itself.
    pub fn open(data_dir: &Path, keys: SealKeys) -> Result<Self, OpenError> {
        Ok(Sealer { keyring: Arc::new(Keyring::open(data_dir, keys)?) })
    }

    /// One whose key is kept nowhere: nobody reveals what it has sealed when it is gone.
    pub fn in_memory() -> Self {
        let key = Key::draw().expect("the operating system gives random numbers");
        Sealer { keyring: Arc::new(Keyring::in_memory(key)) }
    }

    /// Seals a text, whatever it is: also one that looks sealed already. The same text is another one each time.
    ///
    /// The first time for a key in a data directory, this writes to the disk.
    pub fn seal(&self, plain: &str) -> Result<String, SealError> {
        text::seal(self.keyring.current()?, plain).map_err(SealError::from)
    }

    /// Opens a sealed text. One that does not begin as those do is returned as it is.
    pub fn reveal(&self, text: &str) -> Result<String, RevealError> {
        text::reveal(|id| self.keyring.find(id), text)
    }
}
