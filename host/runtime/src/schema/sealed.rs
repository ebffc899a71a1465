//! Which fields of an input are sealed: the places that its schema marks with `x-holiday-sealed`.
//!
//! They are found once, in the schema alone. A place is sealed when every way through the schema by which a string may stand
//! there has the mark. Where only some have it, and where a mark stands under a keyword that is not followed, the schema is
//! refused. Invariant: nothing that is marked is left open, also not as a value of another kind or under another name: where
//! fields lead to sealed places, no others are taken unless the schema speaks of others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::{Document, Row};
use super::keywords::{subschemas, under};
use super::reading::{MARK, Own, Reading, Step};
use super::{SCHEMA_DEPTH_MAX, SchemaError, complexity};

/// Places of one schema that are told apart to find those that are sealed.
pub(crate) const SEALED_PLACES_MAX: usize = 1_000;

/// Steps that finding them may take, from a schema to one within it.
pub(crate) const SEALED_STEPS_MAX: usize = 1_000_000;

/// Keywords under which a mark is refused: whether their schemas count depends on the value, or on other schemas.
const NOT_FOLLOWED: [&str; 11] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Whether something is marked in a schema, which may be none that can be used.
pub(crate) fn has_mark(schema: &str) -> bool {
    schema.contains(MARK)
}

/// The places of an input that are sealed or lead to such. The first one is the whole input.
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

/// One place, with the places in it by their numbers.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// A string here is sealed.
    pub(super) is_sealed: bool,
    /// `None` for a field that leads nowhere, and is not one of the others.
    fields: BTreeMap<String, Option<usize>>,
    other_fields: Option<usize>,
    /// The schema speaks of fields that it does not name.
    takes_other_fields: bool,
    first_items: Vec<Option<usize>>,
    other_items: Option<usize>,
}

impl Places {
    /// Finds the places of a schema; nothing if it marks none.
    pub(super) fn find(root: &Value) -> Result<Option<Self>, SchemaError> {
        let mut marks = Vec::new();
        collect_marks(root, String::new(), &mut marks);
        if marks.is_empty() {
            return Ok(None);
        }
        let schemas = reachable(root, vec![root])?;
        if let Some((at, _)) = marks.iter().find(|(_, it)| !schemas.contains(&std::ptr::from_ref(*it))) {
            let why = "no schema of the input is there; put it where 'properties', 'items' or '$ref' lead";
            return Err(SchemaError::UnclearMark { at: at.clone(), why: why.to_owned() });
        }
        let search =
            Search { root, steps_left: SEALED_STEPS_MAX, known: BTreeMap::new(), unmarked: BTreeSet::new() };
        search.run().and_then(keep_those_that_lead)
    }

    pub(super) fn root(&self) -> &Place {
        &self.0[0]
    }

    pub(super) fn field(&self, place: &Place, name: &str) -> Option<&Place> {
        let number = place.fields.get(name).copied().unwrap_or(place.other_fields)?;
        Some(&self.0[number])
    }

    pub(super) fn item(&self, place: &Place, index: usize) -> Option<&Place> {
        let number = place.first_items.get(index).copied().unwrap_or(place.other_items)?;
        Some(&self.0[number])
    }

    /// The rows of all values that are sealed or may hold sealed ones, also of those that do not fit.
    pub(super) fn rows(&self, document: &Document<'_>) -> BTreeSet<u32> {
        let mut rows = BTreeSet::new();
        let mut waiting = vec![(0, self.root())];
        while let Some((at, place)) = waiting.pop() {
            rows.insert(at);
            if let Row::Array(_) = document.row(at) {
                let items = document.within(at).enumerate();
                waiting.extend(items.filter_map(|(index, row)| Some((row, self.item(place, index)?))));
            } else if let Row::Object(_) = document.row(at) {
                let fields = document.fields(at);
                waiting.extend(fields.filter_map(|(name, row)| Some((row, self.field(place, name)?))));
            }
        }
        rows
    }
}

