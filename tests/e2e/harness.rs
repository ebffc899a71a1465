//! Starts the real binary on free ports with a data directory of its own, kills it and starts it again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::Door;

/// How long a test waits for what is sure to come, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The host's log that a failing test shows.
const LOG_LINES_SHOWN: usize = 150;

pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The command line under test.
pub(crate) fn holiday_host() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holiday-host"));
    command.env("HOLIDAY_LOG", "info").current_dir(workspace());
    // What the shell of the tests says about traces is not meant for the hosts in them.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command
}

/// A client of the examples, which lies beside the binary. A cargo that only builds this test does not build it; nor may
/// the test, because a cargo inside of cargo takes much for changed that is not.
pub(crate) fn example(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_BIN_EXE_holiday-host")).with_file_name("examples").join(name);
    assert!(file.exists(), "there is no {}; build it with: cargo build --example {name}", file.display());
    file
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where cargo builds: guests that tests make use what is there already.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory")
}

/// The component of a guest crate, built once for all tests.
pub(crate) fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_guests).join(format!("{name}.wasm"))
}

/// Builds all guests as a user would. Several test processes at a time take turns.
fn build_guests() -> PathBuf {
    let out_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    std::fs::create_dir_all(&out_dir).expect("the target directory can be written");
    let lock = File::create(out_dir.join(".lock")).expect("the target directory can be written");
    lock.lock().expect("a file lock");
    let built = holiday_host().args(["build", "guests", "--out-dir"]).arg(&out_dir).output();
    let built = built.expect("the binary starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    out_dir
}

/// How a host is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) components: Vec<PathBuf>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) allowed_hosts: Vec<String>,
    /// What its configuration file says, if it has one.
    pub(crate) config: Option<String>,
    /// Run `dev` on this folder instead of `serve`.
    pub(crate) dev: Option<PathBuf>,
    /// More options of the command.
    pub(crate) options: Vec<String>,
    /// Variables of the host's own environment.
    pub(crate) variables: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn guests(names: &[&str]) -> Self {
        Setup { components: names.iter().map(|name| guest(name)).collect(), ..Setup::default() }
    }

    pub(crate) fn holiday() -> Self {
        Setup::guests(&["flights", "cars", "payments", "trips"])
    }

    /// Tells the guests where their effects go.
    pub(crate) fn effects(mut self, ledger: SocketAddr) -> Self {
        self.allowed_hosts.push(ledger.to_string());
        self.env("EFFECTS_URL", &format!("http://{ledger}/effects"))
    }

    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    pub(crate) fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A host and its data directory, which outlives the process.
pub(crate) struct TestHost {
    pub(crate) setup: Setup,
    dir: TempDir,
    process: Option<Child>,
    ingress: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl TestHost {
    pub(crate) async fn start(setup: Setup) -> TestHost {
        let mut host = TestHost {
            setup,
            dir: TempDir::new().expect("a temporary directory"),
            process: None,
            ingress: ANY_PORT,
            admin: ANY_PORT,
            log: Arc::default(),
        };
        host.start_again().await;
        host
    }

    /// Starts the process on the data directory, and on the ports it had before.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the host runs already");
        let mut process =
            self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (stdout, stderr) = (process.stdout.take().expect("piped"), process.stderr.take().expect("piped"));
        let (line_sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        keep_lines(stdout, Arc::clone(&self.log), move |line| drop(line_sender.send(line)));
        let said_all = keep_lines(stderr, Arc::clone(&self.log), drop);
        self.process = Some(process);
        loop {
            let Some(line) = lines.recv().await else {
                said_all.join().expect("reading does not panic");
                let status = self.process.take().expect("it was started").wait().expect("it has ended");
                panic!("the host ended before it was ready: {status}");
            };
            if let Some(address) = line.strip_prefix("Ingress  http://") {
                self.ingress = address.parse().expect("an address");
            }
            if let Some(address) = line.strip_prefix("Admin    http://") {
                self.admin = address.parse().expect("an address");
                break;
            }
        }
        self.assert_only_loopback();
    }

    /// The command line of the setup; the caller decides what becomes of its output.
    pub(crate) fn command(&self) -> Command {
        self.command_on(&self.data_dir(), self.ingress, self.admin)
    }

    /// The same elsewhere.
    pub(crate) fn command_on(&self, data_dir: &Path, ingress: SocketAddr, admin: SocketAddr) -> Command {
        let mut command = holiday_host();
        match &self.setup.dev {
            Some(folder) => command.arg("dev").arg(folder).env("CARGO_TARGET_DIR", target()),
            None => command.arg("serve").args(&self.setup.components),
        };
        if let Some(text) = &self.setup.config {
            let file = self.dir.path().join("holiday.toml");
            std::fs::write(&file, text).expect("the temporary directory can be written");
            command.arg("--config").arg(file);
        }
        command.arg("--data-dir").arg(data_dir);
        command.args(["--ingress", &ingress.to_string(), "--admin", &admin.to_string()]);
        for (name, value) in &self.setup.env {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        for host in &self.setup.allowed_hosts {
            command.args(["--allow-host", host]);
        }
        command.args(&self.setup.options).envs(self.setup.variables.iter().cloned());
        command
    }

    /// A folder that goes with the host.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn ingress(&self) -> Door {
        Door::new(self.ingress)
    }

    pub(crate) fn admin(&self) -> Door {
        Door::new(self.admin)
    }

    pub(crate) fn ingress_address(&self) -> SocketAddr {
        self.ingress
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("the host runs").id()
    }

    /// SIGKILL: nothing of the process is left but its files.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("the host runs");
        process.kill().expect("it can be killed");
        process.wait().expect("it can be waited for");
    }

    /// Whether the process has ended by itself.
    pub(crate) fn has_died(&mut self) -> bool {
        let process = self.process.as_mut().expect("the host was started");
        let has_died = process.try_wait().expect("it can be waited for").is_some();
        if has_died {
            self.process = None;
        }
        has_died
    }

    pub(crate) async fn kill_and_start_again(&mut self) {
        self.kill();
        self.start_again().await;
    }

    /// SIGTERM; returns how the process ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the host runs");
        signal("TERM", process.id());
        tokio::task::spawn_blocking(move || process.wait().expect("it can be waited for"))
            .await
            .expect("waiting does not panic")
    }

    /// Runs a command of the binary against this host's doors.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        output(self.client(args)).await
    }

    /// Runs a command that reads, and takes its answer as JSON.
    pub(crate) async fn run_json(&self, args: &[&str]) -> Value {
        let text = stdout(&self.run(&[args, &["--json"]].concat()).await);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A command against this host's doors, for the caller to run.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let mut command = holiday_host();
        command.args(args);
        command.env("HOLIDAY_ADMIN", format!("http://{}", self.admin));
        command.env("HOLIDAY_INGRESS", format!("http://{}", self.ingress));
        command
    }

    /// All values of an object, by key.
    pub(crate) async fn state(&self, service: &str, key: &str) -> Value {
        let answer = self.admin().get(&format!("/state/{service}/{key}")).await.ok();
        answer.get("state").cloned().unwrap_or(answer)
    }

    /// What the admin door says about an invocation.
    pub(crate) async fn invocation(&self, id: &str) -> Value {
        self.admin().get(&format!("/invocations/{id}")).await.ok()
    }

    /// Waits until `holds` of what the admin door says about an invocation.
    pub(crate) async fn wait_for(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let invocation = self.invocation(id).await;
            if holds(&invocation) {
                return invocation;
            }
            assert!(began.elapsed() < PATIENCE, "it stays like this: {invocation:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The host's standard output and error so far, over all its lives.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of the log with this text in them, once there are so many.
    pub(crate) async fn lines_with(&self, text: &str, count: usize) -> Vec<String> {
        self.lines_where(text, |line| line.contains(text), count).await
    }

    /// The lines of the log of which this holds, once there are so many; `what` they are, for a test that fails.
    pub(crate) async fn lines_where(
        &self,
        what: &str,
        holds: impl Fn(&str) -> bool,
        count: usize,
    ) -> Vec<String> {
        let began = Instant::now();
        loop {
            let log = self.log();
            let lines: Vec<String> = log.lines().filter(|line| holds(line)).map(str::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(began.elapsed() < PATIENCE, "{count} lines with '{what}' do not come: {lines:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every socket of the process is bound to 127.0.0.1.
    fn assert_only_loopback(&self) {
        let sockets = socket_inodes(self.pid());
        for table in ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"] {
            let Ok(text) = std::fs::read_to_string(table) else { continue };
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                if sockets.contains(fields[9]) {
                    assert!(fields[1].starts_with("0100007F:"), "not on 127.0.0.1: {line} in {table}");
                }
            }
        }
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show_end("the host's log", &self.log());
        }
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Prints the last lines of a log, for a test that fails.
pub(crate) fn show_end(title: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
    eprintln!("--- the end of {title} ---\n{}\n---", lines[from..].join("\n"));
}

/// Standard output of a command that succeeded.
#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What a command that failed says, beginning with its code.
#[track_caller]
pub(crate) fn failure(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let error = text.lines().find_map(|line| line.strip_prefix("error["));
    error.unwrap_or_else(|| panic!("no error in {text}")).to_owned()
}

/// A component with the same services as another one, and other bytes.
pub(crate) fn same_again(component: &Path, folder: &Path) -> PathBuf {
    let mut bytes = std::fs::read(component).expect("it is built");
    // A custom section makes the difference.
    bytes.extend_from_slice(b"\0\x05\x04next");
    let file = folder.join("next.wasm");
    std::fs::write(&file, bytes).expect("a temporary file");
    file
}

/// A component in which a text is another one of the same length.
pub(crate) fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let places = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from.as_bytes());
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "'{from}' is in the component");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Runs a command to its end without blocking the test's other tasks.
pub(crate) async fn output(mut command: Command) -> Output {
    let run = move || command.stdin(Stdio::null()).output().expect("the binary starts");
    tokio::task::spawn_blocking(run).await.expect("running does not panic")
}

pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill starts");
    assert!(sent.success(), "SIG{name} to {pid}");
}

/// Keeps each line for a failing test, and hands it on.
pub(crate) fn keep_lines(
    from: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<String>>,
    mut on_line: impl FnMut(String) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
            drop(log);
            on_line(line);
        }
    })
}

fn socket_inodes(pid: u32) -> BTreeSet<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the host runs");
    links
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    memory_kib(pid, "VmRSS:")
}

/// The most that it ever was.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    memory_kib(pid, "VmHWM:")
}

fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the host runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// A number from the environment, which sets the size of a test.
pub(crate) fn size(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is '{text}', not a number")),
        Err(_) => default,
    }
}

/// Reads a file whole, lets `change` alter it and writes it back; returns what was there.
pub(crate) fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("the file can be read");
    let before = bytes.clone();
    change(&mut bytes);
    File::create(path).and_then(|mut file| file.write_all(&bytes)).expect("the file can be written");
    before
}
