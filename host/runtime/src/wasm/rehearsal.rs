//! Replays a handler on a component, as far as its journal goes.
//!
//! Invariant: nothing is recorded, printed or sent. The guest is stopped where it asks for anything that its journal
//! does not have, and where it waits for what is not answered; steps without a result are not executed.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use holiday_core::attempt::Start;
use holiday_core::error::ErrorCode;
use holiday_core::value::Outcome;
use tokio::time::timeout;

use super::bindings::Request;
use super::component::Guest;
use super::failure;
use super::invoker::{WasmInvoker, handle};
use super::sandbox::{Execution, Sandbox};
use super::stop::Stop;
use crate::driver::{Rehearsal, RehearsalError};

impl Rehearsal for WasmInvoker {
    fn rehearse(&self, start: Start, component: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>> {
        async move {
            let guest = self.components.load(start.deployment).await;
            let guest = guest.map_err(|error| RehearsalError::NoComponent {
                code: error.code(),
                message: error.to_string(),
            })?;
            let patience = self.components.config.rehearsal_timeout;
            let instance = timeout(patience, self.components.instance()).await;
            let _instance = match instance {
                Ok(instance) => instance.map_err(|error| RehearsalError::NoComponent {
                    code: error.code(),
                    message: error.to_string(),
                })?,
                Err(_) => return Err(too_late(ErrorCode::Overloaded, "no instance was free", patience)),
            };
            let replayed = timeout(patience, self.replay(&guest, start, component.as_deref())).await;
            replayed.unwrap_or_else(|_| {
                Err(too_late(ErrorCode::GuestSpun, "the handler was not at the end of its journal", patience))
            })
        }
        .boxed()
    }
}

impl WasmInvoker {
    async fn replay(
        &self,
        guest: &Guest,
        start: Start,
        component: Option<&str>,
    ) -> Result<(), RehearsalError> {
        let request = Request { target: start.target.clone().into(), input: start.input.to_vec() };
        let execution = Execution::rehearsing(start);
        let sandbox = Sandbox::for_executing(&self.components.config, component, execution);
        let mut store = sandbox.into_store(guest.pre.engine());
        let returned = handle(guest, &mut store, &request).await;
        match returned {
            Ok(_) => has_asked_for_all(store.data_mut()),
            Err(error) => match error.downcast_ref::<Stop>() {
                Some(Stop::Suspended | Stop::Abandoned | Stop::JournalOver) => Ok(()),
                Some(Stop::Failed(_)) | None => Err(explain(&error, store.data())),
            },
        }
    }
}

fn too_late(code: ErrorCode, what: &str, patience: Duration) -> RehearsalError {
    RehearsalError::Failed(format!("{code}: {what} after {patience:?}; try again"))
}

/// A handler that returns has to have asked for everything that its journal has.
fn has_asked_for_all(sandbox: &mut Sandbox) -> Result<(), RehearsalError> {
    let Ok(execution) = sandbox.execution() else { return Ok(()) };
    execution.attempt.end(Outcome::done()).map_err(|error| of_message(error.to_string()))
}

fn explain(error: &wasmtime::Error, sandbox: &Sandbox) -> RehearsalError {
    of_message(failure::explain(error, sandbox))
}

fn of_message(message: String) -> RehearsalError {
    match ErrorCode::of_message(&message) {
        Some(ErrorCode::JournalMismatch) => RehearsalError::Mismatch(failure::without_code(&message)),
        Some(_) | None => RehearsalError::Failed(message),
    }
}