/// All objects with a mark, and where they are.
fn collect_marks<'a>(value: &'a Value, at: String, marks: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                collect_marks(value, format!("{at}/{index}"), marks);
            }
        }
        Value::Object(fields) => {
            for (name, within) in fields {
                collect_marks(within, format!("{at}/{name}"), marks);
            }
            // What is called so and has a schema is a field.
            if fields.get(MARK).is_some_and(|it| !it.is_object()) {
                marks.push((at, value));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// All schemas that these lead to, and they themselves.
fn reachable<'a>(root: &'a Value, from: Vec<&'a Value>) -> Result<BTreeSet<*const Value>, SchemaError> {
    let (mut seen, mut waiting) = (BTreeSet::new(), from);
    while let Some(schema) = waiting.pop() {
        if let Value::Object(object) = schema
            && seen.insert(std::ptr::from_ref(schema))
        {
            waiting.extend(complexity::target(root, object)?);
            waiting.extend(subschemas(object).map(|(_, within)| within));
        }
    }
    Ok(seen)
}

/// A place, and where it is as people write it, such as `.cards[].number`.
struct Found {
    place: Place,
    at: String,
}

struct Search<'a> {
    root: &'a Value,
    steps_left: usize,
    /// The numbers of places, by what is read there.
    known: BTreeMap<Reading<'a>, usize>,
    /// Schemas from which no mark can be reached.
    unmarked: BTreeSet<*const Value>,
}

impl<'a> Search<'a> {
    fn run(mut self) -> Result<Vec<Found>, SchemaError> {
        let first = self.read(self.root, &mut Vec::new(), "")?;
        self.known.insert(first.clone(), 0);
        let (mut found, mut waiting) = (Vec::new(), vec![(first, String::new())]);
        // Those that are found on the way are added behind.
        while let Some((reading, at)) = waiting.get(found.len()).cloned() {
            let place = self.look_at(&reading, &at, &mut waiting)?;
            found.push(Found { place, at });
        }
        Ok(found)
    }

    fn look_at(
        &mut self,
        reading: &Reading<'a>,
        at: &str,
        waiting: &mut Vec<(Reading<'a>, String)>,
    ) -> Result<Place, SchemaError> {
        let strings = reading.strings();
        if strings.sealed && strings.open {
            return Err(unclear(at, "it is not marked in all alternatives; mark it in each of them"));
        }
        if strings.sealed && !is_text_or_null(reading) {
            return Err(unclear(
                at,
                "more than a string may be there in another alternative, and would be left open; let all of them be \
                 strings or null",
            ));
        }
        let mut place = Place {
            is_sealed: strings.sealed,
            takes_other_fields: reading.expects_other_fields(),
            ..Place::default()
        };
        for step in reading.steps() {
            let at = format!("{at}{}", shown(&step));
            let within = self.follow(reading, &step, &at)?;
            let number = within.map(|it| self.number(it, at, waiting)).transpose()?;
            match step {
                Step::Field(name) => drop(place.fields.insert(name, number)),
                Step::OtherFields => place.other_fields = number,
                Step::Item(_) => place.first_items.push(number),
                Step::OtherItems => place.other_items = number,
            }
        }
        Ok(place)
    }

    /// The number of the place at which this is read.
    fn number(
        &mut self,
        reading: Reading<'a>,
        at: String,
        waiting: &mut Vec<(Reading<'a>, String)>,
    ) -> Result<usize, SchemaError> {
        if let Some(number) = self.known.get(&reading) {
            return Ok(*number);
        }
        let number = waiting.len();
        // What is read within one that contains itself may become deeper with each step.
        if number >= SEALED_PLACES_MAX || reading.depth() > SCHEMA_DEPTH_MAX {
            return Err(SchemaError::TooTangled);
        }
        self.known.insert(reading.clone(), number);
        waiting.push((reading, at));
        Ok(number)
    }

    /// What is read one step further; nothing where nothing is said of it.
    fn follow(
        &mut self,
        reading: &Reading<'a>,
        step: &Step,
        at: &str,
    ) -> Result<Option<Reading<'a>>, SchemaError> {
        self.count_step()?;
        let several = match reading {
            Reading::Own(own) => {
                let within = own.within(step).map(|schema| self.read(schema, &mut Vec::new(), at));
                return within.transpose();
            }
            Reading::All(several) | Reading::Any(several) => several,
        };
        let mut followed = Vec::new();
        for reading in several {
            followed.extend(self.follow(reading, step, at)?);
        }
        Ok(match reading {
            _ if followed.is_empty() => None,
            Reading::Any(_) => Some(Reading::any(followed)),
            Reading::Own(_) | Reading::All(_) => Some(Reading::all(followed)),
        })
    }

    /// Reads a schema with all that it leads to for the same value.
    fn read(
        &mut self,
        schema: &'a Value,
        above: &mut Vec<*const Value>,
        at: &str,
    ) -> Result<Reading<'a>, SchemaError> {
        self.count_step()?;
        let object = match schema {
            // One that leads back to itself says nothing that it has not said.
            Value::Object(object) if !above.contains(&std::ptr::from_ref(schema)) => object,
            Value::Bool(false) => return Ok(Reading::any(Vec::new())),
            _ => return Ok(Reading::all(Vec::new())),
        };
        above.push(schema);
        let mut all = vec![Reading::own(object)];
        let conjuncts = complexity::target(self.root, object)?.into_iter().chain(under(object, "allOf"));
        for schema in conjuncts {
            all.push(self.read(schema, above, at)?);
        }
        for keyword in ["anyOf", "oneOf"].into_iter().filter(|it| object.contains_key(*it)) {
            let any = under(object, keyword).map(|schema| self.read(schema, above, at));
            all.push(Reading::any(any.collect::<Result<_, _>>()?));
        }
        above.pop();
        let reading = Reading::all(all);
        check_mark(object, &reading, at)?;
        self.check_not_followed(object, at)?;
        Ok(reading)
    }

