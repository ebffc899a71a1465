//! The rows of subscriptions.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::key::{self, Family};
use super::{Kv, State, StoreError, codec, corrupt, name_of};
use crate::id::SubscriptionId;
use crate::subscription::{
    KeySeek, Lane, LaneId, ParkedRecord, Partition, Position, Progress, Subscription, WaitingRecord,
};

impl<K: Kv> State<K> {
    pub fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.read(&key::of_subscription(Family::Subscription, id))
    }

    pub fn put_subscription(&mut self, id: &SubscriptionId, it: &Subscription) -> Result<(), StoreError> {
        self.write(key::of_subscription(Family::Subscription, id), it)
    }

    pub fn delete_subscription(&mut self, id: &SubscriptionId) -> Result<(), StoreError> {
        self.kv.delete(&key::of_subscription(Family::Subscription, id))?;
        self.kv.delete(&key::of_subscription(Family::Progress, id))
    }

    /// All subscriptions, in the order of their ids.
    pub fn subscriptions(&self) -> Result<Vec<(SubscriptionId, Subscription)>, StoreError> {
        let mut found = Vec::new();
        self.read_each(&key::family(Family::Subscription), |row, subscription| {
            let id =
                key::parse_subscription(row).ok_or_else(|| corrupt(row, "its key has no subscription id"))?;
            found.push((id, subscription));
            Ok(())
        })?;
        Ok(found)
    }

    pub fn progress(&self, id: &SubscriptionId) -> Result<Option<Progress>, StoreError> {
        self.read(&key::of_subscription(Family::Progress, id))
    }

    pub fn put_progress(&mut self, id: &SubscriptionId, progress: &Progress) -> Result<(), StoreError> {
        self.write(key::of_subscription(Family::Progress, id), progress)
    }

    // Positions

    pub fn position(
        &self,
        id: &SubscriptionId,
        partition: Partition,
    ) -> Result<Option<Position>, StoreError> {
        self.read(&key::position(id, partition))
    }

    pub fn put_position(
        &mut self,
        id: &SubscriptionId,
        partition: Partition,
        position: &Position,
    ) -> Result<(), StoreError> {
        self.write(key::position(id, partition), position)
    }

    /// The positions of a subscription, in the order of partitions.
    pub fn positions(&self, id: &SubscriptionId) -> Result<Vec<(Partition, Position)>, StoreError> {
        let mut found = Vec::new();
        self.read_each(&key::all_of_subscription(Family::Position, id), |row, position| {
            let partition =
                key::parse_partition(row).ok_or_else(|| corrupt(row, "its key has no partition"))?;
            found.push((partition, position));
            Ok(())
        })?;
        Ok(found)
    }

    pub fn key_seek(
        &self,
        id: &SubscriptionId,
        partition: Partition,
        lane: &LaneId,
    ) -> Result<Option<KeySeek>, StoreError> {
        self.read(&key::key_seek(id, partition, lane))
    }

    pub fn put_key_seek(
        &mut self,
        id: &SubscriptionId,
        partition: Partition,
        lane: &LaneId,
        seek: &KeySeek,
    ) -> Result<(), StoreError> {
        self.write(key::key_seek(id, partition, lane), seek)
    }

    pub fn delete_key_seek(
        &mut self,
        id: &SubscriptionId,
        partition: Partition,
        lane: &LaneId,
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::key_seek(id, partition, lane))
    }

    /// The keys that are read from positions of their own.
    pub fn key_seeks(&self, id: &SubscriptionId) -> Result<Vec<(Partition, KeySeek)>, StoreError> {
        let mut found = Vec::new();
        self.read_each(&key::all_of_subscription(Family::KeySeek, id), |row, seek| {
            let partition =
                key::parse_partition(row).ok_or_else(|| corrupt(row, "its key has no partition"))?;
            found.push((partition, seek));
            Ok(())
        })?;
        Ok(found)
    }

    // Lanes

    pub fn lane(&self, id: &SubscriptionId, lane: &LaneId) -> Result<Option<Lane>, StoreError> {
        self.read(&key::of_lane(Family::Lane, id, lane))
    }

    pub fn put_lane(&mut self, id: &SubscriptionId, lane: &LaneId, row: &Lane) -> Result<(), StoreError> {
        self.write(key::of_lane(Family::Lane, id, lane), row)
    }

    pub fn delete_lane(&mut self, id: &SubscriptionId, lane: &LaneId) -> Result<(), StoreError> {
        self.kv.delete(&key::of_lane(Family::Lane, id, lane))
    }

    pub fn mark_lane(
        &mut self,
        family: Family,
        id: &SubscriptionId,
        lane: &LaneId,
    ) -> Result<(), StoreError> {
        self.kv.put(key::of_lane(family, id, lane), Bytes::new())
    }

    pub fn unmark_lane(
        &mut self,
        family: Family,
        id: &SubscriptionId,
        lane: &LaneId,
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::of_lane(family, id, lane))
    }

    /// The first `limit` lanes that are marked in `family`.
    pub fn marked_lanes(
        &self,
        family: Family,
        id: &SubscriptionId,
        limit: usize,
    ) -> Result<Vec<LaneId>, StoreError> {
        let rows = self.some_keys(&key::all_of_subscription(family, id), limit)?;
        let lanes = rows.iter();
        lanes.map(|row| key::parse_lane(row).ok_or_else(|| corrupt(row, "its key has no lane"))).collect()
    }

    pub fn put_waiting_record(
        &mut self,
        id: &SubscriptionId,
        lane: &LaneId,
        ticket: u64,
        record: &WaitingRecord,
    ) -> Result<(), StoreError> {
        self.write(key::waiting_record(id, lane, ticket), record)
    }

    /// The first record in line, from `ticket` on, with its ticket.
    pub fn first_waiting_record(
        &self,
        id: &SubscriptionId,
        lane: &LaneId,
        ticket: u64,
    ) -> Result<Option<(u64, WaitingRecord)>, StoreError> {
        let mut first = None;
        self.scan(&key::waiting_records(id, lane, ticket), &mut |row, value| {
            let ticket = key::parse_ticket(row).ok_or_else(|| corrupt(row, "its key has no ticket"));
            first = Some(ticket.and_then(|ticket| Ok((ticket, codec::decode(value, || name_of(row))?))));
            ControlFlow::Break(())
        })?;
        first.transpose()
    }

    pub fn delete_waiting_record(
        &mut self,
        id: &SubscriptionId,
        lane: &LaneId,
        ticket: u64,
    ) -> Result<(), StoreError> {
        self.kv.delete(&key::waiting_record(id, lane, ticket))
    }

    // Parked records

    pub fn parked(&self, id: &SubscriptionId, number: u64) -> Result<Option<ParkedRecord>, StoreError> {
        self.read(&key::parked(id, number))
    }

    pub fn put_parked(
        &mut self,
        id: &SubscriptionId,
        number: u64,
        record: &ParkedRecord,
    ) -> Result<(), StoreError> {
        self.write(key::parked(id, number), record)
    }

    pub fn delete_parked(&mut self, id: &SubscriptionId, number: u64) -> Result<(), StoreError> {
        self.kv.delete(&key::parked(id, number))
    }

    /// Visits parked records with their numbers, from `number` on, until `visit` returns false.
    pub fn each_parked(
        &self,
        id: &SubscriptionId,
        number: u64,
        mut visit: impl FnMut(u64, ParkedRecord) -> bool,
    ) -> Result<(), StoreError> {
        let mut broken = None;
        self.scan(&key::parked_from(id, number), &mut |row, value| {
            let number = key::parse_ticket(row).ok_or_else(|| corrupt(row, "its key has no number"));
            match number.and_then(|number| Ok((number, codec::decode(value, || name_of(row))?))) {
                Ok((number, record)) => match visit(number, record) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                },
                Err(error) => {
                    broken = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        broken.map_or(Ok(()), Err)
    }

    /// Deletes up to `limit` rows of a subscription; returns how many it found.
    pub(crate) fn delete_some_of_subscription(
        &mut self,
        id: &SubscriptionId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        const FAMILIES: [Family; 7] = [
            Family::Position,
            Family::Lane,
            Family::WaitingRecord,
            Family::Parked,
            Family::StalledLane,
            Family::HeldLane,
            Family::KeySeek,
        ];
        let mut found = 0;
        for family in FAMILIES {
            let rows = self.some_keys(&key::all_of_subscription(family, id), limit - found)?;
            rows.iter().try_for_each(|row| self.kv.delete(row))?;
            found += rows.len();
            if found == limit {
                break;
            }
        }
        Ok(found)
    }
}
