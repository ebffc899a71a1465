//! HTTP for the closures of [`run`](crate::Context::run).
//!
//! Requests of steps that overlap overlap too. Outside of a `run` the host refuses, with an error that
//! names the rule.
//!
//! ```no_run
//! # use holiday_sdk::{Context, Error, http};
//! # #[derive(serde::Serialize, serde::Deserialize)] struct Receipt { id: String }
//! async fn charge(ctx: Context, amount: u32) -> Result<Receipt, Error> {
//!     let key = ctx.uuid();
//!     let receipt = ctx
//!         .run("charge", async || {
//!             http::post("https://pay.example/charges")
//!                 .header("idempotency-key", &key)
//!                 .json(&amount)
//!                 .send()
//!                 .await?
//!                 .error_for_status()?
//!                 .json()
//!         })
//!         .await?;
//!     Ok(receipt)
//! }
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, TerminalError, json};

#[cfg(target_family = "wasm")]
mod wasi;

/// The most that a response body may hold; a longer one is an error.
pub const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// Starts a GET request.
///
/// ```no_run
/// # async fn closure() -> Result<String, holiday_sdk::Error> {
/// holiday_sdk::http::get("https://example.com/").send().await?.text()
/// # }
/// ```
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// Starts a POST request.
///
/// ```no_run
/// # async fn closure() -> Result<String, holiday_sdk::Error> {
/// holiday_sdk::http::post("https://example.com/").json("hello").send().await?.text()
/// # }
/// ```
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A request to be sent.
///
/// ```no_run
/// # async fn closure() -> Result<(), holiday_sdk::Error> {
/// use holiday_sdk::http::Request;
///
/// Request::new("PUT", "https://example.com/rows/1").json(&["BMW"]).send().await?.error_for_status()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a component sends it"))]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Result<Vec<u8>, TerminalError>,
    timeout: Option<Duration>,
}

impl Request {
    /// Starts a request of any method.
    ///
    /// ```
    /// let request = holiday_sdk::http::Request::new("DELETE", "https://example.com/rows/1");
    /// ```
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Ok(Vec::new()),
            timeout: None,
        }
    }

    /// Adds a header.
    ///
    /// ```
    /// let request = holiday_sdk::http::get("https://example.com/").header("accept", "text/plain");
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body to a value as JSON, and the content type with it.
    ///
    /// ```
    /// let request = holiday_sdk::http::post("https://example.com/").json(&[1, 2, 3]);
    /// ```
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let body = json::encode(value);
        Self { body, ..self.header("content-type", "application/json") }
    }

    /// Sets the body.
    ///
    /// ```
    /// let request = holiday_sdk::http::post("https://example.com/").bytes(*b"hello");
    /// ```
    pub fn bytes(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Ok(body.into()), ..self }
    }

    /// Gives up when the connection, the first byte or any next byte takes longer than this.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let request = holiday_sdk::http::get("https://example.com/").timeout(Duration::from_secs(5));
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Sends the request and receives the whole response, whatever its status.
    ///
    /// # Errors
    ///
    /// Terminal, when the URL is wrong or the host refuses the request; retryable, when the connection
    /// fails.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<u16, holiday_sdk::Error> {
    /// let status = holiday_sdk::http::get("https://example.com/").send().await?.status();
    /// # Ok(status) }
    /// ```
    pub async fn send(self) -> Result<Response, Error> {
        #[cfg(target_family = "wasm")]
        return wasi::send(self).await;
        #[cfg(not(target_family = "wasm"))]
        return Err(Error::terminal(format!(
            "{} {}: only a component can send requests",
            self.method,
            shown(&self.url)
        )));
    }
}