    fn count_step(&mut self) -> Result<(), SchemaError> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(SchemaError::TooTangled)?;
        Ok(())
    }

    fn check_not_followed(&mut self, object: &'a Map<String, Value>, at: &str) -> Result<(), SchemaError> {
        for keyword in NOT_FOLLOWED {
            self.check_unmarked(under(object, keyword).collect(), keyword, at)?;
        }
        // A field whose name fits a pattern is none of the others.
        match object.contains_key("patternProperties") {
            true => {
                self.check_unmarked(under(object, "additionalProperties").collect(), "patternProperties", at)
            }
            false => Ok(()),
        }
    }

    /// Makes sure that these schemas lead to no mark.
    fn check_unmarked(
        &mut self,
        schemas: Vec<&'a Value>,
        keyword: &str,
        at: &str,
    ) -> Result<(), SchemaError> {
        let mut waiting: Vec<&Value> = schemas;
        while let Some(schema) = waiting.pop() {
            let Value::Object(object) = schema else { continue };
            if Own(object).is_marked() {
                let why = format!(
                    "it depends on '{keyword}' whether it counts; put it under 'properties', 'items' or \
                     'additionalProperties' alone"
                );
                return Err(unclear(at, &why));
            }
            if self.unmarked.insert(std::ptr::from_ref(schema)) {
                waiting.extend(complexity::target(self.root, object)?);
                waiting.extend(subschemas(object).map(|(_, within)| within));
            }
        }
        Ok(())
    }
}

/// A mark is on strings, which may be absent as `null`.
fn check_mark(object: &Map<String, Value>, reading: &Reading<'_>, at: &str) -> Result<(), SchemaError> {
    match object.get(MARK) {
        None | Some(Value::Bool(false)) => Ok(()),
        Some(Value::Bool(true)) if is_text_or_null(reading) => Ok(()),
        Some(Value::Bool(true)) => {
            Err(unclear(at, "more than a string may be there; put '\"type\": \"string\"' beside the mark"))
        }
        Some(_) => Err(unclear(at, "the mark is neither true nor false")),
    }
}

fn is_text_or_null(reading: &Reading<'_>) -> bool {
    reading.kinds().is_subset(&BTreeSet::from(["null", "string"]))
}

fn unclear(at: &str, why: &str) -> SchemaError {
    let at = if at.is_empty() { "the whole input".to_owned() } else { at.to_owned() };
    SchemaError::UnclearMark { at, why: why.to_owned() }
}

fn shown(step: &Step) -> String {
    match step {
        Step::Field(name) => super::misfit::step(name),
        Step::OtherFields => ".*".to_owned(),
        Step::Item(index) => format!("[{index}]"),
        Step::OtherItems => "[]".to_owned(),
    }
}

/// Drops the places from which no sealed one can be reached; nothing is left if the input itself is one of them.
fn keep_those_that_lead(found: Vec<Found>) -> Result<Option<Places>, SchemaError> {
    let leading = leading(&found);
    if leading[0].is_none() {
        return Ok(None);
    }
    let keep = |number: Option<usize>| leading[number?];
    let mut places = Vec::new();
    for (Found { mut place, at }, _) in found.into_iter().zip(&leading).filter(|(_, kept)| kept.is_some()) {
        place.numbers_mut().for_each(|number| *number = keep(*number));
        if place.is_sealed && place.numbers_mut().any(|number| number.is_some()) {
            return Err(unclear(&at, "there are marks within it, too; mark it or what is in it"));
        }
        places.push(place);
    }
    Ok(Some(Places(places)))
}

