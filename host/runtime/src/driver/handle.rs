//! What the rest of the host says to the driver: cheap to clone, the only way in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};

use holiday_core::attempt::{News, Start};
use holiday_core::deployment::{Deployment, Revision, Route};
use holiday_core::engine::{self, Refusal};
use holiday_core::error::ErrorCode;
use holiday_core::event::{
    Assign, Configure, Event, Invoke, ReplaceState, RestartAsNew, Steering, Subscribe, Take,
};
use holiday_core::id::{AttemptId, AwakeableId, DeploymentId, InvocationId, SubscriptionId};
use holiday_core::state::{State, StoreError};
use holiday_core::subscription::{Halt, Offset, Partition, Verdict};
use holiday_core::value::Outcome;
use tokio::sync::{Notify, mpsc as async_mpsc, oneshot};

use super::watched::Watched;
use super::writer::Release;
use crate::telemetry::InvocationTrace;

/// Executes attempts. One call starts one; it returns at once and the attempt goes on by itself.
pub trait Invoker: Send + Sync + 'static {
    /// Executes the handler. Events go to [`Handle::record`]; the last of them is an `End`, a `Suspend` or a
    /// `Fail`. When `news` closes, the attempt is stopped and need not say anything more. What it does is told to
    /// `trace`, if there is one.
    fn start(
        &self,
        start: Start,
        trace: Option<Arc<InvocationTrace>>,
        news: async_mpsc::UnboundedReceiver<News>,
        handle: Handle,
    );

    /// Forgets what it keeps of a deployment that no invocation needs any more.
    fn free(&self, deployment: DeploymentId);
}

/// The services that can be invoked now, each with its latest revision.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub revisions: BTreeMap<String, Revision>,
    /// The same services, with the policies in force.
    pub routes: BTreeMap<String, Route>,
    /// The names of all deployments that have one.
    pub components: BTreeMap<DeploymentId, String>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the host is shutting down; send the request again in a moment")]
    Stopped,
}

impl HandleError {
    pub fn code(&self) -> ErrorCode {
        match self {
            HandleError::Refused(refusal) => refusal.code(),
            HandleError::Stopped => ErrorCode::ShuttingDown,
        }
    }

    /// The HTTP status that says the same.
    pub fn status(&self) -> u16 {
        match self {
            HandleError::Refused(refusal) => refusal.status(),
            HandleError::Stopped => 503,
        }
    }
}

/// Says which invocation stands for one that was submitted. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub invocation: InvocationId,
    /// An earlier one with the same idempotency key, or the workflow's run, was there already.
    pub previously: bool,
}

/// How far the records of a partition, or of one key in it, are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Records before it are taken.
    pub next: Offset,
    /// Another one than that of the reader means that an operator sought.
    pub generation: u32,
    /// The partition cannot be read on; see its position.
    pub is_halted: bool,
    /// The subscription is neither paused nor deleted.
    pub is_active: bool,
}

/// How much of a journal somebody has seen. It only grows, so one of the same length is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLength {
    pub commands: u32,
    pub notifications: u32,
}

impl JournalLength {
    /// That of the journal an attempt begins with.
    pub fn of(start: &Start) -> Self {
        let length = |count: usize| u32::try_from(count).expect("a journal is bounded");
        let (commands, notifications) = (length(start.commands.len()), length(start.notifications.len()));
        JournalLength { commands, notifications }
    }
}

/// The state as the host stores it.
pub type HostState = State<Watched>;

/// A read of the state, executed by the driver between two records. What it has found is told when that is durable.
pub(super) type Query = Box<dyn FnOnce(&HostState) -> Release + Send>;

/// What has to hold for a request to be carried out.
pub(super) type Condition = Box<dyn FnOnce(&HostState) -> Result<bool, StoreError> + Send>;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Everything the driver can be asked.
pub(super) enum Request {
    /// Record an invocation and say when it is durable; with `outcome`, also how it ended.
    Invoke {
        invoke: Box<Invoke>,
        accepted: Reply<Accepted>,
        outcome: Option<oneshot::Sender<Outcome>>,
    },
    Attach {
        invocation: InvocationId,
        outcome: Reply<Outcome>,
    },
    Output {
        invocation: InvocationId,
        outcome: Reply<Option<Outcome>>,
    },
    /// Record what an operator or an outsider asks for, and say when it is durable.
    Operate {
        event: Box<Event>,
        done: Reply<()>,
    },
    /// The same if a condition holds; says whether it did.
    OperateIf {
        event: Box<Event>,
        condition: Condition,
        done: Reply<bool>,
    },
    /// Record what an attempt did. One that a rebuilt driver did not start itself is not listened to.
    Attempt {
        attempt: AttemptId,
        generation: u64,
        events: Vec<Event>,
    },
    /// Record what was read from a topic, and say how far it was taken when that is durable.
    Take {
        take: Box<Take>,
        taken: oneshot::Sender<Option<Taken>>,
    },
    Query(Query),
    /// The checkpoint that was under way has ended.
    Checkpointed,
    /// The log writer has stopped.
    LogStopped(crate::log::AppendError),
    /// Start nothing new, write everything down, stop.
    Shutdown,
}

