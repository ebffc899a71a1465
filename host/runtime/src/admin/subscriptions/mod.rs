//! Subscriptions: operators create them, see how far they have read, and steer them.

mod keys;
mod model;
mod options;
pub(super) mod parked;
mod seek;
pub(super) mod settle;

use std::collections::BTreeMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::{Steering, Subscribe};
use holiday_core::id::SubscriptionId;
use holiday_core::state::key::{self, Family};
use holiday_core::subscription::{
    MalformedEnd, Partition, Position, Progress, Sink, Source, Subscription, SubscriptionStatus,
};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::Error;
use super::listing::{self, Rows};
use super::request::{self, Parameters};
use super::{Admin, HELD_KEYS_SHOWN_MAX, SUBSCRIPTION_BODY_BYTES_MAX, Shared, services};
use crate::clock;
use crate::unique::Unique;
use keys::KeyText;
pub(super) use model::SubscriptionModel;
use model::{Details, HeldLane};
pub(super) use seek::Sought;

/// Characters that the name of a topic may have beside letters and digits.
const TOPIC_PUNCTUATION: [char; 3] = ['.', '_', '-'];

/// Bytes of the name of a topic, by the rules of Kafka.
const TOPIC_NAME_BYTES: usize = 249;

/// The body that creates a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    source: String,
    sink: String,
    #[serde(default)]
    options: Option<BTreeMap<String, Value>>,
}

/// The body that changes a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    action: Action,
    key: Option<String>,
    #[serde(alias = "keyBase64")]
    key_base64: Option<String>,
    to: Option<Value>,
    partition: Option<u32>,
    #[serde(default, alias = "dryRun")]
    dry_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Pause,
    Resume,
    Seek,
}

/// A subscription that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deleted)]
pub(super) struct Deleted {
    id: String,
}

pub(super) async fn list(admin: Shared, uri: Uri) -> Result<Response, Error> {
    Parameters::read(uri.query(), &[])?;
    let found = admin.query(|state| {
        let with_progress = |(id, subscription)| {
            let progress = state.progress(&id)?.filter(|it| it.status != SubscriptionStatus::Deleting);
            Ok(progress.map(|progress| Found { id, subscription, progress }))
        };
        state.subscriptions()?.into_iter().filter_map(|it| with_progress(it).transpose()).collect()
    });
    let mut found: Vec<Found> = found.await?;
    found.sort_by_key(|it| (it.subscription.created_at, it.id));
    let mut shown = Vec::new();
    for it in &found {
        let positions = positions(&admin, it.id).await?;
        shown.push(SubscriptionModel::new(it, admin.ports.topics.live(&it.id).as_ref(), &positions));
    }
    Ok(super::model::json(StatusCode::OK, &serde_json::json!({ "subscriptions": shown })))
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    show(&admin, path?.0.parse()?, StatusCode::OK).await
}

/// Creates a subscription. A topic that does not exist yet is waited for.
pub(super) async fn create(admin: Shared, request: Request) -> Result<Response, Error> {
    Parameters::read(request.uri().query(), &[])?;
    let example = r#"{"source": "kafka://my-cluster/posts", "sink": "service://UserFeed/ProcessPost"}"#;
    let it: Creation = request::json(request.into_body(), SUBSCRIPTION_BODY_BYTES_MAX, example).await?;
    let (source, sink): (Source, Sink) = (it.source.parse()?, it.sink.parse()?);
    check_topic(&source.topic)?;
    admin.ports.topics.check_source(&source)?;
    check_sink(&admin, &sink)?;
    let unique = Unique::draw()?;
    let id = unique.subscription_id();
    let options = options::read(it.options.unwrap_or_default(), &id)?;
    let checked = admin.ports.topics.check_options(&source, options.client.clone()).await;
    checked.map_err(|reason| malformed(format!("the options cannot be used: {reason}")))?;
    let subscription = Subscription { source, sink, options, seed: unique.seed(), created_at: clock::now() };
    admin.handle.subscribe(Subscribe { id, subscription }).await?;
    show(&admin, id, StatusCode::CREATED).await
}

/// Says which service or handler may be meant instead; the engine refuses what else is wrong with a sink.
fn check_sink(admin: &Admin, sink: &Sink) -> Result<(), Error> {
    let catalog = admin.handle.catalog();
    match catalog.revisions.get(&sink.service) {
        None => Err(admin.unknown_service(&sink.service)),
        Some(revision) if revision.service.handler(&sink.handler).is_none() => {
            Err(services::unknown_handler(revision, sink.handler.clone()))
        }
        Some(_) => Ok(()),
    }
}

