//! Options that all commands over the admin door share.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use reqwest::Url;

use crate::client::{Client, parse_url};
use crate::failure::{Failure, Result};

#[derive(Debug, Args)]
pub(crate) struct Admin {
    /// The host's address for operators
    #[arg(
        long = "admin",
        value_name = "URL",
        default_value = "http://127.0.0.1:9070",
        env = "HOLIDAY_ADMIN",
        hide_env_values = true,
        value_parser = parse_url
    )]
    url: Url,
}

impl Admin {
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(&self.url)
    }
}

/// Makes sure that what destroys is meant: by `--yes`, or by asking on a terminal.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::misuse(format!("{what} cannot be undone; add --yes if it is meant")));
    }
    eprint!("{what} cannot be undone. Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::misuse("not confirmed; nothing was done")),
    }
}
