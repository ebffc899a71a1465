//! Calls to AWS from the closures of [`run`](holiday_sdk::Context::run).
//!
//! Region, credentials and, for another place than Amazon's, `AWS_ENDPOINT` are variables of the deployment:
//!
//! ```toml
//! [env]
//! AWS_REGION = "eu-central-1"
//! AWS_ACCESS_KEY_ID = { secret-env = "AWS_ACCESS_KEY_ID" }
//! AWS_SECRET_ACCESS_KEY = { secret-env = "AWS_SECRET_ACCESS_KEY" }
//! ```
//!
//! The credentials sign requests and are nowhere else: neither in an error nor in what `Debug` shows.
//!
//! ```no_run
//! use aws::Aws;
//! use aws::sns::Publish;
//! use holiday_sdk::{Context, Error};
//!
//! async fn tell(ctx: Context, topic: String) -> Result<String, Error> {
//!     let message = Publish { topic_arn: &topic, message: "hello", ..Publish::default() };
//!     Ok(ctx.run("publish", async || Ok(Aws::from_config()?.sns().publish(&message).await?)).await?)
//! }
//! ```
//!
//! An [`AwsError`] becomes a retryable [`Error`](holiday_sdk::Error) when it may pass, and a terminal one otherwise. A
//! closure that expects a refusal looks at its `code` first.

pub mod athena;
mod client;
pub mod dynamodb;
mod error;
mod exchange;
pub mod iam;
pub mod lambda;
pub mod logs;
mod protocol;
mod signing;
pub mod sns;
#[cfg(test)]
mod tests;

pub use client::Aws;
pub use error::AwsError;
pub use protocol::{JsonService, QueryService, RestRequest};
