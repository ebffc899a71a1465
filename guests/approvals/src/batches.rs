//! The service `batches`: several reports at once, all of which are to be approved.

use std::collections::BTreeMap;

use holiday_sdk::{Context, Error, Invocation, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ApprovalsClient, Outcome, Report};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Entry {
    id: String,
    report: Report,
}

pub(crate) struct Batches;

/// Several reports at once.
#[holiday_sdk::service(name = "batches")]
impl Batches {
    /// Hands in reports and tells how each has ended; when one is rejected, those that are still open are withdrawn.
    async fn submit(ctx: Context, entries: Vec<Entry>) -> Result<BTreeMap<String, String>, Error> {
        let mut runs = Vec::new();
        for Entry { id, report } in &entries {
            runs.push(ApprovalsClient::new(&ctx, id).run(report).send()?);
        }
        let outcomes = join_all(runs.iter().map(|run| settle(run, &runs))).await;
        Ok(entries.into_iter().map(|entry| entry.id).zip(outcomes).collect())
    }
}

/// Waits for the end of one run, and cancels the others if it is a rejection.
async fn settle(run: &Invocation<Outcome>, all: &[Invocation<Outcome>]) -> String {
    match run.attach().await {
        Ok(Outcome::Paid { payment_id, .. }) => format!("paid: {payment_id}"),
        Ok(Outcome::Rejected { reason }) => {
            // What has ended already is not changed by that.
            all.iter().for_each(Invocation::cancel);
            format!("rejected; {reason}")
        }
        Err(withdrawn) if withdrawn.is_cancelled() => "withdrawn".to_owned(),
        Err(failed) => format!("failed; {failed}"),
    }
}
