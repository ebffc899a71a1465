//! Policies as people write them: in `holiday.toml`, in the settings of a component, over the admin door.
//!
//! All three use the same names, in kebab case, with durations as text. Settings of a component are written
//! by programs: they may give a duration as a number of milliseconds, under the same name with `-ms` at its
//! end, and the members of `retry` in camel case.

use std::collections::BTreeMap;
use std::fmt;

use holiday_core::policy::{Options, Policies, Policy, RetryOptions, ServicePolicies};
use holiday_core::retry::{Exhausted, RetryPolicy};
use serde::de::{DeserializeOwned, Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::complaint;
use crate::units::Millis;

/// Makes a struct of all options, with what stands beside them.
macro_rules! options {
    ($(#[$about:meta])* $expecting:literal $name:ident { $($(#[$also:meta])* $inner:ident: $type:ty)? }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = $expecting)]
        pub struct $name {
            pub retry: Retry,
            pub idempotency_retention: Option<Millis>,
            pub workflow_retention: Option<Millis>,
            pub journal_retention: Option<Millis>,
            pub timeout: Option<Millis>,
            pub cpu: Option<Millis>,
            pub private: Option<bool>,
            pub keep_headers: Option<Vec<HeaderText>>,
            $($(#[$also])* pub $inner: $type,)?
        }

        impl $name {
            pub fn options(&self) -> Options {
                let millis = |it: Option<Millis>| it.map(|Millis(millis)| millis);
                let names = |it: &Vec<HeaderText>| it.iter().map(|HeaderText(name)| name.clone()).collect();
                Options {
                    retry: self.retry.options(),
                    idempotency_retention_ms: millis(self.idempotency_retention),
                    workflow_retention_ms: millis(self.workflow_retention),
                    journal_retention_ms: millis(self.journal_retention),
                    timeout_ms: millis(self.timeout),
                    cpu_ms: millis(self.cpu),
                    private: self.private,
                    keep_headers: self.keep_headers.as_ref().map(names),
                }
            }
        }

        impl From<&Options> for $name {
            fn from(options: &Options) -> Self {
                let names = |it: &Vec<String>| it.iter().cloned().map(HeaderText).collect();
                $name {
                    retry: Retry::from(options.retry),
                    idempotency_retention: options.idempotency_retention_ms.map(Millis),
                    workflow_retention: options.workflow_retention_ms.map(Millis),
                    journal_retention: options.journal_retention_ms.map(Millis),
                    timeout: options.timeout_ms.map(Millis),
                    cpu: options.cpu_ms.map(Millis),
                    private: options.private,
                    keep_headers: options.keep_headers.as_ref().map(names),
                    $($inner: Default::default(),)?
                }
            }
        }
    };
}

options! {
    /// Options of one handler.
    "a table of options" HandlerOptions {}
}

options! {
    /// Options of a service, and of handlers of it.
    "a table of options" ServiceOptions {
        handlers: BTreeMap<String, HandlerOptions>
    }
}

options! {
    /// Options of the host, and of services on it.
    "a table of options" HostOptions {
        services: BTreeMap<String, ServiceOptions>
    }
}

/// A retry policy with open parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table such as { max-attempts = 3 }"
)]
pub struct Retry {
    pub initial_interval: Option<Millis>,
    pub factor: Option<Factor>,
    pub max_interval: Option<Millis>,
    /// Executions in all; zero is no bound.
    pub max_attempts: Option<u32>,
    /// Since the first failure; zero is no bound.
    pub max_duration: Option<Millis>,
    pub then: Option<Then>,
}

/// Each interval is the one before times this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Factor(f64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    Pause,
    Fail,
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderText(String);

impl HostOptions {
    /// As the core knows them.
    pub fn policies(&self) -> Policies {
        let services = self.services.iter().map(|(name, service)| (name.clone(), service.policies()));
        Policies { host: self.options(), services: services.collect() }
    }

    /// What is in force where nobody says anything.
    pub fn in_force_by_default() -> Self {
        HostOptions::from(&said(&Policy::default()))
    }
}

impl ServiceOptions {
    fn policies(&self) -> ServicePolicies {
        let handlers = self.handlers.iter().map(|(name, handler)| (name.clone(), handler.options()));
        ServicePolicies { service: self.options(), handlers: handlers.collect() }
    }

    fn of(policies: &ServicePolicies) -> Self {
        let handlers = policies.handlers.iter();
        let handlers = handlers.map(|(name, options)| (name.clone(), HandlerOptions::from(options)));
        ServiceOptions { handlers: handlers.collect(), ..ServiceOptions::from(&policies.service) }
    }
}

impl HandlerOptions {
    /// What is in force for a handler. What is `None` is not bounded, or left to the host.
    pub fn in_force(policy: &Policy) -> Self {
        HandlerOptions::from(&said(policy))
    }
}

/// A policy as options that say all of it.
fn said(policy: &Policy) -> Options {
    let RetryPolicy { initial_interval_ms, factor, max_interval_ms, max_attempts, max_duration_ms, then } =
        policy.retry;
    Options {
        retry: RetryOptions {
            initial_interval_ms: Some(initial_interval_ms),
            factor: Some(factor),
            max_interval_ms: Some(max_interval_ms),
            max_attempts,
            max_duration_ms,
            then: Some(then),
        },
        idempotency_retention_ms: Some(policy.idempotency_retention_ms),
        workflow_retention_ms: Some(policy.workflow_retention_ms),
        journal_retention_ms: policy.journal_retention_ms,
        timeout_ms: policy.timeout_ms,
        cpu_ms: policy.cpu_ms,
        private: Some(policy.private),
        keep_headers: Some(policy.keep_headers.clone()),
    }
}

impl Retry {
    fn options(self) -> RetryOptions {
        let millis = |it: Option<Millis>| it.map(|Millis(millis)| millis);
        RetryOptions {
            initial_interval_ms: millis(self.initial_interval),
            factor: self.factor.map(|Factor(factor)| factor),
            max_interval_ms: millis(self.max_interval),
            max_attempts: self.max_attempts,
            max_duration_ms: millis(self.max_duration),
            then: self.then.map(|then| match then {
                Then::Pause => Exhausted::Pause,
                Then::Fail => Exhausted::Fail,
            }),
        }
    }
}

impl From<RetryOptions> for Retry {
    fn from(options: RetryOptions) -> Self {
        Retry {
            initial_interval: options.initial_interval_ms.map(Millis),
            factor: options.factor.map(Factor),
            max_interval: options.max_interval_ms.map(Millis),
            max_attempts: options.max_attempts,
            max_duration: options.max_duration_ms.map(Millis),
            then: options.then.map(|then| match then {
                Exhausted::Pause => Then::Pause,
                Exhausted::Fail => Then::Fail,
            }),
        }
    }
}

/// Reads the settings of a service or handler; the error says which of them is wrong.
pub fn of_settings(settings: Map<String, Value>) -> Result<Options, String> {
    let options: HandlerOptions = read(&Value::Object(in_kebab_case_and_text(settings)?))?;
    Ok(options.options())
}

/// Changes what is said of a service, as a JSON merge patch does: what is named is set, and `null` clears it.
///
/// Says nothing more of a handler or option that nobody has set.
pub fn patch(policies: &ServicePolicies, patch: Map<String, Value>) -> Result<ServicePolicies, String> {
    let mut patch = in_kebab_case_and_text(patch)?;
    if let Some(Value::Object(handlers)) = patch.get_mut("handlers") {
        for handler in handlers.values_mut() {
            if let Value::Object(options) = handler {
                *options = in_kebab_case_and_text(std::mem::take(options))?;
            }
        }
    }
    let mut options = serde_json::to_value(ServiceOptions::of(policies)).map_err(|it| it.to_string())?;
    merge(&mut options, Value::Object(patch));
    if let Some(Value::Object(handlers)) = options.get_mut("handlers") {
        handlers.retain(|_, options| !options.is_null());
    }
    let mut policies = read::<ServiceOptions>(&options)?.policies();
    policies.handlers.retain(|_, options| *options != Options::default());
    Ok(policies)
}

/// A table that is cleared stays as an empty one.
fn merge(value: &mut Value, patch: Value) {
    match (value, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, patch) in patch {
                merge(members.entry(name).or_insert(Value::Null), patch);
            }
        }
        (Value::Object(members), Value::Null) => members.clear(),
        (value, patch) => *value = patch,
    }
}

