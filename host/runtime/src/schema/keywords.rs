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
    let keywords = DIRECT.iter().chain(&NAMED);
    keywords.flat_map(move |(keyword, place)| under(schema, keyword).map(|it| (*place, it)))
}

/// Those under one keyword.
pub(crate) fn under<'a>(
    schema: &'a Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let several: Vec<&Value> = match (schema.get(keyword), is_in(&NAMED, keyword)) {
        (None, _) => Vec::new(),
        (Some(Value::Object(schemas)), true) => schemas.values().collect(),
        (Some(_), true) => Vec::new(),
        (Some(Value::Array(several)), false) => several.iter().collect(),
        (Some(one), false) => vec![one],
    };
    // A dependency may also be a list of names.
    several.into_iter().filter(|it| it.is_object() || it.is_boolean())
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
