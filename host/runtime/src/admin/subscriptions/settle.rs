//! Parked records are retried or discarded, one or many at a time.

use std::future::poll_fn;
use std::task::Poll;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use futures::future::{join_all, maybe_done};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::SubscriptionId;
use holiday_core::subscription::{ParkedRecord, Partition, Sink, Verdict};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parked::{Code, Filter, search};
use super::{Error, keys};
use crate::admin::request::{self, Parameters};
use crate::admin::{Admin, PARKED_PER_REQUEST_MAX, SUBSCRIPTION_BODY_BYTES_MAX, Shared, model};

/// Records that are under way to the log together.
const AT_ONCE: usize = 64;

/// The body that says which records are meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    partition: Option<u32>,
    key: Option<String>,
    #[serde(alias = "keyBase64")]
    key_base64: Option<String>,
    code: Option<String>,
    /// Means every record, and takes the place of a filter.
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
    cursor: Option<u64>,
}

#[derive(Clone, Copy)]
enum Action {
    Retry,
    Discard,
}

/// The parked record that was retried or discarded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettledRecord)]
pub(in crate::admin) struct SettledRecord {
    id: String,
    number: u64,
}

/// The effect of a request for many records.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Settled)]
pub(in crate::admin) struct Settled {
    id: String,
    /// Records that were retried or discarded.
    done: u64,
    /// Records that stay parked as they were, each with the reason.
    refused: Vec<RefusedModel>,
    /// The number to go on at: there may be more records. Absent when all were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refused)]
struct RefusedModel {
    number: u64,
    error: ReasonModel,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reason)]
struct ReasonModel {
    code: &'static str,
    message: String,
}

pub(in crate::admin) async fn retry(
    admin: Shared,
    path: Result<Path<(String, u64)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    one(&admin, Action::Retry, path, &uri).await
}

pub(in crate::admin) async fn discard(
    admin: Shared,
    path: Result<Path<(String, u64)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    one(&admin, Action::Discard, path, &uri).await
}

pub(in crate::admin) async fn retry_some(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    some(&admin, Action::Retry, path, request).await
}

pub(in crate::admin) async fn discard_some(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    some(&admin, Action::Discard, path, request).await
}

async fn one(
    admin: &Admin,
    action: Action,
    path: Result<Path<(String, u64)>, PathRejection>,
    uri: &Uri,
) -> Result<Response, Error> {
    let Path((id, number)) = path?;
    let id: SubscriptionId = id.parse()?;
    Parameters::read(uri.query(), &[])?;
    let found = super::find(admin, id).await?;
    let record = admin.query(move |state| state.parked(&id, number)).await?;
    let record = record.ok_or(Refusal::UnknownParked { subscription: id, number })?;
    for (_, outcome) in settle(admin, action, id, &found.subscription.sink, vec![(number, record)]).await {
        outcome?;
    }
    Ok(model::json(StatusCode::OK, &SettledRecord { id: id.to_string(), number }))
}

async fn some(
    admin: &Admin,
    action: Action,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let id: SubscriptionId = path?.0.parse()?;
    Parameters::read(request.uri().query(), &[])?;
    let example = r#"{"all": true} or {"key": "ann", "code": "HH0004"}"#;
    let it: Selection = request::json(request.into_body(), SUBSCRIPTION_BODY_BYTES_MAX, example).await?;
    let (filter, limit) = it.read()?;
    let found = super::find(admin, id).await?;
    let mut settled =
        Settled { id: id.to_string(), done: 0, refused: Vec::new(), next_cursor: it.cursor.or(Some(0)) };
    let mut left = limit;
    while let Some(from) = settled.next_cursor {
        if left == 0 {
            break;
        }
        let (filter, wanted) = (filter.clone(), left.min(AT_ONCE));
        let step = admin
            .query(move |state| search(state, &id, from, &filter, wanted, |number, record| (number, record)))
            .await?;
        left -= step.found.len();
        for (number, outcome) in settle(admin, action, id, &found.subscription.sink, step.found).await {
            settled.add(number, outcome)?;
        }
        settled.next_cursor = step.next;
    }
    Ok(model::json(StatusCode::OK, &settled))
}

/// Retries or discards records, in the order of their numbers.
async fn settle(
    admin: &Admin,
    action: Action,
    id: SubscriptionId,
    sink: &Sink,
    records: Vec<(u64, ParkedRecord)>,
) -> Vec<(u64, Result<(), Error>)> {
    let prepared = records.iter().map(|(number, record)| prepare(admin, action, sink, *number, record));
    let prepared = join_all(prepared).await;
    let numbers: Vec<u64> = records.into_iter().map(|(number, _)| number).collect();
    let settled = numbers.iter().zip(prepared).map(async |(number, verdict)| {
        match verdict? {
            Some(verdict) => admin.handle.retry_parked(id, *number, verdict).await?,
            None => admin.handle.discard_parked(id, *number).await?,
        }
        Ok(())
    });
    let settled = in_order(settled.collect()).await;
    numbers.into_iter().zip(settled).collect()
}

/// Holds a record that is to be retried against the handler as it is now.
async fn prepare(
    admin: &Admin,
    action: Action,
    sink: &Sink,
    number: u64,
    record: &ParkedRecord,
) -> Result<Option<Verdict>, Error> {
    match action {
        Action::Discard => Ok(None),
        Action::Retry if record.value.is_none() => Err(Refusal::ValueNotKept { number }.into()),
        Action::Retry => Ok(Some(admin.ports.topics.verdict(sink, record).await)),
    }
}

impl Selection {
    fn read(&self) -> Result<(Filter, usize), Error> {
        let filter = Filter {
            partition: self.partition.map(Partition),
            key: keys::one_of(self.key.as_deref(), self.key_base64.as_deref())?,
            code: self.code.as_deref().map(Code::read).transpose()?,
        };
        let wrong = |message: String| Err(Error::bad_request(ErrorCode::MalformedBody, message));
        match (self.all, filter == Filter::default()) {
            (true, true) | (false, false) => {}
            (false, true) => {
                return wrong("say which records are meant: a filter, or {\"all\": true}".to_owned());
            }
            (true, false) => {
                return wrong("'all' means every record, and there is a filter; give one".to_owned());
            }
        }
        let limit = self.limit.unwrap_or(PARKED_PER_REQUEST_MAX);
        match (1..=PARKED_PER_REQUEST_MAX).contains(&limit) {
            true => Ok((filter, limit)),
            false => wrong(format!("'limit' is from 1 to {PARKED_PER_REQUEST_MAX}, not {limit}")),
        }
    }
}

impl Settled {
    /// Counts a record. A host that cannot go on ends the request.
    fn add(&mut self, number: u64, outcome: Result<(), Error>) -> Result<(), Error> {
        match outcome {
            Ok(()) => self.done += 1,
            // Another operator was faster.
            Err(error) if error.code() == ErrorCode::UnknownParked => {}
            Err(error) if error.is_refusal() => {
                let (code, message) = (error.code().as_str(), error.message().to_owned());
                self.refused.push(RefusedModel { number, error: ReasonModel { code, message } });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Waits for all of them. Each begins before the one behind it, so that records of one key keep their order.
async fn in_order<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(|it| Box::pin(maybe_done(it))).collect();
    poll_fn(|cx| {
        let waits = all.iter_mut().map(|it| it.as_mut().poll(cx)).filter(Poll::is_pending).count();
        if waits == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let outputs = all.iter_mut().map(|it| it.as_mut().take_output());
    outputs.map(|it| it.expect("it is done, and was not taken")).collect()
}