/// A response with its whole body.
///
/// ```no_run
/// # async fn closure() -> Result<Option<u32>, holiday_sdk::Error> {
/// let response = holiday_sdk::http::get("https://fares.example/DTW-FRA").send().await?;
/// Ok(if response.status() == 404 { None } else { Some(response.error_for_status()?.json()?) })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Returns the HTTP status.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<bool, holiday_sdk::Error> {
    /// Ok(holiday_sdk::http::get("https://example.com/").send().await?.status() == 200)
    /// # }
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns all headers.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<(), holiday_sdk::Error> {
    /// for (name, value) in holiday_sdk::http::get("https://example.com/").send().await?.headers() {
    ///     println!("{name}: {value}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the first header of this name; the case does not matter.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<(), holiday_sdk::Error> {
    /// let response = holiday_sdk::http::get("https://example.com/").send().await?;
    /// println!("{:?}", response.header("content-type"));
    /// # Ok(()) }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Makes any status but 2xx a retryable error. To give up on some of them, look at the status first.
    ///
    /// # Errors
    ///
    /// When the status is not 2xx; the error has the start of the body.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<String, holiday_sdk::Error> {
    /// holiday_sdk::http::get("https://example.com/").send().await?.error_for_status()?.text()
    /// # }
    /// ```
    pub fn error_for_status(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let start = String::from_utf8_lossy(&self.body).chars().take(200).collect::<String>();
        Err(Error::retryable(format!("the server answered with status {}: {start}", self.status)))
    }

    /// Returns the body.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<usize, holiday_sdk::Error> {
    /// Ok(holiday_sdk::http::get("https://example.com/").send().await?.bytes().len())
    /// # }
    /// ```
    pub fn bytes(self) -> Vec<u8> {
        self.body
    }

    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// Terminal, when it is not UTF-8.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<String, holiday_sdk::Error> {
    /// holiday_sdk::http::get("https://example.com/").send().await?.text()
    /// # }
    /// ```
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.body)
            .map_err(|error| Error::terminal(format!("the response is no text: {error}")))
    }

    /// Decodes the body from JSON.
    ///
    /// # Errors
    ///
    /// Terminal, when it is not a `T`.
    ///
    /// ```no_run
    /// # async fn closure() -> Result<Vec<u32>, holiday_sdk::Error> {
    /// holiday_sdk::http::get("https://example.com/fares").send().await?.error_for_status()?.json()
    /// # }
    /// ```
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::terminal(format!("the response has another shape: {error}")))
    }
}

/// The parts of a URL that `wasi:http` wants apart.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, target_family = "wasm")),
    allow(dead_code, reason = "only a component sends requests")
)]
struct Url<'a> {
    https: bool,
    authority: &'a str,
    path_with_query: String,
}

#[cfg_attr(
    not(any(test, target_family = "wasm")),
    allow(dead_code, reason = "only a component sends requests")
)]
fn parse_url(url: &str) -> Result<Url<'_>, TerminalError> {
    let wrong = |why: &str| TerminalError::new(format!("the URL '{}' {why}", shown(url))).with_code(400);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
    let https = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(wrong("is neither http nor https")),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    if authority.is_empty() {
        return Err(wrong("has no host"));
    }
    let path_with_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Url { https, authority, path_with_query })
}

/// A URL as errors show it: without user, password and query. These may be secrets, and errors end in journals and logs.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let mark = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{mark}{host}{path}")
}

/// Adds a piece to the body of a response.
#[cfg(any(test, target_family = "wasm"))]
fn append(body: &mut Vec<u8>, piece: &[u8]) -> Result<(), Error> {
    if body.len() + piece.len() > MAX_RESPONSE_BYTES {
        return Err(Error::terminal(format!("the response is longer than {MAX_RESPONSE_BYTES} bytes")));
    }
    body.extend_from_slice(piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{MAX_RESPONSE_BYTES, append, parse_url};

    #[test]
    fn a_response_may_be_as_long_as_the_bound() {
        let mut body = Vec::new();
        append(&mut body, &vec![0; MAX_RESPONSE_BYTES]).expect("it just fits");
        let error = append(&mut body, &[0]).expect_err("it is longer");
        assert_eq!(error.to_string(), format!("the response is longer than {MAX_RESPONSE_BYTES} bytes"));
        assert_eq!(body.len(), MAX_RESPONSE_BYTES);
    }

    #[test]
    fn a_url_is_taken_apart() {
        let urls = [
            "http://localhost:8080/effects?a=1#top",
            "https://example.com",
            "https://example.com?q=1",
            "ftp://example.com",
            "example.com",
            "http:///x",
            "ftp://ann:secret@example.com/p?key=secret",
            "ann:secret@example.com?key=secret",
        ];
        let lines: Vec<String> = urls
            .map(|url| match parse_url(url) {
                Ok(parts) => {
                    format!("{url}: {} {} {}\n", parts.https, parts.authority, parts.path_with_query)
                }
                Err(error) => format!("{error}\n"),
            })
            .into();
        expect![[r#"
            http://localhost:8080/effects?a=1#top: false localhost:8080 /effects?a=1
            https://example.com: true example.com /
            https://example.com?q=1: true example.com /?q=1
            the URL 'ftp://example.com' is neither http nor https
            the URL 'example.com' has no scheme
            the URL 'http:///x' has no host
            the URL 'ftp://example.com/p' is neither http nor https
            the URL 'example.com' has no scheme
        "#]]
        .assert_eq(&lines.concat());
    }
}
