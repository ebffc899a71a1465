//! What the standard variables of OpenTelemetry say about traces: they count more than the file, and less than the
//! host's own variables.
//!
//! See <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

use figment::value::{Empty, Value};

use super::check::OTLP_ENDPOINT;
use super::layer::Layer;
use crate::telemetry::TRACES_PATH;

/// All that are read here. Others, such as those for headers and sampling, are read where spans are sent.
pub(super) const VARIABLES: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
];

const SERVICE_NAME: [&str; 2] = ["telemetry", "service-name"];

/// Where spans go and who says that it sends them, the more special variables last.
pub(super) fn layers(variables: &[(String, String)]) -> Vec<Layer> {
    let of = |name: &str, key: &[&str], value: fn(&str) -> Option<String>| {
        Some(Layer::of_value(name, key, value(said(variables, name)?)?))
    };
    let base = |base: &str| Some(format!("{}{TRACES_PATH}", base.trim_end_matches('/')));
    let all = [
        of("OTEL_EXPORTER_OTLP_ENDPOINT", &OTLP_ENDPOINT, base),
        of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &OTLP_ENDPOINT, |url| Some(url.to_owned())),
        of("OTEL_RESOURCE_ATTRIBUTES", &SERVICE_NAME, name_among),
        of("OTEL_SERVICE_NAME", &SERVICE_NAME, |name| Some(name.to_owned())),
    ];
    all.into_iter().flatten().collect()
}

/// Sends nothing, whoever said where to.
pub(super) fn switch(variables: &[(String, String)]) -> Option<Layer> {
    let says =
        |(name, value): &(&str, &str)| said(variables, name).is_some_and(|it| it.eq_ignore_ascii_case(value));
    let (name, _) =
        [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")].into_iter().find(says)?;
    Some(Layer::of_value(name, &OTLP_ENDPOINT, Value::from(Empty::None)))
}

/// By the standard, a variable that is empty is one that is not set.
fn said<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = variables.iter().find(|(it, _)| it == name)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

fn name_among(attributes: &str) -> Option<String> {
    let mut attributes = attributes.split(',').filter_map(|it| it.split_once('='));
    let (_, value) = attributes.find(|(name, _)| name.trim() == "service.name")?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}
