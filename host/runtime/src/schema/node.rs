//! How the validator reads a [`Document`]: step by step, until it has taken all it may.
//!
//! The validator knows no bound. So each value it looks at is a step, and when the steps are used up, every
//! container seems to be empty: it comes to an end soon, with a verdict that nobody is to believe.
//! [`Inspection::is_exhausted`] tells.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;

use jsonschema::JsonType;
use jsonschema::json::{self, Json, NodeIdentity};
use serde_json::{Number, Value};

use super::document::{Document, Row};

/// Bytes of a string that are looked at in one step.
const BYTES_PER_STEP: usize = 16;

/// What it takes to compare one value with many others.
const STEPS_PER_COMPARED_VALUE: u64 = 1_000;

/// The representation of JSON that validators are compiled for.
#[derive(Debug)]
pub(super) struct Rows;

/// A document that is being checked.
#[derive(Debug)]
pub(super) struct Inspection<'a> {
    document: &'a Document<'a>,
    steps_left: Cell<u64>,
    /// Errors are values, too, and there can be as many as values.
    errors_left: Cell<usize>,
}

impl<'a> Inspection<'a> {
    pub(super) fn new(document: &'a Document<'a>, steps: u64, errors: usize) -> Self {
        Inspection { document, steps_left: Cell::new(steps), errors_left: Cell::new(errors) }
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node::Row { inspection: self, at: 0 }
    }

    /// Whether the validator did not see everything.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left.get() == 0
    }

    /// Takes steps; `false` when they are used up.
    fn step(&self, steps: u64) -> bool {
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
        !self.is_exhausted()
    }
}

/// One value for the validator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    Row {
        inspection: &'a Inspection<'a>,
        at: u32,
    },
    /// The name of a field, which is a value for `propertyNames`.
    Name(&'a str),
}

impl Json for Rows {
    type Node<'a> = Node<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    // A lookup reads all names, so one pass over them is better than two lookups.
    const KEYS_PER_LOOKUP: usize = 16;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Node<'_>) -> T) -> T {
        f(Node::Name(string))
    }
}

impl<'a> Node<'a> {
    fn row(self) -> Option<&'a Row> {
        match self {
            Node::Row { inspection, at } => {
                inspection.step(1);
                Some(inspection.document.row(at))
            }
            Node::Name(_) => None,
        }
    }

    fn string(self) -> Option<&'a str> {
        match self {
            Node::Row { inspection, at } => {
                let string = inspection.document.string(at);
                inspection.step(1 + string.map_or(0, |it| it.len() / BYTES_PER_STEP) as u64);
                string
            }
            Node::Name(name) => Some(name),
        }
    }

    fn contents(self, row: impl FnOnce(&Row) -> Option<u32>) -> Option<Contents<'a>> {
        let Node::Row { inspection, at } = self else { return None };
        let count = row(self.row()?)?;
        Some(Contents { inspection, at, count })
    }
}

impl<'a> json::Node<'a, Rows> for Node<'a> {
    type Object = Contents<'a>;
    type Array = Contents<'a>;
    type Number = Number;

    fn as_object(&self) -> Option<Contents<'a>> {
        self.contents(|row| if let Row::Object(extent) = row { Some(extent.count) } else { None })
    }

    fn as_array(&self) -> Option<Contents<'a>> {
        self.contents(|row| if let Row::Array(extent) = row { Some(extent.count) } else { None })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.string().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<Number> {
        match self.row()? {
            Row::Unsigned(value) => Some((*value).into()),
            Row::Signed(value) => Some((*value).into()),
            Row::Float(value) => Number::from_f64(*value),
            Row::Null | Row::Bool(_) | Row::Text(_) | Row::Unescaped(_) | Row::Array(_) | Row::Object(_) => {
                None
            }
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.row()? {
            Row::Bool(value) => Some(*value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.row(), Some(Row::Null))
    }

    fn json_type(&self) -> JsonType {
        match self.row() {
            Some(Row::Null) => JsonType::Null,
            Some(Row::Bool(_)) => JsonType::Boolean,
            Some(Row::Unsigned(_) | Row::Signed(_) | Row::Float(_)) => JsonType::Number,
            Some(Row::Array(_)) => JsonType::Array,
            Some(Row::Object(_)) => JsonType::Object,
            Some(Row::Text(_) | Row::Unescaped(_)) | None => JsonType::String,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.as_array(), self.as_object(), expected) {
            (Some(items), _, Value::Array(expected)) => {
                json::Array::len(&items) == expected.len()
                    && json::Array::elements(&items)
                        .zip(expected)
                        .all(|(it, expected)| it.equals_value(expected))
            }
            (_, Some(fields), Value::Object(expected)) => {
                json::Object::len(&fields) == expected.len()
                    && expected.iter().all(|(name, expected)| {
                        json::Object::get(&fields, name).is_some_and(|it| it.equals_value(expected))
                    })
            }
            (Some(_), ..) | (_, Some(_), _) => false,
            (None, None, expected) => match (self.string(), self.as_number(), expected) {
                (Some(string), _, Value::String(expected)) => string == expected,
                (_, Some(number), Value::Number(_)) => json::cmp::equal(&Value::Number(number), expected),
                (None, None, Value::Bool(expected)) => self.as_boolean() == Some(*expected),
                (None, None, Value::Null) => self.is_null(),
                _ => false,
            },
        }
    }

    /// What an error says about its value: whether it can be believed. The value itself is found by its path.
    fn to_value(&self) -> Cow<'a, Value> {
        let Node::Row { inspection, .. } = self else { return Cow::Owned(Value::Bool(true)) };
        match inspection.errors_left.get().checked_sub(1) {
            Some(left) => inspection.errors_left.set(left),
            None => inspection.steps_left.set(0),
        }
        Cow::Owned(Value::Bool(!inspection.is_exhausted()))
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match self {
            Node::Row { inspection, at } => {
                inspection.step(1);
                NodeIdentity::tagged(std::ptr::from_ref(inspection.document) as usize, *at)
            }
            // Names hold no values, so there is one at a time, and it is no document.
            Node::Name(name) => NodeIdentity::tagged(name.as_ptr() as usize, u32::MAX),
        })
    }
}

