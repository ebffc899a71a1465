//! Asks a component what services it exports, and refuses descriptions that make no sense.
//!
//! The component runs as any guest does, but may only describe: it has no context and little time.

use std::collections::BTreeSet;

use holiday_core::deployment::{Handler, HandlerMode, Media, Service, ServiceKind};
use holiday_core::error::ErrorCode;
use holiday_core::policy::Options;

use super::bindings::GuestPre;
use super::bindings::holiday::durable::manifest;
use super::config::WasmConfig;
use super::error::ComponentError;
use super::sandbox::Sandbox;
use super::{compile, failure, limits};
use crate::media::is_json;
use crate::policy;
use crate::schema::{InputSchema, Schema, SchemaError};

/// Services whose names begin so would hide paths of the host itself.
const RESERVED_PREFIX: &str = "restate";

/// What stands beside the services in the paths of the door for operators.
const RESERVED_NAME: &str = "openapi";

/// Instantiates the component and calls its `describe`.
pub(super) async fn describe(
    pre: &GuestPre<Sandbox>,
    config: &WasmConfig,
    component: Option<&str>,
) -> Result<Vec<Service>, ComponentError> {
    let mut store = Sandbox::for_describing(config, component).into_store(pre.engine());
    let guest = match pre.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) if failure::is_of_guest(&error) => return Err(failed(store.data(), &error)),
        Err(error) => return Err(compile::mistyped_export(&error)),
    };
    let described = guest.call_describe(&mut store).await;
    let described = described.map_err(|error| failed(store.data(), &error))?;
    // Compiling the schemas of many handlers takes a while.
    let checked = tokio::task::spawn_blocking(move || services(described)).await;
    let checked = checked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    checked.map_err(ComponentError::BadManifest)
}

