//! The labels of metrics, and the values they can have.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use holiday_core::error::ErrorCode;
use prometheus_client::encoding::EncodeLabelSet;

/// Services that have a label of their own; all others share one.
pub const SERVICE_LABELS_MAX: usize = 1_000;

/// The label of the services beyond [`SERVICE_LABELS_MAX`].
const OTHERS: &str = "(others)";

/// Where requests come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    Ingress,
    Admin,
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Door::Ingress => "ingress",
            Door::Admin => "admin",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DoorStatus {
    door: &'static str,
    status: &'static str,
}

impl DoorStatus {
    pub(super) fn new(door: Door, status: Option<u16>) -> Self {
        let status = match status.map(|it| it / 100) {
            Some(1) => "1xx",
            Some(2) => "2xx",
            Some(3) => "3xx",
            Some(4) => "4xx",
            Some(_) => "5xx",
            None => "gone",
        };
        DoorStatus { door: door.name(), status }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Refused {
    door: &'static str,
    code: &'static str,
}

impl Refused {
    pub(super) fn new(door: Door, code: ErrorCode) -> Self {
        Refused { door: door.name(), code: code.as_str() }
    }
}

/// What a caller asks the ingress for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    kind: &'static str,
}

impl Asked {
    pub const CALL: Asked = Asked { kind: "call" };
    pub const SEND: Asked = Asked { kind: "send" };
    pub const ATTACH: Asked = Asked { kind: "attach" };
    pub const OUTPUT: Asked = Asked { kind: "output" };
    pub const LOOKUP: Asked = Asked { kind: "lookup" };
    pub const AWAKEABLE: Asked = Asked { kind: "awakeable" };
    pub const SIGNAL: Asked = Asked { kind: "signal" };
    pub const HEALTH: Asked = Asked { kind: "health" };
    /// What the host does not understand.
    pub const NOTHING: Asked = Asked { kind: "nothing" };

    pub fn name(self) -> &'static str {
        self.kind
    }
}

/// One subscription: there are at most [`holiday_core::limits::SUBSCRIPTIONS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Subscription {
    pub(super) subscription: String,
}

/// The records of a subscription, by their fate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Records {
    pub(super) subscription: String,
    pub(super) fate: &'static str,
}

/// One of the partitions that a subscription shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Partition {
    pub(super) subscription: String,
    pub(super) partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Service {
    pub(super) service: Arc<str>,
}

/// The names of services that have a label.
///
/// A catalog only grows, and what is counted stays in memory: so it needs a bound.
#[derive(Debug, Default)]
pub(super) struct Services(RwLock<BTreeSet<Arc<str>>>);

impl Services {
    pub(super) fn label(&self, service: &str) -> Arc<str> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(service) {
            return Arc::clone(known);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let label = Arc::from(if all.len() < SERVICE_LABELS_MAX { service } else { OTHERS });
        all.insert(Arc::clone(&label));
        label
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    Cancelled,
    Killed,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Cancelled => "cancelled",
            Outcome::Killed => "killed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Completion {
    service: Arc<str>,
    outcome: &'static str,
}

impl Completion {
    pub(super) fn new(service: Arc<str>, outcome: Outcome) -> Self {
        Completion { service, outcome: outcome.name() }
    }
}

/// Where an invocation stands that has not ended; the order is that of
/// [`holiday_core::invocation::Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Status {
    Scheduled,
    Inboxed,
    Running,
    Suspended,
    BackingOff,
    Paused,
}

impl Status {
    pub const ALL: [Status; 6] = [
        Status::Scheduled,
        Status::Inboxed,
        Status::Running,
        Status::Suspended,
        Status::BackingOff,
        Status::Paused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Inboxed => "inboxed",
            Status::Running => "running",
            Status::Suspended => "suspended",
            Status::BackingOff => "backing-off",
            Status::Paused => "paused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Standing {
    status: &'static str,
}

impl Standing {
    pub(super) fn new(status: Status) -> Self {
        Standing { status: status.name() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Failed {
    code: &'static str,
}

impl Failed {
    pub(super) fn new(code: Option<ErrorCode>) -> Self {
        Failed { code: code.map_or("none", ErrorCode::as_str) }
    }
}

/// How the execution of a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Success,
    Failure,
    /// It failed and may be executed again.
    Retry,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Success => "success",
            Step::Failure => "failure",
            Step::Retry => "retry",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Execution {
    outcome: &'static str,
}

impl Execution {
    pub(super) fn new(outcome: Step) -> Self {
        Execution { outcome: outcome.name() }
    }
}

/// What became of a guest's HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Fetch {
    outcome: &'static str,
}

impl Fetch {
    pub const ANSWERED: Fetch = Fetch { outcome: "answered" };
    pub const FAILED: Fetch = Fetch { outcome: "failed" };
    pub const REFUSED: Fetch = Fetch { outcome: "refused" };
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct File {
    pub(super) file: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Build {
    pub(super) version: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beyond_the_bound_share_a_label() {
        let services = Services::default();
        for number in 0..SERVICE_LABELS_MAX {
            assert_eq!(*services.label(&number.to_string()), *number.to_string());
        }
        assert_eq!(&*services.label("one more"), OTHERS);
        assert_eq!(&*services.label("0"), "0");
    }

    #[test]
    fn statuses_are_classes() {
        let class = |status| DoorStatus::new(Door::Admin, status).status;
        assert_eq!([200, 202, 404, 470, 503].map(Some).map(class), ["2xx", "2xx", "4xx", "4xx", "5xx"]);
        assert_eq!(class(None), "gone");
    }
}
