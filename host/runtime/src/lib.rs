//! The shell of holiday-host: everything around the pure core that touches files, sockets, clocks and wasm.

pub mod clock;
pub mod driver;
pub mod host;
pub mod ingress;
pub mod log;
pub mod store;
pub mod wasm;
