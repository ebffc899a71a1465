//! Steps that touch the world.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{self, RunStep, RunToken};
use crate::bindings::context::{self, Exhausted, RunOutcome};
use crate::call::as_ms;
use crate::durable::Durable;
use crate::operations::{self, Operation};
use crate::{Error, TerminalError, json};

type Closure<'a> = Box<dyn FnOnce() -> Executing<'a> + 'a>;
type Executing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + 'a>>;

/// A step that touches the world, made by [`Context::run`](crate::Context::run).
///
/// Nothing happens until it is awaited. If it is dropped while its closure executes, or this invocation is cancelled
/// then, the step is given up: what the closure has done stays done, and no later attempt executes it again.
///
/// ```no_run
/// # use std::time::Duration;
/// # use holiday_sdk::{Context, Error, RetryPolicy, http};
/// async fn charge(ctx: Context) -> Result<String, Error> {
///     let receipt = ctx
///         .run("charge", async || http::post("https://pay.example/charges").send().await?.error_for_status()?.text())
///         .retry(RetryPolicy::exponential(Duration::from_millis(100), 2.0).max_attempts(5))
///         .await?;
///     Ok(receipt)
/// }
/// ```
#[must_use = "a run does nothing until it is awaited"]
pub struct Run<'a, T> {
    state: State<'a, T>,
}

enum State<'a, T> {
    Described { name: String, retry: Option<RetryPolicy>, closure: Closure<'a> },
    Executing { operation: Operation, token: RunToken, closure: Executing<'a> },
    Recorded(Durable<T>),
    Ended,
}

impl<'a, T> Run<'a, T> {
    pub(crate) fn new<F>(name: String, closure: F) -> Self
    where
        F: AsyncFnOnce() -> Result<T, Error> + 'a,
        T: Serialize + 'a,
    {
        let closure: Closure<'a> =
            Box::new(move || Box::pin(async move { Ok(json::encode(&closure().await?)?) }));
        Self { state: State::Described { name, retry: None, closure } }
    }

    /// Sets how a retryable failure is retried; without it, the host's defaults hold.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error, RetryPolicy, http};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0);
    /// ctx.run("ping", async || http::get("https://example.com").send().await?.text()).retry(policy).await?;
    /// # Ok(()) }
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        if let State::Described { retry, .. } = &mut self.state {
            *retry = Some(policy);
        }
        self
    }

    /// Has the step tried again whatever its closure fails with, a terminal error too: for what takes something back.
    ///
    /// The result of a step is final. A compensation whose step has failed terminally, say because a password was wrong,
    /// fails with that for ever, also when an operator has mended it and resumes the invocation. What follows when the
    /// retries are used up, the policy says: see [`RetryPolicy::pause_when_exhausted`].
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error, Saga, http};
    /// # async fn handler<'a>(ctx: Context, saga: &mut Saga<'a>) -> Result<(), Error> {
    /// saga.compensate(async move || {
    ///     let refund = ctx.run("refund", async || {
    ///         http::post("https://pay.example/refunds").send().await?.error_for_status()?;
    ///         Ok(())
    ///     });
    ///     Ok(refund.insist().await?)
    /// });
    /// # Ok(()) }
    /// ```
    pub fn insist(self) -> Self {
        let State::Described { name, retry, closure } = self.state else { return self };
        let closure: Closure<'a> =
            Box::new(move || Box::pin(async move { closure().await.map_err(passing) }));
        Self { state: State::Described { name, retry, closure } }
    }
}

/// The same error as one that passes.
fn passing(error: Error) -> Error {
    match error {
        Error::Terminal(error) => Error::retryable(error.to_string()),
        retryable @ Error::Retryable(_) => retryable,
    }
}

impl<T: DeserializeOwned> Future for Run<'_, T> {
    type Output = Result<T, TerminalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.state = match mem::replace(&mut self.state, State::Ended) {
                State::Described { name, retry, closure } => begin(&name, retry, closure, cx),
                State::Executing { operation, token, mut closure } => {
                    match operation.poll_closure(closure.as_mut(), cx) {
                        Poll::Pending => {
                            self.state = State::Executing { operation, token, closure };
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(cancelled)) => return Poll::Ready(Err(cancelled)),
                        Poll::Ready(Ok(result)) => {
                            drop(closure); // its pollables go before the right to use them
                            operation.closure_ended(backend::finish_run(token, &outcome(result)));
                            State::Recorded(Durable::of(operation))
                        }
                    }
                }
                State::Recorded(mut result) => {
                    let polled = Pin::new(&mut result).poll(cx);
                    self.state = State::Recorded(result);
                    return polled;
                }
                State::Ended => panic!("a run was awaited after it had ended"),
            }
        }
    }
}

