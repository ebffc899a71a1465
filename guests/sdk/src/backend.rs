//! The host as the rest of the SDK sees it: the real one in a component, a scripted fake elsewhere.
//!
//! Both sides offer the same names with the same signatures, those that `wit-bindgen` generates.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::context::{
    Pending, Pollable, Ready, RunStep, RunToken, awakeable, call, cancel, clear_all_state, clear_state,
    complete_awakeable, finish_run, get_state, invocation_info, random_seed, run, send, set_state, sleep,
    state_keys, wait,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
#[cfg(not(target_family = "wasm"))]
pub(crate) use fake::{
    Pending, Pollable, Ready, RunStep, RunToken, awakeable, call, cancel, clear_all_state, clear_state,
    complete_awakeable, finish_run, get_state, invocation_info, random_seed, run, send, set_state, sleep,
    state_keys, wait,
};
