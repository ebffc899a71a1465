//! What the world answered: that each answer is the one there had to be, and comes once.

use holiday_core::deployment::HandlerMode;
use holiday_core::event::{Event, Record};
use holiday_core::id::{EntryIndex, InvocationId};
use holiday_core::invocation::OpenCommand;
use holiday_core::journal::{Command, Notification, NotificationEntry};
use holiday_core::value::{Failure, Outcome};

use crate::models::PromiseName;
use crate::violation::{Checked, Violation, check};

use super::Audit;
use super::rows::*;

impl Audit {
    pub(super) fn see_notification(
        &mut self,
        record: &Record,
        id: InvocationId,
        entry: NotificationEntry,
    ) -> Checked {
        let (command, outcome, ended) = match entry.notification {
            Notification::Completed { command, outcome } => {
                self.see_no_interruption((id, command), &outcome)?;
                (command, outcome.clone(), outcome)
            }
            Notification::Interrupted { command, failure } => {
                self.see_interruption((id, command), &failure)?;
                (command, failure.into(), Failure::cancelled().into())
            }
            Notification::NotReady { command } => return self.see_not_ready((id, command)),
            Notification::Cancelled { .. } => return Ok(()),
        };
        let asked = self.commands.get(&(id, command)).cloned();
        let Some(asked) = asked else {
            return Err(Violation::new(
                "answered-once",
                format!("{id} got an answer to no command {command:?}"),
            ));
        };
        // What had no answer is asked again, and may be answered at once.
        let is_inherited =
            matches!(record.event, Event::RestartAsNew(_)) && !self.lifecycles.contains_key(&id);
        match is_inherited {
            true => self.see_inherited((id, command), &asked.command, &outcome)?,
            false => self.see_answer((id, command), &asked.command, &outcome)?,
        }
        if let Command::Sleep { duration_ms, .. } = asked.command
            && !is_inherited
        {
            let due = asked.at.plus_millis(duration_ms);
            check!("timer-is-never-early", entry.at >= due, "{id} slept until {} and not {due}", entry.at);
        }
        let open = self.lifecycles.get(&id).and_then(|it| it.open.get(&command));
        if let Some(OpenCommand::Call { callee, .. }) = open {
            let returned = self.ended.get(callee).and_then(|ended| ended.returned.as_ref());
            check!(
                "caller-gets-the-outcome",
                returned.is_none_or(|returned| *returned == ended),
                "{callee} returned {returned:?}, its caller {id} was told {outcome:?}"
            );
        }
        let before = self.answered.insert((id, command), outcome);
        check!("answered-once", before.is_none(), "command {} of {id} was answered again", command.0);
        Ok(())
    }

    /// A call has ended with its caller, which is told why.
    fn see_interruption(&self, (id, command): (InvocationId, EntryIndex), failure: &Failure) -> Checked {
        let lifecycle = self.lifecycles.get(&id);
        let cancellation = lifecycle.and_then(|it| it.cancellation.as_ref());
        let open = lifecycle.and_then(|it| it.open.get(&command));
        check!(
            "cancellation-is-agreed-on",
            cancellation.is_some_and(|it| it.failure == *failure)
                && matches!(open, Some(OpenCommand::Call { shielded: false, .. })),
            "command {} of {id}, {open:?}, was interrupted by {failure}, the invocation by {cancellation:?}",
            command.0
        );
        Ok(())
    }

    /// While an invocation waits for the calls that are cancelled with it, none of them ends so without telling it.
    fn see_no_interruption(&self, (id, command): (InvocationId, EntryIndex), outcome: &Outcome) -> Checked {
        let lifecycle = self.lifecycles.get(&id);
        let cancellation = lifecycle.and_then(|it| it.cancellation.as_ref());
        let is_due = cancellation.is_some_and(|it| it.notified.is_none());
        let open = lifecycle.and_then(|it| it.open.get(&command));
        check!(
            "cancellation-is-agreed-on",
            !is_due
                || *outcome != Failure::cancelled().into()
                || !matches!(open, Some(OpenCommand::Call { shielded: false, .. })),
            "command {} of {id} has ended of {cancellation:?}, and does not tell so",
            command.0
        );
        Ok(())
    }

