//! What operators do with deployments.

use std::sync::Arc;

use axum::body::Body;
use expect_test::expect;
use http::Request;

use super::{Known, both_doors, check, ports, router};
use crate::ingress::harness::{self, Host};

#[test]
fn deployments() {
    check(
        &[
            "GET /admin/deployments",
            "GET /admin/endpoints",
            "GET /admin/deployments/dp_1111111111111111",
            "GET /admin/deployments/trips",
            &format!("GET /admin/endpoints/{}", harness::deployment().id),
        ],
        expect![[r#"
            GET /admin/deployments
              200 content-type: application/json
              {"deployments":[{"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}]}
            GET /admin/endpoints
              200 content-type: application/json
              {"endpoints":[{"id":"dp_BorymWRzeBiZovyJ1SjRT5","protocol_type":"BidiStream","services":[{"name":"trips","revision":1},{"name":"shop","revision":1},{"name":"cart","revision":1},{"name":"Booking","revision":1}],"uri":"file:///guests/trips.wasm"}]}
            GET /admin/deployments/dp_1111111111111111
              404 content-type: application/json
              {"code":404,"error_code":"HH0046","message":"there is no deployment dp_1111111111111111","request_id":"req_…"}
            GET /admin/deployments/trips
              400 content-type: application/json
              {"code":400,"error_code":"HH0030","message":"'trips' is not a deployment id: it should be 'dp_' and 22 base58 characters or so","request_id":"req_…"}
            GET /admin/endpoints/dp_BorymWRzeBiZovyJ1SjRT5
              200 content-type: application/json
              {"id":"dp_BorymWRzeBiZovyJ1SjRT5","protocol_type":"BidiStream","services":[{"name":"trips","revision":1},{"name":"shop","revision":1},{"name":"cart","revision":1},{"name":"Booking","revision":1}],"uri":"file:///guests/trips.wasm"}
        "#]],
    );
}

#[test]
fn a_deployment_counts_what_runs_on_it() {
    let host = Host::start(both_doors);
    host.check(
        &["POST /trips/wait/send", "POST /trips/wait/send?delay=1h"],
        expect![[r#"
        POST /trips/wait/send
          202 content-type: application/json x-restate-id: inv_1
          {"invocationId":"inv_1","status":"Accepted"}
        POST /trips/wait/send?delay=1h
          202 content-type: application/json x-restate-id: inv_2
          {"executionTime":"in 1 h","invocationId":"inv_2","status":"Accepted"}
    "#]],
    );
    host.until_status("inv_1", "suspended");
    let request = format!("GET /admin/deployments/{}", harness::deployment().id);
    host.check(&[&request], expect![[r#"
        GET /admin/deployments/dp_BorymWRzeBiZovyJ1SjRT5
          200 content-type: application/json
          {"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","inFlight":1,"inFlightByStatus":{"suspended":1},"name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}
    "#]]);
}

#[test]
fn registration() {
    let known = Arc::new(Known::default());
    let asked = Arc::clone(&known);
    let host = Host::start(move |handle| router(handle, ports(known)));
    host.check(
        &[
            r#"POST /deployments?force=true&name=trips ~ content-type: application/wasm ~ a component"#,
            r#"POST /endpoints ~ {"uri": "file:///guests/my%20trips.wasm"}"#,
            r#"POST /deployments ~ {"path": "guests/trips.wasm", "force": true, "dry_run": true, "metadata": {"by": "ann"}}"#,
            "POST /deployments ~ content-type: application/octet-stream ~ not wasm",
            r#"POST /deployments ~ {"uri": "http://localhost:9080"}"#,
            r#"POST /deployments ~ {"uri": "file:trips.wasm", "path": "trips.wasm"}"#,
            r#"POST /deployments ~ {"url": "file:///trips.wasm"}"#,
            r#"POST /deployments?metadata={%22by%22:%22bob%22} ~ content-type: application/wasm ~ a component"#,
            "POST /deployments?metadata=bob ~ content-type: application/wasm ~ a component",
            "POST /deployments?drynru=true ~ {}",
            "POST /deployments",
            "PUT /deployments",
        ],
        expect![[r#"
            POST /deployments?force=true&name=trips ~ content-type: application/wasm ~ a component
              201 content-type: application/json
              {"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}
            POST /endpoints ~ {"uri": "file:///guests/my%20trips.wasm"}
              200 content-type: application/json
              {"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}
            POST /deployments ~ {"path": "guests/trips.wasm", "force": true, "dry_run": true, "metadata": {"by": "ann"}}
              200 content-type: application/json
              {"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}
            POST /deployments ~ content-type: application/octet-stream ~ not wasm
              400 content-type: application/json
              {"code":400,"error_code":"HH0005","message":"it does not begin like a WebAssembly file","request_id":"req_…"}
            POST /deployments ~ {"uri": "http://localhost:9080"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0045","message":"'http://localhost:9080' is not a file; this host runs components: give file:///…/name.wasm, a path, or the bytes","request_id":"req_…"}
            POST /deployments ~ {"uri": "file:trips.wasm", "path": "trips.wasm"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body has to name the component once, as 'uri' or as 'path'","request_id":"req_…"}
            POST /deployments ~ {"url": "file:///trips.wasm"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is neither a component (application/wasm) nor JSON such as {\"path\": \"guests/trips.wasm\"}: unknown field `url`, expected one of `uri`, `path`, `force`, `dryRun`, `dry_run`, `metadata` at line 1 column 6","request_id":"req_…"}
            POST /deployments?metadata={%22by%22:%22bob%22} ~ content-type: application/wasm ~ a component
              200 content-type: application/json
              {"createdAt":"1970-01-01T00:00:00Z","digest":"sha256:57866688516348020722abcc019831a8906345913d5e91661ac4869c2d5e13c3","id":"dp_BorymWRzeBiZovyJ1SjRT5","name":"trips","services":[{"handlers":[{"name":"reserve","ty":"Exclusive"},{"name":"wrapped","ty":"Exclusive"},{"name":"any","ty":"Exclusive"},{"name":"find","ty":"Exclusive"},{"name":"copy","ty":"Exclusive"},{"name":"ping","ty":"Exclusive"},{"name":"fail","ty":"Exclusive"},{"name":"stumble","ty":"Exclusive"},{"name":"wait","ty":"Exclusive"}],"name":"trips","revision":1,"ty":"Service"},{"handlers":[{"name":"order","ty":"Exclusive"},{"name":"refund","ty":"Exclusive"},{"name":"whoami","ty":"Exclusive"}],"name":"shop","revision":1,"ty":"Service"},{"handlers":[{"name":"add","ty":"Exclusive"},{"name":"get","ty":"Shared"},{"name":"wait","ty":"Exclusive"}],"name":"cart","revision":1,"ty":"VirtualObject"},{"handlers":[{"name":"Run","ty":"Workflow"},{"name":"status","ty":"Shared"},{"name":"attach","ty":"Shared"}],"name":"Booking","revision":1,"ty":"Workflow"}],"uri":"file:///guests/trips.wasm"}
            POST /deployments?metadata=bob ~ content-type: application/wasm ~ a component
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'metadata' is JSON such as {\"by\": \"ann\"}: expected value at line 1 column 1","request_id":"req_…"}
            POST /deployments?drynru=true ~ {}
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no parameter 'drynru'; here are: force, dry_run, name, metadata","request_id":"req_…"}
            POST /deployments
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is neither a component (application/wasm) nor JSON such as {\"path\": \"guests/trips.wasm\"}: EOF while parsing a value at line 1 column 0","request_id":"req_…"}
            PUT /deployments
              405 content-type: application/json allow: GET,HEAD,POST
              {"code":405,"error_code":"HH0033","message":"/deployments does not take PUT","request_id":"req_…"}
        "#]],
    );
    let large = Request::post("/deployments").body(Body::from(vec![0; 257])).expect("a request");
    host.check_request("257 bytes", large, expect![[r#"
        257 bytes
          413 content-type: application/json
          {"code":413,"error_code":"HH0013","message":"the component has more than the 256 bytes that are allowed","request_id":"req_…"}
    "#]]);
    let asked = asked.asked.lock().expect("no panic");
    let asked: Vec<String> = asked.iter().map(|it| format!("{it:?}\n")).collect();
    expect![[r#"
        (Bytes(b"a component"), RegisterOptions { force: true, dry_run: false, metadata: {"name": "trips"} })
        (File("/guests/my trips.wasm"), RegisterOptions { force: false, dry_run: false, metadata: {} })
        (File("guests/trips.wasm"), RegisterOptions { force: true, dry_run: true, metadata: {"by": "ann"} })
        (Bytes(b"not wasm"), RegisterOptions { force: false, dry_run: false, metadata: {} })
        (Bytes(b"a component"), RegisterOptions { force: false, dry_run: false, metadata: {"by": "bob"} })
    "#]]
    .assert_eq(&asked.concat());
}

#[test]
fn a_deployment_drains() {
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
    let deployment = harness::deployment().id;
    let (remove, describe) =
        (format!("DELETE /admin/deployments/{deployment}"), format!("GET /admin/deployments/{deployment}"));
    host.check(&[&remove, &format!("{remove}?force=perhaps"), "POST /trips/ping"], expect![[r#"
        DELETE /admin/deployments/dp_BorymWRzeBiZovyJ1SjRT5
          202 content-type: application/json
          {"id":"dp_BorymWRzeBiZovyJ1SjRT5","inFlight":1,"isFreed":false}
        DELETE /admin/deployments/dp_BorymWRzeBiZovyJ1SjRT5?force=perhaps
          400 content-type: application/json
          {"code":400,"error_code":"HH0003","message":"the parameter 'force' is true or false, not 'perhaps'","request_id":"req_…"}
        POST /trips/ping
          404 content-type: application/json x-restate-error-source: ingress
          {"code":404,"error_code":"HH0001","message":"there is no service 'trips'","request_id":"req_…"}
    "#]]);
    assert_eq!(host.fetch(&describe)["isDraining"], true);
    assert_eq!(host.fetch("GET /admin/deployments")["deployments"][0]["isDraining"], true);
    host.check(
        &[
            "POST /restate/awakeables/awk_1/resolve ~ \"done\"",
            "GET /restate/attach/inv_1",
            "GET /admin/deployments",
            &remove,
            &describe,
        ],
        expect![[r#"
            POST /restate/awakeables/awk_1/resolve ~ "done"
              202
            GET /restate/attach/inv_1
              200 x-restate-id: inv_1
              "done"
            GET /admin/deployments
              200 content-type: application/json
              {"deployments":[]}
            DELETE /admin/deployments/dp_BorymWRzeBiZovyJ1SjRT5
              404 content-type: application/json
              {"code":404,"error_code":"HH0046","message":"there is no deployment dp_BorymWRzeBiZovyJ1SjRT5","request_id":"req_…"}
            GET /admin/deployments/dp_BorymWRzeBiZovyJ1SjRT5
              404 content-type: application/json
              {"code":404,"error_code":"HH0046","message":"there is no deployment dp_BorymWRzeBiZovyJ1SjRT5","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn a_deployment_is_removed_by_force() {
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
    let remove = format!("DELETE /admin/endpoints/{}?force=true", harness::deployment().id);
    host.check(&[&remove, &remove, "GET /admin/endpoints"], expect![[r#"
        DELETE /admin/endpoints/dp_BorymWRzeBiZovyJ1SjRT5?force=true
          200 content-type: application/json
          {"id":"dp_BorymWRzeBiZovyJ1SjRT5","inFlight":0,"isFreed":true}
        DELETE /admin/endpoints/dp_BorymWRzeBiZovyJ1SjRT5?force=true
          404 content-type: application/json
          {"code":404,"error_code":"HH0046","message":"there is no deployment dp_BorymWRzeBiZovyJ1SjRT5","request_id":"req_…"}
        GET /admin/endpoints
          200 content-type: application/json
          {"endpoints":[]}
    "#]]);
    host.until_status("inv_1", "paused");
}
