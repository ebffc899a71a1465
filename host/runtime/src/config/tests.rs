//! What a configuration says, and where it was said.

mod kafka;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use holiday_core::deployment::{Revision, Service};
use holiday_core::policy::{Options, Policies, RetryOptions, ServicePolicies};
use holiday_core::retry::Exhausted;
use serde_json::Value;

use super::{
    CONFIG_BYTES_MAX, Config, ConfigError, Entry, Flag, Loaded, SECRET_BYTES_MAX, Sources, keys, variable_of,
};
use crate::driver::Catalog;
use crate::ingress::harness;

/// A configuration file in a directory of its own; it is always called `holiday.toml`.
struct Written {
    dir: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("holiday.toml"), text).expect("it can be written");
        Written { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("holiday.toml")
    }

    fn load(&self, variables: &[(&str, &str)], flags: Vec<Flag>) -> Result<Loaded, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Sources { file: Some(self.path()), variables: variables.collect(), flags }.load()
    }

    /// Without the directory, which is another one in every run.
    fn strip(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Shows what is not a default.
fn check(file: &str, variables: &[(&str, &str)], flags: Vec<Flag>, expected: Expect) {
    let written = Written::new(file);
    let loaded = written.load(variables, flags).unwrap_or_else(|error| panic!("{error}"));
    let set = loaded.entries().into_iter().filter(|entry| entry.source != "default");
    let line = |it: Entry| format!("{} = {} ({})\n", it.key, text(&it.value), written.strip(&it.source));
    expected.assert_eq(&set.map(line).collect::<String>());
}

/// Shows what is wrong with each of the files.
fn check_errors(files: &[&str], expected: Expect) {
    let wrong = files.iter().map(|file| {
        let written = Written::new(file);
        let error = written.load(&[], Vec::new()).map(|loaded| loaded.config).expect_err("it is wrong");
        format!("{file}\n  {} {}\n", error.code(), written.strip(&error.to_string()))
    });
    expected.assert_eq(&wrong.collect::<String>());
}

#[test]
fn later_sources_go_before_earlier_ones() {
    check(
        r#"
            data-dir = "from-file"
            ingress = "127.0.0.1:1"
            admin = "127.0.0.1:1"
            allow-hosts = ["a", "b"]
            [log]
            filter = "warn"
            [env]
            REGION = "eu"
            ZONE = "a"
        "#,
        &[
            ("HOLIDAY_INGRESS_ADDR", "127.0.0.1:2"),
            ("HOLIDAY_ADMIN_ADDR", "127.0.0.1:2"),
            ("HOLIDAY_ENV_REGION", "us"),
            ("HOLIDAY_LOG", "debug"),
            ("HOLIDAY_LIMITS_IN_FLIGHT_REQUESTS", "5"),
        ],
        vec![
            Flag::text("--admin", &["admin"], "127.0.0.1:3"),
            Flag::text("--env", &["env", "STAGE"], "test"),
            Flag::list("--allow-host", &["allow-hosts"], &["c".to_owned()]),
        ],
        expect![[r#"
            admin = 127.0.0.1:3 (--admin)
            allow-hosts = c (--allow-host)
            data-dir = from-file (holiday.toml)
            env.REGION = us (HOLIDAY_ENV_REGION)
            env.STAGE = test (--env)
            env.ZONE = a (holiday.toml)
            ingress.bind-address = 127.0.0.1:2 (HOLIDAY_INGRESS_ADDR)
            limits.in-flight-requests = 5 (HOLIDAY_LIMITS_IN_FLIGHT_REQUESTS)
            log.filter = debug (HOLIDAY_LOG)
        "#]],
    );
}

#[test]
fn variables_are_read_as_what_their_keys_take() {
    check(
        "",
        &[
            ("HOLIDAY_ALLOW_HOSTS", "a:1, b"),
            ("HOLIDAY_DATA_DIR", "1"),
            ("HOLIDAY_LIMITS_BODY", "1024"),
            ("HOLIDAY_LIMITS_INSTANCES", "7"),
            ("HOLIDAY_POLICIES_JOURNAL_RETENTION", "P7D"),
            ("HOLIDAY_POLICIES_KEEP_HEADERS", "authorization,cookie"),
            ("HOLIDAY_POLICIES_PRIVATE", "true"),
            ("HOLIDAY_POLICIES_RETRY_FACTOR", "1.5"),
            ("HOLIDAY_TELEMETRY_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            // Not for the host.
            ("HOLIDAY_ADMIN", "http://127.0.0.1:9070"),
            ("HOLIDAY_CONFIG", "other.toml"),
            ("HOLIDAY_SEED", "7"),
        ],
        vec![],
        expect![[r#"
            allow-hosts = a:1, b (HOLIDAY_ALLOW_HOSTS)
            data-dir = 1 (HOLIDAY_DATA_DIR)
            limits.body = 1024 (HOLIDAY_LIMITS_BODY)
            limits.instances = 7 (HOLIDAY_LIMITS_INSTANCES)
            policies.journal-retention = P7D (HOLIDAY_POLICIES_JOURNAL_RETENTION)
            policies.keep-headers = authorization, cookie (HOLIDAY_POLICIES_KEEP_HEADERS)
            policies.private = true (HOLIDAY_POLICIES_PRIVATE)
            policies.retry.factor = 1.5 (HOLIDAY_POLICIES_RETRY_FACTOR)
            telemetry.otlp-endpoint = http://127.0.0.1:4318 (HOLIDAY_TELEMETRY_OTLP_ENDPOINT)
        "#]],
    );
}

#[test]
fn standard_variables_of_opentelemetry_are_heard() {
    let file = "telemetry = { otlp-endpoint = 'http://f:4318', service-name = 'file' }";
    check(
        file,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), ("OTEL_SERVICE_NAME", " ")],
        vec![],
        expect![[r#"
            telemetry.otlp-endpoint = http://c:4318/v1/traces (OTEL_EXPORTER_OTLP_ENDPOINT)
            telemetry.service-name = file (holiday.toml)
        "#]],
    );
    check(
        file,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/spans"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1, service.name = cars"),
        ],
        vec![],
        expect![[r#"
            telemetry.otlp-endpoint = http://t:1/spans (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
            telemetry.service-name = cars (OTEL_RESOURCE_ATTRIBUTES)
        "#]],
    );
    check(
        "",
        &[
            ("HOLIDAY_TELEMETRY_OTLP_ENDPOINT", "http://own:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_SERVICE_NAME", "trips"),
        ],
        vec![],
        expect![[r#"
            telemetry.otlp-endpoint = http://own:4318 (HOLIDAY_TELEMETRY_OTLP_ENDPOINT)
            telemetry.service-name = trips (OTEL_SERVICE_NAME)
        "#]],
    );
    check(
        file,
        &[("OTEL_SDK_DISABLED", "True")],
        vec![],
        expect![[r#"
        telemetry.otlp-endpoint =  (OTEL_SDK_DISABLED)
        telemetry.service-name = file (holiday.toml)
    "#]],
    );
    check(
        file,
        &[("OTEL_TRACES_EXPORTER", "none")],
        vec![],
        expect![[r#"
        telemetry.otlp-endpoint =  (OTEL_TRACES_EXPORTER)
        telemetry.service-name = file (holiday.toml)
    "#]],
    );
    let off = Written::new(file).load(&[("OTEL_SDK_DISABLED", "true")], Vec::new()).expect("a good one");
    assert_eq!(off.config.telemetry.otlp_endpoint, None);
}

#[test]
fn variables_that_should_be_keys_are_refused() {
    let refused =
        ["HOLIDAY_LIMITS_BDY", "HOLIDAY_LOGS", "HOLIDAY_DATADIR", "HOLIDAY_TELEMETRY_X"].map(|name| {
            let error = Written::new("").load(&[(name, "1")], Vec::new()).map(|it| it.config);
            error.expect_err("there is no such variable").to_string() + "\n"
        });
    expect![[r#"
        there is no variable HOLIDAY_LIMITS_BDY; did you mean HOLIDAY_LIMITS_BODY?
        there is no variable HOLIDAY_LOGS; did you mean HOLIDAY_LOG?
        there is no variable HOLIDAY_DATADIR; did you mean HOLIDAY_DATA_DIR?
        there is no variable HOLIDAY_TELEMETRY_X; did you mean HOLIDAY_TELEMETRY_SERVICE_NAME?
    "#]]
    .assert_eq(&refused.concat());
}

#[test]
fn what_people_write_becomes_what_the_host_takes() {
    let written = Written::new(
        r#"
            [limits]
            body = "512 KiB"
            body-timeout = "PT1M"
            component = 1048576

            [policies]
            timeout = "1h"
            retry = { initial-interval = "50ms", factor = 3, max-attempts = 0, then = "fail" }
            [policies.services.trips]
            journal-retention = "7d"
            [policies.services.trips.handlers.reserve]
            private = true
            keep-headers = ["Authorization"]
        "#,
    );
    let config = written.load(&[], Vec::new()).expect("a good one").config;
    let limits = &config.limits;
    assert_eq!((limits.body.0, limits.body_timeout.0, limits.component.0), (512 << 10, 60_000, 1 << 20));
    let retry = RetryOptions {
        initial_interval_ms: Some(50),
        factor: Some(3.0),
        max_attempts: Some(0),
        then: Some(Exhausted::Fail),
        ..RetryOptions::default()
    };
    let keep_headers = Some(vec!["authorization".to_owned()]);
    let reserve = Options { private: Some(true), keep_headers, ..Options::default() };
    let trips = ServicePolicies {
        service: Options { journal_retention_ms: Some(7 * 24 * 3_600_000), ..Options::default() },
        handlers: BTreeMap::from([("reserve".to_owned(), reserve)]),
    };
    let host = Options { timeout_ms: Some(3_600_000), retry, ..Options::default() };
    let services = BTreeMap::from([("trips".to_owned(), trips)]);
    assert_eq!(config.policies.policies(), Policies { host, services });
}

#[test]
fn a_configuration_that_says_nothing_is_the_default_one() {
    let config = Written::new("").load(&[], Vec::new()).expect("a good one").config;
    assert_eq!(config, Config::default());
    assert_eq!(config.policies.policies(), Policies::default());
}

#[test]
fn wrong_keys_name_the_nearest_right_one() {
    check_errors(
        &[
            "datadir = 'x'",
            "limits.bdy = '1 MiB'",
            "policies.services.trips.timout = '1s'",
            "policies.services.'a.b'.handlers.reserve.privat = true",
            "policies.timeout-ms = 5",
            "components.trips.alow-hosts = []",
            "env.A = { secret = 'x' }",
            "colour = 'red'",
        ],
        expect![[r#"
            datadir = 'x'
              HH0042 holiday.toml: there is no key 'datadir'; did you mean 'data-dir'?
            limits.bdy = '1 MiB'
              HH0042 holiday.toml: there is no key 'limits.bdy'; did you mean 'body'?
            policies.services.trips.timout = '1s'
              HH0042 holiday.toml: there is no key 'policies.services.trips.timout'; did you mean 'timeout'?
            policies.services.'a.b'.handlers.reserve.privat = true
              HH0042 holiday.toml: there is no key 'policies.services."a.b".handlers.reserve.privat'; did you mean 'private'?
            policies.timeout-ms = 5
              HH0042 holiday.toml: there is no key 'policies.timeout-ms'; did you mean 'timeout'?
            components.trips.alow-hosts = []
              HH0042 holiday.toml: there is no key 'components.trips.alow-hosts'; did you mean 'allow-hosts'?
            env.A = { secret = 'x' }
              HH0042 holiday.toml: there is no key 'env.A.secret'; did you mean 'secret-env'?
            colour = 'red'
              HH0042 holiday.toml: there is no key 'colour'; there are data-dir, ingress, admin, allow-hosts, seal-key, seal-keys-old, log, telemetry, limits, policies, env, components
        "#]],
    );
}

#[test]
fn wrong_values_say_what_they_should_be() {
    check_errors(
        &[
            "data-dir = ''",
            "ingress = 'localhost:8080'",
            "allow-hosts = 'a'",
            "allow-hosts = ['a', 'http://b']",
            "components.trips.allow-hosts = ['*a']",
            "limits = 3",
            "limits.body = '8 apples'",
            "limits.body = '9 MiB'",
            "limits.in-flight-body = '1 MiB'",
            "limits.in-flight-requests = 0",
            "limits.instances = -1",
            "limits.guest-memory = '1 KiB'",
            "limits.cpu = 5",
            "limits.cpu = '1ms'",
            "policies.timeout = 'soon'",
            "policies.retry.factor = 0.5",
            "policies.retry.then = 'explode'",
            "policies.keep-headers = ['x y']",
            "log.format = 'xml'",
            "telemetry.otlp-endpoint = 'localhost:4318'",
            "telemetry.otlp-endpoint = 'http://u:pw@localhost:4318'",
            "telemetry.otlp-endpoint = 'http:// u:pw@localhost:4318'",
            "telemetry.service-name = ''",
            "a = 1\nb = [",
        ],
        expect![[r#"
            data-dir = ''
              HH0042 holiday.toml: data-dir is '', but should be the path of a directory
            ingress = 'localhost:8080'
              HH0042 holiday.toml: ingress.bind-address is 'localhost:8080', but should be an address and port such as '127.0.0.1:8080' or '[::1]:8080'
            allow-hosts = 'a'
              HH0042 holiday.toml: allow-hosts is 'a', but should be a list
            allow-hosts = ['a', 'http://b']
              HH0042 holiday.toml: allow-hosts.1 is 'http://b', but should be a host: name the host only, as in api.example.com or localhost:8080
            components.trips.allow-hosts = ['*a']
              HH0042 holiday.toml: components.trips.allow-hosts.0 is '*a', but should be a host: a '*' stands alone or before a dot, as in *.example.com
            limits = 3
              HH0042 holiday.toml: limits is 3, but should be a table
            limits.body = '8 apples'
              HH0042 holiday.toml: limits.body is '8 apples', but should be a size such as '8 MiB' or '512 KiB', or a number of bytes
            limits.body = '9 MiB'
              HH0042 holiday.toml: limits.body is '9 MiB', but should be between 1 B and 8 MiB
            limits.in-flight-body = '1 MiB'
              HH0042 holiday.toml: limits.in-flight-body is '1 MiB', but should be as much as one body, 8 MiB, or more
            limits.in-flight-requests = 0
              HH0042 holiday.toml: limits.in-flight-requests is 0, but should be 1 or more
            limits.instances = -1
              HH0042 holiday.toml: limits.instances is -1, but should be a whole number, zero or more
            limits.guest-memory = '1 KiB'
              HH0042 holiday.toml: limits.guest-memory is '1 KiB', but should be between 64 KiB and 4 GiB
            limits.cpu = 5
              HH0042 holiday.toml: limits.cpu is 5, but should be a duration such as '500ms', '10s', '1h30m', '7d' or 'PT10S'
            limits.cpu = '1ms'
              HH0042 holiday.toml: limits.cpu is '1ms', but should be 10ms or longer
            policies.timeout = 'soon'
              HH0042 holiday.toml: policies.timeout is 'soon', but should be a duration such as '500ms', '10s', '1h30m', '7d' or 'PT10S'
            policies.retry.factor = 0.5
              HH0042 holiday.toml: policies.retry.factor is 0.5, but should be a number, 1 or more
            policies.retry.then = 'explode'
              HH0042 holiday.toml: policies.retry.then is 'explode', but should be 'pause' or 'fail'
            policies.keep-headers = ['x y']
              HH0042 holiday.toml: policies.keep-headers.0 is 'x y', but should be the name of a header
            log.format = 'xml'
              HH0042 holiday.toml: log.format is 'xml', but should be 'text' or 'json'
            telemetry.otlp-endpoint = 'localhost:4318'
              HH0042 holiday.toml: telemetry.otlp-endpoint is 'localhost:4318', but should be the URL of a collector such as 'http://127.0.0.1:4318'
            telemetry.otlp-endpoint = 'http://u:pw@localhost:4318'
              HH0042 holiday.toml: telemetry.otlp-endpoint is something else, but should be a URL without a user and a password; say those in OTEL_EXPORTER_OTLP_HEADERS
            telemetry.otlp-endpoint = 'http:// u:pw@localhost:4318'
              HH0042 holiday.toml: telemetry.otlp-endpoint is something else, but should be the URL of a collector such as 'http://127.0.0.1:4318'
            telemetry.service-name = ''
              HH0042 holiday.toml: telemetry.service-name is '', but should be a name
            a = 1
            b = [
              HH0042 holiday.toml: line 2 is not TOML: unclosed array, expected `]`
        "#]],
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = Sources { file: Some("/nowhere/holiday.toml".into()), ..Sources::default() };
    let error = sources.load().map(|loaded| loaded.config).expect_err("it is not there");
    expect!["HH0045 /nowhere/holiday.toml cannot be read: No such file or directory (os error 2); check the path and its permissions"].assert_eq(&format!("{} {error}", error.code()));
}

#[test]
fn variables_of_a_component_lie_over_those_of_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("key");
    std::fs::write(&file, "from a file\n").expect("it can be written");
    let written = Written::new(&format!(
        r#"
            [env]
            REGION = "eu"
            ZONE = "a"
            [components.trips.env]
            ZONE = "b"
            CARGO = {{ secret-env = "CARGO_PKG_NAME" }}
            KEY = {{ secret-file = "{}" }}
        "#,
        file.display()
    ));
    let config = written.load(&[], Vec::new()).expect("a good one").config;
    let env = |component| -> BTreeMap<String, String> {
        let env = config.env(component).expect("the secrets are there");
        env.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect()
    };
    expect![[r#"
        {"REGION": "eu", "ZONE": "a"}
        {"CARGO": "holiday-runtime", "KEY": "from a file", "REGION": "eu", "ZONE": "b"}
    "#]]
    .assert_eq(&format!("{:?}\n{:?}\n", env(None), env(Some("trips"))));
    assert_eq!(env(Some("cars")), env(None));
}

#[test]
fn a_secret_that_is_missing_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "\n").expect("it can be written");
    let missing = |reference: &str| {
        let written = Written::new(&format!("components.trips.env.API_KEY = {{ {reference} }}"));
        let config = written.load(&[], Vec::new()).expect("it is well formed").config;
        assert!(config.env(None).is_ok(), "others do not need it");
        let error = config.env(Some("trips")).expect_err("it is missing");
        let text = error.to_string().replace(&dir.path().display().to_string(), "/run");
        format!("{} {text}\n", error.code())
    };
    expect![[r#"
        HH0052 components.trips.env.API_KEY is a secret, and the variable HOLIDAY_NO_SUCH_SECRET is not set; give the host the variable HOLIDAY_NO_SUCH_SECRET, or take components.trips.env.API_KEY out
        HH0052 components.trips.env.API_KEY is a secret, and the file /nowhere/key cannot be read: No such file or directory (os error 2); give the host the file /nowhere/key, or take components.trips.env.API_KEY out
        HH0052 components.trips.env.API_KEY is a secret, and the file /run/empty is empty; give the host the file /run/empty, or take components.trips.env.API_KEY out
    "#]].assert_eq(
        &[
            missing("secret-env = 'HOLIDAY_NO_SUCH_SECRET'"),
            missing("secret-file = '/nowhere/key'"),
            missing(&format!("secret-file = '{}'", empty.display())),
        ]
        .concat(),
    );
}

#[test]
fn seal_keys_are_read_from_where_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        format!("{{ secret-file = '{}' }}", path.display())
    };
    let (first, second) = (file("first", &"01".repeat(32)), file("second", &("02".repeat(32) + "\n")));
    let keys = |text: &str| Written::new(text).load(&[], Vec::new()).map(|it| it.config.seal_keys());
    let none = keys("").expect("a good one").expect("there are none");
    assert!(none.current.is_none() && none.old.is_empty());
    let both = keys(&format!("seal-key = {second}\nseal-keys-old = [{first}, {second}]"));
    let both = both.expect("a good one").expect("they are keys");
    assert_eq!(both.current.as_ref(), Some(&"02".repeat(32).parse().expect("a key")));
    assert_eq!(both.old, [both.old[0].clone(), both.current.expect("it is there")]);

    let short = file("short", "hunter2");
    for text in [format!("seal-key = {short}"), format!("seal-keys-old = [{first}, {short}]")] {
        let error = keys(&text).expect("it is well formed").expect_err("it is no key").to_string();
        let reason = "short, but it is neither 64 hexadecimal digits nor 32 bytes in base64";
        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
    }
    for text in ["seal-key = 'hunter2'", "seal-keys-old = ['hunter2']", "seal-keys-old = 'hunter2'"] {
        let error = keys(text).map(drop).expect_err("it stands there itself").to_string();
        assert!(
            error.contains(" is something else, but should be ") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn a_variable_of_the_host_may_hold_the_seal_key() {
    check(
        "seal-keys-old = [{ secret-file = '/run/key' }]",
        &[("HOLIDAY_SEAL_KEY", "hunter2")],
        Vec::new(),
        expect![[r#"
            seal-key = <secret from env HOLIDAY_SEAL_KEY> (HOLIDAY_SEAL_KEY)
            seal-keys-old = <secret from file /run/key> (holiday.toml)
        "#]],
    );
}

#[test]
fn files_are_bounded() {
    let loaded = |bytes: usize| {
        let written = Written::new(&"#".repeat(bytes));
        written.load(&[], Vec::new()).map(drop).map_err(|error| written.strip(&error.to_string()))
    };
    assert_eq!(loaded(CONFIG_BYTES_MAX), Ok(()));
    let refused = loaded(CONFIG_BYTES_MAX + 1).expect_err("it is too large");
    expect!["holiday.toml has 1048577 bytes, more than the 1048576 that are allowed"].assert_eq(&refused);

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("key");
    let secret = |bytes: usize| {
        std::fs::write(&file, "s".repeat(bytes)).expect("it can be written");
        let written = Written::new(&format!("env.KEY = {{ secret-file = '{}' }}", file.display()));
        let env = written.load(&[], Vec::new()).expect("it is well formed").config.env(None);
        env.map(|env| env[0].1.expose().len()).map_err(|error| error.to_string())
    };
    assert_eq!(secret(SECRET_BYTES_MAX), Ok(SECRET_BYTES_MAX));
    let refused = secret(SECRET_BYTES_MAX + 1).expect_err("it is too large");
    expect!["env.KEY is a secret, and the file /run/key has more than the 65536 bytes that are allowed; give the host the file /run/key, or take env.KEY out"].assert_eq(&refused.replace(&dir.path().display().to_string(), "/run"));
}

#[test]
fn what_guests_get_is_not_shown() {
    let written = Written::new(
        r#"
            env.PASSWORD = "hunter2"
            components.trips.env.API_KEY = { secret-env = "CARGO_PKG_NAME" }
        "#,
    );
    let loaded = written.load(&[], Vec::new()).expect("a good one");
    let debug = format!("{:?}", loaded);
    assert!(!debug.contains("hunter2") && debug.contains("<secret from env CARGO_PKG_NAME>"), "{debug}");
    let resolved = format!("{:?}", loaded.config.env(Some("trips")).expect("it is set"));
    assert!(!resolved.contains("hunter2") && !resolved.contains(env!("CARGO_PKG_NAME")), "{resolved}");
    for wrong in [
        "env.A = ['hunter2']",
        "env = 'A=hunter2'",
        "env.A = { secret-env = ['hunter2'] }",
        "components.trips.env = 'hunter2'",
        "components.trips.env.A.B = 'hunter2'",
        "env.'A=B' = 'hunter2'",
        "env.A = hunter2",
        "env.A = 'hunter2",
    ] {
        let error = Written::new(wrong).load(&[], Vec::new()).map(|it| it.config).expect_err("it is wrong");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn names_that_nothing_goes_by_are_told() {
    let written = Written::new(
        r#"
            [policies.services.trip]
            [policies.services.Booking.handlers.Rum]
            [policies.services.Booking.handlers.status]
            [components.trips.env]
            [components.boats.env]
        "#,
    );
    let config = written.load(&[], Vec::new()).expect("a good one").config;
    let deployment = harness::deployment();
    let revision =
        |service: &Service| Revision { deployment: deployment.id, number: 1, service: service.clone() };
    let services = deployment.services.iter();
    let catalog = Catalog {
        revisions: services.map(|service| (service.name.clone(), revision(service))).collect(),
        components: BTreeMap::from([(deployment.id, deployment.name().expect("a file").to_owned())]),
        ..Catalog::default()
    };
    expect![[r#"
        the configuration speaks of the handler of Booking 'Rum', and there is none; did you mean 'Run'?
        the configuration speaks of the service 'trip', and there is none; did you mean 'trips'?
        the configuration speaks of the component 'boats', and there is none"#]]
    .assert_eq(&config.strangers(&catalog).join("\n"));
}

#[test]
fn every_key_is_documented_with_its_default() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md"));
    let document = std::fs::read_to_string(path).expect("the document is there");
    let rows: Vec<[&str; 3]> = document.lines().filter_map(row).collect();
    let keys: Vec<[String; 3]> = keys()
        .into_iter()
        .map(|it| {
            let path: Vec<String> = it.key.split('.').map(str::to_owned).collect();
            [it.key, text(&it.value), variable_of(&path)]
        })
        .collect();
    for key in &keys {
        let [name, default, variable] = key;
        let row = format!("| `{name}` | `{default}` | `{variable}` | …");
        assert!(rows.iter().any(|row| row == key), "docs/configuration.md has no row '{row}'");
    }
    for row in rows {
        assert!(
            keys.iter().any(|key| *key == row),
            "docs/configuration.md has {row:?}, and there is no such key"
        );
    }
}

#[test]
fn every_standard_variable_is_documented() {
    for page in ["configuration.md", "observability.md"] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(page);
        let document = std::fs::read_to_string(path).expect("the document is there");
        // Alone, or with its value.
        let is_there =
            |name: &str| [format!("`{name}`"), format!("`{name}=")].iter().any(|it| document.contains(it));
        for name in super::standard::VARIABLES {
            assert!(is_there(name), "docs/{page} does not name {name}");
        }
    }
}

/// Reads ``| `key` | default | `VARIABLE` | what it means |``.
fn row(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [key, default, variable, meaning] = cells.as_slice() else { return None };
    let key = key.strip_prefix('`')?.strip_suffix('`')?;
    let default = default.trim_matches('`');
    assert!(!meaning.is_empty(), "{key} says what it means");
    Some([key, default, variable.strip_prefix('`')?.strip_suffix('`')?])
}
