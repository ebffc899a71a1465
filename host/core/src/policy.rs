//! Policies: what authors, configuration and operators may set, and what is in force.
//!
//! An [`Options`] says something or leaves it open; [`Policies`] layer them over what a component brings, and
//! the result for one handler is a [`Policy`] without open questions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::{Handler, Service};
use crate::limits;
use crate::retry::{Exhausted, RetryPolicy};

/// Settings of a handler, a service or the host; `None` leaves a setting to the next wider one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// For attempts that fail, and for steps without a policy of their own.
    pub retry: RetryOptions,
    /// How long the outcome for an idempotency key is kept.
    pub idempotency_retention_ms: Option<u64>,
    /// How long the outcome, the promises and the state of a workflow are kept after its run has ended.
    pub workflow_retention_ms: Option<u64>,
    /// How long the input and the journal of a completed invocation are kept. Unset, those of a successful
    /// one are not, and those of a failed one are kept for [`limits::FAILED_JOURNAL_RETENTION_MS`].
    pub journal_retention_ms: Option<u64>,
    /// From its first attempt on, after which an invocation is cancelled; zero is no bound.
    pub timeout_ms: Option<u64>,
    /// How long an attempt may compute without asking the host for anything.
    pub cpu_ms: Option<u64>,
    /// Whether only other handlers may invoke it.
    pub private: Option<bool>,
    /// Headers that are otherwise not stored, such as `authorization`; lower case.
    pub keep_headers: Option<Vec<String>>,
}

/// A retry policy with open parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryOptions {
    pub initial_interval_ms: Option<u64>,
    pub factor: Option<f64>,
    pub max_interval_ms: Option<u64>,
    /// Executions in all; zero is no bound.
    pub max_attempts: Option<u32>,
    /// Since the first failure; zero is no bound.
    pub max_duration_ms: Option<u64>,
    pub then: Option<Exhausted>,
}

/// What is in force for one handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub retry: RetryPolicy,
    pub idempotency_retention_ms: u64,
    pub workflow_retention_ms: u64,
    /// `None`: a successful one is not kept, a failed one is for [`limits::FAILED_JOURNAL_RETENTION_MS`].
    pub journal_retention_ms: Option<u64>,
    pub timeout_ms: Option<u64>,
    /// `None`: the host's default.
    pub cpu_ms: Option<u64>,
    pub private: bool,
    pub keep_headers: Vec<String>,
}

/// One layer of settings from outside the components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policies {
    pub host: Options,
    pub services: BTreeMap<String, ServicePolicies>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServicePolicies {
    /// For all its handlers.
    pub service: Options,
    pub handlers: BTreeMap<String, Options>,
}

/// Who sets a layer; later ones override earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// The configuration of the host, read at its start.
    Config,
    /// An operator, while the host runs.
    Operator,
}

impl Layer {
    /// From the one that gives way to all others upwards.
    pub const ALL: [Layer; 2] = [Layer::Config, Layer::Operator];
}

impl Options {
    /// Fills what is open from `wider`.
    #[must_use]
    pub fn or(&self, wider: &Options) -> Options {
        Options {
            retry: self.retry.or(&wider.retry),
            idempotency_retention_ms: self.idempotency_retention_ms.or(wider.idempotency_retention_ms),
            workflow_retention_ms: self.workflow_retention_ms.or(wider.workflow_retention_ms),
            journal_retention_ms: self.journal_retention_ms.or(wider.journal_retention_ms),
            timeout_ms: self.timeout_ms.or(wider.timeout_ms),
            cpu_ms: self.cpu_ms.or(wider.cpu_ms),
            private: self.private.or(wider.private),
            keep_headers: self.keep_headers.clone().or_else(|| wider.keep_headers.clone()),
        }
    }
}

impl RetryOptions {
    #[must_use]
    pub fn or(&self, wider: &RetryOptions) -> RetryOptions {
        RetryOptions {
            initial_interval_ms: self.initial_interval_ms.or(wider.initial_interval_ms),
            factor: self.factor.or(wider.factor),
            max_interval_ms: self.max_interval_ms.or(wider.max_interval_ms),
            max_attempts: self.max_attempts.or(wider.max_attempts),
            max_duration_ms: self.max_duration_ms.or(wider.max_duration_ms),
            then: self.then.or(wider.then),
        }
    }

    /// Fills what is open from [`RetryPolicy::DEFAULT`].
    pub fn resolve(&self) -> RetryPolicy {
        let default = RetryPolicy::DEFAULT;
        RetryPolicy {
            initial_interval_ms: self.initial_interval_ms.unwrap_or(default.initial_interval_ms),
            factor: self.factor.unwrap_or(default.factor),
            max_interval_ms: self.max_interval_ms.unwrap_or(default.max_interval_ms),
            max_attempts: self
                .max_attempts
                .map_or(default.max_attempts, |max| Some(max).filter(|max| *max > 0)),
            max_duration_ms: self
                .max_duration_ms
                .map_or(default.max_duration_ms, |max| Some(max).filter(|max| *max > 0)),
            then: self.then.unwrap_or(default.then),
        }
    }
}

impl Policy {
    /// What is in force for a handler, given the layers from outside in the order of [`Layer::ALL`].
    ///
    /// What is said of the handler goes before what is said of its service, and that before what is said of
    /// the host; of each, later layers go before earlier ones, and the author's own word comes last.
    pub fn of(service: &Service, handler: &Handler, layers: &[Policies]) -> Policy {
        let of_service = |layer: &Policies| layer.services.get(&service.name).cloned().unwrap_or_default();
        let of_handler =
            |layer: &Policies| of_service(layer).handlers.get(&handler.name).cloned().unwrap_or_default();
        let narrow = layers.iter().rev().map(of_handler).chain([handler.options.clone()]);
        let wide =
            layers.iter().rev().map(|layer| of_service(layer).service).chain([service.options.clone()]);
        let widest = layers.iter().rev().map(|layer| layer.host.clone());
        let all = narrow.chain(wide).chain(widest);
        Policy::resolve(&all.fold(Options::default(), |options, wider| options.or(&wider)))
    }

    fn resolve(options: &Options) -> Policy {
        Policy {
            retry: options.retry.resolve(),
            idempotency_retention_ms: options.idempotency_retention_ms.unwrap_or(limits::RETENTION_MS),
            workflow_retention_ms: options.workflow_retention_ms.unwrap_or(limits::RETENTION_MS),
            journal_retention_ms: options.journal_retention_ms,
            timeout_ms: options.timeout_ms.filter(|timeout| *timeout > 0),
            cpu_ms: options.cpu_ms,
            private: options.private.unwrap_or(false),
            keep_headers: options.keep_headers.clone().unwrap_or_default(),
        }
    }
}

/// What is in force where nobody says anything.
impl Default for Policy {
    fn default() -> Self {
        Policy::resolve(&Options::default())
    }
}
