//! The service `payment`: what the payment provider is asked for.
//!
//! There is no provider to talk to, so an effect is a step that tells the ledger, and the end of the customer's id says
//! what fails. An authorisation that is not used lapses by itself.

use effects::Subject;
use holiday_sdk::{Context, Error, RetryPolicy, Sealed, TerminalError, config};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Order;

/// With which a card is refused.
const REFUSED: u16 = 402;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChargeRequest {
    customer_id: String,
    fare_id: String,
    fare_amount: String,
    cc: Sealed,
    expiry_date: String,
    cvv: Sealed,
    /// Drawn when it is absent. Who names it can ask for a refund also when he has got no answer.
    charge_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Charge {
    customer_id: String,
    fare_id: String,
    fare_amount: String,
    /// Of the authorisation.
    charge_token: String,
    charge_id: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundRequest {
    pub(crate) customer_id: String,
    pub(crate) fare_id: String,
    pub(crate) charge_id: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refund {
    fare_id: String,
    refund_id: String,
    charge_id: String,
}

pub(crate) struct Payment;

/// Charges cards.
#[holiday_sdk::service(name = "payment")]
impl Payment {
    /// Authorises a payment and takes the money; 402 if the card is refused, and then nothing was taken.
    pub(crate) async fn charge(ctx: Context, request: ChargeRequest) -> Result<Charge, Error> {
        let charge_token = format!("tok_{}", ctx.uuid());
        let charge_id = request.charge_id.clone().unwrap_or_else(|| format!("ch_{}", ctx.uuid()));
        ctx.run("payment.authorise", async || {
            request.check_card()?;
            refuse(&request.customer_id, "_fail_auth", "Forced auth transaction failure")?;
            request.tell(ctx, "payment.authorise", &charge_token).await
        })
        .await?;
        ctx.run("payment.charge", async || {
            refuse(&request.customer_id, "_fail_charge", "Forced charge transaction failure")?;
            request.tell(ctx, "payment.charge", &charge_id).await
        })
        .await?;
        let ChargeRequest { customer_id, fare_id, fare_amount, .. } = request;
        Ok(Charge { customer_id, fare_id, fare_amount, charge_token, charge_id })
    }

    /// Gives back what was charged; asked again, it is the same refund. It also answers when there was no such charge.
    #[handler(retry(initial_interval = "500ms", factor = 2, max_attempts = 4, then = "fail"))]
    pub(crate) async fn refund(ctx: Context, request: RefundRequest) -> Result<Refund, Error> {
        Ok(refund(ctx, &request, None).await?)
    }
}

/// Whether a charge that failed with this has taken nothing.
pub(crate) fn is_refusal(error: &TerminalError) -> bool {
    matches!(error.code(), 400 | REFUSED)
}

/// Has the provider give back a charge, in a step that is retried as said, or else as its handler says.
pub(crate) async fn refund(
    ctx: Context,
    request: &RefundRequest,
    retry: Option<RetryPolicy>,
) -> Result<Refund, TerminalError> {
    let RefundRequest { customer_id, fare_id, charge_id } = request;
    let step = ctx
        .run("payment.refund", async || {
            // Variables are read here, because they may be others when an operator has it tried again.
            if is_listed("REFUNDS_SETTLED_BY_HAND", charge_id) {
                println!("Refund settled by hand: {charge_id}");
                return Ok(());
            }
            let is_broken = config("FORCED_REFUND_FAILURES").is_none_or(|value| value != "off");
            if is_broken && customer_id.ends_with("_fail_refund") {
                return Err(Error::retryable("Forced refund transaction failure"));
            }
            let subject = Subject { about: fare_id, id: charge_id };
            effects::tell_ledger(ctx.info().invocation_id, "payment.refund", subject).await
        })
        .insist();
    match retry {
        Some(policy) => step.retry(policy).await?,
        None => step.await?,
    }
    // There is one refund of a charge, so its id is that of the charge.
    let refund_id = format!("re_{}", charge_id.trim_start_matches("ch_"));
    Ok(Refund { fare_id: fare_id.clone(), refund_id, charge_id: charge_id.clone() })
}

impl ChargeRequest {
    pub(crate) fn of(order: Order, charge_id: &str) -> Self {
        let Order { customer_id, fare_id, fare_amount, cc, expiry_date, cvv } = order;
        let charge_id = Some(charge_id.to_owned());
        Self { customer_id, fare_id, fare_amount, cc, expiry_date, cvv, charge_id }
    }

    /// Looks at the card as the provider does. What is wrong is named, and not shown.
    fn check_card(&self) -> Result<(), Error> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text.len());
        let cc: String = self.cc.reveal()?.split([' ', '-']).collect();
        let wrong = match (digits(&cc), self.expiry_date.split_once('/'), digits(&self.cvv.reveal()?)) {
            (Some(12..=19), Some((month, year)), Some(3 | 4))
                if is_month(month) && digits(year) == Some(2) =>
            {
                return Ok(());
            }
            (Some(12..=19), _, Some(3 | 4)) => "`expiryDate` is no month and year, such as '12/22'",
            (Some(12..=19), ..) => "`cvv` has not 3 or 4 digits",
            _ => "`cc` has not 12 to 19 digits",
        };
        Err(TerminalError::new(wrong).with_code(400).into())
    }

    async fn tell(&self, ctx: Context, effect: &str, id: &str) -> Result<(), Error> {
        let subject = Subject { about: &self.fare_id, id };
        effects::tell_ledger(ctx.info().invocation_id, effect, subject).await
    }
}

fn is_month(text: &str) -> bool {
    text.len() == 2 && matches!(text.parse(), Ok(1..=12_u8))
}

/// Refuses a customer whose id says so.
fn refuse(customer_id: &str, suffix: &str, text: &str) -> Result<(), TerminalError> {
    match customer_id.ends_with(suffix) {
        true => Err(TerminalError::new(text).with_code(REFUSED)),
        false => Ok(()),
    }
}

/// Whether a variable lists a value, with commas between them.
fn is_listed(variable: &str, value: &str) -> bool {
    config(variable).is_some_and(|list| list.split(',').any(|it| it.trim() == value))
}
