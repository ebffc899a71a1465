//! The old envelopes: `{"request": X}` and `{"key": K, "request": X}`.
//!
//! They are read only on routes without a key, and only for handlers that have no field `request` of their
//! own. What an object with a field `request` is, then:
//!
//! | fields | plain service | keyed service |
//! |---|---|---|
//! | `request` | X is the input | the key is missing: refused |
//! | `request`, `key` | nothing reads `key`: refused | X is the input, K the key |
//! | `request` and others | the input as it stands if the handler takes fields of any name; else the handler would ignore `request`: refused | nothing reads the others: refused |
//!
//! For a keyed service `{"key": K}` alone is the envelope of an empty input: there the key has to come from
//! somewhere. Any other body is the input as it stands.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use holiday_core::error::ErrorCode;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::Error;
use super::schema::Shape;

/// The fields of a body that may be an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) key: Option<String>,
    /// Empty if the envelope has no `request`.
    pub(super) input: Bytes,
}

/// Opens `body` if it is an envelope. `body` is text.
pub(super) fn open(body: &Bytes, text: &str, is_keyed: bool, shape: &Shape) -> Result<Option<Opened>, Error> {
    if shape.has_request || !text.trim_ascii_start().starts_with('{') {
        return Ok(None);
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let is_envelope = match (fields.request, fields.key) {
        (Some(_), _) => is_keyed || fields.other.is_none() || !shape.is_open,
        (None, Some(_)) => is_keyed && fields.other.is_none(),
        (None, None) => false,
    };
    if !is_envelope {
        return Ok(None);
    }
    let unread = match (&fields.other, fields.key) {
        (Some(other), _) => Some(other.as_ref()),
        (None, Some(_)) if !is_keyed => Some("key"),
        (None, _) => None,
    };
    if let Some(unread) = unread {
        return Err(unread_field(unread));
    }
    let key =
        fields.key.map(|raw| serde_json::from_str(raw.get()).map_err(|_| key_is_not_text())).transpose()?;
    let input = fields.request.map_or_else(Bytes::new, |raw| body.slice_ref(raw.get().as_bytes()));
    Ok(Some(Opened { key, input }))
}

/// Says where a text is not JSON.
pub(super) fn not_json(error: &serde_json::Error) -> Error {
    Error::bad_request(ErrorCode::MalformedBody, format!("the body is not JSON: {error}"))
}

fn unread_field(name: &str) -> Error {
    let message = format!(
        "nothing reads the field '{name}' beside 'request' in the body; \
         send the handler's input alone, or as {{\"request\": …}} with nothing beside it"
    );
    Error::bad_request(ErrorCode::UnreadEnvelope, message)
}

fn key_is_not_text() -> Error {
    Error::bad_request(ErrorCode::MalformedBody, "the field 'key' of the envelope is not a string")
}

struct Fields<'a> {
    request: Option<&'a RawValue>,
    key: Option<&'a RawValue>,
    /// The first field that is neither.
    other: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields { request: None, key: None, other: None };
        while let Some(FieldName(name)) = map.next_key()? {
            let slot = match name.as_ref() {
                "request" => &mut fields.request,
                "key" => &mut fields.key,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    fields.other.get_or_insert(name);
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom(format_args!("the field '{name}' is there twice")));
            }
        }
        Ok(fields)
    }
}

