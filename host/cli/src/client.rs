//! How the other commands speak to a running host.

use holiday_core::error::ErrorCode;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// One of the host's two doors.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
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
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self.http.request(method, url)
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
    pub(crate) async fn json(&self, request: RequestBuilder) -> Result<Value> {
        self.read(request).await
    }

    /// Sends it and reads from the answer what is wanted of it.
    pub(crate) async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(|error| {
            Failure::new(ErrorCode::Internal, format!("the host's answer is not what it should be: {error}"))
        })
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
        let request = client.request(Method::GET, &["cars", "a/b c", "reserve"]).build().expect("a request");
        assert_eq!(request.url().as_str(), "http://127.0.0.1:8080/cars/a%2Fb%20c/reserve");
    }
}
