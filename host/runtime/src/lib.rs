//! The shell of holiday-host: everything around the pure core that touches files, sockets, clocks and wasm.

pub mod admin;
pub mod chronicle;
pub mod clock;
mod complaint;
pub mod config;
pub mod door;
pub mod driver;
mod durable;
pub mod events;
pub mod host;
pub mod ingress;
pub mod log;
mod media;
pub mod metrics;
mod nearest;
mod openapi;
pub mod policy;
pub mod registrar;
mod schema;
pub mod seal;
pub mod secret;
pub mod store;
pub mod takeover;
pub mod telemetry;
pub mod unique;
pub mod units;
pub mod wasm;
