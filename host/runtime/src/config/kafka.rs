//! Kafka clusters in the configuration: their brokers, and settings of librdkafka beside them.
//!
//! ```toml
//! [[ingress.kafka-clusters]]
//! name = "my-cluster"
//! brokers = ["SASL_SSL://kafka.example.com:9093"]
//! "sasl.mechanism" = "PLAIN"
//! "sasl.username" = "holiday"
//! "sasl.password" = { secret-env = "KAFKA_PASSWORD" }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use figment::value::{Dict, Value};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Variable;
use super::check::Misfit;
use super::error::ConfigError;
use super::{Config, entry};
use crate::complaint;
use crate::events::{self, ClusterConfig};
use crate::secret::Secret;

/// The setting that says how brokers are reached; brokers may say the same.
const PROTOCOL: &str = "security.protocol";

/// The protocols that librdkafka knows, the default first.
const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

const BROKER: &str = "a broker such as 'localhost:9092' or 'SASL_SSL://kafka.example.com:9093'";

/// Where the clusters are in the configuration.
pub(super) const CLUSTERS: [&str; 2] = ["ingress", "kafka-clusters"];

/// A Kafka cluster that subscriptions can name.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaCluster {
    pub name: String,
    pub brokers: Vec<String>,
    /// Settings of librdkafka, such as `security.protocol`.
    pub settings: BTreeMap<String, Variable>,
}

impl Config {
    /// Returns the clusters with their secrets.
    pub fn kafka_clusters(&self) -> Result<Vec<ClusterConfig>, ConfigError> {
        let clusters = self.ingress.kafka_clusters.iter().enumerate();
        clusters.map(|(index, cluster)| cluster.resolve(index)).collect()
    }
}

impl KafkaCluster {
    fn resolve(&self, index: usize) -> Result<ClusterConfig, ConfigError> {
        let index = index.to_string();
        let secret = |(name, value): (&String, &Variable)| {
            let path = [CLUSTERS[0], CLUSTERS[1], &index, name];
            Ok((name.clone(), value.resolve(|| complaint::key(&path))?))
        };
        let settings = self.settings.iter().map(secret).collect::<Result<_, _>>()?;
        Ok(self.with_settings(settings))
    }

    /// The cluster without its secrets: enough to check the names and the values of the others.
    pub(super) fn without_secrets(&self) -> ClusterConfig {
        let texts = self.settings.iter().filter_map(|(name, value)| match value {
            Variable::Text(text) => Some((name.clone(), Secret::new(text.as_str()))),
            Variable::SecretEnv(_) | Variable::SecretFile(_) => None,
        });
        self.with_settings(texts.collect())
    }

    fn with_settings(&self, mut settings: BTreeMap<String, Secret>) -> ClusterConfig {
        if let Some(protocol) = self.brokers.iter().find_map(|broker| protocol_of(broker)) {
            // librdkafka does not connect to brokers of another protocol than that of the setting.
            settings.entry(PROTOCOL.to_owned()).or_insert_with(|| Secret::new(protocol.to_lowercase()));
        }
        ClusterConfig { name: self.name.clone(), brokers: self.brokers.clone(), settings }
    }
}

/// Writes the settings of clusters in one way: `security.protocol = "ssl"`, which TOML reads as a table in a table,
/// becomes the setting `"security.protocol"`.
pub(super) fn flatten_settings(clusters: &mut Value) {
    let Value::Array(_, clusters) = clusters else { return };
    for cluster in clusters {
        if let Value::Dict(_, members) = cluster {
            let mut flat = Dict::new();
            for (name, value) in std::mem::take(members) {
                flatten(name, value, &mut flat);
            }
            *members = flat;
        }
    }
}

fn flatten(name: String, value: Value, flat: &mut Dict) {
    match value {
        Value::Dict(_, members) if !entry::looks_like_secret(&members) && !members.is_empty() => {
            for (part, value) in members {
                flatten(format!("{name}.{part}"), value, flat);
            }
        }
        value => drop(flat.insert(name, value)),
    }
}

/// Finds the first part of a cluster that cannot be used.
pub(super) fn check(clusters: &[KafkaCluster]) -> Result<(), Misfit> {
    let mut names = BTreeSet::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let index = index.to_string();
        let at = |part: &[&str], expected: &str| {
            Misfit::at(&[&[CLUSTERS[0], CLUSTERS[1], &index], part].concat(), expected)
        };
        if cluster.name.is_empty() || cluster.name.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(at(&["name"], "a name without '/' and spaces, such as 'my-cluster'"));
        }
        if !names.insert(&cluster.name) {
            return Err(at(&["name"], "another name: a cluster above has it"));
        }
        check_brokers(cluster, &at)?;
        check_settings(cluster, &at)?;
    }
    Ok(())
}

