//! The cloud of the tests: moto's server, and in front of it a door that keeps count of the calls and lets some of them fail.
//!
//! Needs `python3`. The first test installs moto and boto3 into the target directory. Where that cannot be done and nobody
//! insists (`CI=true`), tests say so and are skipped.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::harness::{Setup, output, stdout, workspace};
use crate::http::Door;
use crate::python;

pub(crate) const REGION: &str = "eu-central-1";

/// The guests' credentials, to be found nowhere but in the requests.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAHOLIDAYTEST00001";
pub(crate) const SECRET_ACCESS_KEY: &str = "holiday/test/secret/0123456789abcdefghij";

/// Before the code of each script of boto3.
const PRELUDE: &str = "import boto3, json";

/// What the cloud does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Forward,
    /// Answers with this error of AWS instead.
    Refuse {
        status: u16,
        code: &'static str,
        message: &'static str,
    },
    /// Answers with this instead.
    Answer(&'static str),
    /// Does as it is told, and answers with status 503.
    ForwardAndDeny,
    /// Does as it is told, and answers when the test says so, or never.
    ForwardAndHold,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Counted from 1.
    pub(crate) number: usize,
    /// How many calls of this operation there were, this one included.
    pub(crate) nth: usize,
    /// Such as `dynamodb`.
    pub(crate) service: String,
    /// Such as `PutItem`; for services with paths, such as `GET /2015-03-31/functions/f`.
    pub(crate) operation: String,
    pub(crate) body: String,
}

impl Call {
    /// Such as `dynamodb PutItem`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.service, self.operation)
    }
}

type Policy = Arc<dyn Fn(&Call) -> Verdict + Send + Sync>;

/// A cloud that is empty at first, and ends with its test.
pub(crate) struct Cloud {
    moto: Moto,
    address: SocketAddr,
    seen: Arc<Seen>,
    door: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Call>>,
    /// Why calls were not such as AWS would look at.
    malformed: Mutex<Vec<String>>,
    arrived: tokio::sync::Notify,
    released: tokio::sync::Notify,
}

impl Cloud {
    /// Starts a cloud; none where moto cannot be had.
    pub(crate) async fn start(policy: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Option<Cloud> {
        let venv = tokio::task::block_in_place(|| python::environment("cloud", "requirements.txt"))?;
        let moto = tokio::task::block_in_place(|| Moto::start(&venv.join("bin/python")));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let behind = Behind { moto: moto.address, seen: Arc::clone(&seen), policy: Arc::new(policy) };
        let door = tokio::spawn(accept(listener, Arc::new(behind)));
        Some(Cloud { moto, address, seen, door })
    }

    /// Where guests find it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it that are not of the test.
    pub(crate) fn moto_address(&self) -> SocketAddr {
        self.moto.address
    }

    /// A python that has boto3.
    pub(crate) fn python_path(&self) -> &Path {
        &self.moto.python
    }

    /// Moto itself, whose own settings are below `/moto-api`.
    pub(crate) fn moto(&self) -> Door {
        Door::new(self.moto.address)
    }

    /// The calls so far, in order of arrival, refused ones included.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.seen.calls).clone()
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().iter().map(Call::name).collect()
    }

    /// Waits until so many calls have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        loop {
            let arrived = self.seen.arrived.notified();
            if lock(&self.seen.calls).len() >= count {
                return;
            }
            arrived.await;
        }
    }

    /// Has all calls answered that are held.
    pub(crate) fn release(&self) {
        self.seen.released.notify_waiters();
    }

    /// Runs a script that has `boto3` and `json`, and returns the JSON that it prints. Its calls are not counted.
    pub(crate) async fn python(&self, code: &str) -> Value {
        let printed = self.run_python(&["-c", &format!("{PRELUDE}\n{code}")]).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs python with boto3 and returns what it prints.
    pub(crate) async fn run_python(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.moto.python);
        command.args(arguments).current_dir(workspace()).envs(client_variables(self.moto.address));
        stdout(&output(command).await)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.door.abort();
        if !std::thread::panicking() {
            let malformed = lock(&self.seen.malformed).clone();
            assert!(malformed.is_empty(), "calls that AWS would not look at: {malformed:#?}");
        }
    }
}

