//! Scripted guests: handlers written as `async` functions that know only what their attempt tells them.
//!
//! A handler asks through a [`Guest`]; the [`crate::instance::Instance`] that polls it answers. There is no
//! runtime and no waker: a handler is polled exactly when its answer is there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use holiday_core::attempt::{Attempt, Op, RunOutcome, Step};
use holiday_core::id::{AwakeableId, EntryIndex, InvocationId};
use holiday_core::journal::{Call, Named, Send};
use holiday_core::retry::RetryPolicy;
use holiday_core::target::Target;
use holiday_core::value::{self, Failure, Outcome, Payload};

use crate::world::Deed;

/// What a handler asks for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// A host function.
    Host(Op),
    /// To wait for the earliest of `on`, or until one of the closures in `executing` returns.
    Wait { on: Vec<EntryIndex>, executing: Vec<EntryIndex> },
    /// To execute the closure of an entered step.
    Closure { run: EntryIndex, deed: Deed },
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Step(Step),
    /// This executing closure can go on.
    Io(EntryIndex),
    Closure(RunOutcome),
}

/// Where a handler leaves its question and finds the answer.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    ask: Option<Ask>,
    reply: Option<Reply>,
}

impl Mail {
    pub(crate) fn take_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    pub(crate) fn answer(&mut self, reply: Reply) {
        self.reply = Some(reply);
    }
}

pub(crate) type Mailbox = Rc<RefCell<Mail>>;

/// An operation that was begun and is answered later.
#[derive(Debug)]
pub(crate) struct Pending {
    command: EntryIndex,
    is_run: bool,
    /// The closure of a step that was entered and has not returned.
    executing: Option<Deed>,
}

impl Pending {
    fn of(command: EntryIndex) -> Self {
        Pending { command, is_run: false, executing: None }
    }

    /// Whether its answer comes without this attempt.
    pub(crate) fn is_answered_by_others(&self) -> bool {
        !self.is_run
    }
}

/// What a handler takes for the outcome of what has none yet.
pub(crate) const NOT_READY: &[u8] = b"(not ready)";

/// The terminal error of a step or a call, or the cancellation.
pub(crate) type Answer = Result<Payload, Failure>;

/// Whether an operation failed of a cancellation: of the invocation, or of one that it waited for. As in the SDK.
pub(crate) fn is_cancelled(failure: &Failure) -> bool {
    *failure == Failure::cancelled() || failure.code == 504 && failure.message.starts_with("HH0065: ")
}

