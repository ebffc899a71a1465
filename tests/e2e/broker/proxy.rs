//! A proxy in front of tansu that corrects what tansu answers in another way than Apache Kafka.
//!
//! | Request | Tansu | Behind the proxy |
//! |---|---|---|
//! | Fetch of a topic that was deleted, from version 13 on | answers with a leader, but without the topic, which crashes librdkafka | version 11 is the highest |
//! | Fetch beyond the end | answers with no records, for ever | `OFFSET_OUT_OF_RANGE` |
//! | ListOffsets, latest | an offset in or before the last batch | the end |
//! | ListOffsets by time | 0 | the first record at or after the time |
//!
//! Answers are changed in place and keep their lengths.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BufMut as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use super::client;

const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const API_VERSIONS: i16 = 18;

/// The highest versions behind the proxy, the last ones before lengths became variable.
const VERSIONS_MAX: [(i16, i16); 2] = [(FETCH, 11), (LIST_OFFSETS, 2)];

const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Times that stand for the first offset and for the next.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Stands for no offset.
const NONE: i64 = -1;

/// The time that tansu has to look up the end of a partition, at first.
const WAIT_MS: i32 = 5;

/// An offset beyond every end.
const BEYOND: i64 = i64::MAX / 2;

/// A listener that passes its connections on to tansu.
pub(super) struct Proxy {
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) fn start(listener: TcpListener, tansu: SocketAddr) -> Proxy {
        Proxy { task: tokio::spawn(accept(listener, tansu)) }
    }

    /// Closes the port and all connections.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|error| error.is_cancelled()), "the proxy has panicked");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tansu: SocketAddr) {
    let address = listener.local_addr().expect("it is bound");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, peer)) = accepted else { continue };
                assert!(peer.ip().is_loopback(), "tests stay on this machine");
                connections.spawn(serve(client, tansu, address));
            }
            Some(ended) = connections.join_next() => {
                // Clients and tansu may break a connection at any time.
                drop(ended.expect("a connection does not panic"));
            }
        }
    }
}

/// The parts of a request that its answer is corrected by.
enum Request {
    ApiVersions { version: i16 },
    Fetch { offsets: Partitions },
    ListOffsets { times: Partitions },
}

/// An offset or a time for each partition of each topic.
type Partitions = BTreeMap<(String, i32), i64>;

/// Requests without an answer so far, by their correlation id.
type Pending = Arc<Mutex<HashMap<i32, Request>>>;

/// Serves a connection until either side closes it.
async fn serve(client: TcpStream, tansu: SocketAddr, address: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(tansu).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (pending, corrector) = (Pending::default(), Corrector { tansu, address });
    tokio::select! {
        ended = pass_requests(from_client, to_server, &pending) => ended,
        ended = pass_answers(from_server, to_client, &pending, &corrector) => ended,
    }
}

async fn pass_requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pending: &Pending) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut from).await?;
        let (id, request) = parse_request(&frame);
        if let Some(request) = request {
            pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, request);
        }
        write_frame(&mut to, &frame).await?;
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    pending: &Pending,
    corrector: &Corrector,
) -> io::Result<()> {
    loop {
        let mut frame = read_frame(&mut from).await?;
        let id = (&frame[..]).get_i32();
        let request = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match request {
            None => {}
            Some(Request::ApiVersions { version }) => cap_versions(&mut frame, version),
            Some(Request::Fetch { offsets }) => refuse_offsets(&mut frame, &offsets),
            Some(Request::ListOffsets { times }) => corrector.correct_offsets(&mut frame, &times).await?,
        }
        write_frame(&mut to, &frame).await?;
    }
}

