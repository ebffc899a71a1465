//! The object `accounts`: what was paid to one employee.

use effects::Subject;
use holiday_sdk::{Error, ObjectContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Claim {
    pub(crate) report_id: String,
    pub(crate) amount_cents: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Payment {
    pub(crate) payment_id: String,
    pub(crate) amount_cents: u64,
}

pub(crate) struct Accounts;

/// What was paid to one employee; the key is the name.
#[holiday_sdk::object(name = "accounts")]
impl Accounts {
    /// Pays for a report. Private, so that there is no way around an approval.
    #[handler(private)]
    pub(crate) async fn pay(ctx: ObjectContext, claim: Claim) -> Result<Payment, Error> {
        // The same in every attempt: by this id the bank sees that it is asked for one payment.
        let payment = Payment { payment_id: ctx.uuid(), amount_cents: claim.amount_cents };
        let subject = Subject { about: &claim.report_id, id: &payment.payment_id };
        effects::apply(**ctx, "accounts.pay", subject).await?;
        ctx.set(&claim.report_id, &payment)?;
        Ok(payment)
    }
}
