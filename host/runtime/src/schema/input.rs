//! How a body becomes an input: it fits the schema of its handler, and what is to be sealed is sealed.
//!
//! Whoever takes inputs in from outside goes this way, so that nothing is recorded which was not checked, or which is
//! in clear text and should not be.

use std::str::Utf8Error;

use bytes::Bytes;
use holiday_core::limits::PAYLOAD_BYTES_MAX;

use super::sealed::Places;
use super::sealing::{self, Unsealed};
use super::{Misfits, Schema, SchemaError, Verdict, read};
use crate::seal::{self, SealError, Sealer};

/// The schema of a handler's input.
#[derive(Debug)]
pub(crate) struct InputSchema {
    schema: Schema,
    /// What it marks as sealed.
    sealed: Option<Places>,
}

/// Why a body is not an input.
#[derive(Debug)]
pub(crate) enum Rejection {
    NotUtf8(Utf8Error),
    NotJson(serde_json::Error),
    Misfits(Misfits),
    /// The body is deeper than one may be that is checked with this schema.
    TooDeep {
        levels: usize,
        max: usize,
    },
    /// The steps did not suffice.
    Undecided,
    /// A field in which something is sealed is there twice; only one of them was checked.
    Twice {
        name: String,
    },
    /// A field that the schema does not name, beside one in which something is sealed.
    Unnamed {
        name: String,
    },
    /// Where something is sealed, there is neither a string nor `null`.
    NotAText {
        at: usize,
    },
    /// A text that is not sealed here looks as if it was.
    LooksSealed {
        at: usize,
    },
    TooManySealed {
        max: usize,
    },
    /// Sealed texts are longer than what callers send.
    TooLarge {
        max: usize,
    },
    NotSealed(SealError),
}

impl InputSchema {
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaError> {
        let schema = read(text)?;
        Ok(InputSchema { schema: Schema::of(&schema)?, sealed: Places::find(&schema)? })
    }

    /// Whether it marks something as sealed.
    pub(crate) fn seals(&self) -> bool {
        self.sealed.is_some()
    }

    /// Checks a body, in no more than `steps` steps, and seals what is to be sealed, whatever it looks like. Elsewhere, nothing
    /// may look as if it was sealed.
    pub(crate) fn admit(&self, body: &Bytes, steps: u64, sealer: &Sealer) -> Result<Bytes, Rejection> {
        let text = std::str::from_utf8(body).map_err(Rejection::NotUtf8)?;
        match self.schema.check(text, steps, self.sealed.as_ref()) {
            Verdict::Fits => {}
            Verdict::NotJson(error) => return Err(Rejection::NotJson(error)),
            Verdict::Misfits(misfits) => return Err(Rejection::Misfits(misfits)),
            Verdict::TooDeep { levels, max } => return Err(Rejection::TooDeep { levels, max }),
            Verdict::Undecided => return Err(Rejection::Undecided),
        }
        let unsealed = match &self.sealed {
            Some(places) => sealing::find(places, text)?,
            None => Vec::new(),
        };
        let is_unsealed = |at: usize| unsealed.binary_search_by_key(&at, |it| it.place.start).is_ok();
        if let Some(at) = seal::looking_sealed(body).find(|at| !is_unsealed(*at)) {
            return Err(Rejection::LooksSealed { at });
        }
        if unsealed.is_empty() {
            return Ok(body.clone());
        }
        write_sealed(text, unsealed, sealer).map(Bytes::from)
    }
}

