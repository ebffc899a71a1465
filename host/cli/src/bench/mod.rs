//! `bench`: measures a host, and beside it the disk it stands on.
//!
//! A number of requests per second says little without the number of durable commits the disk can do,
//! and that differs from day to day on one machine. So both are measured in one go, before and after.

mod disk;
#[cfg(feature = "kafka")]
mod kafka;
mod load;
mod shape;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use holiday_core::error::ErrorCode;
use holiday_runtime::config::{Config, Ingress};
use holiday_runtime::host::Host;
use reqwest::Url;
use serde_json::{Value, json};

use crate::bench::disk::Disk;
use crate::bench::load::Measured;
use crate::bench::shape::Shape;
#[cfg(feature = "kafka")]
use crate::client::Client;
use crate::client::parse_url;
use crate::failure::{Failure, Result};
use crate::output;

/// How long each rate of the disk is measured.
const DISK_DURATION: Duration = Duration::from_secs(1);

/// Measure requests per second, latency and durable commits
///
/// Starts a host of its own with the guest `bench` in a temporary data directory, and calls it over HTTP/1.1
/// connections that are kept open. Each answer is checked. Before and after, the disk's own rate of
/// fdatasync (after an append of 4 KiB) and redb's rate of durable commits (of one row) are measured.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure this host instead, which serves the guest `bench` already; only a loopback address
    #[arg(long, value_name = "URL", value_parser = parse_loopback)]
    url: Option<Url>,

    /// What to measure
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Shape::USUAL)]
    shapes: Vec<Shape>,

    /// How many connections, each with one request at a time
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "COUNT",
        default_values_t = [1, 16, 64, 256],
        value_parser = clap::value_parser!(u16).range(1..=4096)
    )]
    concurrency: Vec<u16>,

    /// The brokers for the shape `kafka`, on this machine; beside it the broker's own rate is measured
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "HOST:PORT,…", value_parser = kafka::parse_brokers)]
    kafka_brokers: Option<String>,

    /// How many records the shape `kafka` handles
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    kafka_records: u32,

    /// How long each measurement takes
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    duration_secs: u64,

    /// The guest to measure with
    #[arg(long, value_name = "COMPONENT.wasm", default_value = "guests/bench.wasm")]
    component: PathBuf,

    /// Where the temporary data directory is made: on the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    scratch_dir: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn parse_loopback(text: &str) -> std::result::Result<Url, String> {
    let url = parse_url(text)?;
    let is_loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let address = host.trim_start_matches('[').trim_end_matches(']');
            address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    };
    if is_loopback { Ok(url) } else { Err("only hosts on this machine are measured".to_owned()) }
}

/// The host that is measured.
enum Subject {
    Embedded(Box<Host>),
    Running(SocketAddr),
}

impl Subject {
    fn address(&self) -> SocketAddr {
        match self {
            Subject::Embedded(host) => host.ingress_addr(),
            Subject::Running(address) => *address,
        }
    }

    /// Durable commits since its start, where that can be known.
    fn commits(&self) -> Option<u64> {
        match self {
            Subject::Embedded(host) => Some(host.statistics().durable_commits),
            Subject::Running(_) => None,
        }
    }
}

/// One line of the result.
struct Line {
    shape: Shape,
    concurrency: u16,
    measured: Measured,
    commits_per_sec: Option<f64>,
}

impl Bench {
    pub(crate) async fn execute(self) -> Result<()> {
        let scratch = tempfile::Builder::new()
            .prefix(".holiday-bench-")
            .tempdir_in(&self.scratch_dir)
            .map_err(|error| Failure::file("write to", &self.scratch_dir, &error))?;
        let subject = self.subject(scratch.path().join("data")).await?;

        eprintln!("Measuring the disk …");
        let before = disk::measure(scratch.path(), DISK_DURATION).await?;
        let mut lines = Vec::new();
        #[cfg(feature = "kafka")]
        let topic = self.measure_kafka(&subject).await?;
        for &shape in self.shapes.iter().filter(|shape| **shape != Shape::Kafka) {
            for &concurrency in &self.concurrency {
                eprintln!("Measuring {} with {concurrency} connections …", shape.name());
                lines.push(self.measure(&subject, shape, concurrency).await?);
            }
        }
        eprintln!("Measuring the disk …");
        let after = disk::measure(scratch.path(), DISK_DURATION).await?;

        if let Subject::Embedded(host) = subject {
            host.shutdown().await;
        }
        if self.json {
            #[cfg_attr(not(feature = "kafka"), expect(unused_mut, reason = "only a topic adds to it"))]
            let mut shown = json(&before, &after, &lines);
            #[cfg(feature = "kafka")]
            topic.iter().for_each(|it| shown["kafka"] = it.json());
            output::print_json(&shown);
        } else {
            print(&before, &after, &lines);
            #[cfg(feature = "kafka")]
            topic.iter().for_each(kafka::Rates::print);
        }
        check_answers(&lines)
    }

