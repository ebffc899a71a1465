//! The handlers of the simulated services, and the catalog that lists them.
//!
//! Invariant: what a handler asks for depends on its input, its random name and the answers it gets, on
//! nothing else. Any attempt can begin it anew.

mod approvals;
pub(crate) mod holiday;
pub(crate) mod mixed;
mod post;
mod story;

use std::future::Future;
use std::pin::Pin;

use holiday_core::deployment::{Deployment, Handler, HandlerMode, Media, Service, ServiceKind};
use holiday_core::id::{DeploymentId, Digest};
use holiday_core::policy::{Options, RetryOptions};
use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::{Failure, Outcome, Payload};

use crate::guest::{Answer, Guest};
use crate::world::Deed;

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// Begins the handler that the guest's target names.
pub(crate) fn handler(guest: Guest) -> Running {
    Box::pin(async move {
        let answer = match (guest.target.service.as_str(), guest.target.handler.as_str()) {
            ("trips", "reserve") => holiday::trip(&guest).await,
            ("agency", "book") => holiday::agency(&guest).await,
            ("flights" | "cars" | "payments", "reserve") => holiday::reserve(&guest).await,
            ("flights" | "cars" | "payments", "confirm") => holiday::confirm(&guest).await,
            ("flights" | "cars" | "payments", "cancel") => holiday::cancel(&guest).await,
            ("counter", "add") => add(&guest).await,
            ("counter", "get") => get(&guest).await,
            ("resolver", "resolve") => mixed::resolve(&guest).await,
            ("mixed", "story") => story::tell(&guest).await,
            ("mixed" | "box" | "workflow" | "hasty", "go") => mixed::go(&guest).await,
            ("box" | "workflow" | "secret", "peek") => peek(&guest).await,
            ("approvals", "go") => approvals::go(&guest).await,
            ("approvals" | "workflow", "approve") => approvals::approve(&guest).await,
            ("approvals" | "workflow", "watch") => approvals::watch(&guest).await,
            ("post", "send") => post::send(&guest).await,
            ("post", "wait") => post::wait(&guest).await,
            ("post", "undo") => post::undo(&guest).await,
            _ => Err(Failure::new(404, format!("no program for {}", guest.target))),
        };
        match answer {
            Ok(payload) => Outcome::Success(payload),
            Err(failure) => Outcome::Failure(failure),
        }
    })
}

/// Everything that can be invoked; `version` tells one deployment of the same services from another.
pub(crate) fn deployment(version: u8, at: Timestamp) -> Deployment {
    use HandlerMode::{Exclusive, Shared, WorkflowRun};
    let digest = Digest([version; 32]);
    let reservations = [("reserve", Exclusive), ("confirm", Exclusive), ("cancel", Exclusive)];
    let services = vec![
        service("trips", ServiceKind::Service, &[("reserve", Exclusive)]),
        service("flights", ServiceKind::Object, &reservations),
        service("cars", ServiceKind::Object, &reservations),
        service("payments", ServiceKind::Object, &reservations),
        service("counter", ServiceKind::Object, &[("add", Exclusive), ("get", Shared)]),
        service("resolver", ServiceKind::Service, &[("resolve", Exclusive)]),
        with(
            service("mixed", ServiceKind::Service, &[("go", Exclusive), ("story", Exclusive)]),
            Options { journal_retention_ms: Some(JOURNAL_RETENTION_MS), ..Options::default() },
        ),
        service("box", ServiceKind::Object, &[("go", Exclusive), ("peek", Shared)]),
        service(
            "workflow",
            ServiceKind::Workflow,
            &[("go", WorkflowRun), ("peek", Shared), ("approve", Shared), ("watch", Shared)],
        ),
        with(
            service(
                "approvals",
                ServiceKind::Workflow,
                &[("go", WorkflowRun), ("approve", Shared), ("watch", Shared)],
            ),
            Options { workflow_retention_ms: Some(WORKFLOW_RETENTION_MS), ..Options::default() },
        ),
        service(
            "post",
            ServiceKind::Service,
            &[("send", Exclusive), ("wait", Exclusive), ("undo", Exclusive)],
        ),
        service("agency", ServiceKind::Service, &[("book", Exclusive)]),
        with(
            service("hasty", ServiceKind::Service, &[("go", Exclusive)]),
            Options { timeout_ms: Some(TIMEOUT_MS), ..Options::default() },
        ),
        with(
            service("secret", ServiceKind::Object, &[("peek", Shared)]),
            Options { private: Some(true), ..Options::default() },
        ),
    ];
    let id = DeploymentId::of(&digest);
    Deployment {
        id,
        digest,
        origin: format!("v{version}.wasm"),
        services,
        registered_at: at,
        metadata: std::collections::BTreeMap::new(),
    }
}

