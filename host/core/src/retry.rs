//! When something that failed is tried again.

use serde::{Deserialize, Serialize};

/// How often, and how long apart, something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub initial_interval_ms: u64,
    /// Each interval is the one before times this.
    pub factor: f64,
    pub max_interval_ms: u64,
    /// Executions in all, the first one included; `None` is no bound.
    pub max_attempts: Option<u32>,
    /// Since the first failure; `None` is no bound.
    pub max_duration_ms: Option<u64>,
    pub then: Exhausted,
}

/// What happens when a policy allows no further execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// The invocation waits for an operator.
    Pause,
    /// The step, or the invocation, fails terminally.
    Fail,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    RetryAfter { delay_ms: u64 },
    Exhausted(Exhausted),
}

impl RetryPolicy {
    /// Steps and attempts that have no policy of their own.
    pub const DEFAULT: RetryPolicy = RetryPolicy {
        initial_interval_ms: 100,
        factor: 2.0,
        max_interval_ms: 20_000,
        max_attempts: Some(20),
        max_duration_ms: None,
        then: Exhausted::Pause,
    };

    /// Decides what follows failure number `failures` (counted from 1), `elapsed_ms` after the first.
    pub fn after(&self, failures: u32, elapsed_ms: u64) -> Decision {
        let spent = self.max_attempts.is_some_and(|max| failures >= max)
            || self.max_duration_ms.is_some_and(|max| elapsed_ms >= max);
        match spent {
            true => Decision::Exhausted(self.then),
            false => Decision::RetryAfter { delay_ms: self.interval_ms(failures) },
        }
    }

    /// Multiplies step by step: the result is the same on every platform, which `powi` does not promise.
    fn interval_ms(&self, failures: u32) -> u64 {
        let max = self.max_interval_ms as f64;
        let mut interval = self.initial_interval_ms as f64;
        for _ in 1..failures {
            if interval >= max {
                break;
            }
            interval *= self.factor.max(1.0);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by max_interval_ms"
        )]
        let bounded = interval.min(max).max(0.0) as u64;
        bounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_maximum() {
        let policy = RetryPolicy { initial_interval_ms: 40, max_interval_ms: 300, ..RetryPolicy::DEFAULT };
        let intervals: Vec<_> = (1..=5).map(|failures| policy.interval_ms(failures)).collect();
        assert_eq!(intervals, [40, 80, 160, 300, 300]);
    }

    #[test]
    fn either_bound_exhausts() {
        let policy =
            RetryPolicy { max_attempts: Some(3), max_duration_ms: Some(1_000), ..RetryPolicy::DEFAULT };
        assert_eq!(policy.after(2, 999), Decision::RetryAfter { delay_ms: 200 });
        assert_eq!(policy.after(3, 0), Decision::Exhausted(Exhausted::Pause));
        assert_eq!(policy.after(1, 1_000), Decision::Exhausted(Exhausted::Pause));
    }
}
