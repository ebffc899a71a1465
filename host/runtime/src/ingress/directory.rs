//! The services that can be called now, with what the ingress has to know of each handler.
//!
//! Made once per catalog, so that a request reads no policy and parses no media type. A schema is compiled when the
//! first body comes for it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use holiday_core::deployment::{Handler, HandlerMode, Media, RoutedHandler, ServiceKind};
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::target::Target;
use http::{HeaderValue, StatusCode};
use tracing::{info, warn};

use super::error::Error;
use super::path::{Address, Form};
use super::schema::Shape;
use crate::driver::Catalog;
use crate::media::is_json;
use crate::schema::{InputSchema, has_mark};

#[derive(Debug)]
pub(super) struct Directory {
    catalog: Arc<Catalog>,
    services: BTreeMap<String, Service>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) kind: ServiceKind,
    handlers: BTreeMap<String, Endpoint>,
}

/// A handler as its callers see it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) mode: HandlerMode,
    pub(super) input: Option<Input>,
    pub(super) output: Option<Output>,
    /// Only other handlers may invoke it.
    is_private: bool,
    /// Headers that it gets although they are not stored otherwise.
    pub(super) keep_headers: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) content_type: String,
    pub(super) is_json: bool,
    pub(super) shape: Shape,
    schema: Option<String>,
    compiled: OnceLock<Check>,
}

/// What becomes of the inputs of a handler before they are recorded.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// They are taken as they are: there is no schema, or none that can be used.
    None,
    Schema(Arc<InputSchema>),
    /// None is taken: something in them is to be sealed, and nobody can tell what.
    Impossible {
        why: String,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) content_type: HeaderValue,
    pub(super) is_json: bool,
}

/// What a path is addressed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    pub(super) service: &'a Service,
    pub(super) endpoint: &'a Endpoint,
    pub(super) key: Option<&'a str>,
    pub(super) is_one_way: bool,
}

impl Directory {
    fn new(catalog: Arc<Catalog>) -> Self {
        let services = catalog.revisions.iter().map(|(name, revision)| {
            let routed = |handler: &Handler| catalog.routes.get(name)?.handlers.get(&handler.name);
            let handlers = revision.service.handlers.iter();
            let handlers = handlers.map(|it| (it.name.clone(), Endpoint::new(it, routed(it)))).collect();
            (name.clone(), Service { name: name.clone(), kind: revision.service.kind, handlers })
        });
        Directory { services: services.collect(), catalog }
    }

    /// Finds what a path is addressed to, if callers may invoke it.
    pub(super) fn find<'a>(&'a self, address: &'a Address<'_>) -> Result<Destination<'a>, Error> {
        let service = self.service(&address.service)?;
        let (key, handler, is_one_way) = match split(service, address) {
            Some(parts) => parts,
            None => return Err(too_many_segments(service)),
        };
        let endpoint = service.endpoint(handler)?;
        if let (Some(key), false) = (key, service.kind.is_keyed()) {
            let (service, handler) = (service.name.clone(), endpoint.name.clone());
            return Err(Refusal::KeyUnexpected { service, key: key.to_owned(), handler }.into());
        }
        match endpoint.is_private {
            true => Err(private(service, endpoint)),
            false => Ok(Destination { service, endpoint, key, is_one_way }),
        }
    }

    /// Finds a service: by its exact name, or by one that differs only in case.
    pub(super) fn service(&self, name: &str) -> Result<&Service, Error> {
        lookup(&self.services, name).ok_or_else(|| {
            let nearest = nearest(&self.services, name);
            Refusal::UnknownService { service: name.to_owned(), nearest }.into()
        })
    }

    /// How a handler answers; nothing for one that is gone since it was invoked.
    pub(super) fn output_of(&self, target: &Target) -> Option<&Output> {
        self.services.get(&target.service)?.handlers.get(&target.handler)?.output.as_ref()
    }
}

impl Service {
    /// Finds a handler: by its exact name, or by one that differs only in case.
    pub(super) fn endpoint(&self, name: &str) -> Result<&Endpoint, Error> {
        lookup(&self.handlers, name).ok_or_else(|| {
            let (service, handler) = (self.name.clone(), name.to_owned());
            Refusal::UnknownHandler { service, handler, nearest: nearest(&self.handlers, name) }.into()
        })
    }
}

impl Endpoint {
    fn new(handler: &Handler, routed: Option<&RoutedHandler>) -> Self {
        let policy = routed.map(|it| &it.policy);
        Endpoint {
            name: handler.name.clone(),
            mode: handler.mode,
            input: handler.input.as_ref().map(Input::new),
            output: handler.output.as_ref().and_then(Output::new),
            is_private: policy.is_some_and(|it| it.private),
            keep_headers: policy.map(|it| it.keep_headers.clone()).unwrap_or_default(),
        }
    }

    /// What inputs are checked with.
    pub(super) fn check(&self) -> &Check {
        const NONE: &Check = &Check::None;
        self.input.as_ref().map_or(NONE, |input| input.compiled.get_or_init(|| input.compile(&self.name)))
    }
}

