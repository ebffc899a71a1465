//! The workflow `FareCollection`: a fare is charged to a card and credited to the customer's account, or neither.
//!
//! Beside it are those who take part: the object `fares`, which holds the row of a fare, the services `payment` and
//! `accounting`, and the objects `notifications` and `topics`. The number and the code of a card go to the payment provider
//! and nowhere else.

mod accounting;
mod fares;
mod notifications;
mod payment;

use std::cell::Cell;
use std::time::Duration;

use holiday_sdk::{Context, Error, RetryPolicy, Saga, Sealed, TerminalError, WorkflowContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use accounting::{Accounting, AccountingClient};
use fares::{Fare, FareStatus, Fares, FaresClient};
use notifications::{Notification, Notifications, NotificationsClient, Topics};
use payment::{ChargeRequest, Payment, PaymentClient, RefundRequest};

holiday_sdk::export!(FareCollection, Fares, Payment, Accounting, Notifications, Topics);

/// The letters of an id. A queue of notifications is one value of the state, so what is in it is bounded.
const ID_LENGTH_MAX: usize = 100;

/// What a customer owes for a ride, and the card that pays for it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    #[schemars(length(min = 1, max = ID_LENGTH_MAX))]
    customer_id: String,
    /// The workflow's key.
    #[schemars(length(min = 1, max = ID_LENGTH_MAX))]
    fare_id: String,
    /// Dollars and cents, such as `$20.00`, and not nothing.
    #[schemars(regex(pattern = r"^\$(0\.(0[1-9]|[1-9][0-9])|[1-9][0-9]{0,6}\.[0-9]{2})$"))]
    fare_amount: String,
    /// The number of the card. It is in no journal: only the step that needs it can read it.
    cc: Sealed,
    /// Month and year, such as `12/22`.
    expiry_date: String,
    cvv: Sealed,
}

/// A fare that was collected.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Collected {
    #[serde(flatten)]
    fare: Fare,
    fare_status: FareStatus,
    charge_id: String,
}

struct FareCollection;

/// Collects fares; the workflow id is the fare's.
#[holiday_sdk::workflow(name = "FareCollection")]
impl FareCollection {
    /// Charges the card and credits the account; what was charged is given back when the credit fails.
    async fn run(ctx: WorkflowContext, order: Order) -> Result<Collected, Error> {
        order.check(&ctx.key())?;
        let fare = order.fare();
        // Not to be cancelled half way: whoever is registered is told in the end how it went.
        ctx.shielded(FaresClient::new(&ctx, &fare.fare_id).register(&fare)).await?;
        println!("Fare registered: {}", fare.fare_id);
        let collection = Collection {
            ctx: ***ctx,
            fare,
            // Drawn before the charge, so that a charge whose answer never comes can be given back.
            charge_id: format!("ch_{}", ctx.uuid()),
            is_refused: Cell::new(false),
        };
        let mut saga = Saga::new();
        match collection.collect(order, &mut saga).await {
            Ok(()) => Ok(collection.complete().await),
            Err(error) => Err(collection.give_up(saga, error).await),
        }
    }
}

impl Order {
    /// What the schema says to callers from outside, and what it cannot say: that the fare is the one of the key.
    fn check(&self, key: &str) -> Result<(), TerminalError> {
        let Self { customer_id, fare_id, fare_amount, .. } = self;
        let wrong = |text: String| Err(TerminalError::new(text).with_code(400));
        for (name, id) in [("customerId", customer_id), ("fareId", fare_id)] {
            let length = id.chars().count();
            if !(1..=ID_LENGTH_MAX).contains(&length) {
                return wrong(format!("`{name}` has {length} letters; it has 1 to {ID_LENGTH_MAX}"));
            }
        }
        if fare_id != key {
            return wrong(format!(
                "`fareId` is '{fare_id}', but the workflow's key is '{key}'; make them one"
            ));
        }
        if !is_amount(fare_amount) {
            return wrong(format!(
                "`fareAmount` is '{fare_amount}'; write dollars and cents, such as '$20.00', from '$0.01' up to \
                 '$9999999.99'"
            ));
        }
        Ok(())
    }

