//! The workflow `approvals`: an expense report waits until somebody decides about it, and is paid.
//!
//! Beside it are the object `accounts`, which pays, and the service `batches`, which hands in several reports at once.

mod accounts;
mod batches;

use std::time::Duration;

use effects::Subject;
use holiday_sdk::{Either, Error, SharedWorkflowContext, TerminalError, WorkflowContext, select};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use accounts::{Accounts, AccountsClient, Claim};
use batches::Batches;

holiday_sdk::export!(Approvals, Accounts, Batches);

/// The durable promise that `run` waits for, and that `approve` and `reject` complete.
const DECISION: &str = "decision";

/// What an employee wants to have back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    employee: String,
    purpose: String,
    amount_cents: u64,
    /// Who is asked first.
    approver: String,
    /// How long each who is asked has to decide; a week if it is absent.
    #[serde(default = "a_week")]
    deadline_seconds: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Approval {
    by: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Rejection {
    by: String,
    reason: String,
}

/// How a report ends that was not withdrawn.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    Paid { approved_by: String, payment_id: String },
    Rejected { reason: String },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Status {
    /// Absent before the run has begun.
    report: Option<Report>,
    decision: String,
}

struct Approvals;

/// Expense reports; the workflow id is the report's.
#[holiday_sdk::workflow(name = "approvals")]
impl Approvals {
    /// Asks for a decision, waits for it, and pays if it is an approval.
    async fn run(ctx: WorkflowContext, report: Report) -> Result<Outcome, Error> {
        ctx.set("report", &report)?;
        match decide(ctx, &report).await {
            Ok(Approval { by }) => {
                let claim = Claim { report_id: ctx.key(), amount_cents: report.amount_cents };
                let account = AccountsClient::new(&ctx, &report.employee);
                // What is approved is paid: it is too late to withdraw it.
                let payment = ctx.shielded(account.pay(&claim)).await?;
                Ok(Outcome::Paid { approved_by: by, payment_id: payment.payment_id })
            }
            Err(withdrawn) if withdrawn.is_cancelled() => Err(withdrawn.into()),
            // A rejection is an answer like any other, not a failure of the workflow.
            Err(rejection) => Ok(Outcome::Rejected { reason: rejection.message().to_owned() }),
        }
    }

    /// Approves a report; 409 if it was decided about before.
    async fn approve(ctx: SharedWorkflowContext, approval: Approval) -> Result<(), Error> {
        Ok(ctx.promise(DECISION).resolve(&approval).await?)
    }

    /// Rejects a report; 409 if it was decided about before.
    async fn reject(ctx: SharedWorkflowContext, rejection: Rejection) -> Result<(), Error> {
        let reason = format!("{}: {}", rejection.by, rejection.reason);
        Ok(ctx.promise::<Approval>(DECISION).reject(reason).await?)
    }

    /// Tells where a report stands, without waiting for anything.
    async fn status(ctx: SharedWorkflowContext) -> Result<Status, Error> {
        let decision = match ctx.promise::<Approval>(DECISION).peek().await {
            Ok(None) => match ctx.get::<String>("approver")? {
                Some(approver) => format!("{approver} is asked"),
                None => "nobody is asked yet".to_owned(),
            },
            Ok(Some(approval)) => format!("approved by {}", approval.by),
            Err(rejection) => format!("rejected; {rejection}"),
        };
        Ok(Status { report: ctx.get("report")?, decision })
    }
}

/// Asks one approver after the other, as they are named by the signal `escalate`, until one has decided or let the
/// deadline pass.
async fn decide(ctx: WorkflowContext, report: &Report) -> Result<Approval, TerminalError> {
    let decision = ctx.promise::<Approval>(DECISION);
    let mut decided = decision.get();
    let report_id = ctx.key();
    let mut approver = report.approver.clone();
    let undecided = loop {
        ctx.set("approver", &approver)?;
        let question = Subject { about: &report_id, id: &approver };
        if let Err(withdrawn) = effects::apply(***ctx, "approvals.ask", question).await {
            break withdrawn;
        }
        let deadline = ctx.sleep_named("deadline", Duration::from_secs(report.deadline_seconds.into()));
        match select(&mut decided, select(ctx.signal("escalate"), deadline)).await {
            Either::Left(Err(withdrawn)) if withdrawn.is_cancelled() => break withdrawn,
            Either::Left(decided) => return decided,
            Either::Right(Either::Left(Ok(next))) => approver = next,
            Either::Right(Either::Right(Ok(()))) => {
                break TerminalError::new(format!("{approver} has not decided in time"));
            }
            Either::Right(Either::Left(Err(error)) | Either::Right(Err(error))) => break error,
        }
    };
    // Closes the promise, so that nobody approves in vain: from now on the answer is 409. Somebody may have been faster
    // than the deadline, so what counts is what is in the promise. Also a cancelled run gets as far as this: the shield.
    let withdrawn = undecided.is_cancelled();
    let reason = if withdrawn { "the report was withdrawn" } else { undecided.message() };
    drop(ctx.shielded(decision.reject(reason)).await);
    if withdrawn { Err(undecided) } else { decision.get().await }
}

/// For whom a report names no deadline.
fn a_week() -> u32 {
    7 * 24 * 60 * 60
}
