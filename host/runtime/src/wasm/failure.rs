//! Says why a guest failed, in words that begin with an error code.

use holiday_core::error::ErrorCode;
use holiday_core::value::cut;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::sandbox::Sandbox;
use super::stop::Stop;

/// Whether the error comes from code of the guest, or from a bound it met.
pub(super) fn is_of_guest(error: &Error) -> bool {
    error.is::<Trap>()
        || error.is::<I32Exit>()
        || error.is::<Stop>()
        || error.is::<PoolConcurrencyLimitError>()
}

/// Explains an error of a call into the guest.
pub(super) fn explain(error: &Error, sandbox: &Sandbox) -> String {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return cut(stop.to_string());
    }
    if let Some(bytes) = sandbox.memory.refused {
        return format!(
            "{}: the component asked for {bytes} bytes of memory, more than the {} that are allowed; work on \
             less at a time, or start the host with a larger bound",
            ErrorCode::GuestOutOfMemory,
            sandbox.memory.bytes_max()
        );
    }
    if let Some(limit) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        return format!("{}: {limit}", ErrorCode::Overloaded);
    }
    let mut text = match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(status)) => format!("{}: the component called exit({status})", ErrorCode::GuestTrapped),
        None => format!("{}: the component trapped: {}", ErrorCode::GuestTrapped, error.root_cause()),
    };
    if let Some(words) = sandbox.stderr.last_words() {
        text = format!("{text}; its last words were: {words}");
    }
    cut(text)
}

/// What a message says after its code.
pub(super) fn without_code(message: &str) -> String {
    let rest = ErrorCode::of_message(message).and_then(|_| message.split_once(':'));
    rest.map_or(message, |(_, rest)| rest.trim_start()).to_owned()
}
