//! The host as the rest of the SDK sees it: the real one in a component, a scripted fake elsewhere.
//!
//! Both sides offer the same names with the same signatures, those that `wit-bindgen` generates.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::context::{
    Pending, Pollable, Ready, RunStep, RunToken, attach, awakeable, call, cancel, clear_all_state,
    clear_state, complete_awakeable, finish_run, get_state, invocation_info, output, promise_complete,
    promise_get, promise_peek, random_seed, reveal, run, send, send_signal, set_state, signal, sleep,
    state_keys, wait,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
#[cfg(not(target_family = "wasm"))]
pub(crate) use fake::{
    Pending, Pollable, Ready, RunStep, RunToken, attach, awakeable, call, cancel, clear_all_state,
    clear_state, complete_awakeable, finish_run, get_state, invocation_info, output, promise_complete,
    promise_get, promise_peek, random_seed, reveal, run, send, send_signal, set_state, signal, sleep,
    state_keys, wait,
};
