//! Pictures through the enhancer's encoder and a decoder, as if the enhancer had sent them.

use anyhow::Context;
use media::{Decoder, Encoder, EncoderSettings, Picture};

use super::super::recording::{Conditions, VIDEO_CLOCK_RATE};

/// Codes and decodes picture after picture.
#[derive(Debug)]
pub(crate) struct OwnEncoder {
    encoder: Encoder,
    decoder: Decoder,
}

/// What the enhancer opens its encoder for, whatever the stream's rate is.
const NOMINAL_FRAME_RATE: (u32, u32) = (30, 1);

impl OwnEncoder {
    /// `interval`: ticks from one frame of the source to the next.
    pub(crate) fn open(conditions: &Conditions, size: (usize, usize), interval: u64) -> anyhow::Result<Self> {
        let coder = &conditions.enhancer_encoder;
        let frame_rate = coder.frame_rate.unwrap_or(NOMINAL_FRAME_RATE);
        let mut encoder = Encoder::open_or_x264(&EncoderSettings {
            encoder: coder.encoder.clone(),
            width: size.0,
            height: size.1,
            frame_rate,
            bitrate_kbps: conditions.enhancer_kbps,
            preset: coder.preset.clone(),
            threads: coder.threads,
            keyframe_interval: coder.keyframe_interval,
        })?;
        if let Some(told) = told_kbps(conditions.enhancer_kbps, frame_rate, interval) {
            encoder.set_bitrate_kbps(told);
        }
        Ok(Self { encoder, decoder: Decoder::h264(1)? })
    }

    pub(crate) fn pass(&mut self, picture: &Picture, ticks: u64, keyframe: bool) -> anyhow::Result<Picture> {
        let unit = self.encoder.encode(picture, ticks, keyframe)?.context("the encoder keeps frames back")?;
        let decoded = self.decoder.decode(&unit.data, ticks)?;
        Ok(decoded.into_iter().next().context("the decoder keeps frames back")?.picture)
    }
}

/// The rate that the enhancer tells its encoder of a stream that is much slower or faster than nominal, so that each
/// frame gets its share; `None`: it leaves the rate alone.
fn told_kbps(bitrate_kbps: u32, opened_for: (u32, u32), interval: u64) -> Option<u32> {
    let opened_for = f64::from(opened_for.0) / f64::from(opened_for.1);
    let ratio = interval as f64 * opened_for / VIDEO_CLOCK_RATE as f64;
    (!(0.8..1.25).contains(&ratio)).then(|| (f64::from(bitrate_kbps) * ratio).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_other_frame_rates_is_what_the_enhancer_tells() {
        for (frames_a_second, expected) in
            [(30, None), (25, None), (24, Some(7500)), (60, Some(3000)), (10, Some(18_000))]
        {
            assert_eq!(
                told_kbps(6000, NOMINAL_FRAME_RATE, VIDEO_CLOCK_RATE / frames_a_second),
                expected,
                "{frames_a_second}"
            );
        }
    }
}
