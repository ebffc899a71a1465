//! The vocabulary of the SDK: each handler uses a part of it before, while and after it waits at a gate.
//!
//! A test has each of them run through, be suspended, and be killed with the host, and wants the same answers. This table
//! says which handler uses what. That it is whole, the tests of the code base see to.
//!
//! | Handler | Uses |
//! |---|---|
//! | `Vocabulary/runs` | `service`, `export!`, `Context::run`, `Run::retry`, `Run::insist`, `RetryPolicy::exponential`, `RetryPolicy::max_interval`, `RetryPolicy::max_duration`, `RetryPolicy::max_attempts`, `RetryPolicy::fail_when_exhausted` |
//! | `Probe/pay_in_the_end` | `RetryPolicy::fixed`, `RetryPolicy::pause_when_exhausted` |
//! | `Vocabulary/requests` | `config`, `http::get`, `http::post`, `http::MAX_RESPONSE_BYTES`, `http::Request::new`, `http::Request::header`, `http::Request::json`, `http::Request::bytes`, `http::Request::timeout`, `http::Request::send`, `http::Response::status`, `http::Response::headers`, `http::Response::header`, `http::Response::error_for_status`, `http::Response::bytes`, `http::Response::text`, `http::Response::json` |
//! | `Vocabulary/timers` | `Context::sleep`, `Context::sleep_named`, `join!` |
//! | `Vocabulary/randomness` | `Context::random`, `Context::uuid`, `Random` |
//! | `Vocabulary/info` | `Context::info`, `Info::header`, `Service` |
//! | `Vocabulary/errors` | `Error::terminal`, `Error::retryable`, `Error::is_terminal`, `Error::is_cancelled`, `TerminalError::new`, `TerminalError::with_code`, `TerminalError::code`, `TerminalError::message`, `TerminalError::is_cancelled`, `TerminalError::is_timeout`, `RetryableError::new` |
//! | `Vocabulary/calls` | `Context::call`, `Context::call_empty`, `Target::service`, `Target::keyed`, `Call::idempotency_key`, `Call::header`, `Call::start`, `Started` |
//! | `Vocabulary/sends` | `Call::send`, `Call::send_after`, `Context::invocation`, `Durable`, `Invocation::id`, `Invocation::answering`, `Invocation::attach` |
//! | `Vocabulary/handles` | `Invocation::output`, `Invocation::cancel` |
//! | `Vocabulary/names` | `Context::by_idempotency_key`, `Context::workflow`, `Named::answering`, `Named::attach`, `Named::output` |
//! | `Vocabulary/awakeables` | `Context::awakeable`, `Context::resolve_awakeable`, `Context::reject_awakeable` |
//! | `Vocabulary/signals` | `Context::signal`, `Invocation::signal`, `Invocation::reject_signal` |
//! | `Vocabulary/together` | `select`, `race`, `join_all`, `Either`, `DurableExt::timeout` |
//! | `Vocabulary/cancelling` | `Context::shielded` |
//! | `Vocabulary/sagas` | `Saga::new`, `Saga::compensate`, `Saga::step`, `Saga::undo`, `Saga::settle`, `Undone` |
//! | `Sealing/reveal` | `Sealed::reveal` |
//! | `VocabularyObject/state` | `object`, `SharedContext::key`, `SharedContext::get`, `SharedContext::state_keys`, `ObjectContext::set`, `ObjectContext::clear`, `ObjectContext::clear_all` |
//! | `VocabularyWorkflow/run` | `workflow`, `WorkflowContext::promise`, `SharedWorkflowContext::promise`, `Promise::get`, `Promise::peek`, `Promise::resolve`, `Promise::reject` |

pub(crate) mod keyed;
mod stage;
mod steps;
mod talks;
mod undoing;
mod waits;

use holiday_sdk::{Context, Error};

use stage::{Stage, Told};
use waits::Errand;

pub(crate) struct Vocabulary;

/// What every handler may do. The input of each is the id of its gate.
#[holiday_sdk::service]
impl Vocabulary {
    async fn runs(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::runs).await
    }

    async fn requests(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::requests).await
    }

    async fn timers(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::timers).await
    }

    async fn randomness(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::randomness).await
    }

    async fn info(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::info).await
    }

    async fn errors(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, steps::errors).await
    }

    async fn calls(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, talks::calls).await
    }

    async fn sends(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, talks::sends).await
    }

    async fn handles(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, talks::handles).await
    }

    async fn names(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, talks::names).await
    }

    async fn awakeables(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, waits::awakeables).await
    }

    async fn signals(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, waits::signals).await
    }

    async fn together(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, waits::together).await
    }

    async fn cancelling(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, undoing::cancelling).await
    }

    async fn sagas(ctx: Context, key: String) -> Result<Told, Error> {
        told(ctx, key, undoing::sagas).await
    }

    #[handler(private)]
    async fn complete_when_open(ctx: Context, errand: Errand) -> Result<(), Error> {
        waits::complete_when_open(ctx, errand).await
    }

    #[handler(private)]
    async fn signal_when_open(ctx: Context, errand: Errand) -> Result<u32, Error> {
        waits::signal_when_open(ctx, errand).await
    }

    #[handler(private)]
    async fn until_cancelled(ctx: Context, key: String) -> Result<(), Error> {
        undoing::until_cancelled(ctx, key).await
    }

    async fn saga_until_cancelled(ctx: Context, key: String) -> Result<(), Error> {
        undoing::saga_until_cancelled(ctx, key).await
    }
}

async fn told(
    ctx: Context,
    key: String,
    part: impl AsyncFnOnce(&mut Stage) -> Result<(), Error>,
) -> Result<Told, Error> {
    let mut stage = Stage::new(ctx, key);
    part(&mut stage).await?;
    Ok(stage.told())
}
