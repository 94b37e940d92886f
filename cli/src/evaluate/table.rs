//! Reports for the terminal.

use std::{fmt::Write, path::Path};

use super::report::{ClipReport, Delivery, Quality, Systems, Uplink};

/// The figures of each clip.
pub(crate) fn table(clips: &[ClipReport]) -> String {
    clips.iter().map(of_clip).collect::<Vec<_>>().join("\n")
}

/// Names of the systems, as everything that is shown has them.
pub(crate) const NAMES: Systems<&str> = Systems {
    bicubic: "bicubic",
    enhanced: "enhanced",
    bicubic_encoded: "bicubic, coded again",
    direct: "direct",
    bicubic_full: "bicubic, whole uplink",
};

fn of_clip(clip: &ClipReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(clip, &mut text);
    text
}

fn write(clip: &ClipReport, text: &mut String) -> std::fmt::Result {
    let (mean, scale) = (&clip.mean, usize::from(clip.conditions.scale.max(1)));
    writeln!(
        text,
        "{}: {}×{}, published {}×{}; means of seconds {} to {}",
        name(&clip.clip),
        clip.width,
        clip.height,
        clip.width / scale,
        clip.height / scale,
        clip.conditions.warmup_seconds,
        clip.conditions.seconds,
    )?;
    writeln!(text, "{}", uplink(&clip.uplink_kbps))?;
    for reason in &clip.incomplete {
        writeln!(text, "NOT COMPLETE: {reason}")?;
    }
    writeln!(text)?;

    let vmaf = mean.systems.enhanced.vmaf.is_some();
    let heading = if vmaf { "    VMAF" } else { "" };
    writeln!(text, "  {:<24}{:>10}{:>9}{heading}   enhanced is better by", "", "PSNR-Y dB", "SSIM")?;
    for (name, (quality, gain)) in rows(&mean.systems) {
        write!(text, "  {name:<24}{:>10.2}{:>9.4}", quality.psnr_y_db, quality.ssim)?;
        if vmaf {
            write!(text, "{:>8.2}", quality.vmaf.unwrap_or_default())?;
        }
        writeln!(text, "{}", gain.map_or_else(String::new, |gain| format!("{:>14} dB", signed(gain))))?;
    }
    if mean.bicubic_best.a < -0.5 {
        writeln!(text, "  {:<24}{:>10.2}", "bicubic, a = −0.75", mean.bicubic_best.psnr_y_db)?;
    }
    writeln!(
        text,
        "  {:<24}{:>10.2}{:>9}{:>14} dB  over the source, frozen frames included",
        "enhanced as seen",
        mean.as_seen.enhanced,
        "",
        signed(mean.as_seen_db)
    )?;
    writeln!(text)?;
    writeln!(
        text,
        "  worst second     {} dB over bicubic, {} dB over it coded again (second {})",
        signed(clip.worst_second.gain_db),
        signed(clip.worst_second.gain_encoded_db),
        clip.worst_second.t
    )?;
    let below = clip.share_of_seconds_below.bicubic_encoded_by_0_05_db * 100.0;
    writeln!(text, "  seconds below    {below:.1} % by more than 0.05 dB under bicubic, coded again")?;
    writeln!(text, "  source           {}", delivery(&clip.delivery.source))?;
    writeln!(text, "  enhanced         {}", delivery(&clip.delivery.enhanced))?;
    let training = &clip.training;
    writeln!(
        text,
        "  training         {} steps, {} checkpoints offered, {} accepted, {} withdrawn",
        training.steps, training.checkpoints_offered, training.checkpoints_accepted, training.checkpoints_withdrawn
    )?;
    for process in &clip.processes {
        let megabytes = process.peak_memory_bytes as f64 / 1e6;
        writeln!(text, "  {:<16} {:.1} s of CPU, {megabytes:.0} MB at most", process.name, process.cpu_seconds)?;
    }
    let (direct, full) = (clip.rivals.direct.total_kbps, clip.rivals.bicubic_full.total_kbps);
    writeln!(text, "  rivals           direct at {direct:.1} kbit/s, bicubic with the whole uplink at {full:.1} kbit/s")
}

/// In the order of what they have to say, with what enhanced gains over them.
fn rows(systems: &Systems<Quality>) -> [(&'static str, (Quality, Option<f64>)); 5] {
    let over = |quality: Quality| (quality, Some(systems.enhanced.psnr_y_db - quality.psnr_y_db));
    [
        (NAMES.enhanced, (systems.enhanced, None)),
        (NAMES.bicubic, over(systems.bicubic)),
        (NAMES.bicubic_encoded, over(systems.bicubic_encoded)),
        (NAMES.bicubic_full, over(systems.bicubic_full)),
        (NAMES.direct, over(systems.direct)),
    ]
}

pub(crate) fn uplink(uplink: &Uplink) -> String {
    let kinds =
        [("video", uplink.video), ("patches", uplink.patches), ("sound", uplink.audio), ("other", uplink.other)];
    let used = kinds.iter().filter(|(_, kbps)| *kbps >= 0.5).map(|(kind, kbps)| format!("{kind} {kbps:.0}"));
    format!("uplink {:.0} kbit/s: {}", uplink.total, used.collect::<Vec<_>>().join(", "))
}

/// Of a clip, without its folder.
pub(crate) fn name(clip: &str) -> String {
    Path::new(clip).file_name().map_or_else(|| clip.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// With its sign, a real minus and two digits.
pub(crate) fn signed(value: f64) -> String {
    format!("{value:+.2}").replace('-', "\u{2212}")
}

fn delivery(delivery: &Delivery) -> String {
    let Delivery { frames_sent, frames_shown, freezes, longest_freeze_ms, delay_ms } = delivery;
    let delay = delay_ms.map_or_else(String::new, |delay| {
        format!("; {:.0} ms after they were sent, 99 of 100 within {:.0} ms", delay.p50, delay.p99)
    });
    let frozen = match freezes {
        0 => "no freeze".to_owned(),
        1 => format!("1 freeze of {longest_freeze_ms:.0} ms"),
        _ => format!("{freezes} freezes, the longest {longest_freeze_ms:.0} ms"),
    };
    format!("{frames_shown} of {frames_sent} frames, {frozen}{delay}")
}

#[cfg(test)]
mod tests {
    use super::{super::report::sample, *};

    #[test]
    fn a_clip_is_told_in_a_screen() {
        insta::assert_snapshot!(table(&[sample::clip(1200)]));
    }

    #[test]
    fn vmaf_has_a_column_where_it_was_measured_and_reasons_are_named() {
        let mut clip = sample::clip(600);
        clip.mean.systems = clip.mean.systems.map(|quality| Quality { vmaf: Some(71.25), ..quality });
        clip.incomplete = vec!["the trainer died".to_owned()];
        let told = table(&[clip]);
        assert!(
            told.contains("VMAF") && told.contains("   71.25") && told.contains("NOT COMPLETE: the trainer died"),
            "{told}"
        );
    }
}
