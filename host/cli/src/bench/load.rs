//! A lean HTTP client: one thread, many connections, one request at a time on each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use holiday_core::error::ErrorCode;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::bench::shape::{Exchange, Shape};
use crate::failure::{Failure, Result};

/// The host may take this long for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Measured {
    pub(super) elapsed: Duration,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    answered: u64,
    latency_us: Histogram<u64>,
}

impl Measured {
    fn new() -> Self {
        let highest = 2 * u64::try_from(ANSWER_WAIT.as_micros()).expect("seconds");
        let latency_us = Histogram::new_with_max(highest, 3).expect("the bounds are fixed");
        Measured { elapsed: Duration::ZERO, errors: 0, first_error: None, answered: 0, latency_us }
    }

    pub(super) fn per_sec(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    pub(super) fn percentile_ms(&self, percentile: f64) -> f64 {
        self.latency_us.value_at_percentile(percentile) as f64 / 1_000.0
    }

    fn record(&mut self, took: Duration, answer: std::result::Result<(), String>) {
        match answer {
            Ok(()) => {
                self.answered += 1;
                self.latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }
}

/// Calls the host for `duration`, on a thread of its own so that it takes little from the host's.
pub(super) async fn drive(
    address: SocketAddr,
    shape: Shape,
    concurrency: u16,
    duration: Duration,
) -> Result<Measured> {
    let (done, measured) = tokio::sync::oneshot::channel();
    let client = std::thread::Builder::new().name("bench-client".to_owned()).spawn(move || {
        // Nobody waits for it any more when the command was interrupted.
        drop(done.send(drive_on_this_thread(address, shape, concurrency, duration)));
    })?;
    let measured = measured.await.expect("the client's thread does not panic");
    client.join().expect("the client's thread does not panic");
    measured
}

fn drive_on_this_thread(
    address: SocketAddr,
    shape: Shape,
    concurrency: u16,
    duration: Duration,
) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = Rc::new(RefCell::new(Measured::new()));
    let connections = LocalSet::new();
    let run: u32 = rand::random();
    let start = Instant::now();
    connections.block_on(&runtime, async {
        let mut tasks = Vec::new();
        for connection in 0..concurrency {
            let measured = Rc::clone(&measured);
            let prefix = format!("{run:08x}-{connection}");
            tasks.push(tokio::task::spawn_local(async move {
                connect_and_call(address, shape, &prefix, start + duration, &measured).await
            }));
        }
        for task in tasks {
            task.await.map_err(|error| Failure::new(ErrorCode::Internal, error))??;
        }
        Ok::<(), Failure>(())
    })?;
    let mut measured = Rc::into_inner(measured).expect("all connections are done").into_inner();
    measured.elapsed = start.elapsed();
    Ok(measured)
}

async fn connect_and_call(
    address: SocketAddr,
    shape: Shape,
    prefix: &str,
    until: Instant,
    measured: &RefCell<Measured>,
) -> Result<()> {
    let unreachable = |error: &dyn std::error::Error| {
        Failure::new(ErrorCode::BadConfig, format!("no host answers at {address}: {error}"))
    };
    let stream = TcpStream::connect(address).await.map_err(|error| unreachable(&error))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    tokio::task::spawn_local(connection);
    let host = address.to_string();
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let Some(exchange) = shape.exchange(prefix, number) else { return Ok(()) };
        let start = Instant::now();
        let answer = tokio::time::timeout(ANSWER_WAIT, call(&mut sender, &host, &exchange)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(format!("{}: no answer in {ANSWER_WAIT:?}", exchange.path)));
        let is_over = answer.is_err();
        measured.borrow_mut().record(start.elapsed(), answer);
        if is_over {
            // What a connection answers after an error says nothing any more: a counter is off by one.
            return Ok(());
        }
    }
    Ok(())
}

async fn call(
    sender: &mut SendRequest<Full<Bytes>>,
    host: &str,
    exchange: &Exchange,
) -> std::result::Result<(), String> {
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", exchange.path);
    let request = http::Request::post(&exchange.path).header("host", host);
    let request = match &exchange.body {
        Some(body) => request.header("content-type", "application/json").body(Full::from(body.clone())),
        None => request.body(Full::default()),
    };
    let request = request.map_err(|error| wrong(&error))?;
    sender.ready().await.map_err(|error| wrong(&error))?;
    let response = sender.send_request(request).await.map_err(|error| wrong(&error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| wrong(&error))?.to_bytes();
    if status.is_success() && exchange.answer.is(&body) {
        return Ok(());
    }
    Err(wrong(&format_args!("answered {status} {}", String::from_utf8_lossy(&body))))
}
