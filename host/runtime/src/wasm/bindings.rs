//! The guest contract in Rust types, generated from `wit/holiday.wit`.
//!
//! `run` and `wait` may suspend the guest; every other function answers at once.

#![allow(missing_debug_implementations, unreachable_pub, unused_qualifications, clippy::all)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "guest",
    imports: {
        "holiday:durable/context.run": async | trappable,
        "holiday:durable/context.wait": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "holiday:durable/context.pending": crate::wasm::context::Pending,
        "holiday:durable/context.run-token": crate::wasm::context::RunToken,
    },
});
