//! State and promises: what objects and workflows have beyond services.

use holiday_sdk::{Error, ObjectContext, SharedContext, SharedWorkflowContext, WorkflowContext};
use serde_json::Value;

use super::stage::{Stage, Told, code, outcome};
use crate::gate::GateClient;

pub(crate) struct VocabularyObject;

/// State under a key; the key is that of the gate.
#[holiday_sdk::object]
impl VocabularyObject {
    async fn state(ctx: ObjectContext, key: String) -> Result<Told, Error> {
        let mut stage = Stage::new(**ctx, key);
        stage.same("the key", ctx.key() == stage.key).await?;
        stage.same("at first", ctx.get::<u32>("a")?).await?;
        for name in ["b", "a", "c"] {
            ctx.set(name, &1)?;
        }
        stage.same("names", ctx.state_keys()).await?;
        stage.pass_gate().await?;
        stage.same("after", ctx.get::<u32>("a")?).await?;
        stage.same("of another shape", code(ctx.get::<String>("a"))).await?;
        ctx.clear("a");
        stage.same("names without a", ctx.state_keys()).await?;
        ctx.clear_all();
        stage.same("no names", ctx.state_keys()).await?;
        ctx.set("d", "the end")?;
        Ok(stage.told())
    }

    /// Answers beside `state`.
    #[handler(shared)]
    async fn look(ctx: SharedContext, name: String) -> Result<Option<Value>, Error> {
        Ok(ctx.get(&name)?)
    }
}

pub(crate) struct VocabularyWorkflow;

/// Promises and state of a workflow; its id is that of the gate.
#[holiday_sdk::workflow]
impl VocabularyWorkflow {
    async fn run(ctx: WorkflowContext, key: String) -> Result<Told, Error> {
        let mut stage = Stage::new(***ctx, key);
        let (paid, refused) = (ctx.promise::<u32>("paid"), ctx.promise::<u32>("refused"));
        stage.same("at first", paid.peek().await?).await?;
        ctx.set("status", "waiting")?;
        let completing = VocabularyWorkflowClient::new(&ctx, &stage.key).complete_when_open().start()?;
        stage.same("paid", outcome(paid.get().await)).await?;
        stage.same("refused", outcome(refused.get().await)).await?;
        stage.same("completed again", completing.await?).await?;
        stage.same("seen", (outcome(paid.peek().await), code(refused.peek().await))).await?;
        stage.same("status", ctx.get::<String>("status")?).await?;
        stage.same("own promise", code(ctx.promise("mine").resolve("mine").await)).await?;
        stage.same("own value", ctx.promise::<String>("mine").get().await?).await?;
        Ok(stage.told())
    }

    /// Completes the promises, and tells what comes of completing them again.
    async fn complete_when_open(ctx: SharedWorkflowContext) -> Result<Vec<Option<u16>>, Error> {
        GateClient::new(&ctx, ctx.key()).pass().await?;
        ctx.promise("paid").resolve(&750).await?;
        ctx.promise::<u32>("refused").reject("the card was refused").await?;
        let again = ctx.promise::<u32>("refused").get();
        Ok(vec![
            code(ctx.promise("paid").resolve(&1).await),
            code(ctx.promise::<u32>("paid").reject("too late").await),
            code(again.await),
            code(ctx.promise::<u32>("later").peek().await),
        ])
    }
}
