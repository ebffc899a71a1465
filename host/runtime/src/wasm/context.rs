//! The functions a running handler may call: each asks the [`Attempt`](holiday_core::attempt::Attempt).
//!
//! `run` waits until its cause is durable. `wait` is where an attempt keeps its instance for a moment or
//! gives it back. Before either blocks, all that the handler asked for is recorded.

use std::time::Duration;

use holiday_core::attempt::{Blocked, News, Op, Step};
use holiday_core::error::ErrorCode;
use holiday_core::id::{EntryIndex, MalformedId};
use holiday_core::journal::{Call, Send};
use tokio::time::{Instant, timeout_at};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_io::bindings::wasi::io::poll::Host as _;
use wasmtime_wasi_io::poll::DynPollable;

use super::bindings::holiday::durable::context::{self, Ready, RunStep};
use super::bindings::holiday::durable::types;
use super::convert;
use super::limits::CROWD_CHECK_MS;
use super::sandbox::Sandbox;
use super::stop::Stop;

/// A durable operation whose answer the guest may wait for.
#[derive(Clone, Copy, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Pending {
    command: EntryIndex,
    /// Whether its answer can be expected while the instance is kept.
    is_soon: bool,
    /// Whether it is a step, which is given up when nobody asks for its answer any more.
    is_run: bool,
}

/// The right to execute the closure of one step.
#[derive(Clone, Copy, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct RunToken(EntryIndex);

impl types::Host for Sandbox {}

impl context::Host for Sandbox {
    fn call(
        &mut self,
        to: types::Target,
        input: Vec<u8>,
        options: context::CallOptions,
    ) -> Result<context::CallHandle> {
        let call = Call {
            target: to.into(),
            input: input.into(),
            headers: convert::headers(options.headers),
            idempotency_key: options.idempotency_key,
            shielded: options.shielded,
        };
        match self.step(Op::Call(call))? {
            Step::Called { command, invocation } => {
                let result = self.pending(command, true)?;
                Ok(context::CallHandle { result, invocation_id: invocation.to_string() })
            }
            other => Err(unexpected(&other)),
        }
    }

    fn send(&mut self, to: types::Target, input: Vec<u8>, options: context::SendOptions) -> Result<String> {
        let send = Send {
            target: to.into(),
            input: input.into(),
            headers: convert::headers(options.headers),
            idempotency_key: options.idempotency_key,
            delay_ms: options.delay_ms,
        };
        match self.step(Op::Send(send))? {
            Step::Sent { invocation } => Ok(invocation.to_string()),
            other => Err(unexpected(&other)),
        }
    }

    fn sleep(&mut self, duration_ms: u64, name: Option<String>) -> Result<Resource<Pending>> {
        self.begin(Op::Sleep { duration_ms, name }, duration_ms <= self.idle_keep_ms)
    }

