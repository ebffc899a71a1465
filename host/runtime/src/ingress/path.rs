//! What a path asks for.
//!
//! The raw path is split first and each segment decoded after, so that a key may hold any character, `/`
//! included (as `%2F`). Which segment is the key and which the handler depends on the service, so that is
//! left to the [`Directory`](super::directory::Directory).

use std::borrow::Cow;

use holiday_core::error::ErrorCode;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::error::Error;

/// What a path asks for; names and keys are decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Invoke(Address<'a>),
    /// Wait for the outcome of one invocation, or look whether it is there.
    Outcome(Named<'a>, Wait),
    /// The same for an invocation that the body names.
    OutcomeOfBody(Wait),
    /// The id of the invocation that the body names.
    Lookup,
    Awakeable {
        id: Cow<'a, str>,
        completion: Completion,
    },
    Signal {
        invocation: Cow<'a, str>,
        name: Cow<'a, str>,
        completion: Completion,
    },
    Health,
}

/// A service, and the segments after it: `[key/]handler[/send]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) service: Cow<'a, str>,
    pub(super) rest: Vec<Cow<'a, str>>,
    pub(super) form: Form,
}

/// How the path says whether its caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `/{service}/…`: with `/send` at its end, one-way.
    Short,
    /// `/restate/call/…`
    Call,
    /// `/restate/send/…`
    Send,
}

/// How a caller names an invocation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Id(Cow<'a, str>),
    IdempotencyKey {
        service: Cow<'a, str>,
        key: Option<Cow<'a, str>>,
        handler: Cow<'a, str>,
        idempotency_key: Cow<'a, str>,
    },
    Workflow {
        name: Cow<'a, str>,
        key: Cow<'a, str>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the invocation has ended.
    Attach,
    /// Not at all.
    Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completion {
    Resolve,
    Reject,
}

/// Reads a raw path.
pub(super) fn parse(path: &str) -> Result<Route<'_>, Error> {
    let path_below = path.strip_prefix('/').unwrap_or(path);
    if !path_below.contains('/') {
        return Err(unknown(path));
    }
    let mut segments = path_below.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let first = segments.remove(0);
    match first.as_ref() {
        "restate" => reserved(path, segments),
        _ => Ok(Route::Invoke(Address { service: first, rest: segments, form: Form::Short })),
    }
}

/// The paths below `/restate/`.
fn reserved<'a>(path: &str, mut segments: Vec<Cow<'a, str>>) -> Result<Route<'a>, Error> {
    let names: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        ["health"] => Ok(Route::Health),
        ["lookup"] => Ok(Route::Lookup),
        ["attach"] => Ok(Route::OutcomeOfBody(Wait::Attach)),
        ["output"] => Ok(Route::OutcomeOfBody(Wait::Output)),
        ["attach", _] => Ok(Route::Outcome(Named::Id(segments.remove(1)), Wait::Attach)),
        ["output", _] => Ok(Route::Outcome(Named::Id(segments.remove(1)), Wait::Output)),
        ["call", _, _, ..] => Ok(invoke(segments, Form::Call)),
        ["send", _, _, ..] => Ok(invoke(segments, Form::Send)),
        ["invocation", _, "signals", _, verb] => {
            let completion = completion(verb).ok_or_else(|| unknown(path))?;
            let name = segments.remove(3);
            Ok(Route::Signal { invocation: segments.remove(1), name, completion })
        }
        ["invocation", .., verb] => {
            let wait = wait(verb).ok_or_else(|| unknown(path))?;
            named_invocation(segments).map(|named| Route::Outcome(named, wait)).ok_or_else(|| unknown(path))
        }
        ["workflow", _, _, verb] => {
            let wait = wait(verb).ok_or_else(|| unknown(path))?;
            let key = segments.remove(2);
            Ok(Route::Outcome(Named::Workflow { name: segments.remove(1), key }, wait))
        }
        ["awakeables" | "a", _, verb] => {
            let completion = completion(verb).ok_or_else(|| unknown(path))?;
            Ok(Route::Awakeable { id: segments.remove(1), completion })
        }
        _ => Err(unknown(path)),
    }
}

