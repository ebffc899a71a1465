//! Small services to measure the host with.

use std::time::Duration;

use holiday_sdk::{Context, Error, ObjectContext, TerminalError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

holiday_sdk::export!(Bench, Counter, SagaSvc, Saga, Leg);

struct Bench;

/// One handler per thing to measure.
#[holiday_sdk::service]
impl Bench {
    /// Answers at once: the cost of an invocation.
    async fn greet(_: Context, name: String) -> Result<String, Error> {
        Ok(format!("Hello, {name}!"))
    }

    /// Takes one step: the cost of an invocation that touches the world.
    async fn step1(ctx: Context) -> Result<u32, Error> {
        Ok(ctx.run("step", async || Ok(1)).await?)
    }

    /// Takes ten steps, one after the other.
    async fn steps(ctx: Context) -> Result<Steps, Error> {
        let mut sum = 0;
        for step in 1..=10 {
            sum += ctx.run("step", async || Ok(step)).await?;
        }
        Ok(Steps { sum, steps: 10 })
    }

    /// Sleeps for some milliseconds.
    async fn sleep(ctx: Context, ms: u64) -> Result<String, Error> {
        ctx.sleep(Duration::from_millis(ms)).await?;
        Ok("slept".into())
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Steps {
    sum: u32,
    steps: u32,
}

struct Counter;

/// A number per key.
#[holiday_sdk::object]
impl Counter {
    /// Adds to the number and answers with the new one.
    async fn add(ctx: ObjectContext, n: i64) -> Result<i64, Error> {
        let count = ctx.get("count")?.unwrap_or(0) + n;
        ctx.set("count", &count)?;
        Ok(count)
    }
}

struct SagaSvc;

/// A trip of six calls.
#[holiday_sdk::service]
impl SagaSvc {
    /// Calls the six legs of a trip, one after the other.
    async fn run(ctx: Context, trip_id: String) -> Result<u32, Error> {
        Ok(six_legs(ctx, &trip_id).await?)
    }
}

struct Saga;

/// A trip of six calls, one trip at a time per key.
#[holiday_sdk::object]
impl Saga {
    /// Calls the six legs of a trip, one after the other.
    async fn run(ctx: ObjectContext, trip_id: String) -> Result<u32, Error> {
        Ok(six_legs(**ctx, &trip_id).await?)
    }
}

/// Returns how many legs answered.
async fn six_legs(ctx: Context, trip_id: &str) -> Result<u32, TerminalError> {
    let leg = LegClient::new(&ctx);
    Ok(leg.reserve_flight(trip_id).await?
        + leg.reserve_car(trip_id).await?
        + leg.pay(trip_id).await?
        + leg.confirm_flight(trip_id).await?
        + leg.confirm_car(trip_id).await?
        + leg.notify(trip_id).await?)
}

struct Leg;

/// What a trip calls; each answers at once.
#[holiday_sdk::service]
impl Leg {
    async fn reserve_flight(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }

    async fn reserve_car(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }

    async fn pay(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }

    async fn confirm_flight(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }

    async fn confirm_car(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }

    async fn notify(_: Context, _trip_id: String) -> Result<u32, Error> {
        Ok(1)
    }
}
