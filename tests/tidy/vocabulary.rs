//! The vocabulary of guests is whole: what the contract offers, the SDK uses; and what the SDK offers, `guests/probe`
//! uses, in a handler that a test drives.

use std::collections::BTreeSet;

use crate::tree::{File, Finding, Tree};

const SDK: &str = "guests/sdk/src/";

/// Where the table stands that says which handler uses what.
const TABLE: &str = "guests/probe/src/vocabulary.rs";

/// A trait whose functions the macros write and call.
const WRITTEN_BY_MACROS: &str = "Service";

/// Something that the SDK offers: `Type::function`, `function`, `macro!` or a type without functions.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Item(String);

impl Item {
    /// The last part of its name.
    fn name(&self) -> &str {
        self.0.rsplit("::").next().unwrap_or_default()
    }

    /// Whether it is what is exported under a name, or a function of it.
    fn belongs_to(&self, exported: &str) -> bool {
        self.0.split("::").next() == Some(exported)
    }
}

/// A row of the table.
struct Row<'a> {
    line: usize,
    /// `Service/handler`.
    handler: &'a str,
    uses: Vec<&'a str>,
}

pub(crate) fn the_sdk_uses_the_whole_contract(tree: &Tree) -> Vec<Finding> {
    let contract = tree.file("wit/holiday.wit");
    let context = contract
        .lines()
        .skip_while(|(_, line)| !line.starts_with("interface context"))
        .take_while(|(_, line)| *line != "}");
    let functions: Vec<(usize, String)> =
        context.filter_map(|(at, line)| Some((at, function(line)?))).collect();
    assert!(functions.len() > 20, "the functions are read from the contract");
    let calls: Vec<&str> = tree.rust(&[SDK]).flat_map(File::code).map(|(_, line)| line).collect();
    let is_called = |name: &str| {
        let called = [format!("backend::{name}("), format!("Pending::{name}(")];
        calls.iter().any(|line| called.iter().any(|call| line.contains(call)))
    };
    let unused = functions.iter().filter(|(_, name)| !is_called(name));
    unused
        .map(|(at, name)| contract.find(*at, format!("the SDK never calls '{name}'; offer it to handlers")))
        .collect()
}

pub(crate) fn the_contract_explains_itself(tree: &Tree) -> Vec<Finding> {
    let contract = tree.file("wit/holiday.wit");
    let lines: Vec<(usize, &str)> = contract.lines().collect();
    let unexplained = lines.windows(2).filter_map(|pair| match pair {
        [(_, before), (at, line)] if !before.trim().starts_with("///") => Some((*at, function(line)?)),
        _ => None,
    });
    unexplained.map(|(at, name)| contract.find(at, format!("say what '{name}' does"))).collect()
}

/// The name, in Rust, of the function that a line of the contract declares.
fn function(line: &str) -> Option<String> {
    let (name, kind) = line.trim().split_once(": ")?;
    let is_function = kind.starts_with("func(") || kind.starts_with("static func(");
    is_function.then(|| name.trim_start_matches('%').replace('-', "_"))
}

pub(crate) fn the_probe_uses_the_whole_sdk(tree: &Tree) -> Vec<Finding> {
    let items = items(tree);
    assert!(items.len() > 80, "what the SDK offers is read from its sources");
    let table = tree.file(TABLE);
    let rows: Vec<Row<'_>> = table.lines().filter_map(row).collect();
    let listed: Vec<&str> = rows.iter().flat_map(|row| row.uses.iter().copied()).collect();
    let probe: Vec<&str> =
        tree.rust(&["guests/probe/src/"]).flat_map(File::code).map(|(_, line)| line).collect();
    let mut findings = Vec::new();
    for item in &items {
        if !listed.contains(&item.0.as_str()) {
            findings.push(table.find(
                1,
                format!(
                    "`{}` is in no row; use it in a handler that a test drives, and say in which",
                    item.0
                ),
            ));
        } else if !probe.iter().any(|line| is_used(line, item)) {
            findings.push(table.find(1, format!("no handler uses `{}`, although a row says so", item.0)));
        }
    }
    for row in &rows {
        for used in row.uses.iter().filter(|used| !items.contains(&Item((**used).to_owned()))) {
            findings.push(table.find(row.line, format!("the SDK has no `{used}`; take it out of the row")));
        }
        if !is_driven(tree, row.handler) {
            let message = format!("no test in tests/e2e drives {}; have one do so", row.handler);
            findings.push(table.find(row.line, message));
        }
    }
    findings
}

pub(crate) fn the_probe_sets_every_policy(tree: &Tree) -> Vec<Finding> {
    let source = tree.file("guests/sdk/macros/src/policy.rs");
    let list = source.lines().skip_while(|(_, line)| !line.starts_with("pub(crate) const NAMES"));
    let list = list.skip(1).take_while(|(_, line)| *line != "];");
    let names: Vec<(usize, &str)> = list.map(|(at, line)| (at, line.trim_matches([' ', '"', ',']))).collect();
    assert!(names.len() > 5, "the policies are read from the macros");
    let policies = tree.file("guests/probe/src/policies.rs");
    let is_set = |name: &str| policies.code().any(|(_, line)| sets(line, name));
    let missing = names.iter().filter(|(_, name)| !is_set(name));
    missing
        .map(|(at, name)| {
            source.find(*at, format!("no handler in {} has the policy '{name}'; add one", policies.path))
        })
        .collect()
}