    /// The shape `kafka`, if it is asked for.
    #[cfg(feature = "kafka")]
    async fn measure_kafka(&self, subject: &Subject) -> Result<Option<kafka::Rates>> {
        if !self.shapes.contains(&Shape::Kafka) {
            return Ok(None);
        }
        let (Subject::Embedded(host), Some(brokers)) = (subject, &self.kafka_brokers) else {
            return Err(Failure::misuse("the shape kafka needs --kafka-brokers, and a host of its own"));
        };
        let admin = Url::parse(&format!("http://{}", host.admin_addr())).expect("an address");
        eprintln!("Measuring kafka with {} records …", self.kafka_records);
        Ok(Some(kafka::measure(brokers, self.kafka_records, &Client::new(&admin)?).await?))
    }

    async fn subject(&self, data_dir: PathBuf) -> Result<Subject> {
        if let Some(url) = &self.url {
            let addresses = url.socket_addrs(|| Some(80))?;
            let address = addresses.into_iter().find(|address| address.ip().is_loopback());
            let address =
                address.ok_or_else(|| Failure::misuse("only hosts on this machine are measured"))?;
            return Ok(Subject::Running(address));
        }
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        #[cfg(feature = "kafka")]
        let kafka_clusters = self.kafka_brokers.iter().map(|brokers| kafka::cluster(brokers)).collect();
        #[cfg(not(feature = "kafka"))]
        let kafka_clusters = Vec::new();
        let ingress = Ingress { bind_address: any_port, kafka_clusters };
        let config = Config { data_dir, ingress, admin: any_port, ..Config::default() };
        let host = Host::start(config).await?;
        eprintln!("Compiling {} …", self.component.display());
        host.register(&self.component, |_| {}).await?;
        Ok(Subject::Embedded(Box::new(host)))
    }

    async fn measure(&self, subject: &Subject, shape: Shape, concurrency: u16) -> Result<Line> {
        let address = subject.address();
        let duration = Duration::from_secs(self.duration_secs);
        load::drive(address, shape, concurrency, duration / 10).await?;
        let commits = subject.commits();
        let measured = load::drive(address, shape, concurrency, duration).await?;
        let commits = commits.zip(subject.commits()).map(|(before, after)| (after - before) as f64);
        let commits_per_sec = commits.map(|commits| commits / measured.elapsed.as_secs_f64());
        Ok(Line { shape, concurrency, measured, commits_per_sec })
    }
}

fn print(before: &Disk, after: &Disk, lines: &[Line]) {
    let disk_row = |name: &str, before: f64, after: f64| vec![name.to_owned(), rate(before), rate(after)];
    let rows = vec![
        disk_row("fdatasync, 4 KiB appended", before.fdatasync_per_sec, after.fdatasync_per_sec),
        disk_row("redb commit, one row", before.redb_commits_per_sec, after.redb_commits_per_sec),
    ];
    output::print(&output::table(&["DISK", "BEFORE /s", "AFTER /s"], rows));
    output::print("");
    let disk = before.mean(after);
    let rows = lines.iter().map(|line| row(line, &disk)).collect();
    let header = [
        "SHAPE",
        "CONNECTIONS",
        "REQUESTS/s",
        "P50 ms",
        "P99 ms",
        "ERRORS",
        "COMMITS/s",
        "PER FDATASYNC",
        "PER REDB COMMIT",
    ];
    output::print(&output::table(&header, rows));
}

fn row(line: &Line, disk: &Disk) -> Vec<String> {
    let ratio =
        |base: f64| line.commits_per_sec.map_or("–".to_owned(), |rate| format!("{:.2}", rate / base));
    vec![
        line.shape.name().to_owned(),
        line.concurrency.to_string(),
        rate(line.measured.per_sec()),
        format!("{:.2}", line.measured.percentile_ms(50.0)),
        format!("{:.2}", line.measured.percentile_ms(99.0)),
        line.measured.errors.to_string(),
        line.commits_per_sec.map_or("–".to_owned(), rate),
        ratio(disk.fdatasync_per_sec),
        ratio(disk.redb_commits_per_sec),
    ]
}

fn rate(per_sec: f64) -> String {
    format!("{per_sec:.0}")
}

fn json(before: &Disk, after: &Disk, lines: &[Line]) -> Value {
    let disk = before.mean(after);
    let results: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "shape": line.shape.name(),
                "connections": line.concurrency,
                "requests_per_sec": line.measured.per_sec(),
                "p50_ms": line.measured.percentile_ms(50.0),
                "p99_ms": line.measured.percentile_ms(99.0),
                "errors": line.measured.errors,
                "commits_per_sec": line.commits_per_sec,
                "commits_per_fdatasync": line.commits_per_sec.map(|rate| rate / disk.fdatasync_per_sec),
                "commits_per_redb_commit": line.commits_per_sec.map(|rate| rate / disk.redb_commits_per_sec),
            })
        })
        .collect();
    json!({ "disk": { "before": before.json(), "after": after.json() }, "results": results })
}

/// A wrong answer makes every number worthless, so it fails the command.
fn check_answers(lines: &[Line]) -> Result<()> {
    let errors: u64 = lines.iter().map(|line| line.measured.errors).sum();
    match lines.iter().find_map(|line| line.measured.first_error.as_ref()) {
        Some(first) => Err(Failure::new(
            ErrorCode::Internal,
            format!("{errors} requests were not answered as they should; the first: {first}"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_measured() {
        for url in ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(parse_loopback(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.org",
            "http://10.0.0.1:8080",
            "http://127.0.0.1.example.org",
            "https://localhost",
        ] {
            assert!(parse_loopback(url).is_err(), "{url}");
        }
    }
}
