//! Keeps web pages of others out: a browser sends their requests to this machine, too, without asking its user.
//!
//! A page says where it comes from (`origin`). If that is not this door, or if the door is open to this machine only and was
//! reached by the name of another (DNS rebinding), the request is refused. Programs send no `origin`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use holiday_core::error::ErrorCode;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode, Uri};

use super::error::Error;

/// `is_local`: the door is open to this machine only.
pub(super) async fn check(State(is_local): State<bool>, request: Request, next: Next) -> Response {
    let host = host(&request);
    match foreign(request.headers(), host.as_ref(), is_local) {
        None => next.run(request).await,
        Some(from) => {
            let message =
                format!("'{from}' is not this door; a web page may use it only from its own address");
            Error::new(StatusCode::FORBIDDEN, ErrorCode::ForeignPage, message).into_response()
        }
    }
}

/// By which name the door was reached.
fn host(request: &Request) -> Option<Authority> {
    let named = text(request.headers(), &HOST).and_then(|host| host.parse().ok());
    request.uri().authority().cloned().or(named)
}

/// Who sends the request, if that is not somebody who may.
fn foreign(headers: &HeaderMap, host: Option<&Authority>, is_local: bool) -> Option<String> {
    if let Some(origin) = headers.get(ORIGIN) {
        let of_page = origin.to_str().ok().and_then(|it| it.parse::<Uri>().ok()?.into_parts().authority);
        if of_page.is_none() || of_page.as_ref() != host {
            return Some(String::from_utf8_lossy(origin.as_bytes()).into_owned());
        }
    }
    host.filter(|host| is_local && !is_of_this_machine(host.host())).map(Authority::to_string)
}

/// A name that nobody else can have lead here.
fn is_of_this_machine(host: &str) -> bool {
    let is_localhost =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    is_localhost || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(origin: Option<&str>, host: &str, is_local: bool, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        }
        let host = host.parse().expect("an authority");
        assert_eq!(foreign(&headers, Some(&host), is_local).as_deref(), expected);
    }

    #[test]
    fn programs_may_whatever_they_call_the_host() {
        for host in ["127.0.0.1:9070", "[::1]:9070", "localhost:9070", "LOCALHOST", "host.localhost:1"] {
            check(None, host, true, None);
        }
        check(None, "host.example:9070", false, None);
    }

    #[test]
    fn pages_may_that_come_from_here() {
        check(Some("http://localhost:9070"), "localhost:9070", true, None);
        check(Some("https://host.example"), "host.example", false, None);
    }

    #[test]
    fn pages_of_others_may_not() {
        check(Some("http://evil.example"), "127.0.0.1:9070", true, Some("http://evil.example"));
        check(Some("http://localhost:3000"), "localhost:9070", true, Some("http://localhost:3000"));
        check(Some("null"), "localhost:9070", true, Some("null"));
        // A page whose name leads here since it was loaded.
        check(Some("http://evil.example:9070"), "evil.example:9070", true, Some("evil.example:9070"));
        check(None, "evil.example:9070", true, Some("evil.example:9070"));
    }
}
