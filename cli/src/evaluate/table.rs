//! Reports for the terminal.

use super::report::ClipReport;

/// The figures of each clip.
pub(crate) fn table(_clips: &[ClipReport]) -> String {
    String::new()
}
