//! `completions`: a script that teaches a shell this command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::failure::Result;
use crate::output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn execute(self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "holiday-host", &mut script);
        output::print(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
