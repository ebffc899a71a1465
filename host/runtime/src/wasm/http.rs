//! `wasi:http` for guests: only inside `run`, only to hosts the operator allowed.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use holiday_core::error::ErrorCode;
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::limits;
use super::mirror::Mirror;
use crate::metrics::Metrics;
use crate::metrics::label::Fetch;
use crate::telemetry::{TRACEPARENT, TRACESTATE, TraceContext};

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
    /// What requests are part of, if somebody is told of spans.
    context: Option<TraceContext>,
    has_refused: bool,
    /// One permit for each request that may be under way.
    requests: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(mirror: Arc<Mirror>, allowed: AllowedHosts, metrics: Metrics) -> Self {
        let requests = Arc::new(Semaphore::new(limits::HTTP_REQUESTS_MAX));
        Gate { mirror, allowed, metrics, context: None, has_refused: false, requests }
    }

    /// Has the next requests be part of this span.
    pub(super) fn is_part_of(&mut self, context: TraceContext) {
        self.context = Some(context);
    }

    /// Whether the guest may be waiting for the answer to a request it was refused.
    pub(super) fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// Complains of a request by its host and port alone: what else is in a URL may be a secret.
    fn check(&self, uri: &Uri) -> Result<(), String> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        if !self.mirror.is_executing_a_run() {
            return Err(format!(
                "{}: HTTP requests are possible only inside run(...); the one to {host}:{port} was made outside",
                ErrorCode::HttpOutsideRun
            ));
        }
        match self.allowed.allow(&host, port) {
            true => Ok(()),
            false => Err(format!(
                "{}: requests to {host}:{port} are not allowed; add '{host}:{port}' to allow-hosts in holiday.toml, or start the host with --allow-host {host}:{port}",
                ErrorCode::HttpHostNotAllowed
            )),
        }
    }

    /// Takes a place for a request, until the answer has been read or given up.
    fn place(&self) -> Result<OwnedSemaphorePermit, String> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            let max = limits::HTTP_REQUESTS_MAX;
            format!(
                "{}: {max} HTTP requests of this attempt are under way already; read their answers to the end first",
                ErrorCode::Overloaded
            )
        })
    }
}

type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transfer), Error>> + Send>;
type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_error: Transfer,
    ) -> Sending {
        let checked = self.check(request.uri());
        self.has_refused |= checked.is_err();
        if let Some(context) = &self.context {
            join_trace(request.headers_mut(), context);
        }
        let place = checked.and_then(|()| self.place());
        let metrics = self.metrics.clone();
        Box::new(async move {
            let place = match place {
                Ok(place) => place,
                Err(why) => {
                    metrics.guest_request(Fetch::REFUSED);
                    return Err(Error::InternalError(Some(why)));
                }
            };
            let sent = send(request, bounded(options)).await;
            metrics.guest_request(if sent.is_ok() { Fetch::ANSWERED } else { Fetch::FAILED });
            let (response, transfer) = sent?;
            let transfer = Box::into_pin(transfer).inspect(move |_| drop(place));
            Ok((response, Box::new(transfer) as Transfer))
        })
    }
}

