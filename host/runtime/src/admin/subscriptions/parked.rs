//! Parked records: those that failed and wait for an operator.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use bytes::Bytes;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::SubscriptionId;
use holiday_core::state::{Kv, State, StoreError};
use holiday_core::subscription::{ParkedRecord, Partition};
use holiday_core::value::Failure;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Error, KeyText, keys};
use crate::admin::model::{self, time};
use crate::admin::request::{Parameters, malformed};
use crate::admin::{PAGE_MAX, PARKED_QUERY_BYTES_MAX, QUERY_ROWS_MAX, Shared};

/// How many records a page has unless `limit` says so.
const PAGE_DEFAULT: usize = 100;

/// The parameters of a listing, each with its meaning.
pub(in crate::admin) const FILTERS: [(&str, &str); 6] = [
    ("partition", "Those of this partition."),
    ("key", "Those of this key."),
    ("key_base64", "Those of this key, which is given in base64."),
    ("code", "Those with this error: a code such as `HH0004`, or the status of a failure of the handler."),
    ("limit", "How many are shown on one page."),
    ("cursor", "Where the page begins: what the one before has as its end."),
];

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ParkedRecords)]
pub(in crate::admin) struct Page {
    parked: Vec<ParkedModel>,
    /// The number that the next page begins at; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<u64>,
}

/// A parked record. Its headers and its value are only in the description of one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ParkedRecord)]
pub(in crate::admin) struct ParkedModel {
    number: u64,
    topic: String,
    partition: u32,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(flatten)]
    key: KeyText,
    error: ErrorModel,
    /// How often it has failed.
    failures: u32,
    /// The invocation that failed; absent if the record could not become one.
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<String>,
    parked_at: Option<String>,
    /// Bytes of the value; absent if it was too large to keep, or must not be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(flatten)]
    #[schema(value_type = Content)]
    content: Option<Content>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ParkedContent)]
struct Content {
    #[schema(required = false)]
    headers: Vec<HeaderModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// A value that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordHeader)]
struct HeaderModel {
    name: String,
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ParkedError)]
pub(super) struct ErrorModel {
    /// The HTTP status that a caller would have got.
    status: u16,
    /// The code of an error of the host, such as `HH0004`; absent for a failure of the handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
}

/// The parked records that are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::admin) struct Filter {
    pub(in crate::admin) partition: Option<Partition>,
    pub(in crate::admin) key: Option<Bytes>,
    pub(in crate::admin) code: Option<Code>,
}

/// The error of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::admin) enum Code {
    Host(ErrorCode),
    Status(u16),
}

pub(in crate::admin) async fn list(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let id: SubscriptionId = path?.0.parse()?;
    let mut parameters = Parameters::read(uri.query(), &FILTERS.map(|(name, _)| name))?;
    let (key, key_base64) = (parameters.take("key"), parameters.take("key_base64"));
    let filter = Filter {
        partition: parameters.parse("partition")?.map(Partition),
        key: keys::one_of(key.as_deref(), key_base64.as_deref())?,
        code: parameters.take("code").map(|code| Code::read(&code)).transpose()?,
    };
    let limit = parameters.parse("limit")?.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("the parameter 'limit' is from 1 to {PAGE_MAX}, not {limit}")));
    }
    super::find(&admin, id).await?;
    let mut page = Page { parked: Vec::new(), next_cursor: parameters.parse("cursor")?.or(Some(0)) };
    while let Some(from) = page.next_cursor {
        if page.parked.len() == limit {
            break;
        }
        let (filter, wanted) = (filter.clone(), limit - page.parked.len());
        let show = |number, record: ParkedRecord| ParkedModel::new(number, &record);
        let step = admin.query(move |state| search(state, &id, from, &filter, wanted, show)).await?;
        page.parked.extend(step.found);
        page.next_cursor = step.next;
    }
    Ok(model::json(StatusCode::OK, &page))
}

pub(in crate::admin) async fn describe(
    admin: Shared,
    path: Result<Path<(String, u64)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let Path((id, number)) = path?;
    let id: SubscriptionId = id.parse()?;
    Parameters::read(uri.query(), &[])?;
    super::find(&admin, id).await?;
    let found = admin.query(move |state| state.parked(&id, number)).await?;
    let record = found.ok_or(Refusal::UnknownParked { subscription: id, number })?;
    let (value, value_base64) = keys::text_or_base64(record.value.as_ref());
    let headers = record.headers.iter().cloned().map(|(name, value)| HeaderModel { name, value });
    let content = Content { headers: headers.collect(), value, value_base64 };
    let shown = ParkedModel { content: Some(content), ..ParkedModel::new(number, &record) };
    Ok(model::json(StatusCode::OK, &shown))
}

/// The records that one query has found.
pub(in crate::admin) struct Step<T> {
    pub(in crate::admin) found: Vec<T>,
    /// The number to go on at; `None` at the end.
    pub(in crate::admin) next: Option<u64>,
}

/// Looks through parked records from `from` on, as many as one query may read.
pub(in crate::admin) fn search<T, K: Kv>(
    state: &State<K>,
    id: &SubscriptionId,
    from: u64,
    filter: &Filter,
    wanted: usize,
    show: impl Fn(u64, ParkedRecord) -> T,
) -> Result<Step<T>, StoreError> {
    let mut step = Step { found: Vec::new(), next: None };
    let (mut rows, mut bytes) = (0, 0);
    state.each_parked(id, from, |number, record| {
        if rows == QUERY_ROWS_MAX || bytes >= PARKED_QUERY_BYTES_MAX || step.found.len() == wanted {
            step.next = Some(number);
            return false;
        }
        rows += 1;
        bytes += record.len();
        if filter.accepts(&record) {
            step.found.push(show(number, record));
        }
        true
    })?;
    Ok(step)
}

impl Filter {
    fn accepts(&self, record: &ParkedRecord) -> bool {
        self.partition.is_none_or(|it| it == record.origin.partition)
            && self.key.as_ref().is_none_or(|it| Some(it) == record.key.as_ref())
            && self.code.is_none_or(|it| it.is_of(&record.failure))
    }
}

impl Code {
    pub(super) fn read(text: &str) -> Result<Code, Error> {
        let code = ErrorCode::parse(text).map(Code::Host);
        let code = code.filter(|_| text.parse::<u16>().is_err());
        code.or_else(|| text.parse().ok().map(Code::Status)).ok_or_else(|| {
            malformed(format!("'{text}' is no error: give a code such as HH0004, or a status such as 500"))
        })
    }

    fn is_of(self, failure: &Failure) -> bool {
        match self {
            Code::Host(code) => ErrorCode::of_message(&failure.message) == Some(code),
            Code::Status(status) => failure.code == status,
        }
    }
}

impl ParkedModel {
    fn new(number: u64, record: &ParkedRecord) -> Self {
        ParkedModel {
            number,
            topic: record.topic.clone(),
            partition: record.origin.partition.0,
            offset: record.origin.offset.0,
            timestamp: record.origin.timestamp.and_then(time),
            key: KeyText::new(record.key.as_ref()),
            error: ErrorModel::new(&record.failure),
            failures: record.origin.failures,
            invocation: record.invocation.map(|it| it.to_string()),
            parked_at: time(record.parked_at),
            bytes: record.value.as_ref().map(Bytes::len),
            content: None,
        }
    }
}

impl ErrorModel {
    fn new(failure: &Failure) -> Self {
        ErrorModel {
            status: failure.code,
            code: ErrorCode::of_message(&failure.message).map(ErrorCode::as_str),
            message: failure.message.clone(),
        }
    }
}
