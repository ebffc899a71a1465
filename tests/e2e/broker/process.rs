//! The process of tansu and the ports it has.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{BUCKET, REGION, Storage};
use crate::harness::{ANY_PORT, PATIENCE, keep_lines};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// Starts a program, prints its process id, and kills it when standard input is closed: so it ends with the process of
/// the test, however that ends.
const KEEPER: &str = r#"trap '' INT; "$@" & echo "$!"; exec >&- 2>&-; read -r line; kill -9 "$!"; wait"#;

/// A port that stays ours while nothing listens on it.
pub(super) struct Port {
    claim: TcpSocket,
}

impl Port {
    /// Claims a free port: a bound socket keeps the kernel from handing the port to others, and lets a listener bind it,
    /// too.
    pub(super) fn claim() -> Port {
        Port { claim: bind(ANY_PORT) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.claim.local_addr().expect("it is bound")
    }

    pub(super) fn listen(&self) -> TcpListener {
        bind(self.address()).listen(BACKLOG).expect("the port is ours")
    }
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of the socket");
    socket.bind(address).expect("a free port");
    socket
}

/// A process of tansu, which is killed when this value is dropped.
pub(super) struct Tansu {
    keeper: Child,
    pid: u32,
}

impl Tansu {
    /// Starts tansu on the address `listens`, and has it tell clients that it is at `advertised`.
    pub(super) async fn start(
        program: &Path,
        storage: &Storage,
        listens: SocketAddr,
        advertised: SocketAddr,
        log: Arc<Mutex<String>>,
    ) -> Tansu {
        // Not every installer keeps the mode of a file in a wheel.
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(program, mode).expect("the file is ours");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "tansu"]).arg(program).arg("broker");
        command.args(["--listener-url", &format!("tcp://{listens}")]);
        command.args(["--advertised-listener-url", &format!("tcp://{advertised}")]);
        set_storage(&mut command, storage);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().expect("a shell");
        let mut stdout = BufReader::new(keeper.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the shell prints");
        let pid = line.trim().parse().expect("a process id");
        keep_lines(stdout, Arc::clone(&log), drop);
        let said_all = keep_lines(keeper.stderr.take().expect("piped"), Arc::clone(&log), drop);
        let tansu = Tansu { keeper, pid };

        let began = Instant::now();
        while TcpStream::connect(listens).await.is_err() {
            let is_waiting = !said_all.is_finished() && began.elapsed() < PATIENCE;
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(is_waiting, "the broker does not become ready: {log}");
            drop(log);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tansu
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }
}

fn set_storage(command: &mut Command, storage: &Storage) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    match storage {
        Storage::Memory => command.args(["--storage-engine", "memory://tansu/"]),
        Storage::S3 { moto } => command
            .args(["--storage-engine", &format!("s3://{BUCKET}/")])
            .env("AWS_ENDPOINT", format!("http://{moto}"))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "broker")
            .env("AWS_SECRET_ACCESS_KEY", "of the tests"),
    };
}

impl Drop for Tansu {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}
