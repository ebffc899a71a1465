//! A JSON text as rows, one per value, that take about as much memory as the text.
//!
//! A tree of [`serde_json::Value`] takes up to eighty times as much: a caller could fill the host's memory with
//! bodies that are within their limit.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What stands for a value that nobody is shown.
const HIDDEN: &str = "<hidden>";

/// A value; a container is followed by the rows of what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// A string as it stands in the text.
    Text(Span),
    /// A string that has escapes, as it reads without them.
    Unescaped(Span),
    Array(Extent),
    /// The rows of names and values take turns.
    Object(Extent),
}

/// Bytes of a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

/// What a container holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Items or fields.
    pub(super) count: u32,
    /// The row after its last one.
    pub(super) end: u32,
}

#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    unescaped: String,
    rows: Vec<Row>,
    /// How deep containers lie in each other.
    levels: usize,
    /// Rows of values that nobody is shown.
    hidden: BTreeSet<u32>,
}

impl<'a> Document<'a> {
    /// Reads a text, which has less than 4 GiB.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut document =
            Document { text, unescaped: String::new(), rows: Vec::new(), levels: 0, hidden: BTreeSet::new() };
        let mut json = serde_json::Deserializer::from_str(text);
        Reader { document: &mut document, level: 0 }.deserialize(&mut json)?;
        json.end()?;
        Ok(document)
    }

    /// Has some values not be shown from now on.
    pub(super) fn hide(&mut self, rows: BTreeSet<u32>) {
        self.hidden = rows;
    }

    pub(super) fn levels(&self) -> usize {
        self.levels
    }

    /// The value at a row, of which the first is the whole.
    pub(super) fn row(&self, at: u32) -> &Row {
        &self.rows[at as usize]
    }

    /// The row after a value and all that it holds.
    pub(super) fn after(&self, at: u32) -> u32 {
        match self.row(at) {
            Row::Array(extent) | Row::Object(extent) => extent.end,
            Row::Null
            | Row::Bool(_)
            | Row::Unsigned(_)
            | Row::Signed(_)
            | Row::Float(_)
            | Row::Text(_)
            | Row::Unescaped(_) => at + 1,
        }
    }

    /// The string at a row; nothing if there is another value.
    pub(super) fn string(&self, at: u32) -> Option<&str> {
        let part = |of: &'a str, span: &Span| &of[span.start as usize..][..span.len as usize];
        match self.row(at) {
            Row::Text(span) => Some(part(self.text, span)),
            Row::Unescaped(span) => Some(&self.unescaped[span.start as usize..][..span.len as usize]),
            Row::Null
            | Row::Bool(_)
            | Row::Unsigned(_)
            | Row::Signed(_)
            | Row::Float(_)
            | Row::Array(_)
            | Row::Object(_) => None,
        }
    }

    /// The rows of what a container holds: items, or names and values in turn.
    pub(super) fn within(&self, at: u32) -> impl Iterator<Item = u32> {
        let (mut next, end) = (at + 1, self.after(at));
        std::iter::from_fn(move || {
            let row = next;
            (row < end).then(|| {
                next = self.after(row);
                row
            })
        })
    }

    /// The value at a row as a tree, which takes much more memory.
    pub(super) fn value(&self, at: u32) -> Value {
        match self.row(at) {
            Row::Null => Value::Null,
            Row::Bool(value) => Value::Bool(*value),
            Row::Unsigned(value) => (*value).into(),
            Row::Signed(value) => (*value).into(),
            Row::Float(value) => (*value).into(),
            Row::Text(_) | Row::Unescaped(_) => self.string(at).into(),
            Row::Array(_) => self.within(at).map(|item| self.value(item)).collect(),
            Row::Object(_) => self.fields(at).map(|(name, value)| (name, self.value(value))).collect(),
        }
    }

    /// The names of an object, each with the row of its value.
    pub(super) fn fields(&self, at: u32) -> impl Iterator<Item = (&str, u32)> {
        let names = self.within(at).step_by(2);
        names.map(|row| (self.string(row).expect("names and values take turns"), self.after(row)))
    }

    /// Writes the value at a row as JSON, but no more than `max` bytes or so of it.
    pub(super) fn show(&self, at: u32, max: usize) -> String {
        let mut shown = String::new();
        self.write(at, max, &mut shown);
        shorten(shown, max)
    }

    fn write(&self, at: u32, max: usize, to: &mut String) {
        if to.len() > max {
            return;
        }
        match self.row(at) {
            _ if self.hidden.contains(&at) => to.push_str(HIDDEN),
            Row::Null => to.push_str("null"),
            Row::Bool(value) => to.push_str(&value.to_string()),
            Row::Unsigned(value) => to.push_str(&value.to_string()),
            Row::Signed(value) => to.push_str(&value.to_string()),
            Row::Float(value) => to.push_str(&Value::from(*value).to_string()),
            Row::Text(_) | Row::Unescaped(_) => to.push_str(&quote(self.string(at).unwrap_or_default(), max)),
            Row::Array(_) => {
                to.push('[');
                self.write_all(self.within(at), max, to, |item, to| self.write(item, max, to));
                to.push(']');
            }
            Row::Object(_) => {
                to.push('{');
                self.write_all(self.fields(at), max, to, |(name, value), to| {
                    to.push_str(&quote(name, max));
                    to.push(':');
                    self.write(value, max, to);
                });
                to.push('}');
            }
        }
    }

    fn write_all<T>(
        &self,
        parts: impl Iterator<Item = T>,
        max: usize,
        to: &mut String,
        write: impl Fn(T, &mut String),
    ) {
        for (index, part) in parts.enumerate() {
            if to.len() > max {
                return;
            }
            if index > 0 {
                to.push(',');
            }
            write(part, to);
        }
    }
}

