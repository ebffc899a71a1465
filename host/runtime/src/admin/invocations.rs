//! Invocations: find them, look at one, and steer it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse as _, Response};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::id::{DeploymentId, InvocationId};
use holiday_core::invocation::{Caller, Completed, Invocation, Lifecycle, RunRetry, Status};
use holiday_core::state::key::{self, Family};
use holiday_core::state::{Kv, State, StoreError};
use holiday_core::target::Target;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::value::RawValue;

use super::error::Error;
use super::listing::{self, Rows};
use super::model::{self, OutcomeModel, time};
use super::request::{Parameters, malformed};
use super::{Admin, PAGE_MAX, PAGE_ROWS_MAX, QUERY_ROWS_MAX, Shared};

/// How many invocations a page has unless `limit` says so.
const PAGE_DEFAULT: usize = 100;

/// What `status` may be.
const STATUSES: [&str; 7] =
    ["scheduled", "inboxed", "running", "suspended", "backing-off", "paused", "completed"];

const FILTERS: [&str; 7] = ["service", "handler", "key", "status", "deployment", "limit", "cursor"];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    invocations: Vec<InvocationModel>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub(super) async fn list(admin: Shared, uri: Uri) -> Result<Response, Error> {
    let (filter, mut rows, limit) = Filter::read(uri.query())?;
    let mut page = Page { invocations: Vec::new(), next_cursor: None };
    let mut seen = 0;
    while !rows.is_at_end() {
        if seen >= PAGE_ROWS_MAX {
            break;
        }
        let (filter, wanted) = (filter.clone(), limit - page.invocations.len());
        let step = admin.query(move |state| search(state, &filter, rows, wanted)).await?;
        seen += QUERY_ROWS_MAX;
        page.invocations.extend(step.found);
        page.next_cursor = step.last.map(|id| id.to_string());
        rows = step.rest;
        if page.invocations.len() == limit {
            break;
        }
    }
    if rows.is_at_end() {
        page.next_cursor = None;
    }
    Ok(model::json(StatusCode::OK, &page))
}

/// Which invocations are asked for.
#[derive(Clone, Debug, Default)]
struct Filter {
    service: Option<String>,
    handler: Option<String>,
    key: Option<String>,
    status: Option<String>,
    deployment: Option<DeploymentId>,
}

impl Filter {
    /// Reads the filter, the rows it concerns, and how many invocations are wanted.
    fn read(query: Option<&str>) -> Result<(Filter, Rows, usize), Error> {
        let mut parameters = Parameters::read(query, &FILTERS)?;
        let filter = Filter {
            service: parameters.take("service"),
            handler: parameters.take("handler"),
            key: parameters.take("key"),
            status: parameters.take("status"),
            deployment: parameters.take("deployment").map(|it| it.parse()).transpose()?,
        };
        if let Some(unknown) = filter.status.as_deref().filter(|it| !STATUSES.contains(it)) {
            return Err(malformed(format!(
                "there is no status '{unknown}'; there are: {}",
                STATUSES.join(", ")
            )));
        }
        let limit = parameters.parse("limit")?.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(malformed(format!("the parameter 'limit' is from 1 to {PAGE_MAX}, not {limit}")));
        }
        let cursor: Option<InvocationId> = parameters.take("cursor").map(|it| it.parse()).transpose()?;
        let rows = match cursor {
            Some(cursor) => filter.rows().after(key::invocation(&cursor)),
            None => filter.rows(),
        };
        Ok((filter, rows, limit))
    }

    /// All invocations; those of one object key stand together.
    fn rows(&self) -> Rows {
        let (Some(service), Some(object_key)) = (&self.service, &self.key) else {
            return Rows::of(key::family(Family::Invocation));
        };
        let target = Target::keyed(service, object_key, "");
        let (first, last) = (InvocationId::new(&target, [0; 16]), InvocationId::new(&target, [0xff; 16]));
        let mut end = key::invocation(&last);
        end.push(0);
        Rows::of(key::invocation(&first)..end)
    }

    fn concerns(&self, target: &Target) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.service, Some(&target.service))
            && is(&self.handler, Some(&target.handler))
            && is(&self.key, target.key.as_deref())
    }

    fn accepts(&self, stage: &Stage) -> bool {
        self.status.as_deref().is_none_or(|it| it == stage.name())
            && self.deployment.is_none_or(|it| stage.deployment() == Some(it))
    }
}