/// What a client of somebody else needs to call moto.
fn client_variables(moto: SocketAddr) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{moto}")),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "somebody".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "else".to_owned()),
    ]
}

impl Setup {
    /// Has the guests call this cloud, with credentials that the configuration refers to. Comes after `config`.
    pub(crate) fn cloud(self, cloud: &Cloud) -> Self {
        self.cloud_as(cloud, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    }

    /// The same with other credentials.
    pub(crate) fn cloud_as(mut self, cloud: &Cloud, access_key_id: &str, secret_access_key: &str) -> Self {
        let references = "env.AWS_ACCESS_KEY_ID = { secret-env = \"TEST_ACCESS_KEY_ID\" }\n\
                          env.AWS_SECRET_ACCESS_KEY = { secret-env = \"TEST_SECRET_ACCESS_KEY\" }\n";
        self.config = Some(format!("{references}{}", self.config.unwrap_or_default()));
        self.allowed_hosts.push(cloud.address().to_string());
        self.variable("TEST_ACCESS_KEY_ID", access_key_id)
            .variable("TEST_SECRET_ACCESS_KEY", secret_access_key)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT", &format!("http://{}", cloud.address()))
    }
}

/// Moto's server, which ends with this value, and also when the process of the test is killed: then its standard input is
/// closed.
struct Moto {
    python: PathBuf,
    process: Child,
    address: SocketAddr,
}

impl Moto {
    fn start(python: &Path) -> Moto {
        let mut command = Command::new(python);
        command.arg(workspace().join("tests/e2e/clients/cloud.py")).args(["-H", "127.0.0.1", "-p", "0"]);
        command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("moto starts");
        let address = address_of(process.stderr.take().expect("piped"));
        Moto { python: python.to_owned(), process, address }
    }
}

/// Reads where the server listens, and what it says afterwards, of which there must be room for more.
fn address_of(stderr: ChildStderr) -> SocketAddr {
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let address = lines.by_ref().find_map(|line| {
        let address = line.split_once("Running on http://").and_then(|(_, address)| address.parse().ok());
        said.push(line);
        address
    });
    std::thread::spawn(move || lines.for_each(drop));
    address.unwrap_or_else(|| panic!("moto ended: {said:#?}"))
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the door knows.
struct Behind {
    moto: SocketAddr,
    seen: Arc<Seen>,
    policy: Policy,
}

async fn accept(listener: TcpListener, behind: Arc<Behind>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        assert!(peer.ip().is_loopback(), "tests stay on this machine");
        let behind = Arc::clone(&behind);
        let service = service_fn(move |request| answer(request, Arc::clone(&behind)));
        tokio::spawn(async move {
            // A host that was killed leaves its connections broken.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

type Response = hyper::Response<Full<Bytes>>;

async fn answer(request: hyper::Request<Incoming>, behind: Arc<Behind>) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    // Half a request of a host that is killed is none.
    let Ok(body) = body.collect().await else { return Ok(Response::default()) };
    let body = body.to_bytes();
    let path = head.uri.path().to_owned();
    let service = match signed_service(&head.headers) {
        Ok(service) => service,
        Err(why) => {
            lock(&behind.seen.malformed).push(format!("{} {path}: {why}", head.method));
            return Ok(error(&head.headers, 400, "IncompleteSignature", &why));
        }
    };
    let operation = operation(&head.headers, &body).unwrap_or_else(|| format!("{} {path}", head.method));
    let call = {
        let mut calls = lock(&behind.seen.calls);
        let nth =
            calls.iter().filter(|it| (&it.service, &it.operation) == (&service, &operation)).count() + 1;
        let body = String::from_utf8_lossy(&body).into_owned();
        let call = Call { number: calls.len() + 1, nth, service, operation, body };
        calls.push(call.clone());
        call
    };
    let released = behind.seen.released.notified();
    let verdict = (behind.policy)(&call);
    let instead = match verdict {
        Verdict::Refuse { status, code, message } => Some(error(&head.headers, status, code, message)),
        Verdict::Answer(body) => Some(Response::new(Full::from(body))),
        Verdict::Forward | Verdict::ForwardAndDeny | Verdict::ForwardAndHold => None,
    };
    if let Some(response) = instead {
        behind.seen.arrived.notify_waiters();
        return Ok(response);
    }
    let response = forward(&head, body, behind.moto).await;
    behind.seen.arrived.notify_waiters();
    match verdict {
        Verdict::ForwardAndDeny => {
            return Ok(error(&head.headers, 503, "ServiceUnavailable", "it was done, but who is to know"));
        }
        Verdict::ForwardAndHold => released.await,
        Verdict::Forward | Verdict::Answer(_) | Verdict::Refuse { .. } => {}
    }
    Ok(response)
}

/// Sends a call on as it is: also the host is signed.
async fn forward(head: &http::request::Parts, body: Bytes, moto: SocketAddr) -> Response {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Door::new(moto).request(head.method.clone(), path).headers(head.headers.clone()).body(body);
    let answer = request.send().await.expect("moto answers");
    let mut response = Response::default();
    *response.status_mut() = answer.status();
    for (name, value) in answer.headers() {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.body_mut() = Full::from(answer.bytes().await.expect("moto answers to the end"));
    response
}

/// The operation of a call whose protocol names it.
fn operation(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    if let Some(target) = text(headers, "x-amz-target") {
        return target.split_once('.').map(|(_, operation)| operation.to_owned());
    }
    let body = std::str::from_utf8(body).ok().filter(|_| is_form(headers))?;
    body.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned)
}

fn is_form(headers: &HeaderMap) -> bool {
    text(headers, "content-type").is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"))
}

/// An error as the protocol of the call has it.
fn error(headers: &HeaderMap, status: u16, code: &str, message: &str) -> Response {
    let body = match is_form(headers) {
        true => format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>0</RequestId></ErrorResponse>"
        ),
        false => serde_json::json!({ "__type": code, "message": message }).to_string(),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    if !is_form(headers) {
        let code = HeaderValue::from_str(code).expect("codes are plain text");
        response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code);
    }
    response
}

/// The service for which a call is signed, if its signature is one that AWS would look at.
fn signed_service(headers: &HeaderMap) -> Result<String, String> {
    let authorization = text(headers, "authorization").ok_or("it is not signed")?;
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let part = |name: &str| {
        let mut parts = parts.split(", ");
        parts.find_map(|part| part.strip_prefix(name)).ok_or(format!("no '{name}' in '{authorization}'"))
    };
    let scope: Vec<&str> = part("Credential=")?.split('/').collect();
    let [_, day, _, service, "aws4_request"] = scope.as_slice() else {
        return Err(format!("another scope: {scope:?}"));
    };
    let time = text(headers, "x-amz-date").ok_or("no x-amz-date")?;
    let is_time = time.len() == 16 && time.starts_with(&format!("{day}T")) && time.ends_with('Z');
    let signed: Vec<&str> = part("SignedHeaders=")?.split(';').collect();
    let are_signed = ["host", "x-amz-date"].iter().all(|name| signed.contains(name));
    let are_there = signed.iter().all(|name| headers.contains_key(*name));
    let signature = part("Signature=")?;
    let is_signature = signature.len() == 64 && signature.bytes().all(|digit| digit.is_ascii_hexdigit());
    match is_time && are_signed && are_there && is_signature {
        true => Ok((*service).to_owned()),
        false => Err(format!("'{authorization}' at '{time}'")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
