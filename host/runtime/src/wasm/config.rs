//! What an operator chooses for the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use super::http::AllowedHosts;
use super::limits;
use crate::metrics::Metrics;
use crate::seal::Sealer;
use crate::secret::Secret;

/// The bounds of the sandbox and what guests are given.
#[derive(Clone, Debug)]
pub struct WasmConfig {
    pub instances_max: u32,
    pub memory_bytes_max: usize,
    pub cpu_budget_ms: u64,
    pub idle_keep_ms: u64,
    pub component_bytes_max: usize,
    pub components_loaded_max: usize,
    pub handles_max: usize,
    pub host_call_bytes_max: usize,
    pub rehearsal_timeout: Duration,
    /// What guests get whose component is not among `components`.
    pub guest: GuestConfig,
    /// By the name of the component; see `Deployment::name`.
    pub components: BTreeMap<String, GuestConfig>,
    /// What reveals sealed texts to steps.
    pub sealer: Sealer,
    /// What counts instances and what guests do.
    pub metrics: Metrics,
}

impl WasmConfig {
    /// What the guests of a component get.
    pub(super) fn guest(&self, component: Option<&str>) -> &GuestConfig {
        component.and_then(|name| self.components.get(name)).unwrap_or(&self.guest)
    }
}

impl Default for WasmConfig {
    fn default() -> Self {
        WasmConfig {
            instances_max: limits::INSTANCES_MAX,
            memory_bytes_max: limits::GUEST_MEMORY_BYTES_MAX,
            cpu_budget_ms: limits::CPU_BUDGET_MS,
            idle_keep_ms: limits::IDLE_KEEP_MS,
            component_bytes_max: limits::COMPONENT_BYTES_MAX,
            components_loaded_max: limits::COMPONENTS_LOADED_MAX,
            handles_max: limits::HANDLES_MAX,
            host_call_bytes_max: limits::HOST_CALL_BYTES_MAX,
            rehearsal_timeout: limits::REHEARSAL_TIMEOUT,
            guest: GuestConfig::default(),
            components: BTreeMap::new(),
            sealer: Sealer::in_memory(),
            metrics: Metrics::default(),
        }
    }
}

/// What a guest is given.
///
/// The environment is an input that is not journaled: change it only when no handler in flight reads it.
#[derive(Clone, Debug, Default)]
pub struct GuestConfig {
    pub env: Vec<(String, Secret)>,
    /// Where `wasi:http` requests may go; nowhere by default.
    pub allowed_hosts: AllowedHosts,
}
