//! One invocation as operators see it: how far it has got, what it waits for, how it ended.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use holiday_core::engine::Refusal;
use holiday_core::id::{DeploymentId, InvocationId};
use holiday_core::invocation::{
    Caller, Cancellation, Completed, Header, Invocation, KeptJournal, Lifecycle, RunRetry, Status,
};
use holiday_core::state::{Kv, State, StoreError};
use holiday_core::subscription::RecordOrigin;
use holiday_core::target::Target;
use holiday_core::value::{Outcome, Payload};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::Error;
use super::model::{self, OutcomeModel, time};
use super::waiting::{self, CommandModel, OpenModel};
use super::{OPEN_SHOWN_MAX, Shared};
use crate::policy::HandlerOptions;

/// How far an invocation has got.
pub(super) enum Stage {
    Open(Box<Lifecycle>),
    Ended(Completed),
}

impl Stage {
    pub(super) fn of<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Option<Stage>, StoreError> {
        match state.lifecycle(id)? {
            Some(lifecycle) => Ok(Some(Stage::Open(Box::new(lifecycle)))),
            None => Ok(state.completed(id)?.map(Stage::Ended)),
        }
    }

    /// The word people see.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Stage::Open(lifecycle) => lifecycle.status.name(),
            Stage::Ended(_) => "completed",
        }
    }

    /// The one it runs on, or ran on.
    pub(super) fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Stage::Open(lifecycle) => lifecycle.deployment,
            Stage::Ended(completed) => completed.deployment,
        }
    }
}

/// What is absent does not concern its status.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invocation)]
pub(super) struct InvocationModel {
    id: String,
    target: String,
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    handler: String,
    status: &'static str,
    /// `success` or `failure`, once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_by: Option<String>,
    /// The record that it came from, if a subscription made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    /// The number of the latest one.
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// When it is cancelled because its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_out_at: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suspended_on: Vec<u32>,
    /// Why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<FailureModel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing_runs: Vec<FailingRunModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation: Option<CancellationModel>,
    /// Absent when it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// Until when its idempotency key or workflow id leads to the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// The latest invocation that has begun with its journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted_as: Option<String>,
    /// The invocation with whose journal it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted_from: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = Details)]
    details: Option<Details>,
}

/// What only the look at one invocation shows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[schema(required = false)]
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    input: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeModel>,
    /// The first [`OPEN_SHOWN_MAX`] commands that have no answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<OpenModel>,
    /// How many there are, if that is more than are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signals: Option<SignalsModel>,
    /// Others that wait for the outcome, besides the caller; [`OPEN_SHOWN_MAX`] at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    joined_by: Vec<CommandModel>,
    /// The invocations whose journals it has begun with, from the oldest on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lineage: Vec<AncestorModel>,
    /// What was in force when it was accepted, and still is for it.
    #[schema(value_type = Value, required = false)]
    policy: HandlerOptions,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LastFailure)]
struct FailureModel {
    message: String,
    count: u32,
    first_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailingRun)]
struct FailingRunModel {
    index: u32,
    failures: u32,
    last_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
}

/// A record of a topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Record)]
struct RecordModel {
    subscription: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    partition: u32,
    offset: u64,
}

impl RecordModel {
    fn new(origin: &RecordOrigin, headers: &[Header]) -> Self {
        let topic = headers.iter().find(|(name, _)| name == "kafka.topic");
        RecordModel {
            subscription: origin.subscription.to_string(),
            topic: topic.map(|(_, topic)| topic.clone()),
            partition: origin.partition.0,
            offset: origin.offset.0,
        }
    }
}

/// That it was asked to stop.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cancellation)]
struct CancellationModel {
    reason: String,
    /// Whether its journal says so; not before its own calls have ended.
    is_told: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JournalSize {
    commands: u32,
    notifications: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Until when that of a completed invocation is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// How many signals were sent to it, and how many of them nobody has waited for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Signals)]
struct SignalsModel {
    sent: u32,
    kept: u32,
}

/// An invocation that asked for the commands before `commands`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ancestor)]
struct AncestorModel {
    invocation: String,
    commands: u32,
}

impl InvocationModel {
    pub(super) fn new(id: &InvocationId, invocation: &Invocation, stage: &Stage) -> Self {
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
                Caller::Ingress | Caller::Record(_) => None,
                Caller::Call { invocation, .. } | Caller::Send { invocation } => Some(invocation.to_string()),
            },
            record: match &invocation.caller {
                Caller::Record(origin) => Some(RecordModel::new(origin, &invocation.headers)),
                Caller::Ingress | Caller::Call { .. } | Caller::Send { .. } => None,
            },
            idempotency_key: invocation.idempotency_key.clone(),
            deployment: stage.deployment().map(|it| it.to_string()),
            restarted_from: invocation.lineage.last().map(|it| it.invocation.to_string()),
            ..InvocationModel::default()
        };
        match stage {
            Stage::Open(lifecycle) => shown.open(lifecycle),
            Stage::Ended(completed) => shown.ended(completed),
        }
    }

