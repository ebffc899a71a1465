//! What clocks, output and HTTP may know of the attempt, which belongs to another part of the sandbox.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holiday_core::attempt::Attempt;

/// Reflects the attempt as it was after its latest step.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    now_ms: AtomicU64,
    is_replaying: AtomicBool,
    is_executing_a_run: AtomicBool,
}

impl Mirror {
    /// That of an attempt which executes a step.
    #[cfg(test)]
    pub(super) fn executing() -> std::sync::Arc<Self> {
        let mirror = std::sync::Arc::<Mirror>::default();
        mirror.is_executing_a_run.store(true, Ordering::Relaxed);
        mirror
    }

    pub(super) fn reflect(&self, attempt: &Attempt) {
        self.now_ms.store(attempt.now().as_millis(), Ordering::Relaxed);
        self.is_replaying.store(attempt.is_replaying(), Ordering::Relaxed);
        self.is_executing_a_run.store(attempt.is_executing_a_run(), Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(super) fn is_replaying(&self) -> bool {
        self.is_replaying.load(Ordering::Relaxed)
    }

    pub(super) fn is_executing_a_run(&self) -> bool {
        self.is_executing_a_run.load(Ordering::Relaxed)
    }
}
