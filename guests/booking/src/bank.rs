//! The bank: takes money and gives it back, by the id of the payment, which the client has drawn.
//!
//! There is no bank to talk to, so what it answers follows the card; what it does goes to the ledger.

use std::time::Duration;

use effects::Subject;
use holiday_sdk::{Context, Error, Sealed, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The card that is always refused.
const REFUSED_CARD: &str = "4111111111111111";

/// How often any other card meets a bank that is out of order.
const FAILURES: u32 = 2;

/// How long the bank is left alone after its first failure; twice as long after the next one.
const PAUSE_MS: u64 = 100;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentInfo {
    card_number: Sealed,
    amount: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) trip_id: String,
    /// By this id the bank sees that it is asked for one payment, however often.
    pub(crate) id: String,
}

impl Payment {
    fn subject(&self) -> Subject<'_> {
        Subject { about: &self.trip_id, id: &self.id }
    }
}

/// What came of asking the bank for money, unless it has refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Charge {
    Accepted,
    Failed,
}

/// Takes the money; asks again while the bank is out of order.
pub(crate) async fn charge(ctx: Context, payment: &Payment, info: &PaymentInfo) -> Result<(), TerminalError> {
    let mut failures = 0;
    loop {
        // Each time is a step of its own. So the journal tells how often the bank has failed, also after a crash.
        let asked = ctx.run("payments.charge", async || ask(ctx, payment, info, failures).await);
        match asked.await? {
            Charge::Accepted => return Ok(()),
            Charge::Failed => ctx.sleep(Duration::from_millis(PAUSE_MS << failures)).await?,
        }
        failures += 1;
    }
}

/// Asks for the money once; the bank has failed so often before.
async fn ask(ctx: Context, payment: &Payment, info: &PaymentInfo, failures: u32) -> Result<Charge, Error> {
    if info.card_number.reveal()? == REFUSED_CARD {
        let refusal = "This payment should never be accepted! Aborting booking.";
        eprintln!("{refusal}");
        return Err(TerminalError::new(refusal).with_code(402).into());
    }
    if failures < FAILURES {
        eprintln!("A payment failure happened! Will retry...");
        return Ok(Charge::Failed);
    }
    effects::tell_ledger(ctx.info().invocation_id, "payments.charge", payment.subject()).await?;
    Ok(Charge::Accepted)
}

/// Gives the money back; the bank also takes this for a payment that it knows nothing of.
pub(crate) async fn refund(ctx: Context, payment: &Payment) -> Result<(), Error> {
    effects::undo(ctx, "payments.refund", payment.subject()).await?;
    println!("Refunded payment: {}", payment.id);
    Ok(())
}
