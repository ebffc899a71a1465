//! How a body becomes an input: it fits the schema of its handler, and what is to be sealed is sealed.
//!
//! Whoever takes inputs in from outside goes this way, so that nothing is recorded which was not checked, or which is
//! in clear text and should not be.

use std::str::Utf8Error;

use bytes::Bytes;
use holiday_core::limits::PAYLOAD_BYTES_MAX;

use super::sealed::Places;
use super::sealing::{self, Unsealed};
use super::{Misfits, Schema, SchemaError, Verdict, read};
use crate::seal::{SealError, Sealer};

/// The schema of a handler's input.
#[derive(Debug)]
pub(crate) struct InputSchema {
    schema: Schema,
    /// What it marks as sealed.
    sealed: Option<Places>,
}

/// Why a body is not an input.
#[derive(Debug)]
pub(crate) enum Rejection {
    NotUtf8(Utf8Error),
    NotJson(serde_json::Error),
    Misfits(Misfits),
    /// The body is deeper than one may be that is checked with this schema.
    TooDeep {
        levels: usize,
        max: usize,
    },
    /// The steps did not suffice.
    Undecided,
    /// A field in which something is sealed is there twice; only one of them was checked.
    Twice {
        name: String,
    },
    TooManySealed {
        max: usize,
    },
    /// Sealed texts are longer than what callers send.
    TooLarge {
        max: usize,
    },
    NotSealed(SealError),
}

impl InputSchema {
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaError> {
        let schema = read(text)?;
        Ok(InputSchema { schema: Schema::of(&schema)?, sealed: Places::find(&schema)? })
    }

    /// Whether it marks something as sealed.
    pub(crate) fn seals(&self) -> bool {
        self.sealed.is_some()
    }

    /// Checks a body, in no more than `steps` steps, and seals what is to be sealed, whatever it looks like.
    pub(crate) fn admit(&self, body: &Bytes, steps: u64, sealer: &Sealer) -> Result<Bytes, Rejection> {
        let text = std::str::from_utf8(body).map_err(Rejection::NotUtf8)?;
        match self.schema.check(text, steps, self.sealed.as_ref()) {
            Verdict::Fits => {}
            Verdict::NotJson(error) => return Err(Rejection::NotJson(error)),
            Verdict::Misfits(misfits) => return Err(Rejection::Misfits(misfits)),
            Verdict::TooDeep { levels, max } => return Err(Rejection::TooDeep { levels, max }),
            Verdict::Undecided => return Err(Rejection::Undecided),
        }
        let Some(places) = &self.sealed else { return Ok(body.clone()) };
        let unsealed = sealing::find(places, text)?;
        if unsealed.is_empty() {
            return Ok(body.clone());
        }
        seal(text, unsealed, sealer).map(Bytes::from)
    }
}

/// Writes the text with sealed texts in their places.
fn seal(text: &str, unsealed: Vec<Unsealed>, sealer: &Sealer) -> Result<String, Rejection> {
    let (mut sealed, mut at) = (String::new(), 0);
    for Unsealed { place, plain } in unsealed {
        sealed.push_str(&text[at..place.start]);
        sealed.push('"');
        sealed.push_str(&sealer.seal(&plain).map_err(Rejection::NotSealed)?);
        sealed.push('"');
        at = place.end;
        if sealed.len() > PAYLOAD_BYTES_MAX {
            break;
        }
    }
    sealed.push_str(&text[at..]);
    match sealed.len() <= PAYLOAD_BYTES_MAX {
        true => Ok(sealed),
        false => Err(Rejection::TooLarge { max: PAYLOAD_BYTES_MAX }),
    }
}
