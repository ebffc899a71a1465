//! The wasmtime engine: how components are compiled and where their instances live.
//!
//! Invariants:
//!
//! - What a guest computes is the same on every run: NaNs are canonical, relaxed SIMD is deterministic, there
//!   are no threads.
//! - No guest holds a thread for longer than a tick, and nothing a guest does grows the host's memory beyond
//!   the pool.

use std::thread;
use std::time::Duration;

use holiday_core::error::ErrorCode;
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::config::WasmConfig;
use super::limits;

/// The pool for the instances could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "the memory for {instances} instances of {memory_bytes} bytes cannot be reserved: {reason}; allow fewer \
     instances, or raise the limit on the address space of the process (`ulimit -v`)"
)]
pub struct EngineError {
    instances: u32,
    memory_bytes: usize,
    reason: String,
}

impl EngineError {
    pub fn code(&self) -> ErrorCode {
        ErrorCode::Overloaded
    }
}

/// Makes the engine and starts its clock, which stops with it.
pub(super) fn start(config: &WasmConfig) -> Result<Engine, EngineError> {
    let error = |reason: String| EngineError {
        instances: config.instances_max,
        memory_bytes: config.memory_bytes_max,
        reason,
    };
    let engine = Engine::new(&settings(config)).map_err(|cause| error(format!("{cause:#}")))?;
    let weak = engine.weak();
    thread::Builder::new()
        .name("wasm-epoch".to_owned())
        .spawn(move || tick(&weak))
        .map_err(|cause| error(cause.to_string()))?;
    Ok(engine)
}

fn settings(config: &WasmConfig) -> Config {
    let mut settings = Config::new();
    settings
        .wasm_component_model(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .memory_init_cow(true)
        .max_wasm_stack(limits::WASM_STACK_BYTES_MAX)
        .async_stack_size(limits::FIBER_STACK_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    settings
}

fn pool(config: &WasmConfig) -> PoolingAllocationConfig {
    let instances = config.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(limits::CORE_INSTANCES_PER_INSTANCE))
        .total_memories(instances.saturating_mul(limits::MEMORIES_PER_INSTANCE))
        .total_tables(instances.saturating_mul(limits::TABLES_PER_INSTANCE))
        .total_stacks(instances)
        .max_core_instances_per_component(limits::CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(limits::MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(limits::TABLES_PER_COMPONENT_MAX)
        .max_tables_per_module(limits::TABLES_PER_MODULE_MAX)
        .max_memory_size(config.memory_bytes_max)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(limits::TABLE_KEEP_RESIDENT_BYTES)
        // The kernel names the pages a guest has written, so that only those are reset: half the cost of an
        // attempt. A kernel before 6.7 cannot, and resets the lowest ones.
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the epoch, at which running guests let others have their turn.
fn tick(engine: &EngineWeak) {
    loop {
        thread::sleep(Duration::from_millis(limits::EPOCH_TICK_MS));
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
