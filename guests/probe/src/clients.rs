//! What clients of the ingress are tested with: queries that take a while, and a crowd.

use holiday_sdk::{Context, Error, ObjectContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::GateClient;
use crate::inputs::{Ms, Named};
use crate::object::ProbeObjectClient;

/// What a query answers: the same for all who ask with one idempotency key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct QueryResult {
    #[serde(rename = "_id")]
    id: String,
    result: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Query {
    /// How long it takes.
    #[serde(default)]
    ms: u64,
    /// The `Gate` that lets it end.
    gate: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Work {
    /// Resolved with the result.
    awakeable: String,
    query: Query,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Crowd {
    key: String,
    times: u32,
}

pub(crate) struct Clients;

/// Long queries behind a simple call, and many calls at once.
#[holiday_sdk::service]
impl Clients {
    /// Draws an id, has the query worked on under it, and waits for the result.
    async fn query(ctx: Context, input: Query) -> Result<QueryResult, Error> {
        let (awakeable, result) = ctx.awakeable::<QueryResult>();
        QueryWorkClient::new(&ctx, ctx.uuid()).work(&Work { awakeable, query: input }).send()?;
        Ok(result.await?)
    }

    /// Sends many exclusive calls to one `ProbeObject`.
    async fn crowd(ctx: Context, input: Crowd) -> Result<(), Error> {
        let object = ProbeObjectClient::new(&ctx, input.key);
        for _ in 0..input.times {
            object.slow_add(&Ms { ms: 0 }).send()?;
        }
        Ok(())
    }
}

pub(crate) struct QueryWork;

/// Works on a query; the key is its id.
#[holiday_sdk::object]
impl QueryWork {
    /// Notes in the `ProbeObject` named `queries` that it began, takes its time, and resolves the awakeable.
    async fn work(ctx: ObjectContext, input: Work) -> Result<(), Error> {
        let id = ctx.key();
        let begun = Named { name: "begun".into(), value: id.clone().into() };
        ProbeObjectClient::new(&ctx, "queries").append(&begun).await?;
        ctx.sleep(Ms { ms: input.query.ms }.duration()).await?;
        if let Some(gate) = input.query.gate {
            GateClient::new(&ctx, gate).pass().await?;
        }
        Ok(ctx.resolve_awakeable(&input.awakeable, &QueryResult { id, result: "foo".into() })?)
    }
}
