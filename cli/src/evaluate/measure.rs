//! From a recording to figures.
//!
//! ```text
//! clip ─┬────────────────────────────────────────────▶ reference ─┐
//!       └▶ rivals, coded offline ─▶ decoder ─▶ direct, bicubic_full ─┤
//! source.rtpdump ─▶ decoder ─▶ bicubic ─┬▶ bicubic ────────────────┼▶ per frame ─▶ per second ─▶ means
//!                                       └▶ enhancer's encoder ─▶ … ─┤
//! enhanced.rtpdump ─▶ decoder ─▶ enhanced ────────────────────────┘
//! ```
//! Frames are matched by the frame log alone. Pictures pass through; only coded ones are held in memory.

pub(crate) mod clip;
mod delivery;
mod keep;
mod own_encoder;
mod pass;
pub(crate) mod progress;
pub(crate) mod received;
mod scoring;
mod seconds;
mod timeline;
mod vmaf;

use std::{path::Path, thread};

use anyhow::{Context, ensure};

use super::{
    recording::{Recording, SOURCE, SentFrame, UplinkBytes},
    report::{CheckpointMark, ClipReport, Quality, Rivals, Second, Uplink},
    rivals::{self, Published, overhead},
};
use crate::rtpdump;
use pass::Pass;
use progress::Progress;
use seconds::SecondScore;

/// Measures the run in `folder`; `keep` leaves its pictures there as files.
///
/// # Errors
/// When the folder holds no whole recording, the clip cannot be read again, or nothing of it came.
pub(crate) fn measure(recording: &Recording, folder: &Path, keep: bool) -> anyhow::Result<ClipReport> {
    let conditions = &recording.conditions;
    let (count, warmup) = (conditions.seconds, conditions.warmup_seconds);
    let sent = recording.frames(folder)?;
    ensure!(!sent.is_empty(), "the publisher sent no frame");
    let progress = Progress::new();

    progress.begin("coding the rivals");
    let published = published(recording, folder, &sent)?;
    let both = rivals::code(&published, &progress)?;
    let rivals = Rivals {
        overhead_bytes_a_packet: published.overhead_bytes_a_packet,
        direct: both.direct.rate,
        bicubic_full: both.bicubic_full.rate,
    };

    progress.begin("comparing pictures");
    let due = timeline::due_frames(&sent, both.lap.clone());
    let pass = Pass::open(recording, folder, &sent, both, keep)?;
    let (width, height) = pass.size();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (scores, passed) = scoring::score_all(threads, |jobs| pass.run(&due, jobs, &progress))?;

    let second = |index: usize| due[index].second();
    let scores = seconds::seconds(count, &scores, second);
    let steady = &scores[(warmup as usize).min(scores.len())..];
    let incomparable = || format!("no frame after the first {warmup} s came to both viewers");
    let mut mean = seconds::mean(steady).with_context(incomparable)?;
    if let Some(vmaf) = passed.vmaf {
        mean.systems = mean.systems.zip(vmaf).map(|(quality, vmaf)| Quality { vmaf: Some(vmaf), ..quality });
    }
    Ok(ClipReport {
        clip: conditions.clip.clone(),
        width,
        height,
        conditions: conditions.clone(),
        incomplete: recording.incomplete.clone(),
        uplink_kbps: uplink_kbps(&recording.uplink),
        rivals,
        mean,
        worst_second: seconds::worst(steady, warmup).with_context(incomparable)?,
        share_of_seconds_below: seconds::share_below(steady),
        seconds: (0..).zip(&scores).map(|(t, score)| report_second(t, score, recording, &sent)).collect(),
        checkpoints: checkpoint_marks(recording),
        delivery: passed.shown.map(|shown| delivery::delivery(&sent, &shown, warmup)),
        training: recording.training.clone(),
        processes: recording.processes.clone(),
        machine: recording.machine.clone(),
    })
}

fn published<'a>(recording: &'a Recording, folder: &Path, sent: &'a [SentFrame]) -> anyhow::Result<Published<'a>> {
    let (packets, index) = (rtpdump::read(&folder.join(SOURCE))?, received::index(sent));
    let sum = |bytes: fn(&UplinkBytes) -> u64| recording.uplink.iter().map(bytes).sum::<u64>() as f64;
    Ok(Published {
        conditions: &recording.conditions,
        sent,
        budget_bytes: sum(|bytes| bytes.video + bytes.patches),
        besides_bytes: sum(|bytes| bytes.audio + bytes.other),
        overhead_bytes_a_packet: overhead::bytes_a_packet(&packets, sent, &index, &recording.uplink),
        keyframes: received::keyframes(packets, &index),
    })
}

fn report_second(t: u32, score: &SecondScore, recording: &Recording, sent: &[SentFrame]) -> Second {
    let uplink = recording.uplink.get(t as usize).copied().unwrap_or_default();
    let frames_sent = sent.iter().filter(|frame| frame.second() == t as usize).count();
    Second {
        t,
        frames_sent: u32::try_from(frames_sent).unwrap_or(u32::MAX),
        frames_compared: score.frames_compared,
        compared: score.compared,
        as_seen: score.as_seen,
        checkpoint_version: live_version(recording, t),
        uplink_kbps: uplink_kbps(&[uplink]).total,
    }
}

/// At the end of the second, as the media-node says: general weights are live without having been offered. 0: none, or
/// withdrawn.
fn live_version(recording: &Recording, t: u32) -> u64 {
    let end = recording.began_unix_us + (u64::from(t) + 1) * 1_000_000;
    let last = recording.judged.iter().rfind(|judged| judged.unix_us < end);
    last.filter(|judged| !judged.withdrawn).map_or(0, |judged| judged.live_version)
}

fn checkpoint_marks(recording: &Recording) -> Vec<CheckpointMark> {
    let marks = recording.checkpoints.iter().map(|event| CheckpointMark {
        t: (event.unix_us as f64 - recording.began_unix_us as f64) / 1e6,
        version: event.version,
        change: event.what.clone(),
    });
    marks.collect()
}

/// Means over these seconds.
fn uplink_kbps(seconds: &[UplinkBytes]) -> Uplink {
    let kbps = |bytes: fn(&UplinkBytes) -> u64| {
        seconds.iter().map(bytes).sum::<u64>() as f64 * 8.0 / 1000.0 / seconds.len().max(1) as f64
    };
    let [video, patches, audio, other] =
        [kbps(|bytes| bytes.video), kbps(|bytes| bytes.patches), kbps(|bytes| bytes.audio), kbps(|bytes| bytes.other)];
    Uplink { video, patches, audio, other, total: video + patches + audio + other }
}

#[cfg(test)]
mod tests;