fn failed(sandbox: &Sandbox, error: &wasmtime::Error) -> ComponentError {
    let text = failure::explain(error, sandbox);
    let code = ErrorCode::of_message(&text).unwrap_or(ErrorCode::GuestTrapped);
    ComponentError::DescribeFailed { code, reason: failure::without_code(&text) }
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
    let schemas = described.iter().flat_map(schemas).map(str::len).sum::<usize>();
    if schemas > limits::SCHEMAS_BYTES_MAX {
        let max = limits::SCHEMAS_BYTES_MAX;
        return Err(format!("the schemas of the component have {schemas} bytes together, more than {max}"));
    }
    let texts = described.iter().map(bytes_beside_schemas).sum::<usize>();
    if texts > limits::DESCRIPTION_BYTES_MAX {
        let max = limits::DESCRIPTION_BYTES_MAX;
        return Err(format!(
            "the names, documentation and settings of the component have {texts} bytes together, more than {max}"
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

fn schemas(service: &manifest::Service) -> impl Iterator<Item = &str> {
    let sides = service.handlers.iter().flat_map(|it| [&it.input, &it.output]);
    sides.filter_map(|side| side.as_ref()?.schema.as_deref())
}

/// Bytes of all that a service says about itself, without its schemas.
fn bytes_beside_schemas(service: &manifest::Service) -> usize {
    let documentation = |it: &Option<String>| it.as_ref().map_or(0, String::len);
    let settings =
        |it: &[manifest::Setting]| it.iter().map(|it| it.name.len() + it.value.len()).sum::<usize>();
    let media = |it: &Option<manifest::Media>| it.as_ref().map_or(0, |it| it.content_type.len());
    let handlers = service.handlers.iter().map(|it| {
        let sides = media(&it.input) + media(&it.output);
        it.name.len() + documentation(&it.documentation) + settings(&it.settings) + sides
    });
    let own = documentation(&service.documentation) + settings(&service.settings);
    service.name.len() + own + handlers.sum::<usize>()
}

fn service(described: manifest::Service) -> Result<Service, String> {
    let name = described.name;
    check_name("a service", &name)?;
    if name.to_ascii_lowercase().starts_with(RESERVED_PREFIX) {
        return Err(format!(
            "service '{name}' begins with '{RESERVED_PREFIX}', which is reserved; rename it"
        ));
    }
    if name == RESERVED_NAME {
        return Err(format!("a service cannot be called '{name}', which is reserved; rename it"));
    }
    let here = format!("service '{name}'");
    let options = options(&here, &described.settings)?;
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
        .map(|described| handler(&here, described))
        .collect::<Result<_, _>>()?;
    check_handlers(&here, kind, &handlers)?;
    Ok(Service { name, kind, handlers, documentation: described.documentation, options })
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

fn handler(service: &str, described: manifest::Handler) -> Result<Handler, String> {
    let name = described.name;
    check_name(&format!("a handler of {service}"), &name)?;
    let here = format!("handler '{name}' of {service}");
    Ok(Handler {
        mode: match described.mode {
            manifest::HandlerMode::Exclusive => HandlerMode::Exclusive,
            manifest::HandlerMode::Shared => HandlerMode::Shared,
            manifest::HandlerMode::WorkflowRun => HandlerMode::WorkflowRun,
        },
        input: described.input.map(|it| input(&here, it)).transpose()?,
        output: described.output.map(|it| output(&here, it)).transpose()?,
        documentation: described.documentation,
        options: options(&here, &described.settings)?,
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

fn input(here: &str, described: manifest::Media) -> Result<Media, String> {
    let input = media(here, "input", described)?;
    let Some(schema) = &input.schema else { return Ok(input) };
    let schema = InputSchema::compile(schema).map_err(|error| wrong_schema(here, "input", &error))?;
    if schema.seals() && !is_json(&input.content_type) {
        return Err(format!(
            "the input of {here} is '{}', of which nothing can be sealed; make it 'application/json', or take \
             'x-holiday-sealed' out of its schema",
            input.content_type
        ));
    }
    Ok(input)
}

fn output(here: &str, described: manifest::Media) -> Result<Media, String> {
    let output = media(here, "output", described)?;
    if let Some(schema) = &output.schema {
        Schema::compile(schema).map_err(|error| wrong_schema(here, "output", &error))?;
    }
    Ok(output)
}

fn wrong_schema(here: &str, side: &str, error: &SchemaError) -> String {
    format!("the schema of the {side} of {here} {error}")
}

fn media(here: &str, side: &str, media: manifest::Media) -> Result<Media, String> {
    let content_type = media.content_type;
    let is_valid = content_type.contains('/') && http::HeaderValue::from_str(&content_type).is_ok();
    match is_valid {
        true => Ok(Media { content_type, schema: media.schema }),
        false => Err(format!("the {side} of {here} has the content type '{content_type}', which is none")),
    }
}

fn options(here: &str, settings: &[manifest::Setting]) -> Result<Options, String> {
    let mut named = serde_json::Map::new();
    for setting in settings {
        let manifest::Setting { name, value } = setting;
        let value = serde_json::from_str(value)
            .map_err(|error| format!("setting '{name}' of {here} is {value}, which is not JSON: {error}"))?;
        if named.insert(name.clone(), value).is_some() {
            return Err(format!("{here} has the setting '{name}' twice; remove one"));
        }
    }
    policy::of_settings(named).map_err(|wrong| format!("among the settings of {here}, {wrong}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use holiday_core::policy::RetryOptions;
    use holiday_core::retry::Exhausted;

    use super::*;
    use crate::schema::SCHEMA_BYTES_MAX;

    fn handler(name: &str, mode: manifest::HandlerMode) -> manifest::Handler {
        manifest::Handler {
            name: name.to_owned(),
            mode,
            input: None,
            output: None,
            documentation: None,
            settings: Vec::new(),
        }
    }

    fn object(name: &str) -> manifest::Service {
        manifest::Service {
            name: name.to_owned(),
            kind: manifest::ServiceKind::Object,
            handlers: vec![handler("h", manifest::HandlerMode::Exclusive)],
            documentation: None,
            settings: Vec::new(),
        }
    }

    fn workflow(modes: &[manifest::HandlerMode]) -> manifest::Service {
        let handlers = modes.iter().zip(["a", "b", "c"]).map(|(mode, name)| handler(name, *mode)).collect();
        manifest::Service { kind: manifest::ServiceKind::Workflow, handlers, ..object("W") }
    }

    fn setting(name: &str, value: &str) -> manifest::Setting {
        manifest::Setting { name: name.to_owned(), value: value.to_owned() }
    }

    fn check(described: Vec<manifest::Service>, expected: Expect) {
        expected.assert_eq(&services(described).expect_err("it makes no sense"));
    }

    #[test]
    fn names_are_distinct_and_fit_into_paths() {
        check(vec![], expect!["the component describes no services; export at least one"]);
        check(vec![object("A"), object("A")], expect!["there are two services named 'A'; rename one"]);
        check(vec![object("")], expect!["the name of a service is empty; give it one"]);
        check(
            vec![object("a/b")],
            expect!["the name of a service, 'a/b', has a '/' in it, which a path cannot hold"],
        );
        check(
            vec![object("a\n")],
            expect![[r#"the name of a service, 'a\n', has a '\n' in it, which a path cannot hold"#]],
        );
        check(
            vec![object("RestateAdmin")],
            expect!["service 'RestateAdmin' begins with 'restate', which is reserved; rename it"],
        );
        let twice =
            vec![handler("h", manifest::HandlerMode::Shared), handler("h", manifest::HandlerMode::Shared)];
        check(
            vec![manifest::Service { handlers: twice, ..object("A") }],
            expect!["service 'A' has two handlers named 'h'; rename one"],
        );
        check(
            vec![manifest::Service { handlers: vec![], ..object("A") }],
            expect!["service 'A' has no handlers; add one"],
        );
        assert!(services(vec![object("provider::function")]).is_ok());
    }

    #[test]
    fn names_are_bounded() {
        let longest = "x".repeat(limits::NAME_BYTES_MAX);
        let too_long = longest.clone() + "x";
        let with = |name: &str| {
            let handlers = vec![handler(name, manifest::HandlerMode::Exclusive)];
            vec![manifest::Service { handlers, ..object("A") }]
        };
        assert!(services(vec![object(&longest)]).is_ok() && services(with(&longest)).is_ok());
        check(vec![object(&too_long)], expect!["the name of a service has 257 bytes, more than 256"]);
        check(with(&too_long), expect!["the name of a handler of service 'A' has 257 bytes, more than 256"]);
    }

    #[test]
    fn services_and_handlers_are_bounded() {
        let objects = |count| (0..count).map(|number| object(&format!("A{number}"))).collect();
        assert!(services(objects(limits::SERVICES_MAX)).is_ok());
        check(objects(limits::SERVICES_MAX + 1), expect!["the component has 257 services, more than 256"]);
        let with = |count| {
            let names = (0..count).map(|number| format!("h{number}"));
            let handlers = names.map(|name| handler(&name, manifest::HandlerMode::Exclusive)).collect();
            vec![manifest::Service { handlers, ..object("A") }]
        };
        assert!(services(with(limits::HANDLERS_MAX)).is_ok());
        check(with(limits::HANDLERS_MAX + 1), expect!["service 'A' has 1025 handlers, more than 1024"]);
    }

    #[test]
    fn all_that_is_described_is_bounded() {
        let documented = |size: usize| {
            let documentation = Some("d".repeat(size - "A".len() - "h".len()));
            vec![manifest::Service { documentation, ..object("A") }]
        };
        assert!(services(documented(limits::DESCRIPTION_BYTES_MAX)).is_ok());
        check(
            documented(limits::DESCRIPTION_BYTES_MAX + 1),
            expect![
                "the names, documentation and settings of the component have 4194305 bytes together, more than 4194304"
            ],
        );
        // Each may be as large as a schema may be.
        let with = |count: usize, more: &str| {
            let largest = format!("{{{}}}", " ".repeat(SCHEMA_BYTES_MAX - "{}".len()));
            let schemas = vec![largest; count].into_iter().chain((!more.is_empty()).then(|| more.to_owned()));
            let media = |schema| manifest::Media {
                content_type: "application/json".to_owned(),
                schema: Some(schema),
            };
            let handlers = schemas.zip(0..).map(|(schema, number)| manifest::Handler {
                input: Some(media(schema)),
                ..handler(&format!("h{number}"), manifest::HandlerMode::Exclusive)
            });
            vec![manifest::Service { handlers: handlers.collect(), ..object("A") }]
        };
        let most = limits::SCHEMAS_BYTES_MAX / SCHEMA_BYTES_MAX;
        assert!(services(with(most, "")).is_ok());
        check(
            with(most, "{}"),
            expect!["the schemas of the component have 8388610 bytes together, more than 8388608"],
        );
    }

    #[test]
    fn a_workflow_has_one_run_handler() {
        use manifest::HandlerMode::{Exclusive, Shared, WorkflowRun};
        check(vec![workflow(&[Shared])], expect!["service 'W' is a workflow without a run handler; add one"]);
        check(
            vec![workflow(&[WorkflowRun, WorkflowRun])],
            expect!["service 'W' is a workflow with two run handlers, 'a' and 'b'; keep one"],
        );
        check(
            vec![workflow(&[WorkflowRun, Exclusive])],
            expect![
                "handler 'b' of service 'W' is exclusive, but beside its run handler a workflow has only shared ones"
            ],
        );
        let run = vec![handler("run", WorkflowRun)];
        check(
            vec![manifest::Service { handlers: run, ..object("A") }],
            expect![
                "handler 'run' of service 'A' is a workflow's run handler, but service 'A' is no workflow"
            ],
        );
        assert!(services(vec![workflow(&[Shared, WorkflowRun, Shared])]).is_ok());
    }

    #[test]
    fn settings_are_known_and_well_formed() {
        let with = |setting| vec![manifest::Service { settings: vec![setting], ..object("A") }];
        check(
            with(setting("retries", "3")),
            expect!["among the settings of service 'A', there is no key 'retries'; did you mean 'retry'?"],
        );
        check(
            with(setting("retry", "3")),
            expect![
                "among the settings of service 'A', retry is 3, but should be a table such as { max-attempts = 3 }"
            ],
        );
        check(
            with(setting("retry", r#"{"factor": 0.5}"#)),
            expect![
                "among the settings of service 'A', retry.factor is 0.5, but should be a number, 1 or more"
            ],
        );
        check(
            with(setting("timeout-ms", "-1")),
            expect![
                "among the settings of service 'A', timeout-ms is -1, but should be a whole number of milliseconds"
            ],
        );
    }

    #[test]
    fn settings_are_those_of_whoever_has_them() {
        let mut service = object("A");
        service.settings = vec![setting("timeout-ms", "5"), setting("retry", r#"{"then": "fail"}"#)];
        service.handlers[0].settings = vec![setting("timeout-ms", "7"), setting("private", "true")];
        let service = services(vec![service]).expect("a good one").remove(0);
        let retry = RetryOptions { then: Some(Exhausted::Fail), ..RetryOptions::default() };
        assert_eq!(service.options, Options { timeout_ms: Some(5), retry, ..Options::default() });
        let own = Options { timeout_ms: Some(7), private: Some(true), ..Options::default() };
        assert_eq!(service.handlers[0].options, own);
    }

    #[test]
    fn schemas_are_json() {
        let with = |content_type: &str, schema: &str| {
            let media =
                manifest::Media { content_type: content_type.to_owned(), schema: Some(schema.to_owned()) };
            let input =
                manifest::Handler { input: Some(media), ..handler("h", manifest::HandlerMode::Exclusive) };
            vec![manifest::Service { handlers: vec![input], ..object("A") }]
        };
        check(
            with("application/json", "{"),
            expect![
                "the schema of the input of handler 'h' of service 'A' is not JSON: EOF while parsing an object at line 1 column 1"
            ],
        );
        check(
            with("application/json", "1"),
            expect!["the schema of the input of handler 'h' of service 'A' is not an object or a boolean"],
        );
        check(
            with("json", "{}"),
            expect!["the input of handler 'h' of service 'A' has the content type 'json', which is none"],
        );
        assert!(services(with("application/json", r#"{"type": "string"}"#)).is_ok());
    }

    #[test]
    fn what_is_to_be_sealed_is_clear() {
        let media = |content_type: &str, schema: &str| {
            Some(manifest::Media { content_type: content_type.to_owned(), schema: Some(schema.to_owned()) })
        };
        let with = |input, output| {
            let handler = handler("h", manifest::HandlerMode::Exclusive);
            let handlers = vec![manifest::Handler { input, output, ..handler }];
            vec![manifest::Service { handlers, ..object("A") }]
        };
        let sealed = r#"{"properties": {"card": {"type": "string", "x-holiday-sealed": true}}}"#;
        assert!(services(with(media("application/json", sealed), None)).is_ok());
        check(
            with(media("text/plain", sealed), None),
            expect![
                "the input of handler 'h' of service 'A' is 'text/plain', of which nothing can be sealed; make it 'application/json', or take 'x-holiday-sealed' out of its schema"
            ],
        );
        let unclear = r#"{"not": {"type": "string", "x-holiday-sealed": true}}"#;
        check(
            with(media("application/json", unclear), None),
            expect![
                "the schema of the input of handler 'h' of service 'A' marks the whole input with 'x-holiday-sealed', but it depends on 'not' whether it counts; put it under 'properties', 'items' or 'additionalProperties' alone"
            ],
        );
        let answers = with(None, media("application/json", unclear));
        assert!(services(answers).is_ok(), "what a handler answers with is its own affair");
    }
}
