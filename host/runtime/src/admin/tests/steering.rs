//! What operators do to invocations.

use std::sync::{Arc, Mutex};

use expect_test::expect;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holiday_core::attempt::Start;
use holiday_core::deployment::Deployment;
use holiday_core::id::{AwakeableId, DeploymentId, Digest, EntryIndex};
use holiday_core::value::Outcome;

use super::{AdminPorts, both_doors, doors, ports};
use crate::driver::{Handle, JournalLength, Rehearsal, RehearsalError};
use crate::ingress::harness::{self, Host};

/// Has the same services, but no journal fits it.
pub(super) fn misfit() -> Deployment {
    let digest = Digest::of(b"misfit");
    Deployment { id: DeploymentId::of(&digest), digest, ..harness::deployment() }
}

#[test]
fn steering() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/reserve/send ~ {}"],
        expect![[r#"
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_2
              {"invocationId":"inv_2","status":"Accepted"}
            POST /trips/reserve/send ~ {}
              202 content-type: application/json x-restate-id: inv_3
              {"invocationId":"inv_3","status":"Accepted"}
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.until_status("inv_2", "suspended");
    host.until_status("inv_3", "ended");
    host.check(
        &[
            "PATCH /admin/invocations/inv_1/pause",
            "PATCH /admin/invocations/inv_1/pause",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest",
            "PATCH /admin/invocations/inv_1/resume?deployment=dp_111111111111111111111",
            "PATCH /admin/invocations/inv_1/cancel",
            "PATCH /admin/invocations/inv_2/kill",
            "PATCH /admin/invocations/inv_2/kill",
            "PATCH /admin/invocations/inv_3/purge",
            "GET /admin/invocations/inv_3",
            "PATCH /admin/invocations/inv_3/purge",
            "PATCH /admin/invocations/inv_2/resume?on=latest",
            "PATCH /admin/invocations/inv_2/restart",
            "PATCH /admin/invocations/inv_0/kill",
            "POST /admin/invocations/inv_2/kill",
            "GET /restate/attach/inv_1",
        ],
        expect![[r#"
            PATCH /admin/invocations/inv_1/pause
              200 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_1/pause
              409 content-type: application/json
              {"code":409,"error_code":"HH0047","message":"invocation inv_1 is paused, it cannot be paused","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              200 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_1/resume?deployment=dp_111111111111111111111
              400 content-type: application/json
              {"code":400,"error_code":"HH0030","message":"'dp_111111111111111111111' is not a deployment id: it should be 'dp_' and 22 base58 characters or so","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/cancel
              202 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_2/kill
              200 content-type: application/json
              {"id":"inv_2"}
            PATCH /admin/invocations/inv_2/kill
              409 content-type: application/json
              {"code":409,"error_code":"HH0047","message":"invocation inv_2 is completed, it cannot be killed","request_id":"req_…"}
            PATCH /admin/invocations/inv_3/purge
              200 content-type: application/json
              {"id":"inv_3"}
            GET /admin/invocations/inv_3
              404 content-type: application/json
              {"code":404,"error_code":"HH0018","message":"there is no invocation inv_3: it never was, or its retention has ended","request_id":"req_…"}
            PATCH /admin/invocations/inv_3/purge
              404 content-type: application/json
              {"code":404,"error_code":"HH0018","message":"there is no invocation inv_3: it never was, or its retention has ended","request_id":"req_…"}
            PATCH /admin/invocations/inv_2/resume?on=latest
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no parameter 'on'; here are: deployment, force","request_id":"req_…"}
            PATCH /admin/invocations/inv_2/restart
              404 content-type: application/json
              {"code":404,"error_code":"HH0048","message":"'restart' is not done to an invocation; these are: cancel, kill, pause, resume, purge, restart-as-new","request_id":"req_…"}
            PATCH /admin/invocations/inv_0/kill
              400 content-type: application/json
              {"code":400,"error_code":"HH0030","message":"'inv_0' is not an invocation id: it should be 'inv_' and 32 base58 characters or so","request_id":"req_…"}
            POST /admin/invocations/inv_2/kill
              405 content-type: application/json allow: PATCH
              {"code":405,"error_code":"HH0033","message":"/invocations/inv_2/kill does not take POST","request_id":"req_…"}
            GET /restate/attach/inv_1
              409 content-type: application/json x-restate-id: inv_1 x-restate-error-source: invocation
              {"code":409,"error_code":"HH0016","message":"cancelled","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn resuming_elsewhere() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
    "#]],
    );
    host.until_status("inv_1", "suspended");
    host.run(host.handle.deploy(misfit())).expect("a valid deployment");
    let misfit = misfit().id;
    host.check(
        &[
            "PATCH /admin/invocations/inv_1/resume?deployment=latest",
            "PATCH /admin/invocations/inv_1/pause",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest",
            &format!("PATCH /admin/invocations/inv_1/resume?deployment={misfit}"),
            "GET /admin/invocations/inv_1",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest&force=perhaps",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest&force",
        ],
        expect![[r#"
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              409 content-type: application/json
              {"code":409,"error_code":"HH0047","message":"invocation inv_1 is suspended, it cannot be resumed","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/pause
              200 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              409 content-type: application/json
              {"code":409,"error_code":"HH0007","message":"inv_1 cannot go on with dp_HrCd3tjCvoLUDMeHizT5aJ: the journal of 1 commands is another","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=dp_HrCd3tjCvoLUDMeHizT5aJ
              409 content-type: application/json
              {"code":409,"error_code":"HH0007","message":"inv_1 cannot go on with dp_HrCd3tjCvoLUDMeHizT5aJ: the journal of 1 commands is another","request_id":"req_…"}
            GET /admin/invocations/inv_1
              200 content-type: application/json
              {"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","headers":[],"id":"inv_1","input":null,"journal":{"bytes":32,"commands":1,"notifications":0},"open":[{"command":"awakeable","id":"awk_1","index":0,"waitsFor":"awakeable"}],"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"reason":"by an operator","service":"trips","status":"paused","target":"trips/wait"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest&force=perhaps
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'force' is true or false, not 'perhaps'","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest&force
              200 content-type: application/json
              {"id":"inv_1"}
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            "PATCH /admin/invocations/inv_1/pause",
            "PATCH /admin/invocations/inv_1/resume?deployment=dp_BorymWRzeBiZovyJ1SjRT5",
        ],
        expect![[r#"
            PATCH /admin/invocations/inv_1/pause
              200 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_1/resume?deployment=dp_BorymWRzeBiZovyJ1SjRT5
              200 content-type: application/json
              {"id":"inv_1"}
        "#]],
    );
    host.until_status("inv_1", "suspended");
    let shown = host.fetch("GET /admin/invocations/inv_1");
    assert_eq!(shown["deployment"], harness::deployment().id.to_string());
}

/// Has the world answer while a journal is replayed.
#[derive(Debug)]
struct Disturbing {
    handle: Handle,
    seen: Arc<Mutex<Vec<JournalLength>>>,
}

impl Rehearsal for Disturbing {
    fn rehearse(&self, start: Start, _: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>> {
        self.seen.lock().expect("no panic").push(JournalLength::of(&start));
        let awakeable = AwakeableId { invocation: start.attempt.invocation, index: EntryIndex(0) };
        async move {
            // The second time it is completed already.
            drop(self.handle.complete_awakeable(awakeable, Outcome::success("1")).await);
            Ok(())
        }
        .boxed()
    }
}

#[test]
fn a_journal_that_grows_meanwhile_is_replayed_again() {
    let seen = Arc::<Mutex<Vec<JournalLength>>>::default();
    let host = Host::start(|handle| {
        let rehearsal = Disturbing { handle: handle.clone(), seen: Arc::clone(&seen) };
        let ports = AdminPorts { rehearsal: Arc::new(rehearsal), ..ports(Arc::default()) };
        doors(handle, ports)
    });
    host.check(
        &["POST /trips/wait/send"],
        expect![[r#"
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.run(host.handle.deploy(misfit())).expect("a valid deployment");
    host.check(
        &[
            "PATCH /admin/invocations/inv_1/pause",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest",
            "GET /restate/attach/inv_1",
        ],
        expect![[r#"
            PATCH /admin/invocations/inv_1/pause
              200 content-type: application/json
              {"id":"inv_1"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              200 content-type: application/json
              {"id":"inv_1"}
            GET /restate/attach/inv_1
              200 content-type: application/json x-restate-id: inv_1
              1
        "#]],
    );
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.iter().map(|it| (it.commands, it.notifications)).collect::<Vec<_>>(), [(1, 0), (1, 1)]);
}

#[test]
fn resuming_where_nothing_is_left() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
    "#]],
    );
    host.until_status("inv_1", "suspended");
    host.run(host.handle.remove_deployment(harness::deployment().id, true)).expect("it is there");
    host.check(
        &[
            "GET /admin/invocations/inv_1",
            "PATCH /admin/invocations/inv_1/resume",
            "PATCH /admin/invocations/inv_1/resume?deployment=keep",
            "PATCH /admin/invocations/inv_1/resume?deployment=latest",
            "PATCH /admin/invocations/inv_1/resume?deployment=dp_BorymWRzeBiZovyJ1SjRT5",
        ],
        expect![[r#"
            GET /admin/invocations/inv_1
              200 content-type: application/json
              {"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","headers":[],"id":"inv_1","input":null,"journal":{"bytes":32,"commands":1,"notifications":0},"open":[{"command":"awakeable","id":"awk_1","index":0,"waitsFor":"awakeable"}],"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"reason":"deployment dp_BorymWRzeBiZovyJ1SjRT5 was removed","service":"trips","status":"paused","target":"trips/wait"}
            PATCH /admin/invocations/inv_1/resume
              409 content-type: application/json
              {"code":409,"error_code":"HH0070","message":"deployment dp_BorymWRzeBiZovyJ1SjRT5, on which inv_1 began, was removed; resume it on another","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=keep
              409 content-type: application/json
              {"code":409,"error_code":"HH0070","message":"deployment dp_BorymWRzeBiZovyJ1SjRT5, on which inv_1 began, was removed; resume it on another","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=latest
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'trips'","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/resume?deployment=dp_BorymWRzeBiZovyJ1SjRT5
              404 content-type: application/json
              {"code":404,"error_code":"HH0046","message":"there is no deployment dp_BorymWRzeBiZovyJ1SjRT5","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn restarting() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send", "POST /trips/ping"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
        POST /trips/ping
          200 x-restate-id: inv_2
    "#]],
    );
    host.until_status("inv_1", "suspended");
    host.check(
        &[
            "PATCH /admin/invocations/inv_1/restart-as-new",
            "PATCH /admin/invocations/inv_1/kill",
            "GET /admin/invocations/inv_1/journal",
            "PATCH /admin/invocations/inv_1/restart-as-new?keep=2",
            "PATCH /admin/invocations/inv_1/restart-as-new?keep=1&from=1",
            "PATCH /admin/invocations/inv_1/restart-as-new?keep=all",
            "PATCH /admin/invocations/inv_1/restart-as-new",
            "PATCH /admin/invocations/inv_1/restart-as-new?keep=1",
            "PATCH /admin/invocations/inv_1/restart-as-new?from=1",
            "PATCH /admin/invocations/inv_2/restart-as-new",
        ],
        expect![[r#"
            PATCH /admin/invocations/inv_1/restart-as-new
              409 content-type: application/json
              {"code":409,"error_code":"HH0047","message":"invocation inv_1 is suspended, it cannot be restarted","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/kill
              200 content-type: application/json
              {"id":"inv_1"}
            GET /admin/invocations/inv_1/journal
              200 content-type: application/json
              {"commands":1,"entries":[{"at":"in 0 h","command":"awakeable","index":0,"type":"awakeable"}],"expiresAt":"in 24 h","invocation":"inv_1","notifications":0}
            PATCH /admin/invocations/inv_1/restart-as-new?keep=2
              400 content-type: application/json
              {"code":400,"error_code":"HH0067","message":"inv_1 has 1 commands in its journal, so 2 of them cannot be kept","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/restart-as-new?keep=1&from=1
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"'keep' and 'from' say the same thing in two ways; give one","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/restart-as-new?keep=all
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'keep' cannot be 'all'","request_id":"req_…"}
            PATCH /admin/invocations/inv_1/restart-as-new
              200 content-type: application/json
              {"id":"inv_1","newInvocationId":"inv_3"}
            PATCH /admin/invocations/inv_1/restart-as-new?keep=1
              200 content-type: application/json
              {"id":"inv_1","newInvocationId":"inv_4"}
            PATCH /admin/invocations/inv_1/restart-as-new?from=1
              200 content-type: application/json
              {"id":"inv_1","newInvocationId":"inv_5"}
            PATCH /admin/invocations/inv_2/restart-as-new
              404 content-type: application/json
              {"code":404,"error_code":"HH0018","message":"there is no invocation inv_2: it never was, or its retention has ended","request_id":"req_…"}
        "#]],
    );
    host.until_status("inv_3", "suspended");
    host.until_status("inv_5", "suspended");
    host.check(
        &[
            "GET /admin/invocations/inv_1",
            "GET /admin/invocations/inv_3",
            "GET /admin/invocations/inv_5",
            r#"POST /restate/awakeables/awk_1/resolve ~ "there""#,
            "GET /restate/attach/inv_5",
            "PATCH /admin/invocations/inv_3/cancel",
        ],
        expect![[r#"
            GET /admin/invocations/inv_1
              200 content-type: application/json
              {"attempt":1,"completedAt":"in 0 h","createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","expiresAt":"in 1 h","handler":"wait","headers":[],"id":"inv_1","input":null,"journal":{"commands":1,"expiresAt":"in 24 h","notifications":0},"outcome":{"failure":{"code":409,"message":"killed"}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"restartedAs":"inv_5","result":"failure","service":"trips","status":"completed","target":"trips/wait"}
            GET /admin/invocations/inv_3
              200 content-type: application/json
              {"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","headers":[],"id":"inv_3","input":null,"journal":{"bytes":32,"commands":1,"notifications":0},"open":[{"command":"awakeable","id":"awk_3","index":0,"waitsFor":"awakeable"}],"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"service":"trips","status":"suspended","suspendedOn":[0],"target":"trips/wait"}
            GET /admin/invocations/inv_5
              200 content-type: application/json
              {"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","headers":[],"id":"inv_5","input":null,"journal":{"bytes":32,"commands":1,"notifications":0},"lineage":[{"commands":1,"invocation":"inv_1"}],"open":[{"command":"awakeable","id":"awk_1","index":0,"waitsFor":"awakeable"}],"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"restartedFrom":"inv_1","service":"trips","status":"suspended","suspendedOn":[0],"target":"trips/wait"}
            POST /restate/awakeables/awk_1/resolve ~ "there"
              202
            GET /restate/attach/inv_5
              200 content-type: application/json x-restate-id: inv_5
              "there"
            PATCH /admin/invocations/inv_3/cancel
              202 content-type: application/json
              {"id":"inv_3"}
        "#]],
    );
}
