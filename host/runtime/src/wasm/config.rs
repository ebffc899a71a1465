//! What an operator chooses for the sandbox.

use super::http::AllowedHosts;
use super::limits;
use crate::metrics::Metrics;

/// The bounds of the sandbox and what guests are given.
#[derive(Clone, Debug)]
pub struct WasmConfig {
    pub instances_max: u32,
    pub memory_bytes_max: usize,
    pub cpu_budget_ms: u64,
    pub guest: GuestConfig,
    /// What counts instances and what guests do.
    pub metrics: Metrics,
}

impl Default for WasmConfig {
    fn default() -> Self {
        WasmConfig {
            instances_max: limits::INSTANCES_MAX,
            memory_bytes_max: limits::GUEST_MEMORY_BYTES_MAX,
            cpu_budget_ms: limits::CPU_BUDGET_MS,
            guest: GuestConfig::default(),
            metrics: Metrics::default(),
        }
    }
}

/// What every guest is given.
///
/// The environment is an input that is not journaled: change it only when no handler in flight reads it.
#[derive(Clone, Debug, Default)]
pub struct GuestConfig {
    pub env: Vec<(String, String)>,
    /// Where `wasi:http` requests may go; nowhere by default.
    pub allowed_hosts: AllowedHosts,
}
