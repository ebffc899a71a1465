//! Functions on AWS Lambda, each with the role it runs under and the log group it writes to: made whole or not at all.
//!
//! The object `functions` keeps what is wanted and asks AWS for it; `formation` is another name for it. The service
//! `provisioning` lists them.

mod archive;
mod catalog;
mod formation;
mod function;
mod functions;
mod stack;

use catalog::{Catalog, Provisioning};
use formation::Formation;
use functions::Functions;

holiday_sdk::export!(Functions, Formation, Provisioning, Catalog);
