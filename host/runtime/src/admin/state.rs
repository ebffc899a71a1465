//! The state of one object or workflow: read it, and replace it.
//!
//! Values are JSON. One that is put back as it was shown stays as it is, byte for byte; so nothing is lost of what is no
//! JSON, or was written in another way.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use bytes::Bytes;
use holiday_core::engine::Refusal;
use holiday_core::error::ErrorCode;
use holiday_core::event::ReplaceState;
use holiday_core::state::StateVersion;
use holiday_core::value::Payload;
use http::{StatusCode, Uri};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::Error;
use super::request::{self, Parameters};
use super::{Admin, STATE_BODY_BYTES_MAX, STATE_ROUNDS_MAX, Shared, model};

/// Values by their names, as people see them.
type Values = BTreeMap<String, Box<RawValue>>;

/// Reads values, and refuses a name that is there twice: one of the two would be lost.
fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<Values, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = Values;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a value for each name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Values, A::Error> {
            let mut values = Values::new();
            while let Some((name, value)) = members.next_entry::<String, Box<RawValue>>()? {
                if values.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("'{name}' is there twice")));
                }
                values.insert(name, value);
            }
            Ok(values)
        }
    }

    from.deserialize_map(EachOnce)
}

#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub(super) struct ObjectState {
    service: String,
    key: String,
    /// Another state has another version.
    version: String,
    #[schema(value_type = BTreeMap<String, Value>)]
    state: Values,
}

/// A whole state, as it is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    #[serde(deserialize_with = "each_once")]
    state: Values,
    /// Replace only this one.
    version: Option<String>,
    service: Option<String>,
    key: Option<String>,
}

/// The same in Restate's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Modification {
    object_key: String,
    #[serde(deserialize_with = "each_once")]
    new_state: Values,
    version: Option<String>,
}

pub(super) async fn read(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    let Path((service, key)) = path?;
    show(&admin, service, key).await
}

/// Puts a whole state in place of the one before.
pub(super) async fn write(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let Path((service, key)) = path?;
    Parameters::read(request.uri().query(), &[])?;
    let example = r#"{"state": {"items": []}}"#;
    let it: Replacement = request::json(request.into_body(), STATE_BODY_BYTES_MAX, example).await?;
    check_same("service", it.service, &service)?;
    check_same("key", it.key, &key)?;
    replace(&admin, service, key, it.state, version(it.version)?).await
}

