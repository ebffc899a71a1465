//! How long a send waits before it starts: `?delay=10s`, `?delay=1h30m`, `?delay=PT10S`.

use std::borrow::Cow;

use holiday_core::error::ErrorCode;
use percent_encoding::percent_decode_str;

use super::error::Error;
use crate::units::Millis;

/// Reads the delay in milliseconds; a query without one has none.
pub(super) fn of_query(query: Option<&str>) -> Result<Option<u64>, Error> {
    let Some(text) = query.and_then(|it| parameter(it, "delay")) else { return Ok(None) };
    match text.parse() {
        Ok(Millis(millis)) => Ok(Some(millis)),
        Err(_) => {
            let message = format!(
                "'{text}' is not a delay; write it as 500ms, 10s, 1h30m or 2 days, or as ISO 8601 does: PT10S"
            );
            Err(Error::bad_request(ErrorCode::MalformedDelay, message))
        }
    }
}

/// The first value of a parameter in a query.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(it, _)| *it == name)?;
    Some(match value.contains('+') {
        true => Cow::Owned(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()),
        false => percent_decode_str(value).decode_utf8_lossy(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_written_in_many_ways() {
        let delays = [
            ("10s", 10_000),
            ("500ms", 500),
            ("0ms", 0),
            ("1h30m", 5_400_000),
            ("1h%2030m", 5_400_000),
            ("2+days", 172_800_000),
            ("PT10S", 10_000),
            ("PT0.5S", 500),
            ("P1DT2H", 93_600_000),
            ("1w", 604_800_000),
        ];
        for (text, millis) in delays {
            assert_eq!(of_query(Some(&format!("a=b&delay={text}"))).ok(), Some(Some(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "10", "ten seconds", "-10s", "P1M", "1y", "PT", "99999999999999999999s", "%ff"] {
            assert!(of_query(Some(&format!("delay={text}"))).is_err(), "{text}");
        }
    }
}
