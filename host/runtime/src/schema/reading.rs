//! What a value is held against: a tree of schemas, of which some hold all together and of some one does.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::keywords::under;

/// The keyword that marks a schema of a string.
pub(super) const MARK: &str = "x-holiday-sealed";

/// Keywords that say which strings may be somewhere, or lead into a value.
const HEARD: [&str; 10] = [
    MARK,
    "type",
    "enum",
    "const",
    "properties",
    "additionalProperties",
    "patternProperties",
    "items",
    "prefixItems",
    "additionalItems",
];

/// What JSON has.
const KINDS: [&str; 6] = ["array", "boolean", "null", "number", "object", "string"];

/// The schemas that a value is held against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading<'a> {
    /// The keywords of one schema, without those that lead to others for the same value.
    Own(Own<'a>),
    /// Of none at all, everything fits.
    All(Vec<Reading<'a>>),
    /// Of none at all, nothing fits.
    Any(Vec<Reading<'a>>),
}

/// A schema, told apart by where it is in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a>(pub(super) &'a Map<String, Value>);

/// A way from a value into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// A field of any name that no schema names.
    OtherFields,
    Item(usize),
    /// An item behind those that have schemas of their own.
    OtherItems,
}

/// Which strings may be at a place: those that are left open, and those that are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strings {
    pub(super) open: bool,
    pub(super) sealed: bool,
}

impl<'a> Reading<'a> {
    /// What one schema says itself; nothing, if it only refers to others.
    pub(super) fn own(schema: &'a Map<String, Value>) -> Self {
        match HEARD.iter().any(|keyword| schema.contains_key(*keyword)) {
            true => Reading::Own(Own(schema)),
            false => Reading::All(Vec::new()),
        }
    }

    pub(super) fn all(readings: Vec<Reading<'a>>) -> Self {
        let flat =
            readings.into_iter().flat_map(|it| if let Reading::All(all) = it { all } else { vec![it] });
        match <[_; 1]>::try_from(in_order(flat)) {
            Ok([one]) => one,
            Err(all) => Reading::All(all),
        }
    }

    pub(super) fn any(readings: Vec<Reading<'a>>) -> Self {
        let flat =
            readings.into_iter().flat_map(|it| if let Reading::Any(any) = it { any } else { vec![it] });
        match <[_; 1]>::try_from(in_order(flat)) {
            Ok([one]) => one,
            Err(any) => Reading::Any(any),
        }
    }

    /// How deep it is nested.
    pub(super) fn depth(&self) -> usize {
        match self {
            Reading::Own(_) => 0,
            Reading::All(several) | Reading::Any(several) => {
                1 + several.iter().map(Reading::depth).max().unwrap_or_default()
            }
        }
    }

    /// The kinds of values that may fit.
    pub(super) fn kinds(&self) -> BTreeSet<&'static str> {
        match self {
            Reading::Own(own) => own.kinds(),
            Reading::All(all) => all.iter().fold(BTreeSet::from(KINDS), |kinds, it| &kinds & &it.kinds()),
            Reading::Any(any) => any.iter().flat_map(Reading::kinds).collect(),
        }
    }

    pub(super) fn strings(&self) -> Strings {
        match self {
            Reading::Own(own) => own.strings(),
            Reading::All(all) => all.iter().map(Reading::strings).fold(Strings::ANY, Strings::and),
            Reading::Any(any) => any.iter().map(Reading::strings).fold(Strings::NONE, Strings::or),
        }
    }

    /// Whether any schema says that fields may be there which none names.
    pub(super) fn expects_other_fields(&self) -> bool {
        match self {
            Reading::Own(own) => own.expects_other_fields(),
            Reading::All(several) | Reading::Any(several) => {
                several.iter().any(Reading::expects_other_fields)
            }
        }
    }

    /// The ways into a value that any schema says something of.
    pub(super) fn steps(&self) -> BTreeSet<Step> {
        match self {
            Reading::Own(own) => own.steps(),
            Reading::All(several) | Reading::Any(several) => {
                several.iter().flat_map(Reading::steps).collect()
            }
        }
    }
}