/// What one query has found.
struct Step {
    found: Vec<InvocationModel>,
    /// The last invocation it looked at.
    last: Option<InvocationId>,
    rest: Rows,
}

fn search<K: Kv>(state: &State<K>, filter: &Filter, rows: Rows, wanted: usize) -> Result<Step, StoreError> {
    let portion = listing::read::<Invocation, K>(state, rows.clone())?;
    let mut found = Vec::new();
    let mut last = None;
    for (id, invocation) in portion.found {
        last = Some(id);
        if !filter.concerns(&invocation.target) {
            continue;
        }
        let Some(stage) = Stage::of(state, &id)? else { continue };
        if !filter.accepts(&stage) {
            continue;
        }
        found.push(InvocationModel::new(&id, &invocation, &stage));
        if found.len() == wanted {
            return Ok(Step { found, last, rest: rows.after(key::invocation(&id)) });
        }
    }
    Ok(Step { found, last, rest: portion.rest })
}

/// How far an invocation has got.
enum Stage {
    Open(Box<Lifecycle>),
    Ended(Completed),
}

impl Stage {
    fn of<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Option<Stage>, StoreError> {
        match state.lifecycle(id)? {
            Some(lifecycle) => Ok(Some(Stage::Open(Box::new(lifecycle)))),
            None => Ok(state.completed(id)?.map(Stage::Ended)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Stage::Open(lifecycle) => lifecycle.status.name(),
            Stage::Ended(_) => "completed",
        }
    }

    fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Stage::Open(lifecycle) => lifecycle.deployment,
            Stage::Ended(_) => None,
        }
    }
}

/// One invocation as operators see it. What is absent does not concern its status.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationModel {
    id: String,
    target: String,
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    handler: String,
    status: &'static str,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suspended_on: Vec<u32>,
    /// Why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<FailureModel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing_runs: Vec<FailingRunModel>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cancelled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What only the look at one invocation shows.
