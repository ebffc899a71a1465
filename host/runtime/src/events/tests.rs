//! Readers against a cluster of librdkafka's own, which can be told to fail; the driver and the engine are real.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holiday_core::event::{Steering, Subscribe};
use holiday_core::id::{Seed, SubscriptionId};
use holiday_core::limits::RECORDS_PER_TAKE_MAX;
use holiday_core::subscription::{
    OnFailure, OrderOnFailure, Progress, StartFrom, Subscription, SubscriptionOptions,
};
use holiday_core::time::Timestamp;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::reader::TAKES_IN_FLIGHT_MAX;
use super::*;
use crate::ingress::harness::Host;
use crate::ingress::{self, IngressConfig};
use crate::seal::Sealer;
use crate::telemetry::Tracer;

const TOPIC: &str = "orders";

/// A host and a cluster, with one subscription to [`TOPIC`].
struct World {
    host: Host,
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    events: Events,
    inputs: Arc<dyn Inputs>,
    id: SubscriptionId,
}

/// A schema-free stand-in would not show what the ingress refuses: these are its own checks.
#[derive(Debug)]
struct OfIngress(ingress::Inputs);

impl Inputs for OfIngress {
    fn bytes_max(&self) -> usize {
        self.0.bytes_max()
    }

    fn admit<'a>(
        &'a self,
        sink: &'a Sink,
        content_type: Option<&'a str>,
        value: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, Unfit>> + Send + 'a>> {
        Box::pin(async move {
            let admitted = self.0.admit(&sink.service, &sink.handler, content_type, value).await;
            admitted.map_err(|it| Unfit {
                failure: failure(it.status, it.code, &it.message),
                is_secret: it.is_secret,
            })
        })
    }
}

/// What readers share, without a host: they find no cluster.
pub(super) fn shared() -> (Host, Arc<Shared>) {
    let host = Host::start(|_| axum::Router::new());
    let handle = host.handle.clone();
    let inputs: Arc<dyn Inputs> = Arc::new(NoInputs);
    let shared = Arc::new(Shared {
        clusters: BTreeMap::new(),
        inputs,
        handle,
        live: LiveEvents::default(),
        metrics: Metrics::default(),
    });
    (host, shared)
}

#[derive(Debug)]
struct NoInputs;

impl Inputs for NoInputs {
    fn bytes_max(&self) -> usize {
        0
    }

    fn admit<'a>(
        &'a self,
        _: &'a Sink,
        _: Option<&'a str>,
        _: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, Unfit>> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

impl World {
    fn start(sink: &str, partitions: Option<i32>, start: StartFrom) -> World {
        let cluster = MockCluster::new(1).expect("a cluster");
        if let Some(partitions) = partitions {
            cluster.create_topic(TOPIC, partitions, 1).expect("a topic");
        }
        let brokers = cluster.bootstrap_servers();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("linger.ms", "0")
            .set("allow.auto.create.topics", "false")
            .create()
            .expect("a producer");
        let inputs = std::sync::OnceLock::new();
        let host = Host::start(|handle| {
            let (sealer, config) = (Sealer::in_memory(), IngressConfig::default());
            let (router, found) =
                ingress::open(handle, config, sealer, Metrics::default(), Tracer::default());
            inputs.set(found).expect("once");
            router
        });
        let inputs: Arc<dyn Inputs> = Arc::new(OfIngress(inputs.into_inner().expect("set above")));
        let mut world = World {
            events: host.run(async { events(&host, &brokers, &inputs) }),
            host,
            cluster,
            producer,
            inputs,
            id: SubscriptionId::from_bytes([7; 16]),
        };
        world.subscribe(sink, start);
        world
    }

    fn subscribe(&mut self, sink: &str, start: StartFrom) {
        let mut subscription = subscription();
        subscription.sink = sink.parse().expect("a sink");
        subscription.options.start = start;
        let subscribed = self.host.handle.subscribe(Subscribe { id: self.id, subscription });
        self.host.run(subscribed).expect("a subscription");
    }

