//! JSON on the boundary: bodies, answers, state.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TerminalError;

/// An absent body, as a `()` and a `None` are sent.
const NOTHING: &[u8] = b"null";

/// Encodes a value that leaves the handler.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, TerminalError> {
    serde_json::to_vec(value)
        .map_err(|error| TerminalError::new(format!("cannot be written as JSON: {error}")))
}

/// Decodes what the host has recorded.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TerminalError> {
    serde_json::from_slice(if bytes.is_empty() { NOTHING } else { bytes })
        .map_err(|error| TerminalError::new(format!("the recorded value has another shape: {error}")))
}

/// Decodes the body of a request; the error says where it is wrong.
pub(crate) fn decode_input<T: DeserializeOwned>(body: &[u8]) -> Result<T, TerminalError> {
    let reject = |text: String| Err(TerminalError::new(text).with_code(400));
    let mut json = serde_json::Deserializer::from_slice(if body.is_empty() { NOTHING } else { body });
    match serde_path_to_error::deserialize(&mut json) {
        Ok(input) => match json.end() {
            Ok(()) => Ok(input),
            Err(error) => reject(format!("the body goes on after its value: {error}")),
        },
        Err(_) if body.is_empty() => reject("the body is empty, but the handler takes an input".into()),
        Err(error) => match error.path().to_string().as_str() {
            // The root, and a place that the text breaks off at.
            "." | "?" => reject(format!("the body is wrong: {}", error.inner())),
            path => reject(format!("the body is wrong at `{path}`: {}", error.inner())),
        },
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trip {
        #[allow(dead_code, reason = "read by Debug")]
        legs: Vec<Leg>,
    }

    #[derive(Debug, Deserialize)]
    struct Leg {
        #[allow(dead_code, reason = "read by Debug")]
        seat: u8,
    }

    fn check(bodies: &[&str], expected: Expect) {
        let lines: Vec<String> = bodies
            .iter()
            .map(|body| match decode_input::<Trip>(body.as_bytes()) {
                Ok(trip) => format!("{body} => {trip:?}\n"),
                Err(error) => format!("{body} => {} {error}\n", error.code()),
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn a_wrong_body_is_told_where() {
        check(
            &[
                r#"{"legs": [{"seat": 7}]}"#,
                r#"{"legs": [{"seat": 7}, {"seat": "7A"}]}"#,
                r#"{"legs": [{}]}"#,
                r#"{"request": {}}"#,
                r#"{"legs": []"#,
                r#"{"legs": []} x"#,
                "[]",
                "",
            ],
            expect![[r#"
                {"legs": [{"seat": 7}]} => Trip { legs: [Leg { seat: 7 }] }
                {"legs": [{"seat": 7}, {"seat": "7A"}]} => 400 the body is wrong at `legs[1].seat`: invalid type: string "7A", expected u8 at line 1 column 36
                {"legs": [{}]} => 400 the body is wrong at `legs[0]`: missing field `seat` at line 1 column 12
                {"request": {}} => 400 the body is wrong at `request`: unknown field `request`, expected `legs` at line 1 column 10
                {"legs": [] => 400 the body is wrong: EOF while parsing an object at line 1 column 11
                {"legs": []} x => 400 the body goes on after its value: trailing characters at line 1 column 14
                [] => 400 the body is wrong: invalid length 0, expected struct Trip with 1 element at line 1 column 2
                 => 400 the body is empty, but the handler takes an input
            "#]],
        );
    }

    #[test]
    fn nothing_is_an_absent_option_and_a_unit() {
        assert_eq!(decode_input::<Option<u8>>(b""), Ok(None));
        assert_eq!(decode::<()>(b""), Ok(()));
    }
}
