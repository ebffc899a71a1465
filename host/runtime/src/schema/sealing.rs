//! Finds the values of a body that are to be sealed, and where in its text they stand.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::input::Rejection;
use super::sealed::{Place, Places};

/// Texts that are sealed in one body.
pub(crate) const SEALED_TEXTS_MAX: usize = 1_000;

/// A text that is to be sealed.
pub(super) struct Unsealed {
    /// Where its JSON stands in the body, with the quotes.
    pub(super) place: Range<usize>,
    pub(super) plain: String,
}

/// Finds what is to be sealed in a body that fits its schema.
pub(super) fn find(places: &Places, text: &str) -> Result<Vec<Unsealed>, Rejection> {
    let mut search = Search { places, text, found: Vec::new(), fault: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Reader { search: &mut search, place: places.root() }.deserialize(&mut json);
    match (search.fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Rejection::NotJson(error)),
        (None, Ok(())) => Ok(search.found),
    }
}

struct Search<'s> {
    places: &'s Places,
    text: &'s str,
    found: Vec<Unsealed>,
    /// Why the search has ended early.
    fault: Option<Rejection>,
}

impl Search<'_> {
    /// Takes a value at a sealed place: a string, or `null` in place of one. Anything else may be there only where a schema
    /// has an alternative that says nothing of the place.
    fn take(&mut self, raw: &RawValue) -> Result<(), Rejection> {
        let json = raw.get();
        let start = json.as_ptr() as usize - self.text.as_ptr() as usize;
        match json.as_bytes() {
            b"null" => return Ok(()),
            [b'"', ..] => {}
            _ => return Err(Rejection::NotAText { at: start }),
        }
        if self.found.len() == SEALED_TEXTS_MAX {
            return Err(Rejection::TooManySealed { max: SEALED_TEXTS_MAX });
        }
        let plain = serde_json::from_str(json).map_err(Rejection::NotJson)?;
        self.found.push(Unsealed { place: start..start + json.len(), plain });
        Ok(())
    }

    /// Ends the search.
    fn fail<E: de::Error>(&mut self, fault: Rejection) -> E {
        self.fault = Some(fault);
        E::custom("the search has ended")
    }
}

/// Reads one value.
struct Reader<'r, 's> {
    search: &'r mut Search<'s>,
    place: &'s Place,
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.place.is_sealed {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(deserializer)?;
        self.search.take(raw).map_err(|fault| self.search.fail(fault))
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let places = self.search.places;
        for index in 0.. {
            let next = match places.item(self.place, index) {
                Some(place) => items.next_element_seed(Reader { search: self.search, place })?,
                None => items.next_element::<IgnoredAny>()?.map(drop),
            };
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Of a field that is there twice, the schema may have been held against one, and a handler may read the other. One that
    /// the schema does not name, a handler may read as one that is sealed.
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let places = self.search.places;
        let mut seen = BTreeSet::new();
        while let Some(Name(name)) = fields.next_key()? {
            if self.place.refuses(&name) {
                return Err(self.search.fail(Rejection::Unnamed { name: name.into_owned() }));
            }
            let Some(place) = places.field(self.place, &name) else {
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen.contains(&name) {
                return Err(self.search.fail(Rejection::Twice { name: name.into_owned() }));
            }
            fields.next_value_seed(Reader { search: self.search, place })?;
            seen.insert(name);
        }
        Ok(())
    }
}

/// The name of a field, which is copied only if it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
