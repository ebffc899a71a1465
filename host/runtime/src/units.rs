//! Durations and sizes as people write them: `10s`, `1h30m` or `PT10S`, and `8 MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1_000;

/// Units of sizes, in lower case. Those from 1,024 upwards come first: sizes are shown in them.
const SIZE_UNITS: [(&str, usize); 8] = [
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
    ("", 1),
];

/// A duration, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// The text is not what it should be; whoever reads it knows what that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Millis {
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Days are 24 hours long; months and years have no certain length and are no durations.
impl FromStr for Millis {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let span: Span = text.parse().map_err(|_| Malformed)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| Malformed)?;
        u64::try_from(duration.as_millis()).map(Millis).map_err(|_| Malformed)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            millis if millis >= 2 * MILLIS_PER_DAY && millis.is_multiple_of(MILLIS_PER_DAY) => {
                write!(f, "{}d", millis / MILLIS_PER_DAY)
            }
            _ => write!(f, "{:#}", SignedDuration::try_from(self.duration()).unwrap_or(SignedDuration::MAX)),
        }
    }
}

impl FromStr for Size {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = unit.trim_start().to_ascii_lowercase();
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or(Malformed)?;
        let number: usize = number.parse().map_err(|_| Malformed)?;
        number.checked_mul(*factor).map(Size).ok_or(Malformed)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: usize| self.0 >= factor && self.0.is_multiple_of(factor);
        match self.0 {
            size if fits(1 << 30) => write!(f, "{} GiB", size >> 30),
            size if fits(1 << 20) => write!(f, "{} MiB", size >> 20),
            size if fits(1 << 10) => write!(f, "{} KiB", size >> 10),
            size => write!(f, "{size} B"),
        }
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(MillisVisitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct MillisVisitor;

impl Visitor<'_> for MillisVisitor {
    type Value = Millis;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as '500ms', '10s', '1h30m', '7d' or 'PT10S'")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Millis, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as '8 MiB' or '512 KiB', or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
        let size = usize::try_from(bytes);
        size.map(Size).map_err(|_| E::invalid_value(Unexpected::Unsigned(bytes), &self))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        let size = usize::try_from(bytes);
        size.map(Size).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_many_ways() {
        let durations = [
            ("10s", 10_000),
            ("500ms", 500),
            ("0ms", 0),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2 days", 172_800_000),
            ("PT10S", 10_000),
            ("PT0.5S", 500),
            ("P1DT2H", 93_600_000),
            ("1w", 604_800_000),
        ];
        for (text, millis) in durations {
            assert_eq!(text.parse(), Ok(Millis(millis)), "{text}");
        }
        for text in ["", "10", "ten seconds", "-10s", "P1M", "1y", "PT", "99999999999999999999s"] {
            assert_eq!(text.parse::<Millis>(), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_in_many_ways() {
        let sizes = [
            ("0", 0),
            ("1024", 1024),
            ("96 B", 96),
            ("8 MiB", 8 << 20),
            ("8MiB", 8 << 20),
            ("512 kib", 512 << 10),
            ("1 GiB", 1 << 30),
            ("1 MB", 1_000_000),
        ];
        for (text, size) in sizes {
            assert_eq!(text.parse(), Ok(Size(size)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5 MiB", "8 apples", "99999999999 GiB", "1 M iB"] {
            assert_eq!(text.parse::<Size>(), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_written() {
        let day = MILLIS_PER_DAY;
        let durations = [
            (0, "0s"),
            (100, "100ms"),
            (30_000, "30s"),
            (5_400_000, "1h 30m"),
            (day, "24h"),
            (7 * day, "7d"),
            (7 * day + 1, "168h 1ms"),
        ];
        for (millis, text) in durations {
            assert_eq!(Millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Millis(millis)));
        }
        for (size, text) in [
            (0, "0 B"),
            (96, "96 B"),
            (1536, "1536 B"),
            (16 << 10, "16 KiB"),
            (8 << 20, "8 MiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(Size(size).to_string(), text);
            assert_eq!(text.parse(), Ok(Size(size)));
        }
    }
}
