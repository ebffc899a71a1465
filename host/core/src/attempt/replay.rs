//! Matching what the handler asks now against what the journal says it asked before.

use super::op::AttemptError;
use crate::id::EntryIndex;
use crate::journal::{Command, CommandEntry};

/// The recorded commands, and how far the handler has come in them.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    recorded: Vec<CommandEntry>,
    next: u32,
}

/// Whether a command was asked before.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Matched {
    /// The journal has it, as recorded.
    Recorded(EntryIndex, Command),
    /// It is new, and this is its index.
    New(EntryIndex),
}

impl Replay {
    pub(super) fn new(recorded: Vec<CommandEntry>) -> Self {
        Replay { recorded, next: 0 }
    }

    /// Takes the next command from the journal, which must be the one asked for.
    pub(super) fn advance(&mut self, asked: &Command) -> Result<Matched, AttemptError> {
        let index = EntryIndex(self.next);
        let matched = match self.recorded.get(self.next as usize) {
            None => Matched::New(index),
            Some(entry) if entry.command.is_asked_again_by(asked) => {
                Matched::Recorded(index, entry.command.clone())
            }
            Some(entry) => return Err(mismatch(index, &entry.command, asked)),
        };
        self.next += 1;
        Ok(matched)
    }

    /// Checks that the handler asked for everything the journal has.
    pub(super) fn finish(&self) -> Result<(), AttemptError> {
        match self.recorded.get(self.next as usize) {
            None => Ok(()),
            Some(entry) => {
                Err(AttemptError::EndedEarly { index: self.next, recorded: entry.command.to_string() })
            }
        }
    }

    /// Whether commands are left that the handler has not asked for again.
    pub(super) fn is_over(&self) -> bool {
        self.next as usize >= self.recorded.len()
    }
}

/// Names both commands; where they read the same, says that what they carry differs.
fn mismatch(index: EntryIndex, recorded: &Command, asked: &Command) -> AttemptError {
    let (recorded, mut asked) = (recorded.to_string(), asked.to_string());
    if recorded == asked {
        asked.push_str(" with other contents");
    }
    AttemptError::JournalMismatch { index: index.0, recorded, asked }
}
