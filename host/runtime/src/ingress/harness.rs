//! A whole host without wasm, for tests of the doors: the real driver, a log and a store in memory, and
//! handlers that are a few lines of Rust.
//!
//! A request is one line: `POST /cart/ann/add ~ header: value ~ body`. A body is JSON unless a header says
//! otherwise. In requests and answers alike, ids are `inv_1`, `inv_2`, … in the order in which the answers
//! show them, and `awk_1` is the awakeable of `inv_1`. Those of subscriptions are `sub_1`, `sub_2`, …

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use expect_test::Expect;
use holiday_core::attempt::{News, Start};
use holiday_core::deployment::{Deployment, Handler, HandlerMode, Media, Service, ServiceKind};
use holiday_core::event::{Commands, End, Event, Fail, Suspend};
use holiday_core::id::{
    AttemptId, AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, SubscriptionId,
};
use holiday_core::journal::{Command, Notification};
use holiday_core::policy::Options;
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome};
use http::header::CONTENT_TYPE;
use http::{HeaderName, Request, Response};
use http_body_util::BodyExt as _;
use redb::backends::InMemoryBackend;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::driver::{self, DriverConfig, Handle, HostState, Invoker};
use crate::log::MemoryLog;
use crate::metrics::Metrics;
use crate::store::Overlay;
use crate::telemetry::{InvocationTrace, Tracer};

/// Headers that the tests show.
const SHOWN: [&str; 6] =
    ["content-type", "allow", "retry-after", "x-restate-id", "idempotency-expires", "x-restate-error-source"];

pub(crate) struct Host {
    pub(crate) handle: Handle,
    runtime: Runtime,
    router: Router,
    ids: Mutex<Vec<String>>,
    subscriptions: Mutex<Vec<String>>,
}

