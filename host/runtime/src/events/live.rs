//! The part of a subscription that is not stored: what its reader knows now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use holiday_core::error::ErrorCode;
use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{Offset, Partition, Subscription};
use holiday_core::time::Timestamp;
use tracing::{info, warn};

use crate::clock;

/// The state of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderState {
    /// Asks the cluster for the first time.
    Connecting,
    Reading,
    /// The topic does not exist (yet, or any more).
    WaitingForTopic,
    /// The cluster does not answer, or refuses the reader.
    Unavailable {
        reason: String,
    },
    /// The subscription is paused.
    Paused,
}

impl ReaderState {
    /// The word operators see.
    pub fn name(&self) -> &'static str {
        match self {
            ReaderState::Connecting => "connecting",
            ReaderState::Reading => "reading",
            ReaderState::WaitingForTopic => "waiting-for-topic",
            ReaderState::Unavailable { .. } => "unavailable",
            ReaderState::Paused => "paused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSubscription {
    pub state: ReaderState,
    /// When it entered this state.
    pub since: Timestamp,
    pub partitions: BTreeMap<Partition, LivePartition>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivePartition {
    /// Where the partition ends, as far as the reader knows.
    pub end: Option<Offset>,
    /// The subscription holds as many records as it may: reading pauses.
    pub is_held_back: bool,
}

/// The knowledge of all readers; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LiveEvents {
    subscriptions: Arc<RwLock<BTreeMap<SubscriptionId, LiveSubscription>>>,
}

impl LiveEvents {
    pub fn of(&self, id: &SubscriptionId) -> Option<LiveSubscription> {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Notes the state of a reader, and logs when it is another one than before.
    pub(super) fn enter(&self, id: &SubscriptionId, subscription: &Subscription, state: ReaderState) {
        let mut all = self.write();
        let live = all.entry(*id).or_insert_with(|| LiveSubscription {
            state: ReaderState::Connecting,
            since: clock::now(),
            partitions: BTreeMap::new(),
        });
        if live.state.name() != state.name() {
            log(id, subscription, &state);
            live.since = clock::now();
        }
        live.state = state;
    }

    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "readers call it"))]
    pub(super) fn update(
        &self,
        id: &SubscriptionId,
        partition: Partition,
        change: impl FnOnce(&mut LivePartition),
    ) {
        if let Some(live) = self.write().get_mut(id) {
            change(live.partitions.entry(partition).or_default());
        }
    }

    pub(super) fn forget(&self, id: &SubscriptionId) {
        self.write().remove(id);
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<SubscriptionId, LiveSubscription>> {
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(id: &SubscriptionId, subscription: &Subscription, state: &ReaderState) {
    let source = &subscription.source;
    match state {
        ReaderState::Unavailable { reason } => {
            let code = ErrorCode::KafkaUnavailable;
            warn!(subscription = %id, %source, "{code}: the cluster cannot be used: {reason}");
        }
        ReaderState::WaitingForTopic => {
            warn!(subscription = %id, %source, "the topic does not exist; waiting for it");
        }
        ReaderState::Reading => info!(subscription = %id, %source, "reading records"),
        ReaderState::Paused => info!(subscription = %id, %source, "paused"),
        ReaderState::Connecting => {}
    }
}
