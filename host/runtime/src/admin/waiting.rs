//! What an invocation waits for: its open commands, each with what will answer it.

use std::ops::{ControlFlow, Range};

use holiday_core::id::{AwakeableId, EntryIndex, InvocationId};
use holiday_core::invocation::{Asker, Invocation, Lifecycle, OpenCommand, RunRetry, asker};
use holiday_core::journal::Command;
use holiday_core::state::{Kv, State, StoreError, key};
use serde::Serialize;
use utoipa::ToSchema;

use super::OPEN_SHOWN_MAX;
use super::invocation::Stage;
use super::model::time;

/// A command without an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenCommand)]
pub(super) struct OpenModel {
    index: u32,
    /// The command in a few words.
    command: String,
    #[serde(flatten)]
    waits_for: WaitsFor,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "waitsFor", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum WaitsFor {
    /// How this one ends.
    Invocation {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    Time {
        due: Option<String>,
    },
    /// The closure of a step: that it is executed, or executed again.
    Step {
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<String>,
    },
    /// Somebody who has its id.
    Awakeable {
        id: String,
    },
    Signal {
        name: String,
    },
    Promise {
        name: String,
    },
    /// The host, which answers at once.
    Host,
}

/// A command in the journal of another invocation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub(super) struct CommandModel {
    invocation: String,
    index: u32,
}

/// Shows the first [`OPEN_SHOWN_MAX`] open commands of an invocation.
pub(super) fn read<K: Kv>(
    state: &State<K>,
    id: &InvocationId,
    invocation: &Invocation,
    lifecycle: &Lifecycle,
) -> Result<Vec<OpenModel>, StoreError> {
    let mut shown = Vec::new();
    for (index, open) in lifecycle.open.iter().take(OPEN_SHOWN_MAX) {
        let Some(entry) = state.command(id, *index)? else { continue };
        let place = Place { id, invocation, lifecycle, index: *index };
        let waits_for = place.waits_for(state, open, &entry.command)?;
        shown.push(OpenModel { index: index.0, command: entry.command.to_string(), waits_for });
    }
    Ok(shown)
}

/// Where an open command stands.
struct Place<'a> {
    id: &'a InvocationId,
    invocation: &'a Invocation,
    lifecycle: &'a Lifecycle,
    index: EntryIndex,
}

impl Place<'_> {
    fn waits_for<K: Kv>(
        &self,
        state: &State<K>,
        open: &OpenCommand,
        command: &Command,
    ) -> Result<WaitsFor, StoreError> {
        Ok(match (open, command) {
            (OpenCommand::Call { callee: id, .. } | OpenCommand::Joined { invocation: id }, _) => {
                let status = Stage::of(state, id)?.map(|stage| stage.name());
                WaitsFor::Invocation { id: id.to_string(), status }
            }
            (OpenCommand::Sleep { due }, _) => WaitsFor::Time { due: time(*due) },
            (OpenCommand::Run { .. }, _) => WaitsFor::Step { retry_at: self.retry_at() },
            (OpenCommand::Awakeable, _) => WaitsFor::Awakeable { id: self.awakeable().to_string() },
            (OpenCommand::Signal, Command::Signal { name }) => WaitsFor::Signal { name: name.clone() },
            (OpenCommand::Promise, Command::PromiseGet { name }) => WaitsFor::Promise { name: name.clone() },
            (OpenCommand::Signal | OpenCommand::Promise | OpenCommand::Question, _) => WaitsFor::Host,
        })
    }

    fn retry_at(&self) -> Option<String> {
        match self.lifecycle.failing_runs.get(&self.index)?.retry {
            RunRetry::At(at) => time(at),
            RunRetry::Due | RunRetry::Exhausted => None,
        }
    }

    /// The id that the handler was given: in a restarted invocation it names whoever asked first.
    fn awakeable(&self) -> AwakeableId {
        let own = Asker { invocation: *self.id, seed: self.invocation.seed };
        let asker = asker(own, &self.invocation.lineage, self.index);
        AwakeableId { invocation: asker.invocation, index: self.index }
    }
}

/// Shows the first [`OPEN_SHOWN_MAX`] commands of others that wait for an invocation without having begun it.
pub(super) fn joined_by<K: Kv>(state: &State<K>, id: &InvocationId) -> Result<Vec<CommandModel>, StoreError> {
    let mut shown = Vec::new();
    let Range { start, end } = key::joined_to(id);
    state.kv().scan(&start[..]..&end[..], &mut |row, _| {
        let waiting = key::parse_waiting(row);
        shown.extend(waiting.map(|(id, index)| CommandModel { invocation: id.to_string(), index: index.0 }));
        match shown.len() < OPEN_SHOWN_MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    Ok(shown)
}
