//! Steps that touch the world.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{self, RunStep, RunToken};
use crate::bindings::context::{self, RunOutcome};
use crate::call::as_ms;
use crate::operations::{self, Operation};
use crate::{Error, TerminalError, json};

type Closure<'a> = Box<dyn FnOnce() -> Executing<'a> + 'a>;
type Executing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + 'a>>;

/// A step that touches the world, made by [`Context::run`](crate::Context::run).
///
/// Nothing happens until it is awaited. If it is dropped while its closure executes, the execution is
/// abandoned and nothing is recorded.
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
    state: State<'a>,
    value: PhantomData<fn() -> T>,
}

enum State<'a> {
    Described { name: String, retry: Option<RetryPolicy>, closure: Closure<'a> },
    Executing { operation: Operation, token: RunToken, closure: Executing<'a> },
    Recorded(Operation),
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
        Self { state: State::Described { name, retry: None, closure }, value: PhantomData }
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
                            State::Recorded(operation)
                        }
                    }
                }
                State::Recorded(operation) => {
                    let polled = operation.poll(cx);
                    self.state = State::Recorded(operation);
                    return Poll::Ready(ready!(polled).and_then(|value| json::decode(&value)));
                }
                State::Ended => panic!("a run was awaited after it had ended"),
            }
        }
    }
}

fn begin<'a>(name: &str, retry: Option<RetryPolicy>, closure: Closure<'a>, cx: &Context<'_>) -> State<'a> {
    operations::assert_outside_run("a run");
    match backend::run(name, retry.map(|policy| policy.0)) {
        RunStep::Replayed(pending) => State::Recorded(Operation::issued(pending)),
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
/// ```
/// use std::time::Duration;
/// use holiday_sdk::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0)
///     .max_interval(Duration::from_secs(10))
///     .max_attempts(8);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy(context::RetryPolicy);

impl RetryPolicy {
    /// Waits `initial` after the first failure and `factor` times longer after each next one, a minute at
    /// most, and never gives up.
    ///
    /// # Panics
    ///
    /// When `factor` is below 1.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use holiday_sdk::RetryPolicy;
    /// let policy = RetryPolicy::exponential(Duration::from_millis(40), 2.0); // 40 ms, 80 ms, 160 ms …
    /// ```
    pub fn exponential(initial: Duration, factor: f64) -> Self {
        assert!(factor >= 1.0, "a retry factor of {factor} would make the intervals shrink");
        Self(context::RetryPolicy {
            initial_interval_ms: as_ms(initial),
            factor,
            max_interval_ms: as_ms(initial).max(60_000),
            max_attempts: None,
            max_duration_ms: None,
            then: context::Exhausted::Fail,
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

    /// Bounds the executions, the first one included; then the step fails terminally.
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

    /// Bounds the time since the first execution; then the step fails terminally.
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
}
