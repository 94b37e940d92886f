//! The demo in plain lines: one a second, and the summary.

use std::{path::Path, time::Duration};

use super::progress::{Progress, Verdict};

pub(crate) fn progress_line(progress: &Progress, elapsed: Duration) -> String {
    let Progress { status, trainer, published, watched, .. } = progress;
    let learning = &status.learning;
    format!(
        "{:>4} s  uplink {:>4.0}+{:<3.0} kbit/s  fps {:>4.1} → {:>4.1} → {:>4.1}  step {:>6}  checkpoint {:>3}{}  gain {}  viewers {}",
        elapsed.as_secs(),
        status.uplink_kbps.video,
        status.uplink_kbps.patches,
        published.fps,
        status.frames_per_second.enhanced,
        watched.fps,
        trainer.step,
        learning.live_version,
        if learning.withdrawn { " (withdrawn)" } else { "" },
        decibels(learning.gain_db),
        status.viewers,
    )
}

pub(crate) fn summary(progress: &Progress, log_file: &Path) -> String {
    let verdict = progress.verdict();
    let Verdict { in_use, frames_shown, frames_expected } = verdict;
    let learning = &progress.status.learning;
    let first =
        progress.first_frame_after.map_or("never".to_owned(), |after| format!("after {:.1} s", after.as_secs_f64()));
    let psnr = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2} dB"));
    format!(
        "\n{}\n  first enhanced frame   {first}\n  frames shown           {frames_shown} of {frames_expected} ({:.1} %)\n  \
         checkpoints accepted   {}, the newest in use is {}\n  in use with gain       {:.0} s\n  \
         PSNR on fresh patches  bicubic {}, enhanced {}, gain {}\n  log                    {}",
        if verdict.passed() { "Success: the stream looks better than its uplink allows." } else { "No success." },
        verdict.percent_shown(),
        learning.checkpoints_accepted,
        learning.live_version,
        in_use.as_secs_f64(),
        psnr(learning.bicubic_psnr_db),
        psnr(learning.enhanced_psnr_db),
        decibels(learning.gain_db),
        log_file.display(),
    )
}

pub(crate) fn decibels(gain: Option<f64>) -> String {
    gain.map_or("–".to_owned(), |gain| format!("{gain:+.2} dB"))
}
