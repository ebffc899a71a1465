//! How the other commands speak to a running host.

use std::ops::Deref;

use holiday_core::error::ErrorCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{Failure, Result};

/// One of the host's two doors.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

/// What stays as it is in a segment of a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the host has answered: as it is written, and as it means.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Numbers have all their digits here, and members their order.
    pub(crate) text: Box<RawValue>,
    value: Value,
}

impl Deref for Answer {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

/// Reads the address of a door; the command line parser calls it.
pub(crate) fn parse_url(text: &str) -> std::result::Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; it looks like http://127.0.0.1:8080"))?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err("it looks like http://127.0.0.1:8080".to_owned());
    }
    Ok(url)
}

impl Client {
    pub(crate) fn new(base: &Url) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| Failure::new(ErrorCode::Internal, error))?;
        Ok(Client { http, base: base.clone() })
    }

    /// A request to the path made of `segments`, each of them percent-encoded.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder> {
        let mut path = self.base.path().trim_end_matches('/').to_owned();
        for segment in segments {
            if matches!(*segment, "." | "..") {
                return Err(Failure::misuse(format!("'{segment}' cannot stand in the path of a URL")));
            }
            path.extend(["/"].into_iter().chain(utf8_percent_encode(segment, ENCODED)));
        }
        let mut url = self.base.clone();
        url.set_path(&path);
        Ok(self.http.request(method, url))
    }

    /// Sends it, and makes any answer but a success a failure with the code in it.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Err(failure_of(status.as_u16(), &body))
    }

    /// Sends it and reads the answer as JSON; an empty answer is null.
    pub(crate) async fn json(&self, request: RequestBuilder) -> Result<Answer> {
        let text: Box<RawValue> = self.read(request).await?;
        let value = serde_json::from_str(text.get()).map_err(|error| misunderstood(&error))?;
        Ok(Answer { text, value })
    }

    /// Sends it and reads from the answer what is wanted of it.
    pub(crate) async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(|error| misunderstood(&error))
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::new(
            ErrorCode::BadConfig,
            format!("no host answers at {}: {cause}; start one with `holiday-host serve`", self.base),
        )
    }
}

fn misunderstood(error: &serde_json::Error) -> Failure {
    Failure::new(ErrorCode::Internal, format!("the host's answer is not what it should be: {error}"))
}

fn failure_of(status: u16, body: &[u8]) -> Failure {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let code = answer.get("error_code").and_then(Value::as_str).and_then(ErrorCode::parse);
    let message = answer.get("message").and_then(Value::as_str);
    match (code, message) {
        (Some(code), Some(message)) => Failure::new(code, message),
        _ => {
            let text = String::from_utf8_lossy(body);
            Failure::new(ErrorCode::Internal, format!("the host answered {status}: {}", text.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn an_error_answer_keeps_its_code() {
        let body = br#"{"code":404,"message":"there is no service 'trip'","error_code":"HH0001"}"#;
        expect![[r#"
            error[HH0001]: there is no service 'trip'
            help: holiday-host explain HH0001"#]]
        .assert_eq(&failure_of(404, body).to_string());
        expect![[r#"
            error[HH0049]: the host answered 502: bad gateway
            help: holiday-host explain HH0049"#]]
        .assert_eq(&failure_of(502, b"bad gateway\n").to_string());
    }

    #[test]
    fn names_and_keys_are_encoded_in_the_path() {
        let base = parse_url("http://127.0.0.1:8080").expect("a URL");
        let client = Client::new(&base).expect("a client");
        let path = |segments: &[&str]| {
            let request = client.request(Method::GET, segments).map_err(|failure| failure.to_string())?;
            Ok::<_, String>(request.build().expect("a request").url().path().to_owned())
        };
        assert_eq!(path(&["cars", "a/b c", "reserve"]).as_deref(), Ok("/cars/a%2Fb%20c/reserve"));
        assert_eq!(path(&["cars", "a\tb\n%41?#", "é"]).as_deref(), Ok("/cars/a%09b%0A%2541%3F%23/%C3%A9"));
        assert_eq!(path(&["cars", "a.b..", "x"]).as_deref(), Ok("/cars/a.b../x"));
        expect![[r#"
            error[HH0042]: '..' cannot stand in the path of a URL
            help: holiday-host explain HH0042"#]]
        .assert_eq(&path(&["cars", "..", "x"]).expect_err("it would be another path"));
    }
}
