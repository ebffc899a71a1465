//! What operators see at the bounds of their door, and beyond.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use expect_test::expect;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use holiday_core::attempt::Start;
use holiday_core::deployment::{Deployment, Handler, HandlerMode, Service, ServiceKind};
use holiday_core::event::Invoke;
use holiday_core::id::{AwakeableId, DeploymentId, Digest, EntryIndex, InvocationId, Seed};
use holiday_core::invocation::Invocation;
use holiday_core::policy::Options;
use holiday_core::state::key::{self, Family};
use holiday_core::target::Target;
use holiday_core::value::Outcome;
use http::Request;
use tokio::sync::{Semaphore, mpsc};

use super::super::listing::{self, Rows};
use super::super::model;
use super::super::{
    AdminPorts, JOURNAL_PAGE_MAX, METADATA_BYTES_MAX, OPEN_SHOWN_MAX, OPTIONS_BYTES_MAX, PAGE_MAX,
    PAYLOAD_SHOWN_BYTES_MAX, QUERY_ROWS_MAX, REHEARSAL_ROUNDS_MAX, REHEARSALS_MAX, RegisterError,
    RegisterOptions, Registered, Registrar, STATE_BODY_BYTES_MAX, Source, UPLOADS_MAX,
};
use super::steering::misfit;
use super::{both_doors, doors, ports};
use crate::driver::{Handle, Rehearsal, RehearsalError};
use crate::ingress::harness::{self, Host};

/// Sends invocations that do not begin.
fn send_many(host: &Host, count: usize) {
    let sends = (0..u32::try_from(count).expect("few")).map(|number| {
        let target = Target::service("trips", "ping");
        let mut unique = [0; 16];
        unique[..4].copy_from_slice(&number.to_be_bytes());
        host.handle.send(Invoke {
            id: InvocationId::new(&target, unique),
            target,
            input: "".into(),
            headers: Vec::new(),
            idempotency_key: None,
            seed: Seed([0; 32]),
            delay_ms: Some(3_600_000),
            retention_ms: 0,
        })
    });
    assert!(host.run(join_all(sends)).iter().all(Result::is_ok));
}

/// A service of which `fill` opens many awakeables.
fn filling() -> Deployment {
    let digest = Digest::of(b"filling");
    let handler = Handler {
        name: "fill".to_owned(),
        mode: HandlerMode::Exclusive,
        input: harness::deployment().services[0].handlers[2].input.clone(),
        output: None,
        documentation: None,
        options: Options::default(),
    };
    let service = Service {
        name: "long".to_owned(),
        kind: ServiceKind::Service,
        handlers: vec![handler],
        documentation: None,
        options: Options::default(),
    };
    Deployment { id: DeploymentId::of(&digest), digest, services: vec![service], ..harness::deployment() }
}

/// Has `inv_1` wait with so many open commands.
fn fill(host: &Host, count: usize) {
    host.run(host.handle.deploy(filling())).expect("a valid deployment");
    let sent = host.fetch_numbered(&format!("POST /long/fill/send ~ {count}"));
    assert_eq!(sent["status"], "Accepted");
    host.until_status("inv_1", "suspended");
}

#[test]
fn a_query_reads_a_portion() {
    let host = Host::start(both_doors);
    send_many(&host, QUERY_ROWS_MAX + 1);
    let portion = |rows: Rows| {
        let read = host.run(host.handle.query(move |state| listing::read::<Invocation, _>(state, rows)));
        read.expect("the driver runs").expect("a readable state")
    };
    let first = portion(Rows::of(key::family(Family::Invocation)));
    assert_eq!((first.found.len(), first.rest.is_at_end()), (QUERY_ROWS_MAX, false));
    let second = portion(first.rest);
    assert_eq!((second.found.len(), second.rest.is_at_end()), (1, true));
}