    fn fare(&self) -> Fare {
        let Self { customer_id, fare_id, fare_amount, .. } = self;
        Fare { customer_id: customer_id.clone(), fare_id: fare_id.clone(), fare_amount: fare_amount.clone() }
    }
}

/// Whether it is such as `$20.00`, and not nothing.
fn is_amount(text: &str) -> bool {
    let Some((dollars, cents)) = text.strip_prefix('$').and_then(|text| text.split_once('.')) else {
        return false;
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_well_formed = matches!(dollars.len(), 1..=7) && cents.len() == 2;
    let is_short = dollars == "0" || !dollars.starts_with('0');
    is_well_formed && is_short && is_number(dollars) && is_number(cents) && (dollars, cents) != ("0", "00")
}

/// One fare on its way.
struct Collection {
    ctx: Context,
    fare: Fare,
    charge_id: String,
    /// The card was refused, so there is nothing to give back.
    is_refused: Cell<bool>,
}

impl Collection {
    async fn collect<'a>(&'a self, order: Order, saga: &mut Saga<'a>) -> Result<(), Error> {
        let Self { ctx, fare, charge_id, is_refused } = self;
        // Before the charge: one that is interrupted may have taken place, or not.
        saga.compensate(async || self.refund().await);
        let charged = PaymentClient::new(ctx).charge(&ChargeRequest::of(order, charge_id)).await;
        is_refused.set(charged.as_ref().is_err_and(payment::is_refusal));
        charged?;
        println!("Fare charged: {charge_id}");
        AccountingClient::new(ctx).credit(fare).await?;
        println!("Customer account credited: {}", fare.customer_id);
        Ok(())
    }

    /// Gives back what was charged, if anything was. It waits for an operator rather than end without having done so.
    async fn refund(&self) -> Result<(), Error> {
        let Self { ctx, fare, charge_id, is_refused } = self;
        if is_refused.get() {
            return Ok(());
        }
        let request = RefundRequest {
            customer_id: fare.customer_id.clone(),
            fare_id: fare.fare_id.clone(),
            charge_id: charge_id.clone(),
        };
        if let Err(error) = PaymentClient::new(ctx).refund(&request).await {
            eprintln!("The charge {charge_id} is not refunded, and waits for an operator: {error}");
            let once = RetryPolicy::fixed(Duration::from_secs(1)).max_attempts(1).pause_when_exhausted();
            payment::refund(*ctx, &request, Some(once)).await?;
        }
        println!("Charge refunded: {charge_id}");
        Ok(())
    }

    async fn complete(&self) -> Collected {
        // What is credited is collected: it is too late to cancel it.
        self.ctx.shielded(self.tell(FareStatus::Completed, None)).await;
        let fare_status = FareStatus::Completed;
        Collected { fare: self.fare.clone(), fare_status, charge_id: self.charge_id.clone() }
    }

    /// Undoes what was done and tells of it. A retryable error leaves all as it is.
    async fn give_up(&self, saga: Saga<'_>, error: Error) -> Error {
        match saga.undo(error).await {
            Ok(undone) => {
                let reason = undone.cause.message().to_owned();
                // Also somebody who cancels the fare just now is to be told.
                self.ctx.shielded(self.tell(FareStatus::Failed, Some(reason))).await;
                undone.cause.into()
            }
            Err(retryable) => retryable,
        }
    }

    /// Sets the status of the fare and notifies of it. How the fare has ended does not change with that.
    async fn tell(&self, status: FareStatus, reason: Option<String>) {
        let Self { ctx, fare, .. } = self;
        println!("Fare {status}: {}", fare.fare_id);
        if let Err(error) = FaresClient::new(ctx, &fare.fare_id).set_status(&status).await {
            eprintln!("The row of the fare does not say that it is {status}: {error}");
        }
        let notification = Notification { fare: fare.clone(), fare_status: status, reason };
        if let Err(error) = NotificationsClient::new(ctx, "fares").publish(&notification).await {
            eprintln!("Nobody was told that the fare is {status}: {error}");
        }
    }
}
