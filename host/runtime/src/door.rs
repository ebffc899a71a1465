//! A door: takes connections in, and serves what is asked on them, within bounds.
//!
//! Invariant: every connection ends. One that is silent for too long is closed, and so is each one when the host stops,
//! after the answers that are under way.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::debug;

/// Connections of one door at the same time; more wait in the queue of the operating system.
pub const CONNECTIONS_MAX: u32 = 20_000;

/// Bytes of the head of a request: its path and its headers.
pub const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// How long a head may take to arrive, from the beginning of the connection or the end of the answer before it. Longer
/// than clients usually keep a connection for their next request, so that they do not find it closed when they send one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Requests at the same time on one connection, where HTTP/2 allows several.
pub const REQUESTS_PER_CONNECTION_MAX: u32 = 200;

/// The bounds of one door; each default is the constant of that name.
#[derive(Clone, Debug)]
pub struct DoorConfig {
    pub connections_max: u32,
    pub head_bytes_max: u32,
    pub head_timeout: Duration,
    pub requests_per_connection_max: u32,
}

impl Default for DoorConfig {
    fn default() -> Self {
        DoorConfig {
            connections_max: CONNECTIONS_MAX,
            head_bytes_max: HEAD_BYTES_MAX,
            head_timeout: HEAD_TIMEOUT,
            requests_per_connection_max: REQUESTS_PER_CONNECTION_MAX,
        }
    }
}

/// Serves until the host stops, and then until the last answer is given.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    config: DoorConfig,
    mut stops: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(config.connections_max as usize));
    let protocol = protocol(&config);
    loop {
        let accepted = async {
            let place = Arc::clone(&connections).acquire_owned().await.expect("it is never closed");
            // Goes on after errors, such as that there is no file descriptor left.
            (place, Listener::accept(&mut listener).await.0)
        };
        let (place, stream) = tokio::select! {
            accepted = accepted => accepted,
            _ = stops.wait_for(|stops| *stops) => break,
        };
        let conversation = Conversation {
            protocol: protocol.clone(),
            router: router.clone(),
            head_timeout: config.head_timeout,
            stops: stops.clone(),
        };
        tokio::spawn(async move {
            conversation.hold(stream).await;
            drop(place);
        });
    }
    drop(listener);
    drop(connections.acquire_many(config.connections_max).await);
}

fn protocol(config: &DoorConfig) -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_buf_size(config.head_bytes_max as usize);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(config.head_bytes_max)
        .max_concurrent_streams(config.requests_per_connection_max);
    protocol
}

/// What one connection is served with.
struct Conversation {
    protocol: Builder<TokioExecutor>,
    router: Router,
    head_timeout: Duration,
    stops: watch::Receiver<bool>,
}

