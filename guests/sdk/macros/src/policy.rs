//! The policies that authors set: named options in the source, settings with JSON values for the host.

use std::fmt;
use std::str::FromStr;

use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprArray, ExprLit, Lit, LitBool, LitFloat, LitInt, LitStr, Result};

use crate::contract::{Kind, Setting};
use crate::duration;

/// Policies of a service and of a handler. Those of [`DURATIONS`] may end in `_ms`, too.
pub(crate) const NAMES: [&str; 8] = [
    "retry",
    "timeout",
    "cpu",
    "idempotency_retention",
    "workflow_retention",
    "journal_retention",
    "private",
    "keep_headers",
];

const DURATIONS: [&str; 5] =
    ["timeout", "cpu", "idempotency_retention", "workflow_retention", "journal_retention"];

/// Members of `retry`. Those of [`RETRY_DURATIONS`] may end in `_ms`, too.
const RETRY_NAMES: [&str; 6] =
    ["initial_interval", "factor", "max_interval", "max_attempts", "max_duration", "then"];

const RETRY_DURATIONS: [&str; 3] = ["initial_interval", "max_interval", "max_duration"];

/// How alike a name must be to be suggested, from 0 (nothing in common) to 1 (equal).
const SUGGESTED_SIMILARITY: f64 = 0.7;

/// Reads one option, if it is a policy.
pub(crate) fn read(name: &str, meta: &ParseNestedMeta<'_>, settings: &mut Vec<Setting>) -> Result<bool> {
    let (host_name, value) = match name {
        "retry" => ("retry".to_owned(), retry(meta)?),
        "private" => ("private".to_owned(), private(meta)?),
        "keep_headers" => ("keep-headers".to_owned(), header_names(meta)?),
        _ => match duration(name, &DURATIONS, meta)? {
            Some((plain, millis)) => (format!("{}-ms", plain.replace('_', "-")), millis.to_string()),
            None => return Ok(false),
        },
    };
    if settings.iter().any(|setting| setting.name == host_name) {
        return Err(meta.error(format!("`{}` is set twice", plain(name))));
    }
    settings.push(Setting { name: host_name, value, span: meta.path.span() });
    Ok(true)
}

/// Refuses policies that mean nothing for this kind of service.
pub(crate) fn check(kind: Kind, settings: &[Setting]) -> Result<()> {
    let misplaced = settings.iter().find(|setting| setting.name == "workflow-retention-ms");
    match (kind, misplaced) {
        (Kind::Service | Kind::Object, Some(setting)) => Err(Error::new(
            setting.span,
            "only the outcome of a workflow is kept by its id; for idempotency keys there is \
             `idempotency_retention`",
        )),
        (Kind::Workflow, _) | (_, None) => Ok(()),
    }
}

/// Says which options there are, and which of them may have been meant.
pub(crate) fn unknown(meta: &ParseNestedMeta<'_>, asked: &str, known: &[&str]) -> Error {
    let likeness = |name: &str| strsim::jaro_winkler(name, plain(asked));
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let nearest = nearest.filter(|name| likeness(name) >= SUGGESTED_SIMILARITY);
    let all: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let all = all.join(", ");
    meta.error(match nearest {
        Some(nearest) => {
            format!("there is no option `{asked}`; did you mean `{nearest}`? The options are {all}")
        }
        None => format!("there is no option `{asked}`; the options are {all}"),
    })
}

fn plain(name: &str) -> &str {
    name.strip_suffix("_ms").unwrap_or(name)
}

/// Reads `name = "30s"` or `name_ms = 30000`, if it is one of `names`.
fn duration<'a>(name: &'a str, names: &[&str], meta: &ParseNestedMeta<'_>) -> Result<Option<(&'a str, u64)>> {
    if names.contains(&name) {
        let text: LitStr = literal(meta, "a duration, such as \"30s\"")?;
        let millis = duration::millis(&text.value()).ok_or_else(|| {
            let complaint = format!(
                "`{}` is no duration; write whole numbers with units, such as \"500ms\", \"30s\" or \"1h 30m\": \
                 the units are ms, s, m, h, d and w",
                text.value()
            );
            Error::new(text.span(), complaint)
        })?;
        return Ok(Some((name, millis)));
    }
    match name.strip_suffix("_ms") {
        Some(plain) if names.contains(&plain) => {
            Ok(Some((plain, whole_number(meta, "a whole number of milliseconds")?)))
        }
        Some(_) | None => Ok(None),
    }
}

