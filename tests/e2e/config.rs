//! What a host is configured to do, it does; and it keeps secrets to itself.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Setup, TestHost, guest, holiday_host, output};
use crate::ledger::{Ledger, Reply};

/// Standard output of a command that succeeded.
async fn stdout(command: Command) -> String {
    let output = output(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Exit code and standard error of a command that failed.
async fn failure(command: Command) -> (Option<i32>, String) {
    let output = output(command).await;
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

async fn policy(host: &TestHost, handler: &str) -> Value {
    host.admin().get(&format!("/services/Probe/handlers/{handler}")).await.ok()["policy"].clone()
}

/// What the component `probe` sees under this name.
async fn seen(host: &TestHost, name: &str) -> Value {
    host.ingress().post("/Probe/read_env", &json!({ "name": name })).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_the_file_are_in_force_until_it_says_otherwise() {
    let setup = Setup::guests(&["probe"]).config(
        r#"
        [policies]
        timeout = "1h"
        [policies.services.Probe.handlers.fail_retryable]
        retry = { max-attempts = 1, then = "fail" }
        "#,
    );
    let mut host = TestHost::start(setup).await;
    let failing = policy(&host, "fail_retryable").await;
    assert_eq!((&failing["retry"]["max-attempts"], &failing["timeout"]), (&json!(1), &json!("1h")));
    assert_eq!(policy(&host, "echo").await["retry"]["max-attempts"], 20);
    let (status, code, _) = host.ingress().post("/Probe/fail_retryable", &json!("no")).await.error();
    assert_eq!((status, code.as_str()), (500, "HH0051"), "it is not tried again, and does not pause");

    // Operators go before the file, also after a start.
    let configure = ["services", "configure", "Probe"];
    for options in [["--set", "timeout=30s"].as_slice(), &["--handler", "echo", "--set", "private=true"]] {
        let configured = host.run(&[configure.as_slice(), options].concat()).await;
        assert!(configured.status.success(), "{}", String::from_utf8_lossy(&configured.stderr));
    }
    host.kill_and_start_again().await;
    assert_eq!(policy(&host, "echo").await["timeout"], "30s");
    assert_eq!(policy(&host, "echo").await["private"], true);

    // A file that says less takes back what it said.
    host.setup.config = Some(String::new());
    host.kill_and_start_again().await;
    assert_eq!(policy(&host, "fail_retryable").await["retry"]["max-attempts"], 20);
    assert_eq!(policy(&host, "fail_retryable").await["timeout"], "30s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_gets_what_its_name_says_also_after_a_start() {
    let config = r#"
        [env]
        REGION = "eu"
        ZONE = "a"
        [components.probe]
        allow-hosts = ["127.0.0.1"]
        [components.probe.env]
        ZONE = "b"
        [components.other.env]
        ZONE = "c"
    "#;
    let mut host = TestHost::start(Setup::guests(&["probe"]).config(config)).await;
    let health = json!({ "url": format!("http://{}/restate/health", host.ingress_address()) });
    for _ in 0..2 {
        assert_eq!((seen(&host, "REGION").await, seen(&host, "ZONE").await), (json!("eu"), json!("b")));
        assert_eq!(seen(&host, "HOME").await, Value::Null);
        assert_eq!(host.ingress().post("/Probe/run_http", &health).await.ok()["status"], 200);
        // From here on the component is known from the data directory alone.
        host.setup.components.clear();
        host.kill_and_start_again().await;
    }

    // Another component with the same services: a custom section makes the difference.
    let mut bytes = std::fs::read(guest("probe")).expect("it is built");
    bytes.extend_from_slice(b"\0\x05\x04next");
    let file = host.data_dir().with_file_name("next.wasm");
    std::fs::write(&file, bytes).expect("a temporary file");
    let register = ["deployments", "register", "--name", "other", file.to_str().expect("a path")];
    let registered = host.run(&register).await;
    assert!(registered.status.success(), "{}", String::from_utf8_lossy(&registered.stderr));
    assert_eq!((seen(&host, "REGION").await, seen(&host, "ZONE").await), (json!("eu"), json!("c")));
    let (_, _, message) = host.ingress().post("/Probe/run_http", &health).await.error();
    assert!(message.starts_with("HH0021: ") && message.contains("allow-hosts"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_given_to_the_guest_and_to_nobody_else() {
    let ledger = Ledger::start(|_| Reply::Accept).await;
    let address = ledger.address();
    let config = format!(
        r#"
        allow-hosts = ["{address}"]
        log.filter = "trace"
        [components.probe.env]
        EFFECTS_URL = {{ secret-env = "PROBE_EFFECTS" }}
        "#
    );
    let secret = "hunter2-is-no-password";
    let setup = Setup::guests(&["probe"])
        .config(&config)
        .variable("HOLIDAY_LOG", "debug")
        .variable("PROBE_EFFECTS", &format!("http://{address}/{secret}"));
    let mut host = TestHost::start(setup).await;
    assert_eq!(host.ingress().post("/Probe/fail_times", &json!({})).await.ok(), 200);
    assert_eq!(ledger.requests(), 1, "the guest knows where the ledger is");

    let describe = host.run(&["services", "describe", "Probe"]).await;
    let deployments = host.run(&["deployments", "list", "--json"]).await;
    host.terminate().await;
    let mut shown = holiday_host();
    shown.arg("config").arg("--config").arg(host.data_dir().with_file_name("holiday.toml"));
    shown.env("PROBE_EFFECTS", secret);
    let shown = stdout(shown).await;
    assert!(shown.contains("<secret from env PROBE_EFFECTS>"), "{shown}");
    let said = [describe.stdout, deployments.stdout, shown.into_bytes(), host.log().into_bytes()];
    for said in said {
        assert!(!contains(&said, secret), "{}", String::from_utf8_lossy(&said));
    }
    assert_not_below(&host.data_dir(), secret);

    // Without it, the host says what is missing.
    host.setup.variables.clear();
    let (code, text) = failure(host.command()).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("error[HH0052]: components.probe.env.EFFECTS_URL"), "{text}");
    assert!(text.contains("the variable PROBE_EFFECTS is not set"), "{text}");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// No file below the folder has the text in it.
fn assert_not_below(folder: &Path, text: &str) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_not_below(&path, text);
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).expect("a file");
        assert!(!contains(&bytes, text), "{} has the secret in it", path.display());
    }
    assert!(files > 0, "{} has files", folder.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn config_shows_each_value_with_its_source() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "ingress = '127.0.0.1:1'\n[limits]\nbody = '1 MiB'\ncpu = '1s'\n";
    std::fs::write(dir.path().join("holiday.toml"), file).expect("it can be written");
    // Found in the working directory.
    let config = |args: &[&str]| {
        let mut command = holiday_host();
        command.current_dir(dir.path()).env_remove("HOLIDAY_LOG").env("HOLIDAY_LIMITS_CPU", "2s");
        command.arg("config").args(args);
        command
    };
    let json: Value =
        serde_json::from_str(&stdout(config(&["--json", "--ingress", "127.0.0.1:2"])).await).expect("JSON");
    let entry = |key: &str| {
        let entries = json["config"].as_array().expect("a list");
        entries.iter().find(|entry| entry["key"] == key).cloned().expect("an entry")
    };
    let all = [
        ("ingress.bind-address", json!("127.0.0.1:2"), "--ingress"),
        ("limits.body", json!("1 MiB"), "holiday.toml"),
        ("limits.cpu", json!("2s"), "HOLIDAY_LIMITS_CPU"),
        ("limits.instances", json!(1000), "default"),
    ];
    for (key, value, source) in all {
        assert_eq!(entry(key), json!({ "key": key, "value": value, "source": source }));
    }
    let table = stdout(config(&[])).await;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(table.lines().any(|line| words(line) == ["limits.cpu", "2s", "HOLIDAY_LIMITS_CPU"]), "{table}");
    let address = ["ingress.bind-address", "127.0.0.1:1", "holiday.toml"];
    assert!(table.lines().any(|line| words(line) == address), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_starts_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrong = [
        (
            "policies.services.trips.timout = '1s'",
            "holiday.toml: there is no key 'policies.services.trips.timout'; did you mean 'timeout'?",
        ),
        ("limits.body = 'much'", "holiday.toml: limits.body is 'much', but should be a size"),
        ("log.filter = 'a=b=c'", "holiday.toml: log.filter is 'a=b=c', but should be a log filter"),
        ("limits = [", "holiday.toml: line 1 is not TOML"),
    ];
    for (text, expected) in wrong {
        std::fs::write(dir.path().join("holiday.toml"), text).expect("it can be written");
        for verb in ["serve", "config"] {
            let mut command = holiday_host();
            command.current_dir(dir.path()).env_remove("HOLIDAY_LOG").arg(verb);
            let (code, said) = failure(command).await;
            assert_eq!(code, Some(2), "{said}");
            assert!(said.starts_with(&format!("error[HH0042]: {expected}")), "{said}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "only the file is there");
}
