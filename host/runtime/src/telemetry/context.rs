//! What the headers `traceparent` and `tracestate` say, as W3C's Trace Context has it.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

pub const TRACEPARENT: &str = "traceparent";
pub const TRACESTATE: &str = "tracestate";

/// Bytes of a `tracestate` that are passed on, which is what the standard asks for at least; members at its end that
/// do not fit are left out.
pub(super) const TRACESTATE_BYTES_MAX: usize = 512;

/// The version that this host writes, and knows all of.
const VERSION: &str = "00";

/// A span, as others name it who are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    /// Whether spans of this trace are recorded.
    pub is_sampled: bool,
    /// What the systems on the way noted for themselves; passed on as it came, up to a bound.
    pub state: TraceState,
}

impl TraceContext {
    /// Reads the span that a request comes from. Headers that are malformed, or there twice, say nothing.
    pub fn of_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let (mut parents, mut states) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            match name {
                TRACEPARENT => parents.push(value),
                TRACESTATE => states.push(value),
                _ => {}
            }
        }
        let [parent] = parents[..] else { return None };
        let context = parse(parent)?;
        let state = TraceState::from_str(cut(&states.join(","))).unwrap_or_default();
        Some(TraceContext { state, ..context })
    }

    /// The same trace, seen from another of its spans.
    pub fn at(&self, span: SpanId) -> Self {
        TraceContext { span, ..self.clone() }
    }

    /// The value of the header `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("{VERSION}-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags())
    }

    /// The value of the header `tracestate`; `None` if nobody noted anything.
    pub fn tracestate(&self) -> Option<String> {
        Some(self.state.header()).filter(|state| !state.is_empty())
    }

    pub(super) fn to_span_context(&self, is_remote: bool) -> SpanContext {
        SpanContext::new(self.trace, self.span, self.flags(), is_remote, self.state.clone())
    }

    fn flags(&self) -> TraceFlags {
        TraceFlags::default().with_sampled(self.is_sampled)
    }
}

/// Reads a `traceparent`. Of a version to come, what this one knows is taken.
fn parse(text: &str) -> Option<TraceContext> {
    let mut fields = text.trim_matches([' ', '\t']).split('-');
    let version = hex(fields.next()?, 2)?;
    let trace = hex(fields.next()?, 32)?;
    let span = hex(fields.next()?, 16)?;
    let flags = hex(fields.next()?, 2)?;
    let is_known = version == 0;
    if version == 0xff || is_known && fields.next().is_some() || trace == 0 || span == 0 {
        return None;
    }
    Some(TraceContext {
        trace: TraceId::from(trace),
        span: SpanId::from(u64::try_from(span).ok()?),
        is_sampled: flags & 1 == 1,
        state: TraceState::default(),
    })
}

/// As many members of a `tracestate` as are passed on. The first ones are those of the systems nearest by.
fn cut(state: &str) -> &str {
    if state.len() <= TRACESTATE_BYTES_MAX {
        return state;
    }
    // A comma may stand right behind the last byte.
    let beginning = &state.as_bytes()[..=TRACESTATE_BYTES_MAX];
    let end = beginning.iter().rposition(|byte| *byte == b',').unwrap_or(0);
    &state[..end]
}

/// Reads a number of so many digits, all of them in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.len() == digits && text.bytes().all(is_digit) {
        true => u128::from_str_radix(text, 16).ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn check(headers: &[(&str, &str)], expected: Expect) {
        let context = TraceContext::of_headers(headers.iter().copied());
        let shown = context.map_or("ignored".to_owned(), |it| {
            it.traceparent() + &it.tracestate().map(|state| format!(" {state}")).unwrap_or_default()
        });
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_parent_is_read_and_written() {
        check(
            &[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        );
        check(
            &[
                ("traceparent", &format!(" 00-{TRACE}-{SPAN}-00\t")),
                ("tracestate", "a=1,b=2"),
                ("tracestate", "c=3"),
            ],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 a=1,b=2,c=3"],
        );
        // Flags that nobody knows are not passed on.
        check(
            &[("traceparent", &format!("00-{TRACE}-{SPAN}-ff"))],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        );
    }

    #[test]
    fn of_a_later_version_the_beginning_counts() {
        check(
            &[("traceparent", &format!("cc-{TRACE}-{SPAN}-01-what-will-be"))],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        );
        check(
            &[("traceparent", &format!("01-{TRACE}-{SPAN}-00"))],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"],
        );
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        let zeros = "0".repeat(32);
        for parent in [
            "",
            "00",
            TRACE,
            &format!("ff-{TRACE}-{SPAN}-01"),
            &format!("0-{TRACE}-{SPAN}-01"),
            &format!("00-{TRACE}-{SPAN}"),
            &format!("00-{TRACE}-{SPAN}-1"),
            &format!("00-{TRACE}-{SPAN}-01-"),
            &format!("00-{TRACE}-{SPAN}-01-more"),
            &format!("00-{TRACE}-{SPAN}-0g"),
            &format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            &format!("00-{}-{SPAN}-01", &TRACE[1..]),
            &format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            &format!("00-{zeros}-{SPAN}-01"),
            &format!("00-{TRACE}-{}-01", &zeros[..16]),
            &format!("cc-{TRACE}-{SPAN}-01.more"),
        ] {
            assert_eq!(TraceContext::of_headers([("traceparent", parent)]), None, "{parent}");
        }
    }

    #[test]
    fn two_parents_are_none_and_a_state_alone_is_nothing() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        check(&[("traceparent", &parent), ("traceparent", &parent)], expect!["ignored"]);
        check(&[("tracestate", "a=1")], expect!["ignored"]);
    }

    #[test]
    fn of_a_state_as_much_is_passed_on_as_whole_members_fit() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let passed_on = |states: &[&str]| {
            let states = states.iter().map(|state| ("tracestate", *state));
            let context = TraceContext::of_headers(states.chain([("traceparent", parent.as_str())]));
            context.expect("a parent").tracestate().unwrap_or_default()
        };
        let first = format!("a={}", "x".repeat(254));
        let second = format!("b={}", "x".repeat(TRACESTATE_BYTES_MAX - first.len() - ",b=".len()));
        let all = format!("{first},{second}");
        assert_eq!(all.len(), TRACESTATE_BYTES_MAX);
        assert_eq!(passed_on(&[&first, &second]), all);
        assert_eq!(passed_on(&[&first, &second, "c=1"]), all);
        assert_eq!(passed_on(&[&format!("{all}x,c=1")]), first);
        assert_eq!(passed_on(&[&"x".repeat(TRACESTATE_BYTES_MAX + 1)]), "");
    }

    #[test]
    fn a_malformed_state_leaves_the_parent() {
        check(
            &[("traceparent", &format!("00-{TRACE}-{SPAN}-01")), ("tracestate", "not a state")],
            expect!["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        );
    }
}
