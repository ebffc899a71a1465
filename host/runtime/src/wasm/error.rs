//! What can be wrong with a component.

use std::io;
use std::path::PathBuf;

use holiday_core::error::ErrorCode;
use holiday_core::id::DeploymentId;

/// Why a component is not accepted or cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("the file is {what}, not a WebAssembly component; {advice}")]
    NotAComponent { what: String, advice: &'static str },
    #[error("the component has {bytes} bytes, more than the {max} that are allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("the component is invalid, or uses a WebAssembly feature that the host does not have: {reason}")]
    Invalid { reason: String },
    #[error("the component needs more than an instance may have: {reason}")]
    TooDemanding { reason: String },
    #[error(
        "the component does not export '{function}' as the world holiday:durable/guest has it{reason}; build it with the holiday SDK"
    )]
    MissingExport { function: &'static str, reason: String },
    #[error("the component imports '{import}', which the host does not give: {reason}")]
    UnknownImport { import: String, reason: String },
    #[error("describe() of the component failed: {reason}")]
    DescribeFailed { code: ErrorCode, reason: String },
    #[error("{0}")]
    BadManifest(String),
    #[error(
        "the component of deployment {deployment} is missing: {path} has no file for it; register the component again"
    )]
    Missing { deployment: DeploymentId, path: PathBuf },
    #[error(
        "{path}, the component of deployment {deployment}, is corrupt: its bytes do not have the digest of its name; register the component again"
    )]
    Corrupt { deployment: DeploymentId, path: PathBuf },
    #[error("{path} cannot be {verb}: {cause}")]
    Storage { path: PathBuf, verb: &'static str, cause: io::Error },
    #[error("the host failed: {0}")]
    Internal(String),
}

impl ComponentError {
    pub fn code(&self) -> ErrorCode {
        match self {
            ComponentError::NotAComponent { .. } | ComponentError::Invalid { .. } => ErrorCode::NotAComponent,
            ComponentError::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            ComponentError::TooDemanding { .. } => ErrorCode::GuestOutOfMemory,
            ComponentError::MissingExport { .. } => ErrorCode::MissingExport,
            ComponentError::UnknownImport { .. } => ErrorCode::UnknownImport,
            ComponentError::DescribeFailed { code, .. } => *code,
            ComponentError::BadManifest(_) => ErrorCode::BadManifest,
            ComponentError::Missing { .. } | ComponentError::Corrupt { .. } => ErrorCode::ComponentMissing,
            ComponentError::Storage { .. } => ErrorCode::StorageFailed,
            ComponentError::Internal(_) => ErrorCode::Internal,
        }
    }
}
