//! Durations as authors write them: `30s`, `500ms`, `1h 30m`.

/// Units and their milliseconds.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Reads whole numbers with units, which may stand apart, as milliseconds.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: Option<u64> = None;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let after = after.trim_start();
        let (unit, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*factor)?;
        total = Some(total.unwrap_or(0).checked_add(part)?);
        rest = after.trim_start();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn durations_are_numbers_with_units() {
        let durations = [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1h 30m", 5_400_000),
            ("2 h", 7_200_000),
            ("7d", 604_800_000),
            (" 1w ", 604_800_000),
        ];
        for (text, expected) in durations {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "30 parsecs", "1h,30m", "99999999999999999999s", "1y"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