    async fn run(&mut self, name: String, retry: Option<context::RetryPolicy>) -> Result<RunStep> {
        let retry = retry.map(convert::retry).transpose()?;
        let traced = if self.is_traced() { name.clone() } else { String::new() };
        let mut step = self.step(Op::Run { name, retry })?;
        loop {
            match step {
                Step::Replayed(run) => return Ok(RunStep::Replayed(self.pending_run(run)?)),
                Step::Execute(run) => {
                    self.trace(|spans| spans.step_begins(run, traced));
                    return Ok(RunStep::Execute(self.table.push(RunToken(run))?));
                }
                Step::AwaitPermit(run) => {
                    self.await_news().await?;
                    step = self.step(Op::EnterRun(run))?;
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn finish_run(
        &mut self,
        token: Resource<RunToken>,
        outcome: context::RunOutcome,
    ) -> Result<Resource<Pending>> {
        let RunToken(run) = self.table.delete(token)?;
        let outcome = outcome.into();
        self.trace(|spans| spans.step_ends(run, &outcome));
        match self.step(Op::FinishRun { run, outcome })? {
            Step::Pending(run) => self.pending_run(run),
            other => Err(unexpected(&other)),
        }
    }

    fn awakeable(&mut self) -> Result<context::AwakeableHandle> {
        match self.step(Op::Awakeable)? {
            Step::Awakeable { command, id } => {
                let result = self.pending(command, false)?;
                Ok(context::AwakeableHandle { result, id: id.to_string() })
            }
            other => Err(unexpected(&other)),
        }
    }

    fn complete_awakeable(&mut self, id: String, outcome: types::Outcome) -> Result<()> {
        let id = id.parse().map_err(malformed)?;
        self.just(Op::CompleteAwakeable { id, outcome: outcome.into() })
    }

    fn signal(&mut self, name: String) -> Result<Resource<Pending>> {
        self.begin(Op::Signal { name }, false)
    }

    fn send_signal(
        &mut self,
        invocation_id: String,
        name: String,
        outcome: types::Outcome,
    ) -> Result<Resource<Pending>> {
        let invocation = invocation_id.parse().map_err(malformed)?;
        self.begin(Op::SendSignal { invocation, name, outcome: outcome.into() }, true)
    }

    fn promise_get(&mut self, name: String) -> Result<Resource<Pending>> {
        self.begin(Op::PromiseGet { name }, false)
    }

    fn promise_peek(&mut self, name: String) -> Result<Resource<Pending>> {
        self.begin(Op::PromisePeek { name }, true)
    }

    fn promise_complete(&mut self, name: String, outcome: types::Outcome) -> Result<Resource<Pending>> {
        self.begin(Op::PromiseComplete { name, outcome: outcome.into() }, true)
    }

    fn attach(&mut self, to: context::Named) -> Result<Resource<Pending>> {
        let to = convert::named(to).map_err(malformed)?;
        self.begin(Op::Attach { to }, true)
    }

    fn output(&mut self, of: context::Named) -> Result<Resource<Pending>> {
        let of = convert::named(of).map_err(malformed)?;
        self.begin(Op::Output { of }, true)
    }

    fn cancel(&mut self, invocation_id: String) -> Result<()> {
        let invocation = invocation_id.parse().map_err(malformed)?;
        self.just(Op::Cancel { invocation })
    }

    fn get_state(&mut self, key: String) -> Result<Option<Vec<u8>>> {
        match self.step(Op::GetState { key })? {
            Step::Value(value) => Ok(value.map(Vec::from)),
            other => Err(unexpected(&other)),
        }
    }

    fn set_state(&mut self, key: String, value: Vec<u8>) -> Result<()> {
        self.just(Op::SetState { key, value: value.into() })
    }

    fn clear_state(&mut self, key: String) -> Result<()> {
        self.just(Op::ClearState { key })
    }

    fn clear_all_state(&mut self) -> Result<()> {
        self.just(Op::ClearAllState)
    }

    fn state_keys(&mut self) -> Result<Vec<String>> {
        match self.step(Op::StateKeys)? {
            Step::Keys(keys) => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    fn reveal(&mut self, text: String) -> Result<Result<String, types::Failure>> {
        Ok(Sandbox::reveal(self, &text)?.map_err(Into::into))
    }

    fn random_seed(&mut self) -> Result<Vec<u8>> {
        Ok(self.execution()?.attempt.random_seed().to_vec())
    }

    fn invocation_info(&mut self) -> Result<context::Info> {
        let execution = self.execution()?;
        let about = &execution.about;
        Ok(context::Info {
            invocation_id: execution.attempt.id().invocation.to_string(),
            target: about.target.clone().into(),
            headers: convert::headers_for_guest(&about.headers),
            idempotency_key: about.idempotency_key.clone(),
            created_at_ms: about.created_at.as_millis(),
        })
    }

    async fn wait(
        &mut self,
        durable: Vec<Resource<Pending>>,
        io: Vec<Resource<DynPollable>>,
    ) -> Result<Ready> {
        let listed: Vec<Pending> =
            durable.iter().map(|pending| self.table.get(pending).copied()).collect::<Result<_, _>>()?;
        let on: Vec<EntryIndex> = listed.iter().map(|pending| pending.command).collect();
        if !io.is_empty() && !self.may_wait_for_io() {
            return Err(Stop::misuse(
                "wait was given pollables outside run(...), where nothing may depend on them",
            ));
        }
        let patience = if listed.iter().any(|pending| pending.is_soon) { self.idle_keep_ms } else { 0 };
        let suspend_at = Instant::now() + Duration::from_millis(patience);
        self.hear_what_came()?;
        loop {
            match self.step(Op::Wait { on: on.clone(), io: !io.is_empty() })? {
                Step::Ready(command) => return position(&on, command),
                Step::Cancelled(failure) => return Ok(Ready::Cancelled(failure.into())),
                Step::Blocked(Blocked::OnRetry) => return Err(self.suspend(on)),
                Step::Blocked(Blocked::OnJournal) => {
                    if !self.await_news_until(suspend_at).await? {
                        return Err(self.suspend(on));
                    }
                }
                Step::Blocked(Blocked::OnIo) => {
                    if let Some(ready) = self.await_news_or_io(&io).await? {
                        return Ok(Ready::Io(ready));
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}

impl context::HostPending for Sandbox {
    fn take(&mut self, this: Resource<Pending>) -> Result<types::Answer> {
        let Pending { command, .. } = self.table.delete(this)?;
        match self.step(Op::Take(command))? {
            Step::Taken(answer) => Ok(answer.into()),
            other => Err(unexpected(&other)),
        }
    }

    fn drop(&mut self, this: Resource<Pending>) -> Result<()> {
        match self.table.delete(this)? {
            Pending { command, is_run: true, .. } => self.just(Op::AbandonRun(command)),
            Pending { is_run: false, .. } => Ok(()),
        }
    }
}

impl context::HostRunToken for Sandbox {
    fn drop(&mut self, token: Resource<RunToken>) -> Result<()> {
        let RunToken(run) = self.table.delete(token)?;
        self.trace(|spans| spans.step_is_abandoned(run));
        self.just(Op::AbandonRun(run))
    }
}

impl Sandbox {
    fn pending(&mut self, command: EntryIndex, is_soon: bool) -> Result<Resource<Pending>> {
        Ok(self.table.push(Pending { command, is_soon, is_run: false })?)
    }

    fn pending_run(&mut self, command: EntryIndex) -> Result<Resource<Pending>> {
        Ok(self.table.push(Pending { command, is_soon: true, is_run: true })?)
    }

    fn begin(&mut self, op: Op, is_soon: bool) -> Result<Resource<Pending>> {
        match self.step(op)? {
            Step::Pending(command) => self.pending(command, is_soon),
            other => Err(unexpected(&other)),
        }
    }

    fn just(&mut self, op: Op) -> Result<()> {
        match self.step(op)? {
            Step::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for the driver to say something.
    async fn await_news(&mut self) -> Result<()> {
        let first = self.execution()?.news.recv().await;
        self.hear(first)
    }

    /// Waits as long as the instance may be kept; says whether there was news.
    async fn await_news_until(&mut self, suspend_at: Instant) -> Result<bool> {
        loop {
            let execution = self.execution()?;
            let now = Instant::now();
            if now >= suspend_at || execution.recorder.is_crowded() {
                return Ok(false);
            }
            let look_again = suspend_at.min(now + Duration::from_millis(CROWD_CHECK_MS));
            if let Ok(news) = timeout_at(look_again, execution.news.recv()).await {
                return self.hear(news).map(|()| true);
            }
        }
    }

    /// Waits for news, or for pollables that are ready; news comes first.
    async fn await_news_or_io(&mut self, io: &[Resource<DynPollable>]) -> Result<Option<Vec<u32>>> {
        let pollables = io.iter().map(|pollable| Resource::new_borrow(pollable.rep())).collect();
        let (execution, table) = self.execution_and_table()?;
        tokio::select! {
            biased;
            news = execution.news.recv() => self.hear(news).map(|()| None),
            ready = table.poll(pollables) => ready.map(Some),
        }
    }

    /// Tells the attempt all that has come, without waiting.
    fn hear_what_came(&mut self) -> Result<()> {
        let execution = self.execution()?;
        while let Ok(news) = execution.news.try_recv() {
            execution.attempt.notify(news);
        }
        Ok(())
    }

    fn hear(&mut self, first: Option<News>) -> Result<()> {
        let first = first.ok_or(Stop::Abandoned)?;
        self.execution()?.attempt.notify(first);
        self.hear_what_came()
    }

    /// Records that the guest waits for `on`, and stops it.
    fn suspend(&mut self, on: Vec<EntryIndex>) -> wasmtime::Error {
        match self.execution() {
            Ok(execution) => {
                execution.attempt.suspend(on);
                execution.drain();
                Stop::Suspended.into()
            }
            Err(error) => error,
        }
    }
}

/// Finds where in the list of the guest the command stands.
fn position(on: &[EntryIndex], command: EntryIndex) -> Result<Ready> {
    let position = on.iter().position(|listed| *listed == command).and_then(|at| u32::try_from(at).ok());
    position.map(Ready::Pending).ok_or_else(|| unexpected(&Step::Ready(command)))
}

fn malformed(id: MalformedId) -> wasmtime::Error {
    Stop::failed(ErrorCode::MalformedId, id)
}

/// The attempt gave an answer that does not belong to the question.
fn unexpected(step: &Step) -> wasmtime::Error {
    Stop::failed(
        ErrorCode::Internal,
        format!("the attempt answered {step:?}, which does not fit what was asked"),
    )
}