/// Whether an attribute in this line sets the policy.
fn sets(line: &str, name: &str) -> bool {
    let options = line.trim_start().strip_prefix("#[handler(");
    let options =
        options.or_else(|| line.strip_prefix("#[holiday_sdk::").and_then(|it| it.split_once('(')?.1.into()));
    options.is_some_and(|options| options.split(", ").any(|option| name_at(option) == name))
}

/// All that `lib.rs` exports, in modules that it exports, and the functions of those types.
fn items(tree: &Tree) -> BTreeSet<Item> {
    let exported = exported(tree.file("guests/sdk/src/lib.rs"));
    let mut items = BTreeSet::new();
    for file in tree.rust(&[SDK]) {
        let module = if file.path.ends_with("/http.rs") { "http::" } else { "" };
        items.extend(functions(file).into_iter().map(|function| Item(format!("{module}{function}"))));
    }
    let is_exported =
        |item: &Item| item.0.starts_with("http::") || exported.iter().any(|name| item.belongs_to(name));
    items.retain(is_exported);
    for name in exported {
        if !items.iter().any(|item| item.belongs_to(&name)) {
            items.insert(Item(name));
        }
    }
    items
}

/// The names in `pub use …::{…}`, and what else the file itself offers.
fn exported(lib: &File) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::from(["join!".to_owned(), "export!".to_owned()]);
    let own = lib.code().take_while(|(_, line)| !line.starts_with("pub mod __private"));
    for (_, line) in own {
        if let Some((_, path)) = line.strip_prefix("pub use ").and_then(|rest| rest.split_once("::")) {
            let list = path.trim_matches(['{', '}', ';']);
            names.extend(list.split(", ").map(|name| name.trim_end_matches("};").to_owned()));
        } else if let Some(rest) = line.strip_prefix("pub fn ") {
            names.insert(name_at(rest));
        }
    }
    names
}

/// What the functions of a block belong to.
enum Owner {
    Type(String),
    Trait(String),
}

/// The public functions and constants of a file, those of a type or a trait as `Type::function`.
fn functions(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let mut owner = None;
    for (_, line) in file.code().take_while(|(_, line)| !line.starts_with("pub mod __private")) {
        if line.starts_with(|c: char| c.is_alphabetic()) {
            owner = owner_of(line);
        }
        let line = line.replace("pub async fn ", "pub fn ");
        match &owner {
            Some(Owner::Type(name)) => {
                found.extend(
                    line.strip_prefix("    pub fn ").map(|rest| format!("{name}::{}", name_at(rest))),
                );
            }
            Some(Owner::Trait(name)) if name == WRITTEN_BY_MACROS => {}
            Some(Owner::Trait(name)) => {
                found.extend(line.strip_prefix("    fn ").map(|rest| format!("{name}::{}", name_at(rest))));
            }
            None => {
                let declared = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub const "));
                found.extend(declared.map(name_at));
            }
        }
    }
    found
}

/// The type or the trait that a line begins the block of.
fn owner_of(line: &str) -> Option<Owner> {
    if let Some(name) = line.strip_prefix("pub trait ") {
        return Some(Owner::Trait(name_at(name)));
    }
    let inherent = line.strip_prefix("impl").filter(|rest| !rest.contains(" for "));
    inherent.map(|rest| Owner::Type(name_at(after_generics(rest))))
}

/// What stands after `<…>`, which may be nested.
fn after_generics(text: &str) -> &str {
    let mut depth = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at + c.len_utf8())
    });
    match text.starts_with('<') {
        true => text[end.unwrap_or(0)..].trim_start(),
        false => text.trim_start(),
    }
}

/// The name that a text begins with.
fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a line uses an item, as far as a text can tell.
fn is_used(line: &str, item: &Item) -> bool {
    let name = item.name();
    let forms = match item.0.split("::").collect::<Vec<_>>()[..] {
        [_] if name.ends_with('!') => vec![name.to_owned()],
        [_] => vec![name.to_owned()],
        _ => vec![format!(".{name}("), format!(".{name}::<"), format!("{}(", item.0), item.0.clone()],
    };
    forms.iter().any(|form| line.contains(form.as_str()))
}

/// Reads ``//! | `Service/handler` | `Type::function`, … |``.
fn row((line, text): (usize, &str)) -> Option<Row<'_>> {
    let (handler, uses) = text.strip_prefix("//! | `")?.split_once("` | ")?;
    let uses = uses.split(", ").map(|used| used.trim_matches(['`', ' ', '|'])).collect();
    Some(Row { line, handler, uses })
}

/// Whether a path in the end-to-end tests leads to the handler.
fn is_driven(tree: &Tree, handler: &str) -> bool {
    let Some((service, handler)) = handler.split_once('/') else { return false };
    let (service, handler) = (format!("/{service}/"), format!("/{handler}"));
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    tree.rust(&["tests/e2e/"]).flat_map(File::lines).any(|(_, line)| {
        let path = line.split_once(&service).map(|(_, rest)| format!("/{rest}"));
        path.is_some_and(|path| path.match_indices(&handler).any(|(at, it)| ends(&path[at + it.len()..])))
    })
}