/// For each place that is sealed or leads to such, its number among them.
fn leading(found: &[Found]) -> Vec<Option<usize>> {
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); found.len()];
    for (number, it) in found.iter().enumerate() {
        it.place.numbers().flatten().for_each(|within| above[within].push(number));
    }
    let sealed = found.iter().enumerate().filter(|(_, it)| it.place.is_sealed);
    let (mut leads, mut waiting) =
        (vec![false; found.len()], sealed.map(|(number, _)| number).collect::<Vec<_>>());
    while let Some(number) = waiting.pop() {
        if !std::mem::replace(&mut leads[number], true) {
            waiting.extend(&above[number]);
        }
    }
    let mut next = 0..;
    leads.into_iter().map(|it| if it { next.next() } else { None }).collect()
}

impl Place {
    /// Whether a field is another one than those that are named, beside one that is sealed or leads to such. It may be one
    /// of these under a name that the handler knows and the schema does not.
    pub(super) fn refuses(&self, name: &str) -> bool {
        let leads = || self.fields.values().any(Option::is_some);
        !self.takes_other_fields && !self.fields.contains_key(name) && leads()
    }

    fn numbers(&self) -> impl Iterator<Item = Option<usize>> {
        let fields = self.fields.values().chain([&self.other_fields]);
        fields.chain(&self.first_items).chain([&self.other_items]).copied()
    }

    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut Option<usize>> {
        let fields = self.fields.values_mut().chain([&mut self.other_fields]);
        fields.chain(&mut self.first_items).chain([&mut self.other_items])
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    /// Shows where something is sealed, or why nobody can tell.
    fn check(schema: &Value, expected: Expect) {
        complexity::depth(schema).expect("a schema that can be used");
        let shown = match Places::find(schema) {
            Ok(Some(places)) => {
                let mut shown = Vec::new();
                show(&places, 0, "", &mut BTreeSet::new(), &mut shown);
                shown.join(" ")
            }
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    fn show(places: &Places, number: usize, at: &str, above: &mut BTreeSet<usize>, shown: &mut Vec<String>) {
        let place = &places.0[number];
        if place.is_sealed {
            shown.push(if at.is_empty() { "all".to_owned() } else { at.to_owned() });
        }
        if !above.insert(number) {
            return shown.push(format!("{at}…"));
        }
        let fields = place.fields.iter().map(|(name, number)| (Step::Field(name.clone()), *number));
        let items = (0..).zip(&place.first_items).map(|(index, number)| (Step::Item(index), *number));
        let others = [(Step::OtherFields, place.other_fields), (Step::OtherItems, place.other_items)];
        for (step, number) in fields.chain(items).chain(others) {
            if let Some(number) = number {
                show(places, number, &format!("{at}{}", super::shown(&step)), above, shown);
            }
        }
        above.remove(&number);
    }

    fn sealed() -> Value {
        json!({ "type": "string", "x-holiday-sealed": true })
    }

    fn defined(root: &Value) -> Value {
        let mut root = root.clone();
        let card =
            json!({ "type": "object", "properties": { "number": sealed(), "name": { "type": "string" } } });
        root["$defs"] = json!({ "Sealed": sealed(), "Card": card });
        root
    }

    #[test]
    fn marks_are_found_where_values_can_be() {
        check(&sealed(), expect!["all"]);
        check(&json!(true), expect!["nothing"]);
        check(&json!({ "properties": { "card": { "type": "string" } } }), expect!["nothing"]);
        let unmarked = json!({ "type": "string", "x-holiday-sealed": false });
        check(&json!({ "properties": { "card": unmarked } }), expect!["nothing"]);
        check(
            &defined(&json!({ "properties": {
                "card": { "$ref": "#/$defs/Card" },
                "cards": { "items": { "$ref": "#/$defs/Card" } },
                "pair": { "prefixItems": [{}, sealed()], "items": { "$ref": "#/$defs/Card" } },
                "older": { "items": [sealed()], "additionalItems": sealed() },
                "by name": { "additionalProperties": { "$ref": "#/$defs/Sealed", "description": "a secret" } },
                "named": { "properties": { "open": { "type": "string" } }, "additionalProperties": sealed() },
                "note": { "type": "string" },
            } })),
            expect![[
                r#"["by name"].* .card.number .cards[].number .named.* .older[0] .older[] .pair[1] .pair[].number"#
            ]],
        );
        check(&json!({ "properties": { "x-holiday-sealed": sealed() } }), expect![".x-holiday-sealed"]);
    }

    #[test]
    fn a_schema_that_contains_itself_is_followed_once() {
        let recursive = |more: Value| {
            let expression = json!({ "$ref": "#/$defs/Expression", "description": "an operand" });
            let unary = json!({ "properties": { "kind": { "const": "-" }, "left": expression } });
            let binary = json!({ "properties": { "kind": { "const": "+" }, "left": expression, "right": expression } });
            let leaf = json!({ "properties": { "kind": { "const": "?" }, "secret": sealed() } });
            let defs = json!({ "Expression": { "oneOf": [unary, binary, leaf, more] } });
            json!({ "$ref": "#/$defs/Expression", "$defs": defs })
        };
        check(&recursive(json!({ "type": "null" })), expect![".left… .right… .secret"]);
        check(
            &json!({ "properties": { "secret": sealed(), "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } } }),
            expect![".next.next… .next.secret .secret"],
        );
        check(&json!({ "properties": { "a": sealed() }, "allOf": [{ "$ref": "#" }] }), expect![".a"]);
    }

    #[test]
    fn what_may_be_absent_is_sealed_when_it_is_a_string() {
        for optional in [
            json!({ "type": ["string", "null"], "x-holiday-sealed": true }),
            json!({ "anyOf": [sealed(), { "type": "null" }] }),
            json!({ "oneOf": [{ "const": null }, sealed()] }),
            json!({ "x-holiday-sealed": true, "anyOf": [{ "type": "string" }, { "type": "null" }] }),
            json!({ "x-holiday-sealed": true, "enum": ["a", "b"] }),
            json!({ "allOf": [{ "minLength": 3 }, sealed()] }),
        ] {
            check(&json!({ "properties": { "card": optional } }), expect![".card"]);
        }
    }

    #[test]
    fn alternatives_agree_or_have_nothing_to_say() {
        let card = json!({ "properties": { "kind": { "const": "card" }, "number": sealed() } });
        let cash = json!({ "properties": { "kind": { "const": "cash" } }, "additionalProperties": false });
        let account =
            json!({ "properties": { "number": { "allOf": [sealed()] } }, "additionalProperties": true });
        check(&json!({ "oneOf": [card, cash, account, { "type": "string" }] }), expect![".number"]);
        check(
            &json!({ "properties": { "a": {} }, "anyOf": [card, { "properties": { "number": false } }] }),
            expect![".number"],
        );
        check(
            &json!({ "allOf": [card, { "properties": { "number": { "type": "string" } } }] }),
            expect![".number"],
        );
        let open = "marks .number with 'x-holiday-sealed', but it is not marked in all alternatives; mark it in each of them";
        for number in [json!({ "type": "string" }), json!(true), json!({ "type": ["string", "integer"] })] {
            let open_one = json!({ "properties": { "number": number } });
            let Err(error) = Places::find(&json!({ "oneOf": [card, open_one] })) else {
                panic!("{number} is open")
            };
            assert_eq!(error.to_string(), open);
        }
        let integer = json!({ "properties": { "number": { "type": "integer" } } });
        check(
            &json!({ "oneOf": [card, integer] }),
            expect![
                "marks .number with 'x-holiday-sealed', but more than a string may be there in another alternative, and would be left open; let all of them be strings or null"
            ],
        );
        check(
            &json!({ "oneOf": [card, { "additionalProperties": { "type": "string" } }] }),
            expect![
                "marks .number with 'x-holiday-sealed', but it is not marked in all alternatives; mark it in each of them"
            ],
        );
    }

    #[test]
    fn what_cannot_be_decided_is_refused() {
        let marked = json!({ "x-holiday-sealed": true });
        check(
            &marked,
            expect![[
                r#"marks the whole input with 'x-holiday-sealed', but more than a string may be there; put '"type": "string"' beside the mark"#
            ]],
        );
        for (schema, reason) in [
            (json!({ "type": "integer", "x-holiday-sealed": true }), "more than a string may be there"),
            (json!({ "type": "string", "x-holiday-sealed": "yes" }), "the mark is neither true nor false"),
            (
                json!({ "x-holiday-sealed": true, "anyOf": [sealed(), true] }),
                "more than a string may be there",
            ),
            (
                json!({ "anyOf": [sealed(), { "type": "array", "items": sealed() }] }),
                "more than a string may be there in another alternative",
            ),
            (
                json!({ "oneOf": [{ "const": null }, sealed(), { "type": "integer" }] }),
                "more than a string may be there in another alternative",
            ),
            (
                json!({ "anyOf": [sealed(), { "type": "object", "properties": { "id": { "type": "string" } } }] }),
                "more than a string may be there in another alternative",
            ),
            (
                json!({ "type": "string", "x-holiday-sealed": true, "properties": { "id": sealed() } }),
                "there are marks within it, too",
            ),
        ] {
            let error = Places::find(&json!({ "properties": { "a": schema } })).expect_err("it is unclear");
            assert!(
                error.to_string().starts_with(&format!("marks .a with 'x-holiday-sealed', but {reason}")),
                "{error}"
            );
        }
        for keyword in NOT_FOLLOWED {
            let within = match keyword {
                "patternProperties" | "dependentSchemas" | "dependencies" => {
                    json!({ "^a": { "$ref": "#/$defs/Card" } })
                }
                _ => json!({ "$ref": "#/$defs/Card" }),
            };
            let schema = defined(&json!({ "properties": { "a": { keyword: within } } }));
            let error = Places::find(&schema).expect_err("it is not followed").to_string();
            let expected =
                format!("marks .a with 'x-holiday-sealed', but it depends on '{keyword}' whether it counts");
            assert!(error.starts_with(&expected), "{error}");
        }
        check(
            &json!({ "patternProperties": { "^x-": { "type": "string" } }, "additionalProperties": sealed() }),
            expect![
                "marks the whole input with 'x-holiday-sealed', but it depends on 'patternProperties' whether it counts; put it under 'properties', 'items' or 'additionalProperties' alone"
            ],
        );
    }

    #[test]
    fn a_mark_where_no_schema_is_was_meant_for_something() {
        check(
            &json!({ "propertes": { "card": sealed() } }),
            expect![
                "marks /propertes/card with 'x-holiday-sealed', but no schema of the input is there; put it where 'properties', 'items' or '$ref' lead"
            ],
        );
        check(&json!({ "$defs": { "Unused": sealed() } }), expect!["nothing"]);
        let elsewhere =
            json!({ "properties": { "a": { "$ref": "#/schemas/Card" } }, "schemas": { "Card": sealed() } });
        check(&elsewhere, expect![".a"]);
    }

    #[test]
    fn so_many_places_are_looked_at() {
        let with = |fields: usize| {
            let mut fields: Map<String, Value> =
                (0..fields).map(|number| (format!("f{number}"), json!({ "const": number }))).collect();
            fields.insert("card".to_owned(), sealed());
            Places::find(&json!({ "properties": fields }))
        };
        // The whole input, the card, and the others.
        assert!(with(SEALED_PLACES_MAX - 2).is_ok_and(|it| it.is_some()));
        let error = with(SEALED_PLACES_MAX - 1).expect_err("there is one more");
        assert!(matches!(error, SchemaError::TooTangled), "{error}");
    }

    /// Each alternative is asked for the fields of all others.
    #[test]
    fn so_many_steps_are_taken() {
        let with = |alternatives: usize| {
            let one = |number: usize| json!({ "properties": { format!("f{number}"): true } });
            let mut all: Vec<Value> = (0..alternatives).map(one).collect();
            all.push(json!({ "properties": { "card": sealed() } }));
            Places::find(&json!({ "anyOf": all }))
        };
        let some = SEALED_STEPS_MAX.isqrt();
        assert!(with(some / 2).is_ok_and(|it| it.is_some()));
        let error = with(some).expect_err("there are more");
        assert!(matches!(error, SchemaError::TooTangled), "{error}");
    }

    #[test]
    fn what_becomes_deeper_with_each_step_is_not_followed_for_ever() {
        let next = |name: &str| json!({ "properties": { "x": { "$ref": format!("#/$defs/{name}") } } });
        let with = |own: &str, other: &str| {
            let mut schema = next(own);
            schema["anyOf"] = json!([next(other), next(own), { "properties": { "card": sealed() } }]);
            schema
        };
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": with("a", "b"), "b": with("b", "a") } });
        let error = Places::find(&schema).expect_err("it has no end");
        assert!(matches!(error, SchemaError::TooTangled), "{error}");
    }
}
