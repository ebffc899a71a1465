//! Readers of keys that have positions of their own: they read a partition again, and offer the records of one key.

use std::collections::HashMap;
use std::sync::Arc;

use holiday_core::event::Take;
use holiday_core::id::SubscriptionId;
use holiday_core::limits::RECORDS_PER_TAKE_MAX;
use holiday_core::subscription::{KeySeek, LaneId, Offset, Partition, SourceRecord, Subscription};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};
use tracing::debug;

use super::kafka::{Delivery, Topic, Trouble};
use super::reader::TAKE_BYTES_MAX;
use super::{Shared, record};

/// Keys of one subscription that are read again at the same time; the others follow.
pub(super) const KEY_READERS_MAX: usize = 4;

/// Records of other keys that a reader passes by before it says how far it is.
const PASSED_BY_STEP: usize = 10_000;

/// Time before a key is read on after something went wrong, or the subscription could hold no more.
const PAUSE: Duration = Duration::from_millis(500);

/// One reader per key seek: by partition, lane and generation.
#[derive(Debug, Default)]
pub(super) struct KeyReaders(HashMap<(Partition, LaneId, u32), JoinHandle<()>>);

impl KeyReaders {
    pub(super) fn keep(
        &mut self,
        shared: &Arc<Shared>,
        id: &SubscriptionId,
        subscription: &Subscription,
        seeks: &[(Partition, LaneId, u32)],
    ) {
        self.0.retain(|seek, reader| {
            let stays = !reader.is_finished() && seeks.contains(seek);
            if !stays {
                reader.abort();
            }
            stays
        });
        for seek in seeks {
            if self.0.len() >= KEY_READERS_MAX {
                break;
            }
            self.0.entry(*seek).or_insert_with(|| {
                let (partition, lane, _) = *seek;
                let reader = KeyReader {
                    shared: Arc::clone(shared),
                    id: *id,
                    subscription: subscription.clone(),
                    partition,
                    lane,
                };
                tokio::spawn(reader.run())
            });
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.drain().for_each(|(_, reader)| reader.abort());
    }
}

impl Drop for KeyReaders {
    fn drop(&mut self) {
        self.clear();
    }
}

struct KeyReader {
    shared: Arc<Shared>,
    id: SubscriptionId,
    subscription: Subscription,
    partition: Partition,
    lane: LaneId,
}

impl KeyReader {
    async fn run(self) {
        while let Some(seek) = self.seek().await {
            match self.read(seek).await {
                Ok(true) => {}
                Ok(false) => sleep(PAUSE).await,
                Err(trouble) => {
                    debug!(subscription = %self.id, ?trouble, "a key cannot be read again now");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The seek as it stands; `None` when it is done.
    async fn seek(&self) -> Option<KeySeek> {
        let (id, partition, lane) = (self.id, self.partition, self.lane);
        let seek = self.shared.handle.query(move |state| state.key_seek(&id, partition, &lane)).await;
        seek.ok()?.ok()?.filter(KeySeek::is_reading)
    }

    /// Reads up to where the seek ends as it stands now; false if not all was taken.
    async fn read(&self, seek: KeySeek) -> Result<bool, Trouble> {
        let Subscription { source, options, .. } = &self.subscription;
        let cluster = self.shared.cluster(source).map_err(|error| Trouble::Unavailable(error.to_string()))?;
        let topic = Topic::open(cluster, &source.topic, &options.group_id, &options.client, true)?;
        topic.read_from(self.partition, seek.next)?;
        let mut from = seek.next;
        while from < seek.until {
            let (records, next) = self.gather(&topic, &seek, from).await?;
            if !self.offer(&seek, from, records, next).await {
                return Ok(false);
            }
            from = next;
        }
        Ok(true)
    }

    /// Collects records of the key from `from` on, and says up to where all were looked at.
    async fn gather(
        &self,
        topic: &Topic,
        seek: &KeySeek,
        from: Offset,
    ) -> Result<(Vec<SourceRecord>, Offset), Trouble> {
        let (mut records, mut next) = (Vec::new(), from);
        let (mut bytes, mut passed_by) = (0, 0);
        while records.len() < RECORDS_PER_TAKE_MAX && bytes < TAKE_BYTES_MAX && passed_by < PASSED_BY_STEP {
            let message = match topic.next().await {
                Delivery::Message(message) => message,
                // The seek ended before the end of the partition when it was looked at.
                Delivery::End => return Ok((records, seek.until)),
                Delivery::OutOfRange => {
                    return Err(Trouble::Unavailable(
                        "the position of the key is not in the topic".to_owned(),
                    ));
                }
                Delivery::Trouble(trouble) => return Err(trouble),
            };
            if message.offset >= seek.until {
                return Ok((records, seek.until));
            }
            next = message.offset.next();
            match message.key.as_ref() == Some(&seek.key) {
                true => {
                    bytes += message.len();
                    let (sink, topic) = (&self.subscription.sink, &self.subscription.source.topic);
                    records.push(record::judge(&*self.shared.inputs, sink, topic, message).await);
                }
                false => passed_by += 1,
            }
        }
        Ok((records, next))
    }

    async fn offer(&self, seek: &KeySeek, from: Offset, records: Vec<SourceRecord>, next: Offset) -> bool {
        let take = Take {
            subscription: self.id,
            partition: self.partition,
            generation: seek.generation,
            of_key: Some(seek.key.clone()),
            from,
            records,
            next,
        };
        match self.shared.handle.take(take).await {
            Ok(Some(taken)) => taken.generation == seek.generation && taken.next >= next,
            // The seek is done, or another one is in force.
            Ok(None) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::subscription;
    use super::*;

    #[test]
    fn a_few_keys_are_read_at_a_time() {
        let (host, shared) = super::super::tests::shared();
        let id = SubscriptionId::from_bytes([1; 16]);
        let seek = |number: usize| (Partition(0), LaneId::of(&number.to_be_bytes()), 1);
        let seeks: Vec<_> = (0..=KEY_READERS_MAX).map(seek).collect();
        let mut readers = KeyReaders::default();
        host.run(async { readers.keep(&shared, &id, &subscription(), &seeks) });
        assert_eq!(readers.0.len(), KEY_READERS_MAX);
        // One is done, and the last one follows.
        host.run(async { readers.keep(&shared, &id, &subscription(), &seeks[1..]) });
        assert_eq!(readers.0.len(), KEY_READERS_MAX);
        assert!(readers.0.contains_key(&seeks[KEY_READERS_MAX]));
    }
}
