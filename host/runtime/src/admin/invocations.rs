//! Invocations, found by what is known of them.

use axum::response::Response;
use holiday_core::id::{DeploymentId, InvocationId, SubscriptionId};
use holiday_core::invocation::{Caller, Invocation};
use holiday_core::state::key::{self, Family};
use holiday_core::state::{Kv, State, StoreError};
use holiday_core::target::Target;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Error;
use super::invocation::{InvocationModel, Stage};
use super::listing::{self, Rows};
use super::model;
use super::request::{Parameters, malformed};
use super::{PAGE_MAX, QUERY_ROWS_MAX, Shared};

/// How many invocations a page has unless `limit` says so.
const PAGE_DEFAULT: usize = 100;

/// What `status` may be.
const STATUSES: [&str; 7] =
    ["scheduled", "inboxed", "running", "suspended", "backing-off", "paused", "completed"];

/// What a listing is asked with.
pub(super) const FILTERS: [(&str, &str); 8] = [
    ("service", "Those of this service."),
    ("handler", "Those of this handler."),
    ("key", "Those of this object key or workflow id."),
    ("status", "Those that are in this status."),
    ("deployment", "Those that run on this deployment."),
    ("subscription", "Those that came from records of this subscription."),
    ("limit", "How many are shown on one page."),
    ("cursor", "Where the page begins: what the one before has as its end."),
];

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invocations)]
pub(super) struct Page {
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
        if seen >= admin.ports.page_rows_max {
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
    subscription: Option<SubscriptionId>,
}

impl Filter {
    /// Reads the filter, the rows it concerns, and how many invocations are wanted.
    fn read(query: Option<&str>) -> Result<(Filter, Rows, usize), Error> {
        let mut parameters = Parameters::read(query, &FILTERS.map(|(name, _)| name))?;
        let filter = Filter {
            service: parameters.take("service"),
            handler: parameters.take("handler"),
            key: parameters.take("key"),
            status: parameters.take("status"),
            deployment: parameters.take("deployment").map(|it| it.parse()).transpose()?,
            subscription: parameters.take("subscription").map(|it| it.parse()).transpose()?,
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

    fn concerns(&self, Invocation { target, caller, .. }: &Invocation) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.service, Some(&target.service))
            && is(&self.handler, Some(&target.handler))
            && is(&self.key, target.key.as_deref())
            && self.subscription.is_none_or(|wanted| subscription_of(caller) == Some(wanted))
    }

    fn accepts(&self, stage: &Stage) -> bool {
        self.status.as_deref().is_none_or(|it| it == stage.name())
            && self.deployment.is_none_or(|it| stage.deployment() == Some(it))
    }
}

fn subscription_of(caller: &Caller) -> Option<SubscriptionId> {
    match caller {
        Caller::Record(origin) => Some(origin.subscription),
        Caller::Ingress | Caller::Call { .. } | Caller::Send { .. } => None,
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
        if !filter.concerns(&invocation) {
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
