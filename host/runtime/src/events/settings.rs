//! Settings of librdkafka: which of them are the host's, which belong to a cluster, and which are secrets.

/// Settings that only the host makes, each with the reason.
const OWNED: [(&str, &str); 13] = [
    ("allow.auto.create.topics", "the host waits for a topic that does not exist, and creates none"),
    ("auto.commit.enable", "the host keeps the positions in its own log"),
    ("auto.offset.reset", "it is an option of a subscription"),
    ("bootstrap.servers", "'brokers' of the cluster names the brokers"),
    ("enable.auto.commit", "the host keeps the positions in its own log"),
    ("enable.auto.offset.store", "the host keeps the positions in its own log"),
    ("enable.partition.eof", "the host finds the ends of partitions itself"),
    ("group.id", "it is an option of a subscription"),
    ("group.instance.id", "the host assigns partitions itself and joins no group"),
    ("group.protocol", "the host assigns partitions itself and joins no group"),
    ("metadata.broker.list", "'brokers' of the cluster names the brokers"),
    ("offset.store.method", "the host keeps the positions in its own log"),
    ("partition.assignment.strategy", "the host assigns partitions itself and joins no group"),
];

/// How the settings begin that only a cluster may have.
const OF_CLUSTER: [&str; 8] =
    ["enable.sasl.", "enable.ssl.", "https.", "interceptors", "plugin.", "sasl.", "security.", "ssl."];

/// Returns the reason why only the host makes a setting; `None` for any other setting.
pub fn why_owned(name: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, why)| *why)
}

/// Returns true for a setting that only the configuration of a cluster may have.
///
/// Subscriptions are created over the admin API. Their settings must not run programs or read files on the host, as
/// `sasl.kerberos.kinit.cmd` and `ssl.ca.location` do.
pub fn is_of_cluster(name: &str) -> bool {
    OF_CLUSTER.iter().any(|beginning| name.starts_with(beginning))
}

/// Returns true for a setting whose value is a secret.
pub fn is_secret(name: &str) -> bool {
    let words = ["password", "secret", "passphrase", "key.pem"];
    name == "sasl.oauthbearer.config" || words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_belong_to_the_host_to_a_cluster_or_to_a_subscription() {
        assert_eq!(why_owned("group.id"), Some("it is an option of a subscription"));
        assert_eq!(why_owned("client.id"), None);
        for name in
            ["sasl.kerberos.kinit.cmd", "plugin.library.paths", "ssl.ca.location", "security.protocol"]
        {
            assert!(is_of_cluster(name), "{name}");
        }
        for name in ["fetch.min.bytes", "isolation.level", "client.rack"] {
            assert!(!is_of_cluster(name) && why_owned(name).is_none(), "{name}");
        }
    }

    #[test]
    fn secrets_are_recognised_by_their_names() {
        let secrets = [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.config",
        ];
        assert!(secrets.into_iter().all(is_secret));
        let others = ["sasl.username", "ssl.ca.pem", "ssl.certificate.pem", "ssl.key.location"];
        assert!(!others.into_iter().any(is_secret));
    }
}
