//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use holiday_core::time::Timestamp;

/// The time now. A clock set before 1970 reads as 1970; the driver keeps records in order either way.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The same, as fine as the system has it.
pub fn system_time() -> SystemTime {
    SystemTime::now()
}