impl Host {
    /// Starts a host with the services of [`deployment`], behind the door that `router` makes.
    pub(crate) fn start(router: impl FnOnce(Handle) -> Router) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let database = redb::Database::builder().create_with_backend(InMemoryBackend::new());
        let store = Overlay::new(database.expect("a database in memory")).expect("an empty state");
        let config = DriverConfig::new(100, Metrics::default(), Tracer::default());
        let running =
            driver::start(MemoryLog::new(), store, Arc::new(Handlers), config, runtime.handle().clone());
        let handle = running.expect("an empty log").handle;
        runtime.block_on(handle.deploy(deployment())).expect("a valid deployment");
        let router = router(handle.clone());
        Host { router, handle, runtime, ids: Mutex::default(), subscriptions: Mutex::default() }
    }

    pub(crate) fn check(&self, requests: &[&str], expected: Expect) {
        let answers: Vec<String> = requests.iter().map(|request| self.ask(request)).collect();
        expected.assert_eq(&answers.concat());
    }

    /// Sends a request and goes away without waiting for the answer.
    pub(crate) fn abandon(&self, request: &str) {
        let answer = self.router.clone().oneshot(self.read(request));
        let waited = self.runtime.block_on(async { tokio::time::timeout(Duration::ZERO, answer).await });
        assert!(waited.is_err(), "{request} was answered at once");
    }

    /// Sends a request and leaves it under way; [`Host::check_end`] waits for the answer.
    pub(crate) fn begin(&self, request: &str) -> JoinHandle<Response<Body>> {
        let answer = self.router.clone().oneshot(self.read(request));
        self.runtime.spawn(async move { answer.await.expect("a router does not fail") })
    }

    /// Waits for the answer to a request that was begun; `name` stands for it.
    pub(crate) fn check_end(&self, name: &str, begun: JoinHandle<Response<Body>>, expected: Expect) {
        let answer =
            self.runtime.block_on(async { self.show(begun.await.expect("no request panics")).await });
        expected.assert_eq(&format!("{name}\n{}", self.number(&answer)));
    }

    /// Sends a request that no line can hold; `name` stands for it.
    pub(crate) fn check_request(&self, name: &str, request: Request<Body>, expected: Expect) {
        let answer = self.runtime.block_on(async { self.show(self.answer(request).await).await });
        expected.assert_eq(&format!("{name}\n{}", self.number(&answer)));
    }

    /// Sends a request and returns the answer as JSON, with the ids as they are.
    pub(crate) fn fetch(&self, request: &str) -> serde_json::Value {
        let asked = self.read(request);
        let body = self.runtime.block_on(async { self.answer(asked).await.into_body().collect().await });
        serde_json::from_slice(&body.expect("a whole body").to_bytes()).expect("JSON")
    }

    /// The same, and numbers the ids in the answer.
    pub(crate) fn fetch_numbered(&self, request: &str) -> serde_json::Value {
        let answer = self.fetch(request);
        self.number(&answer.to_string());
        answer
    }

    /// Sends a request that no line can hold, and returns the status of the answer.
    pub(crate) fn status_of(&self, request: Request<Body>) -> u16 {
        self.runtime.block_on(self.answer(request)).status().as_u16()
    }

    /// What is to be done until it is so, such as a handler that has to get somewhere first.
    pub(crate) fn until<T: Send + 'static>(
        &self,
        is_so: impl Fn(&HostState) -> Option<T> + Clone + Send + 'static,
    ) -> T {
        loop {
            let found = self.runtime.block_on(self.handle.query(is_so.clone()));
            if let Some(found) = found.expect("the driver runs") {
                return found;
            }
            std::thread::yield_now();
        }
    }

    /// Waits until the invocation that the tests call `name` has status `status`.
    pub(crate) fn until_status(&self, name: &str, status: &'static str) {
        let id = self.id(name);
        self.until(move |state| {
            let lifecycle = state.lifecycle(&id).expect("a readable state");
            let is = lifecycle.map_or("ended", |it| it.status.name());
            (is == status).then_some(())
        });
    }

    /// Lets the host do what a test needs done behind its doors.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The same beside the test.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(future)
    }

    pub(crate) fn id(&self, name: &str) -> InvocationId {
        let number: usize = name.strip_prefix("inv_").and_then(|it| it.parse().ok()).expect("inv_<number>");
        self.ids.lock().expect("no panic")[number - 1].parse().expect("an id that was shown")
    }

    pub(crate) fn ask(&self, request: &str) -> String {
        let asked = self.read(request);
        let answer = self.runtime.block_on(async { self.show(self.answer(asked).await).await });
        format!("{request}\n{}", self.number(&answer))
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("a router does not fail")
    }

    fn read(&self, request: &str) -> Request<Body> {
        let mut parts = request.split(" ~ ");
        let (method, path) = parts.next().and_then(|it| it.split_once(' ')).expect("a method and a path");
        let mut asked = Request::builder().method(method).uri(self.denumber(path));
        let mut body = String::new();
        for part in parts {
            match part.split_once(": ") {
                Some((name, value)) if name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-') => {
                    asked = asked.header(name, value);
                }
                _ => body = self.denumber(part),
            }
        }
        if !body.is_empty() && asked.headers_ref().is_some_and(|it| !it.contains_key(CONTENT_TYPE)) {
            asked = asked.header(CONTENT_TYPE, "application/json");
        }
        asked.body(Body::from(body)).expect("a valid request")
    }

    async fn show(&self, answer: Response<Body>) -> String {
        let mut shown = format!("  {}", answer.status().as_u16());
        for name in SHOWN {
            let Some(value) = answer.headers().get(HeaderName::from_static(name)) else { continue };
            let value = value.to_str().expect("text");
            let value = if name == "idempotency-expires" { in_hours(value) } else { value.to_owned() };
            shown += &format!(" {name}: {value}");
        }
        let body: Bytes = answer.into_body().collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8_lossy(&body);
        let body = match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(mut json) => {
                hide_times(&mut json);
                json.to_string()
            }
            Err(_) => body.into_owned(),
        };
        if !body.is_empty() {
            shown += &format!("\n  {body}");
        }
        shown + "\n"
    }

    /// Numbers the ids in an answer, and hides what is random about it.
    fn number(&self, answer: &str) -> String {
        let mut ids = self.ids.lock().expect("no panic");
        let mut shown = String::new();
        for (word, separator) in words(answer) {
            if word.parse::<InvocationId>().is_ok() {
                let known = ids.iter().position(|it| it == word);
                let position = known.unwrap_or_else(|| {
                    ids.push(word.to_owned());
                    ids.len() - 1
                });
                shown += &format!("inv_{}", position + 1);
            } else if word.parse::<SubscriptionId>().is_ok() {
                let mut known = self.subscriptions.lock().expect("no panic");
                let position = known.iter().position(|it| it == word).unwrap_or_else(|| {
                    known.push(word.to_owned());
                    known.len() - 1
                });
                shown += &format!("sub_{}", position + 1);
            } else if let Ok(AwakeableId { invocation, .. }) = word.parse() {
                let known = ids.iter().position(|it| *it == invocation.to_string());
                shown += &known.map_or(word.to_owned(), |position| format!("awk_{}", position + 1));
            } else if word.starts_with("req_") {
                shown += "req_…";
            } else {
                shown += word;
            }
            shown += separator;
        }
        shown
    }

    /// Puts the ids into a request that an answer has shown.
    fn denumber(&self, text: &str) -> String {
        let ids = self.ids.lock().expect("no panic");
        let subscriptions = self.subscriptions.lock().expect("no panic");
        let subscription = |word: &str| {
            let number: usize = word.strip_prefix("sub_")?.parse().ok()?;
            subscriptions.get(number.checked_sub(1)?).cloned()
        };
        let id = |word| subscription(word).unwrap_or_else(|| id_of(&ids, word));
        words(text).map(|(word, separator)| format!("{}{separator}", id(word))).collect()
    }
}

