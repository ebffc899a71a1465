//! `wasi:http` for guests: only inside `run`, only to hosts the operator allowed.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holiday_core::error::ErrorCode;
use http::Request;
use http::uri::{Scheme, Uri};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::limits;
use super::mirror::Mirror;
use crate::metrics::Metrics;
use crate::metrics::label::Fetch;

/// Where guests may send HTTP requests. An entry is a host (`api.example.com`), a host and port
/// (`localhost:8080`), all subdomains of a domain (`*.example.com`), or every host (`*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Arc<[AllowedHost]>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowedHost {
    name: Name,
    /// `None` allows every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    /// Ends the name and begins with a dot.
    Suffix(String),
    Exact(String),
}

/// Says why an entry of the list is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{entry}' is not a host that can be allowed: {reason}")]
pub struct MalformedHost {
    entry: String,
    reason: &'static str,
}

impl MalformedHost {
    pub fn code(&self) -> ErrorCode {
        ErrorCode::BadConfig
    }

    /// What an entry should be.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl AllowedHosts {
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, MalformedHost> {
        entries.into_iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>().map(AllowedHosts)
    }

    fn allow(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|allowed| allowed.allows(host, port))
    }
}

impl AllowedHost {
    fn allows(&self, host: &str, port: u16) -> bool {
        let name = match &self.name {
            Name::Any => true,
            Name::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Name::Exact(name) => host == name,
        };
        name && self.port.is_none_or(|allowed| allowed == port)
    }
}

impl FromStr for AllowedHost {
    type Err = MalformedHost;

    fn from_str(entry: &str) -> Result<Self, MalformedHost> {
        let malformed = |reason| MalformedHost { entry: entry.to_owned(), reason };
        if entry.contains('/') {
            return Err(malformed("name the host only, as in api.example.com or localhost:8080"));
        }
        let (name, port) = match entry.rsplit_once(':') {
            // A colon inside brackets, or without them in a bare IPv6 address, does not begin a port.
            Some((name, port)) if !port.ends_with(']') => {
                (name, Some(port.parse().map_err(|_| malformed("the port is not a number from 0 to 65535"))?))
            }
            Some(_) | None => (entry, None),
        };
        let name = match name.to_ascii_lowercase() {
            name if name.is_empty() => return Err(malformed("the host is empty")),
            name if name == "*" => Name::Any,
            name => match name.strip_prefix('*') {
                Some(suffix) if suffix.starts_with('.') && suffix.len() > 1 && !suffix.contains('*') => {
                    Name::Suffix(suffix.to_owned())
                }
                None if !name.contains('*') => Name::Exact(name),
                Some(_) | None => {
                    return Err(malformed("a '*' stands alone or before a dot, as in *.example.com"));
                }
            },
        };
        Ok(AllowedHost { name, port })
    }
}

/// Decides on every request of one guest.
#[derive(Debug)]
pub(super) struct Gate {
    mirror: Arc<Mirror>,
    allowed: AllowedHosts,
    metrics: Metrics,
    has_refused: bool,
}

impl Gate {
    pub(super) fn new(mirror: Arc<Mirror>, allowed: AllowedHosts, metrics: Metrics) -> Self {
        Gate { mirror, allowed, metrics, has_refused: false }
    }

    /// Whether the guest may be waiting for the answer to a request it was refused.
    pub(super) fn has_refused(&self) -> bool {
        self.has_refused
    }

    fn check(&self, uri: &Uri) -> Result<(), String> {
        if !self.mirror.is_executing_a_run() {
            return Err(format!(
                "{}: HTTP requests are possible only inside run(...); the request to {uri} was made outside",
                ErrorCode::HttpOutsideRun
            ));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        match self.allowed.allow(&host, port) {
            true => Ok(()),
            false => Err(format!(
                "{}: requests to {host}:{port} are not allowed; add '{host}:{port}' to allow-hosts in holiday.toml, or start the host with --allow-host {host}:{port}",
                ErrorCode::HttpHostNotAllowed
            )),
        }
    }
}

type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transfer), Error>> + Send>;
type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_error: Transfer,
    ) -> Sending {
        let checked = self.check(request.uri());
        self.has_refused |= checked.is_err();
        let metrics = self.metrics.clone();
        Box::new(async move {
            if let Err(why) = checked {
                metrics.guest_request(Fetch::REFUSED);
                return Err(Error::InternalError(Some(why)));
            }
            let sent = default_send_request(request, Some(bounded(options))).await;
            metrics.guest_request(if sent.is_ok() { Fetch::ANSWERED } else { Fetch::FAILED });
            let (response, transfer) = sent?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(transfer) as Transfer))
        })
    }
}

/// Gives every timeout a value within bounds.
fn bounded(options: Option<RequestOptions>) -> RequestOptions {
    let options = options.unwrap_or_default();
    let bound = |asked: Option<Duration>, default_ms| {
        let max = Duration::from_millis(limits::HTTP_TIMEOUT_MS_MAX);
        Some(asked.unwrap_or(Duration::from_millis(default_ms)).min(max))
    };
    RequestOptions {
        connect_timeout: bound(options.connect_timeout, limits::HTTP_CONNECT_TIMEOUT_MS),
        first_byte_timeout: bound(options.first_byte_timeout, limits::HTTP_FIRST_BYTE_TIMEOUT_MS),
        between_bytes_timeout: bound(options.between_bytes_timeout, limits::HTTP_BETWEEN_BYTES_TIMEOUT_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, host: &str, port: u16) -> bool {
        AllowedHosts::parse([entry]).expect("a list").allow(host, port)
    }

    #[test]
    fn an_entry_allows_what_it_says() {
        assert!(allows("api.example.com", "api.example.com", 443));
        assert!(allows("API.example.com:8080", "api.example.com", 8080));
        assert!(!allows("api.example.com:8080", "api.example.com", 80));
        assert!(!allows("example.com", "api.example.com", 80));
        assert!(allows("*.example.com", "api.example.com", 80));
        assert!(!allows("*.example.com", "example.com", 80));
        assert!(!allows("*.example.com", "evilexample.com", 80));
        assert!(allows("*", "anything", 1));
        assert!(allows("*:443", "anything", 443));
        assert!(allows("[::1]", "[::1]", 80));
        assert!(allows("[::1]:80", "[::1]", 80));
        assert!(!AllowedHosts::default().allow("localhost", 80));
    }

    #[test]
    fn other_entries_are_refused() {
        for entry in ["", ":80", "http://localhost", "localhost:http", "a.*.b", "*a", "*."] {
            assert!(AllowedHosts::parse([entry]).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let gate = Gate::new(Arc::default(), AllowedHosts::default(), Metrics::default());
        let refusal = gate.check(&Uri::from_static("http://localhost:8080/pay")).expect_err("it is refused");
        assert!(refusal.starts_with("HH0020: "), "{refusal}");
    }

    #[test]
    fn timeouts_are_bounded() {
        let hour = Some(Duration::from_secs(3_600));
        let options = bounded(Some(RequestOptions { first_byte_timeout: hour, ..RequestOptions::default() }));
        assert_eq!(options.first_byte_timeout, Some(Duration::from_millis(limits::HTTP_TIMEOUT_MS_MAX)));
        assert_eq!(options.connect_timeout, Some(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS)));
    }
}
