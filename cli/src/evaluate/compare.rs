//! `--compare`: two reports side by side.

use std::path::Path;

/// # Errors
/// When one of the files is no report.
pub(crate) fn compare(_a: &Path, _b: &Path) -> anyhow::Result<String> {
    Ok(String::new())
}