/// What the driver shows without being asked.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) catalog: RwLock<Arc<Catalog>>,
    /// More attempts want to run than may.
    pub(super) is_crowded: AtomicBool,
    /// An operator has changed the subscriptions.
    pub(super) subscriptions: Notify,
}

#[derive(Clone)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) shared: Arc<Shared>,
    /// How often the driver was rebuilt before it gave this handle away.
    pub(super) generation: u64,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    /// The services that can be invoked now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether attempts wait for others to give their instance back: one that is blocked should suspend.
    pub fn is_crowded(&self) -> bool {
        self.shared.is_crowded.load(Ordering::Relaxed)
    }

    /// Records an invocation; returns when it is durable.
    pub async fn send(&self, invoke: Invoke) -> Result<Accepted, HandleError> {
        let (accepted, reply) = oneshot::channel();
        self.request(Request::Invoke { invoke: Box::new(invoke), accepted, outcome: None })?;
        receive(reply).await
    }

    /// Records an invocation and waits for its outcome; both are durable when it returns.
    ///
    /// Dropping the future does not cancel the invocation.
    pub async fn call(&self, invoke: Invoke) -> Result<(Accepted, Outcome), HandleError> {
        let (accepted, reply) = oneshot::channel();
        let (outcome, ended) = oneshot::channel();
        self.request(Request::Invoke { invoke: Box::new(invoke), accepted, outcome: Some(outcome) })?;
        let accepted = receive(reply).await?;
        let outcome = ended.await.map_err(|_| HandleError::Stopped)?;
        Ok((accepted, outcome))
    }

    /// Waits for the outcome of an invocation.
    pub async fn attach(&self, invocation: InvocationId) -> Result<Outcome, HandleError> {
        let (outcome, reply) = oneshot::channel();
        self.request(Request::Attach { invocation, outcome })?;
        receive(reply).await
    }

    /// Returns the outcome of an invocation, or `None` while it has not ended.
    pub async fn output(&self, invocation: InvocationId) -> Result<Option<Outcome>, HandleError> {
        let (outcome, reply) = oneshot::channel();
        self.request(Request::Output { invocation, outcome })?;
        receive(reply).await
    }

    /// Makes a component the latest revision of its services; the caller has stored the component.
    pub async fn deploy(&self, deployment: Deployment) -> Result<(), HandleError> {
        self.operate(Event::Deploy(deployment)).await
    }

    /// Says whether [`Handle::deploy`] would take the deployment.
    pub async fn check_deployment(&self, deployment: Deployment) -> Result<(), HandleError> {
        self.check(Event::Deploy(deployment)).await
    }

    /// Replaces a layer of policies. What was accepted before keeps those it began with.
    pub async fn configure(&self, layer: Configure) -> Result<(), HandleError> {
        self.operate(Event::Configure(layer)).await
    }

    pub async fn complete_awakeable(&self, id: AwakeableId, outcome: Outcome) -> Result<(), HandleError> {
        self.operate(Event::CompleteAwakeable { id, outcome }).await
    }

    pub async fn cancel(&self, invocation: InvocationId) -> Result<(), HandleError> {
        self.operate(Event::Cancel { invocation }).await
    }

    pub async fn kill(&self, invocation: InvocationId) -> Result<(), HandleError> {
        self.operate(Event::Kill { invocation }).await
    }

    pub async fn pause(&self, invocation: InvocationId) -> Result<(), HandleError> {
        self.operate(Event::Pause { invocation }).await
    }

    pub async fn resume(
        &self,
        invocation: InvocationId,
        deployment: Option<DeploymentId>,
    ) -> Result<(), HandleError> {
        self.operate(Event::Resume { invocation, deployment }).await
    }

    /// Says whether [`Handle::resume`] would let the invocation go on.
    pub async fn check_resume(
        &self,
        invocation: InvocationId,
        deployment: Option<DeploymentId>,
    ) -> Result<(), HandleError> {
        self.check(Event::Resume { invocation, deployment }).await
    }

    /// Lets a paused invocation go on if its journal is still as it was seen; says whether it is.
    pub async fn resume_unchanged(
        &self,
        invocation: InvocationId,
        deployment: Option<DeploymentId>,
        seen: JournalLength,
    ) -> Result<bool, HandleError> {
        let is_unchanged = move |state: &HostState| {
            let lifecycle = state.lifecycle(&invocation)?;
            let is =
                lifecycle.map(|it| JournalLength { commands: it.commands, notifications: it.notifications });
            Ok(is.is_none_or(|is| is == seen))
        };
        let (done, reply) = oneshot::channel();
        self.request(Request::OperateIf {
            event: Box::new(Event::Resume { invocation, deployment }),
            condition: Box::new(is_unchanged),
            done,
        })?;
        receive(reply).await
    }

    pub async fn purge(&self, invocation: InvocationId) -> Result<(), HandleError> {
        self.operate(Event::Purge { invocation }).await
    }

    /// Sends a signal to an invocation.
    pub async fn signal(
        &self,
        invocation: InvocationId,
        name: String,
        outcome: Outcome,
    ) -> Result<(), HandleError> {
        self.operate(Event::Signal { invocation, name, outcome }).await
    }

    /// Has a completed invocation executed again, as another one.
    pub async fn restart_as_new(&self, restart: RestartAsNew) -> Result<(), HandleError> {
        self.operate(Event::RestartAsNew(restart)).await
    }

    /// Replaces the state of an object or workflow.
    pub async fn replace_state(&self, replacement: ReplaceState) -> Result<(), HandleError> {
        self.operate(Event::ReplaceState(replacement)).await
    }

    /// Takes a deployment away; see [`Event::Remove`].
    pub async fn remove_deployment(&self, deployment: DeploymentId, force: bool) -> Result<(), HandleError> {
        self.operate(Event::Remove { deployment, force }).await
    }

    /// Creates a subscription.
    pub async fn subscribe(&self, subscribe: Subscribe) -> Result<(), HandleError> {
        self.operate(Event::Subscribe(subscribe)).await
    }

    /// Changes a subscription as an operator asks.
    pub async fn steer(&self, subscription: SubscriptionId, steering: Steering) -> Result<(), HandleError> {
        self.operate(Event::Steer { subscription, steering }).await
    }

    /// Handles a parked record again; `value` is its value, held against the handler as it is now.
    pub async fn retry_parked(
        &self,
        subscription: SubscriptionId,
        number: u64,
        value: Verdict,
    ) -> Result<(), HandleError> {
        self.operate(Event::RetryParked { subscription, number, value }).await
    }

    /// Drops a parked record.
    pub async fn discard_parked(&self, subscription: SubscriptionId, number: u64) -> Result<(), HandleError> {
        self.operate(Event::DiscardParked { subscription, number }).await
    }

    /// Gives positions to partitions that have none.
    pub async fn assign(&self, assign: Assign) -> Result<(), HandleError> {
        self.operate(Event::Assign(assign)).await
    }

    /// Records that a partition cannot be read from its position.
    pub async fn halt(
        &self,
        subscription: SubscriptionId,
        partition: Partition,
        generation: u32,
        halt: Halt,
    ) -> Result<(), HandleError> {
        self.operate(Event::Halt { subscription, partition, generation, halt }).await
    }

    /// Takes records of a topic. Returns how far they are taken when that is durable; `None` if the subscription does
    /// not read the partition any more.
    ///
    /// The request is sent before this returns, so requests arrive in the order of calls.
    pub fn take(&self, take: Take) -> impl Future<Output = Result<Option<Taken>, HandleError>> + use<> {
        let (taken, reply) = oneshot::channel();
        let sent = self.request(Request::Take { take: Box::new(take), taken });
        async move {
            sent?;
            reply.await.map_err(|_| HandleError::Stopped)
        }
    }

    /// Waits until an operator changes subscriptions.
    pub async fn subscriptions_changed(&self) {
        self.shared.subscriptions.notified().await;
    }

    /// Reads the state between two records. What it has seen is durable when this returns.
    pub async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&HostState) -> T + Send + 'static,
    ) -> Result<T, HandleError> {
        let (found, reply) = oneshot::channel();
        self.request(Request::Query(Box::new(move |state| {
            let answer = read(state);
            Box::new(move || drop(found.send(answer)))
        })))?;
        reply.await.map_err(|_| HandleError::Stopped)
    }

    /// Records what an attempt did, in the order of its events.
    pub fn record(&self, attempt: AttemptId, events: Vec<Event>) {
        // A driver that is gone needs no events: the attempt will be repeated from the log.
        drop(self.requests.send(Request::Attempt { attempt, generation: self.generation, events }));
    }

    pub(super) fn publish(&self, catalog: Catalog) {
        *self.shared.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    /// Says whether an event would be taken.
    async fn check(&self, event: Event) -> Result<(), HandleError> {
        match self.query(move |state| engine::admit(state, &event)).await? {
            Ok(admission) => Ok(admission?),
            // The driver meets the same error, and stops on it.
            Err(_) => Err(HandleError::Stopped),
        }
    }

    async fn operate(&self, event: Event) -> Result<(), HandleError> {
        let (done, reply) = oneshot::channel();
        self.request(Request::Operate { event: Box::new(event), done })?;
        receive(reply).await
    }

    fn request(&self, request: Request) -> Result<(), HandleError> {
        self.requests.send(request).map_err(|_| HandleError::Stopped)
    }
}

async fn receive<T>(reply: oneshot::Receiver<Result<T, Refusal>>) -> Result<T, HandleError> {
    match reply.await {
        Ok(answer) => answer.map_err(HandleError::Refused),
        Err(_) => Err(HandleError::Stopped),
    }
}
