//! Seeks: a subscription, or one key of it, is read from somewhere else.

use std::collections::BTreeMap;

use axum::response::Response;
use bytes::Bytes;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::Steering;
use holiday_core::id::SubscriptionId;
use holiday_core::limits;
use holiday_core::subscription::{LaneId, Offset, Partition, Position, Progress};
use holiday_core::time::Timestamp;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Admin, Error, KeyText};
use crate::admin::model;
use crate::events::{Resolved, SeekTo};

/// The places that a seek can go to, for an operator who wrote another one.
const PLACES: &str = r#""earliest", "latest", {"offset": 7} or {"timestamp": "2026-05-04T16:00:00Z"}"#;

/// A seek as an operator asks for it.
pub(super) struct Seek {
    key: Option<Bytes>,
    to: SeekTo,
    /// `None` for all partitions of the topic.
    partition: Option<Partition>,
    is_dry_run: bool,
}

/// The effect of a seek.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sought)]
pub(crate) struct Sought {
    id: String,
    #[serde(flatten)]
    key: KeyText,
    /// Nothing has changed.
    is_dry_run: bool,
    partitions: Vec<SoughtPartition>,
    /// Records that are handled again, at most: a topic may have gaps, and a seek of a key concerns only that key.
    repeated: u64,
    /// Records that are not handled, at most.
    passed_over: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SoughtPartition)]
struct SoughtPartition {
    partition: u32,
    /// The offset of the next record before the seek.
    from: u64,
    /// The offset of the next record after the seek.
    to: u64,
    /// The partition has records from this offset on.
    begin: u64,
    /// The offset behind its last record.
    end: u64,
    repeated: u64,
    passed_over: u64,
}

impl Seek {
    pub(super) fn read(
        key: Option<Bytes>,
        to: Option<Value>,
        partition: Option<u32>,
        is_dry_run: bool,
    ) -> Result<Seek, Error> {
        let to = to.ok_or_else(|| malformed(format!("a seek needs 'to': {PLACES}")))?;
        Ok(Seek { key, to: place(&to)?, partition: partition.map(Partition), is_dry_run })
    }

    /// Looks up where the seek goes, and goes there unless it is a dry run. With several partitions, each goes by itself.
    pub(super) async fn execute(self, admin: &Admin, id: SubscriptionId) -> Result<Response, Error> {
        let found = super::find(admin, id).await?;
        let from = self.positions(admin, id, &found.progress).await?;
        let partitions = from.keys().copied().collect();
        let resolved = admin.ports.topics.resolve(&found.subscription.source, partitions, self.to).await?;
        resolved.iter().try_for_each(check_range)?;
        if !self.is_dry_run {
            for it in &resolved {
                admin.handle.steer(id, self.steering(it)).await?;
            }
        }
        let partitions: Vec<_> = resolved
            .iter()
            .filter_map(|it| Some(SoughtPartition::new(it, *from.get(&it.partition)?)))
            .collect();
        let sought = Sought {
            id: id.to_string(),
            key: KeyText::new(self.key.as_ref()),
            is_dry_run: self.is_dry_run,
            repeated: partitions.iter().map(|it| it.repeated).sum(),
            passed_over: partitions.iter().map(|it| it.passed_over).sum(),
            partitions,
        };
        Ok(model::json(StatusCode::OK, &sought))
    }

