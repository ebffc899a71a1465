//! The value of a record becomes the input of a handler, by the rules that hold for the body of a request.

use std::sync::Arc;

use bytes::Bytes;
use holiday_core::error::ErrorCode;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::Ingress;
use super::directory::{Check, Destination};
use super::envelope::Opened;
use super::error::Error;
use super::input;

/// Checks inputs for sources of invocations other than requests; cheap to clone.
#[derive(Clone, Debug)]
pub struct Inputs(Arc<Ingress>);

/// Why a value is not an input of the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRefused {
    /// The HTTP status that a caller would get.
    pub status: u16,
    pub code: ErrorCode,
    pub message: String,
    /// The value may have secrets in it, and must not be stored.
    pub is_secret: bool,
}

impl Inputs {
    pub(super) fn new(ingress: Arc<Ingress>) -> Self {
        Inputs(ingress)
    }

    /// Bytes that an input may have.
    pub fn bytes_max(&self) -> usize {
        self.0.config.body_bytes_max
    }

    /// Holds a value against the input of a handler, and returns it as it may be recorded: with its sealed fields
    /// sealed. Without a content type, it is taken to be what the handler takes.
    pub async fn admit(
        &self,
        service: &str,
        handler: &str,
        content_type: Option<&str>,
        value: Bytes,
    ) -> Result<Bytes, InputRefused> {
        let ingress = &*self.0;
        let directory = ingress.directory();
        let refused = |error: Error, is_secret| InputRefused {
            status: error.status().as_u16(),
            code: error.code(),
            message: error.message().to_owned(),
            is_secret,
        };
        let service = directory.service(service).map_err(|error| refused(error, false))?;
        let endpoint = service.endpoint(handler).map_err(|error| refused(error, false))?;
        let is_secret = match endpoint.check() {
            Check::None => false,
            Check::Schema(schema) => schema.seals(),
            Check::Impossible { .. } => true,
        };
        // A value comes without an envelope, which only a destination without a key has.
        let destination = Destination { service, endpoint, key: Some(""), is_one_way: true };
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type);
            headers.insert(CONTENT_TYPE, value.unwrap_or(HeaderValue::from_static("(not text)")));
        }
        let Opened { input: value, .. } =
            input::open(destination, &headers, value).map_err(|error| refused(error, is_secret))?;
        input::admit(ingress, destination, value).await.map_err(|error| refused(error, is_secret))
    }
}
