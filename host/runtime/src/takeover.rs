//! What a component takes away from callers when it becomes the latest of its services.

use std::fmt;

use holiday_core::deployment::{Handler, HandlerMode, Service};

use crate::driver::Catalog;
use crate::schema::has_mark;

/// A service that would no longer offer what its latest revision does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service '{service}' would {losses}; keep what callers rely on, or register the component with force"
)]
pub struct Loss {
    service: String,
    losses: Losses,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Losses {
    gone: Vec<String>,
    changed: Vec<(String, &'static str)>,
    /// Inputs of which nothing is sealed any more.
    unsealed: Vec<String>,
}

/// Finds the first service of a component that takes something away.
pub fn check(services: &[Service], catalog: &Catalog) -> Result<(), Loss> {
    for service in services {
        let Some(latest) = catalog.revisions.get(&service.name) else { continue };
        let losses = losses(service, &latest.service);
        if losses != Losses::default() {
            return Err(Loss { service: service.name.clone(), losses });
        }
    }
    Ok(())
}

fn losses(service: &Service, latest: &Service) -> Losses {
    let mut losses = Losses::default();
    for offered in &latest.handlers {
        match service.handler(&offered.name) {
            None => losses.gone.push(offered.name.clone()),
            Some(handler) if handler.mode != offered.mode => {
                losses.changed.push((offered.name.clone(), name(handler.mode)));
            }
            Some(handler) if has_mark_on_input(offered) && !has_mark_on_input(handler) => {
                losses.unsealed.push(offered.name.clone());
            }
            Some(_) => {}
        }
    }
    losses
}

/// Whether something in its input is to be sealed. Fields are not told apart: one may have another name now.
fn has_mark_on_input(handler: &Handler) -> bool {
    let schema = handler.input.as_ref().and_then(|input| input.schema.as_deref());
    schema.is_some_and(has_mark)
}

fn name(mode: HandlerMode) -> &'static str {
    match mode {
        HandlerMode::Exclusive => "exclusive",
        HandlerMode::Shared => "shared",
        HandlerMode::WorkflowRun => "the run of a workflow",
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gone = self.gone.iter().map(|handler| format!("lose the handler '{handler}'"));
        let changed = self.changed.iter().map(|(handler, mode)| format!("make '{handler}' {mode}"));
        let unsealed =
            self.unsealed.iter().map(|handler| format!("no longer seal anything that '{handler}' takes"));
        f.write_str(&gone.chain(changed).chain(unsealed).collect::<Vec<_>>().join(", and "))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use holiday_core::deployment::{Media, Revision, ServiceKind};
    use holiday_core::id::{DeploymentId, Digest};
    use holiday_core::policy::Options;

    use super::*;

    fn service(handlers: &[(&str, HandlerMode)]) -> Service {
        let handlers = handlers.iter().map(|(name, mode)| Handler {
            name: (*name).to_owned(),
            mode: *mode,
            input: None,
            output: None,
            documentation: None,
            options: Options::default(),
        });
        Service {
            name: "cart".to_owned(),
            kind: ServiceKind::Object,
            handlers: handlers.collect(),
            documentation: None,
            options: Options::default(),
        }
    }

    fn check_against_latest(handlers: &[(&str, HandlerMode)], expected: Expect) {
        let latest = service(&[("add", HandlerMode::Exclusive), ("get", HandlerMode::Shared)]);
        let deployment = DeploymentId::of(&Digest::of(b"latest"));
        let revision = Revision { deployment, number: 1, service: latest };
        let catalog = Catalog { revisions: [("cart".to_owned(), revision)].into(), ..Catalog::default() };
        let found = check(&[service(handlers)], &catalog);
        expected.assert_eq(&found.map_or_else(|loss| loss.to_string(), |()| "nothing is lost".to_owned()));
    }

    #[test]
    fn more_is_no_loss() {
        check_against_latest(
            &[("get", HandlerMode::Shared), ("add", HandlerMode::Exclusive), ("pay", HandlerMode::Exclusive)],
            expect!["nothing is lost"],
        );
    }

    #[test]
    fn what_is_no_longer_sealed_is_named() {
        let with = |schema: Option<&str>| {
            let mut service = service(&[("pay", HandlerMode::Exclusive)]);
            let media = |schema: &str| Media {
                content_type: "application/json".to_owned(),
                schema: Some(schema.to_owned()),
            };
            service.handlers[0].input = schema.map(media);
            service
        };
        let sealed = Some(r#"{"properties": {"card": {"type": "string", "x-holiday-sealed": true}}}"#);
        let other = Some(r#"{"properties": {"pin": {"type": "string", "x-holiday-sealed": true}}}"#);
        let open = Some(r#"{"properties": {"card": {"type": "string"}}}"#);
        for (latest, next, is_lost) in [
            (sealed, open, true),
            (sealed, None, true),
            (sealed, sealed, false),
            (sealed, other, false),
            (open, sealed, false),
            (open, open, false),
        ] {
            let losses = losses(&with(next), &with(latest));
            let expected = if is_lost { "no longer seal anything that 'pay' takes" } else { "" };
            assert_eq!(losses.to_string(), expected, "{latest:?} {next:?}");
        }
    }

    #[test]
    fn what_is_gone_or_changed_is_named() {
        check_against_latest(
            &[("add", HandlerMode::Shared)],
            expect![
                "service 'cart' would lose the handler 'get', and make 'add' shared; keep what callers rely on, or register the component with force"
            ],
        );
        check_against_latest(
            &[],
            expect![
                "service 'cart' would lose the handler 'add', and lose the handler 'get'; keep what callers rely on, or register the component with force"
            ],
        );
    }
}
