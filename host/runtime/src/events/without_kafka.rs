//! In place of the reader, in a build without librdkafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{Partition, Source, Subscription};

use super::{ClusterConfig, EventsError, ReaderState, Resolved, SeekTo, Shared};

const REASON: &str = "this binary was built without the feature 'kafka'";

/// Refuses the settings of any cluster.
pub fn check_settings(_cluster: &ClusterConfig) -> Result<(), String> {
    Err(REASON.to_owned())
}

/// Refuses the settings of any cluster.
pub fn check_each_setting(cluster: &ClusterConfig) -> Result<(), String> {
    check_settings(cluster)
}

pub(super) fn check_own_settings(
    cluster: &ClusterConfig,
    _own: &BTreeMap<String, String>,
) -> Result<(), String> {
    check_settings(cluster)
}

pub(super) async fn run(shared: Arc<Shared>, id: SubscriptionId, subscription: Subscription) {
    let state = ReaderState::Unavailable { reason: REASON.to_owned() };
    shared.live.enter(&id, &subscription, state);
    std::future::pending().await
}

pub(super) async fn resolve(
    cluster: &ClusterConfig,
    _source: &Source,
    _partitions: Vec<Partition>,
    _to: SeekTo,
) -> Result<Vec<Resolved>, EventsError> {
    Err(EventsError::Unavailable { cluster: cluster.name.clone(), reason: REASON.to_owned() })
}
