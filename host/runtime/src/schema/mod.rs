//! JSON schemas of handlers: which can be used, and whether a body fits one.
//!
//! A schema comes from the author of a component and a body from a caller, and neither of them is trusted:
//!
//! - a schema refers to nothing outside itself, so nothing is fetched;
//! - a body is checked in steps that are counted, and its rows take about the memory of its text;
//! - patterns are matched in time that grows with the text and no faster;
//! - what a schema marks as sealed is sealed in every body that is admitted, and shown in no error.

mod complexity;
mod document;
mod input;
pub(crate) mod keywords;
mod misfit;
mod node;
mod reading;
mod sealed;
mod sealing;
#[cfg(test)]
mod tests;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use document::Document;
pub(crate) use document::shorten;
pub(crate) use input::{InputSchema, Rejection};
pub(crate) use misfit::Misfits;
use node::{Inspection, Rows};
use sealed::Places;
pub(crate) use sealed::has_mark;

/// Bytes of one schema; a component with a larger one is refused.
pub(crate) const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// Schemas that all the values of a body together are held against, each kind of value counted once and each
/// way to a schema by itself.
pub(crate) const SCHEMA_CHECKS_MAX: usize = 100_000;

/// Schemas that one value is held against, each within the one before: alternatives of alternatives, references
/// to references.
pub(crate) const SCHEMA_DEPTH_MAX: usize = 64;

/// How deep a body may be, times how deep its schema is: what it takes of the stack to check it.
pub(crate) const CHECK_FRAMES_MAX: usize = 2_048;

/// The same for telling what is wrong with it, which takes more.
pub(crate) const TELL_FRAMES_MAX: usize = 448;

/// Steps that checking one body may take, about ten nanoseconds each.
pub(crate) const CHECK_STEPS_MAX: u64 = 100_000_000;

/// Things wrong with one body that its sender is told.
pub(crate) const MISFITS_SHOWN_MAX: usize = 5;

/// Bytes of a value, of a name or of a place in a body that its sender is told.
pub(crate) const SHOWN_BYTES_MAX: usize = 80;

/// Bytes of the compiled form of one pattern.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A schema that bodies can be checked with.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator<Rows>,
    /// Schemas that one value is held against, each within the one before.
    depth: usize,
}

/// Why a schema cannot be used, to be read after "the schema".
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("is not an object or a boolean")]
    NotASchema,
    #[error("has {bytes} bytes, more than {SCHEMA_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error(
        "refers to '{reference}', which is not in it; define that under '$defs' and refer to '#/$defs/…'"
    )]
    RefersOutside { reference: String },
    #[error(
        "has the keyword '{keyword}' within it, which the host does not follow; use '$ref' and '#/$defs/…'"
    )]
    NotFollowed { keyword: &'static str },
    #[error("has too many alternatives within alternatives; a body may be held against {SCHEMA_CHECKS_MAX}")]
    TooManyChecks,
    #[error("holds one value against more than {SCHEMA_DEPTH_MAX} schemas, each within the one before")]
    TooDeep,
    #[error("is invalid at '{at}': {reason}")]
    Invalid { at: String, reason: String },
    #[error("marks {at} with 'x-holiday-sealed', but {why}")]
    UnclearMark { at: String, why: String },
    #[error("has too many ways to what it marks with 'x-holiday-sealed'; mark it in fewer alternatives")]
    TooTangled,
}

/// What checking a body has shown.
#[derive(Debug)]
enum Verdict {
    Fits,
    NotJson(serde_json::Error),
    Misfits(Misfits),
    /// The body is deeper than one may be that is checked with this schema.
    TooDeep {
        levels: usize,
        max: usize,
    },
    /// The steps did not suffice.
    Undecided,
}

impl Schema {
    /// Reads and compiles a schema.
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaError> {
        Schema::of(&read(text)?)
    }

    fn of(schema: &Value) -> Result<Self, SchemaError> {
        let depth = complexity::depth(schema)?.max(1);
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options_for::<Rows>().offline().with_pattern_options(patterns);
        let validator = options.build(schema).map_err(|error| invalid(&error))?;
        Ok(Schema { validator, depth })
    }

    /// Whether a body may be `null`.
    pub(crate) fn takes_null(&self) -> bool {
        matches!(self.check("null", CHECK_STEPS_MAX, None), Verdict::Fits)
    }

    /// Checks a body, in no more than `steps` steps. Values at the hidden places are not shown.
    fn check(&self, body: &str, steps: u64, hidden: Option<&Places>) -> Verdict {
        let mut document = match Document::parse(body) {
            Ok(document) => document,
            Err(error) => return Verdict::NotJson(error),
        };
        let (levels, max) = (document.levels(), CHECK_FRAMES_MAX / self.depth);
        if levels > max {
            return Verdict::TooDeep { levels, max };
        }
        let inspection = Inspection::new(&document, steps, 0);
        match self.validator.is_valid(inspection.root()) {
            _ if inspection.is_exhausted() => Verdict::Undecided,
            true => Verdict::Fits,
            false if levels > TELL_FRAMES_MAX / self.depth => Verdict::Misfits(Misfits::untold()),
            false => {
                let rows = hidden.map(|places| places.rows(&document));
                document.hide(rows.unwrap_or_default());
                Verdict::Misfits(Misfits::find(&self.validator, &document, steps))
            }
        }
    }
}

fn invalid(error: &ValidationError<'_>) -> SchemaError {
    let hint = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            " that is matched in one go, without looking around or back"
        }
        _ => "",
    };
    SchemaError::Invalid {
        at: shorten(error.instance_path().to_string(), SHOWN_BYTES_MAX),
        reason: shorten(error.to_string(), 2 * SHOWN_BYTES_MAX) + hint,
    }
}

/// Reads a schema that is not too large.
fn read(text: &str) -> Result<Value, SchemaError> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(SchemaError::TooLarge { bytes: text.len() });
    }
    match serde_json::from_str(text) {
        Ok(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(schema),
        Ok(_) => Err(SchemaError::NotASchema),
        Err(error) => Err(SchemaError::NotJson(error)),
    }
}
