//! What operators see, route by route.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::routing::Router;
use expect_test::{Expect, expect};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holiday_core::error::ErrorCode;
use http::Request;

use super::{AdminPorts, RegisterError, RegisterOptions, Registered, Registrar, Source, router};
use crate::driver::Handle;
use crate::ingress::harness::{self, Host};
use crate::ingress::{self, IngressConfig};

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

fn ports(registrar: Arc<Known>) -> AdminPorts {
    AdminPorts { registrar, component_bytes_max: 64, version: "0.1.0" }
}

/// Both doors: that of the operators is below `/admin`.
fn both_doors(handle: Handle) -> Router {
    let callers = ingress::router(handle.clone(), IngressConfig::default());
    Router::new().nest("/admin", router(handle, ports(Arc::default()))).fallback_service(callers)
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
fn deployments() {
    check(
        &[
            "GET /admin/deployments",
            "GET /admin/endpoints",
            "GET /admin/deployments/dp_1111111111111111",
            "GET /admin/deployments/trips",
        ],
        expect![[""]],
    );
}

#[test]
fn a_deployment_counts_what_runs_on_it() {
    let host = Host::start(both_doors);
    host.check(&["POST /trips/wait/send", "POST /trips/wait/send?delay=1h"], expect![[""]]);
    host.until_status("inv_1", "suspended");
    let request = format!("GET /admin/deployments/{}", harness::deployment().id);
    host.check(&[&request], expect![[""]]);
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
        expect![[""]],
    );
}

#[test]
fn registration() {
    let known = Arc::new(Known::default());
    let asked = Arc::clone(&known);
    let host = Host::start(move |handle| router(handle, ports(known)));
    host.check(
        &[
            r#"POST /deployments?force=true ~ content-type: application/wasm ~ a component"#,
            r#"POST /endpoints ~ {"uri": "file:///guests/my%20trips.wasm"}"#,
            r#"POST /deployments ~ {"path": "guests/trips.wasm", "force": true, "dry_run": true, "metadata": {"by": "ann"}}"#,
            "POST /deployments ~ content-type: application/octet-stream ~ not wasm",
            r#"POST /deployments ~ {"uri": "http://localhost:9080"}"#,
            r#"POST /deployments ~ {"uri": "file:trips.wasm", "path": "trips.wasm"}"#,
            r#"POST /deployments ~ {"url": "file:///trips.wasm"}"#,
            "POST /deployments?drynru=true ~ {}",
            "POST /deployments",
            "PUT /deployments",
        ],
        expect![[""]],
    );
    let large = Request::post("/deployments").body(Body::from(vec![0; 65])).expect("a request");
    host.check_request("65 bytes", large, expect![[""]]);
    let asked = asked.asked.lock().expect("no panic");
    let asked: Vec<String> = asked.iter().map(|it| format!("{it:?}\n")).collect();
    expect![[""]].assert_eq(&asked.concat());
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
        expect![[""]],
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
        expect![[""]],
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
    ids.dedup();
    assert_eq!((sizes, ids.len()), (vec![2, 2, 1], 5));
}

#[test]
fn steering() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send", "POST /trips/wait/send", "POST /trips/reserve/send ~ {}"],
        expect![[""]],
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
        expect![[""]],
    );
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
            POST /cart/ann/add ~ {"trip_id": "t1"}
              200 content-type: application/json x-restate-id: inv_1
              "cart/ann/add got '{'trip_id': 't1'}'"
            GET /admin/state/cart/ann
              200 content-type: application/json
              {"key":"ann","service":"cart","state":{"items":{"trip_id":"t1"}}}
            GET /admin/state/cart/bob
              200 content-type: application/json
              {"key":"bob","service":"cart","state":{}}
            GET /admin/state/trips/ann
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"'trips' is a plain service and has no state","request_id":"req_…"}
            GET /admin/state/carts/ann
              404 content-type: application/json
              {"code":404,"error_code":"HH0001","message":"there is no service 'carts'","request_id":"req_…"}
            GET /admin/state/cart/%ff
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"Invalid URL: Invalid UTF-8 in `key`","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn state() {
    check(
        &[
            r#"POST /cart/ann/add ~ {"trip_id": "t1"}"#,
            "GET /admin/state/cart/ann",
            "GET /admin/state/cart/bob",
            "GET /admin/state/trips/ann",
            "GET /admin/state/carts/ann",
            "GET /admin/state/cart/%ff",
        ],
        expect![[""]],
    );
}

#[test]
fn a_host_that_shuts_down() {
    let host = Host::start(both_doors);
    host.handle.shut_down();
    host.check(&["GET /admin/health"], expect![[""]]);
}
