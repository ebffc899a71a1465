//! Keys and values of records, which are bytes: text where they are UTF-8, base64 where they are not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holiday_core::error::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Error;

/// The key of a record. Both fields are absent if the record has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecordKey)]
pub(super) struct KeyText {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// A key that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl KeyText {
    pub(super) fn new(key: Option<&Bytes>) -> Self {
        let (key, key_base64) = text_or_base64(key);
        KeyText { key, key_base64 }
    }
}

/// Shows bytes as text, or else as base64.
pub(super) fn text_or_base64(bytes: Option<&Bytes>) -> (Option<String>, Option<String>) {
    match bytes.map(|bytes| str::from_utf8(bytes).map_err(|_| STANDARD.encode(bytes))) {
        Some(Ok(text)) => (Some(text.to_owned()), None),
        Some(Err(base64)) => (None, Some(base64)),
        None => (None, None),
    }
}

/// Reads a key that is given as text or as base64.
pub(super) fn one_of(key: Option<&str>, key_base64: Option<&str>) -> Result<Option<Bytes>, Error> {
    match (key, key_base64) {
        (None, None) => Ok(None),
        (Some(key), None) => Ok(Some(Bytes::copy_from_slice(key.as_bytes()))),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(key) => Ok(Some(key.into())),
            Err(error) => Err(malformed(format!("'key_base64' is not base64: {error}"))),
        },
        (Some(_), Some(_)) => Err(malformed("'key' and 'key_base64' are two keys; give one")),
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::bad_request(ErrorCode::MalformedBody, message)
}