/// A string as JSON; of a long one the beginning.
pub(super) fn quote(text: &str, max: usize) -> String {
    Value::from(&text[..text.floor_char_boundary(max + 1)]).to_string()
}

/// Cuts what is longer than `max` bytes, and says so.
pub(crate) fn shorten(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
    text
}

fn number(of: usize) -> u32 {
    u32::try_from(of).expect("a text of less than 4 GiB")
}

/// Writes the rows of one value.
struct Reader<'d, 'a> {
    document: &'d mut Document<'a>,
    level: usize,
}

impl<'a> Reader<'_, 'a> {
    fn push<E>(self, row: Row) -> Result<(), E> {
        self.document.rows.push(row);
        Ok(())
    }

    /// Reserves the row of a container, which is written when its end is known.
    fn open(&mut self) -> usize {
        self.document.rows.push(Row::Null);
        self.document.levels = self.document.levels.max(self.level + 1);
        self.document.rows.len() - 1
    }

    fn inner(&mut self) -> Reader<'_, 'a> {
        Reader { document: self.document, level: self.level + 1 }
    }

    fn close(self, at: usize, count: u32, row: fn(Extent) -> Row) {
        let end = number(self.document.rows.len());
        self.document.rows[at] = row(Extent { count, end });
    }
}

impl<'a> DeserializeSeed<'a> for Reader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Row::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(Row::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(Row::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(Row::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.push(Row::Float(value))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'a str) -> Result<(), E> {
        let start = (value.as_ptr() as usize).checked_sub(self.document.text.as_ptr() as usize);
        let start = start.ok_or_else(|| E::custom("a string that does not lie in the text"))?;
        self.push(Row::Text(Span { start: number(start), len: number(value.len()) }))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let start = number(self.document.unescaped.len());
        self.document.unescaped.push_str(value);
        self.push(Row::Unescaped(Span { start, len: number(value.len()) }))
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        let at = self.open();
        let mut count = 0;
        while items.next_element_seed(self.inner())?.is_some() {
            count += 1;
        }
        self.close(at, count, Row::Array);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let at = self.open();
        let mut count = 0;
        while fields.next_key_seed(self.inner())?.is_some() {
            fields.next_value_seed(self.inner())?;
            count += 1;
        }
        self.close(at, count, Row::Object);
        Ok(())
    }
}
