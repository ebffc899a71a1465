//! The journal of one invocation: what its handler asked for, each with the world's answer.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use holiday_core::engine::Refusal;
use holiday_core::id::{EntryIndex, InvocationId, Position};
use holiday_core::journal::{Command, CommandEntry, Notification, NotificationEntry};
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::Error;
use super::invocation::Stage;
use super::model::{self, OutcomeModel, raw, time};
use super::request::{Parameters, malformed};
use super::{Admin, JOURNAL_PAGE_MAX, PAYLOAD_SHOWN_BYTES_MAX, QUERY_ROWS_MAX, Shared};

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Journal {
    invocation: String,
    commands: u32,
    notifications: u32,
    /// Until when that of a completed invocation is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<String>,
    entries: Vec<EntryModel>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_from: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JournalEntry)]
struct EntryModel {
    index: u32,
    at: Option<String>,
    #[serde(rename = "type")]
    ty: &'static str,
    /// The command in a few words.
    command: String,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Value>)]
    details: BTreeMap<&'static str, Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion: Option<CompletionModel>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Completion)]
struct CompletionModel {
    /// Its place among all answers.
    position: u32,
    at: Option<String>,
    /// Absent: what the command looked at had none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeModel>,
}

/// Shows commands `from` to `from + limit`. That of a completed invocation is empty if it is not kept.
pub(super) async fn read(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let id: InvocationId = path?.0.parse()?;
    let mut parameters = Parameters::read(uri.query(), &["from", "limit"])?;
    let from: u32 = parameters.parse("from")?.unwrap_or(0);
    let limit = parameters.parse("limit")?.unwrap_or(JOURNAL_PAGE_MAX);
    if !(1..=JOURNAL_PAGE_MAX).contains(&limit) {
        return Err(malformed(format!("the parameter 'limit' is from 1 to {JOURNAL_PAGE_MAX}, not {limit}")));
    }
    let (id, Size { commands, notifications, expires_at }) = size(&admin, id).await?;
    let through = from.saturating_add(limit).min(commands);
    let mut journal = Journal {
        invocation: id.to_string(),
        commands,
        notifications,
        expires_at: expires_at.and_then(time),
        cancelled_at: None,
        entries: commands_between(&admin, id, from, through).await?,
        next_from: Some(through).filter(|it| *it < commands),
    };
    add_notifications(&admin, id, &mut journal, from).await?;
    Ok(model::json(StatusCode::OK, &journal))
}

/// How much there is of a journal.
#[derive(Default)]
struct Size {
    commands: u32,
    notifications: u32,
    expires_at: Option<Timestamp>,
}

/// Finds the invocation that has an id, and how much there is of its journal.
async fn size(admin: &Admin, id: InvocationId) -> Result<(InvocationId, Size), Error> {
    let found = admin.query(move |state| {
        let id = state.resolve(&id)?;
        let size = match Stage::of(state, &id)? {
            Some(Stage::Open(lifecycle)) => Some(Size {
                commands: lifecycle.commands,
                notifications: lifecycle.notifications,
                expires_at: None,
            }),
            Some(Stage::Ended(completed)) => {
                Some(completed.journal.map_or_else(Size::default, |journal| Size {
                    commands: journal.commands,
                    notifications: journal.notifications,
                    expires_at: Some(journal.expires_at),
                }))
            }
            None => None,
        };
        Ok(size.map(|size| (id, size)))
    });
    found.await?.ok_or_else(|| Refusal::UnknownInvocation(id).into())
}

async fn commands_between(
    admin: &Admin,
    id: InvocationId,
    from: u32,
    through: u32,
) -> Result<Vec<EntryModel>, Error> {
    let mut entries = Vec::new();
    for (first, end) in portions(from, through) {
        let read = admin
            .query(move |state| {
                let rows = (first..end).map(|index| Ok((index, state.command(&id, EntryIndex(index))?)));
                rows.collect::<Result<Vec<_>, _>>()
            })
            .await?;
        entries
            .extend(read.iter().filter_map(|(index, entry)| Some(EntryModel::new(*index, entry.as_ref()?))));
    }
    Ok(entries)
}

