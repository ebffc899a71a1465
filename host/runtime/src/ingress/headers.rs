//! The headers that matter to the ingress, and those that reach the handler.

use holiday_core::error::ErrorCode;
use holiday_core::invocation::Header;
use holiday_core::limits::HEADER_BYTES_MAX;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, StatusCode};

use super::error::Error;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ENVELOPE: HeaderName = HeaderName::from_static("x-envelope");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What is meant for the connection or for the ingress.
const NOT_PASSED_ON: [HeaderName; 14] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    IDEMPOTENCY_KEY,
    ENVELOPE,
];

/// What nobody should find in the journal of an invocation whose handler has not asked for it.
const SECRET: [HeaderName; 2] = [AUTHORIZATION, COOKIE];

/// Headers of callers that begin like this are dropped: they are the host's to set.
const RESERVED_PREFIXES: [&str; 2] = ["x-restate", "kafka."];

/// The headers an invocation is stored with; `keep` are those that its handler's policy asks for.
pub(super) fn passed_on(headers: &HeaderMap, keep: &[String]) -> Result<Vec<Header>, Error> {
    let mut passed = Vec::with_capacity(headers.len());
    let mut size = 0;
    for (name, value) in headers {
        if NOT_PASSED_ON.contains(name)
            || SECRET.contains(name) && !keep.iter().any(|it| it.eq_ignore_ascii_case(name.as_str()))
            || RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
            || is_named_by_connection(headers, name)
        {
            continue;
        }
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| {
            Error::bad_request(ErrorCode::MalformedBody, format!("the value of header '{name}' is not UTF-8"))
        })?;
        size += name.as_str().len() + value.len();
        passed.push((name.as_str().to_owned(), value.to_owned()));
    }
    match size <= HEADER_BYTES_MAX {
        true => Ok(passed),
        false => Err(too_large(size)),
    }
}

fn is_named_by_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    let connection = headers.get_all(CONNECTION);
    let mut options = connection.iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    options.any(|it| it.trim().eq_ignore_ascii_case(name.as_str()))
}

fn too_large(size: usize) -> Error {
    let message = format!("the headers have {size} bytes, more than the {HEADER_BYTES_MAX} that are kept");
    Error::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode::PayloadTooLarge, message)
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let malformed =
        |what| Error::bad_request(ErrorCode::BadIdempotencyKey, format!("the idempotency key {what}"));
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("is given twice"));
    }
    match std::str::from_utf8(value.as_bytes()).map(str::trim) {
        Ok("") => Err(malformed("is empty")),
        Ok(key) => Ok(Some(key.to_owned())),
        Err(_) => Err(malformed("is not UTF-8")),
    }
}

/// Whether the caller wants the answer as `{"response": X}`.
pub(super) fn wants_envelope(headers: &HeaderMap) -> bool {
    headers.get(ENVELOPE).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"response"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(given: &[(&'static str, &'static [u8])], expected: Expect) {
        check_keeping(&[], given, expected);
    }

    fn check_keeping(keep: &[&str], given: &[(&'static str, &'static [u8])], expected: Expect) {
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        let given = given.iter().map(|(name, value)| {
            let value = http::HeaderValue::from_bytes(value).expect("a header value");
            (HeaderName::from_static(name), value)
        });
        let passed = match passed_on(&given.collect(), &keep) {
            Ok(passed) => passed.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&passed);
    }

    #[test]
    fn only_what_is_the_handlers_business_reaches_it() {
        check(
            &[
                ("authorization", b"Bearer secret"),
                ("connection", b"keep-alive, X-Hop"),
                ("content-length", b"2"),
                ("content-type", b"application/json"),
                ("cookie", b"session=secret"),
                ("host", b"localhost"),
                ("idempotency-key", b"k1"),
                ("te", b"trailers"),
                ("kafka.offset", b"7"),
                ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ("x-envelope", b"response"),
                ("x-hop", b"1"),
                ("x-restate-id", b"forged"),
                ("x-restateclient-retry-attempt", b"1"),
                ("x-tenant", "Zürich".as_bytes()),
            ],
            expect![[r#"
                content-type: application/json
                traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
                x-tenant: Zürich
            "#]],
        );
    }

    #[test]
    fn a_handler_may_ask_for_secrets_but_not_for_what_is_the_connections() {
        check_keeping(
            &["Authorization", "cookie", "connection", "te", "x-hop", "x-restate-id", "idempotency-key"],
            &[
                ("authorization", b"Bearer secret"),
                ("connection", b"X-Hop"),
                ("cookie", b"session=secret"),
                ("idempotency-key", b"k1"),
                ("te", b"trailers"),
                ("x-hop", b"1"),
                ("x-restate-id", b"forged"),
            ],
            expect![[r#"
                authorization: Bearer secret
                cookie: session=secret
            "#]],
        );
    }

    #[test]
    fn a_value_that_cannot_be_kept_is_refused() {
        check(&[("x-tenant", b"\xff")], expect!["400 HH0004: the value of header 'x-tenant' is not UTF-8"]);
    }

    #[test]
    fn headers_are_bounded_together() {
        static REST: [u8; HEADER_BYTES_MAX - 2] = [b'a'; HEADER_BYTES_MAX - 2];
        let rest = http::HeaderValue::from_bytes(&REST).expect("a header value");
        let just_fit = [("x", rest), ("y", http::HeaderValue::from_static(""))];
        let just_fit = just_fit.map(|(name, value)| (HeaderName::from_static(name), value));
        assert_eq!(passed_on(&HeaderMap::from_iter(just_fit), &[]).expect("they just fit").len(), 2);
        check(
            &[("x", &REST), ("y", b"a")],
            expect!["431 HH0013: the headers have 16385 bytes, more than the 16384 that are kept"],
        );
    }
}
