//! The world outside: a small HTTP server that keeps what the guests' steps tell it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// One effect as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effect {
    /// Such as `flights.reserve`.
    pub(crate) effect: String,
    pub(crate) about: String,
    pub(crate) id: String,
    pub(crate) idempotency_key: String,
}

/// What the ledger does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Accept,
    /// Takes it, and answers late.
    AcceptAfter(Duration),
    /// Takes it, and answers when the test says so, or never.
    AcceptWhenReleased,
    /// Takes it, and says that it did not.
    AcceptAndDeny,
    /// Does not take it.
    Refuse,
}

/// Decides about the request with this number, counted from 1, that tells of this effect.
type Policy = Arc<dyn Fn(usize, &str) -> Reply + Send + Sync>;

pub(crate) struct Ledger {
    address: SocketAddr,
    seen: Arc<Seen>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    effects: Mutex<Vec<Effect>>,
    requests: Mutex<usize>,
    arrived: tokio::sync::Notify,
    released: tokio::sync::Notify,
}

impl Ledger {
    pub(crate) async fn start(policy: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Ledger {
        Ledger::judging(move |number, _| policy(number)).await
    }

    /// Decides by number and effect.
    pub(crate) async fn judging(policy: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Ledger {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&seen), Arc::new(policy)));
        Ledger { address, seen, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was taken, in order of arrival, repetitions included.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        lock(&self.seen.effects).clone()
    }

    /// Requests so far, refused ones included.
    pub(crate) fn requests(&self) -> usize {
        *lock(&self.seen.requests)
    }

    /// Has all requests answered that wait for it.
    pub(crate) fn release(&self) {
        self.seen.released.notify_waiters();
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        loop {
            let arrived = self.seen.arrived.notified();
            if self.requests() >= count {
                return;
            }
            arrived.await;
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>, policy: Policy) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        assert!(peer.ip().is_loopback(), "tests stay on this machine");
        let (seen, policy) = (Arc::clone(&seen), Arc::clone(&policy));
        let service = service_fn(move |request| answer(request, Arc::clone(&seen), Arc::clone(&policy)));
        tokio::spawn(async move {
            // A host that was killed leaves its connections broken.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    seen: Arc<Seen>,
    policy: Policy,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let idempotency_key = key.unwrap_or_default().to_owned();
    // A host that is killed while it sends has asked for nothing: half a request is no effect.
    let Ok(body) = request.into_body().collect().await else {
        return Ok(hyper::Response::new(Full::new(Bytes::new())));
    };
    let body = body.to_bytes();
    let number = {
        let mut requests = lock(&seen.requests);
        *requests += 1;
        *requests
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (effect, about, id) = (text("effect"), text("about"), text("id"));
    let reply = policy(number, &effect);
    if !matches!(reply, Reply::Refuse) {
        lock(&seen.effects).push(Effect { effect, about, id, idempotency_key });
    }
    let released = seen.released.notified();
    seen.arrived.notify_waiters();
    match reply {
        Reply::AcceptAfter(delay) => tokio::time::sleep(delay).await,
        Reply::AcceptWhenReleased => released.await,
        Reply::Accept | Reply::AcceptAndDeny | Reply::Refuse => {}
    }
    let status = match reply {
        Reply::Accept | Reply::AcceptAfter(_) | Reply::AcceptWhenReleased => 200,
        Reply::AcceptAndDeny | Reply::Refuse => 503,
    };
    // Each answer is another, so that a step that was executed twice shows.
    let response = hyper::Response::builder().status(status).body(Full::from(format!("answer {number}")));
    Ok(response.expect("a response"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