fn read<T: DeserializeOwned>(json: &Value) -> Result<T, String> {
    let value = figment::value::Value::serialize(json).map_err(|error| complaint::in_words(&error))?;
    T::deserialize(&value).map_err(|error| complaint::in_words(&error))
}

/// Translates names and durations of programs into those of people.
fn in_kebab_case_and_text(options: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut translated = Map::new();
    for (name, value) in options {
        let (name, value) = match name.strip_suffix("-ms") {
            Some(plain) => (plain.to_owned(), duration_of_millis(&name, &value)?),
            None => match (name.as_str(), value) {
                ("retry", Value::Object(members)) => {
                    let members = members.into_iter().map(|(name, value)| (kebab_case(&name), value));
                    let members = in_kebab_case_and_text(members.collect())?;
                    (name, Value::Object(members))
                }
                (_, value) => (name, value),
            },
        };
        if translated.contains_key(&name) {
            return Err(format!("{name} is there twice; remove one"));
        }
        translated.insert(name, value);
    }
    Ok(translated)
}

fn duration_of_millis(name: &str, value: &Value) -> Result<Value, String> {
    match (value, value.as_u64()) {
        (Value::Null, _) => Ok(Value::Null),
        (_, Some(millis)) => Ok(format!("{millis}ms").into()),
        (_, None) => Err(format!("{name} is {value}, but should be a whole number of milliseconds")),
    }
}