async fn read_frame(from: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut frame = vec![0; usize::try_from(length).expect("memory for it")];
    from.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn write_frame(to: &mut (impl AsyncWriteExt + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_u32(u32::try_from(frame.len()).expect("it was read with such a length")).await?;
    to.write_all(frame).await
}

fn parse_request(frame: &[u8]) -> (i32, Option<Request>) {
    let mut rest = frame;
    let (api, version, id) = (rest.get_i16(), rest.get_i16(), rest.get_i32());
    drop(take_text(&mut rest));
    let request = match api {
        API_VERSIONS => Some(Request::ApiVersions { version }),
        FETCH => Some(Request::Fetch { offsets: fetched(rest, version) }),
        LIST_OFFSETS => Some(Request::ListOffsets { times: listed(rest, version) }),
        _ => None,
    };
    (id, request)
}

/// The offsets from which a Fetch asks for records.
fn fetched(mut rest: &[u8], version: i16) -> Partitions {
    assert_eq!(version, 11, "the version of Fetch that librdkafka chooses");
    // Replica, times, sizes, isolation level and session.
    rest.advance(4 + 4 + 4 + 4 + 1 + 4 + 4);
    each_partition(&mut rest, |rest| {
        rest.advance(4);
        let offset = rest.get_i64();
        rest.advance(8 + 4);
        offset
    })
}

/// The times by which a ListOffsets asks for offsets.
fn listed(mut rest: &[u8], version: i16) -> Partitions {
    assert_eq!(version, 2, "the version of ListOffsets that librdkafka chooses");
    // Replica and isolation level.
    rest.advance(4 + 1);
    each_partition(&mut rest, |rest| rest.get_i64())
}

fn each_partition(rest: &mut &[u8], mut value: impl FnMut(&mut &[u8]) -> i64) -> Partitions {
    let mut partitions = Partitions::new();
    for _ in 0..rest.get_i32() {
        let topic = take_text(rest);
        for _ in 0..rest.get_i32() {
            let partition = rest.get_i32();
            partitions.insert((topic.clone(), partition), value(rest));
        }
    }
    partitions
}

fn take_text(rest: &mut &[u8]) -> String {
    let length = usize::try_from(rest.get_i16()).unwrap_or_default();
    String::from_utf8(rest.copy_to_bytes(length).to_vec()).expect("text")
}

/// Lowers the versions that tansu offers.
fn cap_versions(frame: &mut [u8], version: i16) {
    let is_flexible = version >= 3;
    let mut rest = &frame[4 + 2..];
    let count = match is_flexible {
        // A length plus one, of one byte while it is small.
        true => i32::from(rest.get_u8() & 0x7f) - 1,
        false => rest.get_i32(),
    };
    for _ in 0..count {
        let (api, _, highest) = (rest.get_i16(), rest.get_i16(), rest.get_i16());
        let end = frame.len() - rest.len();
        if is_flexible {
            rest.advance(1);
        }
        let at = frame.len() - rest.len();
        if let Some((_, cap)) = VERSIONS_MAX.iter().find(|(capped, _)| *capped == api) {
            put_i16(frame, end - 2, highest.min(*cap));
        }
        rest = &frame[at..];
    }
}

/// Answers with an error where records beyond the end were asked for.
fn refuse_offsets(frame: &mut [u8], offsets: &Partitions) {
    let mut refused = Vec::new();
    let mut rest = &frame[4 + 4 + 2 + 4..];
    for _ in 0..rest.get_i32() {
        let topic = take_text(&mut rest);
        for _ in 0..rest.get_i32() {
            let partition = rest.get_i32();
            let at = frame.len() - rest.len();
            let (error, end) = (rest.get_i16(), rest.get_i64());
            rest.advance(8 + 8);
            let aborted = rest.get_i32().max(0);
            rest.advance(16 * usize::try_from(aborted).expect("a length") + 4);
            let length = rest.get_i32().max(0);
            rest.advance(usize::try_from(length).expect("a length"));
            if error == 0 && offsets.get(&(topic.clone(), partition)).is_some_and(|offset| *offset > end) {
                refused.push(at);
            }
        }
    }
    for at in refused {
        put_i16(frame, at, OFFSET_OUT_OF_RANGE);
    }
}

fn put_i16(frame: &mut [u8], at: usize, value: i16) {
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Finds the offsets that tansu does not tell.
struct Corrector {
    tansu: SocketAddr,
    /// The proxy's own.
    address: SocketAddr,
}

impl Corrector {
    async fn correct_offsets(&self, frame: &mut [u8], times: &Partitions) -> io::Result<()> {
        let mut at = 4 + 4;
        let mut rest = &frame[at..];
        let mut places = Vec::new();
        for _ in 0..rest.get_i32() {
            let topic = take_text(&mut rest);
            for _ in 0..rest.get_i32() {
                let (partition, error) = (rest.get_i32(), rest.get_i16());
                at = frame.len() - rest.len();
                rest.advance(8 + 8);
                let time = times.get(&(topic.clone(), partition)).copied();
                if let Some(time) = time.filter(|time| error == 0 && *time != EARLIEST) {
                    places.push((at, topic.clone(), partition, time));
                }
            }
        }
        for (at, topic, partition, time) in places {
            let (time, offset) = self.offset_at(topic, partition, time).await?;
            let mut place = &mut frame[at..];
            place.put_i64(time);
            place.put_i64(offset);
        }
        Ok(())
    }

    /// The time and the offset of the first record at or after a time.
    async fn offset_at(&self, topic: String, partition: i32, time: i64) -> io::Result<(i64, i64)> {
        if time == LATEST {
            return Ok((NONE, end(self.tansu, &topic, partition).await?));
        }
        let address = self.address;
        let records = spawn_blocking(move || client::read(address, &topic, partition));
        let mut records = records.await?.into_iter();
        let found = records.find_map(|it| Some((it.timestamp.filter(|at| *at >= time)?, it.offset)));
        Ok(found.unwrap_or((NONE, NONE)))
    }
}

/// The offset of the next record of a partition, which is in each answer to a Fetch.
async fn end(tansu: SocketAddr, topic: &str, partition: i32) -> io::Result<i64> {
    let mut connection = TcpStream::connect(tansu).await?;
    let mut wait_ms = WAIT_MS;
    loop {
        write_frame(&mut connection, &fetch_beyond(topic, partition, wait_ms)).await?;
        let answer = read_frame(&mut connection).await?;
        // Correlation id and throttle time.
        let mut rest = &answer[4 + 4..];
        // Tansu leaves out topics that it did not look up in the time to wait.
        if rest.get_i32() == 0 {
            wait_ms *= 2;
            continue;
        }
        drop(take_text(&mut rest));
        rest.advance(4 + 4 + 2);
        return Ok(rest.get_i64());
    }
}

fn fetch_beyond(topic: &str, partition: i32, wait_ms: i32) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i16(FETCH);
    frame.put_i16(4);
    frame.put_i32(0);
    put_text(&mut frame, "proxy");
    // Replica, time to wait, sizes and isolation level.
    for value in [-1, wait_ms, 0, i32::MAX] {
        frame.put_i32(value);
    }
    frame.put_i8(0);
    frame.put_i32(1);
    put_text(&mut frame, topic);
    frame.put_i32(1);
    frame.put_i32(partition);
    frame.put_i64(BEYOND);
    frame.put_i32(i32::MAX);
    frame
}

fn put_text(frame: &mut Vec<u8>, text: &str) {
    frame.put_i16(i16::try_from(text.len()).expect("a short text"));
    frame.put_slice(text.as_bytes());
}
