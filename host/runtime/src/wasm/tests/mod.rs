//! Whole components against a scripted driver: what an attempt records, as data.

mod bounds;
mod components;
mod guests;
mod rehearsals;
mod sealing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holiday_core::attempt::{News, Start};
use holiday_core::deployment::{HandlerMode, ServiceKind};
use holiday_core::event::Event;
use holiday_core::id::{AttemptId, DeploymentId, EntryIndex, InvocationId, Position, Seed};
use holiday_core::journal::{Command, CommandEntry, Notification, NotificationEntry};
use holiday_core::target::Target;
use holiday_core::time::Timestamp;
use holiday_core::value::Outcome;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::component::Components;
use super::config::WasmConfig;
use super::invoker::supervise;
use super::sandbox::Recorder;

/// How long an attempt may take to say something, before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a component whose handler is this, in core WebAssembly; see `guest.wat`.
fn guest(handle: &str) -> Vec<u8> {
    wat::parse_str(include_str!("guest.wat").replace("(;HANDLE;)", handle))
        .expect("the handler is well formed")
}

/// Small bounds.
fn config() -> WasmConfig {
    WasmConfig { instances_max: 2, memory_bytes_max: 1024 * 1024, cpu_budget_ms: 50, ..WasmConfig::default() }
}

/// Opens components in a directory of their own, with small bounds.
fn components() -> (tempfile::TempDir, Arc<Components>) {
    let dir = tempfile::tempdir().expect("a directory");
    let components = open(&dir);
    (dir, components)
}

fn open(dir: &tempfile::TempDir) -> Arc<Components> {
    open_with(dir, config())
}

fn open_with(dir: &tempfile::TempDir, config: WasmConfig) -> Arc<Components> {
    Arc::new(Components::open(dir.path(), config).expect("a sandbox"))
}

/// A driver for one invocation: keeps its journal and lets a test decide what the world answers.
struct Script {
    components: Arc<Components>,
    deployment: DeploymentId,
    input: Bytes,
    attempts: u32,
    commands: Vec<CommandEntry>,
    notifications: Vec<NotificationEntry>,
    crowd: Arc<AtomicBool>,
    /// How long the guest may compute, if not as long as others.
    cpu_ms: Option<u64>,
    _dir: Arc<tempfile::TempDir>,
}

/// One attempt under way.
struct Running {
    events: UnboundedReceiver<Vec<Event>>,
    news: UnboundedSender<News>,
}

struct Recording {
    events: UnboundedSender<Vec<Event>>,
    crowd: Arc<AtomicBool>,
}

impl Recorder for Recording {
    fn record(&self, _: AttemptId, events: Vec<Event>) {
        drop(self.events.send(events));
    }

    fn is_crowded(&self) -> bool {
        self.crowd.load(Ordering::Relaxed)
    }
}

impl Script {
    async fn new(handle: &str) -> Self {
        Script::with(config(), guest(handle)).await
    }

    async fn with(config: WasmConfig, component: Vec<u8>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let components = open_with(&dir, config);
        let prepared = components.prepare(component.into(), None, |_| {}).await.expect("a good component");
        Script {
            deployment: DeploymentId::of(&prepared.digest),
            components,
            input: "input".into(),
            attempts: 0,
            commands: Vec::new(),
            notifications: Vec::new(),
            crowd: Arc::default(),
            cpu_ms: None,
            _dir: Arc::new(dir),
        }
    }

    /// Another invocation of the same component.
    fn another(&self) -> Self {
        Script {
            components: Arc::clone(&self.components),
            input: self.input.clone(),
            attempts: 0,
            commands: Vec::new(),
            notifications: Vec::new(),
            crowd: Arc::clone(&self.crowd),
            _dir: Arc::clone(&self._dir),
            ..*self
        }
    }

    fn start(&mut self) -> Running {
        self.attempts += 1;
        let start = self.begin();
        let (events, recorded) = unbounded_channel();
        let (news, heard) = unbounded_channel();
        let recording = Recording { events, crowd: Arc::clone(&self.crowd) };
        let components = Arc::clone(&self.components);
        let recording = Arc::new(recording);
        tokio::spawn(supervise(components, None, start, "S/h".into(), None, heard, recording));
        Running { events: recorded, news }
    }

    /// What the next attempt begins with.
    fn begin(&self) -> Start {
        let target = Target::keyed("S", "k", "h");
        let attempt = AttemptId { invocation: InvocationId::new(&target, [1; 16]), number: self.attempts };
        Start {
            attempt,
            deployment: self.deployment,
            target,
            kind: ServiceKind::Service,
            mode: HandlerMode::Exclusive,
            input: self.input.clone(),
            headers: Vec::new(),
            record: None,
            idempotency_key: None,
            seed: Seed([7; 32]),
            lineage: Vec::new(),
            created_at: Timestamp::from_millis(1_000),
            cpu_ms: self.cpu_ms,
            commands: self.commands.clone(),
            notifications: self.notifications.clone(),
            postponed: BTreeSet::new(),
            abandoned: BTreeSet::new(),
            cancelled: None,
            outliving: BTreeSet::new(),
            seen: 0,
            journal_bytes: 0,
            state: BTreeMap::new(),
        }
    }

    /// Adds an answer to the journal, and tells an attempt if there is one.
    fn answer(&mut self, running: Option<&Running>, command: u32, outcome: Outcome) {
        let position = Position(u32::try_from(self.notifications.len()).expect("few"));
        let at = Timestamp::from_millis(2_000 + u64::from(position.0));
        let notification = Notification::Completed { command: EntryIndex(command), outcome };
        let entry = NotificationEntry { at, notification };
        self.notifications.push(entry.clone());
        if let Some(running) = running {
            drop(running.news.send(News::Notified { position, entry }));
        }
    }

    /// Executes one attempt to its end, granting permits and answering steps, and says what it recorded.
    async fn attempt(&mut self) -> String {
        let mut running = self.start();
        let mut said = Vec::new();
        while let Some(events) = running.next().await {
            for event in events {
                said.push(self.handle(&running, event));
            }
        }
        said.join(" | ")
    }

    fn handle(&mut self, running: &Running, event: Event) -> String {
        match event {
            Event::Commands(commands) => {
                let texts: Vec<String> = commands.commands.iter().map(ToString::to_string).collect();
                for (index, command) in (commands.first.0..).zip(commands.commands) {
                    if let Command::Run { .. } = command {
                        drop(running.news.send(News::MayEnter(EntryIndex(index))));
                    }
                    self.commands.push(CommandEntry { at: Timestamp::ZERO, command });
                }
                texts.join(", ")
            }
            Event::RunCompleted(it) => {
                let text = format!("run completed with {}", it.outcome);
                self.answer(Some(running), it.run.0, it.outcome);
                text
            }
            Event::RunFailed(it) => format!("run failed: {}", it.message),
            Event::RunAbandoned(it) => format!("run {} abandoned", it.run.0),
            Event::Suspend(it) => format!("suspend on {:?}", it.on.iter().map(|on| on.0).collect::<Vec<_>>()),
            Event::End(it) => match it.outcome {
                Outcome::Success(output) => format!("end {}", String::from_utf8_lossy(&output)),
                Outcome::Failure(failure) => format!("end {failure}"),
            },
            Event::Fail(it) => format!("fail {}", it.message),
            other => panic!("an attempt does not record {other:?}"),
        }
    }
}

impl Running {
    /// The next events; `None` when the attempt is over.
    async fn next(&mut self) -> Option<Vec<Event>> {
        timeout(PATIENCE, self.events.recv()).await.expect("an attempt says something")
    }
}
