//! Looks at a topic from outside: which partitions there are, where they begin and end, and whether they continue at the
//! positions.

use std::collections::BTreeMap;
use std::time::Duration;

use holiday_core::event::Assign;
use holiday_core::limits::PARTITIONS_MAX;
use holiday_core::subscription::{Halt, Offset, Partition, Position, StartFrom};
use tokio::time::Instant;

use super::{RETRY_INTERVAL, Reader, Stop, View};
use crate::events::kafka::Extents;

/// Time between two looks at the extents of a topic.
const SURVEY_INTERVAL: Duration = Duration::from_secs(5);

impl Reader {
    /// Halts partitions that end before the position that they had before their end was looked at.
    pub(super) async fn halt_beyond_ends(&mut self, view: &mut View) -> Result<(), Stop> {
        let mut has_halted = false;
        if let Some((at, positions)) = self.viewed.take()
            && let Some(ends) = self.topic().ends_after(at)
        {
            for (partition, end) in ends {
                self.shared.live.update(&self.id, partition, |live| live.end = Some(end));
                let Some(position) = positions.get(&partition).filter(|it| it.halted.is_none()) else {
                    continue;
                };
                if self.cursors.contains_key(&partition) && position.next > end {
                    has_halted = true;
                    let halt = Halt::Ahead { next: position.next, end };
                    self.shared.handle.halt(self.id, partition, position.generation, halt).await?;
                }
            }
        }
        self.viewed = Some((std::time::Instant::now(), view.positions.clone()));
        if has_halted {
            *view = self.view().await?;
        }
        Ok(())
    }

    /// Looks at the extents of the topic: gives new partitions their positions, and halts those whose position is not
    /// in the topic.
    pub(super) async fn survey(&mut self, view: &mut View) -> Result<(), Stop> {
        self.surveyed_at = Instant::now();
        self.extents = self.topic().extents().await?;
        self.survey_at = Instant::now() + SURVEY_INTERVAL;
        let new = unread(&self.extents, &view.positions);
        if !new.is_empty() {
            self.begin(new, view.positions.is_empty()).await?;
            *view = self.view().await?;
        }
        let mut has_halted = false;
        let is_suspect = std::mem::take(&mut self.is_suspect);
        for (partition, position) in &view.positions {
            let halt = self.extents.get(partition).and_then(|extent| halt_of(position, *extent, is_suspect));
            if let Some(halt) = halt {
                has_halted = true;
                self.shared.handle.halt(self.id, *partition, position.generation, halt).await?;
            }
        }
        if has_halted {
            *view = self.view().await?;
        }
        Ok(())
    }

    /// Has the next survey come sooner, though not at once after the last one.
    pub(super) fn survey_soon(&mut self) {
        self.survey_at = self.survey_at.min(self.surveyed_at + RETRY_INTERVAL);
    }

    /// Decides where partitions begin: where the consumer group has got to, or as the options say. A partition that is
    /// added later begins with its first record.
    pub(super) async fn begin(&self, partitions: Vec<Partition>, is_first: bool) -> Result<(), Stop> {
        let options = &self.subscription.options;
        let has_group = is_first && options.group_id != self.id.to_string();
        let committed = match has_group {
            true => self.topic().committed(partitions.clone()).await?,
            false => BTreeMap::new(),
        };
        let start = |partition: Partition| {
            let (begin, end) = self.extents[&partition];
            let otherwise = match options.start {
                StartFrom::Latest if is_first => end,
                StartFrom::Latest | StartFrom::Earliest => begin,
            };
            (partition, committed.get(&partition).copied().unwrap_or(otherwise))
        };
        let positions = partitions.into_iter().map(start).collect();
        Ok(self.shared.handle.assign(Assign { subscription: self.id, positions }).await?)
    }

    /// Publishes how far the partitions are read, and where they end.
    pub(super) fn show(&self, view: &View) {
        let metrics = &self.shared.metrics.subscriptions;
        metrics.progress(&self.id, &view.progress);
        for (partition, (_, listed)) in &self.extents {
            let read = view.positions.get(partition).map(|position| position.next);
            let mut end = *listed;
            self.shared.live.update(&self.id, *partition, |live| {
                end = live.end.into_iter().chain(read).fold(end, Offset::max);
                live.end = Some(end);
            });
            if let Some(read) = read {
                metrics.lag(&self.id, *partition, end.0 - read.0);
            }
        }
    }
}

/// The partitions that have no position, as many as may get one.
fn unread(extents: &Extents, positions: &BTreeMap<Partition, Position>) -> Vec<Partition> {
    let is_new = |partition: &&Partition| !positions.contains_key(partition);
    let room = PARTITIONS_MAX.saturating_sub(positions.len());
    extents.keys().filter(is_new).copied().take(room).collect()
}

/// Brokers may answer an old end, so it counts only after one has refused to read from a position.
fn halt_of(position: &Position, (begin, end): (Offset, Offset), is_suspect: bool) -> Option<Halt> {
    let next = position.next;
    if position.halted.is_some() {
        None
    } else if next > end && is_suspect {
        Some(Halt::Ahead { next, end })
    } else if next < begin {
        Some(Halt::Behind { next, begin })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_partitions_are_not_read() {
        let number = |it: usize| Partition(u32::try_from(it).expect("small"));
        let extents: Extents =
            (0..PARTITIONS_MAX + 2).map(|it| (number(it), (Offset(0), Offset(0)))).collect();
        let position = Position { next: Offset(0), generation: 0, last: None, halted: None };
        let read = BTreeMap::from([(number(5), position)]);
        let unread = unread(&extents, &read);
        assert_eq!(unread.len(), PARTITIONS_MAX - 1);
        assert!(!unread.contains(&number(5)));
    }
}
