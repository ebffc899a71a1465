//! The workflow `ProbeWorkflow`: a run, and handlers beside it.

use holiday_sdk::{Error, SharedWorkflowContext, WorkflowContext};
use serde_json::Value;

pub(crate) struct ProbeWorkflow;

/// Waits until it is approved.
#[holiday_sdk::workflow]
impl ProbeWorkflow {
    /// Waits for `approve` and answers with its value.
    async fn run(ctx: WorkflowContext, input: Value) -> Result<Value, Error> {
        let (id, approval) = ctx.awakeable::<Value>();
        ctx.set("awakeable", &id)?;
        ctx.set("input", &input)?;
        let value = approval.await?;
        ctx.set("approved", &value)?;
        Ok(value)
    }

    /// Lets `run` go on; 409 before it waits.
    async fn approve(ctx: SharedWorkflowContext, value: Value) -> Result<(), Error> {
        let id: String = ctx.get("awakeable")?.ok_or_else(not_waiting)?;
        Ok(ctx.resolve_awakeable(&id, &value)?)
    }

    /// Answers with the awakeable's id, once `run` waits for it.
    async fn awakeable(ctx: SharedWorkflowContext) -> Result<Option<String>, Error> {
        Ok(ctx.get("awakeable")?)
    }

    /// Answers with what `run` was approved with.
    async fn approved(ctx: SharedWorkflowContext) -> Result<Option<Value>, Error> {
        Ok(ctx.get("approved")?)
    }
}

fn not_waiting() -> holiday_sdk::TerminalError {
    holiday_sdk::TerminalError::new("the workflow does not wait yet").with_code(409)
}
