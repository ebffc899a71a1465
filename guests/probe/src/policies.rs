//! The service `Policies` and the workflow `Brief`: what authors may set, one handler each.

use std::time::Duration;

use holiday_sdk::{Context, Error, Saga, SharedWorkflowContext, WorkflowContext};

use crate::hostile;
use crate::inputs::Named;
use crate::object::ProbeObjectClient;

pub(crate) struct Policies;

/// One policy per handler; what is said here holds for those that do not say otherwise.
#[holiday_sdk::service(retry(
    initial_interval = "1ms",
    factor = 1,
    max_interval = "5ms",
    max_attempts = 2,
    max_duration = "1h",
    then = "fail"
))]
impl Policies {
    /// Waits for nothing until its time is over, and undoes what it has done.
    #[handler(timeout = "100ms")]
    async fn timeout(ctx: Context, key: String) -> Result<(), Error> {
        let object = ProbeObjectClient::new(&ctx, key);
        let note = |text: &str| object.append(&Named { name: "steps".into(), value: text.into() });
        let mut saga = Saga::new();
        saga.compensate(async || Ok(note("undo").await?));
        let waited = async {
            note("do").await?;
            ctx.signal("never").await
        };
        let waited = waited.await;
        saga.settle(waited.map_err(Error::from)).await
    }

    /// Fails for good when its attempts are used up.
    async fn retry(_: Context) -> Result<(), Error> {
        Err(Error::retryable("the line is busy"))
    }

    /// Computes for too long, and is not tried again.
    #[handler(cpu = "50ms", retry(max_attempts = 1))]
    async fn cpu(_: Context) -> Result<(), Error> {
        hostile::spin()
    }

    /// Answers with another value when the outcome for an idempotency key is forgotten.
    #[handler(idempotency_retention = "50ms")]
    async fn idempotency_retention(ctx: Context) -> Result<String, Error> {
        Ok(ctx.uuid())
    }

    /// Its journal is there when it has ended.
    #[handler(journal_retention = "1h")]
    async fn journal_retention(ctx: Context) -> Result<(), Error> {
        Ok(ctx.sleep_named("a nap", Duration::from_millis(1)).await?)
    }

    /// Is for other handlers only.
    #[handler(private)]
    async fn private(_: Context) -> Result<String, Error> {
        Ok("you got here".into())
    }

    /// Is what leads to `private`.
    async fn not_private(ctx: Context) -> Result<String, Error> {
        Ok(PoliciesClient::new(&ctx).private().await?)
    }

    /// Answers with a header that is not stored unless a handler asks for it.
    #[handler(keep_headers = ["Authorization"])]
    async fn keep_headers(ctx: Context) -> Result<Option<String>, Error> {
        Ok(ctx.info().header("authorization").map(str::to_owned))
    }
}

pub(crate) struct Brief;

/// A workflow that is soon forgotten, with its state and its promises.
#[holiday_sdk::workflow(workflow_retention = "50ms")]
impl Brief {
    /// Answers with what an earlier run of this id has left.
    async fn run(ctx: WorkflowContext) -> Result<Vec<Option<bool>>, Error> {
        let left = vec![ctx.get("state")?, ctx.promise("promise").peek().await?];
        ctx.set("state", &true)?;
        ctx.promise("promise").resolve(&true).await?;
        Ok(left)
    }

    /// Answers with what is there now.
    async fn look(ctx: SharedWorkflowContext) -> Result<Vec<Option<bool>>, Error> {
        Ok(vec![ctx.get("state")?, ctx.promise("promise").peek().await?])
    }
}