/// A name that is copied only if it has escapes.
#[derive(Deserialize)]
struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const STRUCT: Shape = Shape { has_request: false, is_open: false, takes_null: false };
    const PLAIN: bool = false;
    const KEYED: bool = true;

    fn check(is_keyed: bool, shape: Shape, bodies: &[&'static str], expected: Expect) {
        let lines: Vec<String> = bodies
            .iter()
            .map(|body| match open(&Bytes::from_static(body.as_bytes()), body, is_keyed, &shape) {
                Ok(None) => format!("{body} as it stands\n"),
                Ok(Some(Opened { key, input })) => format!("{body} key {key:?}, input {input:?}\n"),
                Err(error) => format!("{body} {error}\n"),
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    const BODIES: &[&str] = &[
        r#"{}"#,
        r#" {"request" : {"run_type": "failPayment"} } "#,
        r#"{"key": "a", "request": 1}"#,
        r#"{"key": "a"}"#,
        r#"{"request": 1, "headers": {}}"#,
        r#"{"run_type": "failPayment"}"#,
        r#"["request"]"#,
    ];

    #[test]
    fn plain_service_with_a_struct() {
        check(
            PLAIN,
            STRUCT,
            BODIES,
            expect![[r#"
            {} as it stands
             {"request" : {"run_type": "failPayment"} }  key None, input b"{\"run_type\": \"failPayment\"}"
            {"key": "a", "request": 1} 400 HH0032: nothing reads the field 'key' beside 'request' in the body; send the handler's input alone, or as {"request": …} with nothing beside it
            {"key": "a"} as it stands
            {"request": 1, "headers": {}} 400 HH0032: nothing reads the field 'headers' beside 'request' in the body; send the handler's input alone, or as {"request": …} with nothing beside it
            {"run_type": "failPayment"} as it stands
            ["request"] as it stands
        "#]],
        );
    }

    #[test]
    fn plain_service_that_takes_anything() {
        check(
            PLAIN,
            Shape::ANYTHING,
            BODIES,
            expect![[r#"
            {} as it stands
             {"request" : {"run_type": "failPayment"} }  key None, input b"{\"run_type\": \"failPayment\"}"
            {"key": "a", "request": 1} 400 HH0032: nothing reads the field 'key' beside 'request' in the body; send the handler's input alone, or as {"request": …} with nothing beside it
            {"key": "a"} as it stands
            {"request": 1, "headers": {}} as it stands
            {"run_type": "failPayment"} as it stands
            ["request"] as it stands
        "#]],
        );
    }

    #[test]
    fn keyed_service() {
        check(
            KEYED,
            STRUCT,
            BODIES,
            expect![[r#"
            {} as it stands
             {"request" : {"run_type": "failPayment"} }  key None, input b"{\"run_type\": \"failPayment\"}"
            {"key": "a", "request": 1} key Some("a"), input b"1"
            {"key": "a"} key Some("a"), input b""
            {"request": 1, "headers": {}} 400 HH0032: nothing reads the field 'headers' beside 'request' in the body; send the handler's input alone, or as {"request": …} with nothing beside it
            {"run_type": "failPayment"} as it stands
            ["request"] as it stands
        "#]],
        );
    }

    #[test]
    fn a_handler_with_a_field_of_that_name() {
        check(
            PLAIN,
            Shape { has_request: true, ..STRUCT },
            BODIES,
            expect![[r#"
            {} as it stands
             {"request" : {"run_type": "failPayment"} }  as it stands
            {"key": "a", "request": 1} as it stands
            {"key": "a"} as it stands
            {"request": 1, "headers": {}} as it stands
            {"run_type": "failPayment"} as it stands
            ["request"] as it stands
        "#]],
        );
    }

    #[test]
    fn broken() {
        check(
            KEYED,
            STRUCT,
            &[
                r#"{"request": 1, "request": 2}"#,
                r#"{"request": }"#,
                r#"{"key": 7, "request": 1}"#,
                r#"{"request": 1} 2"#,
                r#"{"re\u0071uest": 1, "key": "\u00e9"}"#,
            ],
            expect![[r#"
                {"request": 1, "request": 2} 400 HH0004: the body is not JSON: the field 'request' is there twice at line 1 column 28
                {"request": } 400 HH0004: the body is not JSON: expected value at line 1 column 13
                {"key": 7, "request": 1} 400 HH0004: the field 'key' of the envelope is not a string
                {"request": 1} 2 400 HH0004: the body is not JSON: trailing characters at line 1 column 16
                {"re\u0071uest": 1, "key": "\u00e9"} key Some("é"), input b"1"
            "#]],
        );
    }
}
