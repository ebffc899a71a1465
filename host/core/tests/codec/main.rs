//! What is on disk: every released version decodes for ever, and no bytes make the decoder panic.

mod fixtures;
mod robustness;
mod subscriptions;
mod values;
