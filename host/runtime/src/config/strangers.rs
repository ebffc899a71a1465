//! Names in the configuration that nothing goes by: they may come later, or be mistyped.

use std::collections::BTreeMap;

use super::Config;
use crate::driver::Catalog;
use crate::nearest::nearest;

impl Config {
    /// Says which services, handlers and components are configured and not there.
    pub fn strangers(&self, catalog: &Catalog) -> Vec<String> {
        let mut found = Vec::new();
        for (name, policies) in &self.policies.services {
            let Some(revision) = catalog.revisions.get(name) else {
                found.push(stranger("service", name, catalog.revisions.keys()));
                continue;
            };
            let handlers: BTreeMap<&String, ()> =
                revision.service.handlers.iter().map(|handler| (&handler.name, ())).collect();
            for handler in policies.handlers.keys().filter(|it| !handlers.contains_key(it)) {
                found.push(stranger(&format!("handler of {name}"), handler, handlers.keys().copied()));
            }
        }
        let is_there = |name: &String| catalog.components.values().any(|it| it == name);
        for name in self.components.keys().filter(|name| !is_there(name)) {
            found.push(stranger("component", name, catalog.components.values()));
        }
        found
    }
}

fn stranger<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let nearest = nearest(known.map(String::as_str), name);
    let guess = nearest.map(|nearest| format!("; did you mean '{nearest}'?")).unwrap_or_default();
    format!("the configuration speaks of the {what} '{name}', and there is none{guess}")
}