/// The name that a handler draws from its random numbers.
pub(crate) fn random_name(seed: [u8; 32]) -> String {
    seed[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a handler sees of the host.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    mail: Mailbox,
    pub(crate) target: Target,
    pub(crate) input: String,
    /// Drawn from the handler's random numbers: unlike that of any other invocation.
    pub(crate) name: String,
    /// By which it knows itself.
    pub(crate) id: InvocationId,
}

impl Guest {
    pub(crate) fn new(mail: Mailbox, target: Target, input: &Payload, attempt: &Attempt) -> Self {
        let input = String::from_utf8_lossy(input).into_owned();
        Guest { mail, target, input, name: random_name(attempt.random_seed()), id: attempt.invocation() }
    }

    /// The key of the object or workflow.
    pub(crate) fn key(&self) -> &str {
        self.target.key.as_deref().unwrap_or("")
    }

    // Operations that are answered at once

    pub(crate) async fn get(&self, key: &str) -> Option<String> {
        match self.host(Op::GetState { key: key.to_owned() }).await {
            Step::Value(value) => value.map(|value| String::from_utf8_lossy(&value).into_owned()),
            other => unexpected("get state", &other),
        }
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        match self.host(Op::StateKeys).await {
            Step::Keys(keys) => keys,
            other => unexpected("state keys", &other),
        }
    }

    pub(crate) async fn set(&self, key: &str, value: &str) {
        self.host(Op::SetState { key: key.to_owned(), value: Payload::from(value.to_owned()) }).await;
    }

    pub(crate) async fn clear(&self, key: &str) {
        self.host(Op::ClearState { key: key.to_owned() }).await;
    }

    pub(crate) async fn clear_all(&self) {
        self.host(Op::ClearAllState).await;
    }

    pub(crate) async fn cancel(&self, invocation: InvocationId) {
        self.host(Op::Cancel { invocation }).await;
    }

    pub(crate) async fn complete_awakeable(&self, id: AwakeableId, outcome: Outcome) {
        self.host(Op::CompleteAwakeable { id, outcome }).await;
    }

    pub(crate) async fn send(
        &self,
        target: Target,
        input: &str,
        delay_ms: Option<u64>,
        key: Option<String>,
    ) -> InvocationId {
        let input = Payload::from(input.to_owned());
        let send = Send { target, input, headers: Vec::new(), idempotency_key: key, delay_ms };
        match self.host(Op::Send(send)).await {
            Step::Sent { invocation } => invocation,
            other => unexpected("send", &other),
        }
    }

    // Operations that are answered later

    pub(crate) async fn begin_call(
        &self,
        target: Target,
        input: &str,
        key: Option<String>,
    ) -> (Pending, InvocationId) {
        let input = Payload::from(input.to_owned());
        self.ask_for_call(Call { target, input, headers: Vec::new(), idempotency_key: key, shielded: false })
            .await
    }

    /// A call that is not cancelled with its caller.
    pub(crate) async fn begin_shielded_call(&self, target: Target, input: &str) -> (Pending, InvocationId) {
        let input = Payload::from(input.to_owned());
        self.ask_for_call(Call { target, input, headers: Vec::new(), idempotency_key: None, shielded: true })
            .await
    }

    async fn ask_for_call(&self, call: Call) -> (Pending, InvocationId) {
        match self.host(Op::Call(call)).await {
            Step::Called { command, invocation } => (Pending::of(command), invocation),
            other => unexpected("call", &other),
        }
    }

    pub(crate) async fn begin_sleep(&self, duration_ms: u64) -> Pending {
        match self.host(Op::Sleep { duration_ms, name: None }).await {
            Step::Pending(command) => Pending::of(command),
            other => unexpected("sleep", &other),
        }
    }

    /// Waits for the next signal of a name.
    pub(crate) async fn begin_signal(&self, name: &str) -> Pending {
        self.begin(Op::Signal { name: name.to_owned() }).await
    }

    /// The answer says whether it was taken.
    pub(crate) async fn send_signal(&self, to: InvocationId, name: &str, value: &str) -> Answer {
        let outcome = Outcome::success(value.to_owned());
        let pending = self.begin(Op::SendSignal { invocation: to, name: name.to_owned(), outcome }).await;
        self.finish(pending).await
    }

    pub(crate) async fn begin_promise(&self, name: &str) -> Pending {
        self.begin(Op::PromiseGet { name: name.to_owned() }).await
    }

    pub(crate) async fn peek_promise(&self, name: &str) -> Answer {
        let pending = self.begin(Op::PromisePeek { name: name.to_owned() }).await;
        self.finish(pending).await
    }

    pub(crate) async fn complete_promise(&self, name: &str, outcome: Outcome) -> Answer {
        let pending = self.begin(Op::PromiseComplete { name: name.to_owned(), outcome }).await;
        self.finish(pending).await
    }

    pub(crate) async fn begin_attach(&self, to: Named) -> Pending {
        self.begin(Op::Attach { to }).await
    }

    pub(crate) async fn output(&self, of: Named) -> Answer {
        let pending = self.begin(Op::Output { of }).await;
        self.finish(pending).await
    }

    async fn begin(&self, op: Op) -> Pending {
        match self.host(op).await {
            Step::Pending(command) => Pending::of(command),
            other => unexpected("an operation", &other),
        }
    }

    pub(crate) async fn begin_awakeable(&self) -> (Pending, AwakeableId) {
        match self.host(Op::Awakeable).await {
            Step::Awakeable { command, id } => (Pending::of(command), id),
            other => unexpected("awakeable", &other),
        }
    }

    pub(crate) async fn begin_run(&self, name: &str, deed: Deed, retry: Option<RetryPolicy>) -> Pending {
        match self.host(Op::Run { name: name.to_owned(), retry }).await {
            Step::Replayed(command) => Pending { command, is_run: true, executing: None },
            Step::Execute(command) => Pending { command, is_run: true, executing: Some(deed) },
            other => unexpected("run", &other),
        }
    }

    // Waiting

    pub(crate) async fn call(&self, target: Target, input: &str) -> Answer {
        let (pending, _) = self.begin_call(target, input, None).await;
        self.finish(pending).await
    }

    pub(crate) async fn sleep(&self, duration_ms: u64) -> Answer {
        let pending = self.begin_sleep(duration_ms).await;
        self.finish(pending).await
    }

    pub(crate) async fn run(&self, name: &str, deed: Deed, retry: Option<RetryPolicy>) -> Answer {
        let pending = self.begin_run(name, deed, retry).await;
        self.finish(pending).await
    }

    /// Waits for one operation.
    pub(crate) async fn finish(&self, pending: Pending) -> Answer {
        self.first(&mut vec![pending]).await.1
    }

    /// Waits for one operation, also past a cancellation.
    pub(crate) async fn see_through(&self, pending: Pending) -> Answer {
        let mut pending = vec![pending];
        loop {
            if let (Some(_), answer) = self.first(&mut pending).await {
                return answer;
            }
        }
    }

    /// Waits for all operations; the answers in the order of the operations, or the cancellation.
    pub(crate) async fn all(&self, mut pending: Vec<Pending>) -> Result<Vec<Answer>, Failure> {
        let order: Vec<_> = pending.iter().map(|it| it.command).collect();
        let mut answers: Vec<Option<Answer>> = order.iter().map(|_| None).collect();
        while !pending.is_empty() {
            match self.first(&mut pending).await {
                (None, answer) => {
                    answer?;
                }
                (Some(command), answer) => {
                    let place = order.iter().position(|it| *it == command).expect("waited for");
                    answers[place] = Some(answer);
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Waits for the earliest of these and takes it out. `None` and an error: the invocation was cancelled.
    pub(crate) async fn first(&self, pending: &mut Vec<Pending>) -> (Option<EntryIndex>, Answer) {
        loop {
            let on = pending.iter().filter(|it| it.executing.is_none()).map(|it| it.command).collect();
            let executing: Vec<_> =
                pending.iter().filter(|it| it.executing.is_some()).map(|it| it.command).collect();
            match self.ask(Ask::Wait { on, executing: executing.clone() }).await {
                Reply::Step(Step::Ready(command)) => {
                    pending.retain(|it| it.command != command);
                    return (Some(command), self.take(command).await);
                }
                Reply::Step(Step::Cancelled(failure)) => {
                    self.abandon(pending).await;
                    return (None, Err(failure));
                }
                Reply::Io(run) => self.execute(pending, run).await,
                other => unexpected("wait", &other),
            }
        }
    }

    /// Gives up the steps among these.
    pub(crate) async fn abandon(&self, pending: &mut [Pending]) {
        for it in pending {
            it.executing = None;
            if it.is_run {
                self.host(Op::AbandonRun(it.command)).await;
            }
        }
    }

    async fn execute(&self, pending: &mut [Pending], run: EntryIndex) {
        let it = pending.iter_mut().find(|it| it.command == run).expect("executing");
        let deed = it.executing.take().expect("executing");
        let outcome = match self.ask(Ask::Closure { run, deed }).await {
            Reply::Closure(outcome) => outcome,
            other => unexpected("closure", &other),
        };
        self.host(Op::FinishRun { run, outcome }).await;
    }

    async fn take(&self, command: EntryIndex) -> Answer {
        match self.host(Op::Take(command)).await {
            Step::Taken(value::Answer::Outcome(Outcome::Success(payload))) => Ok(payload),
            Step::Taken(value::Answer::Outcome(Outcome::Failure(failure))) => Err(failure),
            Step::Taken(value::Answer::NotReady) => Ok(Payload::from_static(NOT_READY)),
            other => unexpected("take", &other),
        }
    }

    async fn host(&self, op: Op) -> Step {
        match self.ask(Ask::Host(op)).await {
            Reply::Step(step) => step,
            other => unexpected("host function", &other),
        }
    }

    async fn ask(&self, ask: Ask) -> Reply {
        self.mail.borrow_mut().ask = Some(ask);
        poll_fn(|_| match self.mail.borrow_mut().reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }
}

fn unexpected(asked: &str, got: &dyn std::fmt::Debug) -> ! {
    panic!("a guest asked for {asked} and was answered {got:?}")
}