fn check_topic(topic: &str) -> Result<(), Error> {
    let is_valid = topic.len() <= TOPIC_NAME_BYTES
        && topic.chars().all(|it| it.is_ascii_alphanumeric() || TOPIC_PUNCTUATION.contains(&it))
        && !matches!(topic, "." | "..");
    match is_valid {
        true => Ok(()),
        false => Err(malformed(format!(
            "'{topic}' is not the name of a topic: use up to {TOPIC_NAME_BYTES} letters, digits, '.', '_' and '-'"
        ))),
    }
}

/// Pauses, resumes or seeks a whole subscription or one of its keys.
pub(super) async fn change(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let id: SubscriptionId = path?.0.parse()?;
    Parameters::read(request.uri().query(), &[])?;
    let example = r#"{"action": "pause"} or {"action": "seek", "to": "earliest"}"#;
    let it: Change = request::json(request.into_body(), SUBSCRIPTION_BODY_BYTES_MAX, example).await?;
    let key = keys::one_of(it.key.as_deref(), it.key_base64.as_deref())?;
    let is_only_for_seeks = it.to.is_some() || it.partition.is_some() || it.dry_run;
    if it.action != Action::Seek && is_only_for_seeks {
        let message = "'to', 'partition' and 'dry_run' are for the action 'seek'; leave them out";
        return Err(Error::bad_request(ErrorCode::MalformedBody, message));
    }
    let steering = match (it.action, key) {
        (Action::Pause, None) => Steering::Pause,
        (Action::Pause, Some(key)) => Steering::PauseKey { key },
        (Action::Resume, None) => Steering::Resume,
        (Action::Resume, Some(key)) => Steering::ResumeKey { key },
        (Action::Seek, key) => {
            let seek = seek::Seek::read(key, it.to, it.partition, it.dry_run)?;
            return seek.execute(&admin, id).await;
        }
    };
    admin.handle.steer(id, steering).await?;
    show(&admin, id, StatusCode::OK).await
}

pub(super) async fn remove(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let id: SubscriptionId = path?.0.parse()?;
    let force = Parameters::read(uri.query(), &["force"])?.flag("force")?;
    admin.handle.steer(id, Steering::Delete { force }).await?;
    Ok(super::model::json(StatusCode::OK, &Deleted { id: id.to_string() }))
}

/// A subscription as it is stored.
struct Found {
    id: SubscriptionId,
    subscription: Subscription,
    progress: Progress,
}

async fn find(admin: &Admin, id: SubscriptionId) -> Result<Found, Error> {
    let found = admin.query(move |state| Ok((state.subscription(&id)?, state.progress(&id)?))).await?;
    match found {
        (Some(subscription), Some(progress)) if progress.status != SubscriptionStatus::Deleting => {
            Ok(Found { id, subscription, progress })
        }
        (_, _) => Err(Refusal::UnknownSubscription(id).into()),
    }
}

/// Reads the positions of a subscription, a portion at a time.
async fn positions(admin: &Admin, id: SubscriptionId) -> Result<Vec<(Partition, Position)>, Error> {
    let mut rows = Rows::of(key::all_of_subscription(Family::Position, &id));
    let mut positions = Vec::new();
    while !rows.is_at_end() {
        let read = admin
            .query(move |state| listing::read_by(state, rows, "partition", key::parse_partition))
            .await?;
        positions.extend(read.found);
        rows = read.rest;
    }
    Ok(positions)
}

async fn show(admin: &Admin, id: SubscriptionId, status: StatusCode) -> Result<Response, Error> {
    let found = find(admin, id).await?;
    let positions = positions(admin, id).await?;
    let live = admin.ports.topics.live(&id);
    let (held, key_seeks) = admin
        .query(move |state| {
            let mut held = Vec::new();
            for lane in state.marked_lanes(Family::HeldLane, &id, HELD_KEYS_SHOWN_MAX + 1)? {
                held.extend(state.lane(&id, &lane)?.as_ref().map(HeldLane::new));
            }
            Ok((held, state.key_seeks(&id)?))
        })
        .await?;
    let shown = SubscriptionModel::new(&found, live.as_ref(), &positions);
    let details = Details::new(live.as_ref(), &positions, held, &key_seeks);
    Ok(super::model::json(status, &shown.with(details)))
}

fn malformed(message: impl Into<String>) -> Error {
    Error::bad_request(ErrorCode::MalformedSubscription, message)
}

impl From<MalformedEnd> for Error {
    fn from(error: MalformedEnd) -> Self {
        malformed(error.to_string())
    }
}
