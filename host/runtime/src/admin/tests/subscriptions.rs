//! Subscriptions as operators create, see and steer them. The broker is a table of offsets.

mod parked;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use expect_test::expect;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holiday_core::deployment::{Deployment, Handler, HandlerMode, Service, ServiceKind};
use holiday_core::event::{Assign, Steering, Take};
use holiday_core::id::{DeploymentId, Digest, SubscriptionId};
use holiday_core::limits;
use holiday_core::policy::Options;
use holiday_core::subscription::{
    Halt, Offset, ParkedRecord, Partition, Sink, Source, SourceRecord, Verdict,
};
use holiday_core::time::Timestamp;
use holiday_core::value::Failure;
use http::Request;

use super::super::{AdminPorts, HELD_KEYS_SHOWN_MAX, SUBSCRIPTION_BODY_BYTES_MAX, Topics};
use super::{both_doors, doors, ports};
use crate::events::{EventsError, LivePartition, LiveSubscription, ReaderState, Resolved, SeekTo};
use crate::ingress::harness::{self, Host};

const CREATE: &str = r#"POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"auto.offset.reset": "earliest"}}"#;

/// Where the partitions of each topic begin and end.
const EXTENTS: [(u64, u64); 2] = [(2, 10), (0, 5)];

/// Knows one cluster, and takes values that begin with a brace, or any.
#[derive(Debug, Default)]
pub(super) struct Broker {
    takes_all: AtomicBool,
}

impl Broker {
    fn extent(partition: Partition) -> (Offset, Offset) {
        let (begin, end) = EXTENTS[partition.0 as usize];
        (Offset(begin), Offset(end))
    }
}

impl Topics for Broker {
    fn check_source(&self, source: &Source) -> Result<(), EventsError> {
        match source.cluster == "my-cluster" {
            true => Ok(()),
            false => Err(EventsError::UnknownCluster {
                cluster: source.cluster.clone(),
                known: "my-cluster".to_owned(),
            }),
        }
    }

    fn check_options<'a>(
        &'a self,
        _source: &'a Source,
        client: BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), String>> {
        let unknown = client.keys().find(|name| name.starts_with("fetsh."));
        let checked = unknown.map_or(Ok(()), |name| Err(format!("setting '{name}': no such property")));
        async { checked }.boxed()
    }

    fn live(&self, _id: &SubscriptionId) -> Option<LiveSubscription> {
        let partition = |(number, (_, end))| {
            let live = LivePartition { end: Some(Offset(end)), is_held_back: false };
            (Partition(number), live)
        };
        Some(LiveSubscription {
            state: ReaderState::Reading,
            since: Timestamp::from_millis(1_000),
            partitions: (0..).zip(EXTENTS).map(partition).collect(),
        })
    }

    /// The record of each second has its number as its offset.
    fn resolve<'a>(
        &'a self,
        source: &'a Source,
        partitions: Vec<Partition>,
        to: SeekTo,
    ) -> BoxFuture<'a, Result<Vec<Resolved>, EventsError>> {
        let resolved = move |partition| {
            let (begin, end) = Broker::extent(partition);
            let next = match to {
                SeekTo::Earliest => begin,
                SeekTo::Latest => end,
                SeekTo::Offset(offset) => offset,
                SeekTo::Time(time) => Offset(time.as_millis() / 1_000).clamp(begin, end),
            };
            Resolved { partition, next, begin, end }
        };
        let answer = match source.topic.as_str() {
            "down" => Err(EventsError::Unavailable {
                cluster: source.cluster.clone(),
                reason: "connection refused".to_owned(),
            }),
            _ => Ok(partitions.into_iter().map(resolved).collect()),
        };
        async { answer }.boxed()
    }

    fn verdict<'a>(&'a self, _sink: &'a Sink, parked: &'a ParkedRecord) -> BoxFuture<'a, Verdict> {
        let value = parked.value.clone().unwrap_or_default();
        let is_taken = self.takes_all.load(Ordering::Relaxed);
        async move { if is_taken { Verdict::Input(value) } else { judge(value) } }.boxed()
    }
}

