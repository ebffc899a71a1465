//! The host as its users meet it: the real binary, real guests, real HTTP, and `kill -9`.
//!
//! The guests are built once by the binary itself. Nothing asserts times. Variables:
//! `HOLIDAY_SEED` repeats a run of the kill test, `HOLIDAY_TRIPS` and `HOLIDAY_SLEEPERS` set its size.

mod approvals;
mod athena;
mod bad_input;
mod booking;
mod broker;
mod cancelling;
mod cloud;
mod collector;
mod commands;
mod config;
mod crashes;
mod dev;
mod durable_promise;
mod errors;
mod fare_collection;
mod fares;
mod final_states;
mod harness;
mod holiday;
mod holiday_aws;
mod http;
mod impatient;
mod kafka;
mod kill;
mod ledger;
mod moderation;
mod npm_client;
mod observability;
mod openapi;
mod operating_page;
mod operators;
mod package_tracker;
mod page;
mod policies;
mod provisioning;
mod python;
mod replay;
mod sealing;
mod secrets;
mod shutdown;
mod skipping;
mod sleepers;
mod traces;
mod trips;
mod user_feed;
mod vocabulary;
