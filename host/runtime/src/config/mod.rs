//! The configuration of a host: what may be set, and what it is unless somebody sets it.
//!
//! ```text
//! defaults ◀─ holiday.toml ◀─ variables HOLIDAY_… ◀─ flags       layer: a later one goes before an earlier one
//!     └────────── figment ──────────┘
//!          │                 │
//!        Config            entries                                what the host starts from · what people see
//! ```
//!
//! Keys are the names of the fields here in kebab case; `docs/configuration.md` lists them all. Every value
//! knows its source, so that an error can name it. Invariant: a secret is here by reference only.

mod check;
mod entry;
mod error;
mod kafka;
mod layer;
mod standard;
mod strangers;
#[cfg(test)]
mod tests;
mod variable;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use holiday_core::limits::PAYLOAD_BYTES_MAX;
use serde::{Deserialize, Serialize};

pub use entry::{Entry, keys};
pub use error::ConfigError;
pub use kafka::KafkaCluster;
pub use layer::{Flag, variable_of};
pub use variable::{SECRET_BYTES_MAX, Variable};

use crate::door;
use crate::events::ClusterConfig;
use crate::ingress;
use crate::policy::HostOptions;
use crate::telemetry::TelemetryConfig;
use crate::units::{Millis, Size};
use crate::wasm;
use layer::Layer;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "holiday.toml";

/// Bytes of the file; a larger one is refused.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// How a host is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where the log, the state and the components are kept.
    pub data_dir: PathBuf,
    pub ingress: Ingress,
    /// The address for operators.
    #[serde(with = "layer::address")]
    pub admin: SocketAddr,
    /// Hosts that `run` steps may send HTTP requests to.
    pub allow_hosts: Vec<String>,
    /// What fields of inputs are sealed with, if not the key in the data directory.
    pub seal_key: Option<Variable>,
    /// What they were sealed with before.
    pub seal_keys_old: Vec<Variable>,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    pub limits: Limits,
    pub policies: HostOptions,
    /// What all components see as their environment.
    pub env: BTreeMap<String, Variable>,
    /// What single components get beside that, by name.
    pub components: BTreeMap<String, ComponentConfig>,
}

/// The ways in for callers and for records of topics. `ingress = "ADDRESS"` sets the address alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table of 'bind-address' and 'kafka-clusters'"
)]
pub struct Ingress {
    /// The address for callers.
    #[serde(with = "layer::address")]
    pub bind_address: SocketAddr,
    /// The clusters that subscriptions can name.
    pub kafka_clusters: Vec<KafkaCluster>,
}

/// What one component gets beside what all get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table of 'env' and 'allow-hosts'"
)]
pub struct ComponentConfig {
    pub env: BTreeMap<String, Variable>,
    pub allow_hosts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct LogConfig {
    pub format: LogFormat,
    /// Which lines are written, as `tracing-subscriber` reads it: `info`, or `warn,holiday_runtime=debug`.
    pub filter: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The bounds that an operator may set; the others are constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Limits {
    /// Of each of the two doors.
    pub connections: u32,
    pub in_flight_requests: usize,
    pub in_flight_body: Size,
    pub body: Size,
    pub body_timeout: Millis,
    /// Attempts that hold an instance at the same time.
    pub instances: u32,
    pub guest_memory: Size,
    pub cpu: Millis,
    pub idle_keep: Millis,
    pub component: Size,
    pub components_loaded: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: PathBuf::from(".holiday/data"),
            ingress: Ingress::default(),
            admin: SocketAddr::from(([127, 0, 0, 1], 9070)),
            allow_hosts: Vec::new(),
            seal_key: None,
            seal_keys_old: Vec::new(),
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            limits: Limits::default(),
            policies: HostOptions::default(),
            env: BTreeMap::new(),
            components: BTreeMap::new(),
        }
    }
}

