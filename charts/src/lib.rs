//! What the Helm chart `charts/acuity` repeats of the rest of the repository: `chartgen` writes it, a test holds it equal.

mod generated;
mod values_table;

pub use generated::{File, generated};
pub use values_table::values_table;

use std::path::{Path, PathBuf};

/// The chart's folder.
#[must_use]
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("acuity")
}
