//! A bound shared by all requests: what one takes, another cannot have until it is given back.

use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
}

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    amount: usize,
}

impl Budget {
    pub(super) fn new(amount: usize) -> Self {
        Budget { left: AtomicUsize::new(amount) }
    }

    /// Takes `amount`, or nothing if less than that is left.
    pub(super) fn take(&self, amount: usize) -> Option<Share<'_>> {
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount));
        taken.ok().map(|_| Share { budget: self, amount })
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(3);
        let mut share = budget.take(1).expect("three are left");
        assert!(share.grow(2));
        assert!(!share.grow(1));
        assert!(budget.take(1).is_none());
        drop(share);
        assert!(budget.take(3).is_some());
    }
}