impl Default for Ingress {
    fn default() -> Self {
        Ingress { bind_address: SocketAddr::from(([127, 0, 0, 1], 8080)), kafka_clusters: Vec::new() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: door::CONNECTIONS_MAX,
            in_flight_requests: ingress::IN_FLIGHT_REQUESTS_MAX,
            in_flight_body: Size(ingress::IN_FLIGHT_BODY_BYTES_MAX),
            body: Size(PAYLOAD_BYTES_MAX),
            body_timeout: Millis::from(ingress::BODY_TIMEOUT),
            instances: wasm::limits::INSTANCES_MAX,
            guest_memory: Size(wasm::limits::GUEST_MEMORY_BYTES_MAX),
            cpu: Millis(wasm::limits::CPU_BUDGET_MS),
            idle_keep: Millis(wasm::limits::IDLE_KEEP_MS),
            component: Size(wasm::limits::COMPONENT_BYTES_MAX),
            components_loaded: wasm::limits::COMPONENTS_LOADED_MAX,
        }
    }
}

/// Where a configuration comes from, beside the defaults.
#[derive(Default)]
pub struct Sources {
    /// A file that must be there. `None`: [`DEFAULT_FILE`], if it is there.
    pub file: Option<PathBuf>,
    /// The variables of the process; see [`Sources::with_environment`].
    pub variables: Vec<(String, String)>,
    /// From the command line.
    pub flags: Vec<Flag>,
}

/// A configuration of which every value knows its source.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    layers: Vec<Layer>,
}

/// Without the values of the variables.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&String> = self.variables.iter().map(|(name, _)| name).collect();
        let Sources { file, flags, .. } = self;
        f.debug_struct("Sources")
            .field("file", file)
            .field("variables", &variables)
            .field("flags", flags)
            .finish()
    }
}

impl Sources {
    /// Takes over those variables of this process that configure hosts.
    pub fn with_environment(mut self) -> Result<Self, ConfigError> {
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            if name.starts_with(layer::PREFIX) || standard::VARIABLES.contains(&name.as_str()) {
                let value =
                    value.into_string().map_err(|_| ConfigError::NotUnicode { name: name.clone() })?;
                self.variables.push((name, value));
            }
        }
        Ok(self)
    }

    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        // One that cannot be looked at is not passed over: reading it says why.
        let default = default.try_exists().unwrap_or(true).then_some(default);
        let mut layers = Vec::new();
        if let Some(file) = self.file.as_deref().or(default) {
            layers.push(Layer::of_file(file)?);
        }
        layers.extend(standard::layers(&self.variables));
        layers.extend(Layer::of_variables(&self.variables)?);
        layers.extend(standard::switch(&self.variables));
        layers.extend(self.flags.iter().map(Layer::of_flag));
        let figment = figment(&Config::default(), &layers);
        let config: Config = figment.extract().map_err(error::of_value)?;
        check::check(&config).map_err(|misfit| error::of_misfit(&figment, &misfit))?;
        Ok(Loaded { config, layers })
    }
}

impl Loaded {
    /// All keys with their values and sources, in the order of the keys.
    pub fn entries(&self) -> Vec<Entry> {
        entry::entries(&figment(&shown_defaults(), &self.layers))
    }

    /// Checks the settings of each Kafka cluster, as far as they are no secrets. `check` says what is wrong.
    pub fn check_clusters(
        &self,
        check: impl Fn(&ClusterConfig) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        for (index, cluster) in self.config.ingress.kafka_clusters.iter().enumerate() {
            check(&cluster.without_secrets()).map_err(|reason| {
                let figment = figment(&Config::default(), &self.layers);
                error::of_cluster(&figment, index, &reason)
            })?;
        }
        Ok(())
    }

    /// Complains about a value that only somebody else can judge.
    pub fn misfit(&self, key: &[&str], expected: impl Into<String>) -> ConfigError {
        let figment = figment(&Config::default(), &self.layers);
        error::of_misfit(&figment, &check::Misfit::at(key, expected))
    }
}

fn figment(defaults: &Config, layers: &[Layer]) -> Figment {
    layers.iter().fold(Figment::from(Layer::of_defaults(defaults)), |figment, layer| figment.merge(layer))
}

/// The defaults with the policies that are in force where nobody says anything. A host starts from
/// [`Config::default`], which leaves them to the authors of components.
fn shown_defaults() -> Config {
    Config { policies: HostOptions::in_force_by_default(), ..Config::default() }
}