/// Sends a request, and waits for the head of the answer.
///
/// Nobody else bounds how long it takes to agree on TLS: it gets as long as the connection before it.
async fn send(
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<(http::Response<WasiBody>, Transfer), Error> {
    let parts = [options.connect_timeout, options.connect_timeout, options.first_byte_timeout];
    let all = parts.into_iter().flatten().sum();
    let sent = timeout(all, default_send_request(request, Some(options))).await;
    let (response, transfer) = sent.map_err(|_| Error::ConnectionTimeout)??;
    Ok((response.map(BodyExt::boxed_unsync), Box::new(transfer)))
}

/// Names the span that a request is part of, unless the guest has named one itself.
fn join_trace(headers: &mut HeaderMap, context: &TraceContext) {
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    let parent = HeaderValue::try_from(context.traceparent());
    headers.insert(TRACEPARENT, parent.expect("hexadecimal digits and dashes"));
    let state = context.tracestate().and_then(|state| HeaderValue::try_from(state).ok());
    if let Some(state) = state.filter(|_| !headers.contains_key(TRACESTATE)) {
        headers.insert(TRACESTATE, state);
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
    use std::convert::Infallible;
    use std::net::SocketAddr;

    use http_body_util::Empty;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

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
        let url = Uri::from_static("http://u:pw@localhost:8080/pay?key=k");
        for (mirror, code) in [(Arc::default(), "HH0020: "), (Mirror::executing(), "HH0021: ")] {
            let gate = Gate::new(mirror, AllowedHosts::default(), Metrics::default());
            let refusal = gate.check(&url).expect_err("it is refused");
            assert!(refusal.starts_with(code) && refusal.contains("localhost:8080 "), "{refusal}");
            assert!(!refusal.contains("pw") && !refusal.contains("key"), "{refusal}");
        }
    }

    #[test]
    fn a_request_joins_the_trace_unless_the_guest_says_otherwise() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context =
            TraceContext::of_headers([(TRACEPARENT, parent), (TRACESTATE, "a=1")]).expect("a context");
        let mut headers = HeaderMap::new();
        join_trace(&mut headers, &context);
        assert_eq!(
            (&headers[TRACEPARENT], &headers[TRACESTATE]),
            (&parent.parse().expect("text"), &"a=1".parse().expect("text"))
        );

        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("its own"));
        join_trace(&mut headers, &context);
        assert_eq!(headers[TRACEPARENT], "its own");
        assert!(!headers.contains_key(TRACESTATE), "a state without its parent says nothing");
    }

    #[test]
    fn timeouts_have_defaults_and_are_bounded() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let options = bounded(None);
        assert_eq!(options.connect_timeout, ms(limits::HTTP_CONNECT_TIMEOUT_MS));
        assert_eq!(options.first_byte_timeout, ms(limits::HTTP_FIRST_BYTE_TIMEOUT_MS));
        assert_eq!(options.between_bytes_timeout, ms(limits::HTTP_BETWEEN_BYTES_TIMEOUT_MS));
        for (asked, granted) in [(1, 1), (u64::MAX, limits::HTTP_TIMEOUT_MS_MAX)] {
            let options = bounded(Some(all(Duration::from_millis(asked))));
            assert_eq!(options.connect_timeout, ms(granted));
            assert_eq!(options.first_byte_timeout, ms(granted));
            assert_eq!(options.between_bytes_timeout, ms(granted));
        }
    }

    fn all(timeout: Duration) -> RequestOptions {
        RequestOptions {
            connect_timeout: Some(timeout),
            first_byte_timeout: Some(timeout),
            between_bytes_timeout: Some(timeout),
        }
    }

    fn request(scheme: &str, address: SocketAddr) -> Request<WasiBody> {
        let body = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
        Request::get(format!("{scheme}://{address}/")).body(body).expect("a valid request")
    }

    /// A server that says the same on every connection, and then nothing more.
    async fn server(says: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(says.as_bytes()).await.expect("somebody listens");
                open.push(stream);
            }
        });
        address
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_fails() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let (short, patient) = (Some(Duration::from_millis(20)), all(PATIENCE));
        let fails = async |scheme: &str, says, options| {
            let sent = timeout(PATIENCE, send(request(scheme, server(says).await), options)).await;
            let (response, transfer) = sent.expect("it ends soon")?;
            tokio::spawn(Box::into_pin(transfer));
            timeout(PATIENCE, response.into_body().collect()).await.expect("it ends soon").map(drop)
        };
        let options = RequestOptions { first_byte_timeout: short, ..patient };
        let failed = fails("http", "", options).await;
        assert!(matches!(failed, Err(Error::ConnectionReadTimeout)), "{failed:?}");
        let options = RequestOptions { between_bytes_timeout: short, ..patient };
        let failed = fails("http", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1", options).await;
        assert!(matches!(failed, Err(Error::ConnectionReadTimeout)), "{failed:?}");
        // The connection is there, and TLS is not.
        let failed = fails("https", "", all(Duration::from_millis(20))).await;
        assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
    }

    #[tokio::test]
    async fn requests_of_one_guest_are_bounded() {
        let address = server("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1").await;
        let allowed = AllowedHosts::parse(["*"]).expect("a list");
        let mut gate = Gate::new(Mirror::executing(), allowed, Metrics::default());
        let mut begin = || {
            let no_error: Transfer = Box::new(async { Ok(()) });
            Box::into_pin(gate.send_request(request("http", address), None, no_error))
        };
        let mut under_way: Vec<_> = (0..limits::HTTP_REQUESTS_MAX).map(|_| begin()).collect();
        let Err(Error::InternalError(Some(refused))) = begin().await else {
            panic!("it is beyond the bound")
        };
        assert!(refused.starts_with("HH0028: 100 HTTP requests"), "{refused}");
        let last = under_way.pop().expect("there are some");
        let (response, transfer) = last.await.expect("it is answered");
        assert!(begin().await.is_err(), "the answer has not been read");
        let (read, transferred) = tokio::join!(response.into_body().collect(), Box::into_pin(transfer));
        assert_eq!(read.expect("it is whole").to_bytes(), "1");
        transferred.expect("the connection ends well");
        assert!(begin().await.is_ok());
    }
}
