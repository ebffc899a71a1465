//! Metrics of subscriptions, which come and go: a deleted one leaves no series behind.

#![cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "readers feed it"))]

use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{Partition, Progress};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;
use super::label;

/// Partitions of one subscription whose lag is shown; of further ones it is not.
pub(super) const PARTITIONS_SHOWN_MAX: u32 = 1_000;

/// The fates of records, as the label `fate` names them.
const FATES: [&str; 9] =
    ["taken", "succeeded", "failed", "skipped", "passed-over", "discarded", "running", "waiting", "parked"];

#[derive(Debug)]
pub(crate) struct Subscriptions {
    reading: Family<label::Subscription, Gauge>,
    records: Family<label::Records, Gauge>,
    lag: Family<label::Partition, Gauge>,
}

impl Subscriptions {
    pub(super) fn register(it: &mut Catalog) -> Self {
        Subscriptions {
            reading: it.add(
                "subscription_reading",
                None,
                &["subscription"],
                "1 while the reader of the subscription reads its topic, otherwise 0",
            ),
            records: it.add(
                "subscription_records",
                None,
                &["subscription", "fate"],
                "Records of the subscription, by fate: since its creation, and now for `running`, `waiting`, `parked`",
            ),
            lag: it.add(
                "subscription_lag_records",
                None,
                &["subscription", "partition"],
                "Records between the position of the subscription and the end of the partition",
            ),
        }
    }

    pub(crate) fn reading(&self, id: &SubscriptionId, is_reading: bool) {
        let label = label::Subscription { subscription: id.to_string() };
        self.reading.get_or_create(&label).set(i64::from(is_reading));
    }

    pub(crate) fn progress(&self, id: &SubscriptionId, progress: &Progress) {
        let counts = &progress.counts;
        let values = [
            counts.taken,
            counts.succeeded,
            counts.failed,
            counts.skipped,
            counts.passed_over,
            counts.discarded,
            progress.running,
            progress.waiting,
            progress.parked,
        ];
        for (fate, value) in FATES.into_iter().zip(values) {
            self.records.get_or_create(&records(id, fate)).set(amount(value));
        }
    }

    pub(crate) fn lag(&self, id: &SubscriptionId, partition: Partition, lag: u64) {
        if partition.0 < PARTITIONS_SHOWN_MAX {
            self.lag.get_or_create(&lag_label(id, partition.0)).set(amount(lag));
        }
    }

    pub(crate) fn forget(&self, id: &SubscriptionId) {
        self.reading.remove(&label::Subscription { subscription: id.to_string() });
        for fate in FATES {
            self.records.remove(&records(id, fate));
        }
        for partition in 0..PARTITIONS_SHOWN_MAX {
            self.lag.remove(&lag_label(id, partition));
        }
    }
}

fn records(id: &SubscriptionId, fate: &'static str) -> label::Records {
    label::Records { subscription: id.to_string(), fate }
}

fn lag_label(id: &SubscriptionId, partition: u32) -> label::Partition {
    label::Partition { subscription: id.to_string(), partition }
}

fn amount(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_deleted_subscription_leaves_nothing() {
        let metrics = Metrics::default();
        let id = SubscriptionId::from_bytes([5; 16]);
        metrics.subscriptions.reading(&id, true);
        metrics.subscriptions.progress(&id, &Progress { waiting: 3, ..Progress::new() });
        metrics.subscriptions.lag(&id, Partition(2), 7);
        metrics.subscriptions.lag(&id, Partition(PARTITIONS_SHOWN_MAX), 7);
        let shown = metrics.encode().expect("text");
        for line in [
            format!("holiday_subscription_reading{{subscription=\"{id}\"}} 1"),
            format!("holiday_subscription_records{{subscription=\"{id}\",fate=\"waiting\"}} 3"),
            format!("holiday_subscription_lag_records{{subscription=\"{id}\",partition=\"2\"}} 7"),
        ] {
            assert!(shown.contains(&line), "{line} is not in {shown}");
        }
        assert!(!shown.contains(&format!("partition=\"{PARTITIONS_SHOWN_MAX}\"")));
        metrics.subscriptions.forget(&id);
        assert!(!metrics.encode().expect("text").contains(&id.to_string()));
    }
}
