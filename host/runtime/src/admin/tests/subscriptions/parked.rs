//! Parked records: listed, looked at, retried and discarded.

use std::sync::atomic::Ordering;

use expect_test::expect;
use holiday_core::event::Take;
use holiday_core::invocation::Caller;
use holiday_core::limits;
use holiday_core::subscription::{LaneId, Offset, Partition, SourceRecord, Verdict};
use holiday_core::value::Failure;

use super::super::super::subscriptions::parked::{Filter, search};
use super::super::super::{PARKED_PER_REQUEST_MAX, PARKED_QUERY_BYTES_MAX};
use super::{Host, SubscriptionId, settle, start, subscribe, take};

fn numbers(host: &Host, query: &str) -> Vec<u64> {
    let page = host.fetch_numbered(&format!("GET /admin/subscriptions/sub_1/parked{query}"));
    let parked = page["parked"].as_array().expect("a list").clone();
    parked.iter().map(|it| it["number"].as_u64().expect("a number")).collect()
}

/// Numbers 0 to 3: two of `ann`, one of a key that is no text, and one that its handler failed.
fn park_some(host: &Host) -> SubscriptionId {
    let id = subscribe(host, "fail");
    take(host, id, &[(b"ann", b"one"), (b"ann", b"\xff\xfe"), (b"\xff", b"{}")]);
    settle(host, id);
    take(host, id, &[(b"bob", b"{}")]);
    settle(host, id);
    id
}