    /// What others had to do with an answer.
    pub(super) fn see_answer(
        &mut self,
        place: (InvocationId, EntryIndex),
        asked: &Command,
        outcome: &Outcome,
    ) -> Checked {
        self.answers.insert(place, outcome.clone());
        match asked {
            Command::Signal { name } => check!(
                "one-signal-one-wait",
                self.signals.is_waiting(place, name),
                "command {} of {} got a signal for which it did not wait",
                place.1.0,
                place.0
            ),
            Command::PromiseGet { name } | Command::PromisePeek { name } => {
                self.promises.check_answer(&self.promise(&place.0, name), outcome)?;
            }
            _ => {}
        }
        let open = self.lifecycles.get(&place.0).and_then(|it| it.open.get(&place.1));
        if let Some(OpenCommand::Joined { invocation }) = open {
            let ended = self.ended.get(invocation);
            check!(
                "attached-get-the-outcome",
                ended.is_some_and(|it| it.returned.as_ref().is_none_or(|returned| returned == outcome)),
                "{} waited for {invocation}, which ended as {ended:?}, and was told {outcome:?}",
                place.0
            );
        }
        Ok(())
    }

    /// A restarted invocation has the answers of the other one.
    pub(super) fn see_inherited(
        &mut self,
        place: (InvocationId, EntryIndex),
        asked: &Command,
        outcome: &Outcome,
    ) -> Checked {
        if let Command::Signal { name } = asked {
            self.signals.inherit(place, name);
        }
        check!(
            "restart-sees-the-same",
            self.subject.is_some_and(|from| self.answered.get(&(from, place.1)) == Some(outcome)),
            "the answer of command {} of {} is not that of {:?}",
            place.1.0,
            place.0,
            self.subject
        );
        Ok(())
    }

    /// What a handler looked at has no outcome yet.
    pub(super) fn see_not_ready(&mut self, place: (InvocationId, EntryIndex)) -> Checked {
        if let Some(Command::PromisePeek { name }) = self.commands.get(&place).map(|entry| &entry.command) {
            let name = self.promise(&place.0, name);
            check!(
                "promise-never-changes",
                !self.promises.is_completed(&name),
                "{name:?} is completed, but {} was told that it is not",
                place.0
            );
        }
        Ok(())
    }

    pub(super) fn promise(&self, id: &InvocationId, name: &str) -> PromiseName {
        let (service, key) = object_of(self.created.get(id).expect("it has a journal"));
        (service, key, name.to_owned())
    }

    /// Does to the model what a recorded command should do to the state.
    pub(super) fn model(&mut self, id: InvocationId, index: EntryIndex, command: &Command) -> Checked {
        let invocation = self.created.get(&id).expect("it asks for something").clone();
        let is_refused = matches!(self.answers.get(&(id, index)), Some(Outcome::Failure(_)));
        match command {
            Command::Call(it) if !is_refused => {
                self.check_child(&id, index, &it.target, it.idempotency_key.as_deref(), &invocation)
            }
            Command::Send(it) => {
                self.check_child(&id, index, &it.target, it.idempotency_key.as_deref(), &invocation)
            }
            Command::GetState { key, value } if invocation.mode != HandlerMode::Shared => {
                let modelled = self.objects.get(&object_of(&invocation)).and_then(|object| object.get(key));
                check!(
                    "state-equals-model",
                    modelled == value.as_ref(),
                    "{id} ({}) read '{key}' as {value:?}, it is {modelled:?}",
                    invocation.target
                );
                Ok(())
            }
            Command::SetState { key, value } => {
                let object = object_of(&invocation);
                if invocation.target.service == "counter" {
                    *self.adds.entry(object.clone()).or_default() += amount(self.inputs.get(&id));
                }
                self.objects.entry(object).or_default().insert(key.clone(), value.clone());
                Ok(())
            }
            Command::ClearState { key } => {
                self.objects.entry(object_of(&invocation)).or_default().remove(key);
                Ok(())
            }
            Command::ClearAllState => {
                self.objects.entry(object_of(&invocation)).or_default().clear();
                Ok(())
            }
            Command::Call(_)
            | Command::Sleep { .. }
            | Command::Run { .. }
            | Command::Awakeable
            | Command::CompleteAwakeable { .. }
            | Command::Signal { .. }
            | Command::SendSignal { .. }
            | Command::PromiseGet { .. }
            | Command::PromisePeek { .. }
            | Command::PromiseComplete { .. }
            | Command::Attach { .. }
            | Command::Output { .. }
            | Command::Cancel { .. }
            | Command::GetState { .. }
            | Command::StateKeys { .. } => Ok(()),
        }
    }
}
