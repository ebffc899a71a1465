//! The contract's types to and from the core's.

use bytes::Bytes;
use holiday_core::attempt::RunOutcome;
use holiday_core::id::MalformedId;
use holiday_core::invocation::Header;
use holiday_core::journal::Named;
use holiday_core::retry::{Exhausted, RetryPolicy};
use holiday_core::target::Target;
use holiday_core::value::{Answer, Failure, Outcome};

use super::bindings::holiday::durable::{context, types};
use super::stop::Stop;

/// What a failure's code becomes that is not an HTTP status of an error.
const FALLBACK_CODE: u16 = 500;

impl From<types::Target> for Target {
    fn from(target: types::Target) -> Self {
        Target { service: target.service, key: target.key, handler: target.handler }
    }
}

impl From<Target> for types::Target {
    fn from(target: Target) -> Self {
        types::Target { service: target.service, key: target.key, handler: target.handler }
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let code = if (400..=599).contains(&failure.code) { failure.code } else { FALLBACK_CODE };
        Failure { code, message: failure.message }
    }
}

impl From<types::Outcome> for Outcome {
    fn from(outcome: types::Outcome) -> Self {
        match outcome {
            types::Outcome::Success(payload) => Outcome::success(payload),
            types::Outcome::Failure(failure) => Outcome::Failure(failure.into()),
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(Failure { code, message }: Failure) -> Self {
        types::Failure { code, message }
    }
}

impl From<Answer> for types::Answer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Outcome(Outcome::Success(payload)) => types::Answer::Success(payload.into()),
            Answer::Outcome(Outcome::Failure(failure)) => types::Answer::Failure(failure.into()),
            Answer::NotReady => types::Answer::NotReady,
        }
    }
}

/// Takes how a handler names an invocation.
pub(super) fn named(named: context::Named) -> Result<Named, MalformedId> {
    Ok(match named {
        context::Named::Id(id) => Named::Id(id.parse()?),
        context::Named::IdempotencyKey(context::Keyed { target, idempotency_key }) => {
            Named::IdempotencyKey { target: target.into(), key: idempotency_key }
        }
        context::Named::Workflow(context::Workflow { name, key }) => {
            Named::Workflow { service: name, id: key }
        }
    })
}

impl From<context::RunOutcome> for RunOutcome {
    fn from(outcome: context::RunOutcome) -> Self {
        match outcome {
            context::RunOutcome::Success(payload) => RunOutcome::Success(Bytes::from(payload)),
            context::RunOutcome::Terminal(failure) => RunOutcome::Terminal(failure.into()),
            context::RunOutcome::Retryable(message) => RunOutcome::Retryable(message),
        }
    }
}

/// Takes the headers of a call; their names are lower case from here on.
pub(super) fn headers(headers: Vec<types::Header>) -> Vec<Header> {
    headers.into_iter().map(|header| (header.name.to_ascii_lowercase(), header.value)).collect()
}

pub(super) fn headers_for_guest(headers: &[Header]) -> Vec<types::Header> {
    headers.iter().cloned().map(|(name, value)| types::Header { name, value }).collect()
}

/// Takes the retry policy of a step. A factor that is no number would never be equal to itself in replay.
pub(super) fn retry(policy: context::RetryPolicy) -> wasmtime::Result<RetryPolicy> {
    let factor = policy.factor;
    if !(factor.is_finite() && factor >= 1.0) {
        return Err(Stop::misuse(format!("the factor of a retry policy is {factor}; it must be 1 or more")));
    }
    Ok(RetryPolicy {
        initial_interval_ms: policy.initial_interval_ms,
        factor,
        max_interval_ms: policy.max_interval_ms,
        max_attempts: policy.max_attempts,
        max_duration_ms: policy.max_duration_ms,
        then: match policy.then {
            context::Exhausted::Fail => Exhausted::Fail,
            context::Exhausted::Pause => Exhausted::Pause,
        },
    })
}
