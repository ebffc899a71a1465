//! The services that scripts can invoke.

use holiday_core::deployment::{Deployment, Handler, HandlerMode, HandlerOptions, Service, ServiceKind};
use holiday_core::id::{DeploymentId, Digest};
use holiday_core::retry::RetryPolicy;
use holiday_core::time::Timestamp;

/// What `frail/go` lives by: three attempts in all, 100 and 200 ms apart.
const FRAIL: RetryPolicy =
    RetryPolicy { initial_interval_ms: 100, max_attempts: Some(3), ..RetryPolicy::DEFAULT };

pub(crate) fn id(version: &str) -> DeploymentId {
    DeploymentId::of(&Digest::of(version.as_bytes()))
}

/// All versions have the same services, but in `odd` the cart is no object.
pub(crate) fn deployment(version: &str) -> Deployment {
    use HandlerMode::{Exclusive, Shared, WorkflowRun};
    let cart = match version {
        "odd" => ServiceKind::Workflow,
        _ => ServiceKind::Object,
    };
    Deployment {
        id: id(version),
        digest: Digest::of(version.as_bytes()),
        origin: format!("{version}.wasm"),
        services: vec![
            service("echo", ServiceKind::Service, vec![handler("hi", Exclusive)]),
            service("cart", cart, vec![handler("add", Exclusive), handler("look", Shared)]),
            service("trip", ServiceKind::Workflow, vec![handler("run", WorkflowRun), handler("ask", Shared)]),
            service(
                "frail",
                ServiceKind::Service,
                vec![
                    with(handler("go", Exclusive), HandlerOptions { retry: Some(FRAIL), retention_ms: None }),
                    with(handler("brief", Exclusive), HandlerOptions { retry: None, retention_ms: Some(50) }),
                ],
            ),
        ],
        registered_at: Timestamp::ZERO,
        metadata: std::collections::BTreeMap::new(),
    }
}

fn service(name: &str, kind: ServiceKind, handlers: Vec<Handler>) -> Service {
    Service { name: name.to_owned(), kind, handlers, documentation: None }
}

fn handler(name: &str, mode: HandlerMode) -> Handler {
    let options = HandlerOptions::default();
    Handler { name: name.to_owned(), mode, input: None, output: None, documentation: None, options }
}

fn with(handler: Handler, options: HandlerOptions) -> Handler {
    Handler { options, ..handler }
}