#[test]
fn parked_records_are_listed_and_shown() {
    let (host, _) = start();
    park_some(&host);
    host.check(
        &[
            "GET /admin/subscriptions/sub_1/parked",
            "GET /admin/subscriptions/sub_1/parked/0",
            "GET /admin/subscriptions/sub_1/parked/1",
            "GET /admin/subscriptions/sub_1/parked/3",
            "GET /admin/subscriptions/sub_1/parked/4",
            "GET /admin/subscriptions/sub_1/parked/first",
            "GET /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5/parked",
        ],
        expect![[r#"
            GET /admin/subscriptions/sub_1/parked
              200 content-type: application/json
              {"parked":[{"bytes":3,"error":{"code":"HH0004","message":"HH0004: not an object","status":400},"failures":1,"key":"ann","number":0,"offset":2,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts"},{"bytes":2,"error":{"code":"HH0004","message":"HH0004: not an object","status":400},"failures":1,"key":"ann","number":1,"offset":3,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts"},{"bytes":2,"error":{"code":"HH0087","message":"HH0087: the key '\\xff' is not UTF-8 from byte 0 on; object keys are text","status":400},"failures":1,"keyBase64":"/w==","number":2,"offset":4,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts"},{"bytes":2,"error":{"message":"no such trip","status":404},"failures":1,"invocation":"inv_1","key":"bob","number":3,"offset":5,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts"}]}
            GET /admin/subscriptions/sub_1/parked/0
              200 content-type: application/json
              {"bytes":3,"error":{"code":"HH0004","message":"HH0004: not an object","status":400},"failures":1,"headers":[{"name":"kafka.topic","value":"posts"}],"key":"ann","number":0,"offset":2,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts","value":"one"}
            GET /admin/subscriptions/sub_1/parked/1
              200 content-type: application/json
              {"bytes":2,"error":{"code":"HH0004","message":"HH0004: not an object","status":400},"failures":1,"headers":[{"name":"kafka.topic","value":"posts"}],"key":"ann","number":1,"offset":3,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts","valueBase64":"//4="}
            GET /admin/subscriptions/sub_1/parked/3
              200 content-type: application/json
              {"bytes":2,"error":{"message":"no such trip","status":404},"failures":1,"headers":[{"name":"kafka.topic","value":"posts"}],"invocation":"inv_1","key":"bob","number":3,"offset":5,"parkedAt":"in 0 h","partition":0,"timestamp":"2023-11-14T22:13:20Z","topic":"posts","value":"{}"}
            GET /admin/subscriptions/sub_1/parked/4
              404 content-type: application/json
              {"code":404,"error_code":"HH0091","message":"sub_1 has no parked record 4; list those that it has","request_id":"req_…"}
            GET /admin/subscriptions/sub_1/parked/first
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"Invalid URL: Cannot parse value at index 1 with value `first` to a `u64`","request_id":"req_…"}
            GET /admin/subscriptions/sub_BorymWRzeBiZovyJ1SjRT5/parked
              404 content-type: application/json
              {"code":404,"error_code":"HH0086","message":"there is no subscription sub_2","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn parked_records_are_found_by_what_is_known_of_them() {
    let (host, _) = start();
    park_some(&host);
    assert_eq!(numbers(&host, "?key=ann"), [0, 1]);
    assert_eq!(numbers(&host, "?key_base64=%2Fw=="), [2]);
    assert_eq!(numbers(&host, "?code=HH0087"), [2]);
    assert_eq!(numbers(&host, "?code=404"), [3]);
    assert_eq!(numbers(&host, "?code=HH0004&key=ann&partition=0"), [0, 1]);
    assert_eq!(numbers(&host, "?partition=1"), [0; 0]);
    assert_eq!(numbers(&host, "?limit=2"), [0, 1]);
    assert_eq!(numbers(&host, "?limit=2&cursor=2"), [2, 3]);
    let page = host.fetch_numbered("GET /admin/subscriptions/sub_1/parked?limit=3");
    assert_eq!(page["nextCursor"], 3);
    assert_eq!(
        host.fetch_numbered("GET /admin/subscriptions/sub_1/parked?limit=4")["nextCursor"],
        serde_json::Value::Null
    );
    host.check(
        &[
            "GET /admin/subscriptions/sub_1/parked?code=oops",
            "GET /admin/subscriptions/sub_1/parked?limit=0",
            "GET /admin/subscriptions/sub_1/parked?offset=1",
        ],
        expect![[r#"
            GET /admin/subscriptions/sub_1/parked?code=oops
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"'oops' is no error: give a code such as HH0004, or a status such as 500","request_id":"req_…"}
            GET /admin/subscriptions/sub_1/parked?limit=0
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"the parameter 'limit' is from 1 to 1000, not 0","request_id":"req_…"}
            GET /admin/subscriptions/sub_1/parked?offset=1
              400 content-type: application/json
              {"code":400,"error_code":"HH0003","message":"there is no parameter 'offset'; here are: partition, key, key_base64, code, limit, cursor","request_id":"req_…"}
        "#]],
    );
}

#[test]
fn one_record_is_retried_or_discarded() {
    let (host, broker) = start();
    let id = park_some(&host);
    host.check(
        &[
            "POST /admin/subscriptions/sub_1/parked/0/retry",
            "POST /admin/subscriptions/sub_1/parked/1/discard",
            "POST /admin/subscriptions/sub_1/parked/1/discard",
            "POST /admin/subscriptions/sub_1/parked/1/retry",
        ],
        expect![[r#"
            POST /admin/subscriptions/sub_1/parked/0/retry
              409 content-type: application/json
              {"code":409,"error_code":"HH0087","message":"parked record 0 still cannot become an invocation: HH0004: not an object","request_id":"req_…"}
            POST /admin/subscriptions/sub_1/parked/1/discard
              200 content-type: application/json
              {"id":"sub_1","number":1}
            POST /admin/subscriptions/sub_1/parked/1/discard
              404 content-type: application/json
              {"code":404,"error_code":"HH0091","message":"sub_1 has no parked record 1; list those that it has","request_id":"req_…"}
            POST /admin/subscriptions/sub_1/parked/1/retry
              404 content-type: application/json
              {"code":404,"error_code":"HH0091","message":"sub_1 has no parked record 1; list those that it has","request_id":"req_…"}
        "#]],
    );
    broker.takes_all.store(true, Ordering::Relaxed);
    host.check(
        &["POST /admin/subscriptions/sub_1/parked/0/retry"],
        expect![[r#"
        POST /admin/subscriptions/sub_1/parked/0/retry
          200 content-type: application/json
          {"id":"sub_1","number":0}
    "#]],
    );
    settle(&host, id);
    // The handler fails, so it is parked again, under its number.
    let again = host.fetch_numbered("GET /admin/subscriptions/sub_1/parked/0");
    assert_eq!((&again["failures"], &again["error"]["status"]), (&2.into(), &404.into()));
}

#[test]
fn a_record_without_its_value_is_not_retried() {
    let (host, broker) = start();
    let id = subscribe(&host, "copy");
    broker.takes_all.store(true, Ordering::Relaxed);
    park_without_value(&host, id);
    host.check(&["POST /admin/subscriptions/sub_1/parked/0/retry"], expect![[r#"
        POST /admin/subscriptions/sub_1/parked/0/retry
          409 content-type: application/json
          {"code":409,"error_code":"HH0087","message":"the value of parked record 0 was not kept; read it from the topic, or discard the record","request_id":"req_…"}
    "#]]);
}

fn park_without_value(host: &Host, id: SubscriptionId) {
    let failure = Failure::new(413, "HH0013: the value is too large");
    let record = SourceRecord {
        offset: Offset(2),
        timestamp: None,
        key: Some("ann".into()),
        headers: Vec::new(),
        value: Verdict::Unusable { value: None, failure },
        digest: 0,
    };
    let take = Take {
        subscription: id,
        partition: Partition(0),
        generation: 0,
        of_key: None,
        from: Offset(2),
        next: Offset(3),
        records: vec![record],
    };
    host.run(host.handle.take(take)).expect("the driver runs").expect("the partition is read");
}

#[test]
fn many_records_are_settled_by_a_filter_or_all() {
    let (host, broker) = start();
    let id = park_some(&host);
    host.check(
        &[
            "POST /admin/subscriptions/sub_1/parked/retry ~ {}",
            r#"POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "key": "ann"}"#,
            r#"POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "limit": 0}"#,
            r#"POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "limit": 2}"#,
            r#"POST /admin/subscriptions/sub_1/parked/discard ~ {"code": "HH0087"}"#,
        ],
        expect![[r#"
            POST /admin/subscriptions/sub_1/parked/retry ~ {}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"say which records are meant: a filter, or {\"all\": true}","request_id":"req_…"}
            POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "key": "ann"}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"'all' means every record, and there is a filter; give one","request_id":"req_…"}
            POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "limit": 0}
              400 content-type: application/json
              {"code":400,"error_code":"HH0004","message":"'limit' is from 1 to 1000, not 0","request_id":"req_…"}
            POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true, "limit": 2}
              200 content-type: application/json
              {"done":0,"id":"sub_1","nextCursor":2,"refused":[{"error":{"code":"HH0087","message":"parked record 0 still cannot become an invocation: HH0004: not an object"},"number":0},{"error":{"code":"HH0087","message":"parked record 1 still cannot become an invocation: HH0004: not an object"},"number":1}]}
            POST /admin/subscriptions/sub_1/parked/discard ~ {"code": "HH0087"}
              200 content-type: application/json
              {"done":1,"id":"sub_1","refused":[]}
        "#]],
    );
    settle(&host, id);
    assert_eq!(numbers(&host, ""), [0, 1, 3]);
    broker.takes_all.store(true, Ordering::Relaxed);
    host.check(
        &[
            r#"POST /admin/subscriptions/sub_1/parked/retry ~ {"key": "ann"}"#,
            r#"POST /admin/subscriptions/sub_1/parked/discard ~ {"all": true, "cursor": 3}"#,
        ],
        expect![[r#"
            POST /admin/subscriptions/sub_1/parked/retry ~ {"key": "ann"}
              200 content-type: application/json
              {"done":2,"id":"sub_1","refused":[]}
            POST /admin/subscriptions/sub_1/parked/discard ~ {"all": true, "cursor": 3}
              200 content-type: application/json
              {"done":1,"id":"sub_1","refused":[]}
        "#]],
    );
    settle(&host, id);
    assert_eq!(numbers(&host, ""), [0, 1], "the handler fails, and they are parked under their numbers");
}

/// They go to the handler in the order in which they were parked.
#[test]
fn retried_records_of_a_key_keep_their_order() {
    let (host, broker) = start();
    let id = subscribe(&host, "wait");
    let records: Vec<(&[u8], &[u8])> = vec![(b"ann", b"x"); 100];
    take(&host, id, &records);
    settle(&host, id);
    broker.takes_all.store(true, Ordering::Relaxed);
    let answer = host.fetch_numbered(r#"POST /admin/subscriptions/sub_1/parked/retry ~ {"all": true}"#);
    assert_eq!(answer["done"], 100, "{answer}");
    for expected in 2..7 {
        let (invocation, offset) = host.until(move |state| {
            let invocation = state.lane(&id, &LaneId::of(b"ann")).expect("a readable state")?.busy?;
            let row = state.invocation(&invocation).expect("a readable state").expect("it runs");
            let Caller::Record(origin) = row.caller else { panic!("it came from a record") };
            Some((invocation, origin.offset))
        });
        assert_eq!(offset, Offset(expected));
        host.run(host.handle.kill(invocation)).expect("it runs");
    }
}

#[test]
fn one_request_settles_so_many_records() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    let records: Vec<(&[u8], &[u8])> = vec![(b"ann", b"x"); PARKED_PER_REQUEST_MAX + 1];
    records.chunks(limits::RECORDS_PER_TAKE_MAX).for_each(|some| take(&host, id, some));
    host.until(move |state| {
        let progress = state.progress(&id).expect("a readable state").expect("it is there");
        (progress.parked == PARKED_PER_REQUEST_MAX as u64 + 1).then_some(())
    });
    let answer = host.fetch(&format!("POST /admin/subscriptions/{id}/parked/discard ~ {{\"all\": true}}"));
    let next = PARKED_PER_REQUEST_MAX as u64;
    assert_eq!((answer["done"].as_u64(), answer["nextCursor"].as_u64()), (Some(next), Some(next)));
    let rest =
        format!("POST /admin/subscriptions/{id}/parked/discard ~ {{\"all\": true, \"cursor\": {next}}}");
    let answer = host.fetch(&rest);
    assert_eq!((answer["done"].as_u64(), answer["nextCursor"].as_u64()), (Some(1), None));
}

#[test]
fn one_query_reads_so_many_bytes() {
    let (host, _) = start();
    let id = subscribe(&host, "copy");
    let size = usize::try_from(PARKED_QUERY_BYTES_MAX).expect("it fits") / 2;
    let value = vec![b'x'; size];
    let records: Vec<(&[u8], &[u8])> = vec![(b"ann", &value); 5];
    take(&host, id, &records);
    let filter = Filter::default();
    let step =
        host.run(host.handle.query(move |state| search(state, &id, 0, &filter, 100, |number, _| number)));
    let step = step.expect("the driver runs").expect("a readable state");
    assert_eq!((step.found, step.next), (vec![0, 1], Some(2)));
    assert_eq!(numbers(&host, ""), [0, 1, 2, 3, 4], "a page goes on in another query");
}
