//! What a handler's JSON schema says about envelopes and empty bodies, read once per catalog.

use serde_json::Value;

/// Schemas within one schema that are looked at; beyond that it counts as one that takes anything.
const PARTS_MAX: usize = 256;

/// What a handler takes, as far as the ingress cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// A field `request` of its own: an object with that name is no envelope.
    pub(super) has_request: bool,
    /// Fields of any name, so that none of them is certain to be ignored.
    pub(super) is_open: bool,
    /// The value `null`, which an empty body stands for.
    pub(super) takes_null: bool,
}

impl Shape {
    /// No schema, or one that says nothing.
    pub(super) const ANYTHING: Shape = Shape { has_request: false, is_open: true, takes_null: true };

    /// No body at all.
    pub(super) const NOTHING: Shape = Shape { has_request: false, is_open: false, takes_null: true };

    pub(super) fn of(schema: Option<&str>) -> Self {
        let Some(root) = schema.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return Shape::ANYTHING;
        };
        let mut parts = 0;
        shape(&root, &root, &mut parts)
    }

    /// A value that either of two schemas takes.
    fn or(self, other: Shape) -> Shape {
        Shape {
            has_request: self.has_request || other.has_request,
            is_open: self.is_open || other.is_open,
            takes_null: self.takes_null || other.takes_null,
        }
    }

    /// A value that both of two schemas take.
    fn and(self, other: Shape) -> Shape {
        Shape {
            has_request: self.has_request || other.has_request,
            is_open: self.is_open && other.is_open,
            takes_null: self.takes_null && other.takes_null,
        }
    }
}

fn shape(root: &Value, schema: &Value, parts: &mut usize) -> Shape {
    *parts += 1;
    let object = match schema {
        Value::Object(object) if *parts <= PARTS_MAX => object,
        Value::Bool(false) => return Shape { takes_null: false, ..Shape::NOTHING },
        _ => return Shape::ANYTHING,
    };
    let mut found = own_shape(object);
    if let Some(referred) = object.get("$ref").and_then(Value::as_str).and_then(|it| resolve(root, it)) {
        found = found.and(shape(root, referred, parts));
    }
    for all in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        found = found.and(shape(root, all, parts));
    }
    for name in ["anyOf", "oneOf"] {
        let either = object.get(name).and_then(Value::as_array).into_iter().flatten();
        if let Some(either) = either.map(|it| shape(root, it, parts)).reduce(Shape::or) {
            found = found.and(either);
        }
    }
    found
}

/// What the keywords of one schema say, without those that lead to other schemas.
fn own_shape(object: &serde_json::Map<String, Value>) -> Shape {
    let properties = object.get("properties").and_then(Value::as_object);
    let takes_type = |name: &str| match object.get("type") {
        None => true,
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|it| it == name),
        Some(_) => false,
    };
    let takes_other_fields = match object.get("additionalProperties") {
        Some(Value::Bool(allowed)) => *allowed,
        Some(_) => true,
        None => properties.is_none() || object.contains_key("patternProperties"),
    };
    let fixed = object.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let fixed = fixed.or_else(|| object.get("const").map(std::slice::from_ref));
    Shape {
        has_request: properties.is_some_and(|it| it.contains_key("request")),
        is_open: takes_type("object") && takes_other_fields && fixed.is_none(),
        takes_null: takes_type("null") && fixed.is_none_or(|values| values.contains(&Value::Null)),
    }
}

/// Follows a reference within the document.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(schema: &str, expected: Expect) {
        let Shape { has_request, is_open, takes_null } = Shape::of(Some(schema));
        let words = [(has_request, "request"), (is_open, "open"), (takes_null, "null")];
        let words: Vec<_> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        expected.assert_eq(&words.join(" "));
    }

    #[test]
    fn a_struct_reads_its_own_fields() {
        check(r#"{"type": "object", "properties": {"run_type": {}}}"#, expect![[""]]);
        check(r#"{"type": "object", "properties": {"request": {}}}"#, expect![["request"]]);
        check(
            r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": {}}"#,
            expect![["open"]],
        );
    }

    #[test]
    fn an_optional_value_may_be_null() {
        check(r#"{"type": ["string", "null"]}"#, expect![["null"]]);
        check(
            r##"{"anyOf": [{"$ref": "#/$defs/Trip"}, {"type": "null"}],
                "$defs": {"Trip": {"type": "object", "properties": {"request": {}}}}}"##,
            expect![["request null"]],
        );
        check(r#"{"type": "string"}"#, expect![[""]]);
        check(r#"{"enum": ["a", null]}"#, expect![["null"]]);
        check(r#"{"const": 1}"#, expect![[""]]);
    }

    #[test]
    fn what_says_nothing_takes_anything() {
        check("true", expect![["open null"]]);
        check("{}", expect![["open null"]]);
        check("not JSON", expect![["open null"]]);
        check(r#"{"type": "object", "additionalProperties": true}"#, expect![["open"]]);
        check("false", expect![[""]]);
    }

    /// The root is a part, and so is each of the schemas within it.
    #[test]
    fn so_many_parts_are_looked_at() {
        let with_parts = |count: usize| {
            let parts = r#"{"type": "object"},"#.repeat(count - 2);
            format!(r#"{{"allOf": [{parts} {{"properties": {{"request": {{}}}}}}]}}"#)
        };
        check(&with_parts(PARTS_MAX), expect![["request"]]);
        check(&with_parts(PARTS_MAX + 1), expect![["open"]]);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        check(r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##, expect![["open null"]]);
    }
}
