//! The reader of one subscription.
//!
//! It asks the state for the positions of its partitions, has them delivered from there, and offers what comes to the
//! engine, several batches ahead of the disk. Where the engine takes less than it was offered, the partition is read
//! again from its position after a while: that is the whole back-pressure.
//!
//! [`survey`] looks at the topic from outside, [`offering`] takes what it delivers to the engine.
//!
//! Invariant: what is offered for a partition follows without a gap on what was offered before, or on its position.

mod offering;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{
    LaneId, Offset, Partition, Position, Progress, Source, Subscription, SubscriptionStatus,
};
use tokio::time::{Instant, timeout};

pub(super) use offering::TAKE_BYTES_MAX;
#[cfg(test)]
pub(super) use offering::TAKES_IN_FLIGHT_MAX;

use super::kafka::{self, Extents, Topic, Trouble};
use super::key_reader::KeyReaders;
use super::{ClusterConfig, EventsError, ReadError, ReaderState, Resolved, SeekTo, Shared};
use crate::driver::HandleError;
use offering::{COMMIT_INTERVAL, Offer};

/// Time between two looks at a topic that cannot be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at the positions in the state.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Refuses settings that librdkafka does not know, or that contradict each other.
pub fn check_settings(cluster: &ClusterConfig) -> Result<(), String> {
    kafka::check(cluster, &BTreeMap::new())
}

/// Refuses settings that librdkafka does not know, and values that they do not take. Settings may be missing.
pub fn check_each_setting(cluster: &ClusterConfig) -> Result<(), String> {
    kafka::check_each(cluster)
}

/// Refuses settings of a subscription that librdkafka does not take beside those of the cluster.
pub(super) fn check_own_settings(
    cluster: &ClusterConfig,
    own: &BTreeMap<String, String>,
) -> Result<(), String> {
    kafka::check(cluster, own)
}

/// Asks the broker where a seek goes.
pub(super) async fn resolve(
    cluster: &ClusterConfig,
    source: &Source,
    partitions: Vec<Partition>,
    to: SeekTo,
) -> Result<Vec<Resolved>, EventsError> {
    let failed = |trouble| match trouble {
        Trouble::NoTopic => {
            EventsError::UnknownTopic { cluster: cluster.name.clone(), topic: source.topic.clone() }
        }
        Trouble::Unavailable(reason) => EventsError::Unavailable { cluster: cluster.name.clone(), reason },
    };
    let topic = Topic::open(cluster, &source.topic, "resolve", &BTreeMap::new(), false).map_err(failed)?;
    let mut extents = topic.extents().await.map_err(failed)?;
    if let Some(partition) = partitions.iter().find(|it| !extents.contains_key(it)) {
        return Err(EventsError::UnknownPartition { topic: source.topic.clone(), partition: *partition });
    }
    extents.retain(|partition, _| partitions.contains(partition));
    let found = topic.find(&extents, to).await.map_err(failed)?;
    let resolved = extents.iter().map(|(partition, (begin, end))| {
        let next = found.get(partition).copied().unwrap_or(*end);
        Resolved { partition: *partition, next, begin: *begin, end: *end }
    });
    Ok(resolved.collect())
}

/// Reads for a subscription until it is gone.
pub(super) async fn run(shared: Arc<Shared>, id: SubscriptionId, subscription: Subscription) {
    shared.live.enter(&id, &subscription, ReaderState::Connecting);
    let mut reader = Reader {
        was_active: false,
        is_suspect: false,
        viewed: None,
        shared,
        id,
        subscription,
        topic: None,
        extents: Extents::new(),
        survey_at: Instant::now(),
        surveyed_at: Instant::now(),
        cursors: BTreeMap::new(),
        epoch: 0,
        offers: FuturesUnordered::new(),
        reported: BTreeMap::new(),
        report_at: Instant::now() + COMMIT_INTERVAL,
        key_readers: KeyReaders::default(),
    };
    loop {
        match reader.step().await {
            Ok(()) => {}
            Err(Stop::Trouble(trouble)) => reader.rest(trouble).await,
            Err(Stop::Gone) => return,
        }
    }
}