    fn open(self, lifecycle: &Lifecycle) -> Self {
        let mut shown = InvocationModel {
            attempt: lifecycle.attempt,
            times_out_at: lifecycle.times_out_at.and_then(time),
            last_failure: lifecycle.failures.as_ref().map(|it| FailureModel {
                message: it.last_message.clone(),
                count: it.count,
                first_at: time(it.first_at),
            }),
            failing_runs: failing_runs(lifecycle),
            cancellation: lifecycle.cancellation.as_ref().map(CancellationModel::new),
            journal: Some(JournalSize {
                commands: lifecycle.commands,
                notifications: lifecycle.notifications,
                bytes: Some(lifecycle.journal_bytes),
                expires_at: None,
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

    fn ended(self, completed: &Completed) -> Self {
        InvocationModel {
            result: Some(match completed.outcome {
                Outcome::Success(_) => "success",
                Outcome::Failure(_) => "failure",
            }),
            attempt: completed.attempts,
            journal: completed.journal.as_ref().map(JournalSize::kept),
            completed_at: time(completed.completed_at),
            expires_at: time(completed.expires_at).filter(|_| completed.is_named),
            restarted_as: completed.restarted_as.map(|it| it.to_string()),
            ..self
        }
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

impl CancellationModel {
    fn new(cancellation: &Cancellation) -> Self {
        CancellationModel {
            reason: cancellation.failure.message.clone(),
            is_told: cancellation.notified.is_some(),
        }
    }
}

impl JournalSize {
    fn kept(journal: &KeptJournal) -> Self {
        JournalSize {
            commands: journal.commands,
            notifications: journal.notifications,
            bytes: None,
            expires_at: time(journal.expires_at),
        }
    }
}

pub(super) async fn describe(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let id: InvocationId = path?.0.parse()?;
    let found = admin.query(move |state| describe_in(state, &id)).await?;
    match found {
        Some(described) => Ok(model::json(StatusCode::OK, &described.show())),
        None => Err(Refusal::UnknownInvocation(id).into()),
    }
}

/// An invocation with its payloads, which may be large: they are laid out where nobody else waits for that.
struct Described {
    model: InvocationModel,
    details: Details,
    input: Option<Payload>,
    outcome: Option<Outcome>,
}

impl Described {
    fn show(self) -> InvocationModel {
        let input = self.input.map(|it| model::value(&it));
        let outcome = self.outcome.map(|it| OutcomeModel::new(&it, model::value));
        InvocationModel { details: Some(Details { input, outcome, ..self.details }), ..self.model }
    }
}

fn describe_in<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Option<Described>, StoreError> {
    let id = &state.resolve(id)?;
    let (Some(invocation), Some(stage)) = (state.invocation(id)?, Stage::of(state, id)?) else {
        return Ok(None);
    };
    let model = InvocationModel::new(id, &invocation, &stage);
    let (mut details, mut outcome) = (Details::new(&invocation), None);
    match &stage {
        Stage::Open(lifecycle) => {
            details.open = waiting::read(state, id, &invocation, lifecycle)?;
            details.joined_by = waiting::joined_by(state, id)?;
            details.add(lifecycle);
        }
        Stage::Ended(completed) => outcome = Some(completed.outcome.clone()),
    }
    Ok(Some(Described { model, details, input: state.input(id)?, outcome }))
}

impl Details {
    fn new(invocation: &Invocation) -> Self {
        let lineage = invocation.lineage.iter();
        let lineage = lineage
            .map(|it| AncestorModel { invocation: it.invocation.to_string(), commands: it.commands })
            .collect();
        Details {
            headers: invocation.headers.clone(),
            input: None,
            outcome: None,
            open: Vec::new(),
            open_count: None,
            signals: None,
            joined_by: Vec::new(),
            lineage,
            policy: HandlerOptions::in_force(&invocation.policy),
        }
    }

    fn add(&mut self, lifecycle: &Lifecycle) {
        let (sent, kept) = (lifecycle.signals_sent, lifecycle.signals_kept);
        self.open_count = Some(lifecycle.open.len()).filter(|count| *count > OPEN_SHOWN_MAX);
        self.signals = (sent > 0).then_some(SignalsModel { sent, kept });
    }
}
