//! The names of all functions, and the service `provisioning`, which lists them.

use std::collections::BTreeMap;

use holiday_sdk::{Context, Error, ObjectContext, SharedContext, TerminalError, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::function::Function;
use crate::functions::{Description, FunctionsClient, Status};
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
    status: Status,
    configuration: Function,
    /// What AWS calls it; absent as long as, or once, AWS does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
}

pub(crate) struct Provisioning;

/// What there is.
#[holiday_sdk::service(name = "provisioning")]
impl Provisioning {
    /// Lists all functions by name: what each is to be, how far it is, and whether AWS has it.
    #[handler(name = "listFunctions")]
    async fn list_functions(ctx: Context) -> Result<Vec<Listed>, Error> {
        let deployed: BTreeMap<String, String> = ctx.run("ListFunctions", stack::arns).await?;
        let names = CatalogClient::new(&ctx, FUNCTIONS).list().await?;
        let descriptions =
            join_all(names.iter().map(|name| FunctionsClient::new(&ctx, name).describe_function())).await;
        let mut listed = Vec::new();
        for (function_name, description) in names.into_iter().zip(descriptions) {
            match description {
                Ok(Description { status, configuration, .. }) => {
                    let arn = deployed.get(&function_name).cloned();
                    listed.push(Listed { function_name, status, configuration, arn });
                }
                // Deleted since its name was read.
                Err(gone) if gone.code() == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listed)
    }
}