/// Why a reader does not go on.
enum Stop {
    Trouble(Trouble),
    /// The subscription is deleted, or the driver has stopped.
    Gone,
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Stop::Trouble(trouble)
    }
}

impl From<ReadError> for Stop {
    fn from(_: ReadError) -> Self {
        Stop::Gone
    }
}

impl From<HandleError> for Stop {
    fn from(_: HandleError) -> Self {
        Stop::Gone
    }
}

/// How far a partition was offered to the engine.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    generation: u32,
    next: Offset,
    /// Set while the engine cannot take more: when to try again.
    held_until: Option<Instant>,
    /// Distinguishes it from the cursors of the partition before it.
    epoch: u64,
    /// Batches that are not answered yet.
    offered: usize,
}

struct Reader {
    shared: Arc<Shared>,
    id: SubscriptionId,
    subscription: Subscription,
    topic: Option<Topic>,
    was_active: bool,
    /// The last view of positions, and when it was taken.
    viewed: Option<(std::time::Instant, BTreeMap<Partition, Position>)>,
    extents: Extents,
    survey_at: Instant,
    surveyed_at: Instant,
    /// A broker has refused to read from a position.
    is_suspect: bool,
    /// The partitions that are delivered, or held back.
    cursors: BTreeMap<Partition, Cursor>,
    /// That of the newest cursor.
    epoch: u64,
    offers: FuturesUnordered<Offer>,
    /// Durable positions that the consumer group does not know yet.
    reported: BTreeMap<Partition, Offset>,
    report_at: Instant,
    key_readers: KeyReaders,
}

/// What the state says.
struct View {
    is_active: bool,
    progress: Progress,
    positions: BTreeMap<Partition, Position>,
    key_seeks: Vec<(Partition, LaneId, u32)>,
}

impl Reader {
    /// Looks at the state and the topic, and reads for a while.
    async fn step(&mut self) -> Result<(), Stop> {
        let mut view = self.view().await?;
        if self.topic.is_none() || view.is_active && !self.was_active || self.has_sought(&view) {
            // Another client: what this one knows of ends may be of another time.
            self.leave_all();
            self.topic = Some(self.open()?);
            self.viewed = None;
        }
        self.was_active = view.is_active;
        self.halt_beyond_ends(&mut view).await?;
        if self.survey_at <= Instant::now() {
            self.survey(&mut view).await?;
        }
        self.show(&view);
        if !view.is_active {
            self.leave_all();
            self.enter(ReaderState::Paused);
            return self.wait().await;
        }
        self.enter(ReaderState::Reading);
        self.follow(&view)?;
        self.key_readers.keep(&self.shared, &self.id, &self.subscription, &view.key_seeks);
        self.read_until(Instant::now() + LOOK_INTERVAL).await
    }

    fn open(&self) -> Result<Topic, Stop> {
        let Subscription { source, options, .. } = &self.subscription;
        let cluster = self.shared.cluster(source).map_err(|error| Trouble::Unavailable(error.to_string()))?;
        Ok(Topic::open(cluster, &source.topic, &options.group_id, &options.client, false)?)
    }

    fn enter(&self, state: ReaderState) {
        self.shared.metrics.subscriptions.reading(&self.id, state == ReaderState::Reading);
        self.shared.live.enter(&self.id, &self.subscription, state);
    }

    /// True if an operator has sought since the last step.
    fn has_sought(&self, view: &View) -> bool {
        let Some((_, before)) = &self.viewed else { return false };
        let has_moved = |(partition, position): (&Partition, &Position)| {
            before.get(partition).is_some_and(|before| before.generation != position.generation)
        };
        view.positions.iter().any(has_moved)
    }

