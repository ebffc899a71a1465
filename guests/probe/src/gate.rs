//! The workflow `Gate`: what others wait for, so that a test decides when they go on.

use holiday_sdk::{Error, SharedWorkflowContext, WorkflowContext};

pub(crate) struct Gate;

/// A gate that is closed until it is opened.
#[holiday_sdk::workflow(workflow_retention = "1h")]
impl Gate {
    /// Ends when the gate is open.
    pub(crate) async fn run(ctx: WorkflowContext) -> Result<String, Error> {
        ctx.promise::<bool>("open").get().await?;
        Ok("open".into())
    }

    /// Opens the gate; 409 when it is open.
    async fn open(ctx: SharedWorkflowContext) -> Result<(), Error> {
        Ok(ctx.promise("open").resolve(&true).await?)
    }

    /// Answers when the gate is open.
    pub(crate) async fn pass(ctx: SharedWorkflowContext) -> Result<(), Error> {
        ctx.promise::<bool>("open").get().await?;
        Ok(())
    }
}
