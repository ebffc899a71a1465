//! What operators see, route by route.

mod bounds;
mod deployments;
mod state;
mod steering;
pub(super) mod subscriptions;

use std::sync::{Arc, Mutex};

use axum::routing::Router;
use expect_test::{Expect, expect};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holiday_core::attempt::Start;
use holiday_core::error::ErrorCode;

use super::{
    AdminPorts, PAGE_ROWS_MAX, RegisterError, RegisterOptions, Registered, Registrar, Source, UPLOAD_TIMEOUT,
    router,
};
use crate::driver::{Handle, Rehearsal, RehearsalError};
use crate::ingress::harness::{self, Host};
use crate::ingress::{self, IngressConfig};
use crate::metrics::Metrics;
use crate::seal::Sealer;
use crate::telemetry::Tracer;

/// Remembers what it was asked, and knows one component.
#[derive(Debug, Default)]
struct Known {
    asked: Mutex<Vec<(Source, RegisterOptions)>>,
}

impl Registrar for Known {
    fn register(
        &self,
        source: Source,
        options: RegisterOptions,
    ) -> BoxFuture<'_, Result<Registered, RegisterError>> {
        let is_new = options.force;
        let is_known = source != Source::Bytes("not wasm".into());
        self.asked.lock().expect("no panic").push((source, options));
        let answer = match is_known {
            true => Ok(Registered { deployment: harness::deployment(), is_new }),
            false => Err(RegisterError {
                status: 400,
                code: ErrorCode::NotAComponent,
                message: "it does not begin like a WebAssembly file".to_owned(),
            }),
        };
        async { answer }.boxed()
    }
}

/// Every component fits, but one.
#[derive(Debug)]
struct Fits;

impl Rehearsal for Fits {
    fn rehearse(&self, start: Start, _: Option<String>) -> BoxFuture<'_, Result<(), RehearsalError>> {
        let reason = format!("the journal of {} commands is another", start.commands.len());
        let fits = start.deployment != steering::misfit().id;
        async move { fits.then_some(()).ok_or(RehearsalError::Mismatch(reason)) }.boxed()
    }
}

fn ports(registrar: Arc<Known>) -> AdminPorts {
    let (rehearsal, metrics) = (Arc::new(Fits), Metrics::default());
    AdminPorts {
        registrar,
        rehearsal,
        topics: Arc::new(subscriptions::Broker::default()),
        component_bytes_max: 256,
        upload_timeout: UPLOAD_TIMEOUT,
        page_rows_max: PAGE_ROWS_MAX,
        version: "0.1.0",
        ingress_url: "http://127.0.0.1:8080".to_owned(),
        metrics,
        is_local: true,
    }
}

/// Both doors: that of the operators is below `/admin`.
pub(super) fn both_doors(handle: Handle) -> Router {
    doors(handle, ports(Arc::default()))
}

fn doors(handle: Handle, ports: AdminPorts) -> Router {
    let callers = callers(handle.clone(), Metrics::default());
    Router::new().nest("/admin", router(handle, ports)).fallback_service(callers)
}

fn callers(handle: Handle, metrics: Metrics) -> Router {
    ingress::router(handle, IngressConfig::default(), Sealer::in_memory(), metrics, Tracer::default())
}

fn check(requests: &[&str], expected: Expect) {
    Host::start(both_doors).check(requests, expected);
}

