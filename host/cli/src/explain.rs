//! `explain`: the help page of an error code, or the list of all codes.

use clap::Args;
use holiday_core::error::ErrorCode;

use crate::failure::{Failure, Result};
use crate::output;

/// Explain an error code, or list them all
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, such as HH0007 or hh7; without it all codes are listed
    code: Option<String>,
}

impl Explain {
    pub(crate) fn execute(self) -> Result<()> {
        match self.code {
            Some(text) => {
                let code = ErrorCode::parse(&text).ok_or_else(|| {
                    Failure::misuse(format!("'{text}' is not an error code; `explain` alone lists them all"))
                })?;
                output::print(code.page().trim_end());
            }
            None => {
                for code in ErrorCode::ALL {
                    output::print(&format!("{code}  {}", code.title()));
                }
            }
        }
        Ok(())
    }
}
