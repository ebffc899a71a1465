//! Every bound of the sandbox. `docs/limits.md` lists them all, with what happens beyond each.

use std::time::Duration;

/// Bytes of linear memory of one instance; a guest that is refused more and fails, fails with HH0024.
pub const GUEST_MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Instances at a time; an attempt beyond waits for one to be given back.
pub const INSTANCES_MAX: u32 = 1_000;

/// Core instances, tables and memories at a time, for each instance there may be. A component from Rust has
/// three to five core modules; one that is linked from many libraries has more, and takes the share of others.
pub const CORE_INSTANCES_PER_INSTANCE: u32 = 8;
pub const TABLES_PER_INSTANCE: u32 = 4;
pub const MEMORIES_PER_INSTANCE: u32 = 1;

/// Core instances, tables and memories of one component.
pub const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 64;
pub const TABLES_PER_COMPONENT_MAX: u32 = 64;
pub const MEMORIES_PER_COMPONENT_MAX: u32 = 4;

/// Tables of one core module.
pub const TABLES_PER_MODULE_MAX: u32 = 4;

/// Elements of one table: functions that can be called indirectly.
pub const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Bytes of the stack of wasm code, within the fiber it runs on.
pub const WASM_STACK_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the fiber: the stack of wasm code and of the host functions it calls.
pub const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;

/// Bytes of an instance's memory and tables that are reset in place when it ends and serve the next one; the
/// rest is given back to the kernel.
pub const MEMORY_KEEP_RESIDENT_BYTES: usize = 256 * 1024;
pub const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;

/// How long a guest computes before others get their turn.
pub const EPOCH_TICK_MS: u64 = 10;

/// How long a guest may compute between two operations; beyond it the attempt fails with HH0023.
pub const CPU_BUDGET_MS: u64 = 5_000;

/// How long a component may compute to describe itself.
pub const DESCRIBE_BUDGET_MS: u64 = 2_000;

/// How long an attempt that waits for an answer keeps its instance before it suspends.
pub const IDLE_KEEP_MS: u64 = 100;

/// How long a rehearsal may take; it has one CPU budget for the whole journal.
pub const REHEARSAL_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a waiting attempt looks whether others need its instance.
pub const CROWD_CHECK_MS: u64 = 10;

/// Handles a guest holds at a time: operations, streams, pollables, HTTP fields and so on.
pub const HANDLES_MAX: usize = 100_000;

/// Bytes that a guest hands to the host with one call, and those that a component describes itself with.
pub const HOST_CALL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Random bytes a guest draws with one call.
pub const RANDOM_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of one line of a guest's output; a longer one is cut.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// Lines of standard error kept to explain a trap.
pub const STDERR_LINES_KEPT: usize = 16;

/// Bytes of a component.
pub const COMPONENT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Components whose machine code is kept in memory; the one used least recently goes first.
pub const COMPONENTS_LOADED_MAX: usize = 256;

/// Bytes of the name of a service or handler.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes of all JSON schemas of one component.
pub const SCHEMAS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of all else that one component says about itself: names, documentation, settings.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Services of one component, and handlers of one service.
pub const SERVICES_MAX: usize = 256;
pub const HANDLERS_MAX: usize = 1_024;

/// How long an HTTP request of a guest may take to connect, to the first byte of the answer, and between
/// bytes of the answer. A guest may ask for less, and for more up to the last of these.
pub const HTTP_CONNECT_TIMEOUT_MS: u64 = 10_000;
pub const HTTP_FIRST_BYTE_TIMEOUT_MS: u64 = 60_000;
pub const HTTP_BETWEEN_BYTES_TIMEOUT_MS: u64 = 60_000;
pub const HTTP_TIMEOUT_MS_MAX: u64 = 600_000;

/// HTTP requests of one guest that are under way at the same time: until their answers are read to the end.
pub const HTTP_REQUESTS_MAX: usize = 100;