/// `maxAttempts` as `max-attempts`.
fn kebab_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(FactorVisitor)
    }
}

struct FactorVisitor;

impl Visitor<'_> for FactorVisitor {
    type Value = Factor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, 1 or more")
    }

    fn visit_f64<E: Error>(self, factor: f64) -> Result<Factor, E> {
        match factor.is_finite() && factor >= 1.0 {
            true => Ok(Factor(factor)),
            false => Err(E::invalid_value(Unexpected::Float(factor), &self)),
        }
    }

    fn visit_u64<E: Error>(self, factor: u64) -> Result<Factor, E> {
        self.visit_f64(factor as f64)
    }

    fn visit_i64<E: Error>(self, factor: i64) -> Result<Factor, E> {
        self.visit_f64(factor as f64)
    }
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match http::HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) => Ok(HeaderText(name.as_str().to_owned())),
            Err(_) => Err(D::Error::invalid_value(Unexpected::Str(&text), &"the name of a header")),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).expect("an object")
    }

    /// Options that say something, as JSON.
    fn shown(policies: &ServicePolicies) -> String {
        fn prune(value: &mut Value) {
            if let Value::Object(members) = value {
                members.values_mut().for_each(prune);
                members.retain(|_, it| !it.is_null() && it.as_object().is_none_or(|it| !it.is_empty()));
            }
        }
        let mut options = serde_json::to_value(ServiceOptions::of(policies)).expect("JSON");
        prune(&mut options);
        options.to_string()
    }

    /// Applies patches one after the other and shows what is set after each, or what was wrong with it.
    fn check(patches: &[&str], expected: Expect) {
        let mut policies = ServicePolicies::default();
        let mut log = String::new();
        for text in patches {
            let said = match patch(&policies, object(text)) {
                Ok(patched) => {
                    policies = patched;
                    shown(&policies)
                }
                Err(wrong) => wrong,
            };
            log.push_str(&format!("{text}\n  {said}\n"));
        }
        expected.assert_eq(&log);
    }

    #[test]
    fn a_patch_sets_what_it_names_and_clears_what_is_null() {
        check(
            &[
                r#"{"timeout": "1h", "retry": {"max-attempts": 3, "then": "fail"}}"#,
                r#"{"retry": {"max-attempts": null}, "keep-headers": ["Authorization"]}"#,
                r#"{"timeout-ms": 5, "handlers": {"reserve": {"private": true}, "cancel": {}}}"#,
                r#"{"retry": null, "handlers": {"reserve": {"retry": {"initialIntervalMs": 40}}}}"#,
                r#"{"timeout": null, "handlers": {"reserve": null, "pay": null}}"#,
                r#"{"handlers": null, "keep-headers": null}"#,
            ],
            expect![[r#"
                {"timeout": "1h", "retry": {"max-attempts": 3, "then": "fail"}}
                  {"retry":{"max-attempts":3,"then":"fail"},"timeout":"1h"}
                {"retry": {"max-attempts": null}, "keep-headers": ["Authorization"]}
                  {"keep-headers":["authorization"],"retry":{"then":"fail"},"timeout":"1h"}
                {"timeout-ms": 5, "handlers": {"reserve": {"private": true}, "cancel": {}}}
                  {"handlers":{"reserve":{"private":true}},"keep-headers":["authorization"],"retry":{"then":"fail"},"timeout":"5ms"}
                {"retry": null, "handlers": {"reserve": {"retry": {"initialIntervalMs": 40}}}}
                  {"handlers":{"reserve":{"private":true,"retry":{"initial-interval":"40ms"}}},"keep-headers":["authorization"],"timeout":"5ms"}
                {"timeout": null, "handlers": {"reserve": null, "pay": null}}
                  {"keep-headers":["authorization"]}
                {"handlers": null, "keep-headers": null}
                  {}
            "#]],
        );
    }

    #[test]
    fn a_patch_that_makes_no_sense_names_what_is_wrong() {
        check(
            &[
                r#"{"timout": null}"#,
                r#"{"timeout": 30}"#,
                r#"{"timeout": "soon"}"#,
                r#"{"timeout-ms": "30s"}"#,
                r#"{"timeout": "30s", "timeout-ms": 30}"#,
                r#"{"retry": 3}"#,
                r#"{"retry": {"factor": 0.5}}"#,
                r#"{"retry": {"max-attempts": -1}}"#,
                r#"{"retry": {"then": "retry"}}"#,
                r#"{"private": "yes"}"#,
                r#"{"keep-headers": "authorization"}"#,
                r#"{"keep-headers": ["x y"]}"#,
                r#"{"handlers": {"a.b": {"privat": true}}}"#,
                r#"{"handlers": {"a": true}}"#,
                r#"{"colour": "red"}"#,
            ],
            expect![[r#"
                {"timout": null}
                  there is no key 'timout'; did you mean 'timeout'?
                {"timeout": 30}
                  timeout is 30, but should be a duration such as '500ms', '10s', '1h30m', '7d' or 'PT10S'
                {"timeout": "soon"}
                  timeout is 'soon', but should be a duration such as '500ms', '10s', '1h30m', '7d' or 'PT10S'
                {"timeout-ms": "30s"}
                  timeout-ms is "30s", but should be a whole number of milliseconds
                {"timeout": "30s", "timeout-ms": 30}
                  timeout is there twice; remove one
                {"retry": 3}
                  retry is 3, but should be a table such as { max-attempts = 3 }
                {"retry": {"factor": 0.5}}
                  retry.factor is 0.5, but should be a number, 1 or more
                {"retry": {"max-attempts": -1}}
                  retry.max-attempts is -1, but should be a whole number, zero or more
                {"retry": {"then": "retry"}}
                  retry.then is 'retry', but should be 'pause' or 'fail'
                {"private": "yes"}
                  private is 'yes', but should be true or false
                {"keep-headers": "authorization"}
                  keep-headers is 'authorization', but should be a list
                {"keep-headers": ["x y"]}
                  keep-headers.0 is 'x y', but should be the name of a header
                {"handlers": {"a.b": {"privat": true}}}
                  there is no key 'handlers."a.b".privat'; did you mean 'private'?
                {"handlers": {"a": true}}
                  handlers.a is true, but should be a table of options
                {"colour": "red"}
                  there is no key 'colour'; there are retry, idempotency-retention, workflow-retention, journal-retention, timeout, cpu, private, keep-headers, handlers
            "#]],
        );
    }

    #[test]
    fn what_is_in_force_is_said_in_full() {
        let shown = serde_json::to_string(&HandlerOptions::in_force(&Policy::default())).expect("JSON");
        expect![[r#"{"retry":{"initial-interval":"100ms","factor":2.0,"max-interval":"20s","max-attempts":20,"max-duration":null,"then":"pause"},"idempotency-retention":"24h","workflow-retention":"24h","journal-retention":null,"timeout":null,"cpu":null,"private":false,"keep-headers":[]}"#]].assert_eq(&shown);
    }
}