#[derive(Debug, Serialize)]
struct Details {
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeModel>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureModel {
    message: String,
    count: u32,
    first_at: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailingRunModel {
    index: u32,
    failures: u32,
    last_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct JournalSize {
    commands: u32,
    notifications: u32,
    bytes: u64,
}

impl InvocationModel {
    fn new(id: &InvocationId, invocation: &Invocation, stage: &Stage) -> Self {
        let Target { service, key, handler } = invocation.target.clone();
        let shown = InvocationModel {
            id: id.to_string(),
            target: invocation.target.to_string(),
            service,
            key,
            handler,
            status: stage.name(),
            created_at: time(invocation.created_at),
            invoked_by: match invocation.caller {
                Caller::Ingress => None,
                Caller::Call { invocation, .. } | Caller::Send { invocation } => Some(invocation.to_string()),
            },
            idempotency_key: invocation.idempotency_key.clone(),
            ..InvocationModel::default()
        };
        match stage {
            Stage::Open(lifecycle) => shown.open(lifecycle),
            Stage::Ended(completed) => InvocationModel {
                completed_at: time(completed.completed_at),
                expires_at: time(completed.expires_at),
                ..shown
            },
        }
    }

    fn open(self, lifecycle: &Lifecycle) -> Self {
        let mut shown = InvocationModel {
            deployment: lifecycle.deployment.map(|it| it.to_string()),
            attempt: Some(lifecycle.attempt),
            last_failure: lifecycle.failures.as_ref().map(|it| FailureModel {
                message: it.last_message.clone(),
                count: it.count,
                first_at: time(it.first_at),
            }),
            failing_runs: failing_runs(lifecycle),
            is_cancelled: lifecycle.cancellation.is_some(),
            journal: Some(JournalSize {
                commands: lifecycle.commands,
                notifications: lifecycle.notifications,
                bytes: lifecycle.journal_bytes,
            }),
            ..self
        };
        match &lifecycle.status {
            Status::Scheduled(it) => shown.starts_at = time(it.starts_at),
            Status::BackingOff(it) => shown.next_attempt_at = time(it.until),
            Status::Suspended(it) => shown.suspended_on = it.on.iter().map(|index| index.0).collect(),
            Status::Paused(it) => shown.reason = Some(it.reason.clone()),
            Status::Inboxed(_) | Status::Running => {}
        }
        shown
    }
}

fn failing_runs(lifecycle: &Lifecycle) -> Vec<FailingRunModel> {
    let runs = lifecycle.failing_runs.iter().map(|(index, run)| FailingRunModel {
        index: index.0,
        failures: run.failures,
        last_message: run.last_message.clone(),
        retry_at: match run.retry {
            RunRetry::At(at) => time(at),
            RunRetry::Due | RunRetry::Exhausted => None,
        },
    });
    runs.collect()
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let id: InvocationId = path?.0.parse()?;
    let found = admin.query(move |state| describe_in(state, &id)).await?;
    match found {
        Some(shown) => Ok(model::json(StatusCode::OK, &shown)),
        None => Err(Refusal::UnknownInvocation(id).into()),
    }
}

fn describe_in<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Option<InvocationModel>, StoreError> {
    let (Some(invocation), Some(stage)) = (state.invocation(id)?, Stage::of(state, id)?) else {
        return Ok(None);
    };
    let mut shown = InvocationModel::new(id, &invocation, &stage);
    shown.details = Some(Details {
        headers: invocation.headers,
        input: state.input(id)?.map(|it| model::value(&it)),
        outcome: match &stage {
            Stage::Open(_) => None,
            Stage::Ended(completed) => Some(OutcomeModel::new(&completed.outcome, model::value)),
        },
    });
    Ok(Some(shown))
}

/// Does with an invocation what the last part of the path says. It is durable when this answers.
pub(super) async fn operate(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let Path((id, verb)) = path?;
    let id: InvocationId = id.parse()?;
    let known: &[&str] = if verb == "resume" { &["deployment"] } else { &[] };
    let mut parameters = Parameters::read(uri.query(), known)?;
    let handle = &admin.handle;
    match verb.as_str() {
        "cancel" => handle.cancel(id).await?,
        "kill" => handle.kill(id).await?,
        "pause" => handle.pause(id).await?,
        "purge" => handle.purge(id).await?,
        "resume" => {
            let deployment = resumed_on(&admin, id, parameters.take("deployment").as_deref()).await?;
            handle.resume(id, deployment).await?;
        }
        _ => {
            let message = format!(
                "'{verb}' is not done to an invocation; these are: cancel, kill, pause, resume, purge"
            );
            return Err(Error::not_found(ErrorCode::UnknownPath, message));
        }
    }
    // A cancelled invocation may still compensate; everything else has happened.
    let status = if verb == "cancel" { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(status.into_response())
}

/// The deployment an invocation goes on with: `None` is its own.
async fn resumed_on(
    admin: &Admin,
    id: InvocationId,
    wanted: Option<&str>,
) -> Result<Option<DeploymentId>, Error> {
    match wanted {
        None | Some("keep") => Ok(None),
        Some("latest") => {
            let invocation = admin.query(move |state| state.invocation(&id)).await?;
            let service = invocation.ok_or(Refusal::UnknownInvocation(id))?.target.service;
            match admin.handle.catalog().revisions.get(&service) {
                Some(latest) => Ok(Some(latest.deployment)),
                None => Err(Refusal::UnknownService { service, nearest: None }.into()),
            }
        }
        Some(id) => Ok(Some(id.parse()?)),
    }
}
