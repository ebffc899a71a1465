//! Exercises every part of the host, one handler each, for the host's own tests.

mod entropy;
mod hostile;
mod inputs;
mod object;
mod service;
mod together;
mod workflow;

holiday_sdk::export!(service::Probe, object::ProbeObject, workflow::ProbeWorkflow);
