//! Finds texts in JSON that look sealed, however they are written.

use super::text::PREFIX_OF_ALL;
pub(crate) use super::text::looks_sealed;

/// Where strings begin in JSON that look sealed, with their quotes, also if they are names of fields.
///
/// The bytes may be no JSON, or none to their end; then what is found is of no use, and nobody reads it either. Most have
/// nothing in them that could look sealed, which is seen without a look at each string.
pub(crate) fn looking_sealed(json: &[u8]) -> impl Iterator<Item = usize> {
    let may_be =
        str::from_utf8(json).map_or(true, |text| text.contains(PREFIX_OF_ALL) || text.contains("\\u"));
    let strings = Strings { json: if may_be { json } else { &[] }, at: 0 };
    strings.filter(|(_, string)| is_sealed(string)).map(|(at, _)| at)
}

fn is_sealed(string: &[u8]) -> bool {
    // What begins with anything else begins otherwise, and need not be read.
    let may_be = matches!(string, [b'"', b's' | b'\\', ..]);
    may_be && serde_json::from_slice(string).is_ok_and(|text: String| looks_sealed(&text))
}

/// The strings of JSON with their quotes, and where they begin.
struct Strings<'j> {
    json: &'j [u8],
    at: usize,
}

impl<'j> Iterator for Strings<'j> {
    type Item = (usize, &'j [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at + self.json[self.at..].iter().position(|byte| *byte == b'"')?;
        self.at = start + 1;
        loop {
            let rest = &self.json[self.at..];
            let next = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            // An escape is at least two bytes, and the others of it are neither.
            self.at = (self.at + next + if rest[next] == b'"' { 1 } else { 2 }).min(self.json.len());
            if rest[next] == b'"' {
                return Some((start, &self.json[start..self.at]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &[u8]) -> Vec<usize> {
        looking_sealed(json).collect()
    }

    #[test]
    fn they_are_found_however_they_are_written() {
        for json in [
            r#"["sealed:v1:"]"#,
            r#"["\u0073ealed:v1:AAAA"]"#,
            r#"["s\u0065\u0061led:\u007612:AAAA"]"#,
            r#"{"sealed:v1:": 1}"#,
            r#"["sealed:v1:" "#,
        ] {
            assert_eq!(found(json.as_bytes()), [1], "{json}");
        }
        assert_eq!(found(b"\"sealed:v1:AAAA\""), [0]);
        assert_eq!(found(br#"{"a\"": "\\", "b": "sealed:v1:", "c": ["sealed:v2:\n"]}"#), [19, 39]);
        assert_eq!(found(b"{\"a\": \"\xff\", \"b\": \"sealed:v1:AAAA\"}"), [16]);
    }

    #[test]
    fn others_are_not_found() {
        for json in [
            "",
            "\"",
            "\"\\",
            r#""unsealed:v1:""#,
            r#""sealed:v:""#,
            r#""sealed:v1""#,
            r#""sealed:very 1:""#,
            r#""SEALED:V1:""#,
            r#""\\u0073ealed:v1:""#,
            r#"["\"sealed:v1:\""]"#,
            "sealed:v1:AAAA",
            r#""sealed:v1:AAAA"#,
        ] {
            assert_eq!(found(json.as_bytes()), [0; 0], "{json}");
        }
    }
}