/// The items of an array, or the fields of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'a> {
    inspection: &'a Inspection<'a>,
    at: u32,
    count: u32,
}

impl<'a> Contents<'a> {
    fn node(self, at: u32) -> Node<'a> {
        Node::Row { inspection: self.inspection, at }
    }

    /// Takes a step to a row of the container; `false` behind its last one, and when there are no steps.
    fn reaches(self, at: u32) -> bool {
        at < self.inspection.document.after(self.at) && self.inspection.step(1)
    }
}

impl<'a> json::Array<'a, Rows> for Contents<'a> {
    type Node = Node<'a>;
    type ElementsIter = Items<'a>;

    fn len(&self) -> usize {
        self.count as usize
    }

    fn elements(&self) -> Items<'a> {
        Items { array: *self, next: self.at + 1 }
    }

    fn is_unique(&self) -> bool {
        let document = self.inspection.document;
        let mut seen = BTreeSet::new();
        let mut others = Vec::new();
        let items = document.within(self.at).take_while(|at| self.reaches(*at));
        for at in items {
            let is_new = match Scalar::at(document, at) {
                Some(scalar) => seen.insert(scalar),
                None => {
                    // Containers, and the rare number that is more than it seems.
                    let values = u64::from(document.after(at) - at);
                    if !self.inspection.step(values.saturating_mul(STEPS_PER_COMPARED_VALUE)) {
                        return true;
                    }
                    others.push(document.value(at));
                    true
                }
            };
            if !is_new {
                return false;
            }
        }
        json::unique::is_unique(&others)
    }
}

/// The items of an array, in their order.
#[derive(Debug)]
pub(super) struct Items<'a> {
    array: Contents<'a>,
    next: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let at = self.next;
        self.array.reaches(at).then(|| {
            self.next = self.array.inspection.document.after(at);
            self.array.node(at)
        })
    }
}

/// A value that is cheap to compare. Equal numbers are equal here, however they are written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    /// The bits of a number with a fraction.
    Fraction(u64),
    String(&'a str),
}

impl<'a> Scalar<'a> {
    fn at(document: &'a Document<'_>, at: u32) -> Option<Self> {
        /// Below it, every whole number has its own float.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        Some(match document.row(at) {
            Row::Null => Scalar::Null,
            Row::Bool(value) => Scalar::Bool(*value),
            Row::Unsigned(value) => Scalar::Integer(i128::from(*value)),
            Row::Signed(value) => Scalar::Integer(i128::from(*value)),
            #[expect(clippy::cast_possible_truncation, reason = "a whole number of 53 bits")]
            Row::Float(value) if value.fract() == 0.0 && value.abs() < EXACT_MAX => {
                Scalar::Integer(*value as i128)
            }
            Row::Float(value) => Scalar::Fraction(value.to_bits()),
            Row::Text(_) | Row::Unescaped(_) => Scalar::String(document.string(at)?),
            Row::Array(_) | Row::Object(_) => return None,
        })
    }
}

impl<'a> json::Object<'a, Rows> for Contents<'a> {
    type Node = Node<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.count as usize
    }

    /// Of a name that is there twice, the last one counts, as it does for most that read JSON.
    fn get(&self, key: &String) -> Option<Node<'a>> {
        let named = self.members().filter(|(name, _)| name == key);
        named.last().map(|(_, node)| node)
    }

    fn members(&self) -> Members<'a> {
        Members { object: *self, next: self.at + 1 }
    }
}

/// The fields of an object, in their order.
#[derive(Debug)]
pub(super) struct Members<'a> {
    object: Contents<'a>,
    next: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.object.reaches(self.next) {
            return None;
        }
        let document = self.object.inspection.document;
        let name = document.string(self.next).expect("names and values take turns");
        let at = document.after(self.next);
        self.next = document.after(at);
        Some((name, self.object.node(at)))
    }
}
