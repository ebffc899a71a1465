//! What a handler can know about its own invocation.

use std::time::{Duration, SystemTime};

use crate::backend;

/// What the host knows about the running invocation.
///
/// ```no_run
/// # use holiday_sdk::{Context, Error, Info};
/// # async fn handler(ctx: Context) -> Result<(), Error> {
/// let Info { service, handler, .. } = ctx.info();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `inv_…`
    pub invocation_id: String,
    /// The name of the service, object or workflow.
    pub service: String,
    /// The object's key or the workflow's id.
    pub key: Option<String>,
    /// The name of the handler.
    pub handler: String,
    /// Names are lower case.
    pub headers: Vec<(String, String)>,
    /// The key the caller gave, if any.
    pub idempotency_key: Option<String>,
    /// When the host accepted the invocation.
    pub created_at: SystemTime,
}

impl Info {
    pub(crate) fn read() -> Self {
        let info = backend::invocation_info();
        Self {
            invocation_id: info.invocation_id,
            service: info.target.service,
            key: info.target.key,
            handler: info.target.handler,
            headers: info.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            idempotency_key: info.idempotency_key,
            created_at: SystemTime::UNIX_EPOCH + Duration::from_millis(info.created_at_ms),
        }
    }

    /// Returns the first header of this name; the case does not matter.
    ///
    /// ```no_run
    /// # use holiday_sdk::{Context, Error};
    /// # async fn handler(ctx: Context) -> Result<(), Error> {
    /// let tenant = ctx.info().header("X-Tenant").map(str::to_owned);
    /// # Ok(()) }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
