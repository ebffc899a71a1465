//! The state store: rows in memory above rows on disk.
//!
//! The state is what [`holiday_core::engine`] made of the log, so nothing here has to be durable for its own
//! sake: a checkpoint only saves replaying the log from its start, and lets the log forget.
//!
//! **The rule: the state file is never checkpointed ahead of the durable log.** A [`Checkpoint`] may be
//! frozen at any time, but is written only once the log is durable up to the last record applied to it. Were
//! it written earlier, a crash that loses the tail of the log would leave effects without their cause, and
//! the next records would be applied to a state they do not follow. And in the other direction: the log is
//! trimmed only up to the `applied` row of a checkpoint that *was* written, or records would be missing.
//!
//! The life of a row: [`Overlay`] takes it in memory; [`Overlay::freeze`] hands the layer to a thread that
//! writes it down as one transaction; [`Overlay::checkpointed`] lets go of the layer. Most rows of a short
//! invocation are deleted before their layer is frozen and never reach the disk twice.

#[cfg(test)]
mod conformance;
pub mod data_dir;
mod data_file;
pub mod overlay;
mod redb;
mod rehearsal;

pub use data_dir::{DataDir, OpenError};
pub use overlay::{Checkpoint, Overlay, Written};

/// Bytes of rows in the active layer beyond which the driver freezes it. If the layer before is still being
/// written by then, the driver takes no new work until it is.
pub const ACTIVE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a row costs beside its key and value, about: the tree's node, two allocations.
pub const ROW_OVERHEAD_BYTES: usize = 96;

/// Memory for pages of `state.redb`.
pub const STATE_CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Memory for pages of `log.redb`. Little is read from there while the host runs.
pub const LOG_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Size up to which the checksums of a file are verified whenever it is opened. A larger one would delay the
/// start; it is verified only after a crash.
pub const VERIFIED_AT_OPEN_BYTES_MAX: u64 = 256 * 1024 * 1024;
