//! The object `payments`: the payments of one trip.

use effects::Subject;
use holiday_api::rows::{Rows, log};
use holiday_api::{Nothing, Payment, PaymentRequest, RunType};
use holiday_sdk::{Error, ObjectContext, Saga};
use serde::Serialize;

holiday_sdk::export!(Payments);

#[derive(Serialize)]
struct Row {
    trip_id: String,
    id: String,
    amount: String,
    currency: String,
    transaction_status: String,
}

struct Payments;

/// The payments of one trip; the key is the trip id.
#[holiday_sdk::object(name = "payments")]
impl Payments {
    /// Takes the money for the trip.
    async fn process(ctx: ObjectContext, request: PaymentRequest) -> Result<Payment, Error> {
        let trip_id = ctx.key();
        log(&format!("process payment: {trip_id}"), &request);
        let id = ctx.uuid();
        println!("paymentID: {id}");
        if request.run_type == Some(RunType::FailPayment) {
            return Err(Error::terminal("Failed to process payment"));
        }
        let row = Row {
            trip_id,
            id: id.clone(),
            amount: "750.00".into(),
            currency: "USD".into(),
            transaction_status: "confirmed".into(),
        };
        let mut saga = Saga::new();
        saga.compensate(async || give_back(ctx, &id).await);
        saga.settle(take(ctx, &row).await).await?;
        Ok(Payment { payment_id: id })
    }

    /// Gives the money back; also answers when there is no such payment.
    async fn refund(ctx: ObjectContext, payment: Payment) -> Result<Nothing, Error> {
        log(&format!("refund payment: {}", ctx.key()), &payment);
        give_back(ctx, &payment.payment_id).await?;
        Ok(Nothing {})
    }
}

fn rows(ctx: ObjectContext) -> Rows {
    Rows::of(ctx, "PAYMENTS_TABLE_NAME")
}

async fn take(ctx: ObjectContext, row: &Row) -> Result<(), Error> {
    effects::apply(**ctx, "payments.process", Subject { about: &row.trip_id, id: &row.id }).await?;
    rows(ctx).put(&row.id, row, "inserted payment").await
}

/// Also does so when it was never taken, or nobody can tell.
async fn give_back(ctx: ObjectContext, id: &str) -> Result<(), Error> {
    effects::undo(**ctx, "payments.refund", Subject { about: &ctx.key(), id }).await?;
    rows(ctx).delete(id, "deleted payment").await
}