    /// The partitions that the seek concerns, each with the position before it.
    async fn positions(
        &self,
        admin: &Admin,
        id: SubscriptionId,
        progress: &Progress,
    ) -> Result<BTreeMap<Partition, Offset>, Error> {
        let all = super::positions(admin, id).await?;
        let count = all.len();
        let is_wanted = |(it, _): &(Partition, Position)| self.partition.is_none_or(|wanted| wanted == *it);
        let mut wanted: BTreeMap<_, _> =
            all.into_iter().filter(is_wanted).map(|(it, position)| (it, position.next)).collect();
        if wanted.is_empty() {
            return Err(match self.partition {
                Some(partition) => Refusal::UnknownPartition { subscription: id, partition }.into(),
                None => Error::not_found(
                    ErrorCode::UnknownPartition,
                    format!("{id} reads no partition yet; describe it to see the state of its reader"),
                ),
            });
        }
        if matches!(self.to, SeekTo::Offset(_)) && wanted.len() > 1 {
            return Err(malformed(format!(
                "an offset is another record in each of the {count} partitions; name one with 'partition'"
            )));
        }
        if let Some(key) = &self.key {
            self.follow_key_seeks(admin, id, progress, key, &mut wanted).await?;
        }
        Ok(wanted)
    }

    /// A key that is read from a position of its own goes on from there.
    async fn follow_key_seeks(
        &self,
        admin: &Admin,
        id: SubscriptionId,
        progress: &Progress,
        key: &Bytes,
        wanted: &mut BTreeMap<Partition, Offset>,
    ) -> Result<(), Error> {
        let lane = LaneId::of(key);
        let seeks = admin.query(move |state| state.key_seeks(&id)).await?;
        let mut new = wanted.len() as u64;
        for (partition, seek) in seeks.iter().filter(|(_, seek)| LaneId::of(&seek.key) == lane) {
            if let Some(position) = wanted.get_mut(partition) {
                *position = seek.next;
                new -= 1;
            }
        }
        // The engine refuses one too many, but those before it would have been sought by then.
        match progress.key_seeks + new <= limits::KEY_SEEKS_MAX {
            true => Ok(()),
            false => Err(Refusal::TooManyKeys { subscription: id, limit: limits::KEY_SEEKS_MAX }.into()),
        }
    }

    fn steering(&self, it: &Resolved) -> Steering {
        let (partition, next) = (it.partition, it.next);
        match &self.key {
            Some(key) => Steering::SeekKey { key: key.clone(), partition, next },
            None => Steering::Seek { partition, next },
        }
    }
}

fn place(to: &Value) -> Result<SeekTo, Error> {
    let wrong = || malformed(format!("'to' is {to}, but should be {PLACES}"));
    let named = |name: &str| to.as_object().filter(|it| it.len() == 1).and_then(|it| it.get(name));
    match (to.as_str(), named("offset"), named("timestamp")) {
        (Some("earliest"), _, _) => Ok(SeekTo::Earliest),
        (Some("latest"), _, _) => Ok(SeekTo::Latest),
        (None, Some(offset), _) => Ok(SeekTo::Offset(Offset(offset.as_u64().ok_or_else(wrong)?))),
        (None, _, Some(time)) => {
            let time: jiff::Timestamp = time.as_str().and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
            let millis = u64::try_from(time.as_millisecond()).map_err(|_| wrong())?;
            Ok(SeekTo::Time(Timestamp::from_millis(millis)))
        }
        _ => Err(wrong()),
    }
}

/// Refuses an offset that the partition could not be read from.
fn check_range(it: &Resolved) -> Result<(), Error> {
    let Resolved { partition, next, begin, end } = it;
    match (begin..=end).contains(&next) {
        true => Ok(()),
        false => Err(malformed(format!(
            "partition {partition} cannot be read from offset {next}: it begins at {begin} and ends at {end}"
        ))),
    }
}

impl SoughtPartition {
    fn new(it: &Resolved, from: Offset) -> Self {
        // Of the way from one position to the other, only the part counts that the topic has.
        let within = |offset: Offset| offset.clamp(it.begin, it.end.max(it.begin)).0;
        let (before, after) = (within(from), within(it.next));
        SoughtPartition {
            partition: it.partition.0,
            from: from.0,
            to: it.next.0,
            begin: it.begin.0,
            end: it.end.0,
            repeated: before.saturating_sub(after),
            passed_over: after.saturating_sub(before),
        }
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::bad_request(ErrorCode::MalformedBody, message)
}