/// A text as words of letters, digits and `_`, each with what separates it from the next.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_separator = |it: char| !it.is_alphanumeric() && it != '_';
    text.split_inclusive(is_separator).map(move |it| it.split_at(it.trim_end_matches(is_separator).len()))
}

/// The id that a word such as `inv_1` stands for; any other word stands for itself.
fn id_of(ids: &[String], word: &str) -> String {
    let found = word.split_once('_').and_then(|(kind, number)| {
        let id = ids.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        let invocation = id.parse().expect("an id that was shown");
        match kind {
            "inv" => Some(id.clone()),
            "awk" => Some(AwakeableId { invocation, index: EntryIndex(0) }.to_string()),
            _ => None,
        }
    });
    found.unwrap_or_else(|| word.to_owned())
}

/// How far a time is from now; one that is not near is shown as it is.
fn in_hours(time: &str) -> String {
    let parsed: jiff::Timestamp = time.parse().expect("RFC 3339");
    let hours = parsed.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3_600.0;
    match hours.abs() < 100.0 {
        true => format!("in {} h", hours.round().abs()),
        false => time.to_owned(),
    }
}

fn hide_times(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => *text = in_hours(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(hide_times),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(hide_times),
        _ => {}
    }
}

/// What the handlers of [`deployment`] do.
struct Handlers;

impl Invoker for Handlers {
    fn free(&self, _: DeploymentId) {}

    fn start(
        &self,
        start: Start,
        _: Option<Arc<InvocationTrace>>,
        _: UnboundedReceiver<News>,
        handle: Handle,
    ) {
        let attempt = start.attempt;
        let answer = start.notifications.first().map(|entry| match &entry.notification {
            Notification::Completed { outcome, .. } => outcome.clone(),
            Notification::Cancelled { failure, .. } | Notification::Interrupted { failure, .. } => {
                failure.clone().into()
            }
            Notification::NotReady { .. } => Outcome::done(),
        });
        let end = |outcome| vec![Event::End(End { attempt, outcome })];
        let events = match (start.target.handler.as_str(), answer) {
            ("wait" | "Run", Some(outcome)) => end(outcome),
            ("wait" | "Run", None) => {
                let asks = start.commands.is_empty().then(|| commands(attempt, Command::Awakeable));
                let suspend = Suspend { attempt, on: vec![EntryIndex(0)], received: 0 };
                asks.into_iter().chain([Event::Suspend(suspend)]).collect()
            }
            // Opens as many awakeables as it is told to, and waits for them in their order.
            ("fill", _) => {
                let count = String::from_utf8_lossy(&start.input).parse().expect("a number");
                let first =
                    start.commands.is_empty().then(|| all_commands(attempt, vec![Command::Awakeable; count]));
                let next = EntryIndex(u32::try_from(start.notifications.len()).expect("few"));
                let suspend = Suspend { attempt, on: vec![next], received: next.0 };
                first.into_iter().chain([Event::Suspend(suspend)]).collect()
            }
            ("add", _) => {
                let sets = Command::SetState { key: "items".to_owned(), value: start.input.clone() };
                [vec![commands(attempt, sets)], end(Outcome::success(echo(&start)))].concat()
            }
            ("fail", _) => end(Failure::new(404, "no such trip").into()),
            ("stumble", _) => {
                vec![Event::Fail(Fail { attempt, message: "HH0025: no connection".to_owned() })]
            }
            ("ping", _) => end(Outcome::done()),
            ("copy", _) => end(Outcome::success(start.input)),
            _ => end(Outcome::success(echo(&start))),
        };
        handle.record(attempt, events);
    }
}