fn judge(value: Bytes) -> Verdict {
    match value.starts_with(b"{") {
        true => Verdict::Input(value),
        false => {
            Verdict::Unusable { value: Some(value), failure: Failure::new(400, "HH0004: not an object") }
        }
    }
}

/// An object whose handlers take any input: `copy` succeeds, `fail` fails and `wait` waits.
fn feed() -> Deployment {
    let digest = Digest::of(b"feed");
    let handler = |name: &str| Handler {
        name: name.to_owned(),
        mode: HandlerMode::Exclusive,
        input: harness::deployment().services[0].handlers[2].input.clone(),
        output: None,
        documentation: None,
        options: Options::default(),
    };
    let service = Service {
        name: "feed".to_owned(),
        kind: ServiceKind::Object,
        handlers: ["copy", "fail", "wait"].map(handler).to_vec(),
        documentation: None,
        options: Options::default(),
    };
    Deployment { id: DeploymentId::of(&digest), digest, services: vec![service], ..harness::deployment() }
}

fn start() -> (Host, Arc<Broker>) {
    let broker = Arc::new(Broker::default());
    let topics: Arc<dyn Topics> = Arc::<Broker>::clone(&broker);
    let host = Host::start(move |handle| doors(handle, AdminPorts { topics, ..ports(Arc::default()) }));
    host.run(host.handle.deploy(feed())).expect("a valid deployment");
    (host, broker)
}

/// Creates `sub_1` for a handler of `feed`, which reads both partitions from their beginnings.
fn subscribe(host: &Host, handler: &str) -> SubscriptionId {
    subscribe_with(host, handler, "{}")
}

fn subscribe_with(host: &Host, handler: &str, options: &str) -> SubscriptionId {
    let body = format!(
        r#"{{"source": "kafka://my-cluster/posts", "sink": "service://feed/{handler}", "options": {options}}}"#
    );
    let created = host.fetch_numbered(&format!("POST /admin/subscriptions ~ {body}"));
    let id = created["id"].as_str().expect("an id").parse().expect("an id of a subscription");
    let positions = (0..).zip(EXTENTS).map(|(number, (begin, _))| (Partition(number), Offset(begin)));
    let assign = Assign { subscription: id, positions: positions.collect() };
    host.run(host.handle.assign(assign)).expect("it is there");
    id
}

/// Has records taken from partition 0, each a key and a value.
fn take(host: &Host, id: SubscriptionId, records: &[(&[u8], &[u8])]) {
    let position = host.until(move |state| state.position(&id, Partition(0)).expect("a readable state"));
    let record = |(offset, (key, value)): (u64, &(&[u8], &[u8]))| SourceRecord {
        offset: Offset(offset),
        timestamp: Some(Timestamp::from_millis(1_700_000_000_000)),
        key: Some(Bytes::copy_from_slice(key)),
        headers: vec![("kafka.topic".to_owned(), "posts".to_owned())],
        value: judge(Bytes::copy_from_slice(value)),
        digest: offset,
    };
    let records: Vec<_> = (position.next.0..).zip(records).map(record).collect();
    let take = Take {
        subscription: id,
        partition: Partition(0),
        generation: position.generation,
        of_key: None,
        from: position.next,
        next: records.last().expect("some").offset.next(),
        records,
    };
    host.run(host.handle.take(take)).expect("the driver runs").expect("the partition is read");
}

/// Waits until no record of the subscription runs or waits to.
fn settle(host: &Host, id: SubscriptionId) {
    host.until(move |state| {
        let progress = state.progress(&id).expect("a readable state").expect("it is there");
        (progress.running == 0 && progress.stalled == 0).then_some(())
    });
}