#[test]
fn a_listing_goes_on_in_another_query_and_on_another_page() {
    let host = Host::start(both_doors);
    send_many(&host, PAGE_MAX + 1);
    let page = host.fetch(&format!("GET /admin/invocations?limit={PAGE_MAX}"));
    assert_eq!(page["invocations"].as_array().map(Vec::len), Some(PAGE_MAX));
    let cursor = page["nextCursor"].as_str().expect("there is more");
    let page = host.fetch(&format!("GET /admin/invocations?limit={PAGE_MAX}&cursor={cursor}"));
    assert_eq!((page["invocations"].as_array().map(Vec::len), &page["nextCursor"]), (Some(1), &().into()));
    let beyond = format!("GET /admin/invocations?limit={}", PAGE_MAX + 1);
    host.check(&[&beyond], expect![[r#"
        GET /admin/invocations?limit=1001
          400 content-type: application/json
          {"code":400,"error_code":"HH0003","message":"the parameter 'limit' is from 1 to 1000, not 1001","request_id":"req_…"}
    "#]]);
}

/// Nothing is found, and nobody waits until everything has been looked at.
#[test]
fn a_page_ends_when_much_was_looked_at() {
    let host = Host::start(|handle| {
        doors(handle, AdminPorts { page_rows_max: QUERY_ROWS_MAX, ..ports(Arc::default()) })
    });
    send_many(&host, QUERY_ROWS_MAX + 1);
    let page = host.fetch("GET /admin/invocations?handler=find");
    assert_eq!(page["invocations"].as_array().map(Vec::len), Some(0));
    let cursor = page["nextCursor"].as_str().expect("there is more to look at");
    let page = host.fetch(&format!("GET /admin/invocations?handler=find&cursor={cursor}"));
    assert_eq!(page, serde_json::json!({ "invocations": [] }));
}

#[test]
fn a_journal_is_read_on() {
    let host = Host::start(both_doors);
    let size = JOURNAL_PAGE_MAX as usize + 1;
    fill(&host, size);
    let page = host.fetch("GET /admin/invocations/inv_1/journal");
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(size - 1));
    assert_eq!(page["nextFrom"], JOURNAL_PAGE_MAX);
    let page = host.fetch(&format!("GET /admin/invocations/inv_1/journal?from={JOURNAL_PAGE_MAX}"));
    assert_eq!((page["entries"].as_array().map(Vec::len), &page["nextFrom"]), (Some(1), &().into()));
    let beyond = format!("GET /admin/invocations/inv_1/journal?limit={size}");
    host.check(&[&beyond], expect![[r#"
        GET /admin/invocations/inv_1/journal?limit=1001
          400 content-type: application/json
          {"code":400,"error_code":"HH0003","message":"the parameter 'limit' is from 1 to 1000, not 1001","request_id":"req_…"}
    "#]]);
}

#[test]
fn so_many_open_commands_are_shown() {
    for (count, told) in [(OPEN_SHOWN_MAX, None), (OPEN_SHOWN_MAX + 1, Some(OPEN_SHOWN_MAX + 1))] {
        let host = Host::start(both_doors);
        fill(&host, count);
        let shown = host.fetch("GET /admin/invocations/inv_1");
        assert_eq!(shown["open"].as_array().map(Vec::len), Some(OPEN_SHOWN_MAX));
        assert_eq!(shown["openCount"].as_u64(), told.map(|it| it as u64));
    }
}

#[test]
fn of_a_large_payload_the_size_is_shown() {
    let shown = |size: usize| {
        let payload = format!("\"{}\"", "x".repeat(size - 2));
        model::short_value(payload.as_bytes(), PAYLOAD_SHOWN_BYTES_MAX).get().to_owned()
    };
    assert_eq!(shown(PAYLOAD_SHOWN_BYTES_MAX).len(), PAYLOAD_SHOWN_BYTES_MAX);
    assert_eq!(shown(PAYLOAD_SHOWN_BYTES_MAX + 1), r#"{"bytes":16385}"#);
}

#[test]
fn options_are_bounded() {
    let host = Host::start(both_doors);
    let patch = |size: usize| {
        let options = r#"{"timeout": "30s"}"#;
        let body = format!("{options}{}", " ".repeat(size - options.len()));
        Request::patch("/admin/services/trips").body(Body::from(body)).expect("a valid request")
    };
    assert_eq!(host.status_of(patch(OPTIONS_BYTES_MAX)), 200);
    host.check_request("too many", patch(OPTIONS_BYTES_MAX + 1), expect![[r#"
        too many
          413 content-type: application/json
          {"code":413,"error_code":"HH0013","message":"the options have more than the 65536 bytes that are allowed","request_id":"req_…"}
    "#]]);
}

#[test]
fn a_state_that_is_replaced_is_bounded() {
    let host = Host::start(both_doors);
    let put = |bytes: usize| {
        let body = format!("{{\"state\": {{}}{}}}", " ".repeat(bytes - "{\"state\": {}}".len()));
        Request::put("/admin/state/cart/ann").body(Body::from(body)).expect("a valid request")
    };
    assert_eq!(host.status_of(put(STATE_BODY_BYTES_MAX)), 200);
    host.check_request("too large", put(STATE_BODY_BYTES_MAX + 1), expect![[r#"
        too large
          413 content-type: application/json
          {"code":413,"error_code":"HH0013","message":"the body has more than the 33554432 bytes that are allowed","request_id":"req_…"}
    "#]]);
}

#[test]
fn metadata_is_bounded() {
    let host = Host::start(|handle| {
        doors(handle, AdminPorts { component_bytes_max: 2 * METADATA_BYTES_MAX, ..ports(Arc::default()) })
    });
    let register = |size: usize| {
        let note = "n".repeat(size - "by".len());
        let body = serde_json::json!({ "path": "trips.wasm", "metadata": { "by": note } });
        Request::post("/admin/deployments").body(Body::from(body.to_string())).expect("a valid request")
    };
    assert_eq!(host.status_of(register(METADATA_BYTES_MAX)), 200);
    host.check_request("too much", register(METADATA_BYTES_MAX + 1), expect![[r#"
        too much
          413 content-type: application/json
          {"code":413,"error_code":"HH0013","message":"the metadata has 16385 bytes, more than the 16384 that are kept","request_id":"req_…"}
    "#]]);
}

#[test]
fn a_component_that_does_not_arrive() {
    let host = Host::start(|handle| {
        doors(handle, AdminPorts { upload_timeout: Duration::ZERO, ..ports(Arc::default()) })
    });
    let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let upload = Request::post("/admin/deployments").body(endless).expect("a valid request");
    host.check_request("without end", upload, expect![[r#"
        without end
          408 content-type: application/json
          {"code":408,"error_code":"HH0004","message":"the component was not complete after 0 s","request_id":"req_…"}
    "#]]);
}

/// Says when it is asked for something, and answers when it may.
#[derive(Debug)]
struct Busy {
    asked: mpsc::UnboundedSender<()>,
    turns: Arc<Semaphore>,
}

impl Busy {
    async fn work(&self) {
        self.asked.send(()).expect("the test listens");
        self.turns.acquire().await.expect("it is never closed").forget();
    }
}

impl Registrar for Busy {
    fn register(&self, _: Source, _: RegisterOptions) -> BoxFuture<'_, Result<Registered, RegisterError>> {
        async {
            self.work().await;
            Ok(Registered { deployment: harness::deployment(), is_new: true })
        }
        .boxed()
    }
}

impl Rehearsal for Busy {
    fn rehearse(&self, _: Start, _: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>> {
        self.work().map(Ok).boxed()
    }
}

/// Begins one request more than may be worked on, and sees that the last one waits for its turn.
fn check_turns(host: &Host, mut begun: mpsc::UnboundedReceiver<()>, turns: &Semaphore, requests: &[String]) {
    let most = requests.len() - 1;
    let under_way: Vec<_> = requests.iter().map(|request| host.begin(request)).collect();
    for _ in 0..most {
        host.run(begun.recv()).expect("the door is open");
    }
    host.fetch("GET /admin/version");
    assert!(begun.try_recv().is_err(), "one more waits for its turn");
    turns.add_permits(1);
    host.run(begun.recv()).expect("it is its turn");
    turns.add_permits(most);
    for asked in under_way {
        assert!(host.run(asked).expect("no panic").status().is_success());
    }
}

#[test]
fn components_that_are_taken_in_at_the_same_time() {
    let (asked, begun) = mpsc::unbounded_channel();
    let turns = Arc::new(Semaphore::new(0));
    let registrar = Arc::new(Busy { asked, turns: Arc::clone(&turns) });
    let host = Host::start(|handle| doors(handle, AdminPorts { registrar, ..ports(Arc::default()) }));
    let upload = r#"POST /admin/deployments ~ {"path": "trips.wasm"}"#.to_owned();
    check_turns(&host, begun, &turns, &vec![upload; UPLOADS_MAX + 1]);
}

#[test]
fn journals_that_are_rehearsed_at_the_same_time() {
    let (asked, begun) = mpsc::unbounded_channel();
    let turns = Arc::new(Semaphore::new(0));
    let rehearsal = Arc::new(Busy { asked, turns: Arc::clone(&turns) });
    let host = Host::start(|handle| doors(handle, AdminPorts { rehearsal, ..ports(Arc::default()) }));
    let ids: Vec<String> = (1..=REHEARSALS_MAX + 1).map(|number| format!("inv_{number}")).collect();
    for id in &ids {
        host.fetch_numbered("POST /trips/wait/send");
        pause(&host, id);
    }
    host.run(host.handle.deploy(misfit())).expect("a valid deployment");
    let resume = |id: &String| format!("PATCH /admin/invocations/{id}/resume?deployment=latest");
    check_turns(&host, begun, &turns, &ids.iter().map(resume).collect::<Vec<_>>());
}

/// Pauses an invocation when it waits.
fn pause(host: &Host, id: &str) {
    host.until_status(id, "suspended");
    host.run(host.handle.pause(host.id(id))).expect("it has not ended");
}

/// The first times that a journal is rehearsed, one more awakeable of it is completed.
#[derive(Debug)]
struct Growing {
    handle: Handle,
    times: u32,
}

impl Rehearsal for Growing {
    fn rehearse(&self, start: Start, _: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>> {
        let answered = u32::try_from(start.notifications.len()).expect("few");
        let awakeable = AwakeableId { invocation: start.attempt.invocation, index: EntryIndex(answered) };
        async move {
            if answered < self.times {
                self.handle.complete_awakeable(awakeable, Outcome::done()).await.expect("it is open");
            }
            Ok(())
        }
        .boxed()
    }
}

#[test]
fn a_journal_that_always_grows_is_given_up() {
    let resume = |times| {
        let host = Host::start(|handle| {
            let rehearsal = Arc::new(Growing { handle: handle.clone(), times });
            doors(handle, AdminPorts { rehearsal, ..ports(Arc::default()) })
        });
        fill(&host, REHEARSAL_ROUNDS_MAX as usize + 1);
        pause(&host, "inv_1");
        let digest = Digest::of(b"filling otherwise");
        let other = Deployment { id: DeploymentId::of(&digest), digest, ..filling() };
        host.run(host.handle.deploy(other)).expect("a valid deployment");
        host
    };
    const RESUME: &str = "PATCH /admin/invocations/inv_1/resume?deployment=latest";
    resume(REHEARSAL_ROUNDS_MAX - 1).check(
        &[RESUME],
        expect![[r#"
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              200 content-type: application/json
              {"id":"inv_1"}
        "#]],
    );
    resume(REHEARSAL_ROUNDS_MAX).check(&[RESUME], expect![[r#"
        PATCH /admin/invocations/inv_1/resume?deployment=latest
          409 content-type: application/json
          {"code":409,"error_code":"HH0075","message":"inv_1 cannot go on with dp_67n3V7GhSgNoBZ9j3338xV: its journal grew each time while it was replayed; pause it, or try again","request_id":"req_…"}
    "#]]);
}
