//! What schemas are refused, and what callers are told.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn compile(schema: &Value) -> Schema {
    Schema::compile(&schema.to_string()).expect("a schema that can be used")
}

/// Checks bodies with a schema.
fn check(schema: &Value, bodies: &[&str], expected: Expect) {
    let schema = compile(schema);
    let mut told = String::new();
    for body in bodies {
        let verdict = match schema.check(body, CHECK_STEPS_MAX, None) {
            Verdict::Fits => "fits".to_owned(),
            Verdict::NotJson(error) => format!("not JSON: {error}"),
            Verdict::Misfits(misfits) => misfits.to_string(),
            Verdict::TooDeep { levels, max } => format!("{levels} levels, more than {max}"),
            Verdict::Undecided => "undecided".to_owned(),
        };
        writeln!(told, "{body} => {verdict}").expect("a string");
    }
    expected.assert_eq(&told);
}

fn check_refused(schemas: &[&str], expected: Expect) {
    let told = schemas.iter().map(|schema| {
        let error = Schema::compile(schema).expect_err("it cannot be used");
        format!("{schema}\n  {error}\n")
    });
    expected.assert_eq(&told.collect::<String>());
}

#[test]
fn a_wrong_body_is_told_where_and_what_would_be_right() {
    let schema = json!({
        "type": "object",
        "properties": {
            "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Item"}},
            "card": {"type": "string", "pattern": "^[0-9]{4}$"},
            "express": {"type": ["boolean", "null"]},
            "note": {"const": "none"},
        },
        "required": ["items"],
        "additionalProperties": false,
        "$defs": {"Item": {
            "type": "object",
            "properties": {
                "quantity": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                "size": {"enum": ["S", "M", "L"]},
                "weight": {"type": "number", "exclusiveMinimum": 0},
            },
            "required": ["quantity"],
        }},
    });
    check(
        &schema,
        &[
            r#"{"items": [{"quantity": 7, "size": "S", "weight": 0.5}], "express": null}"#,
            r#"{"items": [{"quantity": 7}, {"quantity": "7"}]}"#,
            r#"{"items": [{"quantity": -1}, {"quantity": 256}, {"quantity": 1.5}, {}]}"#,
            r#"{"items": [{"quantity": 1, "size": "XL", "weight": 0}], "card": "12", "express": 1, "note": ""}"#,
            r#"{"items": []}"#,
            r#"{"item": [], "a b": 1}"#,
            "[]",
            "7",
            r#"{"items": "#,
        ],
        expect![[r#"
            {"items": [{"quantity": 7, "size": "S", "weight": 0.5}], "express": null} => fits
            {"items": [{"quantity": 7}, {"quantity": "7"}]} => .items[1].quantity is "7", not an integer
            {"items": [{"quantity": -1}, {"quantity": 256}, {"quantity": 1.5}, {}]} => .items[0].quantity is -1, less than 0; .items[1].quantity is 256, more than 255; .items[2].quantity is 1.5, not an integer; .items[3] lacks the field "quantity"
            {"items": [{"quantity": 1, "size": "XL", "weight": 0}], "card": "12", "express": 1, "note": ""} => .items[0].size is "XL", not "S", "M" or "L"; .items[0].weight is 0, not more than 0; .card is "12", which does not match '^[0-9]{4}$'; .express is 1, not null or a boolean; .note is "", not "none"
            {"items": []} => .items has fewer than 1 items
            {"item": [], "a b": 1} => it has fields that are not known: "item", "a b"; it lacks the field "items"
            [] => it is [], not an object
            7 => it is 7, not an object
            {"items":  => not JSON: EOF while parsing a value at line 1 column 10
        "#]],
    );
}

#[test]
fn of_alternatives_the_one_that_was_meant_is_explained() {
    let card = json!({
        "type": "object",
        "properties": {"kind": {"const": "card"}, "number": {"type": "string"}},
        "required": ["kind", "number"],
    });
    let cash = json!({"type": "object", "properties": {"kind": {"const": "cash"}}, "required": ["kind"]});
    let untagged = json!([{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]);
    check(
        &json!({"properties": {
            "means": {"oneOf": [card, cash]},
            "maybe": {"anyOf": [{"$ref": "#/$defs/Leg"}, {"type": "null"}]},
            "untagged": {"anyOf": untagged},
            "one": {"oneOf": [{"type": "integer"}, {"minimum": 3}]},
        }, "$defs": {"Leg": {"type": "object", "properties": {"seat": {"type": "integer"}}}}}),
        &[
            r#"{"means": {"kind": "card"}}"#,
            r#"{"means": {"kind": "cheque"}}"#,
            r#"{"means": {}}"#,
            r#"{"means": 7}"#,
            r#"{"maybe": {"seat": "7A"}}"#,
            r#"{"maybe": 7}"#,
            r#"{"untagged": {"c": 1}}"#,
            r#"{"one": 7}"#,
        ],
        expect![[r#"
            {"means": {"kind": "card"}} => .means lacks the field "number"
            {"means": {"kind": "cheque"}} => .means.kind is "cheque", not "card" or "cash"
            {"means": {}} => .means lacks the field "kind"
            {"means": 7} => .means is 7, not an object
            {"maybe": {"seat": "7A"}} => .maybe.seat is "7A", not an integer
            {"maybe": 7} => .maybe is 7, not an object or null
            {"untagged": {"c": 1}} => .untagged is {"c":1}, which fits none of 2 alternatives
            {"one": 7} => .one is 7, which fits several alternatives but may fit only one
        "#]],
    );
}

#[test]
fn other_rules() {
    check(
        &json!({
            "properties": {
                "list": {"maxItems": 2, "uniqueItems": true, "contains": {"const": 1}},
                "tuple": {"prefixItems": [{"type": "integer"}], "items": false},
                "map": {"propertyNames": {"maxLength": 3}, "maxProperties": 1},
                "text": {"minLength": 2, "maxLength": 4},
                "even": {"multipleOf": 2},
                "never": {"not": {"type": "string"}},
            },
            "minProperties": 1,
        }),
        &[
            r#"{"list": [1, 1.0]}"#,
            r#"{"list": [{"a": [1, 2]}, {"a": [1.0, 2]}]}"#,
            r#"{"list": [3, 4, 5]}"#,
            r#"{"tuple": [1, 2]}"#,
            r#"{"map": {"abcd": 1, "e": 2}}"#,
            r#"{"text": "\u00e9"}"#,
            r#"{"text": "12345"}"#,
            r#"{"even": 3}"#,
            r#"{"never": "x"}"#,
            "{}",
        ],
        expect![[r#"
            {"list": [1, 1.0]} => .list has one item twice
            {"list": [{"a": [1, 2]}, {"a": [1.0, 2]}]} => .list has one item twice; .list is [{"a":[1,2]},{"a":[1.0,2]}], against the rule 'contains'
            {"list": [3, 4, 5]} => .list has more than 2 items; .list is [3,4,5], against the rule 'contains'
            {"tuple": [1, 2]} => .tuple[1] is 2, but nothing may be there
            {"map": {"abcd": 1, "e": 2}} => .map has more than 1 fields; .map is {"abcd":1,"e":2}, against the rule 'propertyNames'
            {"text": "\u00e9"} => .text is "é", shorter than 2 characters
            {"text": "12345"} => .text is "12345", longer than 4 characters
            {"even": 3} => .even is 3, not a multiple of 2
            {"never": "x"} => .never is "x", against the rule 'not'
            {} => it has fewer than 1 fields
        "#]],
    );
}

#[test]
fn what_is_told_is_short() {
    let long = "x".repeat(10_000);
    let schema = compile(&json!({"additionalProperties": {"additionalProperties": {"type": "integer"}}}));
    let body =
        json!({ &long: { &long: &long, "a": [&long, &long], "b": {}, "c": {}, "d": {}, "e": {}, "f": {} } });
    let Verdict::Misfits(misfits) = schema.check(&body.to_string(), CHECK_STEPS_MAX, None) else {
        panic!("it fits");
    };
    let told = misfits.to_string();
    assert!(told.len() < 2_500, "{} bytes", told.len());
    assert!(told.ends_with("; and more"), "{told}");
}

#[test]
fn schemas_that_cannot_be_used() {
    check_refused(
        &[
            "{",
            "7",
            r#"{"type": "objekt"}"#,
            r#"{"properties": {"a": {"pattern": "("}}}"#,
            r#"{"pattern": "(?=a)b"}"#,
            r#"{"$ref": "https://example.org/trip.json"}"#,
            r##"{"$ref": "#/$defs/Trip"}"##,
            r##"{"$ref": "#trip", "$defs": {"Trip": {"$anchor": "trip"}}}"##,
            r##"{"$dynamicRef": "#trip"}"##,
            r#"{"properties": {"a": {"$id": "https://example.org/a"}}}"#,
            r#"{"$schema": "https://example.org/draft"}"#,
        ],
        expect![[r##"
            {
              is not JSON: EOF while parsing an object at line 1 column 1
            7
              is not an object or a boolean
            {"type": "objekt"}
              is invalid at '/type': "objekt" is not valid under any of the schemas listed in the 'anyOf' keyword
            {"properties": {"a": {"pattern": "("}}}
              is invalid at '/properties/a/pattern': "(" is not a "regex" that is matched in one go, without looking around or back
            {"pattern": "(?=a)b"}
              is invalid at '/pattern': "(?=a)b" is not a "regex" that is matched in one go, without looking around or back
            {"$ref": "https://example.org/trip.json"}
              refers to 'https://example.org/trip.json', which is not in it; define that under '$defs' and refer to '#/$defs/…'
            {"$ref": "#/$defs/Trip"}
              refers to '#/$defs/Trip', which is not in it; define that under '$defs' and refer to '#/$defs/…'
            {"$ref": "#trip", "$defs": {"Trip": {"$anchor": "trip"}}}
              refers to '#trip', which is not in it; define that under '$defs' and refer to '#/$defs/…'
            {"$dynamicRef": "#trip"}
              has the keyword '$dynamicRef' within it, which the host does not follow; use '$ref' and '#/$defs/…'
            {"properties": {"a": {"$id": "https://example.org/a"}}}
              has the keyword '$id' within it, which the host does not follow; use '$ref' and '#/$defs/…'
            {"$schema": "https://example.org/draft"}
              is invalid at '': Unknown meta-schema: 'https://example.org/draft'. Custom meta-schemas must be registered in the registry before use
        "##]],
    );
    let large = json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}).to_string();
    assert!(matches!(Schema::compile(&large), Err(SchemaError::TooLarge { .. })));
}

/// `$defs` of which each refers to the next one, in the way of `link`.
fn tower(height: usize, link: impl Fn(Value) -> Value, top: Value) -> Value {
    let next = |at: usize| link(json!({"$ref": format!("#/$defs/d{}", at + 1)}));
    let mut defs: serde_json::Map<String, Value> =
        (0..height).map(|at| (format!("d{at}"), next(at))).collect();
    defs.insert(format!("d{height}"), top);
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn schemas_that_take_too_long() {
    let forked = tower(20, |next| json!({"anyOf": [next, next]}), json!(true)).to_string();
    assert!(matches!(Schema::compile(&forked), Err(SchemaError::TooManyChecks)));
    let deep = tower(40, |next| json!({"anyOf": [next]}), json!(true)).to_string();
    assert!(matches!(Schema::compile(&deep), Err(SchemaError::TooDeep)));
    // Each may be the other: as many ways as there are orders of twelve.
    let all: Vec<Value> = (0..12).map(|at| json!({"$ref": format!("#/$defs/d{at}")})).collect();
    let defs: serde_json::Map<String, Value> =
        (0..12).map(|at| (format!("d{at}"), json!({"anyOf": all}))).collect();
    let tangled = json!({"$ref": "#/$defs/d0", "$defs": defs}).to_string();
    assert!(matches!(Schema::compile(&tangled), Err(SchemaError::TooManyChecks)));
}

#[test]
fn definitions_may_lead_from_one_to_the_next_for_long() {
    let next = |at: usize| json!({"properties": {"x": {"$ref": format!("#/$defs/d{}", at + 1)}}});
    let mut defs: serde_json::Map<String, Value> =
        (0..3_000).map(|at| (format!("d{at}"), next(at))).collect();
    defs.insert("d3000".to_owned(), json!({"type": "integer"}));
    let schema = compile(&json!({"$ref": "#/$defs/d0", "$defs": defs}));
    assert!(matches!(schema.check(&nested(100), CHECK_STEPS_MAX, None), Verdict::Fits));
}

/// A body of objects in each other.
fn nested(levels: usize) -> String {
    format!("{}7{}", r#"{"x": "#.repeat(levels), "}".repeat(levels))
}

/// Half of what a thread of the runtime has suffices, without optimisation.
#[test]
fn a_deep_body_does_not_overflow_the_stack() {
    let links: [fn(Value) -> Value; 5] = [
        |next| json!({"anyOf": [next, false]}),
        |next| json!({"allOf": [next]}),
        |next| json!({"oneOf": [false, next]}),
        |next| json!({"not": {"not": next}}),
        |next| json!({"if": true, "then": next, "unevaluatedProperties": {"$ref": "#/$defs/d0"}}),
    ];
    let top = json!({"type": ["object", "string"], "properties": {"x": {"$ref": "#/$defs/d0"}}});
    for (link, height) in links.iter().flat_map(|link| [0, 2, 5, 10, 20].map(|height| (link, height))) {
        let schema = compile(&tower(height, link, top.clone()));
        let (checked_max, told_max) = (CHECK_FRAMES_MAX / schema.depth, TELL_FRAMES_MAX / schema.depth);
        for levels in [told_max, checked_max, LEVELS_MAX] {
            let levels = levels.min(LEVELS_MAX);
            let body = nested(levels);
            let verdict = std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(1024 * 1024);
                let checked = thread.spawn_scoped(scope, || schema.check(&body, CHECK_STEPS_MAX, None));
                checked.expect("a thread").join().expect("no panic")
            });
            match levels <= checked_max {
                true => assert!(matches!(verdict, Verdict::Misfits(_)), "{verdict:?}"),
                false => assert!(matches!(verdict, Verdict::TooDeep { .. }), "{verdict:?}"),
            }
        }
    }
}

/// What serde_json reads.
const LEVELS_MAX: usize = 127;

fn misfits(schema: &Schema, body: &str) -> String {
    match schema.check(body, CHECK_STEPS_MAX, None) {
        Verdict::Misfits(misfits) => misfits.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_of_very_much_is_checked_and_no_more() {
    let integers = compile(&json!({"items": {"type": "integer"}}));
    let good = format!("[{}7]", "7,".repeat(100_000));
    assert!(matches!(integers.check(&good, 10_000, None), Verdict::Undecided));
    assert!(matches!(integers.check(&good, CHECK_STEPS_MAX, None), Verdict::Fits));
    let last_is_wrong = format!("[{}\"7\"]", "7,".repeat(100_000));
    assert_eq!(misfits(&integers, &last_is_wrong), "[100000] is \"7\", not an integer");
    let all_are_wrong = format!("[{}\"7\"]", "\"7\",".repeat(100_000));
    assert!(misfits(&integers, &all_are_wrong).ends_with("; and more"));

    // Two ways at each level, and errors are not remembered.
    let way = json!({"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#"}}});
    let forked = compile(&json!({"anyOf": [way, way, {"type": "string"}]}));
    assert_eq!(misfits(&forked, &nested(100)), "something deep in it is wrong, or too much to tell");

    let unique = compile(&json!({"uniqueItems": true}));
    let objects = format!("[{}{{}}]", r#"{"a":1},"#.repeat(200_000));
    assert!(matches!(unique.check(&objects, CHECK_STEPS_MAX, None), Verdict::Undecided));
}

/// The verdict is that of the validator over a tree.
#[test]
fn rows_are_read_as_a_tree_is() {
    let bodies = [
        "null",
        "true",
        "0",
        "-1",
        "1.0",
        "1.5",
        "1e3",
        "-0.0",
        "18446744073709551615",
        "1e300",
        r#""""#,
        r#""aé""#,
        r#""a\u00e9\n""#,
        "[]",
        "[1]",
        "[1,1.0]",
        "[[],{}]",
        r#"[{"a":1},{"a":1}]"#,
        "{}",
        r#"{"a":1}"#,
        r#"{"a":{"a":[1,"x"]},"b":null}"#,
        r#"{"a":1,"a":"x"}"#,
        r#"{"\u0061":1}"#,
        r#"{"":0}"#,
        r#"["a","b","a"]"#,
    ];
    let schemas = [
        json!(true),
        json!(false),
        json!({"type": "null"}),
        json!({"type": "integer"}),
        json!({"type": "number"}),
        json!({"type": ["string", "boolean"]}),
        json!({"const": 1}),
        json!({"const": [1]}),
        json!({"const": {"a": 1.0}}),
        json!({"enum": [null, "aé\n", {}, [[], {}]]}),
        json!({"required": ["a"]}),
        json!({"maxProperties": 0}),
        json!({"properties": {"a": {"type": "integer"}}}),
        json!({"additionalProperties": {"type": "integer"}}),
        json!({"patternProperties": {"^$": false}}),
        json!({"propertyNames": {"minLength": 1}}),
        json!({"items": {"type": "integer"}}),
        json!({"prefixItems": [{"type": "integer"}], "items": false}),
        json!({"uniqueItems": true}),
        json!({"contains": {"const": 1}, "minContains": 2}),
        json!({"minLength": 2}),
        json!({"pattern": "\u{e9}"}),
        json!({"minimum": 1}),
        json!({"exclusiveMaximum": 18_446_744_073_709_551_615_u64}),
        json!({"multipleOf": 0.5}),
        json!({"not": {"type": "object"}}),
        json!({"properties": {"a": {"$ref": "#"}}, "unevaluatedProperties": false}),
        json!({"if": {"type": "object"}, "then": {"minProperties": 1}, "else": {"maxItems": 1}}),
    ];
    for schema in &schemas {
        let (rows, tree) = (compile(schema), jsonschema::validator_for(schema).expect("a schema"));
        for body in bodies {
            let expected = tree.is_valid(&serde_json::from_str(body).expect("JSON"));
            let fits = matches!(rows.check(body, CHECK_STEPS_MAX, None), Verdict::Fits);
            assert_eq!(fits, expected, "{body} and {schema}");
        }
    }
}

#[test]
fn the_ways_through_a_schema_are_bounded() {
    // Each of the references leads to `d`, which holds a value against 30 more. They are looked at twice: as
    // parts of the whole, and each by itself.
    let with = |more: usize| {
        let ways = [vec![json!({"$ref": "#/$defs/d"}); 1_562], vec![json!(true); more]].concat();
        json!({"anyOf": ways, "$defs": {"d": {"anyOf": vec![true; 30]}}}).to_string()
    };
    assert_eq!(1 + 1_562 * (2 + 30) * 2 + (1 + 30), SCHEMA_CHECKS_MAX);
    assert!(Schema::compile(&with(0)).is_ok());
    assert!(matches!(Schema::compile(&with(1)), Err(SchemaError::TooManyChecks)));
}

#[test]
fn the_depth_of_a_schema_is_bounded() {
    let height = SCHEMA_DEPTH_MAX / 2 - 1;
    let of_height = |height| tower(height, |next| json!({"anyOf": [next]}), json!(true)).to_string();
    assert_eq!(Schema::compile(&of_height(height)).expect("it just fits").depth, SCHEMA_DEPTH_MAX);
    assert!(matches!(Schema::compile(&of_height(height + 1)), Err(SchemaError::TooDeep)));
}

#[test]
fn the_size_of_a_schema_is_bounded() {
    let of_size = |size: usize| {
        let beside = json!({"description": ""}).to_string().len();
        json!({"description": "x".repeat(size - beside)}).to_string()
    };
    assert!(Schema::compile(&of_size(SCHEMA_BYTES_MAX)).is_ok());
    assert!(matches!(Schema::compile(&of_size(SCHEMA_BYTES_MAX + 1)), Err(SchemaError::TooLarge { .. })));
}

/// A pattern that is repeated takes at least one byte for each time.
#[test]
fn the_compiled_form_of_a_pattern_is_bounded() {
    let repeated = |times: usize| json!({"pattern": format!("^(ab){{{times}}}$")}).to_string();
    assert!(Schema::compile(&repeated(PATTERN_BYTES_MAX / 1_000)).is_ok());
    assert!(matches!(Schema::compile(&repeated(PATTERN_BYTES_MAX)), Err(SchemaError::Invalid { .. })));
}

#[test]
fn so_many_things_are_told() {
    let integers = compile(&json!({"items": {"type": "integer"}}));
    let wrong = |count: usize| misfits(&integers, &json!(vec![""; count]).to_string());
    assert_eq!(wrong(MISFITS_SHOWN_MAX).split("; ").count(), MISFITS_SHOWN_MAX);
    assert!(!wrong(MISFITS_SHOWN_MAX).ends_with("; and more"));
    assert!(wrong(MISFITS_SHOWN_MAX + 1).ends_with("; and more"));
}

/// Each alternative is one more error.
#[test]
fn so_many_errors_are_looked_for() {
    let alternatives = |count: usize| {
        let schema = compile(&json!({"anyOf": vec![json!({"type": "integer"}); count]}));
        misfits(&schema, r#""x""#)
    };
    expect![[r#"it is "x", not an integer"#]].assert_eq(&alternatives(misfit::ERRORS_MAX - 1));
    expect!["something deep in it is wrong, or too much to tell"]
        .assert_eq(&alternatives(misfit::ERRORS_MAX + 1));
}

#[test]
fn so_much_of_a_value_is_shown() {
    let integer = compile(&json!({"type": "integer"}));
    let shown = |bytes: usize| misfits(&integer, &format!(r#""{}""#, "x".repeat(bytes - 2)));
    assert_eq!(
        shown(SHOWN_BYTES_MAX),
        format!(r#"it is "{}", not an integer"#, "x".repeat(SHOWN_BYTES_MAX - 2))
    );
    assert_eq!(
        shown(SHOWN_BYTES_MAX + 1),
        format!(r#"it is "{}…, not an integer"#, "x".repeat(SHOWN_BYTES_MAX - 1))
    );
}
