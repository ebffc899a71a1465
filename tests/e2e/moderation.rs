//! The moderation of posts: a small HTTP server that says of each post whether somebody has looked at it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What is answered about a post, by its id and how often that was asked, counted from 1.
type Policy = Arc<dyn Fn(&str, usize) -> &'static str + Send + Sync>;

pub(crate) const PENDING: &str = r#"{"status": "pending"}"#;

pub(crate) const DONE: &str = r#"{"status": "done"}"#;

pub(crate) struct Moderation {
    address: SocketAddr,
    asked: Arc<Asked>,
    server: tokio::task::JoinHandle<()>,
}

/// How often each post was asked about.
type Asked = Mutex<BTreeMap<String, usize>>;

impl Moderation {
    /// Says of each post whether it is still pending.
    pub(crate) async fn start(
        is_pending: impl Fn(&str, usize) -> bool + Send + Sync + 'static,
    ) -> Moderation {
        Moderation::answering(move |id, times| if is_pending(id, times) { PENDING } else { DONE }).await
    }

    pub(crate) async fn answering(
        policy: impl Fn(&str, usize) -> &'static str + Send + Sync + 'static,
    ) -> Moderation {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Asked::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&asked), Arc::new(policy)));
        Moderation { address, asked, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often this post was asked about.
    pub(crate) fn asked(&self, post_id: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(post_id).copied().unwrap_or_default()
    }
}

impl Drop for Moderation {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, asked: Arc<Asked>, policy: Policy) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        assert!(peer.ip().is_loopback(), "tests stay on this machine");
        let (asked, policy) = (Arc::clone(&asked), Arc::clone(&policy));
        let service = service_fn(move |request: hyper::Request<_>| {
            let answer = answer(request.uri().path(), &asked, &policy);
            async { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(async move {
            // A host that was killed leaves its connections broken.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn answer(path: &str, asked: &Asked, policy: &Policy) -> hyper::Response<Full<Bytes>> {
    let post_id = path.strip_prefix("/posts/").expect("the URL of the setting, and the post");
    let times = {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry(post_id.to_owned()).or_default();
        *times += 1;
        *times
    };
    hyper::Response::new(Full::from(policy(post_id, times)))
}
