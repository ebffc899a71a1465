//! What `docs/operating.md` tells operators is true: its commands are tried in its order, on a host whose bank is down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::commands::wait_for_awakeable;
use crate::harness::{Setup, TestHost, guest, renamed, same_again, workspace};
use crate::ledger::{Ledger, Reply};
use crate::page::{Example, Reader, examples};

const PAGE: &str = "docs/operating.md";

/// As the page says.
const CONFIG: &str = "[policies]\nretry = { max-attempts = 3 }\n";

/// Trips that cannot be paid for.
struct World {
    host: TestHost,
    reader: Reader,
    _bank: Ledger,
    /// The trip `t1` and its payment, for which another one waits.
    t1: Stuck,
    /// The deployment of the payments of `t1`.
    deployment: String,
}

/// A trip that waits for its payment, which is paused.
struct Stuck {
    trip: String,
    payment: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_work_as_written() {
    let mut world = World::start().await;
    for example in examples(PAGE) {
        world.try_out(&example).await;
    }
}

impl World {
    async fn start() -> World {
        let bank = Ledger::start(|_| Reply::Refuse).await;
        let guests = ["flights", "cars", "payments", "trips", "probe"];
        // The bank is the ledger of the payments alone; of all else nobody is told.
        let config = format!(
            "{CONFIG}[components.payments]\nenv = {{ EFFECTS_URL = \"http://{0}/\" }}\nallow-hosts = [\"{0}\"]\n",
            bank.address()
        );
        let host = TestHost::start(Setup::guests(&guests).config(&config)).await;
        let reader = Reader::new(&host);
        let t1 = book(&host, "t1").await;
        host.ingress().send("/payments/t1/refund", &json!({ "payment_id": "none" })).await;
        let payment = host.invocation(&t1.payment).await;
        let deployment = payment["deployment"].as_str().expect("it has begun").to_owned();
        World { host, reader, _bank: bank, t1, deployment }
    }

    /// Tries a command, with the ids that a reader would have taken from the output before.
    async fn try_out(&mut self, example: &Example) {
        let words: Vec<&str> =
            example.commands.split_whitespace().filter(|word| !word.starts_with('-')).collect();
        let shows = |text: &str| example.output.as_ref().is_some_and(|output| output.contains(text));
        let fresh = format!("of-line-{}", example.line);
        let invocation = match words[1..] {
            ["invocations", "describe", _] if shows("trips/reserve") => self.t1.trip.clone(),
            ["invocations", "describe", _] => self.t1.payment.clone(),
            ["invocations", "resume", "latest", _] if shows("HH0007") => {
                let other = renamed(&self.bytes("payments"), "payments.process", "payments.collect");
                self.register(other).await;
                self.t1.payment.clone()
            }
            ["invocations", "resume", ..] => book(&self.host, &fresh).await.payment,
            ["invocations", "cancel", _] => book(&self.host, &fresh).await.trip,
            ["invocations", "kill", _] => book(&self.host, &fresh).await.payment,
            ["invocations", "restart-as-new", ..] => self.failed_trip().await,
            ["deployments", "register", file] => {
                self.build(file);
                String::new()
            }
            ["state", "put", .., "state.json"] => {
                std::fs::write(self.folder().join("state.json"), r#"{"seat": 7}"#).expect("a temporary file");
                String::new()
            }
            _ => self.t1.trip.clone(),
        };
        let mut commands = example.commands.replace("inv_…", &invocation).replace("dp_…", &self.deployment);
        if commands.contains("awk_…") {
            commands = commands.replace("awk_…", &wait_for_awakeable(&self.host, "given").await.1);
        }
        assert!(!commands.contains('…'), "line {}: whose id is meant? {commands}", example.line);
        let Example { line, output, .. } = example;
        self.reader.try_out(&Example { line: *line, commands, output: output.clone() }).await;
    }

    /// Makes the file of a component, as somebody does who has mended it.
    fn build(&self, file: &str) {
        let file = self.folder().join(file);
        let name = file.file_stem().and_then(|it| it.to_str()).expect("a name");
        let name = name.trim_end_matches("-before");
        std::fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a temporary folder");
        std::fs::copy(same_again(&guest(name), self.host.folder()), &file).expect("a temporary file");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(guest(name)).expect("it is built")
    }

    async fn register(&self, component: Vec<u8>) {
        let registered =
            self.host.admin().post_bytes("/deployments?name=payments", "application/wasm", component).await;
        assert_eq!(registered.status, 201, "{registered:?}");
    }

    async fn failed_trip(&self) -> String {
        let trip = self.host.ingress().send("/trips/reserve", &json!({ "run_type": "failPayment" })).await;
        assert_eq!(self.host.ingress().attach(&trip).await.status, 500);
        trip
    }

    fn folder(&self) -> PathBuf {
        Reader::folder(&self.host)
    }
}

/// Books a trip and waits until its payment is paused.
async fn book(host: &TestHost, trip_id: &str) -> Stuck {
    let trip = host.ingress().send("/trips/reserve", &json!({ "trip_id": trip_id })).await;
    let waiting =
        host.wait_for(&trip, |it| it["open"][0]["status"] == "paused" || it["status"] == "completed").await;
    assert_ne!(waiting["status"], "completed", "it cannot be paid for: {waiting}");
    let payment = waiting["open"][0]["id"].as_str().expect("an id").to_owned();
    Stuck { trip, payment }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_paths_of_the_page_are_those_of_the_admin_door() {
    let host = TestHost::start(Setup::default()).await;
    let document = host.admin().get("/openapi.json").await.ok();
    let text = std::fs::read_to_string(workspace().join(PAGE)).expect("the page");
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| `/")) {
        let row = row.replace("\\|", " or ");
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let told: BTreeSet<String> = cells[2].split(", ").map(str::to_lowercase).collect();
        let mut offered = BTreeSet::new();
        for path in paths(cells[1]) {
            let item = item(&document, &path).unwrap_or_else(|| panic!("there is nothing at {path}"));
            offered.extend(item.keys().filter(|name| *name != "parameters").cloned());
        }
        assert_eq!(told, offered, "{row}");
        rows += 1;
    }
    assert!(rows > 5, "the table is read from the page");
}

/// The paths in a cell, without their queries; a short one stands beside the one before it.
fn paths(cell: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in cell.split(", ").map(|path| path.trim_matches('`')) {
        let path = path.split('?').next().unwrap_or_default();
        match paths.last() {
            Some(before) if path.matches('/').count() == 1 => {
                let folder = Path::new(before).parent().and_then(Path::to_str).expect("it has one");
                paths.push(format!("{folder}{path}"));
            }
            _ => paths.push(path.to_owned()),
        }
    }
    paths
}

/// What the document has at a path, be it that the path ends with one of the verbs.
fn item<'a>(document: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
    let item = document["paths"].get(path).or_else(|| {
        let (folder, verb) = path.rsplit_once('/')?;
        let item = document["paths"].get(format!("{folder}/{{verb}}"))?;
        let parameters = item["parameters"].as_array().or_else(|| item["patch"]["parameters"].as_array())?;
        let parameter = parameters.iter().find(|it| it["name"] == "verb")?;
        parameter["schema"]["enum"].as_array()?.contains(&json!(verb)).then_some(item)
    })?;
    item.as_object()
}
