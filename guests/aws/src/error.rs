//! How a call to AWS fails.

use std::fmt;

use holiday_sdk::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::exchange::{Answer, Call};

/// A call that failed.
///
/// It becomes a retryable [`Error`] when it may pass: throttling, a fault of the service, a connection that failed.
/// Otherwise it becomes a terminal one. It is no [`std::error::Error`], all of which would be retryable.
///
/// ```no_run
/// # use aws::{Aws, AwsError};
/// async fn delete(aws: &Aws, name: &str) -> Result<(), AwsError> {
///     match aws.lambda().delete_function(name).await {
///         Err(error) if error.code == "ResourceNotFoundException" => Ok(()),
///         ended => ended,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// Such as `dynamodb`.
    pub service: &'static str,
    /// Such as `PutItem`.
    pub operation: &'static str,
    /// The HTTP status; none when there was no answer.
    pub status: Option<u16>,
    /// Such as `ResourceNotFoundException`; empty when there was no answer, or none that names one.
    pub code: String,
    /// What the service says, or why there was no answer.
    pub message: String,
    is_retryable: bool,
}

/// Codes that come with a status below 500 and pass.
const PASSING: [&str; 17] = [
    "BandwidthLimitExceeded",
    "ConcurrentModification",
    "EntityTemporarilyUnmodifiable",
    "OperationAbortedException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

impl AwsError {
    pub(crate) fn refused(call: &Call<'_>, status: u16, code: String, message: String) -> Self {
        let Call { service, operation, .. } = *call;
        let is_retryable = status >= 500 || matches!(status, 408 | 429) || PASSING.contains(&code.as_str());
        Self { service, operation, status: Some(status), code, message, is_retryable }
    }

    /// The host refused the request, or no answer came.
    pub(crate) fn unsent(call: &Call<'_>, error: Error) -> Self {
        let Call { service, operation, .. } = *call;
        let is_retryable = !error.is_terminal();
        Self {
            service,
            operation,
            status: None,
            code: String::new(),
            message: error.to_string(),
            is_retryable,
        }
    }

    /// An answer that says something else than it should.
    pub(crate) fn unreadable(call: &Call<'_>, answer: &Answer, why: impl fmt::Display) -> Self {
        let message = format!("the answer has another shape: {why}");
        Self::refused(call, answer.status, String::new(), message)
    }

    /// Tells whether it may pass.
    pub fn is_retryable(&self) -> bool {
        self.is_retryable
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, status, code, message, .. } = self;
        write!(f, "{service} {operation}: ")?;
        if !code.is_empty() {
            write!(f, "{code}: ")?;
        }
        f.write_str(message)?;
        match status {
            Some(status) => write!(f, " (status {status})"),
            None => Ok(()),
        }
    }
}

impl From<AwsError> for Error {
    fn from(error: AwsError) -> Self {
        if error.is_retryable {
            Error::retryable(error.to_string())
        } else {
            Error::terminal(error.to_string())
        }
    }
}

/// What a refusal says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// How the query protocol tells of a fault.
#[derive(Deserialize)]
struct ErrorResponse {
    #[serde(rename = "Error")]
    error: XmlFault,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlFault {
    code: String,
    #[serde(default)]
    message: String,
}

impl Fault {
    /// Reads a refusal in any of the protocols; one in none of them is taken as it is.
    pub(crate) fn of(answer: &Answer) -> Self {
        let body = String::from_utf8_lossy(&answer.body);
        if let Ok(ErrorResponse { error }) = quick_xml::de::from_str(&body) {
            return Self { code: error.code, message: error.message };
        }
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = |name: &str| json[name].as_str();
        let code = answer.header("x-amzn-errortype").or_else(|| text("__type")).or_else(|| text("code"));
        let message = text("message").or_else(|| text("Message"));
        let message = message.unwrap_or(if body.is_empty() { "no reason is given" } else { &body });
        Self { code: short_code(code.unwrap_or_default()).to_owned(), message: message.to_owned() }
    }
}

/// Cuts `com.amazonaws.dynamodb.v20120810#NotFound` and `NotFound:http://…` down to `NotFound`.
fn short_code(code: &str) -> &str {
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split(':').next().unwrap_or(code)
}