/// The first command of a handler.
fn commands(attempt: AttemptId, command: Command) -> Event {
    all_commands(attempt, vec![command])
}

fn all_commands(attempt: AttemptId, commands: Vec<Command>) -> Event {
    Event::Commands(Commands { attempt, first: EntryIndex(0), commands, told_cancelled: None })
}

/// What a handler was asked, as its answer.
fn echo(start: &Start) -> String {
    let mut headers = start.headers.iter().filter(|(name, _)| name != "content-type");
    let headers = headers.next().map(|(name, value)| format!(", {name}: {value}")).unwrap_or_default();
    let input = String::from_utf8_lossy(&start.input).replace('"', "'");
    serde_json::Value::from(format!("{} got '{input}'{headers}", start.target)).to_string()
}

/// Services, an object and a workflow.
pub(crate) fn deployment() -> Deployment {
    const TRIP: &str = r#"{"type": "object", "properties": {"run_type": {}, "trip_id": {}}}"#;
    const WRAPPED: &str = r#"{"type": "object", "properties": {"request": {}}}"#;
    const OPTIONAL: &str = r#"{"type": ["string", "null"]}"#;
    const ORDER: &str = r##"{"type": "object", "required": ["items"], "properties": {
        "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}}, "$defs": {"Item": {
        "type": "object", "properties": {"quantity": {"type": "integer"}}}}}"##;
    let json = |schema: &str| media("application/json", Some(schema));
    let private = Options { private: Some(true), ..Options::default() };
    let keeping = Options { keep_headers: Some(vec!["authorization".to_owned()]), ..Options::default() };
    let digest = Digest::of(b"trips");
    Deployment {
        id: DeploymentId::of(&digest),
        digest,
        origin: "file:///guests/trips.wasm".to_owned(),
        services: vec![
            service(
                ServiceKind::Service,
                "trips",
                vec![
                    handler("reserve", HandlerMode::Exclusive, json(TRIP), json("{}")),
                    handler("wrapped", HandlerMode::Exclusive, json(WRAPPED), json("{}")),
                    handler("any", HandlerMode::Exclusive, media("application/json", None), json("{}")),
                    handler("find", HandlerMode::Exclusive, json(OPTIONAL), json("{}")),
                    handler("copy", HandlerMode::Exclusive, media("image/*", None), media("image/png", None)),
                    handler("ping", HandlerMode::Exclusive, None, None),
                    handler("fail", HandlerMode::Exclusive, None, json("{}")),
                    handler("stumble", HandlerMode::Exclusive, None, json("{}")),
                    handler("wait", HandlerMode::Exclusive, None, json("{}")),
                ],
            ),
            service(
                ServiceKind::Service,
                "shop",
                vec![
                    handler("order", HandlerMode::Exclusive, json(ORDER), json("{}")),
                    Handler { options: private, ..handler("refund", HandlerMode::Exclusive, None, None) },
                    Handler {
                        options: keeping,
                        ..handler("whoami", HandlerMode::Exclusive, None, json("{}"))
                    },
                ],
            ),
            service(
                ServiceKind::Object,
                "cart",
                vec![
                    handler("add", HandlerMode::Exclusive, json(TRIP), json("{}")),
                    handler("get", HandlerMode::Shared, None, json("{}")),
                    handler("wait", HandlerMode::Exclusive, None, json("{}")),
                ],
            ),
            service(
                ServiceKind::Workflow,
                "Booking",
                vec![
                    handler("Run", HandlerMode::WorkflowRun, json(TRIP), json("{}")),
                    handler("status", HandlerMode::Shared, None, json("{}")),
                    handler("attach", HandlerMode::Shared, None, json("{}")),
                ],
            ),
        ],
        registered_at: Timestamp::from_millis(0),
        metadata: BTreeMap::new(),
    }
}

fn service(kind: ServiceKind, name: &str, handlers: Vec<Handler>) -> Service {
    Service { name: name.to_owned(), kind, handlers, documentation: None, options: Options::default() }
}

fn handler(name: &str, mode: HandlerMode, input: Option<Media>, output: Option<Media>) -> Handler {
    let options = Options::default();
    Handler { name: name.to_owned(), mode, input, output, documentation: None, options }
}

#[expect(clippy::unnecessary_wraps, reason = "handlers hold an option")]
fn media(content_type: &str, schema: Option<&str>) -> Option<Media> {
    Some(Media { content_type: content_type.to_owned(), schema: schema.map(ToOwned::to_owned) })
}
