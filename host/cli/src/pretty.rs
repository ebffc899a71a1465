//! JSON laid out for people. Every token stays as it is: numbers keep all their digits, members their order.

const INDENT: &str = "  ";

/// Lays out a JSON text on lines of its own.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut rest = json.trim();
    while let Some(next) = rest.chars().next() {
        let length = if next == '"' { text_length(rest) } else { next.len_utf8() };
        let (token, after) = rest.split_at(length);
        rest = after.trim_start();
        match token {
            "{" | "[" if rest.starts_with(['}', ']']) => {
                out.push_str(token);
                out.push_str(&rest[..1]);
                rest = rest[1..].trim_start();
            }
            "{" | "[" => {
                depth += 1;
                out.push_str(token);
                break_line(&mut out, depth);
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push_str(token);
            }
            "," => {
                out.push_str(token);
                break_line(&mut out, depth);
            }
            ":" => out.push_str(": "),
            other => out.push_str(other),
        }
    }
    out
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&INDENT.repeat(depth));
}

/// Bytes of the text in quotes that `json` begins with.
fn text_length(json: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(json: &str, expected: Expect) {
        expected.assert_eq(&pretty(json));
    }

    #[test]
    fn members_stand_on_lines_of_their_own() {
        check(
            r#"{"b": 12345678901234567890.10, "a":[1 ,{"x":null}], "e": {}, "f" : [ ]}"#,
            expect![[r#"
                {
                  "b": 12345678901234567890.10,
                  "a": [
                    1,
                    {
                      "x": null
                    }
                  ],
                  "e": {},
                  "f": []
                }"#]],
        );
    }

    #[test]
    fn texts_keep_what_looks_like_layout() {
        check(r#""a, {b: \"c\" }\\""#, expect![[r#""a, {b: \"c\" }\\""#]]);
        check(
            r#"["é ,","]"]"#,
            expect![[r#"
            [
              "é ,",
              "]"
            ]"#]],
        );
        check("true", expect!["true"]);
    }
}
