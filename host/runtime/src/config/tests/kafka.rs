//! Kafka clusters, and the two ways to write the table that they are in.

use expect_test::expect;

use super::super::{Config, Flag};
use super::{Written, check, check_errors};
#[cfg(feature = "kafka")]
use crate::events;

const CLUSTER: &str = r#"
    [[ingress.kafka-clusters]]
    name = "my-cluster"
    brokers = ["PLAINTEXT://localhost:9092"]
"#;

#[test]
fn an_address_and_a_table_are_the_same_key() {
    check(
        "ingress = '127.0.0.1:1'",
        &[],
        vec![],
        expect!["ingress.bind-address = 127.0.0.1:1 (holiday.toml)\n"],
    );
    check(
        &format!("[ingress]\nbind-address = '127.0.0.1:1'\n{CLUSTER}"),
        &[("HOLIDAY_INGRESS_ADDR", "127.0.0.1:2")],
        vec![],
        expect![[r#"
            ingress.bind-address = 127.0.0.1:2 (HOLIDAY_INGRESS_ADDR)
            ingress.kafka-clusters.0.brokers = PLAINTEXT://localhost:9092 (holiday.toml)
            ingress.kafka-clusters.0.name = my-cluster (holiday.toml)
        "#]],
    );
    for key in [["ingress"].as_slice(), &["ingress", "bind-address"]] {
        check(
            CLUSTER,
            &[("HOLIDAY_INGRESS_ADDR", "127.0.0.1:2")],
            vec![Flag::text("--ingress", key, "127.0.0.1:3")],
            expect![[r#"
                ingress.bind-address = 127.0.0.1:3 (--ingress)
                ingress.kafka-clusters.0.brokers = PLAINTEXT://localhost:9092 (holiday.toml)
                ingress.kafka-clusters.0.name = my-cluster (holiday.toml)
            "#]],
        );
    }
}

/// `"security.protocol"` and `security.protocol` are the same setting, as text, number or boolean.
#[test]
fn a_cluster_has_settings_of_librdkafka_beside_its_name_and_brokers() {
    let file = r#"
        [[ingress.kafka-clusters]]
        name = "main"
        brokers = ["b1:9093", "[::1]:9093", "sasl_ssl://b3"]
        security.protocol = "SASL_SSL"
        "sasl.username" = "holiday"
        sasl.password = { secret-env = "CARGO_PKG_NAME" }
        "socket.timeout.ms" = 6000
        socket.keepalive.enable = true

        [[ingress.kafka-clusters]]
        name = "other"
        brokers = ["SSL://b1:9093", "b2:9093"]
    "#;
    check(
        file,
        &[],
        vec![],
        expect![[r#"
            ingress.kafka-clusters.0.brokers = b1:9093, [::1]:9093, sasl_ssl://b3 (holiday.toml)
            ingress.kafka-clusters.0.name = main (holiday.toml)
            ingress.kafka-clusters.0."sasl.password" = <secret from env CARGO_PKG_NAME> (holiday.toml)
            ingress.kafka-clusters.0."sasl.username" = holiday (holiday.toml)
            ingress.kafka-clusters.0."security.protocol" = SASL_SSL (holiday.toml)
            ingress.kafka-clusters.0."socket.keepalive.enable" = true (holiday.toml)
            ingress.kafka-clusters.0."socket.timeout.ms" = 6000 (holiday.toml)
            ingress.kafka-clusters.1.brokers = SSL://b1:9093, b2:9093 (holiday.toml)
            ingress.kafka-clusters.1.name = other (holiday.toml)
        "#]],
    );
    let config = Written::new(file).load(&[], Vec::new()).expect("a good one").config;
    let clusters = config.kafka_clusters().expect("the secrets are there");
    let shown: Vec<String> = clusters
        .iter()
        .flat_map(|cluster| {
            let of = |(name, value): (&String, &crate::secret::Secret)| {
                format!("{}: {name} = {}", cluster.name, value.expose())
            };
            cluster.settings.iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    expect![[r#"
        main: sasl.password = holiday-runtime
        main: sasl.username = holiday
        main: security.protocol = SASL_SSL
        main: socket.keepalive.enable = true
        main: socket.timeout.ms = 6000
        other: security.protocol = ssl"#]]
    .assert_eq(&shown.join("\n"));
    assert!(!format!("{clusters:?}").contains("holiday-runtime"), "secrets stay hidden");
}

#[test]
fn clusters_that_cannot_be_used_are_refused() {
    let with = |line: &str| format!("ingress.kafka-clusters = [{{ name = 'a', brokers = ['b:1'], {line} }}]");
    let files = [
        "ingress.kafka-clusters = [{ name = 'a' }]".to_owned(),
        "ingress.kafka-clusters = [{ brokers = ['b:1'] }]".to_owned(),
        "ingress.kafka-clusters = ['a']".to_owned(),
        "ingress.kafka-cluster = []".to_owned(),
        "ingress.kafka-clusters = [{ name = '', brokers = ['b:1'] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a/b', brokers = ['b:1'] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = ['b'] }, { name = 'a', brokers = ['c'] }]"
            .to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = [] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = 'b:1' }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1', 'c:x'] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1,c:1'] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = ['http://b:1'] }]".to_owned(),
        "ingress.kafka-clusters = [{ name = 'a', brokers = ['SSL://b', 'PLAINTEXT://c'] }]".to_owned(),
        with("security.protocol = 'SASL_SSL', brokers = ['SSL://b']").replace(", brokers = ['b:1']", ""),
        with("group.id = 'g'"),
        with("'enable.auto.commit' = true"),
        with("'auto.offset.reset' = 'earliest'"),
        with("bootstrap.servers = 'b'"),
        with("sasl.password = 'hunter2'"),
        with("sasl.password = ['hunter2']"),
        with("sasl.password = { secret-evn = 'hunter2' }"),
        with("'client.id' = ['x']"),
        "ingress = 8080".to_owned(),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    check_errors(
        &files,
        expect![[r#"
        ingress.kafka-clusters = [{ name = 'a' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0 is without 'brokers'; add it
        ingress.kafka-clusters = [{ brokers = ['b:1'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0 is without 'name'; add it
        ingress.kafka-clusters = ['a']
          HH0042 holiday.toml: ingress.kafka-clusters.0 is 'a', but should be a table of 'name', 'brokers' and settings of librdkafka
        ingress.kafka-cluster = []
          HH0042 holiday.toml: there is no key 'ingress.kafka-cluster'; did you mean 'kafka-clusters'?
        ingress.kafka-clusters = [{ name = '', brokers = ['b:1'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.name is '', but should be a name without '/' and spaces, such as 'my-cluster'
        ingress.kafka-clusters = [{ name = 'a/b', brokers = ['b:1'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.name is 'a/b', but should be a name without '/' and spaces, such as 'my-cluster'
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b'] }, { name = 'a', brokers = ['c'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.1.name is 'a', but should be another name: a cluster above has it
        ingress.kafka-clusters = [{ name = 'a', brokers = [] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers is [], but should be a list of one or more brokers, such as ['localhost:9092']
        ingress.kafka-clusters = [{ name = 'a', brokers = 'b:1' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers is 'b:1', but should be a list
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1', 'c:x'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers.1 is 'c:x', but should be a broker such as 'localhost:9092' or 'SASL_SSL://kafka.example.com:9093'
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1,c:1'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers.0 is 'b:1,c:1', but should be a broker such as 'localhost:9092' or 'SASL_SSL://kafka.example.com:9093'
        ingress.kafka-clusters = [{ name = 'a', brokers = ['http://b:1'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers.0 is 'http://b:1', but should be a broker such as 'localhost:9092' or 'SASL_SSL://kafka.example.com:9093'
        ingress.kafka-clusters = [{ name = 'a', brokers = ['SSL://b', 'PLAINTEXT://c'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers.1 is 'PLAINTEXT://c', but should be a broker of the protocol SSL, as the rest of the cluster
        ingress.kafka-clusters = [{ name = 'a', security.protocol = 'SASL_SSL', brokers = ['SSL://b'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0.brokers.0 is 'SSL://b', but should be a broker of the protocol SASL_SSL, as the rest of the cluster
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], group.id = 'g' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."group.id" is 'g', but should be left out: it is an option of a subscription
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], 'enable.auto.commit' = true }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."enable.auto.commit" is true, but should be left out: the host keeps the positions in its own log
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], 'auto.offset.reset' = 'earliest' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."auto.offset.reset" is 'earliest', but should be left out: it is an option of a subscription
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], bootstrap.servers = 'b' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."bootstrap.servers" is 'b', but should be left out: 'brokers' of the cluster names the brokers
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], sasl.password = 'hunter2' }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."sasl.password" is something else, but should be a reference to a secret: { secret-env = "NAME" } or { secret-file = "PATH" }
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], sasl.password = ['hunter2'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."sasl.password" is something else, but should be a text, a number, true or false, { secret-env = "NAME" } or { secret-file = "PATH" }
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], sasl.password = { secret-evn = 'hunter2' } }]
          HH0042 holiday.toml: there is no key 'ingress.kafka-clusters.0."sasl.password".secret-evn'; did you mean 'secret-env'?
        ingress.kafka-clusters = [{ name = 'a', brokers = ['b:1'], 'client.id' = ['x'] }]
          HH0042 holiday.toml: ingress.kafka-clusters.0."client.id" is a list, but should be a text, a number, true or false, { secret-env = "NAME" } or { secret-file = "PATH" }
        ingress = 8080
          HH0042 holiday.toml: ingress.bind-address is 8080, but should be a text
    "#]],
    );
}

#[test]
fn a_secret_of_a_cluster_that_is_missing_is_named() {
    let file = format!("{CLUSTER}\nsasl.password = {{ secret-env = 'HOLIDAY_NO_SUCH_SECRET' }}");
    let config = Written::new(&file).load(&[], Vec::new()).expect("it is well formed").config;
    let error = config.kafka_clusters().expect_err("it is missing");
    expect![[r#"HH0052 ingress.kafka-clusters.0."sasl.password" is a secret, and the variable HOLIDAY_NO_SUCH_SECRET is not set; give the host the variable HOLIDAY_NO_SUCH_SECRET, or take ingress.kafka-clusters.0."sasl.password" out"#]].assert_eq(&format!("{} {error}", error.code()));
}

#[cfg(feature = "kafka")]
#[test]
fn settings_that_the_client_library_does_not_take_are_found() {
    let check = |setting: &str| {
        let written = Written::new(&format!("{CLUSTER}\n{setting}"));
        let loaded = written.load(&[], Vec::new()).expect("it is well formed");
        loaded.check_clusters(events::check_each_setting).map_err(|error| written.strip(&error.to_string()))
    };
    // The password is known when the host starts, and not before.
    let sasl = "security.protocol = 'SASL_PLAINTEXT'\n\"sasl.mechanism\" = 'PLAIN'\nsasl.username = 'ann'";
    let sasl = format!("{sasl}\nsasl.password = {{ secret-env = 'HOLIDAY_NO_SUCH_SECRET' }}");
    assert_eq!(check(&sasl.replace("SASL_PLAINTEXT", "plaintext")), Ok(()));
    let errors = ["'sesion.timeout.ms' = 1", "'session.timeout.ms' = 'soon'"]
        .map(|setting| check(setting).expect_err(setting));
    expect![[r#"
        holiday.toml: ingress.kafka-clusters.0: setting 'sesion.timeout.ms': No such configuration property: "sesion.timeout.ms"
        holiday.toml: ingress.kafka-clusters.0: setting 'session.timeout.ms': Invalid value for configuration property "session.timeout.ms""#]].assert_eq(&errors.join("\n"));
}

#[test]
fn a_configuration_without_clusters_has_none() {
    assert!(Config::default().kafka_clusters().is_ok_and(|clusters| clusters.is_empty()));
}