/// Reads `retry(max_attempts = 3, then = "fail")`.
fn retry(meta: &ParseNestedMeta<'_>) -> Result<String> {
    if !meta.input.peek(syn::token::Paren) {
        return Err(meta.error("`retry` is written as `retry(max_attempts = 3, then = \"fail\")`"));
    }
    let mut members: Vec<(String, String)> = Vec::new();
    meta.parse_nested_meta(|member| {
        let asked = member.path.require_ident()?.to_string();
        let (name, value) = retry_member(&asked, &member)?;
        if members.iter().any(|(known, _)| *known == name) {
            return Err(member.error(format!("`{}` is set twice", plain(&asked))));
        }
        members.push((name, value));
        Ok(())
    })?;
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Ok(format!("{{{}}}", members.join(",")))
}

fn retry_member(asked: &str, member: &ParseNestedMeta<'_>) -> Result<(String, String)> {
    if let Some((name, millis)) = duration(asked, &RETRY_DURATIONS, member)? {
        return Ok((format!("{}Ms", camel_case(name)), millis.to_string()));
    }
    let value = match asked {
        "factor" => factor(member)?,
        "max_attempts" => {
            whole_number::<u32>(member, "a whole number that fits into 32 bits; zero is no bound")?
                .to_string()
        }
        "then" => {
            let then: LitStr = literal(member, "\"pause\" or \"fail\"")?;
            match then.value().as_str() {
                "pause" | "fail" => format!("\"{}\"", then.value()),
                other => {
                    let complaint = format!("`{other}` is neither \"pause\" nor \"fail\"");
                    return Err(Error::new(then.span(), complaint));
                }
            }
        }
        _ => return Err(unknown(member, asked, &RETRY_NAMES)),
    };
    Ok((camel_case(asked), value))
}

fn factor(member: &ParseNestedMeta<'_>) -> Result<String> {
    let value: Lit = literal(member, "a number, 1 or more")?;
    let factor = match &value {
        Lit::Int(number) => LitInt::base10_parse::<f64>(number)?,
        Lit::Float(number) => LitFloat::base10_parse::<f64>(number)?,
        other => return Err(Error::new(other.span(), "`factor` is a number, 1 or more")),
    };
    match factor.is_finite() && factor >= 1.0 {
        true => Ok(factor.to_string()),
        false => Err(Error::new(value.span(), "`factor` is 1 or more, so that the intervals do not shrink")),
    }
}

/// Reads `private`, or `private = false`.
fn private(meta: &ParseNestedMeta<'_>) -> Result<String> {
    if !meta.input.peek(syn::Token![=]) {
        return Ok("true".to_owned());
    }
    let value: LitBool = literal(meta, "`true` or `false`, or stands alone")?;
    Ok(value.value.to_string())
}

/// Reads `keep_headers = ["authorization"]`.
fn header_names(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let form = "a list of names, such as [\"authorization\"]";
    let list: ExprArray = literal(meta, form)?;
    let names = list.elems.iter().map(|element| match element {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => header_name(name),
        other => Err(Error::new(other.span(), format!("`keep_headers` is {form}"))),
    });
    Ok(format!("[{}]", names.collect::<Result<Vec<String>>>()?.join(",")))
}

fn header_name(name: &LitStr) -> Result<String> {
    let text = name.value().to_ascii_lowercase();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match !text.is_empty() && text.chars().all(is_token) {
        true => Ok(format!("\"{text}\"")),
        false => Err(Error::new(name.span(), format!("`{}` is no name of a header", name.value()))),
    }
}

/// Reads `= value`; the error says what value it should be.
fn literal<T: Parse>(meta: &ParseNestedMeta<'_>, form: &str) -> Result<T> {
    let name = meta.path.require_ident()?;
    let wrong = |error: Error| Error::new(error.span(), format!("`{name}` is {form}"));
    meta.value().map_err(wrong)?.parse().map_err(wrong)
}

fn whole_number<T: FromStr<Err: fmt::Display>>(meta: &ParseNestedMeta<'_>, form: &str) -> Result<T> {
    let number: LitInt = literal(meta, form)?;
    let name = meta.path.require_ident()?;
    number.base10_parse().map_err(|_| Error::new(number.span(), format!("`{name}` is {form}")))
}

fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        text + &initial.to_ascii_uppercase() + rest
    })
}
