//! The services that scripts can invoke.

use holiday_core::deployment::{Deployment, Handler, HandlerMode, Service, ServiceKind};
use holiday_core::id::{DeploymentId, Digest};
use holiday_core::policy::{Options, RetryOptions};
use holiday_core::time::Timestamp;

use crate::topics::media;

/// What `frail/go` lives by: three attempts in all, 100 and 200 ms apart.
fn frail() -> Options {
    let retry =
        RetryOptions { initial_interval_ms: Some(100), max_attempts: Some(3), ..RetryOptions::default() };
    Options { retry, ..Options::default() }
}

pub(crate) fn id(version: &str) -> DeploymentId {
    DeploymentId::of(&Digest::of(version.as_bytes()))
}

const VERSIONS: [&str; 5] = ["v1", "v2", "slim", "odd", "less"];

/// What scripts call a deployment.
pub(crate) fn version(id: &DeploymentId) -> &'static str {
    VERSIONS.into_iter().find(|version| self::id(version) == *id).unwrap_or("?")
}

/// All versions have the same services, but in `odd` the cart is no object, in `less` one can only look at it, and `slim`
/// has `echo` only.
pub(crate) fn deployment(version: &str) -> Deployment {
    use HandlerMode::{Exclusive, Shared, WorkflowRun};
    let cart = match version {
        "odd" => ServiceKind::Workflow,
        _ => ServiceKind::Object,
    };
    let of_cart = match version {
        "less" => vec![handler("look", Shared)],
        _ => vec![handler("add", Exclusive), handler("look", Shared)],
    };
    let services = vec![
        service("echo", ServiceKind::Service, vec![handler("hi", Exclusive)]),
        service("cart", cart, of_cart),
        service("trip", ServiceKind::Workflow, vec![handler("run", WorkflowRun), handler("ask", Shared)]),
        service(
            "frail",
            ServiceKind::Service,
            vec![
                with(handler("go", Exclusive), frail()),
                Handler {
                    input: None,
                    ..with(
                        handler("brief", Exclusive),
                        Options { idempotency_retention_ms: Some(50), ..Options::default() },
                    )
                },
            ],
        ),
    ];
    let only_echo = |service: &Service| version != "slim" || service.name == "echo";
    Deployment {
        id: id(version),
        digest: Digest::of(version.as_bytes()),
        origin: format!("{version}.wasm"),
        services: services.into_iter().filter(only_echo).collect(),
        registered_at: Timestamp::ZERO,
        metadata: std::collections::BTreeMap::new(),
    }
}

fn service(name: &str, kind: ServiceKind, handlers: Vec<Handler>) -> Service {
    Service { name: name.to_owned(), kind, handlers, documentation: None, options: Options::default() }
}

fn handler(name: &str, mode: HandlerMode) -> Handler {
    let options = Options::default();
    let input = Some(media());
    Handler { name: name.to_owned(), mode, input, output: None, documentation: None, options }
}

fn with(handler: Handler, options: Options) -> Handler {
    Handler { options, ..handler }
}
