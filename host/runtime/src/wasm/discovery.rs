//! Asks a component what services it exports, and refuses descriptions that make no sense.
//!
//! The component runs as any guest does, but may only describe: it has no context and little time.

use std::collections::BTreeSet;

use holiday_core::deployment::{Handler, HandlerMode, HandlerOptions, Media, Service, ServiceKind};
use holiday_core::error::ErrorCode;
use holiday_core::retry::RetryPolicy;
use serde::Deserialize;

use super::bindings::GuestPre;
use super::bindings::holiday::durable::manifest;
use super::config::WasmConfig;
use super::error::ComponentError;
use super::sandbox::Sandbox;
use super::{compile, failure, limits};

/// Services whose names begin so would hide paths of the host itself.
const RESERVED_PREFIX: &str = "restate";

/// Instantiates the component and calls its `describe`.
pub(super) async fn describe(
    pre: &GuestPre<Sandbox>,
    config: &WasmConfig,
) -> Result<Vec<Service>, ComponentError> {
    let mut store = Sandbox::for_describing(config).into_store(pre.engine());
    let guest = match pre.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) if failure::is_of_guest(&error) => return Err(failed(store.data(), &error)),
        Err(error) => return Err(compile::mistyped_export(&error)),
    };
    let described = guest.call_describe(&mut store).await;
    let described = described.map_err(|error| failed(store.data(), &error))?;
    services(described).map_err(ComponentError::BadManifest)
}

