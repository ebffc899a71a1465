//! Where a JSON schema has further schemas, of the draft that most write (2020-12) and of those before.

use serde_json::{Map, Value};

/// What a schema within another one is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The same value as the schema around it.
    Same,
    /// A part of that value.
    Part,
    /// Nothing, until something refers to it.
    Definition,
}

/// Keywords whose value is a schema, or a list of them.
const DIRECT: [(&str, Place); 15] = [
    ("allOf", Place::Same),
    ("anyOf", Place::Same),
    ("oneOf", Place::Same),
    ("not", Place::Same),
    ("if", Place::Same),
    ("then", Place::Same),
    ("else", Place::Same),
    ("items", Place::Part),
    ("prefixItems", Place::Part),
    ("additionalItems", Place::Part),
    ("unevaluatedItems", Place::Part),
    ("contains", Place::Part),
    ("additionalProperties", Place::Part),
    ("unevaluatedProperties", Place::Part),
    ("propertyNames", Place::Part),
];

/// Keywords whose value has a schema for each of its names.
const NAMED: [(&str, Place); 6] = [
    ("properties", Place::Part),
    ("patternProperties", Place::Part),
    ("dependentSchemas", Place::Same),
    ("dependencies", Place::Same),
    ("$defs", Place::Definition),
    ("definitions", Place::Definition),
];

/// The schemas directly within a schema.
pub(crate) fn subschemas(schema: &Map<String, Value>) -> impl Iterator<Item = (Place, &Value)> {
    let direct = DIRECT.iter().filter_map(|(name, place)| Some((*place, schema.get(*name)?)));
    let direct = direct.flat_map(|(place, value)| match value {
        Value::Array(several) => several.iter().map(|it| (place, it)).collect(),
        one => vec![(place, one)],
    });
    let named = NAMED.iter().filter_map(|(name, place)| Some((*place, schema.get(*name)?.as_object()?)));
    let named = named.flat_map(|(place, schemas)| schemas.values().map(move |it| (place, it)));
    // A dependency may also be a list of names.
    direct.chain(named).filter(|(_, it)| it.is_object() || it.is_boolean())
}

/// The same, to be changed.
pub(crate) fn subschemas_mut(schema: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    schema.iter_mut().flat_map(|(name, value)| match (is_in(&DIRECT, name), is_in(&NAMED, name), value) {
        (true, _, Value::Array(several)) => several.iter_mut().collect(),
        (true, _, one) => vec![one],
        (false, true, Value::Object(schemas)) => schemas.values_mut().collect(),
        (false, ..) => Vec::new(),
    })
}

fn is_in(keywords: &[(&str, Place)], name: &str) -> bool {
    keywords.iter().any(|(keyword, _)| *keyword == name)
}
