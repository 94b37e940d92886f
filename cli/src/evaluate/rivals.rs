//! What else could be done with the same uplink: the clip coded at its own size, and the small clip without patches.
//! Coded offline, of the frames as they were published, with the publisher's encoder and its key frames; nothing of it
//! is lost.

pub(crate) mod overhead;
mod rate;

use std::{collections::BTreeSet, ops::Range, thread};

use anyhow::Context;
use media::{AccessUnit, Encoder, EncoderSettings};

use super::{
    measure::{
        clip::{self, Clip},
        progress::Progress,
    },
    recording::{Conditions, SentFrame},
    report::RivalRate,
};
use rate::{RateSearch, Try};

/// A publisher's payloads are at most so large (`webrtc-client`).
const MAX_PAYLOAD_BYTES: usize = 1140;

/// What rivals are made of.
#[derive(Debug)]
pub(crate) struct Published<'a> {
    pub(crate) conditions: &'a Conditions,
    pub(crate) sent: &'a [SentFrame],
    /// Which of the frames sent were key frames.
    pub(crate) keyframes: BTreeSet<usize>,
    /// What patches and video had together, in bytes of UDP payload.
    pub(crate) budget_bytes: f64,
    /// What sound and the rest had; it costs rivals the same.
    pub(crate) besides_bytes: f64,
    pub(crate) overhead_bytes_a_packet: f64,
}

/// A rival's coded frames, one for each frame sent.
#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) units: Vec<AccessUnit>,
    pub(crate) rate: RivalRate,
}

#[derive(Debug)]
pub(crate) struct BothRivals {
    pub(crate) direct: Rival,
    pub(crate) bicubic_full: Rival,
    /// The clip's indices, where it was repeated
    pub(crate) lap: Option<Range<u64>>,
}

/// Codes both, each at the rate that fills the budget.
pub(crate) fn code(published: &Published<'_>, progress: &Progress) -> anyhow::Result<BothRivals> {
    let scale = usize::from(published.conditions.scale);
    thread::scope(|scope| {
        let direct = scope.spawn(|| fill_budget(published, 1, progress).context("coding the rival `direct`"));
        let full = fill_budget(published, scale, progress).context("coding the rival `bicubic_full`");
        let direct = direct.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ((direct, lap), (bicubic_full, _)) = (direct?, full?);
        Ok(BothRivals { direct, bicubic_full, lap })
    })
}

/// `shrink`: how much smaller than the clip the rival is. The clip's indices come along.
fn fill_budget(
    published: &Published<'_>,
    shrink: usize,
    progress: &Progress,
) -> anyhow::Result<(Rival, Option<Range<u64>>)> {
    let seconds = f64::from(published.conditions.seconds);
    let mut search = RateSearch::new(published.budget_bytes, seconds);
    let mut best: Option<(Try, Vec<AccessUnit>)> = None;
    let mut lap = None;
    while let Some(set_kbps) = search.next() {
        let mut clip = Clip::open(published.conditions)?;
        let units = encode(published, &mut clip, shrink, set_kbps, progress)?;
        lap = clip.lap();
        let bytes = units.iter().map(|unit| udp_bytes(unit, published.overhead_bytes_a_packet)).sum();
        let tried = Try { set_kbps, bytes };
        search.record(tried);
        if search.best() == Some(tried) {
            best = Some((tried, units));
        }
    }
    let (Try { set_kbps, bytes }, units) = best.context("no rate was tried")?;
    let kbps = |bytes: f64| bytes * 8.0 / 1000.0 / seconds;
    let rate = RivalRate { set_kbps, video_kbps: kbps(bytes), total_kbps: kbps(bytes + published.besides_bytes) };
    Ok((Rival { units, rate }, lap))
}

fn encode(
    published: &Published<'_>,
    clip: &mut Clip,
    shrink: usize,
    set_kbps: u32,
    progress: &Progress,
) -> anyhow::Result<Vec<AccessUnit>> {
    let (width, height) = clip.size();
    let coder = &published.conditions.publisher_encoder;
    let mut encoder = Encoder::open(&EncoderSettings {
        encoder: coder.encoder.clone(),
        width: width / shrink,
        height: height / shrink,
        frame_rate: coder.frame_rate.map_or_else(|| clip::published_frame_rate(published.conditions), Ok)?,
        bitrate_kbps: set_kbps,
        preset: coder.preset.clone(),
        threads: coder.threads,
        keyframe_interval: coder.keyframe_interval,
    })?;
    progress.expect(published.sent.len());
    let frames = published.sent.iter().enumerate().map(|(index, frame)| {
        progress.step();
        let picture = clip.frame(frame.clip_frame_index)?;
        let picture = if shrink > 1 { picture.area_downscale(shrink) } else { picture };
        let unit = encoder.encode(&picture, frame.ticks, published.keyframes.contains(&index))?;
        unit.context("the encoder keeps frames back")
    });
    frames.collect()
}

fn udp_bytes(unit: &AccessUnit, overhead_bytes_a_packet: f64) -> f64 {
    let payloads = rtp::h264::packetize(&unit.data, MAX_PAYLOAD_BYTES);
    payloads.iter().map(|payload| payload.len() as f64 + overhead_bytes_a_packet).sum()
}