fn invoke(mut segments: Vec<Cow<'_, str>>, form: Form) -> Route<'_> {
    let rest = segments.split_off(2);
    let service = segments.remove(1);
    Route::Invoke(Address { service, rest, form })
}

/// `invocation/{id}/…` and `invocation/{service}[/{key}]/{handler}/{idempotencyKey}/…`.
fn named_invocation(segments: Vec<Cow<'_, str>>) -> Option<Named<'_>> {
    let count = segments.len() - 2;
    let mut parts = segments.into_iter().skip(1).take(count);
    match (count, parts.next()?) {
        (1, id) => Some(Named::Id(id)),
        (3 | 4, service) => Some(Named::IdempotencyKey {
            service,
            key: if count == 4 { Some(parts.next()?) } else { None },
            handler: parts.next()?,
            idempotency_key: parts.next()?,
        }),
        _ => None,
    }
}

fn wait(verb: &str) -> Option<Wait> {
    match verb {
        "attach" => Some(Wait::Attach),
        "output" => Some(Wait::Output),
        _ => None,
    }
}

fn completion(verb: &str) -> Option<Completion> {
    match verb {
        "resolve" => Some(Completion::Resolve),
        "reject" => Some(Completion::Reject),
        _ => None,
    }
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Error> {
    if segment.is_empty() {
        return Err(malformed("the path has an empty segment; names and keys are not empty".to_owned()));
    }
    if !is_well_escaped(segment) {
        return Err(malformed(format!("'{segment}' in the path has a '%' without two hexadecimal digits")));
    }
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| malformed(format!("'{segment}' in the path does not decode to UTF-8")))
}

fn is_well_escaped(segment: &str) -> bool {
    segment.split('%').skip(1).all(|after| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

fn malformed(message: String) -> Error {
    Error::new(StatusCode::BAD_REQUEST, ErrorCode::MalformedPath, message)
}

fn unknown(path: &str) -> Error {
    let message = format!(
        "there is nothing at '{path}'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>"
    );
    Error::new(StatusCode::NOT_FOUND, ErrorCode::UnknownPath, message)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(paths: &[&str], expected: Expect) {
        let lines: Vec<String> = paths
            .iter()
            .map(|path| match parse(path) {
                Ok(route) => format!("{path}: {route:?}\n"),
                Err(error) => format!("{path}: {error}\n"),
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn handlers() {
        check(
            &[
                "/trips/reserve",
                "/cart/a%2Fb%20c/add/send",
                "/restate/call/cart/ann/add",
                "/restate/send/trips/reserve",
            ],
            expect![[r#"
                /trips/reserve: Invoke(Address { service: "trips", rest: ["reserve"], form: Short })
                /cart/a%2Fb%20c/add/send: Invoke(Address { service: "cart", rest: ["a/b c", "add", "send"], form: Short })
                /restate/call/cart/ann/add: Invoke(Address { service: "cart", rest: ["ann", "add"], form: Call })
                /restate/send/trips/reserve: Invoke(Address { service: "trips", rest: ["reserve"], form: Send })
            "#]],
        );
    }

    #[test]
    fn outcomes() {
        check(
            &[
                "/restate/invocation/inv_1/attach",
                "/restate/attach/inv_1",
                "/restate/invocation/trips/reserve/k1/output",
                "/restate/invocation/cart/ann/add/k1/attach",
                "/restate/workflow/booking/t1/output",
                "/restate/attach",
                "/restate/output",
                "/restate/lookup",
            ],
            expect![[r#"
                /restate/invocation/inv_1/attach: Outcome(Id("inv_1"), Attach)
                /restate/attach/inv_1: Outcome(Id("inv_1"), Attach)
                /restate/invocation/trips/reserve/k1/output: Outcome(IdempotencyKey { service: "trips", key: None, handler: "reserve", idempotency_key: "k1" }, Output)
                /restate/invocation/cart/ann/add/k1/attach: Outcome(IdempotencyKey { service: "cart", key: Some("ann"), handler: "add", idempotency_key: "k1" }, Attach)
                /restate/workflow/booking/t1/output: Outcome(Workflow { name: "booking", key: "t1" }, Output)
                /restate/attach: OutcomeOfBody(Attach)
                /restate/output: OutcomeOfBody(Output)
                /restate/lookup: Lookup
            "#]],
        );
    }

    #[test]
    fn awakeables_signals_and_health() {
        check(
            &[
                "/restate/awakeables/awk_1/resolve",
                "/restate/a/awk_1/reject",
                "/restate/invocation/inv_1/signals/go%20on/resolve",
                "/restate/invocation/inv_1/signals/go/reject",
                "/restate/health",
            ],
            expect![[r#"
                /restate/awakeables/awk_1/resolve: Awakeable { id: "awk_1", completion: Resolve }
                /restate/a/awk_1/reject: Awakeable { id: "awk_1", completion: Reject }
                /restate/invocation/inv_1/signals/go%20on/resolve: Signal { invocation: "inv_1", name: "go on", completion: Resolve }
                /restate/invocation/inv_1/signals/go/reject: Signal { invocation: "inv_1", name: "go", completion: Reject }
                /restate/health: Health
            "#]],
        );
    }

    #[test]
    fn nothing_there() {
        check(
            &[
                "/",
                "/trips",
                "//reserve",
                "/trips/",
                "/trips/%zz",
                "/trips/%e9",
                "/restate/else",
                "/restate/invocation/attach",
                "/restate/invocation/a/b/attach",
                "/restate/invocation/inv_1/peek",
                "/restate/invocation/inv_1/signals/go/attach",
                "/restate/a/awk_1/forget",
            ],
            expect![[r#"
                /: 404 HH0048: there is nothing at '/'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /trips: 404 HH0048: there is nothing at '/trips'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                //reserve: 400 HH0003: the path has an empty segment; names and keys are not empty
                /trips/: 400 HH0003: the path has an empty segment; names and keys are not empty
                /trips/%zz: 400 HH0003: '%zz' in the path has a '%' without two hexadecimal digits
                /trips/%e9: 400 HH0003: '%e9' in the path does not decode to UTF-8
                /restate/else: 404 HH0048: there is nothing at '/restate/else'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /restate/invocation/attach: 404 HH0048: there is nothing at '/restate/invocation/attach'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /restate/invocation/a/b/attach: 404 HH0048: there is nothing at '/restate/invocation/a/b/attach'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /restate/invocation/inv_1/peek: 404 HH0048: there is nothing at '/restate/invocation/inv_1/peek'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /restate/invocation/inv_1/signals/go/attach: 404 HH0048: there is nothing at '/restate/invocation/inv_1/signals/go/attach'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
                /restate/a/awk_1/forget: 404 HH0048: there is nothing at '/restate/a/awk_1/forget'; handlers are at /<service>/<handler> and /<service>/<key>/<handler>
            "#]],
        );
    }
}
