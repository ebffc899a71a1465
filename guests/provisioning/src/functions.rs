//! The object `functions`: what is wanted of one function, and how far it is.
//!
//! A function is made by a shared handler: it can be described while it is made, and somebody else who wants to make it
//! is told so at once. What it writes goes through private handlers, which run one at a time like all that change a
//! function.

use holiday_sdk::{Error, ObjectContext, Saga, SharedContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogClient, FUNCTIONS};
use crate::function::{Function, Wanted};
use crate::stack::{Made, Stack};

/// How far a function is. A new one has no status yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Provisioning,
    Available,
    /// Nothing of it is left, or it was deleted by half.
    Failed,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Outcome {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Outcome {
    fn done() -> Self {
        Self { success: true, reason: None }
    }

    fn refused(reason: impl Into<String>) -> Self {
        Self { success: false, reason: Some(reason.into()) }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Description {
    success: bool,
    status: Status,
    configuration: Function,
}

/// A function in a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    status: Status,
    code_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_megabytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_retention_days: Option<u32>,
}

pub(crate) struct Functions;

/// Functions on AWS Lambda; the key is the function's name.
#[holiday_sdk::object(name = "functions")]
impl Functions {
    /// Makes a function with its role and its log group; answers with its ARN.
    #[handler(shared, name = "createFunction")]
    pub(crate) async fn create_function(ctx: SharedContext, wanted: Wanted) -> Result<Outcome, Error> {
        let function = Function::new(&ctx.key(), wanted)?;
        let mut saga = Saga::new();
        let created = create(ctx, function, &mut saga).await;
        saga.settle(created).await
    }

    /// Changes what is named and keeps the rest.
    #[handler(name = "updateFunction")]
    pub(crate) async fn update_function(ctx: ObjectContext, changes: Wanted) -> Result<Outcome, Error> {
        match ctx.get("status")? {
            None => return Ok(Outcome::refused(format!("Not found: {}", ctx.key()))),
            Some(Status::Available) => {}
            Some(other) => {
                let status = name_of(other);
                return Ok(Outcome::refused(format!("Cannot update function in status: {status}")));
            }
        }
        let (before, made) = (state(ctx)?, made(ctx)?);
        let after = before.with(changes)?;
        let stack = Stack::made(**ctx, before, &made);
        stack.assert_same_place(&made).await?;
        stack.change_to(&after, &made).await?;
        ctx.set("state", &after)?;
        Ok(Outcome::done())
    }

    /// Deletes a function and what was made with it; what is gone already counts as deleted.
    #[handler(name = "deleteFunction")]
    pub(crate) async fn delete_function(ctx: ObjectContext) -> Result<Outcome, Error> {
        match ctx.get("status")? {
            None => return Ok(Outcome::refused(format!("Not found: {}", ctx.key()))),
            Some(Status::Provisioning) => return Ok(Outcome::refused(BUSY)),
            Some(Status::Available | Status::Failed) => {}
        }
        if let Some(made) = ctx.get::<Made>("made")? {
            let stack = Stack::made(**ctx, state(ctx)?, &made);
            stack.assert_same_place(&made).await?;
            let deleted = stack.delete(&made).await;
            if let Err(Error::Terminal(_)) = &deleted {
                ctx.set("status", &Status::Failed)?;
            }
            deleted?;
        }
        ctx.shielded(CatalogClient::new(&ctx, FUNCTIONS).remove(&ctx.key())).await?;
        ctx.clear_all();
        Ok(Outcome::done())
    }

    /// Tells what a function is to be, and how far it is.
    #[handler(shared, name = "describeFunction")]
    pub(crate) async fn describe_function(ctx: SharedContext) -> Result<Description, Error> {
        let no_such = || TerminalError::new(format!("No such function: {}", ctx.key())).with_code(404);
        Ok(Description {
            success: true,
            status: ctx.get("status")?.ok_or_else(no_such)?,
            configuration: ctx.get("state")?.ok_or_else(no_such)?,
        })
    }

    /// Tells the same without the code, for a list of many.
    #[handler(shared, private)]
    pub(crate) async fn summarize(ctx: SharedContext) -> Result<Option<Summary>, Error> {
        let Some(status) = ctx.get("status")? else { return Ok(None) };
        let Some(Function { code, memory_megabytes, timeout_seconds, log_retention_days, .. }) =
            ctx.get("state")?
        else {
            return Ok(None);
        };
        let code_bytes = code.len();
        Ok(Some(Summary { status, code_bytes, memory_megabytes, timeout_seconds, log_retention_days }))
    }

    /// Takes note that a function is being made, or says why it cannot be.
    #[handler(private)]
    pub(crate) async fn begin(ctx: ObjectContext, function: Function) -> Result<Option<String>, Error> {
        let refusal = match ctx.get("status")? {
            Some(Status::Provisioning) => Some(BUSY),
            Some(Status::Available) => Some(STABLE),
            Some(Status::Failed) if ctx.get::<Made>("made")?.is_some() => Some(HALF_DELETED),
            Some(Status::Failed) | None => None,
        };
        if let Some(refusal) = refusal {
            return Ok(Some(refusal.to_owned()));
        }
        ctx.set("status", &Status::Provisioning)?;
        ctx.set("state", &function)?;
        Ok(None)
    }

    /// Takes note that a function is made.
    #[handler(private)]
    pub(crate) async fn finish(ctx: ObjectContext, made: Made) -> Result<(), Error> {
        ctx.set("made", &made)?;
        Ok(ctx.set("status", &Status::Available)?)
    }

    /// Takes note that a function could not be made, and that nothing of it is left.
    #[handler(private)]
    pub(crate) async fn fail(ctx: ObjectContext) -> Result<(), Error> {
        ctx.clear("made");
        Ok(ctx.set("status", &Status::Failed)?)
    }
}

const BUSY: &str = "This function is busy updating. Please try again later.";
const STABLE: &str = "This function is already in a stable state. Please use update instead.";
const HALF_DELETED: &str = "This function is deleted by half. Please delete it once more first.";

/// Makes a function; what is made by then is undone when a later step fails.
async fn create<'a>(ctx: SharedContext, function: Function, saga: &mut Saga<'a>) -> Result<Outcome, Error> {
    let this = FunctionsClient::new(&ctx, ctx.key());
    let give_up = this.fail();
    let undo = async move |refusal: Option<String>| match refusal {
        Some(_) => Ok(()),
        None => Ok(give_up.await?),
    };
    if let Some(refusal) = saga.step(this.begin(&function), undo).await? {
        return Ok(Outcome::refused(refusal));
    }
    CatalogClient::new(&ctx, FUNCTIONS).add(&ctx.key()).await?;
    let made = Stack::new(*ctx, function).make(saga).await?;
    this.finish(&made).await?;
    Ok(Outcome { success: true, reason: Some(made.arn) })
}

fn state(ctx: ObjectContext) -> Result<Function, TerminalError> {
    let missing = || TerminalError::new(format!("the function '{}' has a status but no state", ctx.key()));
    ctx.get("state")?.ok_or_else(missing)
}

fn made(ctx: ObjectContext) -> Result<Made, TerminalError> {
    let missing = || TerminalError::new(format!("nothing is known of what was made for '{}'", ctx.key()));
    ctx.get("made")?.ok_or_else(missing)
}

fn name_of(status: Status) -> &'static str {
    match status {
        Status::Provisioning => "PROVISIONING",
        Status::Available => "AVAILABLE",
        Status::Failed => "FAILED",
    }
}
