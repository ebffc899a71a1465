//! The zip file that Lambda takes code in.

use std::io::{Cursor, Write as _};

use holiday_sdk::{Error, TerminalError};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The module that Lambda loads; `.mjs`, so that it may export.
const MODULE: &str = "index.mjs";

/// Packs code as the one file of an archive. The same code gives the same bytes.
pub(crate) fn zipped(code: &str) -> Result<Vec<u8>, Error> {
    pack(code).map_err(|error| TerminalError::new(format!("the code cannot be packed: {error}")).into())
}

fn pack(code: &str) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    archive.start_file(MODULE, options)?;
    archive.write_all(code.as_bytes())?;
    Ok(archive.finish()?.into_inner())
}