    fn topic(&self) -> &Topic {
        self.topic.as_ref().expect("opened at the beginning of a step")
    }

    async fn view(&self) -> Result<View, Stop> {
        let id = self.id;
        let read = self.shared.handle.query(move |state| {
            let Some(progress) = state.progress(&id)? else { return Ok(None) };
            let seeks = state.key_seeks(&id)?.into_iter();
            let reading = seeks.filter(|(_, seek)| seek.is_reading());
            Ok(Some((
                progress,
                state.positions(&id)?,
                reading
                    .map(|(partition, seek)| (partition, LaneId::of(&seek.key), seek.generation))
                    .collect(),
            )))
        });
        let read = read.await?.map_err(ReadError::Store)?;
        let (progress, positions, key_seeks) = read.ok_or(Stop::Gone)?;
        let is_active = match progress.status {
            SubscriptionStatus::Active => true,
            SubscriptionStatus::Paused(_) => false,
            SubscriptionStatus::Deleting => return Err(Stop::Gone),
        };
        Ok(View { is_active, progress, positions: positions.into_iter().collect(), key_seeks })
    }

    /// Has delivered what is behind the positions, and nothing else.
    fn follow(&mut self, view: &View) -> Result<(), Stop> {
        let is_wrong = |partition: &Partition, cursor: &Cursor| match view.positions.get(partition) {
            Some(position) => position.generation != cursor.generation || position.halted.is_some(),
            None => true,
        };
        let wrong = self.cursors.iter().filter(|(partition, cursor)| is_wrong(partition, cursor));
        for partition in wrong.map(|(partition, _)| *partition).collect::<Vec<_>>() {
            self.leave(partition);
        }
        let now = Instant::now();
        for (partition, position) in &view.positions {
            let is_there = self.extents.contains_key(partition);
            let is_read = self.cursors.get(partition).is_some_and(|cursor| match cursor.held_until {
                None => true,
                // What was offered and is not yet answered may move the position.
                Some(until) => until > now || cursor.offered > 0 || !view.progress.has_room(),
            });
            if !is_there || is_read || position.halted.is_some() {
                continue;
            }
            let from = first(position);
            self.topic().read_from(*partition, from)?;
            self.epoch += 1;
            let (generation, epoch) = (position.generation, self.epoch);
            let cursor = Cursor { generation, next: from, held_until: None, epoch, offered: 0 };
            self.cursors.insert(*partition, cursor);
            self.shared.live.update(&self.id, *partition, |live| live.is_held_back = false);
        }
        Ok(())
    }

    fn leave(&mut self, partition: Partition) {
        if self.cursors.remove(&partition).is_some_and(|cursor| cursor.held_until.is_none()) {
            self.topic().leave(partition);
        }
    }

    fn leave_all(&mut self) {
        for partition in self.cursors.keys().copied().collect::<Vec<_>>() {
            self.leave(partition);
        }
        self.key_readers.clear();
    }

    /// Waits until something has changed, or for a while.
    async fn wait(&self) -> Result<(), Stop> {
        drop(timeout(LOOK_INTERVAL, self.shared.handle.subscriptions_changed()).await);
        Ok(())
    }

    /// Shows what is wrong, and waits before it tries again. What the topic was is forgotten: another one of its name
    /// may come.
    async fn rest(&mut self, trouble: Trouble) {
        let state = match trouble {
            Trouble::NoTopic => {
                self.leave_all();
                ReaderState::WaitingForTopic
            }
            Trouble::Unavailable(reason) => ReaderState::Unavailable { reason },
        };
        self.enter(state);
        self.survey_at = self.surveyed_at;
        drop(timeout(RETRY_INTERVAL, self.shared.handle.subscriptions_changed()).await);
    }
}

/// Where reading begins: with the last record taken, so that the engine recognises the topic by it.
fn first(position: &Position) -> Offset {
    match position.last {
        Some(last) if last.offset < position.next => last.offset,
        Some(_) | None => position.next,
    }
}
