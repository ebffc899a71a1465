//! What is wrong with a body, in words for whoever sent it.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::types::JsonType;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::document::{Document, Row, quote, shorten};
use super::node::{Inspection, Rows};
use super::{MISFITS_SHOWN_MAX, SHOWN_BYTES_MAX};

/// Errors that are looked for: more than are shown, because each alternative has its own.
pub(super) const ERRORS_MAX: usize = 1_000;

/// What is wrong with a body: the first few things.
#[derive(Debug)]
pub(crate) struct Misfits {
    shown: Vec<String>,
    has_more: bool,
}

impl Misfits {
    /// Finds out why a body does not fit, which takes some more steps.
    pub(super) fn find(validator: &Validator<Rows>, document: &Document<'_>, steps: u64) -> Self {
        let inspection = Inspection::new(document, steps, ERRORS_MAX);
        let mut misfits = Misfits { shown: Vec::new(), has_more: false };
        for error in validator.iter_errors(inspection.root()) {
            misfits.add(document, &error);
        }
        misfits.has_more |= inspection.is_exhausted();
        misfits
    }

    /// Says that a body does not fit, and no more.
    pub(super) fn untold() -> Self {
        Misfits { shown: Vec::new(), has_more: true }
    }

    fn add(&mut self, document: &Document<'_>, error: &ValidationError<'_>) {
        // An error that was found when there were no steps left is not to be believed.
        if **error.instance() != Value::Bool(true) {
            return;
        }
        if let Some(branch) = meant(error) {
            branch.iter().for_each(|error| self.add(document, error));
            return;
        }
        let words = words(document, error);
        if self.shown.len() < MISFITS_SHOWN_MAX && !self.shown.contains(&words) {
            self.shown.push(words);
        } else {
            self.has_more |= !self.shown.contains(&words);
        }
    }
}

impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shown.is_empty(), self.has_more) {
            (true, _) => f.write_str("something deep in it is wrong, or too much to tell"),
            (false, false) => f.write_str(&self.shown.join("; ")),
            (false, true) => write!(f, "{}; and more", self.shown.join("; ")),
        }
    }
}

/// Says what one error is about.
fn words(document: &Document<'_>, error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;

    let (it, is) = subject(document, error.instance_path());
    match error.kind() {
        Kind::Required { property } => format!("{it} lacks the field {}", short(property)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("{it} has fields that are not known: {}", fields(unexpected))
        }
        Kind::Minimum { limit } => format!("{is}, less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{is}, not more than {limit}"),
        Kind::Maximum { limit } => format!("{is}, more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{is}, not less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{is}, not a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("{is}, shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("{is}, longer than {limit} characters"),
        Kind::Pattern { pattern } => {
            format!("{is}, which does not match '{}'", shorten(pattern.clone(), SHOWN_BYTES_MAX))
        }
        Kind::MinItems { limit } => format!("{it} has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("{it} has more than {limit} items"),
        Kind::AdditionalItems { limit } => format!("{it} has more than {limit} items"),
        Kind::UniqueItems => format!("{it} has one item twice"),
        Kind::MinProperties { limit } => format!("{it} has fewer than {limit} fields"),
        Kind::MaxProperties { limit } => format!("{it} has more than {limit} fields"),
        Kind::FalseSchema => format!("{is}, but nothing may be there"),
        Kind::OneOfMultipleValid { .. } => {
            format!("{is}, which fits several alternatives but may fit only one")
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => none_of(document, error, context),
        kind => match expectation(kind) {
            Some(expected) => format!("{is}, not {expected}"),
            None => format!("{is}, against the rule '{}'", kind.keyword()),
        },
    }
}

/// What an error is about, as `.items[3]` and as `.items[3] is 7`.
fn subject(document: &Document<'_>, place: &Location) -> (String, String) {
    let (path, row) = locate(document, place);
    let it = if path.is_empty() { "it".to_owned() } else { path };
    let value = row.map_or_else(|| "not there".to_owned(), |row| document.show(row, SHOWN_BYTES_MAX));
    let is = format!("{it} is {value}");
    (it, is)
}

/// What else a value should be; nothing for an error that is about more than that.
fn expectation(kind: &ValidationErrorKind) -> Option<String> {
    match kind {
        ValidationErrorKind::Type { kind } => Some(types(kind)),
        ValidationErrorKind::Constant { expected_value } => Some(short(expected_value)),
        ValidationErrorKind::Enum { options } => {
            Some(any(options.as_array().into_iter().flatten().map(short)))
        }
        _ => None,
    }
}

type Branch<'e> = &'e Vec<ValidationError<'static>>;

/// Of alternatives, the errors of the one that was meant: the only one that the kind of the value, or a fixed
/// field in it, does not rule out.
fn meant<'e>(error: &'e ValidationError<'_>) -> Option<Branch<'e>> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return None;
    };
    let mut possible = context.iter().filter(|branch| ruling_out(error.instance_path(), branch).is_none());
    possible.next().filter(|_| possible.next().is_none())
}

/// The error that rules an alternative out for the value at `place`.
fn ruling_out<'e>(place: &Location, branch: Branch<'e>) -> Option<&'e ValidationError<'static>> {
    branch.iter().find(|error| {
        let path = error.instance_path().as_str();
        let is_here = path == place.as_str();
        let is_field = || path.rsplit_once('/').is_some_and(|(parent, _)| parent == place.as_str());
        match error.kind() {
            ValidationErrorKind::Type { .. } => is_here,
            ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. } => is_here || is_field(),
            _ => false,
        }
    })
}

