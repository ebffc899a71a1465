//! The guest contract in Rust types, generated from `wit/holiday.wit`.

#![allow(missing_docs, missing_debug_implementations, unreachable_pub, unsafe_code, unused_qualifications)]
#![allow(clippy::all, clippy::cast_possible_truncation)]

wit_bindgen::generate!({
    path: ["../../wit/deps/io.wit", "../../wit/holiday.wit"],
    world: "holiday:durable/guest",
    with: { "wasi:io/poll@0.2.12": wasip2::io::poll },
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "holiday_sdk::__private::bindings",
});

pub use holiday::durable::{context, manifest, types};