/// Puts each answer beside its command, where the page has it.
async fn add_notifications(
    admin: &Admin,
    id: InvocationId,
    journal: &mut Journal,
    from: u32,
) -> Result<(), Error> {
    for (first, end) in portions(0, journal.notifications) {
        let read = admin
            .query(move |state| {
                let rows =
                    (first..end).map(|position| Ok((position, state.notification(&id, Position(position))?)));
                rows.collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (position, entry) in read {
            let Some(NotificationEntry { at, notification }) = entry else { continue };
            let (command, outcome) = match notification {
                Notification::Cancelled { .. } => {
                    journal.cancelled_at = time(at);
                    continue;
                }
                Notification::Completed { command, outcome } => (command, Some(outcome)),
                Notification::Interrupted { command, failure } => (command, Some(Outcome::Failure(failure))),
                Notification::NotReady { command } => (command, None),
            };
            if let Some(entry) = journal.entry(command, from) {
                let outcome = outcome.map(|it| OutcomeModel::new(&it, short));
                entry.completion = Some(CompletionModel { position, at: time(at), outcome });
            }
        }
    }
    Ok(())
}

impl Journal {
    /// The entry of a command, on a page that begins at `from`.
    fn entry(&mut self, command: EntryIndex, from: u32) -> Option<&mut EntryModel> {
        let place = command.0.checked_sub(from).and_then(|it| usize::try_from(it).ok());
        place.and_then(|it| self.entries.get_mut(it))
    }
}

/// Cuts a range into pieces that one query may read.
fn portions(from: u32, through: u32) -> impl Iterator<Item = (u32, u32)> {
    let size = u32::try_from(QUERY_ROWS_MAX).unwrap_or(u32::MAX);
    (from..through).step_by(QUERY_ROWS_MAX).map(move |first| (first, first.saturating_add(size).min(through)))
}

impl EntryModel {
    fn new(index: u32, entry: &CommandEntry) -> Self {
        let (ty, details) = show(&entry.command);
        EntryModel {
            index,
            at: time(entry.at),
            ty,
            command: entry.command.to_string(),
            details: details.into_iter().collect(),
            completion: None,
        }
    }
}

/// The kind of a command, and its fields.
fn show(command: &Command) -> (&'static str, Vec<(&'static str, Box<RawValue>)>) {
    let headers = |it: &Vec<(String, String)>| ("headers", raw(it));
    match command {
        Command::Call(it) => {
            let target = ("target", raw(&it.target.to_string()));
            ("call", vec![target, ("input", short(&it.input)), headers(&it.headers)])
        }
        Command::Send(it) => {
            let target = ("target", raw(&it.target.to_string()));
            let delay = ("delayMs", raw(&it.delay_ms));
            ("send", vec![target, ("input", short(&it.input)), headers(&it.headers), delay])
        }
        Command::Sleep { duration_ms, name } => {
            ("sleep", vec![("durationMs", raw(duration_ms)), ("name", raw(name))])
        }
        Command::Run { name, .. } => ("run", vec![("name", raw(name))]),
        Command::Awakeable => ("awakeable", Vec::new()),
        Command::CompleteAwakeable { id, outcome } => {
            ("completeAwakeable", vec![("id", raw(&id.to_string())), ("outcome", show_outcome(outcome))])
        }
        Command::Signal { name } => ("signal", vec![("name", raw(name))]),
        Command::SendSignal { invocation, name, outcome } => {
            let target = ("target", raw(&invocation.to_string()));
            ("sendSignal", vec![target, ("name", raw(name)), ("outcome", show_outcome(outcome))])
        }
        Command::PromiseGet { name } => ("getPromise", vec![("name", raw(name))]),
        Command::PromisePeek { name } => ("peekPromise", vec![("name", raw(name))]),
        Command::PromiseComplete { name, outcome } => {
            ("completePromise", vec![("name", raw(name)), ("outcome", show_outcome(outcome))])
        }
        Command::Attach { to } => ("attach", vec![("target", raw(&to.to_string()))]),
        Command::Output { of } => ("output", vec![("target", raw(&of.to_string()))]),
        Command::Cancel { invocation } => ("cancel", vec![("target", raw(&invocation.to_string()))]),
        Command::GetState { key, value } => {
            let value = value.as_ref().map(|it| short(it));
            ("getState", vec![("key", raw(key)), ("value", raw(&value))])
        }
        Command::SetState { key, value } => ("setState", vec![("key", raw(key)), ("value", short(value))]),
        Command::ClearState { key } => ("clearState", vec![("key", raw(key))]),
        Command::ClearAllState => ("clearAllState", Vec::new()),
        Command::StateKeys { keys } => ("stateKeys", vec![("keys", raw(keys))]),
    }
}

fn show_outcome(outcome: &Outcome) -> Box<RawValue> {
    raw(&OutcomeModel::new(outcome, short))
}

fn short(payload: &[u8]) -> Box<RawValue> {
    model::short_value(payload, PAYLOAD_SHOWN_BYTES_MAX)
}
