//! Which schemas can be used: those that refer to nothing outside, and that are soon through with any one value.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::keywords::{Place, subschemas};
use super::{SCHEMA_CHECKS_MAX, SCHEMA_DEPTH_MAX, SchemaError};

/// Keywords whose target depends on how one got to them, or that change what others refer to.
const NOT_FOLLOWED: [&str; 3] = ["$dynamicRef", "$recursiveRef", "$id"];

/// Returns how many schemas one value is held against one within the other, at most.
pub(super) fn depth(root: &Value) -> Result<usize, SchemaError> {
    let mut survey = Survey { root, checks_left: SCHEMA_CHECKS_MAX, depth: 0 };
    // They are told apart by where they are in memory. A chain of them may be long, so this is no recursion.
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(schema) = waiting.pop() {
        if let Value::Object(object) = schema
            && seen.insert(std::ptr::from_ref(schema))
        {
            survey.look_at(schema, object, &mut waiting)?;
        }
    }
    Ok(survey.depth)
}

struct Survey<'a> {
    root: &'a Value,
    checks_left: usize,
    /// The deepest that was found.
    depth: usize,
}

impl<'a> Survey<'a> {
    /// Looks at a schema; those that it leads to wait for their turn.
    fn look_at(
        &mut self,
        schema: &'a Value,
        object: &'a Map<String, Value>,
        waiting: &mut Vec<&'a Value>,
    ) -> Result<(), SchemaError> {
        let is_root = std::ptr::eq(schema, self.root);
        let is_not_followed = |it: &&str| object.contains_key(*it) && !(is_root && *it == "$id");
        if let Some(keyword) = NOT_FOLLOWED.into_iter().find(is_not_followed) {
            return Err(SchemaError::NotFollowed { keyword });
        }
        self.hold(schema, &mut Vec::new())?;
        waiting.extend(target(self.root, object)?);
        waiting.extend(subschemas(object).map(|(_, within)| within));
        Ok(())
    }

    /// Counts the schemas that a value is held against when it is held against `schema`.
    ///
    /// A schema that leads back to itself is not entered again with the same value, so every way through them
    /// ends; there can be very many ways.
    fn hold(&mut self, schema: &'a Value, above: &mut Vec<*const Value>) -> Result<(), SchemaError> {
        if above.contains(&std::ptr::from_ref(schema)) {
            return Ok(());
        }
        self.checks_left = self.checks_left.checked_sub(1).ok_or(SchemaError::TooManyChecks)?;
        above.push(schema);
        self.depth = self.depth.max(above.len());
        if self.depth > SCHEMA_DEPTH_MAX {
            return Err(SchemaError::TooDeep);
        }
        if let Value::Object(object) = schema {
            for (place, within) in subschemas(object) {
                if place == Place::Same {
                    self.hold(within, above)?;
                }
            }
            if let Some(target) = target(self.root, object)? {
                self.hold(target, above)?;
            }
        }
        above.pop();
        Ok(())
    }
}

/// The schema that another one refers to.
pub(super) fn target<'a>(
    root: &'a Value,
    object: &Map<String, Value>,
) -> Result<Option<&'a Value>, SchemaError> {
    let Some(reference) = object.get("$ref") else { return Ok(None) };
    let reference = reference.as_str().unwrap_or_default();
    let unresolved = || SchemaError::RefersOutside { reference: reference.to_owned() };
    let pointer = reference.strip_prefix('#').ok_or_else(unresolved)?;
    let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().map_err(|_| unresolved())?;
    root.pointer(&pointer).map(Some).ok_or_else(unresolved)
}