/// A subscription with a parked record, for the test of the OpenAPI document.
pub(in crate::admin) fn subscribe_and_park(host: &Host) -> SubscriptionId {
    host.run(host.handle.deploy(feed())).expect("a valid deployment");
    let id = subscribe_with(host, "copy", r#"{"order-on-failure": "wait"}"#);
    take(host, id, &[(b"ann", b"no object"), (b"ann", b"{}"), (b"bob", b"{}")]);
    settle(host, id);
    id
}

#[test]
fn a_subscription_is_created_listed_and_described() {
    let (host, _) = start();
    host.check(&[CREATE, "GET /admin/subscriptions", "GET /admin/subscriptions/sub_1"], expect![[r#"
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"auto.offset.reset": "earliest"}}
          201 content-type: application/json
          {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","options":{"auto.offset.reset":"earliest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
        GET /admin/subscriptions
          200 content-type: application/json
          {"subscriptions":[{"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","options":{"auto.offset.reset":"earliest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}]}
        GET /admin/subscriptions/sub_1
          200 content-type: application/json
          {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","options":{"auto.offset.reset":"earliest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
    "#]]);
    let id = subscribe_with(
        &host,
        "wait",
        r#"{"group.id": "g", "on-failure": "skip", "order-on-failure": "wait", "fetch.min.bytes": 1, "check.crcs": true}"#,
    );
    take(&host, id, &[(b"ann", b"{}"), (b"ann", b"{}"), (b"bob", b"no object")]);
    let halt = Halt::Behind { next: Offset(0), begin: Offset(3) };
    host.run(host.handle.halt(id, Partition(1), 0, halt)).expect("it is there");
    host.check(&["GET /admin/subscriptions/sub_2"], expect![[r#"
        GET /admin/subscriptions/sub_2
          200 content-type: application/json
          {"counts":{"discarded":0,"failed":1,"passedOver":0,"skipped":1,"succeeded":0,"taken":3},"createdAt":"in 0 h","id":"sub_2","lag":10,"options":{"auto.offset.reset":"latest","check.crcs":"true","fetch.min.bytes":"1","group.id":"g","on-failure":"skip","order-on-failure":"wait"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":5,"partition":0,"position":5},{"end":5,"halted":"HH0090: the position is 0, but the partition begins at 3: the records between are deleted; seek to where to go on","lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":1,"sink":"service://feed/wait","source":"kafka://my-cluster/posts","status":"active","waiting":1,"waitingBytes":21}
    "#]]);
    let listed = host.fetch("GET /admin/subscriptions");
    let lags: Vec<_> =
        listed["subscriptions"].as_array().expect("a list").iter().map(|it| it["lag"].clone()).collect();
    assert_eq!(lags, [serde_json::Value::Null, 10.into()]);
}

#[test]
fn what_could_never_work_is_refused() {
    let (host, _) = start();
    let create = |source: &str, sink: &str, options: &str| {
        format!(
            r#"POST /admin/subscriptions ~ {{"source": "{source}", "sink": "{sink}", "options": {options}}}"#
        )
    };
    let (source, sink) = ("kafka://my-cluster/posts", "service://feed/copy");
    let requests = [
        create("kafka://your-cluster/posts", sink, "{}"),
        create("posts", sink, "{}"),
        create("kafka://my-cluster/a b", sink, "{}"),
        create(source, "feed/copy", "{}"),
        create(source, "service://fed/copy", "{}"),
        create(source, "service://feed/cpy", "{}"),
        create(source, "service://cart/get", "{}"),
        create(source, "service://shop/refund", "{}"),
        create(source, sink, r#"{"auto.offset.reset": "sometimes"}"#),
        create(source, sink, r#"{"on-failure": "panic"}"#),
        create(source, sink, r#"{"order-on-failure": ["wait"]}"#),
        create(source, sink, r#"{"on-failur": "park"}"#),
        create(source, sink, r#"{"group.id": ""}"#),
        create(source, sink, r#"{"enable.auto.commit": true}"#),
        create(source, sink, r#"{"sasl.kerberos.kinit.cmd": "rm -rf /"}"#),
        create(source, sink, r#"{"fetsh.min.bytes": 1}"#),
        r#"POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts"}"#.to_owned(),
        r#"POST /admin/subscriptions ~ {"source": "a", "sink": "b", "option": {}}"#.to_owned(),
        "POST /admin/subscriptions ~ not JSON".to_owned(),
        "GET /admin/subscriptions".to_owned(),
        "GET /admin/subscriptions/posts".to_owned(),
        "GET /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5".to_owned(),
    ];
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    host.check(&requests, expect![[r#"
        POST /admin/subscriptions ~ {"source": "kafka://your-cluster/posts", "sink": "service://feed/copy", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0084","message":"there is no Kafka cluster 'your-cluster' in the configuration; it names my-cluster","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "posts", "sink": "service://feed/copy", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"'posts' is not a source: write it as kafka://CLUSTER/TOPIC","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/a b", "sink": "service://feed/copy", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"'a b' is not the name of a topic: use up to 249 letters, digits, '.', '_' and '-'","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "feed/copy", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"'feed/copy' is not a sink: write it as service://SERVICE/HANDLER","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://fed/copy", "options": {}}
          404 content-type: application/json
          {"code":404,"error_code":"HH0001","message":"there is no service 'fed'; did you mean 'feed'?","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/cpy", "options": {}}
          404 content-type: application/json
          {"code":404,"error_code":"HH0002","message":"service 'feed' has no handler 'cpy'; did you mean 'copy'?","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://cart/get", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"service://cart/get takes no input, so it cannot receive records; choose a handler with an input","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://shop/refund", "options": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"service://shop/refund takes no input, so it cannot receive records; choose a handler with an input","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"auto.offset.reset": "sometimes"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'auto.offset.reset' is 'sometimes', but should be 'latest' or 'earliest'","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"on-failure": "panic"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'on-failure' is 'panic', but should be 'park' or 'skip' or 'pause'","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"order-on-failure": ["wait"]}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'order-on-failure' is [\"wait\"], but should be a text","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"on-failur": "park"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"there is no option 'on-failur'; did you mean 'on-failure'?","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"group.id": ""}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'group.id' is empty; name a group, or leave it out","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"enable.auto.commit": true}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'enable.auto.commit' cannot be set: the host keeps the positions in its own log","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"sasl.kerberos.kinit.cmd": "rm -rf /"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the option 'sasl.kerberos.kinit.cmd' belongs to the cluster; set it in ingress.kafka-clusters of the configuration","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts", "sink": "service://feed/copy", "options": {"fetsh.min.bytes": 1}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0085","message":"the options cannot be used: setting 'fetsh.min.bytes': no such property","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "kafka://my-cluster/posts"}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"source\": \"kafka://my-cluster/posts\", \"sink\": \"service://UserFeed/ProcessPost\"}: missing field `sink` at line 1 column 38","request_id":"req_…"}
        POST /admin/subscriptions ~ {"source": "a", "sink": "b", "option": {}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"source\": \"kafka://my-cluster/posts\", \"sink\": \"service://UserFeed/ProcessPost\"}: unknown field `option`, expected one of `source`, `sink`, `options` at line 1 column 37","request_id":"req_…"}
        POST /admin/subscriptions ~ not JSON
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"source\": \"kafka://my-cluster/posts\", \"sink\": \"service://UserFeed/ProcessPost\"}: expected ident at line 1 column 2","request_id":"req_…"}
        GET /admin/subscriptions
          200 content-type: application/json
          {"subscriptions":[]}
        GET /admin/subscriptions/posts
          400 content-type: application/json
          {"code":400,"error_code":"HH0030","message":"'posts' is not a subscription id: it should be 'sub_' and 22 base58 characters or so","request_id":"req_…"}
        GET /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5
          404 content-type: application/json
          {"code":404,"error_code":"HH0086","message":"there is no subscription sub_1","request_id":"req_…"}
    "#]]);
}

#[test]
fn subscriptions_and_keys_are_paused_and_resumed() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    host.check(
        &[
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "resume"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key": "ann"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key_base64": "//4="}"#,
        ],
        expect![[r#"
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause"}
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","lag":13,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":8,"partition":0,"position":2},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"reason":"by an operator","running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"paused","waiting":0,"waitingBytes":0}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "resume"}
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","lag":13,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":8,"partition":0,"position":2},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key": "ann"}
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","heldKeys":[{"isPaused":true,"key":"ann","waiting":0}],"id":"sub_1","lag":13,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":8,"partition":0,"position":2},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key_base64": "//4="}
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","heldKeys":[{"isPaused":true,"key":"ann","waiting":0},{"isPaused":true,"keyBase64":"//4=","waiting":0}],"id":"sub_1","lag":13,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":8,"partition":0,"position":2},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
        "#]],
    );
    take(&host, id, &[(b"ann", b"{}"), (b"bob", b"{}")]);
    settle(&host, id);
    host.check(
        &[
            "GET /admin/subscriptions/sub_1",
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "resume", "key": "ann"}"#,
        ],
        expect![[r#"
            GET /admin/subscriptions/sub_1
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":1,"taken":2},"createdAt":"in 0 h","heldKeys":[{"isPaused":true,"key":"ann","waiting":1},{"isPaused":true,"keyBase64":"//4=","waiting":0}],"id":"sub_1","lag":11,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":6,"partition":0,"position":4},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":1,"waitingBytes":21}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "resume", "key": "ann"}
              200 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":2,"taken":2},"createdAt":"in 0 h","heldKeys":[{"isPaused":true,"keyBase64":"//4=","waiting":0}],"id":"sub_1","lag":11,"options":{"auto.offset.reset":"latest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[{"end":10,"lag":6,"partition":0,"position":4},{"end":5,"lag":5,"partition":1,"position":0}],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/posts","status":"active","waiting":0,"waitingBytes":0}
        "#]],
    );
    host.check(
        &[
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "stop"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key": "a", "key_base64": "YQ=="}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key_base64": "?"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "to": "latest"}"#,
            r#"PATCH /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5 ~ {"action": "pause"}"#,
        ],
        expect![[r#"
            PATCH /admin/subscriptions/sub_1 ~ {"action": "stop"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"the body is not JSON such as {\"action\": \"pause\"} or {\"action\": \"seek\", \"to\": \"earliest\"}: unknown variant `stop`, expected one of `pause`, `resume`, `seek` at line 1 column 17","request_id":"req_…"}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key": "a", "key_base64": "YQ=="}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"'key' and 'key_base64' are two keys; give one","request_id":"req_…"}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "key_base64": "?"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"'key_base64' is not base64: Invalid symbol 63, offset 0.","request_id":"req_…"}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "pause", "to": "latest"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"'to', 'partition' and 'dry_run' are for the action 'seek'; leave them out","request_id":"req_…"}
            PATCH /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5 ~ {"action": "pause"}
              404 content-type: application/json
              {"code":404,"error_code":"HH0086","message":"there is no subscription sub_2","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn a_seek_says_what_it_repeats_and_skips() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    take(&host, id, &[(b"ann", b"{}"), (b"bob", b"{}"), (b"ann", b"{}"), (b"bob", b"{}")]);
    settle(&host, id);
    let positions = || {
        let described = host.fetch_numbered("GET /admin/subscriptions/sub_1");
        let partitions = described["partitions"].as_array().expect("a list").clone();
        partitions.iter().map(|it| it["position"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    host.check(
        &[
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "dry_run": true}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": {"offset": 4}, "partition": 0, "dryRun": true}"#,
        ],
        expect![[r#"
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "dry_run": true}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":true,"partitions":[{"begin":2,"end":10,"from":6,"partition":0,"passedOver":4,"repeated":0,"to":10},{"begin":0,"end":5,"from":0,"partition":1,"passedOver":5,"repeated":0,"to":5}],"passedOver":9,"repeated":0}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": {"offset": 4}, "partition": 0, "dryRun": true}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":true,"partitions":[{"begin":2,"end":10,"from":6,"partition":0,"passedOver":0,"repeated":2,"to":4}],"passedOver":0,"repeated":2}
        "#]],
    );
    assert_eq!(positions(), [6, 0], "a dry run changes nothing");
    host.check(
        &[
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": {"timestamp": "1970-01-01T00:00:03Z"}}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "earliest", "key": "bob"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "bob", "partition": 0, "dry_run": true}"#,
        ],
        expect![[r#"
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": {"timestamp": "1970-01-01T00:00:03Z"}}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":false,"partitions":[{"begin":2,"end":10,"from":6,"partition":0,"passedOver":0,"repeated":3,"to":3},{"begin":0,"end":5,"from":0,"partition":1,"passedOver":3,"repeated":0,"to":3}],"passedOver":3,"repeated":3}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "earliest", "key": "bob"}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":false,"key":"bob","partitions":[{"begin":2,"end":10,"from":3,"partition":0,"passedOver":0,"repeated":1,"to":2},{"begin":0,"end":5,"from":3,"partition":1,"passedOver":0,"repeated":3,"to":0}],"passedOver":0,"repeated":4}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "bob", "partition": 0, "dry_run": true}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":true,"key":"bob","partitions":[{"begin":2,"end":10,"from":2,"partition":0,"passedOver":8,"repeated":0,"to":10}],"passedOver":8,"repeated":0}
        "#]],
    );
    assert_eq!(positions(), [3, 3]);
    let described = host.fetch_numbered("GET /admin/subscriptions/sub_1");
    expect![[r#"[{"key":"bob","partition":0,"position":2,"until":3},{"key":"bob","partition":1,"position":0,"until":3}]"#]].assert_eq(&described["keySeeks"].to_string());
}

#[test]
fn a_seek_to_nowhere_changes_nothing() {
    let (host, _) = start();
    host.check(
        &[
            &CREATE.replace("posts", "empty"),
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "earliest"}"#,
        ],
        expect![[r#"
            POST /admin/subscriptions ~ {"source": "kafka://my-cluster/empty", "sink": "service://feed/copy", "options": {"auto.offset.reset": "earliest"}}
              201 content-type: application/json
              {"counts":{"discarded":0,"failed":0,"passedOver":0,"skipped":0,"succeeded":0,"taken":0},"createdAt":"in 0 h","id":"sub_1","options":{"auto.offset.reset":"earliest","group.id":"sub_1","on-failure":"park","order-on-failure":"continue"},"parked":0,"parkedBytes":0,"partitions":[],"reader":{"since":"1970-01-01T00:00:01Z","state":"reading"},"running":0,"sink":"service://feed/copy","source":"kafka://my-cluster/empty","status":"active","waiting":0,"waitingBytes":0}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "earliest"}
              404 content-type: application/json
              {"code":404,"error_code":"HH0092","message":"sub_1 reads no partition yet; describe it to see the state of its reader","request_id":"req_…"}
        "#]],
    );
    subscribe(&host, "copy");
    let seek = |rest: &str| format!(r#"PATCH /admin/subscriptions/sub_2 ~ {{"action": "seek", {rest}}}"#);
    let requests = [
        seek(r#""partition": 0"#),
        seek(r#""to": "beginning""#),
        seek(r#""to": {"offset": -1}"#),
        seek(r#""to": {"offset": 1, "timestamp": "2026-05-04T16:00:00Z"}"#),
        seek(r#""to": {"timestamp": "yesterday"}"#),
        seek(r#""to": {"offset": 3}"#),
        seek(r#""to": {"offset": 1}, "partition": 0"#),
        seek(r#""to": {"offset": 11}, "partition": 0"#),
        seek(r#""to": "latest", "partition": 7"#),
    ];
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    host.check(&requests, expect![[r#"
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "partition": 0}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"a seek needs 'to': \"earliest\", \"latest\", {\"offset\": 7} or {\"timestamp\": \"2026-05-04T16:00:00Z\"}","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": "beginning"}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"'to' is \"beginning\", but should be \"earliest\", \"latest\", {\"offset\": 7} or {\"timestamp\": \"2026-05-04T16:00:00Z\"}","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"offset": -1}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"'to' is {\"offset\":-1}, but should be \"earliest\", \"latest\", {\"offset\": 7} or {\"timestamp\": \"2026-05-04T16:00:00Z\"}","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"offset": 1, "timestamp": "2026-05-04T16:00:00Z"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"'to' is {\"offset\":1,\"timestamp\":\"2026-05-04T16:00:00Z\"}, but should be \"earliest\", \"latest\", {\"offset\": 7} or {\"timestamp\": \"2026-05-04T16:00:00Z\"}","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"timestamp": "yesterday"}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"'to' is {\"timestamp\":\"yesterday\"}, but should be \"earliest\", \"latest\", {\"offset\": 7} or {\"timestamp\": \"2026-05-04T16:00:00Z\"}","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"offset": 3}}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"an offset is another record in each of the 2 partitions; name one with 'partition'","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"offset": 1}, "partition": 0}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"partition 0 cannot be read from offset 1: it begins at 2 and ends at 10","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": {"offset": 11}, "partition": 0}
          400 content-type: application/json
          {"code":400,"error_code":"HH0004","message":"partition 0 cannot be read from offset 11: it begins at 2 and ends at 10","request_id":"req_…"}
        PATCH /admin/subscriptions/sub_2 ~ {"action": "seek", "to": "latest", "partition": 7}
          404 content-type: application/json
          {"code":404,"error_code":"HH0092","message":"sub_2 does not read partition 7; describe it to see those that it reads","request_id":"req_…"}
    "#]]);
    subscribe_to_a_cluster_that_is_down(&host);
    host.check(
        &[r#"PATCH /admin/subscriptions/sub_3 ~ {"action": "seek", "to": "latest"}"#],
        expect![[r#"
            PATCH /admin/subscriptions/sub_3 ~ {"action": "seek", "to": "latest"}
              503 content-type: application/json retry-after: 1
              {"code":503,"error_code":"HH0093","message":"the Kafka cluster 'my-cluster' cannot be used: connection refused","request_id":"req_…"}
        "#]],
    );
}

/// Creates `sub_3`.
fn subscribe_to_a_cluster_that_is_down(host: &Host) {
    let created = host.fetch_numbered(&CREATE.replace("posts", "down"));
    let id = created["id"].as_str().expect("an id").parse().expect("an id");
    let assign = Assign { subscription: id, positions: vec![(Partition(0), Offset(0))] };
    host.run(host.handle.assign(assign)).expect("it is there");
}

#[test]
fn so_many_keys_are_sought() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    for number in 1..limits::KEY_SEEKS_MAX {
        let key = Bytes::from(number.to_string());
        let steering = Steering::SeekKey { key, partition: Partition(0), next: Offset(3) };
        host.run(host.handle.steer(id, steering)).expect("there is room");
    }
    host.check(
        &[
            // One in each of the two partitions is one too many.
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "ann"}"#,
            r#"PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "ann", "partition": 1, "dry_run": true}"#,
        ],
        expect![[r#"
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "ann"}
              429 content-type: application/json
              {"code":429,"error_code":"HH0028","message":"sub_1 has 100 such keys, and takes no more; resume or finish some","request_id":"req_…"}
            PATCH /admin/subscriptions/sub_1 ~ {"action": "seek", "to": "latest", "key": "ann", "partition": 1, "dry_run": true}
              200 content-type: application/json
              {"id":"sub_1","isDryRun":true,"key":"ann","partitions":[{"begin":0,"end":5,"from":0,"partition":1,"passedOver":5,"repeated":0,"to":5}],"passedOver":5,"repeated":0}
        "#]],
    );
}

#[test]
fn a_subscription_that_holds_records_is_deleted_by_force() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    take(&host, id, &[(b"ann", b"no object")]);
    host.check(
        &[
            "DELETE /admin/subscriptions/sub_1",
            "DELETE /admin/subscriptions/sub_1?force=true",
            "GET /admin/subscriptions/sub_1",
            "GET /admin/subscriptions",
            "DELETE /admin/subscriptions/sub_1",
        ],
        expect![[r#"
            DELETE /admin/subscriptions/sub_1
              409 content-type: application/json
              {"code":409,"error_code":"HH0089","message":"0 records wait and 1 are parked in sub_1; deleting it loses them: handle them first, or delete it with force","request_id":"req_…"}
            DELETE /admin/subscriptions/sub_1?force=true
              200 content-type: application/json
              {"id":"sub_1"}
            GET /admin/subscriptions/sub_1
              404 content-type: application/json
              {"code":404,"error_code":"HH0086","message":"there is no subscription sub_1","request_id":"req_…"}
            GET /admin/subscriptions
              200 content-type: application/json
              {"subscriptions":[]}
            DELETE /admin/subscriptions/sub_1
              404 content-type: application/json
              {"code":404,"error_code":"HH0086","message":"there is no subscription sub_1","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn invocations_say_which_record_they_came_from() {
    let (host, _) = start();
    let id = subscribe(&host, "wait");
    let other = subscribe(&host, "wait");
    take(&host, id, &[(b"ann", b"{}")]);
    take(&host, other, &[(b"bob", b"{}")]);
    for request in ["GET /admin/invocations?subscription=sub_1", "GET /admin/invocations?subscription=sub_2"]
    {
        let found = host.fetch_numbered(request)["invocations"].as_array().expect("a list").clone();
        assert_eq!(found.len(), 1, "{request}: {found:#?}");
    }
    let found = host.fetch_numbered("GET /admin/invocations?subscription=sub_1");
    let record = found["invocations"][0]["record"].to_string().replace(&id.to_string(), "sub_1");
    expect![[r#"{"offset":2,"partition":0,"subscription":"sub_1","topic":"posts"}"#]].assert_eq(&record);
    host.check(&["GET /admin/invocations?subscription=inv_1"], expect![[r#"
        GET /admin/invocations?subscription=inv_1
          400 content-type: application/json
          {"code":400,"error_code":"HH0030","message":"'inv_1' is not a subscription id: it should be 'sub_' and 22 base58 characters or so","request_id":"req_…"}
    "#]]);
}

#[test]
fn so_many_held_keys_are_shown() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    let pause = |number: usize| {
        let key = Bytes::from(number.to_string());
        host.run(host.handle.steer(id, Steering::PauseKey { key })).expect("there is room");
    };
    (0..HELD_KEYS_SHOWN_MAX).for_each(pause);
    let shown = || {
        let described = host.fetch_numbered("GET /admin/subscriptions/sub_1");
        (described["heldKeys"].as_array().map(Vec::len), described["hasMoreHeldKeys"] == true)
    };
    assert_eq!(shown(), (Some(HELD_KEYS_SHOWN_MAX), false));
    pause(HELD_KEYS_SHOWN_MAX);
    assert_eq!(shown(), (Some(HELD_KEYS_SHOWN_MAX), true));
}

#[test]
fn bodies_are_bounded() {
    let host = Host::start(both_doors);
    let status = |bytes: usize| {
        let request = Request::post("/admin/subscriptions").body(axum::body::Body::from(" ".repeat(bytes)));
        host.status_of(request.expect("a request"))
    };
    assert_eq!(status(SUBSCRIPTION_BODY_BYTES_MAX), 400);
    assert_eq!(status(SUBSCRIPTION_BODY_BYTES_MAX + 1), 413);
}
