//! The names of all functions, and the service `provisioning`, which lists them.

use std::collections::BTreeMap;

use holiday_sdk::{Context, Error, ObjectContext, SharedContext, TerminalError, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::functions::{FunctionsClient, Summary};
use crate::stack;

/// The key under which the names of all functions are kept.
pub(crate) const FUNCTIONS: &str = "functions";

/// More are not kept, so that a list stays one answer.
const FUNCTIONS_MAX: usize = 500;

pub(crate) struct Catalog;

/// The names of the functions there are.
#[holiday_sdk::object(name = "catalog")]
impl Catalog {
    #[handler(private)]
    pub(crate) async fn add(ctx: ObjectContext, name: String) -> Result<(), Error> {
        let names = ctx.state_keys();
        if names.len() >= FUNCTIONS_MAX && !names.contains(&name) {
            let text = format!("there are {FUNCTIONS_MAX} functions, which is the most; delete one first");
            return Err(TerminalError::new(text).with_code(409).into());
        }
        Ok(ctx.set(&name, &true)?)
    }

    #[handler(private)]
    pub(crate) async fn remove(ctx: ObjectContext, name: String) -> Result<(), Error> {
        ctx.clear(&name);
        Ok(())
    }

    #[handler(shared, private)]
    pub(crate) async fn list(ctx: SharedContext) -> Result<Vec<String>, Error> {
        Ok(ctx.state_keys())
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listed {
    function_name: String,
    #[serde(flatten)]
    summary: Summary,
    /// What AWS calls it; absent as long as, or once, AWS does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
}

pub(crate) struct Provisioning;

/// What there is.
#[holiday_sdk::service(name = "provisioning")]
impl Provisioning {
    /// Lists all functions by name, without their code: how far each is, and whether AWS has it.
    #[handler(name = "listFunctions")]
    async fn list_functions(ctx: Context) -> Result<Vec<Listed>, Error> {
        let names = CatalogClient::new(&ctx, FUNCTIONS).list().await?;
        let mut arns: BTreeMap<String, String> =
            ctx.run("ListFunctions", async || stack::arns(&names).await).await?;
        let summaries = names.iter().map(|name| FunctionsClient::new(&ctx, name).summarize());
        let mut listed = Vec::new();
        for (function_name, summary) in names.iter().zip(join_all(summaries).await) {
            // One that was deleted since the names were read has none.
            if let Some(summary) = summary? {
                let arn = arns.remove(function_name);
                listed.push(Listed { function_name: function_name.clone(), summary, arn });
            }
        }
        Ok(listed)
    }
}
