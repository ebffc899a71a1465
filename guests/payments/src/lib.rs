//! The object `payments`: the payments of one trip.

use effects::Subject;
use holiday_api::{Nothing, Payment, PaymentRequest, RunType, rows};
use holiday_sdk::{Error, ObjectContext};
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
        rows::log(&format!("process payment: {trip_id}"), &request);
        let id = ctx.uuid();
        println!("paymentID: {id}");
        if request.run_type == Some(RunType::FailPayment) {
            return Err(Error::terminal("Failed to process payment"));
        }
        let subject = Subject { about: &trip_id, id: &id };
        effects::apply_or_undo(**ctx, "payments.process", "payments.refund", subject).await?;
        let row = Row {
            trip_id,
            id: id.clone(),
            amount: "750.00".into(),
            currency: "USD".into(),
            transaction_status: "confirmed".into(),
        };
        rows::put(ctx, &id, &row, "inserted payment")?;
        Ok(Payment { payment_id: id })
    }

    /// Gives the money back; also answers when there is no such payment.
    async fn refund(ctx: ObjectContext, payment: Payment) -> Result<Nothing, Error> {
        let trip_id = ctx.key();
        rows::log(&format!("refund payment: {trip_id}"), &payment);
        let id = payment.payment_id;
        effects::apply(**ctx, "payments.refund", Subject { about: &trip_id, id: &id }).await?;
        rows::delete(ctx, &id, "deleted payment");
        Ok(Nothing {})
    }
}