fn service(name: &str, kind: ServiceKind, handlers: &[(&str, HandlerMode)]) -> Service {
    let handlers = handlers
        .iter()
        .map(|(name, mode)| Handler {
            name: (*name).to_owned(),
            mode: *mode,
            input: Some(Media { content_type: "text/plain".to_owned(), schema: None }),
            output: None,
            documentation: None,
            options: Options { retry: few_retries(), ..Options::default() },
        })
        .collect();
    Service { name: name.to_owned(), kind, handlers, documentation: None, options: Options::default() }
}

fn with(service: Service, options: Options) -> Service {
    Service { options, ..service }
}

/// How long the journals of `mixed` are kept, also of those that succeed.
const JOURNAL_RETENTION_MS: u64 = 100_000;

/// Short enough that a workflow is forgotten while others still ask for it.
const WORKFLOW_RETENTION_MS: u64 = 2_000;

/// What `hasty` has.
const TIMEOUT_MS: u64 = 400;

/// Few enough that invocations pause now and then.
fn few_retries() -> RetryOptions {
    RetryOptions { initial_interval_ms: Some(50), max_attempts: Some(5), ..RetryOptions::default() }
}

/// Adds to a counter, with something slow between reading and writing. Input: `amount how`.
async fn add(guest: &Guest) -> Answer {
    let (amount, how) = guest.input.split_once(' ').unwrap_or((&guest.input, ""));
    let amount: u64 = amount.parse().unwrap_or(1);
    let count: u64 = guest.get("count").await.and_then(|text| text.parse().ok()).unwrap_or(0);
    match how {
        "sleep" => guest.sleep(30).await.map(drop)?,
        "run" => guest.run("slow", Deed::Value { failures: 0 }, None).await.map(drop)?,
        "refuse" => guest.run("slow", Deed::Refuse, None).await.map(drop)?,
        "stuck" => {
            let what = format!("stuck {}", guest.key());
            guest.run("stuck", Deed::Undo { what, broken: true }, None).await.map(drop)?;
        }
        _ => {}
    }
    let count = (count + amount).to_string();
    guest.set("count", &count).await;
    Ok(Payload::from(count))
}

async fn get(guest: &Guest) -> Answer {
    Ok(Payload::from(guest.get("count").await.unwrap_or_default()))
}

async fn peek(guest: &Guest) -> Answer {
    let keys = guest.keys().await;
    guest.sleep(5).await?;
    Ok(Payload::from(keys.join(",")))
}

/// Executes a step until it has succeeded; a cancellation in between does not stop it, and a policy by which steps fail
/// does not bear on it.
async fn insist(guest: &Guest, name: &str, deed: Deed) {
    let policy = RetryPolicy {
        initial_interval_ms: 50,
        max_attempts: Some(5),
        then: Exhausted::Pause,
        ..RetryPolicy::DEFAULT
    };
    while guest.run(name, deed.clone(), Some(policy)).await.is_err() {}
}

/// Books something in the world, and takes it back if the step is not known to have succeeded.
async fn book(guest: &Guest, name: &str, what: &str) -> Answer {
    let booked = guest.run(name, Deed::Book { what: what.to_owned() }, None).await;
    if booked.is_err() {
        insist(guest, "take back", Deed::Undo { what: what.to_owned(), broken: false }).await;
    }
    booked
}

/// The counters that everybody adds to.
pub(crate) fn counter(index: u64) -> Target {
    Target::keyed("counter", format!("c{index}"), "add")
}
