//! Offers to the engine what a topic delivers, several batches ahead of the disk.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt as _;
use holiday_core::event::Take;
use holiday_core::limits::RECORDS_PER_TAKE_MAX;
use holiday_core::subscription::{Offset, Partition, SourceRecord};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use super::{Cursor, Reader, Stop};
use crate::driver::{HandleError, Taken};
use crate::events::kafka::Delivery;
use crate::events::record::{self, Message};

/// Time before a partition is read again of which the engine could not take all.
const HOLD: Duration = Duration::from_millis(200);

/// Batches that are offered and not yet durable.
pub(in crate::events) const TAKES_IN_FLIGHT_MAX: usize = 4;

/// Bytes of the records of one batch; it goes beyond with its last record.
pub(in crate::events) const TAKE_BYTES_MAX: usize = 1024 * 1024;

/// The longest that a busy host makes a batch wait.
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// Time between two reports of positions to the consumer group.
pub(super) const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Messages that are offered together, by partition.
#[derive(Default)]
struct Batch {
    messages: BTreeMap<Partition, Vec<Message>>,
    count: usize,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, message: Message) {
        self.count += 1;
        self.bytes += message.len();
        self.messages.entry(message.partition).or_default().push(message);
    }

    fn is_full(&self) -> bool {
        self.count >= RECORDS_PER_TAKE_MAX || self.bytes >= TAKE_BYTES_MAX
    }
}

pub(super) struct Offered {
    partition: Partition,
    /// Those of the cursor.
    generation: u32,
    epoch: u64,
    next: Offset,
    taken: Result<Option<Taken>, HandleError>,
}

pub(super) type Offer = Pin<Box<dyn Future<Output = Offered> + Send + Sync>>;

impl Reader {
    /// Offers what comes until it is time to look at the state again.
    pub(super) async fn read_until(&mut self, end: Instant) -> Result<(), Stop> {
        let shared = Arc::clone(&self.shared);
        let changed = shared.handle.subscriptions_changed();
        tokio::pin!(changed);
        while Instant::now() < end {
            self.report_if_due();
            let next_hold = self.cursors.values().filter_map(|cursor| cursor.held_until).min();
            let until = next_hold.map_or(end, |hold| hold.min(end));
            let may_read = self.offers.len() < TAKES_IN_FLIGHT_MAX;
            let topic = self.topic.as_ref().expect("opened at the beginning of a step");
            tokio::select! {
                biased;
                () = &mut changed => return Ok(()),
                Some(offered) = self.offers.next() => {
                    if !self.answered(&offered)? {
                        return Ok(());
                    }
                }
                delivery = topic.next(), if may_read => {
                    if !self.batch(delivery).await? {
                        return Ok(());
                    }
                }
                () = sleep_until(until) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes the answer to an offer; false if the state has to be looked at.
    pub(super) fn answered(&mut self, offered: &Offered) -> Result<bool, Stop> {
        let partition = offered.partition;
        if let Ok(Some(taken)) = &offered.taken {
            self.reported.insert(partition, taken.next);
        }
        let Some(cursor) = self.cursors.get_mut(&partition).filter(|it| it.epoch == offered.epoch) else {
            return Ok(true);
        };
        cursor.offered -= 1;
        let taken = match &offered.taken {
            Ok(Some(taken))
                if taken.generation == offered.generation && !taken.is_halted && taken.is_active =>
            {
                taken
            }
            // An operator was faster, or the driver was rebuilt: the state says which.
            Ok(_) | Err(_) => {
                self.leave(partition);
                return Ok(false);
            }
        };
        if taken.next < offered.next && cursor.held_until.is_none() {
            cursor.held_until = Some(Instant::now() + HOLD);
            self.topic().leave(partition);
            self.shared.live.update(&self.id, partition, |live| live.is_held_back = true);
        }
        Ok(true)
    }

    /// Gathers what is there, and offers it; false if the state has to be looked at.
    pub(super) async fn batch(&mut self, first: Delivery) -> Result<bool, Stop> {
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(delivery) = next {
            match delivery {
                Delivery::Message(message) => batch.push(message),
                Delivery::End => {}
                Delivery::OutOfRange => {
                    self.is_suspect = true;
                    self.survey_soon();
                }
                // The library reconnects by itself, and reports each failure long after: only a survey shows the current state.
                Delivery::Trouble(trouble) => {
                    debug!(subscription = %self.id, ?trouble, "the client library reports a failure");
                    self.survey_soon();
                }
            }
            next = if batch.is_full() { None } else { self.topic().try_next() };
        }
        self.wait_while_busy().await;
        for (partition, messages) in batch.messages {
            self.offer(partition, messages).await;
        }
        Ok(self.survey_at > Instant::now())
    }

    /// Gives way to what runs, though not for ever.
    pub(super) async fn wait_while_busy(&self) {
        let is_idle = async {
            while self.shared.handle.is_crowded() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        drop(timeout(BUSY_WAIT, is_idle).await);
    }

    pub(super) async fn offer(&mut self, partition: Partition, messages: Vec<Message>) {
        let cursor = self.cursors.get(&partition).filter(|cursor| cursor.held_until.is_none());
        let Some(cursor) = cursor.copied() else { return };
        let (sink, topic) = (&self.subscription.sink, &self.subscription.source.topic);
        let mut records: Vec<SourceRecord> = Vec::with_capacity(messages.len());
        for message in messages {
            records.push(record::judge(&*self.shared.inputs, sink, topic, message).await);
        }
        let Some(last) = records.last() else { return };
        let next = last.offset.next();
        let take = Take {
            subscription: self.id,
            partition,
            generation: cursor.generation,
            of_key: None,
            from: cursor.next,
            records,
            next,
        };
        let taken = self.shared.handle.take(take);
        let (generation, epoch) = (cursor.generation, cursor.epoch);
        self.cursors.insert(partition, Cursor { next, offered: cursor.offered + 1, ..cursor });
        self.offers.push(Box::pin(async move {
            let taken = taken.await;
            Offered { partition, generation, epoch, next, taken }
        }));
    }

    pub(super) fn report_if_due(&mut self) {
        if self.report_at <= Instant::now() && !self.reported.is_empty() {
            let reported = std::mem::take(&mut self.reported);
            self.topic().commit(reported);
            self.report_at = Instant::now() + COMMIT_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(bytes: usize) -> Message {
        Message {
            partition: Partition(0),
            offset: Offset::ZERO,
            timestamp: None,
            key: None,
            value: Some(Bytes::from(vec![0; bytes])),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_batch_is_full_by_records_or_by_bytes() {
        let mut many = Batch::default();
        (1..RECORDS_PER_TAKE_MAX).for_each(|_| many.push(message(1)));
        assert!(!many.is_full());
        many.push(message(1));
        assert!(many.is_full());
        let mut large = Batch::default();
        large.push(message(TAKE_BYTES_MAX - 1));
        assert!(!large.is_full());
        large.push(message(1));
        assert!(large.is_full());
    }
}