    /// Ends the readers and begins with others, as after a crash.
    fn restart(&mut self) {
        self.events.stop();
        let brokers = self.cluster.bootstrap_servers();
        self.events = self.host.run(async { events(&self.host, &brokers, &self.inputs) });
    }

    fn produce(&self, partition: i32, key: &str, values: impl IntoIterator<Item = String>) {
        for value in values {
            let record = BaseRecord::to(TOPIC).partition(partition).key(key).payload(&value);
            self.producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
        }
        self.producer.flush(Duration::from_secs(30)).expect("a cluster that takes records");
    }

    fn until_progress(&self, is_so: impl Fn(&Progress) -> bool + Clone + Send + 'static) -> Progress {
        let id = self.id;
        self.host.until(move |state| {
            let progress = state.progress(&id).expect("a readable state");
            progress.filter(|progress| is_so(progress))
        })
    }

    fn until_succeeded(&self, count: u64) {
        let progress = self.until_progress(move |progress| progress.counts.succeeded >= count);
        assert_eq!((progress.counts.taken, progress.counts.succeeded), (count, count), "each once");
        assert_eq!((progress.running, progress.waiting), (0, 0));
    }

    fn until_live(&self, is_so: impl Fn(&ReaderState) -> bool) -> LiveSubscription {
        loop {
            match self.events.live(&self.id) {
                Some(live) if is_so(&live.state) => return live,
                Some(_) | None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

pub(super) fn subscription() -> Subscription {
    Subscription {
        source: Source { cluster: "mock".to_owned(), topic: TOPIC.to_owned() },
        sink: "service://cart/add".parse().expect("a sink"),
        options: SubscriptionOptions {
            start: StartFrom::Earliest,
            group_id: "watched".to_owned(),
            on_failure: OnFailure::Park,
            order_on_failure: OrderOnFailure::Continue,
            client: BTreeMap::new(),
        },
        seed: Seed([3; 32]),
        created_at: Timestamp::ZERO,
    }
}

fn events(host: &Host, brokers: &str, inputs: &Arc<dyn Inputs>) -> Events {
    let cluster = ClusterConfig {
        name: "mock".to_owned(),
        brokers: vec![brokers.to_owned()],
        settings: BTreeMap::from([("reconnect.backoff.max.ms".to_owned(), Secret::new("100"))]),
    };
    Events::start(host.handle.clone(), vec![cluster], Arc::clone(inputs), Metrics::default())
}

fn orders(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!(r#"{{"trip_id": "{number}"}}"#))
}

#[test]
fn records_of_all_partitions_become_invocations_once() {
    let mut world = World::start("service://cart/add", Some(4), StartFrom::Earliest);
    for partition in 0..4 {
        world.produce(partition, &format!("key{partition}"), orders(500));
    }
    world.until_succeeded(2_000);
    let live = world.until_live(|state| *state == ReaderState::Reading);
    assert_eq!(live.partitions.len(), 4);
    world.restart();
    world.produce(2, "key2", orders(10));
    world.until_succeeded(2_010);
    // The last of a key is what its handler has kept.
    let kept = world.host.run(world.host.handle.query(|state| state.object_value("cart", "key2", "items")));
    assert_eq!(kept.expect("runs").expect("readable").expect("a value"), r#"{"trip_id": "9"}"#);
}

#[test]
fn positions_are_reported_to_the_consumer_group() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    world.produce(0, "ann", orders(20));
    world.until_succeeded(20);
    let cluster = ClusterConfig {
        name: "mock".to_owned(),
        brokers: vec![world.cluster.bootstrap_servers()],
        settings: BTreeMap::new(),
    };
    world.host.run(async {
        let topic =
            kafka::Topic::open(&cluster, TOPIC, "watched", &BTreeMap::new(), false).expect("a client");
        loop {
            let committed = topic.committed(vec![Partition(0)]).await.expect("a cluster that answers");
            if committed.get(&Partition(0)) == Some(&Offset(20)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_topic_is_waited_for() {
    let world = World::start("service://cart/add", None, StartFrom::Latest);
    world.until_live(|state| *state == ReaderState::WaitingForTopic);
    world.cluster.create_topic(TOPIC, 1, 1).expect("a topic");
    world.until_live(|state| *state == ReaderState::Reading);
    let id = world.id;
    world.host.until(move |state| {
        let positions = state.positions(&id).expect("a readable state");
        (!positions.is_empty()).then_some(())
    });
    world.produce(0, "ann", orders(3));
    world.until_succeeded(3);
}

#[test]
fn a_cluster_that_goes_away_is_shown_and_comes_back() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    world.produce(0, "ann", orders(5));
    world.until_succeeded(5);
    world.cluster.broker_down(1).expect("a broker");
    let live = world.until_live(|state| matches!(state, ReaderState::Unavailable { .. }));
    let ReaderState::Unavailable { reason } = live.state else { unreachable!("waited for") };
    assert!(!reason.is_empty());
    assert_eq!(world.host.ask("POST /trips/ping"), "POST /trips/ping\n  200 x-restate-id: inv_1\n");
    world.cluster.broker_up(1).expect("a broker");
    world.produce(0, "ann", orders(5));
    world.until_succeeded(10);
    world.until_live(|state| *state == ReaderState::Reading);
}

#[test]
fn answers_that_fail_lose_nothing() {
    let world = World::start("service://cart/add", Some(2), StartFrom::Earliest);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ];
    for round in 0..4 {
        world.cluster.request_errors(RDKafkaApiKey::Fetch, &errors[round..=round]);
        world.produce(0, "ann", orders(50));
        world.produce(1, "bob", orders(50));
        world.until_succeeded(100 * (round as u64 + 1));
    }
}

#[test]
fn a_record_that_is_no_input_is_parked_and_others_go_on() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    world.produce(0, "ann", ["no JSON".to_owned()]);
    world.produce(0, "bob", orders(3));
    let progress = world.until_progress(|progress| progress.counts.taken == 4 && progress.running == 0);
    assert_eq!((progress.counts.succeeded, progress.parked), (3, 1));
    let id = world.id;
    let parked = world.host.run(world.host.handle.query(move |state| state.parked(&id, 0)));
    let parked = parked.expect("runs").expect("readable").expect("parked");
    assert_eq!(parked.value.as_deref(), Some(&b"no JSON"[..]));
    assert!(parked.failure.message.starts_with("HH0004: "), "{}", parked.failure.message);
    let verdict =
        world.host.run(world.events.verdict(&"service://cart/add".parse().expect("a sink"), &parked));
    assert!(matches!(verdict, Verdict::Unusable { .. }), "it still is none");
}

#[test]
fn a_key_is_read_again_from_where_an_operator_says() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    for _ in 0..10 {
        world.produce(0, "ann", orders(1));
        world.produce(0, "bob", orders(4));
    }
    world.until_succeeded(50);
    let key = Bytes::from_static(b"ann");
    let steering = Steering::SeekKey { key, partition: Partition(0), next: Offset(11) };
    world.host.run(world.host.handle.steer(world.id, steering)).expect("a known partition");
    world.produce(0, "ann", orders(2));
    // The records of ann at 15, 20, … 45 again, and the two new ones once.
    let progress =
        world.until_progress(|progress| progress.counts.succeeded == 59 && progress.key_seeks == 0);
    assert_eq!(progress.counts.taken, 59);
}

#[test]
fn seeks_are_looked_up_at_the_broker() {
    let world = World::start("service://cart/add", Some(2), StartFrom::Earliest);
    world.produce(0, "ann", orders(10));
    world.until_succeeded(10);
    let source = Source { cluster: "mock".to_owned(), topic: TOPIC.to_owned() };
    let ask = |partition, to| world.host.run(world.events.resolve(&source, vec![Partition(partition)], to));
    let found =
        |next| Ok(vec![Resolved { partition: Partition(0), next, begin: Offset(0), end: Offset(10) }]);
    assert_eq!(ask(0, SeekTo::Earliest), found(Offset(0)));
    assert_eq!(ask(0, SeekTo::Latest), found(Offset(10)));
    assert_eq!(ask(0, SeekTo::Offset(Offset(4))), found(Offset(4)));
    let unknown = ask(9, SeekTo::Latest).expect_err("two partitions");
    assert_eq!(unknown.code(), ErrorCode::UnknownPartition);
    let elsewhere = Source { cluster: "other".to_owned(), topic: TOPIC.to_owned() };
    let error = world.events.check_source(&elsewhere).expect_err("not configured");
    assert_eq!(error.to_string(), "there is no Kafka cluster 'other' in the configuration; it names mock");
}

#[test]
fn settings_that_nobody_knows_are_refused_with_their_name() {
    let mut cluster = ClusterConfig {
        name: "mock".to_owned(),
        brokers: vec!["localhost:1".to_owned()],
        settings: BTreeMap::from([("security.protocol".to_owned(), Secret::new("plaintext"))]),
    };
    assert_eq!(check_settings(&cluster), Ok(()));
    cluster.settings.insert("sasl.mechanisn".to_owned(), Secret::new("PLAIN"));
    let refused = check_settings(&cluster).expect_err("a typo");
    assert!(refused.contains("sasl.mechanisn"), "{refused}");
}

#[test]
fn a_reader_is_a_few_batches_ahead_of_the_disk() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    world.produce(0, "ann", orders(1));
    world.until_succeeded(1);
    // Nothing is durable while the driver answers a question.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let handle = world.host.handle.clone();
    let held = world.host.spawn(async move { handle.query(move |_| released.recv().is_ok()).await });
    let batches = TAKES_IN_FLIGHT_MAX as u64;
    let count = (batches + 4) * RECORDS_PER_TAKE_MAX as u64;
    world.produce(0, "ann", orders(usize::try_from(count).expect("small")));
    std::thread::sleep(Duration::from_millis(300));
    let id = world.id;
    let handle = world.host.handle.clone();
    let asked = world.host.spawn(async move { handle.query(move |state| state.progress(&id)).await });
    std::thread::sleep(Duration::from_millis(50));
    release.send(()).expect("the driver waits");
    world.host.run(held).expect("no panic").expect("the driver runs");
    let progress = world.host.run(asked).expect("no panic").expect("the driver runs").expect("readable");
    let taken = progress.expect("subscribed").counts.taken;
    assert!(taken <= 1 + batches * RECORDS_PER_TAKE_MAX as u64, "{taken}");
    world.until_succeeded(1 + count);
}

#[test]
fn an_offset_out_of_range_is_no_reason_to_skip() {
    let world = World::start("service://cart/add", Some(1), StartFrom::Earliest);
    world.produce(0, "ann", orders(3));
    world.until_succeeded(3);
    // As after the topic was truncated.
    let steering = Steering::Seek { partition: Partition(0), next: Offset(100) };
    world.host.run(world.host.handle.steer(world.id, steering)).expect("a known partition");
    let id = world.id;
    let halted = world.host.until(move |state| {
        let position = state.position(&id, Partition(0)).expect("readable").expect("assigned");
        position.halted
    });
    assert!(halted.to_string().starts_with("HH0090: the position is 100, but the partition ends at 3"));
    let steering = Steering::Seek { partition: Partition(0), next: Offset(3) };
    world.host.run(world.host.handle.steer(world.id, steering)).expect("a known partition");
    world.produce(0, "ann", orders(2));
    world.until_succeeded(5);
}
