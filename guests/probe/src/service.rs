//! The service `Probe`.

use std::time::Duration;

use holiday_sdk::{Context, DurableExt, Error, RetryPolicy, TerminalError, http};
use serde_json::{Value, json};

use crate::entropy::Samples;
use crate::hostile;
use crate::inputs::{
    AwakeableInput, CallOrSleep, Compensate, Completion, FailTimes, Failing, Fetch, Fetched, InvocationId,
    Ms, Name, Named, Outgoing, Winner,
};
use crate::object::ProbeObjectClient;
use crate::together;

pub(crate) struct Probe;

/// One handler per thing that a handler may do.
#[holiday_sdk::service]
impl Probe {
    /// Answers with its input.
    pub(crate) async fn echo(_: Context, input: Value) -> Result<Value, Error> {
        Ok(input)
    }

    /// Answers with nothing.
    pub(crate) async fn nothing(_: Context) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) async fn fail_terminal(_: Context, input: Failing) -> Result<(), Error> {
        if !(400..=599).contains(&input.code) {
            return Err(TerminalError::new(format!("{} is not an HTTP error status", input.code))
                .with_code(400)
                .into());
        }
        Err(TerminalError::new(input.message).with_code(input.code).into())
    }

    async fn fail_retryable(_: Context, message: String) -> Result<(), Error> {
        Err(Error::retryable(message))
    }

    /// Takes a step that fails retryably until `EFFECTS_URL` answers with 2xx.
    async fn fail_times(ctx: Context, input: FailTimes) -> Result<u16, Error> {
        let url =
            holiday_sdk::config("EFFECTS_URL").ok_or_else(|| Error::terminal("EFFECTS_URL is not set"))?;
        let id = ctx.info().invocation_id;
        let mut policy = RetryPolicy::exponential(Duration::from_millis(input.interval_ms), 2.0);
        if let Some(attempts) = input.max_attempts {
            policy = policy.max_attempts(attempts);
        }
        let step = ctx.run("fail_times", async || {
            let effect = json!({ "effect": "probe.fail_times", "invocation_id": id });
            Ok(http::post(&url).json(&effect).send().await?.error_for_status()?.status())
        });
        Ok(step.retry(policy).await?)
    }

    /// Takes a step that has to succeed in the end: it is tried twice, and then by an operator's leave.
    async fn pay_in_the_end(ctx: Context) -> Result<u16, Error> {
        let policy = RetryPolicy::fixed(Duration::from_millis(1)).max_attempts(2).pause_when_exhausted();
        pay(ctx, Some(policy)).await
    }

    /// Gives two steps up: one that is being executed, and one that has failed and is to be tried again. Then it sleeps
    /// for longer than that would take.
    async fn give_up(ctx: Context) -> Result<(bool, bool), Error> {
        together::give_up(ctx).await
    }

    /// Takes a step that only logs.
    async fn run_once(ctx: Context) -> Result<String, Error> {
        let step = ctx.run("once", async || {
            println!("the closure is executed");
            Ok("done".to_owned())
        });
        Ok(step.await?)
    }

    /// Takes a step that fails for good.
    async fn run_terminal(ctx: Context, message: String) -> Result<(), Error> {
        Ok(ctx.run("terminal", async || Err(Error::terminal(message))).await?)
    }

    async fn run_http(ctx: Context, input: Fetch) -> Result<Fetched, Error> {
        Ok(ctx.run("http", async || fetch(input).await).await?)
    }

    /// Fails: `wasi:http` works in a `run` only.
    async fn http_outside_run(_: Context, input: Fetch) -> Result<Fetched, Error> {
        fetch(input).await
    }

    /// Sleeps and answers with the milliseconds.
    pub(crate) async fn sleep(ctx: Context, input: Ms) -> Result<u64, Error> {
        ctx.sleep(input.duration()).await?;
        Ok(input.ms)
    }

    async fn call(ctx: Context, input: Outgoing) -> Result<Value, Error> {
        let mut call = ctx.call(input.target.into(), &input.input);
        for (name, value) in input.headers {
            call = call.header(name, value);
        }
        if let Some(key) = input.idempotency_key {
            call = call.idempotency_key(key);
        }
        Ok(call.await?)
    }

    async fn send(ctx: Context, input: Outgoing) -> Result<InvocationId, Error> {
        let mut call = ctx.call::<_, ()>(input.target.into(), &input.input);
        for (name, value) in input.headers {
            call = call.header(name, value);
        }
        if let Some(key) = input.idempotency_key {
            call = call.idempotency_key(key);
        }
        let sent = match input.delay_ms {
            Some(ms) => call.send_after(Duration::from_millis(ms))?,
            None => call.send()?,
        };
        Ok(InvocationId { invocation_id: sent.id().to_owned() })
    }

    /// Calls and waits 20 ms at most; fails with 408 when the call takes longer.
    async fn call_timeout(ctx: Context, input: Outgoing) -> Result<Value, Error> {
        let call = ctx.call(input.target.into(), &input.input);
        Ok(call.timeout(Duration::from_millis(20)).await?)
    }

    /// Logs `awakeable: <id>` and answers with what it is resolved with.
    async fn awakeable(ctx: Context, input: AwakeableInput) -> Result<Value, Error> {
        let (id, answer) = ctx.awakeable::<Value>();
        println!("awakeable: {id}");
        if let Some(key) = input.publish_to {
            let item = Named { name: "awakeables".into(), value: id.into() };
            ProbeObjectClient::new(&ctx, key).append(&item).await?;
        }
        Ok(answer.await?)
    }

    /// Answers with the value of a signal.
    async fn signal(ctx: Context, input: Name) -> Result<Value, Error> {
        Ok(ctx.signal(&input.name).await?)
    }

    async fn complete_awakeable(ctx: Context, input: Completion) -> Result<(), Error> {
        match input.error {
            Some(error) => Ok(ctx.reject_awakeable(&input.id, error)?),
            None => Ok(ctx.resolve_awakeable(&input.id, &input.value)?),
        }
    }

    async fn cancel(ctx: Context, input: InvocationId) -> Result<(), Error> {
        ctx.invocation(&input.invocation_id)?.cancel();
        Ok(())
    }

    /// Answers with what the host says about this invocation.
    pub(crate) async fn invocation(ctx: Context) -> Result<Value, Error> {
        let it = ctx.info();
        let created_at_ms = it.created_at.duration_since(std::time::UNIX_EPOCH)?.as_millis();
        Ok(json!({
            "id": it.invocation_id,
            "service": it.service,
            "key": it.key,
            "handler": it.handler,
            "headers": it.headers,
            "idempotency_key": it.idempotency_key,
            "created_at_ms": u64::try_from(created_at_ms)?,
        }))
    }

    /// Answers with a setting of the deployment.
    async fn read_env(_: Context, input: Name) -> Result<Option<String>, Error> {
        Ok(holiday_sdk::config(&input.name))
    }

    /// Logs a line to stdout and one to stderr.
    async fn log(_: Context, line: String) -> Result<(), Error> {
        println!("{line}");
        eprintln!("{line}");
        Ok(())
    }

    /// Calls `sleep` three times at once and answers with all results, in order.
    async fn join3(ctx: Context, input: [u64; 3]) -> Result<[u64; 3], Error> {
        together::join3(ctx, input).await
    }

    /// Races a call against a timer.
    async fn select_call_sleep(ctx: Context, input: CallOrSleep) -> Result<Winner, Error> {
        together::select_call_sleep(ctx, input).await
    }

    /// Fetches the same URL in two steps at once.
    async fn overlap_runs(ctx: Context, input: Fetch) -> Result<[Fetched; 2], Error> {
        together::overlap_runs(ctx, input.url).await
    }

    /// Does steps on a `ProbeObject`, and undoes them when one fails.
    async fn compensate(ctx: Context, input: Compensate) -> Result<u32, Error> {
        together::compensate(ctx, input).await
    }

    /// Like `compensate`, but sleeps half a second between two steps if nothing else is asked.
    async fn slow_saga(ctx: Context, input: Compensate) -> Result<u32, Error> {
        let pause_ms = if input.pause_ms == 0 { 500 } else { input.pause_ms };
        together::compensate(ctx, Compensate { pause_ms, ..input }).await
    }

    /// Asks for other commands when `PROBE_VARIANT` is `b`.
    async fn nondeterministic(ctx: Context) -> Result<String, Error> {
        let variant = holiday_sdk::config("PROBE_VARIANT").unwrap_or_else(|| "a".into());
        if variant == "b" {
            ctx.sleep(Duration::from_millis(1)).await?;
        } else {
            ctx.run("variant a", async || Ok(())).await?;
        }
        ctx.sleep(Duration::from_millis(500)).await?;
        Ok(variant)
    }

    /// Answers with all that could differ between two attempts, sampled before and after a step and a sleep.
    async fn entropy(ctx: Context) -> Result<Samples, Error> {
        let mut samples = Samples::new();
        samples.take(ctx).await?;
        samples.take(ctx).await?;
        ctx.sleep(Duration::from_millis(300)).await?;
        samples.take(ctx).await?;
        Ok(samples)
    }

    /// Never ends.
    async fn spin(_: Context) -> Result<(), Error> {
        hostile::spin()
    }

    /// Allocates until it dies.
    async fn eat_memory(_: Context) -> Result<(), Error> {
        hostile::eat_memory()
    }

    /// Overflows the stack.
    async fn deep_recursion(_: Context) -> Result<u64, Error> {
        Ok(hostile::deep_recursion(1))
    }

    async fn panic(_: Context, message: String) -> Result<(), Error> {
        panic!("{message}")
    }
}

pub(crate) async fn pay(ctx: Context, policy: Option<RetryPolicy>) -> Result<u16, Error> {
    let url = holiday_sdk::config("EFFECTS_URL").ok_or_else(|| Error::terminal("EFFECTS_URL is not set"))?;
    let step = ctx.run("pay", async || Ok(http::post(&url).send().await?.error_for_status()?.status()));
    Ok(match policy {
        Some(policy) => step.retry(policy).await?,
        None => step.await?,
    })
}

async fn fetch(input: Fetch) -> Result<Fetched, Error> {
    let mut request = http::Request::new(input.method.unwrap_or_else(|| "GET".into()), input.url);
    if let Some(body) = &input.body {
        request = request.json(body);
    }
    let response = request.send().await?;
    Ok(Fetched { status: response.status(), body: response.text()? })
}