impl Conversation {
    async fn hold(mut self, stream: TcpStream) {
        // Only a matter of latency: answers are small and must not wait for more.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection could not be set to send at once");
        }
        let (has_asked, router) = (Arc::<AtomicBool>::default(), TowerToHyperService::new(self.router));
        let asked = Arc::clone(&has_asked);
        let service = service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            router.call(request)
        });
        let mut connection = pin!(self.protocol.serve_connection(TokioIo::new(stream), service));
        // What it takes to tell one version of HTTP from another has no timeout of its own.
        let mut silence = pin!(sleep(self.head_timeout));
        let mut stopped = pin!(self.stops.wait_for(|stops| *stops));
        let (mut is_young, mut is_open) = (true, true);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        debug!(%error, "a connection ended early");
                    }
                    return;
                }
                _ = &mut stopped, if is_open => {
                    is_open = false;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut silence, if is_young => {
                    is_young = false;
                    if !has_asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use hyper::client::conn::http2;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    /// Far longer than anything here takes: a test that meets it has failed.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// How long a test watches that something does not happen.
    const WATCH: Duration = Duration::from_millis(150);

    const PING: &str = "GET /ping HTTP/1.1\r\nhost: h\r\n\r\n";
    const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: h\r\n\r\n";

    /// A door behind which `/ping` answers at once, `/wait` when it may, and `/unread` without reading the body.
    struct Fixture {
        address: std::net::SocketAddr,
        /// Says when somebody asks for `/wait`.
        waiting: mpsc::UnboundedReceiver<()>,
        /// One permit for each that may be answered.
        turns: Arc<Semaphore>,
        stop: watch::Sender<bool>,
        served: tokio::task::JoinHandle<()>,
    }

    impl Fixture {
        async fn new(config: DoorConfig) -> Self {
            let (asked, waiting) = mpsc::unbounded_channel();
            let turns = Arc::new(Semaphore::new(0));
            let turn = Arc::clone(&turns);
            let wait = get(move || async move {
                asked.send(()).expect("the test listens");
                turn.acquire().await.expect("it is never closed").forget();
                "done"
            });
            let router = Router::new()
                .route("/ping", get(|| async { "pong" }))
                .route("/wait", wait)
                .route("/unread", post(|| async { "enough" }));
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            let (stop, stops) = watch::channel(false);
            let served = tokio::spawn(serve(listener, router, config, stops));
            Fixture { address, waiting, turns, stop, served }
        }

        async fn connect(&self) -> Client {
            Client(TcpStream::connect(self.address).await.expect("the door is open"))
        }

        async fn somebody_waits(&mut self) {
            soon(self.waiting.recv()).await.expect("the door is open");
        }
    }

    struct Client(TcpStream);

    impl Client {
        async fn say(&mut self, text: &str) {
            self.0.write_all(text.as_bytes()).await.expect("the door listens");
        }

        /// The status line and the body of the next answer; the connection stays.
        async fn hear(&mut self) -> String {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(soon(self.0.read_u8()).await.expect("there is more")));
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |it| it.parse().expect("a number"))];
            soon(self.0.read_exact(&mut body)).await.expect("there is more");
            let status = head.lines().next().unwrap_or_default();
            format!("{status} {}", String::from_utf8_lossy(&body)).trim_end().to_owned()
        }

        /// What comes until the connection is closed.
        async fn hear_the_end(&mut self) -> Vec<u8> {
            let mut rest = Vec::new();
            // Some of what was sent may be unread: then the connection is reset.
            drop(soon(self.0.read_to_end(&mut rest)).await);
            rest
        }

        async fn hears_nothing(&mut self) -> bool {
            timeout(WATCH, self.0.read_u8()).await.is_err()
        }
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        timeout(PATIENCE, future).await.expect("this happens soon")
    }

    #[test]
    fn each_default_is_the_constant_of_its_name() {
        let it = DoorConfig::default();
        assert_eq!((it.connections_max, it.head_bytes_max), (CONNECTIONS_MAX, HEAD_BYTES_MAX));
        assert_eq!(it.head_timeout, HEAD_TIMEOUT);
        assert_eq!(it.requests_per_connection_max, REQUESTS_PER_CONNECTION_MAX);
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_for_a_place() {
        let door = Fixture::new(DoorConfig { connections_max: 1, ..DoorConfig::default() }).await;
        let (mut first, mut second) = (door.connect().await, door.connect().await);
        first.say(PING).await;
        assert_eq!(first.hear().await, "HTTP/1.1 200 OK pong");
        second.say(PING).await;
        assert!(second.hears_nothing().await);
        drop(first);
        assert_eq!(second.hear().await, "HTTP/1.1 200 OK pong");
    }

    #[tokio::test]
    async fn a_head_beyond_the_bound_is_refused() {
        // Less than this, the protocol cannot do with.
        let door = Fixture::new(DoorConfig { head_bytes_max: 8_192, ..DoorConfig::default() }).await;
        let request = |size: usize| {
            let rest = PING.len() + "x-long: \r\n".len();
            PING.replace("\r\n\r\n", &format!("\r\nx-long: {}\r\n\r\n", "x".repeat(size - rest)))
        };
        let mut client = door.connect().await;
        client.say(&request(8_192)).await;
        assert_eq!(client.hear().await, "HTTP/1.1 200 OK pong");
        client.say(&request(8_193)).await;
        assert_eq!(client.hear().await, "HTTP/1.1 431 Request Header Fields Too Large");
        assert_eq!(client.hear_the_end().await, b"");
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed_and_a_slow_answer_is_not() {
        let config = DoorConfig { head_timeout: Duration::from_millis(100), ..DoorConfig::default() };
        let mut door = Fixture::new(config).await;
        let mut slow = door.connect().await;
        slow.say(WAIT).await;
        door.somebody_waits().await;
        // `P` may be the beginning of HTTP/2.
        for begin in ["", "P", "GET /ping HTTP/1.1\r\nhost:"] {
            let mut silent = door.connect().await;
            silent.say(begin).await;
            assert_eq!(silent.hear_the_end().await, b"", "{begin}");
        }
        let mut idle = door.connect().await;
        idle.say(PING).await;
        assert_eq!(idle.hear().await, "HTTP/1.1 200 OK pong");
        assert_eq!(idle.hear_the_end().await, b"");
        door.turns.add_permits(1);
        assert_eq!(slow.hear().await, "HTTP/1.1 200 OK done");
    }

    #[tokio::test]
    async fn requests_beyond_the_bound_wait_on_their_connection() {
        let config = DoorConfig { requests_per_connection_max: 1, ..DoorConfig::default() };
        let mut door = Fixture::new(config).await;
        let stream = TokioIo::new(door.connect().await.0);
        let (client, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let ask = |path: &str| {
            let request = Request::get(format!("http://{}{path}", door.address));
            let request = request.body(String::new()).expect("a valid request");
            let mut client = client.clone();
            tokio::spawn(async move { client.send_request(request).await.expect("it is answered").status() })
        };
        // With its first answer a client has learnt of the bound.
        assert_eq!(soon(ask("/ping")).await.expect("no panic"), 200);
        let (first, second) = (ask("/wait"), ask("/wait"));
        door.somebody_waits().await;
        assert!(timeout(WATCH, door.waiting.recv()).await.is_err(), "one at a time");
        door.turns.add_permits(1);
        door.somebody_waits().await;
        door.turns.add_permits(1);
        for asked in [first, second] {
            assert_eq!(soon(asked).await.expect("no panic"), 200);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_read_to_its_end_closes_the_connection() {
        let door = Fixture::new(DoorConfig::default()).await;
        let mut client = door.connect().await;
        client.say("POST /unread HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n").await;
        assert_eq!(client.hear().await, "HTTP/1.1 200 OK enough");
        assert_eq!(client.hear_the_end().await, b"");
    }

    #[tokio::test]
    async fn a_door_that_closes_gives_the_answers_that_are_under_way() {
        let mut door = Fixture::new(DoorConfig::default()).await;
        let (mut waiting, mut idle) = (door.connect().await, door.connect().await);
        idle.say(PING).await;
        assert_eq!(idle.hear().await, "HTTP/1.1 200 OK pong");
        waiting.say(WAIT).await;
        door.somebody_waits().await;
        door.stop.send_replace(true);
        assert_eq!(idle.hear_the_end().await, b"");
        assert!(!door.served.is_finished());
        assert!(TcpStream::connect(door.address).await.is_err(), "nobody new is let in");
        door.turns.add_permits(1);
        assert_eq!(waiting.hear().await, "HTTP/1.1 200 OK done");
        soon(door.served).await.expect("no panic");
    }
}