fn failed(sandbox: &Sandbox, error: &wasmtime::Error) -> ComponentError {
    let text = failure::explain(error, sandbox);
    let code = ErrorCode::of_message(&text).unwrap_or(ErrorCode::GuestTrapped);
    let reason = text.strip_prefix(code.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
    ComponentError::DescribeFailed { code, reason: reason.to_owned() }
}

/// Checks a description and takes it over; the error names the first thing that is wrong.
fn services(described: Vec<manifest::Service>) -> Result<Vec<Service>, String> {
    if described.is_empty() {
        return Err("the component describes no services; export at least one".to_owned());
    }
    if described.len() > limits::SERVICES_MAX {
        return Err(format!(
            "the component has {} services, more than {}",
            described.len(),
            limits::SERVICES_MAX
        ));
    }
    let mut names = BTreeSet::new();
    described
        .into_iter()
        .map(|described| {
            let service = service(described)?;
            match names.insert(service.name.clone()) {
                true => Ok(service),
                false => Err(format!("there are two services named '{}'; rename one", service.name)),
            }
        })
        .collect()
}

fn service(described: manifest::Service) -> Result<Service, String> {
    let name = described.name;
    check_name("a service", &name)?;
    if name.to_ascii_lowercase().starts_with(RESERVED_PREFIX) {
        return Err(format!(
            "service '{name}' begins with '{RESERVED_PREFIX}', which is reserved; rename it"
        ));
    }
    let here = format!("service '{name}'");
    let defaults = options(&here, &described.settings, HandlerOptions::default())?;
    let kind = match described.kind {
        manifest::ServiceKind::Service => ServiceKind::Service,
        manifest::ServiceKind::Object => ServiceKind::Object,
        manifest::ServiceKind::Workflow => ServiceKind::Workflow,
    };
    if described.handlers.len() > limits::HANDLERS_MAX {
        let count = described.handlers.len();
        return Err(format!("{here} has {count} handlers, more than {}", limits::HANDLERS_MAX));
    }
    let handlers: Vec<Handler> = described
        .handlers
        .into_iter()
        .map(|described| handler(&here, described, &defaults))
        .collect::<Result<_, _>>()?;
    check_handlers(&here, kind, &handlers)?;
    Ok(Service { name, kind, handlers, documentation: described.documentation })
}

fn check_handlers(here: &str, kind: ServiceKind, handlers: &[Handler]) -> Result<(), String> {
    if handlers.is_empty() {
        return Err(format!("{here} has no handlers; add one"));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = handlers.iter().find(|handler| !names.insert(&handler.name)) {
        return Err(format!("{here} has two handlers named '{}'; rename one", twice.name));
    }
    let named = |mode: HandlerMode| handlers.iter().filter(move |handler| handler.mode == mode);
    let runs: Vec<&str> = named(HandlerMode::WorkflowRun).map(|handler| handler.name.as_str()).collect();
    match (kind, runs.as_slice()) {
        (ServiceKind::Workflow, []) => Err(format!("{here} is a workflow without a run handler; add one")),
        (ServiceKind::Workflow, [_]) => match named(HandlerMode::Exclusive).next() {
            Some(exclusive) => Err(format!(
                "handler '{}' of {here} is exclusive, but beside its run handler a workflow has only shared ones",
                exclusive.name
            )),
            None => Ok(()),
        },
        (ServiceKind::Workflow, [first, second, ..]) => {
            Err(format!("{here} is a workflow with two run handlers, '{first}' and '{second}'; keep one"))
        }
        (ServiceKind::Service | ServiceKind::Object, [run, ..]) => {
            Err(format!("handler '{run}' of {here} is a workflow's run handler, but {here} is no workflow"))
        }
        (ServiceKind::Service | ServiceKind::Object, []) => Ok(()),
    }
}

fn handler(
    service: &str,
    described: manifest::Handler,
    defaults: &HandlerOptions,
) -> Result<Handler, String> {
    let name = described.name;
    check_name(&format!("a handler of {service}"), &name)?;
    let here = format!("handler '{name}' of {service}");
    Ok(Handler {
        mode: match described.mode {
            manifest::HandlerMode::Exclusive => HandlerMode::Exclusive,
            manifest::HandlerMode::Shared => HandlerMode::Shared,
            manifest::HandlerMode::WorkflowRun => HandlerMode::WorkflowRun,
        },
        input: described.input.map(|side| media(&here, "input", side)).transpose()?,
        output: described.output.map(|side| media(&here, "output", side)).transpose()?,
        documentation: described.documentation,
        options: options(&here, &described.settings, defaults.clone())?,
        name,
    })
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err(format!("the name of {what} is empty; give it one"))
    } else if name.len() > limits::NAME_BYTES_MAX {
        Err(format!("the name of {what} has {} bytes, more than {}", name.len(), limits::NAME_BYTES_MAX))
    } else if let Some(bad) = name.chars().find(|c| *c == '/' || c.is_control()) {
        Err(format!(
            "the name of {what}, '{}', has a {bad:?} in it, which a path cannot hold",
            name.escape_debug()
        ))
    } else {
        Ok(())
    }
}

fn media(here: &str, side: &str, media: manifest::Media) -> Result<Media, String> {
    let content_type = media.content_type;
    let is_valid = content_type.contains('/') && http::HeaderValue::from_str(&content_type).is_ok();
    if !is_valid {
        return Err(format!("the {side} of {here} has the content type '{content_type}', which is none"));
    }
    if let Some(schema) = &media.schema {
        match serde_json::from_str(schema) {
            Ok(serde_json::Value::Object(_) | serde_json::Value::Bool(_)) => {}
            Ok(_) => return Err(format!("the schema of the {side} of {here} is not an object or a boolean")),
            Err(error) => return Err(format!("the schema of the {side} of {here} is not JSON: {error}")),
        }
    }
    Ok(Media { content_type, schema: media.schema })
}

fn options(
    here: &str,
    settings: &[manifest::Setting],
    mut options: HandlerOptions,
) -> Result<HandlerOptions, String> {
    let mut names = BTreeSet::new();
    for setting in settings {
        let bad =
            |reason: String| format!("setting '{}' of {here} is {}: {reason}", setting.name, setting.value);
        if !names.insert(&setting.name) {
            return Err(format!("{here} has the setting '{}' twice; remove one", setting.name));
        }
        match setting.name.as_str() {
            "retry" => options.retry = Some(retry(&setting.value).map_err(bad)?),
            "retention-ms" => {
                let retention = serde_json::from_str(&setting.value);
                options.retention_ms = Some(retention.map_err(|error| bad(error.to_string()))?);
            }
            unknown => {
                return Err(format!(
                    "{here} has the setting '{unknown}', which the host does not know; it knows 'retry' and \
                     'retention-ms'"
                ));
            }
        }
    }
    Ok(options)
}

/// A retry policy as a setting; what is absent is as in the host's default, `null` is no bound.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RetrySetting {
    initial_interval_ms: u64,
    factor: f64,
    max_interval_ms: u64,
    max_attempts: Option<u32>,
    max_duration_ms: Option<u64>,
}

impl Default for RetrySetting {
    fn default() -> Self {
        let RetryPolicy { initial_interval_ms, factor, max_interval_ms, max_attempts, max_duration_ms } =
            RetryPolicy::DEFAULT;
        RetrySetting { initial_interval_ms, factor, max_interval_ms, max_attempts, max_duration_ms }
    }
}

fn retry(value: &str) -> Result<RetryPolicy, String> {
    let setting: RetrySetting = serde_json::from_str(value).map_err(|error| error.to_string())?;
    if !(setting.factor.is_finite() && setting.factor >= 1.0) {
        return Err("its factor must be 1 or more".to_owned());
    }
    if setting.max_attempts == Some(0) {
        return Err("its maxAttempts must be 1 or more".to_owned());
    }
    Ok(RetryPolicy {
        initial_interval_ms: setting.initial_interval_ms,
        factor: setting.factor,
        max_interval_ms: setting.max_interval_ms,
        max_attempts: setting.max_attempts,
        max_duration_ms: setting.max_duration_ms,
    })
}
