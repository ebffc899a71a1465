//! What a value must be beside being of the right kind.

use holiday_core::limits::PAYLOAD_BYTES_MAX;
use http::Uri;

use super::{ComponentConfig, Config, Limits, Variable, kafka};
use crate::telemetry::TelemetryConfig;
use crate::units::{Millis, Size};
use crate::wasm::AllowedHosts;
use crate::wasm::limits::EPOCH_TICK_MS;

/// The least memory that wasm knows, and all that it can address.
const WASM_PAGE: usize = 64 * 1024;
const WASM_MEMORY: usize = 4 * 1024 * 1024 * 1024;

/// Where spans go.
pub(super) const OTLP_ENDPOINT: [&str; 2] = ["telemetry", "otlp-endpoint"];

/// A value that cannot be used.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) path: Vec<String>,
    pub(super) expected: String,
}

impl Misfit {
    pub(super) fn at(path: &[&str], expected: impl Into<String>) -> Self {
        Misfit { path: path.iter().map(|part| (*part).to_owned()).collect(), expected: expected.into() }
    }
}

/// Finds the first value that cannot be used.
pub(super) fn check(config: &Config) -> Result<(), Misfit> {
    hold(!config.data_dir.as_os_str().is_empty(), &["data-dir"], "the path of a directory")?;
    kafka::check(&config.ingress.kafka_clusters)?;
    limits(&config.limits)?;
    telemetry(&config.telemetry)?;
    hosts(&["allow-hosts"], &config.allow_hosts)?;
    let old = config.seal_keys_old.iter().enumerate();
    let old = old.map(|(index, key)| (vec!["seal-keys-old".to_owned(), index.to_string()], key));
    config
        .seal_key
        .iter()
        .map(|key| (vec!["seal-key".to_owned()], key))
        .chain(old)
        .try_for_each(reference)?;
    names(&["env"], config.env.keys())?;
    for (name, ComponentConfig { env, allow_hosts }) in &config.components {
        names(&["components", name, "env"], env.keys())?;
        hosts(&["components", name, "allow-hosts"], allow_hosts)?;
    }
    Ok(())
}

fn hold(holds: bool, path: &[&str], expected: impl Into<String>) -> Result<(), Misfit> {
    match holds {
        true => Ok(()),
        false => Err(Misfit::at(path, expected)),
    }
}

fn limits(it: &Limits) -> Result<(), Misfit> {
    let hold = |holds: bool, name: &str, expected: String| hold(holds, &["limits", name], expected);
    let between = |size: Size, min: usize, max: usize, name: &str| {
        let expected = format!("between {} and {}", Size(min), Size(max));
        hold((min..=max).contains(&size.0), name, expected)
    };
    hold(it.connections >= 1, "connections", "1 or more".to_owned())?;
    hold(it.in_flight_requests >= 1, "in-flight-requests", "1 or more".to_owned())?;
    between(it.body, 1, PAYLOAD_BYTES_MAX, "body")?;
    hold(
        it.in_flight_body >= it.body,
        "in-flight-body",
        format!("as much as one body, {}, or more", it.body),
    )?;
    hold(it.body_timeout.0 >= 1, "body-timeout", "1ms or longer".to_owned())?;
    hold(it.instances >= 1, "instances", "1 or more".to_owned())?;
    between(it.guest_memory, WASM_PAGE, WASM_MEMORY, "guest-memory")?;
    let tick = Millis(EPOCH_TICK_MS);
    hold(it.cpu >= tick, "cpu", format!("{tick} or longer"))?;
    hold(it.component.0 >= 1, "component", "1 B or more".to_owned())?;
    hold(it.components_loaded >= 1, "components-loaded", "1 or more".to_owned())
}

fn telemetry(it: &TelemetryConfig) -> Result<(), Misfit> {
    let is_url = |text: &String| {
        let uri = text.parse::<Uri>();
        uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    let has_user = |text: &String| {
        let uri = text.parse::<Uri>();
        uri.is_ok_and(|uri| uri.authority().is_some_and(|it| it.as_str().contains('@')))
    };
    let expected = "a URL without a user and a password; say those in OTEL_EXPORTER_OTLP_HEADERS";
    hold(!it.otlp_endpoint.as_ref().is_some_and(has_user), &OTLP_ENDPOINT, expected)?;
    let expected = "the URL of a collector such as 'http://127.0.0.1:4318'";
    hold(it.otlp_endpoint.as_ref().is_none_or(is_url), &OTLP_ENDPOINT, expected)?;
    hold(!it.service_name.is_empty(), &["telemetry", "service-name"], "a name")
}

fn hosts(path: &[&str], entries: &[String]) -> Result<(), Misfit> {
    for (index, entry) in entries.iter().enumerate() {
        if let Err(malformed) = AllowedHosts::parse([entry]) {
            let index = index.to_string();
            let path = [path, &[index.as_str()]].concat();
            return Err(Misfit::at(&path, format!("a host: {}", malformed.reason())));
        }
    }
    Ok(())
}

/// A key is not written into the configuration, of which people make copies.
fn reference((path, key): (Vec<String>, &Variable)) -> Result<(), Misfit> {
    match key {
        Variable::SecretEnv(_) | Variable::SecretFile(_) => Ok(()),
        Variable::Text(_) => {
            let expected = "a reference to a secret: { secret-env = \"NAME\" } or { secret-file = \"PATH\" }";
            Err(Misfit { path, expected: expected.to_owned() })
        }
    }
}

/// What an environment can hold.
fn names<'a>(path: &[&str], names: impl Iterator<Item = &'a String>) -> Result<(), Misfit> {
    for name in names {
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        hold(is_name, &[path, &[name.as_str()]].concat(), "under a name without '='")?;
    }
    Ok(())
}
