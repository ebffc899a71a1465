//! A bound shared by all requests: what one takes, another cannot have until it is given back.

use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::gauge::Gauge;

use crate::metrics;

#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
    /// Shows what is taken.
    taken: Gauge,
}

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    amount: usize,
}

impl Budget {
    pub(super) fn new(amount: usize, taken: Gauge) -> Self {
        Budget { left: AtomicUsize::new(amount), taken }
    }

    /// Takes `amount`, or nothing if less than that is left.
    pub(super) fn take(&self, amount: usize) -> Option<Share<'_>> {
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount));
        taken.ok().map(|_| {
            self.taken.inc_by(metrics::amount(amount));
            Share { budget: self, amount }
        })
    }
}

impl Share<'_> {
    /// Takes `more`; `false` leaves the share as it was.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        match self.budget.take(more) {
            None => false,
            Some(mut taken) => {
                self.amount += std::mem::take(&mut taken.amount);
                true
            }
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.amount, Ordering::Relaxed);
        self.budget.taken.dec_by(metrics::amount(self.amount));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let taken = Gauge::default();
        let budget = Budget::new(3, taken.clone());
        let mut share = budget.take(1).expect("three are left");
        assert!(share.grow(2));
        assert!(!share.grow(1));
        assert!(budget.take(1).is_none());
        assert_eq!(taken.get(), 3);
        drop(share);
        assert_eq!(taken.get(), 0);
        assert!(budget.take(3).is_some());
    }
}