impl Input {
    fn new(media: &Media) -> Self {
        Input {
            content_type: media.content_type.clone(),
            is_json: is_json(&media.content_type),
            shape: Shape::of(media.schema.as_deref()),
            schema: media.schema.clone(),
            compiled: OnceLock::new(),
        }
    }

    /// A schema that cannot be used is refused when a component is registered, so one that is met here was accepted by
    /// a version of the host that could use it. Its handler takes anything and judges for itself, unless it relies on
    /// the host to seal.
    fn compile(&self, handler: &str) -> Check {
        let Some(text) = self.schema.as_deref() else { return Check::None };
        let compiled = match self.is_json {
            true => InputSchema::compile(text).map_err(|error| error.to_string()),
            false => Err(format!("is for {}, not for JSON", self.content_type)),
        };
        match compiled {
            Ok(schema) => Check::Schema(Arc::new(schema)),
            Err(why) if has_mark(text) => Check::Impossible { why },
            Err(_) if !self.is_json => Check::None,
            Err(why) => {
                warn!(handler, "inputs are not checked: the schema {why}");
                Check::None
            }
        }
    }
}

impl Output {
    fn new(media: &Media) -> Option<Self> {
        let content_type = HeaderValue::from_str(&media.content_type).ok()?;
        Some(Output { content_type, is_json: is_json(&media.content_type) })
    }
}

/// Takes the segments after the service apart: key, handler, and whether the caller does not wait.
///
/// `/cart/add/send` sends to `add` with its key in an envelope, unless `send` is a handler of `cart`.
fn split<'a>(service: &Service, address: &'a Address<'_>) -> Option<(Option<&'a str>, &'a str, bool)> {
    let rest: &[Cow<'_, str>] = &address.rest;
    match (rest, address.form) {
        ([handler], form) => Some((None, handler, form == Form::Send)),
        ([key, handler], Form::Call | Form::Send) => Some((Some(key), handler, address.form == Form::Send)),
        ([first, second], Form::Short) => match second == "send" && takes_no_key_for_send(service, first) {
            true => Some((None, first, true)),
            false => Some((Some(first), second, false)),
        },
        ([key, handler, send], Form::Short) if send == "send" => Some((Some(key), handler, true)),
        _ => None,
    }
}

fn takes_no_key_for_send(service: &Service, first: &str) -> bool {
    let is_handler = |name: &str| service.handlers.contains_key(name);
    !service.kind.is_keyed()
        || !is_handler("send") && (is_handler(first) || find_in_any_case(&service.handlers, first).is_some())
}

fn private(service: &Service, endpoint: &Endpoint) -> Error {
    let message = format!(
        "{}/{} is private: only other handlers may invoke it; call the handler that uses it",
        service.name, endpoint.name
    );
    Error::bad_request(ErrorCode::PrivateHandler, message)
}

fn too_many_segments(service: &Service) -> Error {
    let shape = match service.kind.is_keyed() {
        true => "<key>/<handler>",
        false => "<handler>",
    };
    let message = format!(
        "there is nothing at this path; call {}/{shape} or, one-way, {}/{shape}/send",
        service.name, service.name
    );
    Error::new(StatusCode::NOT_FOUND, ErrorCode::UnknownPath, message)
}

fn lookup<'a, T>(all: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    if let Some(found) = all.get(name) {
        return Some(found);
    }
    let (served, found) = find_in_any_case(all, name)?;
    info!(asked = name, %served, "served a name that differs in case; callers should write it as it is");
    Some(found)
}

/// The one entry whose name is `name` but for its case; nothing if there are several.
fn find_in_any_case<'a, T>(all: &'a BTreeMap<String, T>, name: &str) -> Option<(&'a String, &'a T)> {
    let asked = name.to_lowercase();
    let mut found = all.iter().filter(|(name, _)| name.to_lowercase() == asked);
    found.next().filter(|_| found.next().is_none())
}

fn nearest<T>(all: &BTreeMap<String, T>, name: &str) -> Option<String> {
    crate::nearest::nearest(all.keys().map(String::as_str), name).map(str::to_owned)
}

/// Keeps the directory of the latest catalog.
#[derive(Debug)]
pub(super) struct Directories {
    latest: RwLock<Arc<Directory>>,
}

impl Directories {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Directories { latest: RwLock::new(Arc::new(Directory::new(catalog))) }
    }

    /// Returns the directory of `catalog`, which is made if another one was the latest.
    pub(super) fn of(&self, catalog: Arc<Catalog>) -> Arc<Directory> {
        let latest = Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner));
        if Arc::ptr_eq(&latest.catalog, &catalog) {
            return latest;
        }
        let made = Arc::new(Directory::new(catalog));
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&made);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_if_it_is_near() {
        let all: BTreeMap<String, ()> =
            ["reserve", "confirm", "cancel"].map(|name| (name.to_owned(), ())).into();
        assert_eq!(nearest(&all, "resrve").as_deref(), Some("reserve"));
        assert_eq!(nearest(&all, "xyz"), None);
    }

    #[test]
    fn names_that_differ_in_case_alone_are_told_apart() {
        let all: BTreeMap<String, ()> = ["add", "Add"].map(|name| (name.to_owned(), ())).into();
        assert!(lookup(&all, "Add").is_some());
        assert!(lookup(&all, "ADD").is_none());
    }
}
