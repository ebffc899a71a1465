//! The shell of holiday-host: everything around the pure core that touches files, sockets, clocks and wasm.

pub mod driver;
pub mod log;
pub mod store;
