//! The object `formation`: another name for `functions`, with the same keys and the same state.

use holiday_sdk::{Error, SharedContext};

use crate::function::Wanted;
use crate::functions::{Description, FunctionsClient, Outcome};

pub(crate) struct Formation;

/// Functions on AWS Lambda, by the name that `functions` had before; the key is the function's name.
#[holiday_sdk::object(name = "formation")]
impl Formation {
    /// Makes a function with its role and its log group; answers with its ARN.
    #[handler(shared, name = "createFunction")]
    async fn create_function(ctx: SharedContext, wanted: Wanted) -> Result<Outcome, Error> {
        Ok(FunctionsClient::new(&ctx, ctx.key()).create_function(&wanted).await?)
    }

    /// Changes what is named and keeps the rest.
    #[handler(shared, name = "updateFunction")]
    async fn update_function(ctx: SharedContext, changes: Wanted) -> Result<Outcome, Error> {
        Ok(FunctionsClient::new(&ctx, ctx.key()).update_function(&changes).await?)
    }

    /// Deletes a function and what was made with it; what is gone already counts as deleted.
    #[handler(shared, name = "deleteFunction")]
    async fn delete_function(ctx: SharedContext) -> Result<Outcome, Error> {
        Ok(FunctionsClient::new(&ctx, ctx.key()).delete_function().await?)
    }

    /// Tells what a function is to be, and how far it is.
    #[handler(shared, name = "describeFunction")]
    async fn describe_function(ctx: SharedContext) -> Result<Description, Error> {
        Ok(FunctionsClient::new(&ctx, ctx.key()).describe_function().await?)
    }
}
