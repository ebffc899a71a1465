//! The service `accounting`: the accounts of customers.

use effects::Subject;
use holiday_sdk::{Context, Error};

use crate::fares::Fare;

pub(crate) struct Accounting;

/// Keeps the accounts of customers.
#[holiday_sdk::service(name = "accounting")]
impl Accounting {
    /// Credits a fare that was paid for; asked again for the same fare, it is the same credit. When it fails, nothing is
    /// credited.
    pub(crate) async fn credit(ctx: Context, fare: Fare) -> Result<Fare, Error> {
        let Fare { customer_id, fare_id, .. } = &fare;
        if ["_fail_credit", "_fail_credit_fail_refund"].iter().any(|suffix| customer_id.ends_with(suffix)) {
            return Err(Error::terminal("Forced account credit transaction failure"));
        }
        let subject = Subject { about: fare_id, id: customer_id };
        effects::apply_or_undo(ctx, "accounting.credit", "accounting.reverse", subject).await?;
        Ok(fare)
    }
}
