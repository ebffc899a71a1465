//! The shell of holiday-host: everything around the pure core that touches files, sockets, clocks and wasm.

pub mod admin;
pub mod clock;
pub mod driver;
pub mod host;
pub mod ingress;
pub mod log;
pub mod registrar;
pub mod store;
pub mod units;
pub mod wasm;