/// Says that a value fits none of several alternatives, and what they are if one sentence can.
fn none_of(
    document: &Document<'_>,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
) -> String {
    let place = error.instance_path();
    let ruling: Option<Vec<_>> = context.iter().map(|branch| ruling_out(place, branch)).collect();
    if let Some(ruling) = ruling
        && let Some(first) = ruling.first()
        && ruling.iter().all(|it| it.instance_path() == first.instance_path())
    {
        let (_, is) = subject(document, first.instance_path());
        return format!("{is}, not {}", any(ruling.iter().filter_map(|it| expectation(it.kind()))));
    }
    let all = context.iter().map(|branch| branch.iter().map(|it| words(document, it)).collect::<Vec<_>>());
    let common = all.reduce(|common, branch| common.into_iter().filter(|it| branch.contains(it)).collect());
    common.and_then(|it| it.into_iter().next()).unwrap_or_else(|| {
        let (_, is) = subject(document, place);
        format!("{is}, which fits none of {} alternatives", context.len())
    })
}

fn types(kind: &TypeKind) -> String {
    let name = |it: JsonType| match it {
        JsonType::Null => "null".to_owned(),
        JsonType::Integer | JsonType::Array | JsonType::Object => format!("an {it}"),
        JsonType::Boolean | JsonType::Number | JsonType::String => format!("a {it}"),
    };
    match kind {
        TypeKind::Single(kind) => name(*kind),
        TypeKind::Multiple(kinds) => any(kinds.iter().map(name)),
    }
}

/// `a, b or c`
fn any(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.dedup();
    let last = words.pop().unwrap_or_default();
    let text = match words.is_empty() {
        true => last,
        false => format!("{} or {last}", words.join(", ")),
    };
    shorten(text, 2 * SHOWN_BYTES_MAX)
}

fn fields(names: &[String]) -> String {
    let names = names
        .iter()
        .take(MISFITS_SHOWN_MAX)
        .map(|name| shorten(quote(name, SHOWN_BYTES_MAX), SHOWN_BYTES_MAX));
    names.collect::<Vec<_>>().join(", ")
}

fn short(value: &Value) -> String {
    shorten(value.to_string(), SHOWN_BYTES_MAX)
}

/// Finds a value: where it is, as people write it, and its row.
fn locate(document: &Document<'_>, place: &Location) -> (String, Option<u32>) {
    let mut path = String::new();
    let mut row = Some(0);
    for segment in place.segments() {
        let container = row.map(|at| (at, document.row(at)));
        row = match (container, &segment) {
            (Some((at, Row::Array(_))), LocationSegment::Index(index)) => {
                path.push_str(&format!("[{index}]"));
                document.within(at).nth(*index)
            }
            (Some((at, Row::Object(_))), segment) => {
                let name = segment.to_string();
                path.push_str(&step(&name));
                document.fields(at).filter(|(it, _)| *it == name).last().map(|(_, row)| row)
            }
            _ => None,
        };
    }
    (keep_end(path), row)
}

/// The way to a field: `.name`, or `["a name"]` for one that is more than letters.
pub(super) fn step(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-');
    match is_plain && name.len() <= SHOWN_BYTES_MAX {
        true => format!(".{name}"),
        false => format!("[{}]", shorten(quote(name, SHOWN_BYTES_MAX), SHOWN_BYTES_MAX)),
    }
}

/// Of a long path, the end tells most.
fn keep_end(path: String) -> String {
    match path.len().checked_sub(2 * SHOWN_BYTES_MAX) {
        None | Some(0) => path,
        Some(over) => format!("…{}", &path[path.ceil_char_boundary(over)..]),
    }
}