pub(super) async fn clear(
    admin: Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Error> {
    let Path((service, key)) = path?;
    let expected = version(Parameters::read(uri.query(), &["version"])?.take("version"))?;
    replace(&admin, service, key, Values::new(), expected).await
}

/// Like [`write`], with the key in the body.
pub(super) async fn modify(
    admin: Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Error> {
    let Path(service) = path?;
    Parameters::read(request.uri().query(), &[])?;
    let example = r#"{"object_key": "ann", "new_state": {"items": []}}"#;
    let it: Modification = request::json(request.into_body(), STATE_BODY_BYTES_MAX, example).await?;
    replace(&admin, service, it.object_key, it.new_state, version(it.version)?).await
}

async fn show(admin: &Admin, service: String, key: String) -> Result<Response, Error> {
    check_has_state(admin, &service)?;
    let (values, version) = current(admin, &service, &key).await?;
    let state = values.into_iter().map(|(name, payload)| (name, model::value(&payload))).collect();
    let shown = ObjectState { service, key, version: version.to_string(), state };
    Ok(model::json(StatusCode::OK, &shown))
}

fn check_has_state(admin: &Admin, service: &str) -> Result<(), Error> {
    match admin.handle.catalog().revisions.get(service) {
        None => Err(admin.unknown_service(service)),
        Some(it) if !it.service.kind.is_keyed() => {
            Err(Refusal::HasNoState { service: service.to_owned() }.into())
        }
        Some(_) => Ok(()),
    }
}

async fn current(
    admin: &Admin,
    service: &str,
    key: &str,
) -> Result<(BTreeMap<String, Payload>, StateVersion), Error> {
    let (service, key) = (service.to_owned(), key.to_owned());
    let found = admin
        .query(move |state| Ok((state.object_state(&service, &key)?, state.state_version(&service, &key)?)));
    let (values, version) = found.await?;
    Ok((values.into_iter().collect(), version))
}

/// Replaces the state if it is `expected`; without that, whatever it is.
async fn replace(
    admin: &Admin,
    service: String,
    key: String,
    given: Values,
    expected: Option<StateVersion>,
) -> Result<Response, Error> {
    check_has_state(admin, &service)?;
    let rounds_max = if expected.is_some() { 1 } else { STATE_ROUNDS_MAX };
    let replaced =
        again_if_changed(rounds_max, || replace_once(admin, &service, &key, &given, expected)).await;
    replaced?;
    show(admin, service, key).await
}

async fn replace_once(
    admin: &Admin,
    service: &str,
    key: &str,
    given: &Values,
    expected: Option<StateVersion>,
) -> Result<(), Error> {
    let (before, is) = current(admin, service, key).await?;
    let values = given.iter().map(|(name, value)| (name.clone(), payload(value, before.get(name))));
    let replacement = ReplaceState {
        service: service.to_owned(),
        key: key.to_owned(),
        values: values.collect(),
        expected: Some(expected.unwrap_or(is)),
    };
    Ok(admin.handle.replace_state(replacement).await?)
}

/// Replaces, so many times in all while the state has changed since it was looked at.
async fn again_if_changed<F: Future<Output = Result<(), Error>>>(
    rounds_max: u32,
    replace: impl Fn() -> F,
) -> Result<(), Error> {
    let mut rounds = 1;
    loop {
        match replace().await {
            Err(error) if error.code() == ErrorCode::StateChanged && rounds < rounds_max => rounds += 1,
            replaced => return replaced,
        }
    }
}

/// What is stored for a value: what was there, if it is given as that was shown.
fn payload(given: &RawValue, before: Option<&Payload>) -> Payload {
    let same = before.filter(|before| compact(model::value(before).get()) == compact(given.get()));
    same.cloned().unwrap_or_else(|| Bytes::copy_from_slice(given.get().as_bytes()))
}

/// A JSON text without the whitespace between its tokens.
fn compact(json: &str) -> String {
    let mut is_in_text = false;
    let mut is_escaped = false;
    let is_token = |it: &char| {
        let was_in_text = is_in_text;
        match it {
            '"' if !is_escaped => is_in_text = !is_in_text,
            _ => {}
        }
        is_escaped = *it == '\\' && !is_escaped;
        was_in_text || !it.is_ascii_whitespace()
    };
    json.chars().filter(is_token).collect()
}

fn check_same(what: &str, said: Option<String>, asked: &str) -> Result<(), Error> {
    match said.filter(|said| said != asked) {
        None => Ok(()),
        Some(said) => {
            let message =
                format!("the body is the state of the {what} '{said}', and the path says '{asked}'");
            Err(Error::bad_request(ErrorCode::MalformedBody, message))
        }
    }
}

fn version(text: Option<String>) -> Result<Option<StateVersion>, Error> {
    let parsed = text.map(|text| text.parse::<StateVersion>()).transpose();
    parsed.map_err(|error| Error::bad_request(ErrorCode::MalformedId, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_state_that_changes_each_time_in_between_is_left_as_it_is() {
        let rounds = Cell::new(0);
        let changed_until = async |last: u32| {
            rounds.set(0);
            let replace = || {
                rounds.set(rounds.get() + 1);
                let has_changed = rounds.get() < last;
                let changed = || Error::new(StatusCode::CONFLICT, ErrorCode::StateChanged, "it changed");
                async move { if has_changed { Err(changed()) } else { Ok(()) } }
            };
            again_if_changed(STATE_ROUNDS_MAX, replace).await.map_err(|error| error.code())
        };
        assert_eq!(changed_until(STATE_ROUNDS_MAX).await, Ok(()));
        assert_eq!(changed_until(STATE_ROUNDS_MAX + 1).await, Err(ErrorCode::StateChanged));
        assert_eq!(rounds.get(), STATE_ROUNDS_MAX);
    }

    fn stored(given: &str, before: &'static [u8]) -> Payload {
        let given: Box<RawValue> = serde_json::from_str(given).expect("JSON");
        payload(&given, Some(&Bytes::from_static(before)))
    }

    #[test]
    fn a_value_that_is_put_back_stays_as_it_is() {
        assert_eq!(
            stored(r#"{"a":1.0, "b":[ ]}"#, br#"{ "a": 1.0,"b": []}"#),
            &br#"{ "a": 1.0,"b": []}"#[..]
        );
        assert_eq!(stored(r#"{"text":"no JSON"}"#, b"no JSON"), &b"no JSON"[..]);
        assert_eq!(stored(r#"{"hex":"00ff"}"#, b"\x00\xff"), &b"\x00\xff"[..]);
        assert_eq!(stored("null", b""), &b""[..]);
    }

    #[test]
    fn a_value_that_differs_is_stored_as_it_was_given() {
        assert_eq!(stored("12345678901234567891", b"12345678901234567890"), &b"12345678901234567891"[..]);
        assert_eq!(stored(r#""a  \" b""#, br#""a \" b""#), &br#""a  \" b""#[..]);
        assert_eq!(stored(r#"{"b":1, "a":2}"#, br#"{"a":2,"b":1}"#), &br#"{"b":1, "a":2}"#[..]);
    }
}