fn begin<'a, T: DeserializeOwned>(
    name: &str,
    retry: Option<RetryPolicy>,
    closure: Closure<'a>,
    cx: &Context<'_>,
) -> State<'a, T> {
    operations::assert_outside_run("a run");
    if let Some(cancelled) = operations::due_cancellation() {
        return State::Recorded(Durable::withheld(cancelled));
    }
    match backend::run(name, retry.map(|policy| policy.0)) {
        RunStep::Replayed(pending) => State::Recorded(Durable::issued(pending)),
        RunStep::Execute(token) => {
            State::Executing { operation: Operation::executing(cx), token, closure: closure() }
        }
    }
}

fn outcome(result: Result<Vec<u8>, Error>) -> RunOutcome {
    match result {
        Ok(value) => RunOutcome::Success(value),
        Err(Error::Terminal(error)) => RunOutcome::Terminal(error.into()),
        Err(Error::Retryable(error)) => RunOutcome::Retryable(error.to_string()),
    }
}

impl<T> fmt::Debug for Run<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Described { name, .. } => return write!(f, "Run({name})"),
            State::Executing { .. } => "Run(executing)",
            State::Recorded(_) => "Run(recorded)",
            State::Ended => "Run(ended)",
        })
    }
}

/// How often, and how long apart, a failing step is tried again.
///
/// When a bound is reached, the step [fails terminally](RetryPolicy::fail_when_exhausted), or the invocation
/// [pauses](RetryPolicy::pause_when_exhausted) for an operator.
///
/// ```
/// use std::time::Duration;
/// use holiday_sdk::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0)
///     .max_interval(Duration::from_secs(10))
///     .max_attempts(8)
///     .pause_when_exhausted();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy(context::RetryPolicy);

impl RetryPolicy {
    /// Waits `initial` after the first failure and `factor` times longer after each next one, a minute at
    /// most, and never gives up.
    ///
    /// # Panics
    ///
    /// When `factor` is below 1, or no number.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0); // 40 ms, 80 ms, 160 ms …
    /// ```
    pub fn exponential(initial: Duration, factor: f64) -> Self {
        assert!(factor.is_finite() && factor >= 1.0, "a retry factor of {factor} is not 1 or more");
        Self(context::RetryPolicy {
            initial_interval_ms: as_ms(initial),
            factor,
            max_interval_ms: as_ms(initial).max(60_000),
            max_attempts: None,
            max_duration_ms: None,
            then: Exhausted::Fail,
        })
    }

    /// Waits the same time after each failure, and never gives up.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::fixed(Duration::from_secs(5)).max_attempts(3);
    /// ```
    pub fn fixed(interval: Duration) -> Self {
        Self::exponential(interval, 1.0)
    }

    /// Bounds the interval between two executions.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0).max_interval(Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.0.max_interval_ms = as_ms(interval);
        self
    }

    /// Bounds the executions, the first one included.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let once_more = RetryPolicy::fixed(Duration::from_secs(1)).max_attempts(2);
    /// ```
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.0.max_attempts = Some(attempts);
        self
    }

    /// Bounds the time since the first failure.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::fixed(Duration::from_secs(1)).max_duration(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.0.max_duration_ms = Some(as_ms(duration));
        self
    }

    /// Has the step fail terminally at either bound, with a message that begins with `HH0026`; it is so unless said
    /// otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::fixed(Duration::from_secs(1)).max_attempts(3).fail_when_exhausted();
    /// ```
    #[must_use]
    pub fn fail_when_exhausted(mut self) -> Self {
        self.0.then = Exhausted::Fail;
        self
    }

    /// Has the invocation wait for an operator at either bound; resumed, it begins to count anew.
    ///
    /// For a step that has to succeed in the end, such as giving money back.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use holiday_sdk::{Context, Error, RetryPolicy, http};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let policy = RetryPolicy::fixed(Duration::from_secs(1)).max_attempts(3).pause_when_exhausted();
    /// let refund = ctx.run("refund", async || {
    ///     http::post("https://pay.example/refunds").send().await?.error_for_status()?.text()
    /// });
    /// refund.retry(policy).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn pause_when_exhausted(mut self) -> Self {
        self.0.then = Exhausted::Pause;
        self
    }
}