/// Writes the text with sealed texts in their places.
fn write_sealed(text: &str, unsealed: Vec<Unsealed>, sealer: &Sealer) -> Result<String, Rejection> {
    let (mut sealed, mut at) = (String::new(), 0);
    for Unsealed { place, plain } in unsealed {
        sealed.push_str(&text[at..place.start]);
        sealed.push('"');
        sealed.push_str(&sealer.seal(&plain).map_err(Rejection::NotSealed)?);
        sealed.push('"');
        at = place.end;
        if sealed.len() > PAYLOAD_BYTES_MAX {
            break;
        }
    }
    sealed.push_str(&text[at..]);
    match sealed.len() <= PAYLOAD_BYTES_MAX {
        true => Ok(sealed),
        false => Err(Rejection::TooLarge { max: PAYLOAD_BYTES_MAX }),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::super::CHECK_STEPS_MAX;
    use super::super::sealing::SEALED_TEXTS_MAX;
    use super::*;

    fn compile(schema: &Value) -> InputSchema {
        InputSchema::compile(&schema.to_string()).expect("a schema that can be used")
    }

    fn admit(schema: &InputSchema, sealer: &Sealer, body: &str) -> Result<String, Rejection> {
        let admitted = schema.admit(&Bytes::copy_from_slice(body.as_bytes()), CHECK_STEPS_MAX, sealer)?;
        Ok(String::from_utf8(admitted.to_vec()).expect("text"))
    }

    /// A body with what is sealed in it as `‹plain text›`.
    fn shown(sealer: &Sealer, body: &str) -> String {
        let mut parts = body.split("\"sealed:v1:");
        let mut shown = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (sealed, rest) = part.split_once('"').expect("a string has an end");
            let plain = sealer.reveal(&format!("sealed:v1:{sealed}")).expect("it was sealed with this key");
            write!(shown, "‹{plain}›{rest}").expect("a string");
        }
        shown
    }

    fn check(schema: &Value, bodies: &[&str], expected: Expect) {
        let (schema, sealer) = (compile(schema), Sealer::in_memory());
        let mut told = String::new();
        for body in bodies {
            let became = match admit(&schema, &sealer, body) {
                Ok(admitted) => shown(&sealer, &admitted),
                Err(Rejection::Misfits(misfits)) => format!("no: {misfits}"),
                Err(other) => format!("no: {other:?}"),
            };
            writeln!(told, "{body} => {became}").expect("a string");
        }
        expected.assert_eq(&told);
    }

    fn payment() -> Value {
        let sealed = json!({ "type": "string", "maxLength": 20, "x-holiday-sealed": true });
        let means = json!({ "oneOf": [
            { "type": "object", "properties": { "kind": { "const": "card" }, "number": sealed }, "required": ["kind", "number"] },
            { "type": "object", "properties": { "kind": { "const": "cash" } }, "required": ["kind"] },
        ] });
        json!({
            "type": "object",
            "properties": {
                "amount": { "type": "integer" },
                "pin": { "anyOf": [sealed, { "type": "null" }] },
                "note": { "type": ["string", "number"] },
                "cards": { "type": "array", "items": {
                    "type": "object", "properties": { "number": sealed }, "additionalProperties": true,
                } },
                "pair": { "prefixItems": [{ "type": "string" }, sealed] },
                "by name": { "type": "object", "additionalProperties": sealed },
                "means": means,
                "next": { "$ref": "#" },
            },
            "required": ["amount"],
        })
    }

    #[test]
    fn what_is_marked_is_sealed_and_the_rest_stays_as_it_was_written() {
        check(
            &payment(),
            &[
                r#"{"amount": 1}"#,
                r#"{"amount": 1, "pin": "1234", "note" : "1234"}"#,
                r#"{"amount": 1, "pin": null}"#,
                r#"{ "amount" : 1.0e0 , "cards" : [ {"number":"4111"} , {} , {"number" : "\u0034222\n\"é" , "name":"A"}] }"#,
                r#"{"pair": ["open", "sealed", "more"], "amount": 18446744073709551615}"#,
                r#"{"by name": {"a": "1", "b": "", "c": "sealed:v1:AAAA"}, "amount": 1}"#,
                r#"{"means": {"number": "4111", "kind": "card"}, "amount": 1}"#,
                r#"{"means": {"number": "4111", "kind": "cash"}, "amount": 1}"#,
                r#"{"\u0070in": "1234", "amount": 1, "next": {"amount": 2, "pin": "5678", "next": {"amount": 3, "pin": "9"}}}"#,
            ],
            expect![[r#"
                {"amount": 1} => {"amount": 1}
                {"amount": 1, "pin": "1234", "note" : "1234"} => {"amount": 1, "pin": ‹1234›, "note" : "1234"}
                {"amount": 1, "pin": null} => {"amount": 1, "pin": null}
                { "amount" : 1.0e0 , "cards" : [ {"number":"4111"} , {} , {"number" : "\u0034222\n\"é" , "name":"A"}] } => { "amount" : 1.0e0 , "cards" : [ {"number":‹4111›} , {} , {"number" : ‹4222
                "é› , "name":"A"}] }
                {"pair": ["open", "sealed", "more"], "amount": 18446744073709551615} => {"pair": ["open", ‹sealed›, "more"], "amount": 18446744073709551615}
                {"by name": {"a": "1", "b": "", "c": "sealed:v1:AAAA"}, "amount": 1} => {"by name": {"a": ‹1›, "b": ‹›, "c": ‹sealed:v1:AAAA›}, "amount": 1}
                {"means": {"number": "4111", "kind": "card"}, "amount": 1} => {"means": {"number": ‹4111›, "kind": "card"}, "amount": 1}
                {"means": {"number": "4111", "kind": "cash"}, "amount": 1} => {"means": {"number": ‹4111›, "kind": "cash"}, "amount": 1}
                {"\u0070in": "1234", "amount": 1, "next": {"amount": 2, "pin": "5678", "next": {"amount": 3, "pin": "9"}}} => {"\u0070in": ‹1234›, "amount": 1, "next": {"amount": 2, "pin": ‹5678›, "next": {"amount": 3, "pin": ‹9›}}}
            "#]],
        );
        check(
            &json!({ "type": "string", "x-holiday-sealed": true }),
            &["\"all of it\""],
            expect![[r#"
                "all of it" => ‹all of it›
            "#]],
        );
        check(
            &json!({ "type": "string" }),
            &["\"nothing\""],
            expect![[r#"
            "nothing" => "nothing"
        "#]],
        );
    }

    #[test]
    fn what_does_not_fit_is_not_shown_where_it_may_be_secret() {
        check(
            &payment(),
            &[
                r#"{"amount": "1234", "pin": "1234"}"#,
                r#"{"amount": 1, "pin": 1234}"#,
                r#"{"amount": 1, "pin": "1234 1234 1234 1234 1234"}"#,
                r#"{"amount": 1, "cards": "4111"}"#,
                r#"{"amount": 1, "cards": ["4111"]}"#,
                r#"{"amount": 1, "cards": [{"number": ["4111"]}]}"#,
                r#"{"amount": 1, "by name": {"a": 1, "b": ["4111"]}}"#,
                r#"{"amount": 1, "means": {"kind": "cheque", "number": "4111"}}"#,
                r#"{"amount": 1, "means": {"kind": "card", "nummer": "4111"}}"#,
                r#"{"amount": 1, "means": "4111"}"#,
                r#"{"pin": "1234"}"#,
                r#""4111""#,
                r#"{"amount": 1, "pin": "1234""#,
                r#"{"amount": 1, "pin": "12\x34"}"#,
            ],
            expect![[r#"
                {"amount": "1234", "pin": "1234"} => no: .amount is "1234", not an integer
                {"amount": 1, "pin": 1234} => no: .pin is <hidden>, not a string or null
                {"amount": 1, "pin": "1234 1234 1234 1234 1234"} => no: .pin is <hidden>, longer than 20 characters
                {"amount": 1, "cards": "4111"} => no: .cards is <hidden>, not an array
                {"amount": 1, "cards": ["4111"]} => no: .cards[0] is <hidden>, not an object
                {"amount": 1, "cards": [{"number": ["4111"]}]} => no: .cards[0].number is <hidden>, not a string
                {"amount": 1, "by name": {"a": 1, "b": ["4111"]}} => no: ["by name"].a is <hidden>, not a string; ["by name"].b is <hidden>, not a string
                {"amount": 1, "means": {"kind": "cheque", "number": "4111"}} => no: .means.kind is "cheque", not "card" or "cash"
                {"amount": 1, "means": {"kind": "card", "nummer": "4111"}} => no: .means lacks the field "number"
                {"amount": 1, "means": "4111"} => no: .means is <hidden>, not an object
                {"pin": "1234"} => no: it lacks the field "amount"
                "4111" => no: it is <hidden>, not an object
                {"amount": 1, "pin": "1234" => no: NotJson(Error("EOF while parsing an object", line: 1, column: 27))
                {"amount": 1, "pin": "12\x34"} => no: NotJson(Error("invalid escape", line: 1, column: 26))
            "#]],
        );
    }

    /// The schema is held against the last one, and a handler may read another.
    #[test]
    fn a_field_that_is_there_twice_is_refused_where_something_is_sealed() {
        check(
            &payment(),
            &[
                r#"{"amount": 1, "pin": ["1234"], "pin": "1234"}"#,
                r#"{"amount": 1, "pin": "1234", "\u0070in": "1234"}"#,
                r#"{"amount": 1, "next": {"pin": ["1234"]}, "next": {"amount": 1}}"#,
                r#"{"amount": 1, "by name": {"a": ["1"], "a": "1"}}"#,
                r#"{"amount": 1, "note": 1, "note": 2}"#,
            ],
            expect![[r#"
                {"amount": 1, "pin": ["1234"], "pin": "1234"} => no: .pin is <hidden>, not a string or null
                {"amount": 1, "pin": "1234", "\u0070in": "1234"} => no: Twice { name: "pin" }
                {"amount": 1, "next": {"pin": ["1234"]}, "next": {"amount": 1}} => no: .next lacks the field "amount"; .next.pin is not there, not a string or null
                {"amount": 1, "by name": {"a": ["1"], "a": "1"}} => no: ["by name"].a is <hidden>, not a string
                {"amount": 1, "note": 1, "note": 2} => {"amount": 1, "note": 1, "note": 2}
            "#]],
        );
    }

    /// A handler may know it under a name that the schema does not know, and would have it in clear text.
    #[test]
    fn a_field_of_another_name_is_refused_beside_those_that_are_sealed() {
        check(
            &payment(),
            &[
                r#"{"amount": 1, "PIN": "1234"}"#,
                r#"{"amount": 1, "pin": "1234", "p\u0069n ": null}"#,
                r#"{"amount": 1, "next": {"amount": 2, "PIN": "1234"}}"#,
                r#"{"amount": 1, "Cards": [{"number": "4111"}]}"#,
                r#"{"amount": 1, "means": {"kind": "card", "number": "4111", "cvc": "123"}}"#,
                r#"{"amount": 1, "cards": [{"number": "4111", "name": "A"}]}"#,
                r#"{"amount": 1, "by name": {"anything": "1234"}}"#,
            ],
            expect![[r#"
                {"amount": 1, "PIN": "1234"} => no: Unnamed { name: "PIN" }
                {"amount": 1, "pin": "1234", "p\u0069n ": null} => no: Unnamed { name: "pin " }
                {"amount": 1, "next": {"amount": 2, "PIN": "1234"}} => no: Unnamed { name: "PIN" }
                {"amount": 1, "Cards": [{"number": "4111"}]} => no: Unnamed { name: "Cards" }
                {"amount": 1, "means": {"kind": "card", "number": "4111", "cvc": "123"}} => no: Unnamed { name: "cvc" }
                {"amount": 1, "cards": [{"number": "4111", "name": "A"}]} => {"amount": 1, "cards": [{"number": ‹4111›, "name": "A"}]}
                {"amount": 1, "by name": {"anything": "1234"}} => {"amount": 1, "by name": {"anything": ‹1234›}}
            "#]],
        );
        let pattern = json!({
            "properties": { "pin": { "type": "string", "x-holiday-sealed": true } },
            "patternProperties": { "^x-": { "type": "string" } },
        });
        check(
            &pattern,
            &[r#"{"pin": "1234", "x-note": "open"}"#],
            expect![[r#"
            {"pin": "1234", "x-note": "open"} => {"pin": ‹1234›, "x-note": "open"}
        "#]],
        );
    }

    /// An alternative that does not speak of a field lets anything be there.
    #[test]
    fn what_is_no_text_is_not_left_open() {
        check(
            &payment(),
            &[
                r#"{"amount": 1, "means": {"kind": "cash", "number": 4111}}"#,
                r#"{"amount": 1, "means": {"kind": "cash", "number": ["4111"]}}"#,
                r#"{"amount": 1, "means": {"kind": "cash", "number": null}}"#,
            ],
            expect![[r#"
                {"amount": 1, "means": {"kind": "cash", "number": 4111}} => no: NotAText { at: 50 }
                {"amount": 1, "means": {"kind": "cash", "number": ["4111"]}} => no: NotAText { at: 50 }
                {"amount": 1, "means": {"kind": "cash", "number": null}} => {"amount": 1, "means": {"kind": "cash", "number": null}}
            "#]],
        );
    }

    /// Whoever has got hold of a sealed text, or makes one up, does not get it to a handler.
    #[test]
    fn what_looks_sealed_is_refused_where_nothing_is_sealed() {
        check(
            &payment(),
            &[
                r#"{"amount": 1, "pin": "sealed:v1:AAAA"}"#,
                r#"{"amount": 1, "note": "sealed:v1:AAAA"}"#,
                r#"{"amount": 1, "note": "\u0073ealed:v23:AAAA"}"#,
                r#"{"amount": 1, "note": " sealed:v1:AAAA"}"#,
                r#"{"amount": 1, "pin": "sealed:v1:AAAA", "pair": ["sealed:v1:AAAA", "sealed:v1:AAAA"]}"#,
                r#"{"amount": 1, "cards": [{"sealed:v1:": 1}]}"#,
            ],
            expect![[r#"
                {"amount": 1, "pin": "sealed:v1:AAAA"} => {"amount": 1, "pin": ‹sealed:v1:AAAA›}
                {"amount": 1, "note": "sealed:v1:AAAA"} => no: LooksSealed { at: 22 }
                {"amount": 1, "note": "\u0073ealed:v23:AAAA"} => no: LooksSealed { at: 22 }
                {"amount": 1, "note": " sealed:v1:AAAA"} => {"amount": 1, "note": " sealed:v1:AAAA"}
                {"amount": 1, "pin": "sealed:v1:AAAA", "pair": ["sealed:v1:AAAA", "sealed:v1:AAAA"]} => no: LooksSealed { at: 48 }
                {"amount": 1, "cards": [{"sealed:v1:": 1}]} => no: LooksSealed { at: 25 }
            "#]],
        );
        let unmarked = json!({ "type": "array" });
        check(
            &unmarked,
            &[r#"["sealed:v1:AAAA"]"#, r#"["sealed:vx:AAAA", "sealed:v1"]"#],
            expect![[r#"
            ["sealed:v1:AAAA"] => no: LooksSealed { at: 1 }
            ["sealed:vx:AAAA", "sealed:v1"] => ["sealed:vx:AAAA", "sealed:v1"]
        "#]],
        );
    }

    #[test]
    fn so_many_texts_are_sealed() {
        let schema = compile(&json!({ "items": { "type": "string", "x-holiday-sealed": true } }));
        let sealer = Sealer::in_memory();
        let body = |texts: usize| json!(vec![""; texts]).to_string();
        let most = admit(&schema, &sealer, &body(SEALED_TEXTS_MAX)).expect("it just fits");
        assert_eq!(most.matches("sealed:v1:").count(), SEALED_TEXTS_MAX);
        let rejection = admit(&schema, &sealer, &body(SEALED_TEXTS_MAX + 1)).expect_err("there is one more");
        assert!(matches!(rejection, Rejection::TooManySealed { max: SEALED_TEXTS_MAX }), "{rejection:?}");
    }

    #[test]
    fn what_is_sealed_still_fits_into_a_journal() {
        let schema = compile(&json!({ "type": "string", "x-holiday-sealed": true }));
        let sealer = Sealer::in_memory();
        let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
        let overhead = admit(&schema, &sealer, &body(0)).expect("it is sealed").len();
        let most = (PAYLOAD_BYTES_MAX - overhead) / 4 * 3;
        assert!(admit(&schema, &sealer, &body(most)).is_ok_and(|it| it.len() <= PAYLOAD_BYTES_MAX));
        let rejection = admit(&schema, &sealer, &body(most + 4)).expect_err("it is longer");
        assert!(matches!(rejection, Rejection::TooLarge { .. }), "{rejection:?}");
    }
}
