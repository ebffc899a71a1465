//! The schemas of handlers in one place, under names of their own.
//!
//! A handler's schema is a document by itself: `#` is its root, and `#/$defs/Leg` is in it. Here many of them stand in
//! one document, so each definition gets a name among all, once for all that mean the same, and references are
//! written anew.

use std::collections::BTreeMap;

use holiday_core::id::Digest;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::schema::keywords::{subschemas, subschemas_mut};

/// Where the schemas of an OpenAPI document are.
const COMPONENTS: &str = "#/components/schemas/";

/// Where a schema that was made for itself has those that it refers to.
const DEFINITIONS: &str = "#/$defs/";

/// What names a schema within its document; here the document is another.
const IDENTIFIERS: [&str; 4] = ["$id", "$anchor", "$dynamicAnchor", "$schema"];

/// The dialect of the document, which needs not be said of a schema.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Definitions of one schema that are looked at for what they have in common with those of others; if there are more,
/// they are not shared.
pub(super) const SHARED_DEFINITIONS_MAX: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Schemas {
    by_name: BTreeMap<String, Value>,
    /// The name of each schema by what it says, and what all say to which it refers.
    names: BTreeMap<Digest, String>,
    /// All names, each with the number that the next one who wants it gets behind it.
    taken: BTreeMap<String, u64>,
}

/// The number of the second who wants a name.
const SECOND: u64 = 2;

impl Schemas {
    /// Takes a schema in and returns what stands for it; one that has no title becomes `name`.
    pub(super) fn add(&mut self, name: &str, schema: Option<&str>) -> Value {
        let schema = schema.and_then(|text| serde_json::from_str(text).ok());
        let Some(Value::Object(mut root)) = schema else { return schema.unwrap_or(Value::Bool(true)) };
        let definitions = match root.remove("$defs") {
            Some(Value::Object(definitions)) => definitions,
            _ => Map::new(),
        };
        forget_identifiers(&mut root);
        if subschemas(&root).next().is_none() && !root.contains_key("$ref") {
            return Value::Object(root);
        }
        // What a definition is called, only its name says; so it is with the root here.
        let title = root.remove("title");
        let title = title.as_ref().and_then(Value::as_str).unwrap_or(name);
        let document = Document::new(root, definitions);
        let root_name = self.name(title, document.meaning("", &document.root));
        let names = document.definitions.iter().map(|(name, definition)| {
            let new = self.name(name, document.meaning(name, definition));
            (name.clone(), new)
        });
        let names = Names { root: root_name.clone(), definitions: names.collect() };
        for (name, definition) in document.definitions {
            self.put(&names.definitions[&name], definition, &names);
        }
        self.put(&root_name, document.root, &names);
        reference(&root_name)
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.by_name.into_iter().collect()
    }

    /// A schema of the host's own.
    pub(super) fn put_own(&mut self, name: &str, schema: Value) {
        self.taken.insert(name.to_owned(), SECOND);
        self.by_name.insert(name.to_owned(), schema);
    }

    /// The name for what has this meaning: the one it has already, or one like `wanted` that is free.
    fn name(&mut self, wanted: &str, meaning: Digest) -> String {
        if let Some(known) = self.names.get(&meaning) {
            return known.clone();
        }
        let name = self.free(plain(wanted));
        self.taken.insert(name.clone(), SECOND);
        self.names.insert(meaning, name.clone());
        name
    }

    /// A name that nothing has: the one that is wanted, or that with a number behind it.
    fn free(&mut self, wanted: String) -> String {
        let Some(&next) = self.taken.get(&wanted) else { return wanted };
        let mut numbered = (next..).map(|number| (number, format!("{wanted}{number}")));
        let free = numbered.find(|(_, name)| !self.taken.contains_key(name));
        let (number, name) = free.expect("there are more numbers than names");
        self.taken.insert(wanted, number + 1);
        name
    }

    fn put(&mut self, name: &str, mut schema: Value, names: &Names) {
        names.rewrite(&mut schema);
        self.by_name.insert(name.to_owned(), schema);
    }
}

/// What refers to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("{COMPONENTS}{name}") })
}

/// Makes a name of letters, digits and `.-_`, as components have them.
fn plain(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || ".-_".contains(it);
    name.chars().map(|it| if is_plain(it) { it } else { '_' }).collect()
}

/// A schema as its author wrote it.
struct Document {
    root: Value,
    definitions: Map<String, Value>,
    /// All of it, if there is too much of it to look at part by part.
    whole: Option<Digest>,
}

impl Document {
    fn new(root: Map<String, Value>, definitions: Map<String, Value>) -> Self {
        let is_large = definitions.len() > SHARED_DEFINITIONS_MAX;
        let whole = || Digest::of(serde_json::json!([root, definitions]).to_string().as_bytes());
        let whole = is_large.then(whole);
        Document { root: Value::Object(root), definitions, whole }
    }

    /// What a part of it says, with all that it refers to.
    fn meaning(&self, name: &str, part: &Value) -> Digest {
        if let Some(whole) = self.whole {
            return Digest::of(format!("{whole} {name}").as_bytes());
        }
        let (mut used, mut waiting) = (BTreeMap::new(), vec![part]);
        while let Some(schema) = waiting.pop() {
            let Value::Object(object) = schema else { continue };
            waiting.extend(subschemas(object).map(|(_, within)| within));
            if let Some(Value::String(reference)) = object.get("$ref") {
                let (name, target) = self.target(reference);
                if used.insert(name, target).is_none() {
                    waiting.push(target);
                }
            }
        }
        let used: Vec<_> = used.into_iter().collect();
        Digest::of(serde_json::json!([part, used]).to_string().as_bytes())
    }

    /// The part that a reference leads to or into, with its name.
    fn target(&self, reference: &str) -> (Option<String>, &Value) {
        let named = definition(reference).and_then(|(name, _)| Some((self.definitions.get(&name)?, name)));
        named.map_or((None, &self.root), |(definition, name)| (Some(name), definition))
    }
}

/// The definition that a reference leads to, and the way from there.
fn definition(reference: &str) -> Option<(String, &str)> {
    let rest = reference.strip_prefix(DEFINITIONS)?;
    let (name, way) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some((name.replace("~1", "/").replace("~0", "~"), way))
}

/// The new names of a document's parts.
struct Names {
    root: String,
    definitions: BTreeMap<String, String>,
}

impl Names {
    fn rewrite(&self, schema: &mut Value) {
        let Value::Object(object) = schema else { return };
        forget_identifiers(object);
        if let Some(Value::String(reference)) = object.get_mut("$ref") {
            *reference = self.rewritten(reference);
        }
        subschemas_mut(object).for_each(|within| self.rewrite(within));
    }

    fn rewritten(&self, reference: &str) -> String {
        let found = definition(reference).and_then(|(name, way)| Some((self.definitions.get(&name)?, way)));
        match found {
            Some((name, way)) => format!("{COMPONENTS}{name}{way}"),
            None => format!("{COMPONENTS}{}{}", self.root, reference.trim_start_matches('#')),
        }
    }
}

fn forget_identifiers(schema: &mut Map<String, Value>) {
    // An older draft has other rules, so it has to be said.
    schema
        .retain(|name, value| !IDENTIFIERS.contains(&name.as_str()) || name == "$schema" && value != DIALECT);
}