fn in_order<'a>(readings: impl Iterator<Item = Reading<'a>>) -> Vec<Reading<'a>> {
    readings.collect::<BTreeSet<_>>().into_iter().collect()
}

impl Strings {
    /// Any string, and nobody has marked it.
    const ANY: Strings = Strings { open: true, sealed: false };
    const NONE: Strings = Strings { open: false, sealed: false };

    /// One mark suffices.
    fn and(self, other: Strings) -> Strings {
        let fits = |it: Strings| it.open || it.sealed;
        Strings {
            open: self.open && other.open,
            sealed: self.sealed && fits(other) || other.sealed && fits(self),
        }
    }

    fn or(self, other: Strings) -> Strings {
        Strings { open: self.open || other.open, sealed: self.sealed || other.sealed }
    }
}

impl<'a> Own<'a> {
    pub(super) fn is_marked(self) -> bool {
        self.0.get(MARK) == Some(&Value::Bool(true))
    }

    fn strings(self) -> Strings {
        match (self.kinds().contains("string"), self.is_marked()) {
            (false, _) => Strings::NONE,
            (true, sealed) => Strings { open: !sealed, sealed },
        }
    }

    fn kinds(self) -> BTreeSet<&'static str> {
        let named = |name: &Value| match name.as_str()? {
            "integer" => Some("number"),
            name => KINDS.into_iter().find(|kind| *kind == name),
        };
        let mut kinds = match self.0.get("type") {
            Some(Value::Array(several)) => several.iter().filter_map(named).collect(),
            Some(one) => named(one).into_iter().collect(),
            None => BTreeSet::from(KINDS),
        };
        let fixed = self.0.get("enum").and_then(Value::as_array).map(Vec::as_slice);
        for values in fixed.into_iter().chain(self.0.get("const").map(std::slice::from_ref)) {
            kinds = &kinds & &values.iter().map(kind_of).collect();
        }
        kinds
    }

    fn expects_other_fields(self) -> bool {
        let additional = self.0.get("additionalProperties");
        additional.is_some_and(|it| *it != Value::Bool(false)) || self.0.contains_key("patternProperties")
    }

    fn steps(self) -> BTreeSet<Step> {
        let names = self.0.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let mut steps: BTreeSet<Step> = names.map(|name| Step::Field(name.clone())).collect();
        steps.extend((0..self.first_items().len()).map(Step::Item));
        steps.extend(self.within(&Step::OtherFields).map(|_| Step::OtherFields));
        steps.extend(self.within(&Step::OtherItems).map(|_| Step::OtherItems));
        steps
    }

    /// What it says of the values that a step leads to; nothing, where it lets anything or nothing be there unnamed.
    pub(super) fn within(self, step: &Step) -> Option<&'a Value> {
        let says_something = |it: &&Value| it.as_object().is_some_and(|it| !it.is_empty());
        let other = |keyword: &str| self.0.get(keyword).filter(says_something);
        match step {
            Step::Field(name) => {
                let named = self.0.get("properties").and_then(|it| it.get(name));
                named.or_else(|| self.within(&Step::OtherFields))
            }
            Step::OtherFields => other("additionalProperties"),
            Step::Item(index) => {
                let first = self.first_items().get(*index).copied();
                first.or_else(|| self.within(&Step::OtherItems))
            }
            // In older drafts, `items` is a list of the first ones.
            Step::OtherItems if self.0.get("items").is_some_and(Value::is_array) => other("additionalItems"),
            Step::OtherItems => other("items"),
        }
    }

    fn first_items(self) -> Vec<&'a Value> {
        let has_list = |keyword: &&&str| self.0.get(**keyword).is_some_and(Value::is_array);
        let keyword = ["prefixItems", "items"].iter().find(has_list);
        keyword.into_iter().flat_map(|it| under(self.0, it)).collect()
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl PartialEq for Own<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Own<'_> {}

impl PartialOrd for Own<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Own<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        std::ptr::from_ref(self.0).cmp(&std::ptr::from_ref(other.0))
    }
}
