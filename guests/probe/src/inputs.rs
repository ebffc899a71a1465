//! What the handlers take and answer.

use std::time::Duration;

use holiday_sdk::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Failing {
    pub(crate) code: u16,
    pub(crate) message: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FailTimes {
    /// Executions in all before the step fails terminally; without it, the host's defaults hold.
    pub(crate) max_attempts: Option<u32>,
    #[serde(default = "default_interval_ms")]
    pub(crate) interval_ms: u64,
}

fn default_interval_ms() -> u64 {
    10
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fetch {
    pub(crate) url: String,
    /// GET when it is absent.
    pub(crate) method: Option<String>,
    /// Sent as JSON.
    pub(crate) body: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) body: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ms {
    pub(crate) ms: u64,
}

impl Ms {
    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Address {
    pub(crate) service: String,
    pub(crate) key: Option<String>,
    pub(crate) handler: String,
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        match address.key {
            Some(key) => Self::keyed(address.service, key, address.handler),
            None => Self::service(address.service, address.handler),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Outgoing {
    pub(crate) target: Address,
    #[serde(default)]
    pub(crate) input: Value,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct InvocationId {
    pub(crate) invocation_id: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AwakeableInput {
    /// The id is appended to the list `awakeables` of this `ProbeObject` as well.
    pub(crate) publish_to: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Completion {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) value: Value,
    /// Rejects instead.
    pub(crate) error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CallOrSleep {
    pub(crate) call_ms: u64,
    pub(crate) sleep_ms: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Winner {
    /// `call` or `sleep`.
    pub(crate) winner: String,
    pub(crate) value: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) value: Value,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Compensate {
    /// The steps `do 1`, `undo 1` … are appended to the list `steps` of this `ProbeObject`.
    pub(crate) key: String,
    pub(crate) steps: u32,
    /// The step that fails terminally; none when it is absent.
    pub(crate) fail_at: Option<u32>,
    /// Sleeps this long between two steps.
    #[serde(default)]
    pub(crate) pause_ms: u64,
}
