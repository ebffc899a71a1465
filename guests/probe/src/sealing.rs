//! Sealed fields: where they stand in an input, where they go, and who gets to know them.
//!
//! A handler proves that it knows a secret by its length and its hash, as a test computes them.

use std::collections::BTreeMap;

use holiday_sdk::{
    Context, Error, ObjectContext, Sealed, SharedContext, SharedWorkflowContext, WorkflowContext,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::GateClient;

/// Secrets wherever an input may have them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Secrets {
    card: Sealed,
    #[schemars(length(min = 4))]
    pin: Option<Sealed>,
    #[serde(default)]
    others: Vec<Sealed>,
    #[serde(default)]
    by_name: BTreeMap<String, Sealed>,
    means: Option<Means>,
    inner: Option<Box<Secrets>>,
    /// Left open.
    note: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Means {
    Account { number: Sealed },
    Cash,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Errand {
    secrets: Secrets,
    /// The id of a `Gate`, and of a `SealingObject`.
    key: String,
}

/// What shows that somebody knows a secret.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Known {
    length: usize,
    hash: String,
}

impl Secrets {
    /// All secrets, in the order of the fields.
    fn all(&self) -> Vec<&Sealed> {
        let means = match &self.means {
            Some(Means::Account { number }) => Some(number),
            Some(Means::Cash) | None => None,
        };
        let own = [Some(&self.card), self.pin.as_ref()].into_iter().flatten();
        let own = own.chain(&self.others).chain(self.by_name.values()).chain(means);
        own.chain(self.inner.iter().flat_map(|inner| inner.all())).collect()
    }

    async fn known(&self, ctx: Context) -> Result<Vec<Known>, Error> {
        let known = ctx.run("reveal", async || {
            let secrets: Vec<String> =
                self.all().into_iter().map(Sealed::reveal).collect::<Result<_, _>>()?;
            Ok(secrets.iter().map(|secret| known(secret)).collect::<Vec<_>>())
        });
        Ok(known.await?)
    }
}

fn known(secret: &str) -> Known {
    Known { length: secret.len(), hash: format!("{:016x}", fnv(secret)) }
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(crate) struct Sealing;

#[holiday_sdk::service]
impl Sealing {
    /// Tells what it knows of the secrets, from within a step.
    pub(crate) async fn reveal(ctx: Context, secrets: Secrets) -> Result<Vec<Known>, Error> {
        println!("got {secrets:?} and {}", secrets.card);
        secrets.known(ctx).await
    }

    /// Does not get to know them: it asks outside of a step.
    async fn reveal_outside(_: Context, secrets: Secrets) -> Result<Vec<Known>, Error> {
        let secrets: Vec<String> = secrets.all().into_iter().map(Sealed::reveal).collect::<Result<_, _>>()?;
        Ok(secrets.iter().map(|secret| known(secret)).collect())
    }

    /// Answers with what it got.
    async fn give_back(_: Context, secrets: Secrets) -> Result<Secrets, Error> {
        Ok(secrets)
    }

    /// Takes one secret and nothing else.
    async fn reveal_one(ctx: Context, secret: Sealed) -> Result<Known, Error> {
        Ok(ctx.run("reveal", async || Ok(known(&secret.reveal()?))).await?)
    }

    /// Has a `SealingObject` keep the secrets, waits at the gate, and asks the object and another service what they know.
    async fn pass_on(ctx: Context, errand: Errand) -> Result<(Vec<Known>, Vec<Known>), Error> {
        let object = SealingObjectClient::new(&ctx, &errand.key);
        object.keep(&errand.secrets).await?;
        GateClient::new(&ctx, &errand.key).pass().await?;
        let kept = object.reveal_kept().await?;
        Ok((kept, SealingClient::new(&ctx).reveal(&errand.secrets).await?))
    }

    /// Has another handler reveal a text that was never sealed.
    async fn call_with_open_text(ctx: Context, text: String) -> Result<Known, Error> {
        let target = holiday_sdk::Target::service("Sealing", "reveal_one");
        Ok(ctx.call(target, &Value::from(text)).await?)
    }
}

pub(crate) struct SealingObject;

#[holiday_sdk::object]
impl SealingObject {
    pub(crate) async fn keep(ctx: ObjectContext, secrets: Secrets) -> Result<(), Error> {
        Ok(ctx.set("secrets", &secrets)?)
    }

    pub(crate) async fn reveal_kept(ctx: ObjectContext) -> Result<Vec<Known>, Error> {
        match ctx.get::<Secrets>("secrets")? {
            Some(secrets) => secrets.known(**ctx).await,
            None => Ok(Vec::new()),
        }
    }

    /// Answers with what is kept.
    #[handler(shared)]
    async fn peek(ctx: SharedContext) -> Result<Option<Secrets>, Error> {
        Ok(ctx.get("secrets")?)
    }
}

pub(crate) struct SealingWorkflow;

#[holiday_sdk::workflow]
impl SealingWorkflow {
    /// Keeps the secrets, and tells what it knows of them when it is let go on.
    async fn run(ctx: WorkflowContext, secrets: Secrets) -> Result<Vec<Known>, Error> {
        ctx.set("secrets", &secrets)?;
        ctx.promise::<bool>("go on").get().await?;
        secrets.known(***ctx).await
    }

    async fn go_on(ctx: SharedWorkflowContext) -> Result<(), Error> {
        Ok(ctx.promise("go on").resolve(&true).await?)
    }
}