fn check_brokers(cluster: &KafkaCluster, at: &impl Fn(&[&str], &str) -> Misfit) -> Result<(), Misfit> {
    if cluster.brokers.is_empty() {
        return Err(at(&["brokers"], "a list of one or more brokers, such as ['localhost:9092']"));
    }
    let set = match cluster.settings.get(PROTOCOL) {
        Some(Variable::Text(protocol)) => Some(protocol.as_str()),
        Some(Variable::SecretEnv(_) | Variable::SecretFile(_)) | None => None,
    };
    let all = set.or_else(|| cluster.brokers.iter().find_map(|broker| protocol_of(broker)));
    let all = all.unwrap_or(PROTOCOLS[0]);
    for (index, broker) in cluster.brokers.iter().enumerate() {
        let at = |expected: &str| at(&["brokers", &index.to_string()], expected);
        if !is_broker(broker) {
            return Err(at(BROKER));
        }
        let is_other = |protocol: &str| !protocol.eq_ignore_ascii_case(all);
        if protocol_of(broker).is_some_and(is_other) {
            return Err(at(&format!("a broker of the protocol {all}, as the rest of the cluster")));
        }
    }
    Ok(())
}

fn check_settings(cluster: &KafkaCluster, at: &impl Fn(&[&str], &str) -> Misfit) -> Result<(), Misfit> {
    for (name, value) in &cluster.settings {
        if let Some(why) = events::why_owned(name) {
            return Err(at(&[name], &format!("left out: {why}")));
        }
        if events::is_secret(name) && matches!(value, Variable::Text(_)) {
            let expected = "a reference to a secret: { secret-env = \"NAME\" } or { secret-file = \"PATH\" }";
            return Err(at(&[name], expected));
        }
    }
    Ok(())
}

fn protocol_of(broker: &str) -> Option<&str> {
    broker.split_once("://").map(|(protocol, _)| protocol)
}

/// Returns true for `host`, `host:port` and `[v6]:port`, also behind `PROTOCOL://`.
fn is_broker(text: &str) -> bool {
    let (protocol, address) = text.split_once("://").unwrap_or((PROTOCOLS[0], text));
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or_default())),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let is_v6 = address.starts_with('[');
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || is_v6 && c == ':';
    PROTOCOLS.iter().any(|it| it.eq_ignore_ascii_case(protocol))
        && !host.is_empty()
        && host.chars().all(of_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl Serialize for KafkaCluster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("name", &self.name)?;
        members.serialize_entry("brokers", &self.brokers)?;
        self.settings.iter().try_for_each(|(name, value)| members.serialize_entry(name, value))?;
        members.end()
    }
}

impl<'de> Deserialize<'de> for KafkaCluster {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClusterVisitor;

        impl<'de> Visitor<'de> for ClusterVisitor {
            type Value = KafkaCluster;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of 'name', 'brokers' and settings of librdkafka")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<KafkaCluster, A::Error> {
                let (mut name, mut brokers, mut settings) = (None, None, BTreeMap::new());
                while let Some(member) = members.next_key::<String>()? {
                    match member.as_str() {
                        "name" => name = Some(members.next_value()?),
                        "brokers" => brokers = Some(members.next_value()?),
                        _ => drop(settings.insert(member, members.next_value::<Setting>()?.0)),
                    }
                }
                let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
                let brokers = brokers.ok_or_else(|| A::Error::missing_field("brokers"))?;
                Ok(KafkaCluster { name, brokers, settings })
            }
        }

        deserializer.deserialize_map(ClusterVisitor)
    }
}

/// The value of a setting. librdkafka takes texts; numbers and booleans are the texts they are written as.
struct Setting(Variable);

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor;

        impl<'de> Visitor<'de> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a text, a number, true or false, { secret-env = \"NAME\" } or { secret-file = \"PATH\" }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting(Variable::Text(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Setting, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Setting, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Setting, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Setting, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Setting, A::Error> {
                Variable::deserialize(MapAccessDeserializer::new(members)).map(Setting)
            }
        }

        deserializer.deserialize_any(SettingVisitor)
    }
}
