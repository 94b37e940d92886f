//! One clip at several rates, each through an encoder and a decoder of its own.

use std::time::Duration;

use anyhow::ensure;
use media::{Decoder, Encoder, EncoderSettings, Picture, Source, SourceItem};
use proto::v1::TrainingPatch;
use rand::{SeedableRng, rngs::StdRng};
use telemetry::Shutdown;

use super::{
    cutting::{CutOptions, Cutter, Frame},
    rates::Rates,
    spool::Spool,
};

#[derive(Clone, Debug)]
pub(super) struct CodingOptions {
    pub(super) cut: CutOptions,
    pub(super) rates: Rates,
    pub(super) encoder: String,
    pub(super) preset: String,
    /// Of the clip, at most.
    pub(super) seconds: f64,
    pub(super) seed: u64,
}

/// Of a clip that is learned from, the last of every so many stretches of so many seconds is only measured on.
const STRETCHES: u64 = 5;
const STRETCH_SECONDS: u64 = 4;
const CLOCK_RATE: f64 = 90_000.0;
/// An encoder wants this much.
const MIN_SIDE: usize = 16;

/// Writes the pairs of `source` to `spool`, all of them to be measured on when it is `held_out`. Returns the rates;
/// `None` when the end was asked for.
pub(super) fn code_clip(
    mut source: Source,
    name: &str,
    held_out: bool,
    options: &CodingOptions,
    spool: &mut Spool,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Vec<u32>>> {
    let (scale, (numerator, denominator)) = (options.cut.scale, source.frame_rate());
    let frames_per_second = f64::from(numerator) / f64::from(denominator.max(1));
    let (width, height) = source.size();
    let (width, height) = (width - width % (2 * scale), height - height % (2 * scale));
    ensure!(width.min(height) / scale >= MIN_SIDE, "{name} is too small to be coded at 1/{scale} of its size");
    let kbps = options.rates.kbps(width, height, frames_per_second);
    let coding =
        |&kbps: &u32| Coding::open(name, kbps, (width / scale, height / scale), (numerator, denominator), options);
    let mut codings = kbps.iter().map(coding).collect::<anyhow::Result<Vec<_>>>()?;
    while let Some(item) = source.next_item()? {
        let SourceItem::Video { at, picture, .. } = item else { continue };
        if shutdown.is_requested() {
            return Ok(None);
        }
        if at.as_secs_f64() >= options.seconds {
            break;
        }
        let hr = picture.crop_for_scale(scale);
        let lr = hr.area_downscale(scale);
        let kept_back = held_out || at.as_secs() / STRETCH_SECONDS % STRETCHES == STRETCHES - 1;
        for coding in &mut codings {
            for patch in coding.pairs(at, 1.0 / frames_per_second, &hr, &lr)? {
                spool.write(&patch, kept_back)?;
            }
        }
    }
    Ok(Some(kbps))
}

struct Coding {
    name: String,
    encoder: Encoder,
    decoder: Decoder,
    cutter: Cutter,
}

impl Coding {
    /// As the publisher codes.
    fn open(
        clip: &str,
        kbps: u32,
        (width, height): (usize, usize),
        frame_rate: (u32, u32),
        options: &CodingOptions,
    ) -> anyhow::Result<Self> {
        let settings = EncoderSettings {
            encoder: options.encoder.clone(),
            width,
            height,
            frame_rate,
            bitrate_kbps: kbps,
            preset: options.preset.clone(),
            threads: 1,
            keyframe_interval: None,
        };
        Ok(Self {
            name: format!("{clip}@{kbps}"),
            encoder: Encoder::open(&settings)?,
            decoder: Decoder::h264(1)?,
            cutter: Cutter::new(options.cut.clone(), StdRng::seed_from_u64(options.seed + u64::from(kbps))),
        })
    }

    fn pairs(&mut self, at: Duration, seconds: f64, hr: &Picture, lr: &Picture) -> anyhow::Result<Vec<TrainingPatch>> {
        let stream_time = (at.as_secs_f64() * CLOCK_RATE) as u64;
        let Some(unit) = self.encoder.encode(lr, stream_time, false)? else { return Ok(Vec::new()) };
        let Some(decoded) = self.decoder.decode(&unit.data, stream_time)?.pop() else { return Ok(Vec::new()) };
        let frame = Frame { stream_time, hr: &hr.y, lr: &decoded.picture.y };
        let mut patches = self.cutter.cut(&frame, seconds)?;
        for patch in &mut patches {
            patch.publisher_session = self.name.clone();
        }
        Ok(patches)
    }
}

#[cfg(test)]
mod tests {
    use media::SourceOptions;

    use super::*;

    #[test]
    fn every_fifth_stretch_is_kept_back_and_of_a_held_out_clip_all() {
        media::init();
        let folder = tempfile::tempdir().unwrap();
        let options = CodingOptions {
            cut: CutOptions { scale: 2, size: 96, per_second: 2.0 },
            rates: Rates::Kbps(vec![50, 200]),
            encoder: "libx264".to_owned(),
            preset: "superfast".to_owned(),
            seconds: 40.0,
            seed: 1,
        };
        for (held_out, expected) in [(false, (2 * 64, 2 * 16)), (true, (0, 2 * 80))] {
            let mut spool = Spool::create(Some(folder.path())).unwrap();
            let lavfi = SourceOptions { format: Some("lavfi".to_owned()), ..SourceOptions::default() };
            let source = media::Source::open("testsrc2=size=192x128:rate=5", lavfi).unwrap();
            let kbps = code_clip(source, "test", held_out, &options, &mut spool, &Shutdown::default()).unwrap();
            assert_eq!(kbps, Some(vec![50, 200]));
            assert_eq!(spool.finish().unwrap(), expected);
        }
    }
}