#[test]
fn health_and_version() {
    check(
        &["GET /admin/health", "GET /admin/version"],
        expect![[r#"
        GET /admin/health
          200 content-type: application/json
          {"status":"ok"}
        GET /admin/version
          200 content-type: application/json
          {"version":"0.1.0"}
    "#]],
    );
}

#[test]
fn metrics_count_what_passes_the_doors() {
    let metrics = Metrics::default();
    let shared = metrics.clone();
    let host = Host::start(move |handle| {
        let callers = callers(handle.clone(), shared.clone());
        let ports = AdminPorts { metrics: shared, ..ports(Arc::default()) };
        Router::new().nest("/admin", router(handle, ports)).fallback_service(callers)
    });
    for request in [
        "POST /trips/ping",
        "POST /trips/ping/send",
        "GET /trips",
        "GET /admin/version",
        "PUT /admin/version",
    ] {
        host.ask(request);
    }
    let answer = host.ask("GET /admin/metrics");
    assert!(answer.contains("200 content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    let mut lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("holiday_request")).collect();
    lines.sort_unstable();
    expect![[r#"
        holiday_requests_refused_total{door="admin",code="HH0033"} 1
        holiday_requests_refused_total{door="ingress",code="HH0048"} 1
        holiday_requests_total{door="admin",status="2xx"} 1
        holiday_requests_total{door="admin",status="4xx"} 1
        holiday_requests_total{door="ingress",status="2xx"} 2
        holiday_requests_total{door="ingress",status="4xx"} 1"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn services() {
    check(
        &[
            "GET /admin/services/Booking",
            "GET /admin/services/cart/handlers",
            "GET /admin/services/trips/handlers/copy",
            "GET /admin/services/booking",
            "GET /admin/services/cart/handlers/drop",
        ],
        expect![[r#"
            GET /admin/services/Booking
              200 content-type: application/json
              {"deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"Run","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Workflow"},{"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"},{"name":"attach","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}
            GET /admin/services/cart/handlers
              200 content-type: application/json
              {"handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"add","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Exclusive"},{"name":"get","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"},{"name":"wait","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Exclusive"}]}
            GET /admin/services/trips/handlers/copy
              200 content-type: application/json
              {"input":{"contentType":"image/*"},"name":"copy","output":{"contentType":"image/png"},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Exclusive"}
            GET /admin/services/booking
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'booking'; did you mean 'Booking'?","request_id":"req_…"}
            GET /admin/services/cart/handlers/drop
              404 content-type: application/json
              {"code":404,"error_code":"HH0002","message":"service 'cart' has no handler 'drop'","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn options_of_a_service() {
    check(
        &[
            r#"PATCH /admin/services/Booking ~ {"timeout": "1h", "handlers": {"status": {"private": true}}}"#,
            r#"PATCH /admin/services/Booking ~ {"timeout": null, "retry": {"max-attempts": 0}}"#,
            "GET /admin/services/Booking/handlers/status",
            r#"PATCH /admin/services/Booking ~ {"handlers": null, "retry": null}"#,
            "GET /admin/services/Booking/handlers/status",
        ],
        expect![[r#"
            PATCH /admin/services/Booking ~ {"timeout": "1h", "handlers": {"status": {"private": true}}}
              200 content-type: application/json
              {"deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"Run","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":"1h","workflow-retention":"24h"},"ty":"Workflow"},{"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":true,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":"1h","workflow-retention":"24h"},"ty":"Shared"},{"name":"attach","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":"1h","workflow-retention":"24h"},"ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}
            PATCH /admin/services/Booking ~ {"timeout": null, "retry": {"max-attempts": 0}}
              200 content-type: application/json
              {"deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"Run","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":null,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Workflow"},{"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":true,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":null,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"},{"name":"attach","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":null,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}
            GET /admin/services/Booking/handlers/status
              200 content-type: application/json
              {"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":true,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":null,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}
            PATCH /admin/services/Booking ~ {"handlers": null, "retry": null}
              200 content-type: application/json
              {"deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"Run","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Workflow"},{"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"},{"name":"attach","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}
            GET /admin/services/Booking/handlers/status
              200 content-type: application/json
              {"name":"status","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}
        "#]],
    );
}

#[test]
fn options_that_make_no_sense_change_nothing() {
    check(
        &[
            r#"PATCH /admin/services/booking ~ {"timeout": "1h"}"#,
            r#"PATCH /admin/services/cart ~ {"private": true, "timout": "1h"}"#,
            r#"PATCH /admin/services/cart ~ {"private": true, "handlers": {"drop": {"timeout": "1h"}}}"#,
            r#"PATCH /admin/services/cart ~ {"handlers": {"drop": null}}"#,
            "PATCH /admin/services/cart ~ true",
            "PATCH /admin/services/cart",
            "GET /admin/services/cart/handlers/get",
        ],
        expect![[r#"
            PATCH /admin/services/booking ~ {"timeout": "1h"}
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'booking'; did you mean 'Booking'?","request_id":"req_…"}
            PATCH /admin/services/cart ~ {"private": true, "timout": "1h"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0042","message":"in the options, there is no key 'timout'; did you mean 'timeout'?","request_id":"req_…"}
            PATCH /admin/services/cart ~ {"private": true, "handlers": {"drop": {"timeout": "1h"}}}
              404 content-type: application/json
              {"code":404,"error_code":"HH0002","message":"service 'cart' has no handler 'drop'","request_id":"req_…"}
            PATCH /admin/services/cart ~ {"handlers": {"drop": null}}
              200 content-type: application/json
              {"deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handlers":[{"input":{"contentType":"application/json","schema":{"properties":{"run_type":{},"trip_id":{}},"type":"object"}},"name":"add","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Exclusive"},{"name":"get","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"},{"name":"wait","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"}
            PATCH /admin/services/cart ~ true
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not a JSON object such as {\"timeout\": \"30s\"}: invalid type: boolean `true`, expected a map at line 1 column 4","request_id":"req_…"}
            PATCH /admin/services/cart
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not a JSON object such as {\"timeout\": \"30s\"}: EOF while parsing a value at line 1 column 0","request_id":"req_…"}
            GET /admin/services/cart/handlers/get
              200 content-type: application/json
              {"name":"get","output":{"contentType":"application/json","schema":{}},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"ty":"Shared"}
        "#]],
    );
}

#[test]
fn options_that_are_set_at_once_are_all_in_force() {
    let host = Host::start(both_doors);
    let handlers = ["reserve", "wrapped", "any", "find", "copy", "ping", "fail", "stumble", "wait"];
    std::thread::scope(|scope| {
        for handler in handlers {
            let patch = format!(
                r#"PATCH /admin/services/trips ~ {{"handlers": {{"{handler}": {{"private": true}}}}}}"#
            );
            let host = &host;
            scope.spawn(move || host.fetch(&patch));
        }
    });
    for handler in handlers {
        let shown = host.fetch(&format!("GET /admin/services/trips/handlers/{handler}"));
        assert_eq!(shown["policy"]["private"], true, "{handler}");
    }
}

#[test]
fn invocations() {
    let host = Host::start(both_doors);
    host.check(
        &[
            "POST /trips/wait/send",
            "POST /trips/wait/send?delay=1h",
            "POST /cart/ann/wait/send",
            "POST /cart/ann/add/send ~ {}",
            "POST /trips/find/send ~ idempotency-key: k1 ~ x-tenant: t ~ \"t1\"",
            "POST /trips/stumble/send",
            "GET /restate/attach/inv_5",
        ],
        expect![[r#"
            POST /trips/wait/send
              202 content-type: application/json x-restate-id: inv_1
              {"invocationId":"inv_1","status":"Accepted"}
            POST /trips/wait/send?delay=1h
              202 content-type: application/json x-restate-id: inv_2
              {"executionTime":"in 1 h","invocationId":"inv_2","status":"Accepted"}
            POST /cart/ann/wait/send
              202 content-type: application/json x-restate-id: inv_3
              {"invocationId":"inv_3","status":"Accepted"}
            POST /cart/ann/add/send ~ {}
              202 content-type: application/json x-restate-id: inv_4
              {"invocationId":"inv_4","status":"Accepted"}
            POST /trips/find/send ~ idempotency-key: k1 ~ x-tenant: t ~ "t1"
              202 content-type: application/json x-restate-id: inv_5
              {"invocationId":"inv_5","status":"Accepted"}
            POST /trips/stumble/send
              202 content-type: application/json x-restate-id: inv_6
              {"invocationId":"inv_6","status":"Accepted"}
            GET /restate/attach/inv_5
              200 content-type: application/json x-restate-id: inv_5 idempotency-expires: in 24 h
              "trips/find got ''t1'', x-tenant: t"
        "#]],
    );
    host.until_status("inv_1", "suspended");
    host.until_status("inv_3", "suspended");
    host.until_status("inv_6", "backing-off");
    host.check(
        &[
            "GET /admin/invocations/inv_1",
            "GET /admin/invocations/inv_2",
            "GET /admin/invocations/inv_4",
            "GET /admin/invocations/inv_5",
            "GET /admin/invocations/inv_1/journal",
            "GET /admin/invocations/inv_5/journal",
            "GET /admin/invocations?service=trips&status=suspended",
            "GET /admin/invocations?service=cart&key=ann&handler=add",
            "GET /admin/invocations?service=cart&key=bob",
            "GET /admin/invocations?status=completed",
        ],
        expect![[r#"
            GET /admin/invocations/inv_1
              200 content-type: application/json
              {"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","headers":[],"id":"inv_1","input":null,"journal":{"bytes":32,"commands":1,"notifications":0},"open":[{"command":"awakeable","id":"awk_1","index":0,"waitsFor":"awakeable"}],"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"service":"trips","status":"suspended","suspendedOn":[0],"target":"trips/wait"}
            GET /admin/invocations/inv_2
              200 content-type: application/json
              {"attempt":0,"createdAt":"in 0 h","handler":"wait","headers":[],"id":"inv_2","input":null,"journal":{"bytes":0,"commands":0,"notifications":0},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"service":"trips","startsAt":"in 1 h","status":"scheduled","target":"trips/wait"}
            GET /admin/invocations/inv_4
              200 content-type: application/json
              {"attempt":0,"createdAt":"in 0 h","handler":"add","headers":[["content-type","application/json"]],"id":"inv_4","input":{},"journal":{"bytes":0,"commands":0,"notifications":0},"key":"ann","policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"service":"cart","status":"inboxed","target":"cart/ann/add"}
            GET /admin/invocations/inv_5
              200 content-type: application/json
              {"attempt":1,"completedAt":"in 0 h","createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","expiresAt":"in 24 h","handler":"find","headers":[["x-tenant","t"],["content-type","application/json"]],"id":"inv_5","idempotencyKey":"k1","outcome":{"success":"trips/find got ''t1'', x-tenant: t"},"policy":{"cpu":null,"idempotency-retention":"24h","journal-retention":null,"keep-headers":[],"private":false,"retry":{"factor":2.0,"initial-interval":"100ms","max-attempts":20,"max-duration":null,"max-interval":"20s","then":"pause"},"timeout":null,"workflow-retention":"24h"},"result":"success","service":"trips","status":"completed","target":"trips/find"}
            GET /admin/invocations/inv_1/journal
              200 content-type: application/json
              {"commands":1,"entries":[{"at":"in 0 h","command":"awakeable","index":0,"type":"awakeable"}],"invocation":"inv_1","notifications":0}
            GET /admin/invocations/inv_5/journal
              200 content-type: application/json
              {"commands":0,"entries":[],"invocation":"inv_5","notifications":0}
            GET /admin/invocations?service=trips&status=suspended
              200 content-type: application/json
              {"invocations":[{"attempt":1,"createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","handler":"wait","id":"inv_1","journal":{"bytes":32,"commands":1,"notifications":0},"service":"trips","status":"suspended","suspendedOn":[0],"target":"trips/wait"}]}
            GET /admin/invocations?service=cart&key=ann&handler=add
              200 content-type: application/json
              {"invocations":[{"attempt":0,"createdAt":"in 0 h","handler":"add","id":"inv_4","journal":{"bytes":0,"commands":0,"notifications":0},"key":"ann","service":"cart","status":"inboxed","target":"cart/ann/add"}]}
            GET /admin/invocations?service=cart&key=bob
              200 content-type: application/json
              {"invocations":[]}
            GET /admin/invocations?status=completed
              200 content-type: application/json
              {"invocations":[{"attempt":1,"completedAt":"in 0 h","createdAt":"in 0 h","deployment":"dp_BorymWRzeBiZovyJ1SjRT5","expiresAt":"in 24 h","handler":"find","id":"inv_5","idempotencyKey":"k1","result":"success","service":"trips","status":"completed","target":"trips/find"}]}
        "#]],
    );
}

#[test]
fn pages() {
    let host = Host::start(both_doors);
    for _ in 0..5 {
        host.fetch("POST /cart/ann/wait/send?delay=1h");
    }
    let mut ids = Vec::new();
    let mut sizes = Vec::new();
    let mut request = "GET /admin/invocations?service=cart&key=ann&limit=2".to_owned();
    loop {
        let page = host.fetch(&request);
        let found = page["invocations"].as_array().expect("a list");
        sizes.push(found.len());
        ids.extend(found.iter().map(|it| it["id"].to_string()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        request = format!("GET /admin/invocations?service=cart&key=ann&limit=2&cursor={cursor}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!((sizes, ids.len()), (vec![2, 2, 1], 5));
}

#[test]
fn filters_that_are_wrong() {
    check(
        &[
            "GET /admin/invocations?state=running",
            "GET /admin/invocations?status=done",
            "GET /admin/invocations?limit=0",
            "GET /admin/invocations?limit=many",
            "GET /admin/invocations?cursor=1",
            "GET /admin/invocations?service=a&service=b",
        ],
        expect![[r#"
            GET /admin/invocations?state=running
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no parameter 'state'; here are: service, handler, key, status, deployment, subscription, limit, cursor","request_id":"req_…"}
            GET /admin/invocations?status=done
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no status 'done'; there are: scheduled, inboxed, running, suspended, backing-off, paused, completed","request_id":"req_…"}
            GET /admin/invocations?limit=0
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'limit' is from 1 to 1000, not 0","request_id":"req_…"}
            GET /admin/invocations?limit=many
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'limit' cannot be 'many'","request_id":"req_…"}
            GET /admin/invocations?cursor=1
              400 content-type: application/json
              {"code":400,"error_code":"HH0030","message":"'1' is not an invocation id: it should be 'inv_' and 32 base58 characters or so","request_id":"req_…"}
            GET /admin/invocations?service=a&service=b
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'service' is given twice","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn a_host_that_shuts_down() {
    let host = Host::start(both_doors);
    host.handle.shut_down();
    host.check(&["GET /admin/health"], expect![[r#"
        GET /admin/health
          503 content-type: application/json retry-after: 1
          {"code":503,"error_code":"HH0038","message":"the host is shutting down; send the request again in a moment","request_id":"req_…"}
    "#]]);
}

#[test]
fn pages_of_others_are_kept_out() {
    Host::start(both_doors).check(
        &[
            "POST /admin/deployments ~ origin: http://shop.example ~ content-type: text/plain ~ {}",
            "GET /admin/invocations ~ host: shop.example:9070",
            "GET /admin/version ~ host: localhost:9070 ~ origin: http://localhost:9070",
        ],
        expect![[r#"
            POST /admin/deployments ~ origin: http://shop.example ~ content-type: text/plain ~ {}
              403 content-type: application/json
              {"code":403,"error_code":"HH0080","message":"'http://shop.example' is not this door; a web page may use it only from its own address","request_id":"req_…"}
            GET /admin/invocations ~ host: shop.example:9070
              403 content-type: application/json
              {"code":403,"error_code":"HH0080","message":"'shop.example:9070' is not this door; a web page may use it only from its own address","request_id":"req_…"}
            GET /admin/version ~ host: localhost:9070 ~ origin: http://localhost:9070
              200 content-type: application/json
              {"version":"0.1.0"}
        "#]],
    );
}
