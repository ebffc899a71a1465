//! What an invocation is addressed to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A handler of a service, or of one object or workflow of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    pub service: String,
    /// The object key or workflow id; `None` for a plain service.
    pub key: Option<String>,
    pub handler: String,
}

impl Target {
    pub fn service(service: impl Into<String>, handler: impl Into<String>) -> Self {
        Target { service: service.into(), key: None, handler: handler.into() }
    }

    pub fn keyed(service: impl Into<String>, key: impl Into<String>, handler: impl Into<String>) -> Self {
        Target { service: service.into(), key: Some(key.into()), handler: handler.into() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}/{}/{}", self.service, key, self.handler),
            None => write!(f, "{}/{}", self.service, self.handler),
        }
    }
}
